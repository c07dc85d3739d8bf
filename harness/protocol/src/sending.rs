use std::time::Duration;

/// Bytes that may wait for a stream whose windows are full.
const MOST_WAITING: usize = 64 * 1024;

/// The send queue of one stream: one write at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sending {
    waiting: Vec<u8>,
    /// Since when the transport has had a write without having taken all of it.
    since: Option<Duration>,
}

impl Sending {
    /// Takes bytes; what is the result must be written now.
    pub(crate) fn send(&mut self, now: Duration, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.since.is_some() {
            self.waiting.extend_from_slice(bytes);
            return None;
        }
        self.since = Some(now);
        Some(bytes.to_vec())
    }

    /// The transport took the last write; what is the result must be written now.
    pub(crate) fn written(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.since = (!self.waiting.is_empty()).then_some(now);
        self.since.map(|_| std::mem::take(&mut self.waiting))
    }

    /// Whether the transport has taken everything.
    pub(crate) const fn is_idle(&self) -> bool {
        self.since.is_none()
    }

    /// How many bytes wait.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether so much waits that nothing more should be asked for.
    pub(crate) const fn is_full(&self) -> bool {
        self.waiting() >= MOST_WAITING
    }

    /// When the write takes too long, for which it may take `operation`.
    pub(crate) fn deadline(&self, operation: Duration) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(operation))
    }
}
