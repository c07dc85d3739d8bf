//! The datagrams of one side on their way to the other.

use std::sync::Arc;

use shakedown_protocol::exploration::digest;

/// A datagram; states share it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    pub(super) payload: Vec<u8>,
    /// Of its payload: equal datagrams are one to a state.
    pub(super) digest: u64,
}

impl Datagram {
    pub(super) fn new(payload: Vec<u8>) -> Self {
        Self {
            digest: digest(&payload),
            payload,
        }
    }
}

/// What is on its way from one side to the other.
#[derive(Clone, Default)]
pub(super) struct Channel {
    /// In the order in which it was sent.
    pub(super) queue: Vec<Arc<Datagram>>,
    /// What stayed behind, in the order of digests: it arrives at any time.
    pub(super) late: Vec<Arc<Datagram>>,
}

impl Channel {
    /// A datagram stays behind.
    pub(super) fn stay(&mut self, datagram: &Arc<Datagram>) {
        let place = self
            .late
            .partition_point(|late| late.digest < datagram.digest);
        self.late.insert(place, Arc::clone(datagram));
    }

    /// The identity of a path.
    pub(super) fn digests(&self) -> impl Iterator<Item = u64> {
        let on_the_way = self.queue.iter().map(|datagram| datagram.digest);
        // Apart from those that stayed behind.
        on_the_way
            .chain([self.queue.len() as u64])
            .chain(self.late.iter().map(|datagram| datagram.digest))
    }
}
