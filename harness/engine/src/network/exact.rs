use std::time::Duration;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use super::{Fault, Mishap};

/// An exact fault, and how many of its frames were sent.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) fault: Fault,
    seen: u32,
}

impl Pending {
    pub(super) const fn new(fault: Fault) -> Self {
        Self { fault, seen: 0 }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.seen >= self.fault.nth
    }

    /// Counts a frame; whether it is the one.
    fn hits(&mut self, from: Role, name: &str) -> bool {
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
pub(super) struct Hits {
    pub(super) lost: bool,
    pub(super) twice: bool,
    pub(super) late: Duration,
    pub(super) after: Option<u32>,
    pub(super) flipped: Vec<u32>,
}

impl Hits {
    /// A datagram is only named while a fault still waits for its frame: naming is dear.
    pub(super) fn of(
        faults: &mut [Pending],
        vocabulary: &dyn Vocabulary,
        from: Role,
        payload: &[u8],
    ) -> Self {
        let mut hits = Self::default();
        if faults.iter().all(Pending::is_over) {
            return hits;
        }
        let Ok(Some(described)) = vocabulary.decode(payload) else {
            return hits;
        };
        for pending in faults {
            if !pending.hits(from, described.frame) {
                continue;
            }
            match pending.fault.mishap {
                Mishap::Lost => hits.lost = true,
                Mishap::Twice => hits.twice = true,
                Mishap::Late(by) => hits.late = hits.late.saturating_add(by),
                Mishap::After(later) => hits.after = hits.after.max(Some(later)),
                Mishap::Flipped(bit) => hits.flipped.push(bit),
            }
        }
        hits
    }
}
