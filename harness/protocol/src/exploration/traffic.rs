//! What both sides count, against what the network took and delivered (section 6 of a specification).

use crate::machine::Tally;

/// What is wrong where a side counts what it did not send, or does not count what it sent.
pub const SENT: &str = "what a side counts as sent is what the network took";

/// Datagrams and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatagramCount {
    datagrams: u64,
    bytes: u64,
}

/// What one side should have counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    pub sent: DatagramCount,
    pub received: DatagramCount,
}

impl DatagramCount {
    pub const fn add(&mut self, payload: &[u8]) {
        self.datagrams += 1;
        self.bytes += payload.len() as u64;
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.datagrams == 0
    }
}

impl Traffic {
    /// What a side has counted so far.
    #[must_use]
    pub const fn counted(tally: &Tally) -> Self {
        Self {
            sent: DatagramCount {
                datagrams: tally.sent_datagrams,
                bytes: tally.sent_bytes,
            },
            received: DatagramCount {
                datagrams: tally.received_datagrams,
                bytes: tally.received_bytes,
            },
        }
    }

    /// What is wrong with the counters of the side: what holds at the beginning and at every step holds in
    /// every run.
    #[must_use]
    pub fn differ(&self, tally: &Tally) -> Option<&'static str> {
        let counted = Self::counted(tally);
        if tally.attempted != tally.succeeded + tally.failed + tally.open {
            Some("handshakes attempted are those that succeeded, failed and are open")
        } else if counted.sent != self.sent {
            Some(SENT)
        } else if counted.received != self.received {
            Some("what a side counts as received is what the network delivered")
        } else {
            None
        }
    }
}
