use std::collections::BTreeSet;

use shakedown_wire::quic::Acknowledged;

/// How far below an acknowledged packet another one is lost (RFC 9002, section 6.1.1).
const LOST_BELOW: u64 = 3;

/// Most packet numbers that are kept.
const MOST: usize = 1024;

/// The ack-eliciting packets of one side that its peer has not acknowledged.
///
/// What a lost packet carried is sent again in a later one, so the next packet takes its place here.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    numbers: BTreeSet<u64>,
    /// The largest number that the peer acknowledged.
    largest: u64,
}

impl Outstanding {
    pub(super) fn sent(&mut self, number: u64) {
        if self.numbers.len() < MOST {
            self.numbers.insert(number);
        }
    }

    /// Takes an acknowledgement of the peer, where the side's next packet has the number `next`. Returns the lost
    /// packet with the smallest number.
    pub(super) fn acknowledged(&mut self, acknowledged: &Acknowledged, next: u64) -> Option<u64> {
        self.numbers.retain(|number| !acknowledged.covers(*number));
        self.largest = self.largest.max(acknowledged.largest);
        let below = acknowledged.largest.saturating_sub(LOST_BELOW - 1);
        let lost = self
            .numbers
            .first()
            .copied()
            .filter(|first| *first < below)?;
        self.numbers = self.numbers.split_off(&below);
        self.sent(next);
        Some(lost)
    }

    /// Whether the peer has all that was sent up to the packet with this number.
    pub(super) fn is_delivered(&self, number: u64) -> bool {
        self.numbers.first().is_none_or(|first| *first > number)
    }

    /// Whether the peer has a packet and not one that was sent before it.
    pub(super) fn has_gap(&self) -> bool {
        self.numbers
            .first()
            .is_some_and(|first| *first < self.largest)
    }
}
