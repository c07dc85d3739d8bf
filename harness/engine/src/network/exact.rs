use std::time::Duration;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use super::{Fault, FaultKind};

/// An exact fault, and how many of its frames were sent.
#[derive(Debug)]
pub(super) struct PendingFault {
    pub(super) fault: Fault,
    seen: u32,
}

impl PendingFault {
    pub(super) const fn new(fault: Fault) -> Self {
        Self { fault, seen: 0 }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.seen >= self.fault.nth
    }

    /// Counts a frame; whether it is the one.
    fn matches(&mut self, from: Role, name: &str) -> bool {
        let is_side = self.fault.from.is_none_or(|side| side == from);
        if self.is_over() || !is_side || self.fault.frame != name {
            return false;
        }
        self.seen += 1;
        self.is_over()
    }
}

/// What exact faults do to one datagram.
#[derive(Debug, Clone, Default)]
pub(super) struct MatchedFaults {
    pub(super) drop: bool,
    pub(super) duplicate: bool,
    pub(super) delay: Duration,
    /// How many later datagrams overtake it.
    pub(super) reorder_after: Option<u32>,
    pub(super) corrupt_bits: Vec<u32>,
}

impl MatchedFaults {
    /// A datagram is only named while a fault still waits for its frame: decoding costs.
    pub(super) fn of(
        faults: &mut [PendingFault],
        vocabulary: &dyn Vocabulary,
        from: Role,
        payload: &[u8],
    ) -> Self {
        let mut matched = Self::default();
        if faults.iter().all(PendingFault::is_over) {
            return matched;
        }
        let Ok(Some(described)) = vocabulary.decode(payload) else {
            return matched;
        };
        for pending in faults {
            if !pending.matches(from, described.frame) {
                continue;
            }
            match pending.fault.kind {
                FaultKind::Drop => matched.drop = true,
                FaultKind::Duplicate => matched.duplicate = true,
                FaultKind::Delay(by) => matched.delay = matched.delay.saturating_add(by),
                FaultKind::Reorder(later) => {
                    matched.reorder_after = matched.reorder_after.max(Some(later))
                }
                FaultKind::Corrupt(bit) => matched.corrupt_bits.push(bit),
            }
        }
        matched
    }
}
