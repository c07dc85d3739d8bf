use std::time::Duration;

/// How late the driver was while the current window was open.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    pub(crate) worst: Duration,
    last: Duration,
}

impl Lateness {
    pub(crate) fn note(&mut self, now: Duration, by: Duration, window: Duration) {
        let fresh = self.last < window;
        self.worst = if fresh { by } else { self.worst.max(by) };
        self.last = now;
    }

    /// A window opens at `start`: what was late before it does not count.
    pub(super) fn forget_before(&mut self, start: Duration) {
        if self.last < start {
            self.worst = Duration::ZERO;
        }
    }
}
