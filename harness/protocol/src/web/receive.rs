//! What happens on the connection, and what comes of it.

use shakedown_wire::{DecodeError, Reader};

use super::capsule::SessionClose;
use super::code::{WebCode, from_http3};
use super::endpoint::{MOST_SESSIONS, Refusal, Web, WebEvent};
use super::fault::{Fault, closed_critical, incomplete, unexpected};
use super::message::{RequestKind, has_its_length, request, status};
use super::reader::Item;
use super::stream::{Kind, Message, SessionStream, Stream};
use super::{field_section, frame_type};
use crate::streams::{Output, StreamId, StreamUpdate};

/// Most bytes of a message's body.
const MAX_BODY: usize = 65_536;

impl Web {
    /// Something happened on a stream of the connection.
    pub fn on_stream(&mut self, stream: StreamId, what: StreamUpdate<'_>) {
        if self.has_failed {
            return;
        }
        let is_own = stream.is_of_server() != self.is_client;
        if !is_own && what == StreamUpdate::Opened {
            self.streams.insert(stream, Stream::theirs(stream));
            if stream.is_bidirectional() {
                self.newest = self.newest.max(Some(stream));
            }
        }
        if let Err(fault) = self.handle_stream(stream, what) {
            match fault {
                Fault::Connection(code, why) => self.fail(code, why),
                Fault::Stream(code, why) => self.fail_request(stream, code, why),
            }
        }
    }

    pub fn on_datagram(&mut self, bytes: &[u8]) {
        let mut reader = Reader::new(bytes);
        let Ok(quarter) = reader.quic_varint("quarter stream id") else {
            let why = "a datagram without the id of its session";
            return self.fail(WebCode::DatagramError, why.to_owned());
        };
        let session = StreamId(quarter.saturating_mul(4));
        // Of a session that is not there yet, or not any more, it is dropped.
        if self.sessions.get(&session) == Some(&true) && !self.has_failed {
            let bytes = reader.rest().to_vec();
            self.events.push_back(WebEvent::Datagram { session, bytes });
        }
    }

    fn fail(&mut self, code: WebCode, why: String) {
        self.push_output(Output::Close {
            connection: self.connection,
            code: code.number(),
            reason: why.clone(),
        });
        self.has_failed = true;
        self.events.push_back(WebEvent::Failed { code, why });
    }

    fn handle_stream(&mut self, id: StreamId, what: StreamUpdate<'_>) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        match what {
            StreamUpdate::Opened => Ok(()),
            StreamUpdate::Bytes(bytes) => {
                let Some(mut reader) = stream.reader.take() else {
                    return Ok(());
                };
                // While it reads, the stream counts as one that is read.
                stream.reader = Some(reader.clone());
                reader.take(bytes, |item, _| self.item(id, item))?;
                if let Some(stream) = self.streams.get_mut(&id)
                    && stream.reader.is_some()
                {
                    stream.reader = Some(reader);
                }
                Ok(())
            }
            StreamUpdate::Fin => {
                let reader = stream.reader.take();
                if let Some(reader) = reader {
                    self.stream_finished(id, &reader.finish())?;
                }
                self.drop_if_over(id);
                Ok(())
            }
            StreamUpdate::Reset(code) => {
                stream.reader = None;
                self.reset_received(id, code)?;
                self.drop_if_over(id);
                Ok(())
            }
            StreamUpdate::Stopped(code) => self.stop_sending_received(id, code),
            StreamUpdate::Written => {
                match stream.prefixes.checked_sub(1) {
                    Some(left) => stream.prefixes = left,
                    None => self.of_session(id, SessionStream::Written),
                }
                Ok(())
            }
        }
    }

    fn item(&mut self, id: StreamId, item: Item<'_>) -> Result<(), Fault> {
        let is_client = self.is_client;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        match (&mut stream.kind, item) {
            (Kind::New, Item::StreamType(kind)) => self.has_type(id, kind),
            (Kind::New, Item::Session(session)) => self.bind_to_session(id, StreamId(session)),
            (Kind::New, _) if is_client => {
                let why = "a server opened a bidirectional stream that is of no session";
                let code = WebCode::StreamCreationError;
                Err(Fault::Connection(code, why.to_owned()))
            }
            (Kind::New, item) => {
                stream.kind = Kind::Message(Message::default());
                self.item(id, item)
            }
            (Kind::Control, Item::Frame { kind, payload }) => self.control(kind, payload),
            (Kind::Control, Item::Unknown { .. }) => self.has_settings(),
            (Kind::Control, _) => Err(unexpected("DATA on the control stream")),
            // A table of no bytes can only be set to none; nothing is sent of which a decoder could speak.
            (Kind::Encoder, Item::Instructions(bytes))
                if bytes.iter().all(|byte| *byte == 0x20) =>
            {
                Ok(())
            }
            (Kind::Encoder, _) => {
                let why = "an instruction for a table that is not there";
                let code = WebCode::EncoderStreamError;
                Err(Fault::Connection(code, why.to_owned()))
            }
            (Kind::Decoder | Kind::Own | Kind::Ignored, _) => Ok(()),
            (Kind::Message(_) | Kind::ConnectPending, Item::Frame { kind, payload }) => {
                self.message_frame(id, kind, payload)
            }
            (Kind::Message(message), Item::DataBegins(_)) => {
                match message.fields.is_some() && !message.has_trailers {
                    true => Ok(()),
                    false => Err(unexpected(
                        "DATA without HEADERS before it, or behind trailers",
                    )),
                }
            }
            (Kind::Message(message), Item::Data(bytes)) => {
                message.body.extend_from_slice(bytes);
                match message.body.len() > MAX_BODY {
                    true => {
                        let why = "has a body of more than 65,536 bytes";
                        Err(Fault::Stream(WebCode::ExcessiveLoad, why))
                    }
                    false => Ok(()),
                }
            }
            (Kind::ConnectPending, Item::DataBegins(_)) => {
                Err(unexpected("DATA without HEADERS before it"))
            }
            (Kind::Session(_), Item::Frame { kind, .. }) => match kind {
                frame_type::HEADERS => Ok(()),
                _ => Err(unexpected("a frame that no session's stream has")),
            },
            (Kind::Session(capsules), Item::Data(bytes)) => {
                let close = capsules.take(bytes).map_err(|_| {
                    Fault::Stream(WebCode::MessageError, "has a capsule that is malformed")
                })?;
                if let Some(close) = close {
                    self.session_closed(id, Some(close));
                }
                Ok(())
            }
            (Kind::OfSession { .. }, Item::Raw(bytes)) => {
                self.of_session(id, SessionStream::Bytes(bytes.to_vec()));
                Ok(())
            }
            // Frames whose type is not known mean nothing, and the others come on no such stream.
            (
                Kind::Message(_) | Kind::ConnectPending | Kind::Session(_) | Kind::OfSession { .. },
                Item::Unknown { .. }
                | Item::StreamType(_)
                | Item::Session(_)
                | Item::Instructions(_)
                | Item::Raw(_)
                | Item::DataBegins(_)
                | Item::Data(_)
                | Item::Frame { .. },
            ) => Ok(()),
        }
    }

    /// A stream is of a session: of one that is there or may still come.
    fn bind_to_session(&mut self, id: StreamId, session: StreamId) -> Result<(), Fault> {
        if session.is_of_server() || !session.is_bidirectional() {
            let why = "a stream of a session whose id no client's stream has";
            return Err(Fault::Connection(WebCode::IdError, why.to_owned()));
        }
        let is_known = self.sessions.contains_key(&session);
        let may_come = !self.is_client && self.newest < Some(session);
        if !is_known && !may_come {
            self.abort(id, WebCode::SessionGone);
            return Ok(());
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            let held = Vec::new();
            stream.kind = Kind::OfSession { session, held };
        }
        self.of_session(id, SessionStream::Opened);
        Ok(())
    }

    /// Something happened on a stream that may be one of a session.
    fn of_session(&mut self, id: StreamId, what: SessionStream) {
        let Some(Stream {
            kind: Kind::OfSession { session, held },
            ..
        }) = self.streams.get_mut(&id)
        else {
            return;
        };
        let session = *session;
        match self.sessions.get(&session) {
            Some(true) => self.events.push_back(WebEvent::Stream {
                session,
                stream: id,
                what,
            }),
            Some(false) | None => held.push(what),
        }
    }

    fn message_frame(&mut self, id: StreamId, kind: u64, payload: &[u8]) -> Result<(), Fault> {
        match kind {
            frame_type::HEADERS => {}
            frame_type::PUSH_PROMISE if self.is_client => {
                let why = "a push that nobody allowed";
                return Err(Fault::Connection(WebCode::IdError, why.to_owned()));
            }
            _ => return Err(unexpected("a frame that no request's stream has")),
        }
        let fields = field_section::decode_static(payload)
            .map_err(|error| Fault::Connection(WebCode::DecompressionFailed, error.to_string()))?;
        let malformed = |why| Fault::Stream(WebCode::MessageError, why);
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        match &mut stream.kind {
            Kind::Message(message) if message.has_trailers => {
                Err(unexpected("HEADERS behind trailers"))
            }
            Kind::Message(message) if message.fields.is_some() => {
                message.has_trailers = true;
                Ok(())
            }
            Kind::Message(message) if self.is_client => {
                // Interim answers come before the one that counts.
                if status(&fields).map_err(malformed)? >= 200 {
                    message.fields = Some(fields);
                }
                Ok(())
            }
            Kind::Message(message) => {
                match request(&fields).map_err(malformed)? {
                    RequestKind::Resource => message.fields = Some(fields),
                    RequestKind::Tunnel => {
                        stream.kind = Kind::Ignored;
                        let (stream, body) = (id, Vec::new());
                        self.events.push_back(WebEvent::Request {
                            stream,
                            fields,
                            body,
                        });
                    }
                    RequestKind::Session if self.sessions.len() as u64 >= MOST_SESSIONS => {
                        self.abort(id, WebCode::RequestRejected);
                    }
                    RequestKind::Session => {
                        stream.kind = Kind::Session(super::CapsuleReader::default());
                        self.sessions.insert(id, false);
                        let session = id;
                        self.events
                            .push_back(WebEvent::SessionRequested { session, fields });
                    }
                }
                Ok(())
            }
            Kind::ConnectPending => {
                match status(&fields).map_err(malformed)? {
                    100..200 => {}
                    200..300 => {
                        self.events
                            .push_back(WebEvent::SessionOpened { session: id });
                        self.session_established(id);
                    }
                    status => self.request_failed(id, Refusal::Status(status)),
                }
                Ok(())
            }
            Kind::New
            | Kind::Control
            | Kind::Encoder
            | Kind::Decoder
            | Kind::Own
            | Kind::Ignored
            | Kind::Session(_)
            | Kind::OfSession { .. } => Ok(()),
        }
    }

    /// A client: no session comes of this request.
    fn request_failed(&mut self, session: StreamId, why: Refusal) {
        self.sessions.remove(&session);
        self.waiting.retain(|(waiting, _)| *waiting != session);
        self.events
            .push_back(WebEvent::SessionRefused { session, why });
        self.finish(session);
        self.release_streams(session);
    }

    /// The other side ended a session.
    fn session_closed(&mut self, session: StreamId, close: Option<SessionClose>) {
        if self.sessions.remove(&session).is_some() {
            self.finish(session);
            let streams = self.release_streams(session);
            self.events.push_back(WebEvent::SessionClosed {
                session,
                close,
                streams,
            });
        }
    }

    /// The other side will send no more; `whole`: whether that is not in the middle of something.
    fn stream_finished(
        &mut self,
        id: StreamId,
        whole: &Result<(), DecodeError>,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        let is_whole = whole.map_err(Fault::from);
        match &mut stream.kind {
            Kind::Control | Kind::Encoder | Kind::Decoder => Err(closed_critical()),
            // One of a direction that said nothing means nothing.
            Kind::New if !id.is_bidirectional() => Ok(()),
            Kind::New => {
                is_whole?;
                Err(incomplete())
            }
            Kind::Own | Kind::Ignored => Ok(()),
            Kind::ConnectPending => {
                is_whole?;
                self.request_failed(id, Refusal::Malformed("has no answer"));
                Ok(())
            }
            Kind::Message(message) => {
                is_whole?;
                let message = std::mem::take(message);
                stream.kind = Kind::Ignored;
                let fields = message.fields.ok_or_else(incomplete)?;
                if !has_its_length(&fields, &message.body) {
                    let why = "has a body of another length than it says";
                    return Err(Fault::Stream(WebCode::MessageError, why));
                }
                let (stream, body) = (id, message.body);
                self.events.push_back(match self.is_client {
                    false => WebEvent::Request {
                        stream,
                        fields,
                        body,
                    },
                    true => WebEvent::Response {
                        stream,
                        status: status(&fields).unwrap_or_default(),
                        fields,
                        body,
                    },
                });
                Ok(())
            }
            Kind::Session(_) => {
                is_whole?;
                self.session_closed(id, Some(SessionClose::default()));
                Ok(())
            }
            Kind::OfSession { .. } => {
                self.of_session(id, SessionStream::Fin);
                Ok(())
            }
        }
    }

    fn reset_received(&mut self, id: StreamId, code: u64) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        match &mut stream.kind {
            Kind::Control | Kind::Encoder | Kind::Decoder => return Err(closed_critical()),
            Kind::New | Kind::Own | Kind::Ignored => {}
            Kind::ConnectPending => self.request_failed(id, Refusal::Reset(code)),
            Kind::Message(_) if self.is_client => {
                let (stream, why) = (id, Refusal::Reset(code));
                self.events.push_back(WebEvent::NoResponse { stream, why });
            }
            Kind::Message(_) => self.abort(id, WebCode::RequestCancelled),
            Kind::Session(_) => self.session_closed(id, None),
            // The end of the session says why.
            Kind::OfSession { .. } if code == WebCode::SessionGone.number() => {}
            Kind::OfSession { .. } => self.of_session(id, SessionStream::Reset(from_http3(code))),
        }
        Ok(())
    }

    /// The other side wants no more of what this end sends on a stream.
    fn stop_sending_received(&mut self, id: StreamId, code: u64) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        match &stream.kind {
            Kind::Own => return Err(closed_critical()),
            Kind::OfSession { .. } if code == WebCode::SessionGone.number() => {}
            Kind::OfSession { .. } => self.of_session(id, SessionStream::Stopped(from_http3(code))),
            Kind::Session(_) => self.session_closed(id, None),
            Kind::New
            | Kind::Control
            | Kind::Encoder
            | Kind::Decoder
            | Kind::Ignored
            | Kind::Message(_)
            | Kind::ConnectPending => {}
        }
        // QUIC answers with RESET_STREAM by itself.
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.is_sent = true;
        }
        self.drop_if_over(id);
        Ok(())
    }

    /// A message is malformed: its stream is broken off.
    fn fail_request(&mut self, id: StreamId, code: WebCode, why: &'static str) {
        let kind = self.streams.get(&id).map(|stream| &stream.kind);
        match kind {
            Some(Kind::ConnectPending) => {
                self.sessions.remove(&id);
                let (session, why) = (id, Refusal::Malformed(why));
                self.events
                    .push_back(WebEvent::SessionRefused { session, why });
            }
            Some(Kind::Session(_)) if self.sessions.remove(&id).is_some() => {
                let streams = self.release_streams(id);
                self.events.push_back(WebEvent::SessionClosed {
                    session: id,
                    close: None,
                    streams,
                });
            }
            Some(Kind::Message(_)) if self.is_client => {
                let (stream, why) = (id, Refusal::Malformed(why));
                self.events.push_back(WebEvent::NoResponse { stream, why });
            }
            Some(_) | None => {}
        }
        self.abort(id, code);
    }
}
