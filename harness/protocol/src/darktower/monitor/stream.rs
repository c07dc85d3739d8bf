use shakedown_wire::{DecodeError, Reader};

use super::media::{MediaObservation, MediaStream, not_media};
use super::moments::{Moment, index};
use crate::darktower::{Envelope, MAX_MESSAGE, MessageReader};
use crate::requirement::Role;
use crate::streams::StreamId;
use crate::vocabulary::Described;
use crate::web::{
    CapsuleReader, Field, HeaderTables, Item, SessionClose, Settings, StreamReader, frame_type,
};

/// Most bytes that are kept of an end before it is known what the other one opened.
const MOST_EARLY: usize = 16_384;

/// A stream of QUIC.
#[derive(Debug)]
pub(super) struct Stream {
    id: StreamId,
    /// The session that it belongs to.
    pub(super) session: Option<u64>,
    /// It asks for a session: its DATA are capsules.
    pub(super) is_of_connect: bool,
    /// Whether the kind of the stream is known from its opener.
    is_known: bool,
    pub(super) sides: [Direction; 2],
    tables: HeaderTables,
}

/// The state of one direction of a stream.
#[derive(Debug, Default)]
pub(super) struct Direction {
    reader: Option<StreamReader>,
    content: Option<Content>,
    capsules: CapsuleReader,
    /// Bytes received before the kind of the stream is known.
    early: Vec<u8>,
    /// When it said of which session the stream is, or its first bytes on that came.
    pub(super) begun: Option<Moment>,
    /// Whether it is of media.
    pub(super) is_media: bool,
    /// Whether a message was received, or a decode error in its place.
    pub(super) has_spoken: bool,
    pub(super) fin: Option<Moment>,
    /// It was reset or stopped.
    pub(super) is_broken: bool,
    /// Bytes of it are missing, or cannot be read.
    pub(super) is_lost: bool,
    has_begun: bool,
}

#[derive(Debug)]
enum Content {
    /// Too few bytes were received.
    Unidentified(Vec<u8>),
    Messages(MessageReader),
    Media(MediaStream),
    Void,
}

/// A decoded item of a direction.
#[derive(Debug)]
pub(super) enum StreamItem {
    /// The session id of a WebTransport stream.
    OfSession,
    Headers(Vec<Field>),
    /// An HTTP/3 frame that is not decoded.
    Opaque,
    Close(SessionClose),
    Message(Described),
    /// No message where one should be.
    NoMessage(DecodeError),
    MediaBegins,
    Media(MediaObservation),
    /// It is neither media nor a message.
    Neither(DecodeError),
}

impl Stream {
    /// One to which nothing came; `tables` are those of its connection.
    pub(super) fn new(stream: u64, tables: HeaderTables) -> Self {
        let id = StreamId(stream);
        let mut sides = [Direction::default(), Direction::default()];
        let reader = StreamReader::opening(!id.is_bidirectional());
        sides[index(opener(id))].reader = Some(reader);
        Self {
            id,
            session: None,
            is_of_connect: false,
            is_known: false,
            sides,
            tables,
        }
    }

    pub(super) const fn opener(&self) -> Role {
        opener(self.id)
    }

    pub(super) const fn is_bidirectional(&self) -> bool {
        self.id.is_bidirectional()
    }

    /// Takes the next bytes of an end and hands on what they say.
    pub(super) fn take(&mut self, by: Role, bytes: &[u8], hear: &mut dyn FnMut(Role, StreamItem)) {
        if self.sides[index(by)].is_lost {
            return;
        }
        let opens = by == self.opener();
        if !opens && !self.is_known {
            // The capture has the packets in another order than they came, or lacks one.
            let side = &mut self.sides[index(by)];
            side.early.extend_from_slice(bytes);
            side.is_lost = side.early.len() > MOST_EARLY;
            return;
        }
        if !opens && !self.sides[index(by)].has_begun {
            let side = &mut self.sides[index(by)];
            side.reader = Some(StreamReader::answering(self.session.is_some()));
            side.content = self.session.map(|_| content(self.id, by));
        }
        self.read(by, bytes, hear);
        if opens && self.is_known {
            let early = std::mem::take(&mut self.sides[index(by.peer())].early);
            if !early.is_empty() {
                self.take(by.peer(), &early, hear);
            }
        }
    }

    fn read(&mut self, by: Role, bytes: &[u8], hear: &mut dyn FnMut(Role, StreamItem)) {
        let side = &mut self.sides[index(by)];
        side.has_begun = true;
        let Some(mut reader) = side.reader.take() else {
            return;
        };
        let taken = reader.take(bytes, |item, _| {
            self.item(by, item, &mut |item| hear(by, item))
        });
        let side = &mut self.sides[index(by)];
        match taken {
            Ok(()) => side.reader = Some(reader),
            Err(_) => {
                side.is_lost = true;
                hear(by, StreamItem::Opaque);
            }
        }
    }

    fn item(
        &mut self,
        by: Role,
        item: Item<'_>,
        hear: &mut dyn FnMut(StreamItem),
    ) -> Result<(), DecodeError> {
        let side = &mut self.sides[index(by)];
        match item {
            Item::Session(session) => {
                side.content = Some(content(self.id, by));
                self.session = Some(session);
                hear(StreamItem::OfSession);
            }
            Item::Frame { kind, payload } if kind == frame_type::HEADERS => {
                match self.tables.decode(by.into(), payload) {
                    Ok(Some(fields)) => hear(StreamItem::Headers(fields)),
                    Ok(None) | Err(_) => hear(StreamItem::Opaque),
                }
            }
            Item::Frame { kind, payload } if kind == frame_type::SETTINGS => {
                self.tables.settings(by.into(), &Settings::decode(payload)?);
            }
            Item::Data(bytes) if self.is_of_connect => {
                if let Some(close) = side.capsules.take(bytes)? {
                    hear(StreamItem::Close(close));
                }
            }
            Item::Instructions(bytes) => self.tables.instructions(by.into(), bytes)?,
            Item::Raw(bytes) => {
                if let Some(content) = &mut side.content {
                    content.take(by, bytes, hear);
                }
            }
            Item::StreamType(_) => return Ok(()),
            Item::Frame { .. } | Item::DataBegins(_) | Item::Data(_) | Item::Unknown { .. } => {}
        }
        self.is_known = true;
        Ok(())
    }

    /// An end's bytes end here (FIN).
    pub(super) fn end(&mut self, by: Role, hear: &mut dyn FnMut(StreamItem)) {
        let side = &mut self.sides[index(by)];
        if let Some(Content::Media(media)) = side.content.take().filter(|_| !side.is_lost) {
            media.end(&mut |shown| hear(StreamItem::Media(shown)));
        }
    }
}

const fn opener(id: StreamId) -> Role {
    match id.is_of_server() {
        true => Role::Responder,
        false => Role::Initiator,
    }
}

fn content(id: StreamId, by: Role) -> Content {
    match (id.is_bidirectional(), by) {
        (false, _) => Content::Unidentified(Vec::new()),
        (true, Role::Initiator) => Content::Messages(MessageReader::new(Envelope::Client)),
        (true, Role::Responder) => Content::Messages(MessageReader::new(Envelope::Server)),
    }
}

impl Content {
    fn take(&mut self, by: Role, bytes: &[u8], hear: &mut dyn FnMut(StreamItem)) {
        match self {
            Self::Unidentified(pending) => {
                pending.extend_from_slice(bytes);
                let Ok(first) = Reader::new(pending).u32_be("length") else {
                    return;
                };
                let all = std::mem::take(pending);
                *self = match (first, by) {
                    (MEDIA, _) => {
                        hear(StreamItem::MediaBegins);
                        Self::Media(MediaStream::new(by))
                    }
                    (..=MAX_MESSAGE, Role::Initiator) => {
                        Self::Messages(MessageReader::new(Envelope::MediaAuth))
                    }
                    (..=MAX_MESSAGE, Role::Responder) => {
                        Self::Messages(MessageReader::new(Envelope::MediaAuthResult))
                    }
                    (_, _) => {
                        hear(StreamItem::Neither(not_media()));
                        Self::Void
                    }
                };
                self.take(by, &all, hear);
            }
            Self::Messages(reader) => {
                let taken = reader.take(bytes, |message| hear(StreamItem::Message(message)));
                if let Err(error) = taken {
                    *self = Self::Void;
                    hear(StreamItem::NoMessage(error));
                }
            }
            Self::Media(media) => media.take(bytes, &mut |shown| hear(StreamItem::Media(shown))),
            Self::Void => {}
        }
    }
}

/// The magic of a media stream, as the length that it would be.
const MEDIA: u32 = u32::from_be_bytes(*b"DART");
