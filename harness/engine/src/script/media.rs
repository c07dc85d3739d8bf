//! Counting of received media.

use shakedown_protocol::media::Piece;

/// Media received at one socket.
#[derive(Debug, Default)]
pub(crate) struct MediaSeen {
    /// The highest frame number that a step looked at.
    pub(crate) highest: Option<u64>,
    /// The last frame that a step counted, if parts of it are still to come.
    rest: Option<Part>,
}

/// A frame of which some datagrams came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    number: u64,
    /// Bytes that came, and bytes that the frame has.
    have: u64,
    need: u64,
}

impl MediaSeen {
    /// A step completed with this frame.
    pub(crate) fn completed(&mut self, part: Option<Part>) {
        self.rest = part.filter(|part| part.have < part.need);
    }

    /// Whether an arrival is a further part of the frame that completed an earlier step.
    pub(crate) fn takes_rest(&mut self, piece: &Piece) -> bool {
        match &mut self.rest {
            Some(rest) if rest.number == piece.number => {
                rest.have += piece.bytes;
                if rest.have >= rest.need {
                    self.rest = None;
                }
                true
            }
            Some(_) | None => false,
        }
    }

    /// A step looked at this frame number.
    pub(crate) fn saw(&mut self, number: u64) {
        self.highest = self.highest.max(Some(number));
    }
}

impl Part {
    /// Adds a piece to the frame that is being received, or begins another.
    pub(crate) fn add(part: &mut Option<Self>, piece: Piece) {
        match part {
            Some(part) if part.number == piece.number => part.have += piece.bytes,
            Some(_) | None => {
                *part = Some(Self {
                    number: piece.number,
                    have: piece.bytes,
                    need: piece.need,
                });
            }
        }
    }
}
