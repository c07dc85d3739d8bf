use std::collections::BTreeSet;

use shakedown_protocol::pair::{Offer, Pairs, Sign};
use shakedown_protocol::requirement::Role;

/// Most frames that are counted, above any stream of a matrix.
const MAX_FRAMES: usize = 1 << 22;

/// What the datagrams at one edge of a pair show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeTraffic {
    /// How often the initiator asked in its own way.
    pub asked: u64,
    /// Whether it asked in the older way before any media came.
    pub fell_back: bool,
    /// How a side refused at first, if one did.
    pub refusal: Option<String>,
    /// Frames that were granted, where the responder said so: frames a second, seconds.
    pub granted: (Option<u32>, Option<u32>),
    /// Datagrams of the responder, whatever they are.
    pub answers: u64,
    /// Datagrams of media.
    pub media: u64,
    frames: BTreeSet<u64>,
}

impl EdgeTraffic {
    /// The next datagram passes.
    pub fn observe(&mut self, pairs: &Pairs, initiator: &Offer<'_>, from: Role, payload: &[u8]) {
        self.answers += u64::from(from == Role::Responder);
        match (pairs.sign)(initiator, from, payload) {
            Some(Sign::Asks) => self.asked += 1,
            Some(Sign::FallsBack) => self.fell_back |= self.media == 0,
            Some(Sign::Refuses(how)) => {
                self.refusal.get_or_insert(how);
            }
            Some(Sign::Grants {
                frames_per_second,
                seconds,
            }) => self.granted = (frames_per_second, seconds),
            Some(Sign::Media(number)) => {
                self.media += 1;
                if self.frames.len() < MAX_FRAMES {
                    self.frames.insert(number);
                }
            }
            None => {}
        }
    }

    /// Frames of media, each number once.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames.len() as u64
    }
}
