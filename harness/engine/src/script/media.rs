//! Media: what scenarios send at the stream's pace, and what is counted of what comes.
//!
//! The engine knows frames by name only. A protocol that carries media calls them `data` and
//! `fragment`, with the fields `sequence_number`, `qpc`, `qpf`, `payload`, and `fragment_offset`
//! and `total_length` in a fragment.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value, json};
use shakedown_protocol::vocabulary::WordError;

use crate::scenario::{Carry, Media};

use super::Environment;
use super::context::{Context, Decoded};
use super::inbox::Arrival;

/// Largest datagram of a frame that is carried in parts, in bytes.
const MAX_PART: u64 = 1_400;
/// Largest UDP payload, in bytes.
const MAX_DATAGRAM: u64 = 65_507;
/// Ticks per second of the QPC that is sent.
const QPF: u64 = 10_000_000;

/// Media on its way out: frame n leaves n intervals after the start.
#[derive(Debug)]
pub(super) struct MediaRun {
    start: Duration,
    interval: Duration,
    /// Frames begun so far.
    begun: u64,
    frames: u64,
    first: u64,
    carry: Option<Carry>,
    /// Bytes of a frame, headers included.
    bytes: u64,
    /// Datagrams of the frame that is due.
    parts: VecDeque<Vec<u8>>,
}

/// What media sends next.
pub(super) enum NextMedia {
    /// This datagram, now.
    Send(Vec<u8>),
    /// Nothing until then.
    Wait(Duration),
    /// It is over.
    Over,
}

impl MediaRun {
    pub(super) fn new(media: &Media, start: Duration, environment: &Environment) -> Self {
        let first = media.first.unwrap_or(1);
        let before = first.saturating_sub(1);
        let stream = media.stream.unwrap_or(environment.stream);
        let rest = stream.frames().saturating_sub(before);
        Self {
            start,
            interval: stream.interval(),
            begun: 0,
            frames: media.frames.unwrap_or(rest),
            first,
            carry: media.carry,
            bytes: stream.frame_bytes(),
            parts: VecDeque::new(),
        }
    }

    /// What to send next.
    ///
    /// # Errors
    /// The protocol has no such frames.
    pub(super) fn next(
        &mut self,
        now: Duration,
        environment: &Environment,
    ) -> Result<NextMedia, WordError> {
        if let Some(part) = self.parts.pop_front() {
            return Ok(NextMedia::Send(part));
        }
        if self.begun == self.frames {
            return Ok(NextMedia::Over);
        }
        let due = self.due(self.begun + 1);
        if now < due {
            return Ok(NextMedia::Wait(due));
        }
        let number = self.first.saturating_add(self.begun);
        self.begun += 1;
        self.parts = self.frame(number, now, environment)?;
        self.next(now, environment)
    }

    /// The datagrams of one frame of media.
    fn frame(
        &self,
        number: u64,
        now: Duration,
        environment: &Environment,
    ) -> Result<VecDeque<Vec<u8>>, WordError> {
        let vocabulary = environment.protocol.vocabulary;
        let bytes = self.bytes;
        let qpc = u64::try_from(now.as_nanos() / 100).unwrap_or(u64::MAX);
        let common = json!({"sequence_number": number, "qpc": qpc, "qpf": QPF});
        let common = common.as_object().cloned().unwrap_or_default();
        let build = |frame: &str, length: u64, more: &[(&str, u64)]| {
            let mut fields = common.clone();
            fields.insert("payload".to_owned(), json!({"pattern": length}));
            let more = more
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)));
            fields.extend(more);
            vocabulary.encode(frame, &fields)
        };
        let header = header_length(environment, "data")?;
        let payload = bytes.saturating_sub(header).max(1);
        match self.carry {
            None => {
                let length = payload.min(MAX_DATAGRAM - header);
                build("data", length, &[]).map(|datagram| VecDeque::from([datagram]))
            }
            Some(Carry::Split) => split(bytes.max(header + 1), MAX_PART, header + 1)
                .into_iter()
                .map(|size| build("data", size - header, &[]))
                .collect(),
            Some(Carry::Fragments) => {
                let header = header_length(environment, "fragment")?;
                let mut offset = 0;
                split(payload, MAX_PART - header, 1)
                    .into_iter()
                    .map(|length| {
                        let places = [("fragment_offset", offset), ("total_length", payload)];
                        offset += length;
                        build("fragment", length, &places)
                    })
                    .collect()
            }
        }
    }

    /// When the n-th frame leaves.
    fn due(&self, n: u64) -> Duration {
        let nanos = self.interval.as_nanos().saturating_mul(u128::from(n));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.start.saturating_add(Duration::from_nanos(nanos))
    }
}

/// Bytes before the payload of a frame.
fn header_length(environment: &Environment, frame: &str) -> Result<u64, WordError> {
    let vocabulary = environment.protocol.vocabulary;
    let datagram = vocabulary.encode(frame, &Map::new())?;
    let place = vocabulary.locate(frame, "payload", &datagram);
    Ok(place.map_or(0, |(offset, _)| offset as u64))
}

/// Cuts `total` into at least two pieces, none above `max` and, where that can be, none below
/// `min`: a rest too small for a header and a byte is never left (MS-D-03).
fn split(total: u64, max: u64, min: u64) -> Vec<u64> {
    if total < 2 * min {
        return vec![total];
    }
    if total <= max {
        return vec![total - total / 2, total / 2];
    }
    let mut rest = total;
    let mut pieces = Vec::new();
    while rest > 0 {
        let left = rest.saturating_sub(max);
        let piece = match left {
            1.. if left < min => rest - min,
            _ => rest - left,
        };
        pieces.push(piece);
        rest -= piece;
    }
    pieces
}

/// What came of media at one socket.
#[derive(Debug, Default)]
pub(super) struct MediaSeen {
    /// The highest frame number that a step looked at.
    pub(super) highest: Option<u64>,
    /// The last frame that a step counted, if parts of it are still to come.
    rest: Option<Part>,
}

/// A frame of which some datagrams came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    number: u64,
    /// Bytes that came, and bytes that the frame has.
    have: u64,
    need: u64,
}

impl MediaSeen {
    /// A step completed with this frame.
    pub(super) fn completed(&mut self, part: Option<Part>) {
        self.rest = part.filter(|part| part.have < part.need);
    }

    /// Whether an arrival is a further part of the frame that completed an earlier step.
    pub(super) fn takes_rest(&mut self, piece: &Piece) -> bool {
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
    pub(super) fn saw(&mut self, number: u64) {
        self.highest = self.highest.max(Some(number));
    }
}

/// A datagram of media.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) number: u64,
    bytes: u64,
    need: u64,
}

impl Piece {
    /// What an arrival is of a frame of media; `None` if it is none.
    pub(super) fn of(context: &Context, arrival: &Arrival, decoded: &Decoded) -> Option<Self> {
        let field = |name: &str| decoded.fields.get(name).and_then(Value::as_u64);
        let frame = decoded.frame?;
        let number = field("sequence_number")?;
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
    pub(super) fn add_to(self, part: &mut Option<Part>) {
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
