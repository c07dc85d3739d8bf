//! Decoding of the streams of an HTTP/3 connection, for monitors and test peers.

use serde_json::{Map, Value, json};
use shakedown_wire::{DecodeError, Reader, quic};

use super::capsule::{CapsuleReader, SessionClose};
use super::reader::{Item, StreamReader};
use super::settings::{Setting, Settings};
use super::{Field, HeaderTables, frame_type, message, stream_type};
use crate::stream_decoder::{StreamDecoder, StreamFrame};
use crate::streams::StreamId;
use crate::vocabulary::Described;

/// Longest body that is included, in bytes.
const MOST_BODY: u64 = 4_096;

/// Decodes both directions of an HTTP/3 stream: its frames, and the application's frames after the session id of a
/// WebTransport stream.
#[derive(Debug)]
pub struct WebStreamDecoder {
    id: StreamId,
    what: StreamKind,
    directions: [Option<(StreamReader, Direction)>; 2],
    tables: HeaderTables,
    /// Decodes the application's bytes.
    content: Box<dyn StreamDecoder>,
}

/// The kind of a stream, from the first bytes of the end that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamKind {
    Unknown,
    Http,
    /// A WebTransport stream of a session.
    OfSession,
    /// The CONNECT stream of a session: its DATA are capsules.
    Session,
}

/// The state of one direction.
#[derive(Debug, Default)]
struct Direction {
    /// The DATA frame that is being read.
    data: Data,
    capsules: CapsuleReader,
    /// Where the first capsule begins in the stream.
    capsules_at: Option<usize>,
    /// The close of the session, if it was not emitted yet.
    close: Option<SessionClose>,
    is_closed: bool,
    /// Where the application's bytes begin.
    content_at: Option<usize>,
}

#[derive(Debug, Default)]
struct Data {
    length: u64,
    left: u64,
    /// Its bytes, if they are few enough.
    body: Vec<u8>,
}

impl WebStreamDecoder {
    /// A decoder of the stream with this id. `content` decodes the application's bytes on a stream of a session;
    /// `tables` are those of the connection.
    #[must_use]
    pub fn new(stream: u64, tables: HeaderTables, content: Box<dyn StreamDecoder>) -> Self {
        Self {
            id: StreamId(stream),
            what: StreamKind::Unknown,
            directions: [None, None],
            tables,
            content,
        }
    }

    /// A reader of one direction from its beginning; `None` where it is not known what stands on it.
    fn begins(&self, by: quic::Role) -> Option<(StreamReader, Direction)> {
        let session_established = self.id.is_of_server() == (by == quic::Role::Server);
        let reader = match (session_established, self.what) {
            (true, _) => StreamReader::opening(!self.id.is_bidirectional()),
            (false, StreamKind::Unknown) => return None,
            (false, StreamKind::OfSession) => StreamReader::answering(true),
            (false, StreamKind::Http | StreamKind::Session) => StreamReader::answering(false),
        };
        let is_of_session = !session_established && self.what == StreamKind::OfSession;
        let content_at = is_of_session.then_some(0);
        let direction = Direction {
            content_at,
            ..Direction::default()
        };
        Some((reader, direction))
    }
}

impl StreamDecoder for WebStreamDecoder {
    fn take(
        &mut self,
        by: quic::Role,
        offset: u64,
        bytes: &[u8],
        emit: &mut dyn FnMut(StreamFrame),
    ) {
        if offset == 0 {
            self.directions[by.index()] = self.begins(by);
        }
        let Some((mut reader, mut direction)) = self.directions[by.index()].take() else {
            return;
        };
        let (what, content, tables) = (&mut self.what, &mut self.content, &self.tables);
        let taken = reader.take(bytes, |item, end| {
            if let Item::Raw(bytes) = item {
                let Some(base) = direction.content_at else {
                    return Ok(()); // Of a type that is not known, or what a decoder of QPACK acknowledges.
                };
                let offset = (end - bytes.len() - base) as u64;
                content.take(by, offset, bytes, &mut |said| {
                    let end = said.end + base as u64;
                    let frame = said.frame.map_err(|error| error.moved(base));
                    emit(StreamFrame { end, frame });
                });
                return Ok(());
            }
            let emit = &mut |frame| {
                let (end, frame) = (end as u64, Ok(frame));
                emit(StreamFrame { end, frame });
            };
            direction.item(item, end, what, (by, tables), emit)
        });
        match taken {
            Ok(()) => self.directions[by.index()] = Some((reader, direction)),
            Err(error) => emit(StreamFrame::invalid(error)),
        }
    }

    fn end(&mut self, by: quic::Role) -> Result<(), DecodeError> {
        let Some((reader, direction)) = self.directions[by.index()].take() else {
            return Ok(());
        };
        match direction.content_at {
            None => reader.finish(),
            Some(base) => self.content.end(by).map_err(|error| error.moved(base)),
        }
    }
}

impl Direction {
    /// Emits the frame of an item that ends at `end`.
    fn item(
        &mut self,
        item: Item<'_>,
        end: usize,
        what: &mut StreamKind,
        (by, tables): (quic::Role, &HeaderTables),
        emit: &mut dyn FnMut(Described),
    ) -> Result<(), DecodeError> {
        let is_new = *what == StreamKind::Unknown;
        match item {
            Item::StreamType(stream_type::WEBTRANSPORT) => return Ok(()),
            Item::StreamType(kind) => emit(match kind {
                stream_type::CONTROL => described("CONTROL", []),
                stream_type::PUSH => described("PUSH", []),
                stream_type::QPACK_ENCODER => described("QPACK_ENCODER", []),
                stream_type::QPACK_DECODER => described("QPACK_DECODER", []),
                other => described("STREAM", [("type", other.into())]),
            }),
            Item::Instructions(bytes) => {
                let taken = tables.instructions(by, bytes);
                taken.map_err(|error| error.moved(end - bytes.len()))?;
            }
            Item::Session(session) => {
                *what = StreamKind::OfSession;
                self.content_at = Some(end);
                emit(described(
                    "WEBTRANSPORT_STREAM",
                    [("session", session.into())],
                ));
                return Ok(());
            }
            Item::Frame { kind, payload } => {
                let begins = end - payload.len();
                let frame = match kind {
                    frame_type::HEADERS => {
                        let fields = tables.decode(by, payload);
                        let fields = fields.map_err(|error| error.moved(begins))?;
                        if is_new && fields.as_deref().is_some_and(asks_for_session) {
                            *what = StreamKind::Session;
                        }
                        headers(fields)
                    }
                    frame_type::SETTINGS => {
                        let settings = Settings::decode(payload);
                        let settings = settings.map_err(|error| error.moved(begins))?;
                        tables.settings(by, &settings);
                        settings_frame(&settings)
                    }
                    _ => frame(kind, payload).map_err(|error| error.moved(begins))?,
                };
                emit(frame);
            }
            Item::Unknown { kind, length } => {
                let fields = [("type", kind.into()), ("length", length.into())];
                emit(described("UNKNOWN", fields));
            }
            Item::DataBegins(length) => {
                let (left, body) = (length, Vec::new());
                self.data = Data { length, left, body };
                self.capsules_at.get_or_insert(end);
                if length == 0 {
                    self.data_ends(*what, emit);
                }
            }
            Item::Data(bytes) => {
                self.data.left = self.data.left.saturating_sub(bytes.len() as u64);
                if *what == StreamKind::Session {
                    self.capsules(bytes)?;
                } else if self.data.length <= MOST_BODY {
                    self.data.body.extend_from_slice(bytes);
                }
                if self.data.left == 0 {
                    self.data_ends(*what, emit);
                }
            }
            Item::Raw(_) => {}
        }
        if *what == StreamKind::Unknown {
            *what = StreamKind::Http;
        }
        Ok(())
    }

    /// Takes bytes of capsules. Bytes after CLOSE_WEBTRANSPORT_SESSION are ignored.
    fn capsules(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.is_closed {
            return Ok(());
        }
        let begin = self.capsules_at.unwrap_or_default();
        let taken = self.capsules.take(bytes);
        self.close = taken.map_err(|error| error.moved(begin))?;
        self.is_closed = self.close.is_some();
        Ok(())
    }

    fn data_ends(&mut self, what: StreamKind, emit: &mut dyn FnMut(Described)) {
        let Data { length, body, .. } = std::mem::take(&mut self.data);
        let is_told = what != StreamKind::Session && length <= MOST_BODY;
        let mut frame = described("DATA", [("length", length.into())]);
        if is_told {
            frame.fields.insert("body".to_owned(), body_of(&body));
        }
        emit(frame);
        if let Some(SessionClose { code, reason }) = self.close.take() {
            let fields = [("code", code.into()), ("reason", reason.into())];
            emit(described("CLOSE_WEBTRANSPORT_SESSION", fields));
        }
    }
}

fn described<const N: usize>(frame: &'static str, fields: [(&str, Value); N]) -> Described {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Described {
        frame,
        fields: Map::from_iter(fields),
    }
}

/// As JSON where it is, else as text, else in hexadecimal digits.
fn body_of(bytes: &[u8]) -> Value {
    let json = serde_json::from_slice(bytes).ok();
    let text = || std::str::from_utf8(bytes).ok().map(Value::from);
    json.or_else(text)
        .unwrap_or_else(|| json!({ "hex": hex::encode(bytes) }))
}

/// A frame that has an id, or is not known.
fn frame(kind: u64, payload: &[u8]) -> Result<Described, DecodeError> {
    let id = |name: &'static str| {
        let id = Reader::new(payload).quic_varint("id")?;
        Ok(described(name, [("id", id.into())]))
    };
    match kind {
        frame_type::GOAWAY => id("GOAWAY"),
        frame_type::MAX_PUSH_ID => id("MAX_PUSH_ID"),
        frame_type::CANCEL_PUSH => id("CANCEL_PUSH"),
        frame_type::PUSH_PROMISE => id("PUSH_PROMISE"),
        other => Ok(described("UNKNOWN", [("type", other.into())])),
    }
}

/// Header fields; those that refer to missing entries of a dynamic table have none that are known.
fn headers(fields: Option<Vec<Field>>) -> Described {
    let Some(fields) = fields else {
        return described(
            "HEADERS",
            [("missing", "entries of the dynamic table".into())],
        );
    };
    let fields = fields.into_iter();
    let fields: Vec<_> = fields.map(|(name, value)| json!([name, value])).collect();
    described("HEADERS", [("fields", fields.into())])
}

fn settings_frame(settings: &Settings) -> Described {
    let fields = settings.iter().map(|(id, value)| {
        let known = Setting::from_number(id).map(|known| known.name().to_owned());
        (known.unwrap_or_else(|| id.to_string()), value.into())
    });
    Described {
        frame: "SETTINGS",
        fields: fields.collect(),
    }
}

/// Whether these are the fields of a request for a session.
fn asks_for_session(fields: &[Field]) -> bool {
    let is = |name, value| message::get(fields, name) == Some(value);
    is(":method", "CONNECT") && is(":protocol", "webtransport")
}
