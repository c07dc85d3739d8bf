use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// One timer for each peer, in the order of their times. Every operation is O(log n).
#[derive(Debug, Clone, Hash, Default)]
pub(super) struct Timers(BTreeSet<(Duration, SocketAddr)>);

impl Timers {
    pub(super) fn first(&self) -> Option<Duration> {
        self.0.first().map(|(time, _)| *time)
    }

    /// Takes a peer whose time has come by `now`.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<SocketAddr> {
        let due = self.0.first().is_some_and(|(time, _)| *time <= now);
        due.then(|| self.0.pop_first().map(|(_, peer)| peer))
            .flatten()
    }

    /// Moves the timer of `peer` from one time to another; `None` stands for no timer.
    pub(super) fn change(
        &mut self,
        peer: SocketAddr,
        from: Option<Duration>,
        to: Option<Duration>,
    ) {
        if let Some(from) = from {
            self.0.remove(&(from, peer));
        }
        if let Some(to) = to {
            self.0.insert((to, peer));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
