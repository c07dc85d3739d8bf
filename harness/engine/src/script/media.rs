//! Media: what is counted of what comes.
//!
//! The engine knows frames by name only. A protocol that carries media calls them `data` and
//! `fragment`, with the fields `sequence_number`, `qpc`, `qpf`, `payload`, and `fragment_offset`
//! and `total_length` in a fragment.

use serde_json::Value;

use super::context::{Context, Decoded};
use super::inbox::Arrival;

/// The field that numbers frames of media.
pub(crate) const NUMBER: &str = "sequence_number";

/// What came of media at one socket.
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

/// A datagram of media.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) number: u64,
    bytes: u64,
    need: u64,
}

impl Piece {
    /// What an arrival is of a frame of media; `None` if it is none.
    pub(crate) fn of(context: &Context, arrival: &Arrival, decoded: &Decoded) -> Option<Self> {
        let field = |name: &str| decoded.fields.get(name).and_then(Value::as_u64);
        let frame = decoded.frame?;
        let number = field(NUMBER)?;
        match frame {
            "data" => Some(Self {
                number,
                bytes: arrival.payload.len() as u64,
                need: context.environment.stream.frame_bytes(),
            }),
            "fragment" => {
                let place = context
                    .vocabulary()
                    .locate(frame, "payload", &arrival.payload);
                Some(Self {
                    number,
                    bytes: place.map_or(0, |(_, length)| length as u64),
                    need: field("total_length")?,
                })
            }
            _ => None,
        }
    }

    /// Adds itself to the frame that is being received, or begins another.
    pub(crate) fn add_to(self, part: &mut Option<Part>) {
        match part {
            Some(part) if part.number == self.number => part.have += self.bytes,
            Some(_) | None => {
                *part = Some(Part {
                    number: self.number,
                    have: self.bytes,
                    need: self.need,
                });
            }
        }
    }
}
