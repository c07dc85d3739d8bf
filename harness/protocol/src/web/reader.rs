use shakedown_wire::{DecodeError, Reader, Rule, planted};

use super::frame_type::{
    CANCEL_PUSH, DATA, GOAWAY, HEADERS, MAX_PUSH_ID, PUSH_PROMISE, SETTINGS, WEBTRANSPORT_STREAM,
};
use super::stream_type::{CONTROL, QPACK_ENCODER, WEBTRANSPORT};

/// Most bytes of a frame that is read as a whole.
const MAX_FRAME: u64 = 65_536;

/// Types of frames of HTTP/2, which nobody may send (RFC 9114, section 7.2.8).
const RESERVED: [u64; 4] = [0x02, 0x06, 0x08, 0x09];

/// Reads one direction of a stream of an HTTP/3 connection, however its bytes are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReader {
    state: State,
    /// What came of an item that is not whole.
    pending: Vec<u8>,
    offset: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The type of a unidirectional stream comes.
    Type,
    /// Frames come; `is_first`: or the session of which the stream is.
    Frames { is_first: bool },
    /// So many bytes of a frame come that are handed on in pieces.
    Content { left: u64, is_data: bool },
    /// The session's id comes.
    Session,
    /// Instructions of QPACK's encoder come.
    Instructions,
    /// Bytes come that are no frames.
    Raw,
}

/// What stands on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// The type of a unidirectional stream.
    StreamType(u64),
    /// The id of the session of which the stream is.
    Session(u64),
    Frame {
        kind: u64,
        payload: &'a [u8],
    },
    /// A DATA frame of so many bytes begins.
    DataBegins(u64),
    /// Bytes of a DATA frame.
    Data(&'a [u8]),
    /// A frame of a type that is not known, of so many bytes; they are not handed on.
    Unknown {
        kind: u64,
        length: u64,
    },
    /// Bytes of instructions of QPACK's encoder.
    Instructions(&'a [u8]),
    /// Bytes of a stream that are no frames: of a session, of QPACK's decoder, of a type that is not known.
    Raw(&'a [u8]),
}

/// Bytes that are taken, and what they are; `None` where too few have come.
type Next<'b> = Option<(usize, Option<Item<'b>>)>;

impl StreamReader {
    /// What the end sends that opened the stream.
    #[must_use]
    pub const fn opening(is_unidirectional: bool) -> Self {
        Self::new(match is_unidirectional {
            true => State::Type,
            false => State::Frames { is_first: true },
        })
    }

    /// What the other end sends on a bidirectional stream; `is_of_session`: on one of a WebTransport
    /// session.
    #[must_use]
    pub const fn answering(is_of_session: bool) -> Self {
        Self::new(match is_of_session {
            true => State::Raw,
            false => State::Frames { is_first: false },
        })
    }

    const fn new(state: State) -> Self {
        Self {
            state,
            pending: Vec::new(),
            offset: 0,
        }
    }

    /// Takes the next bytes and hands on every item that is complete with them, and where it ends. A
    /// frame's announced length allocates nothing.
    ///
    /// # Errors
    /// A frame that nobody may send ([`Rule::Unexpected`]), or one that is longer than is read
    /// ([`Rule::Length`]), or what `emit` says. Offsets count from the beginning of the stream.
    pub fn take<E: From<DecodeError>>(
        &mut self,
        bytes: &[u8],
        mut emit: impl FnMut(Item<'_>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let joined;
        let mut rest = match self.pending.as_slice() {
            [] => bytes,
            [_, ..] => {
                self.pending.extend_from_slice(bytes);
                joined = std::mem::take(&mut self.pending);
                &joined
            }
        };
        while let Some((length, item)) = self.next(rest)? {
            let (_, after) = rest.split_at(length);
            self.offset += length;
            item.map_or(Ok(()), |item| emit(item, self.offset))?;
            rest = after;
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    /// The stream ends here (FIN).
    ///
    /// # Errors
    /// That is in the middle of an item.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let (field, need) = match self.state {
            State::Type => ("stream type", 1),
            State::Session => ("session id", 1),
            State::Content { left, .. } => ("frame", usize::try_from(left).unwrap_or(usize::MAX)),
            State::Frames { .. } if self.pending.is_empty() => return Ok(()),
            State::Frames { .. } => ("frame", self.pending.len() + 1),
            State::Instructions | State::Raw => return Ok(()),
        };
        let (offset, have) = (self.offset, self.pending.len());
        Err(DecodeError::truncated(field, offset, need, have))
    }

    /// The next item and the bytes that it takes, if it is whole; no item where they are skipped.
    fn next<'b>(&mut self, rest: &'b [u8]) -> Result<Next<'b>, DecodeError> {
        let mut reader = Reader::new(rest);
        let item = match self.state {
            State::Type => {
                let Ok(kind) = reader.quic_varint("stream type") else {
                    return Ok(None);
                };
                self.state = match kind {
                    CONTROL => State::Frames { is_first: false },
                    WEBTRANSPORT => State::Session,
                    QPACK_ENCODER => State::Instructions,
                    _ => State::Raw,
                };
                Item::StreamType(kind)
            }
            State::Session => {
                let Ok(session) = reader.quic_varint("session id") else {
                    return Ok(None);
                };
                self.state = State::Raw;
                Item::Session(session)
            }
            State::Frames { is_first } => return self.frame(reader, is_first),
            State::Content { left, is_data } => {
                let here = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                let left = left - here as u64;
                self.state = match left {
                    0 => State::Frames { is_first: false },
                    left => State::Content { left, is_data },
                };
                let piece = is_data.then(|| Item::Data(&rest[..here]));
                return Ok((here > 0).then_some((here, piece)));
            }
            State::Instructions | State::Raw if rest.is_empty() => return Ok(None),
            State::Instructions => Item::Instructions(reader.rest()),
            State::Raw => Item::Raw(reader.rest()),
        };
        Ok(Some((reader.offset(), Some(item))))
    }

    fn frame<'b>(
        &mut self,
        mut reader: Reader<'b>,
        is_first: bool,
    ) -> Result<Next<'b>, DecodeError> {
        let Ok(kind) = reader.quic_varint("frame type") else {
            return Ok(None);
        };
        if RESERVED.contains(&kind) {
            let reason = "is a type of HTTP/2";
            let error = DecodeError::invalid("frame type", self.offset, Rule::Unexpected, reason);
            return Err(error);
        }
        let place = reader.offset();
        let Ok(length) = reader.quic_varint("length") else {
            return Ok(None);
        };
        if is_first && kind == WEBTRANSPORT_STREAM {
            // What stands there is the session's id.
            self.state = State::Raw;
            return Ok(Some((reader.offset(), Some(Item::Session(length)))));
        }
        let content = |is_data| match length {
            0 => State::Frames { is_first: false },
            left => State::Content { left, is_data },
        };
        let item = match kind {
            DATA => {
                self.state = content(true);
                Item::DataBegins(length)
            }
            HEADERS | SETTINGS | CANCEL_PUSH | PUSH_PROMISE | GOAWAY | MAX_PUSH_ID => {
                if length > MAX_FRAME {
                    let reason = "is above 65,536";
                    let offset = self.offset + place;
                    return Err(DecodeError::invalid("length", offset, Rule::Length, reason));
                }
                planted::hangs("frame-empty", || length == 0);
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let Ok(payload) = reader.bytes("frame", length) else {
                    return Ok(None);
                };
                self.state = State::Frames { is_first: false };
                Item::Frame { kind, payload }
            }
            _ => {
                self.state = content(false);
                Item::Unknown { kind, length }
            }
        };
        Ok(Some((reader.offset(), Some(item))))
    }
}
