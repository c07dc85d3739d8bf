use std::collections::{BTreeMap, VecDeque};

use super::capsule::{CapsuleReader, SessionClose};
use super::code::{WebCode, to_http3};
use super::field_section::{self, Field};
use super::reader::StreamReader;
use super::settings::Settings;
use super::stream::{Kind, Message, SessionStream, Stream};
use super::{frame, frame_type, prefix, stream_type};
use crate::streams::{ConnectionNumber, Output, StreamId};

/// Most sessions of a connection at a time that this end permits.
pub(super) const MOST_SESSIONS: u64 = 16;

/// One end of an HTTP/3 connection with WebTransport sessions.
///
/// The owner passes the events of the QUIC connection ([`Web::connected`], [`Web::on_stream`],
/// [`Web::on_datagram`]), then polls the outputs for QUIC ([`Web::poll_output`]) and the events for the
/// application ([`Web::poll_event`]) until both are empty. Streams have the ids of QUIC; a session has that
/// of its CONNECT stream.
#[derive(Debug)]
pub struct Web {
    pub(super) connection: ConnectionNumber,
    pub(super) is_client: bool,
    own: Settings,
    /// The settings of the peer, once received.
    pub(super) settings: Option<Settings>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// Sessions: established, or (`false`) requested.
    pub(super) sessions: BTreeMap<StreamId, bool>,
    /// The newest bidirectional stream of the client.
    pub(super) newest: Option<StreamId>,
    /// Streams that this end has opened: bidirectional and unidirectional ones.
    opened: [u64; 2],
    /// Clients' requests for sessions that wait for the server's settings.
    pub(super) waiting: Vec<(StreamId, Vec<Field>)>,
    pub(super) events: VecDeque<WebEvent>,
    outputs: VecDeque<Output>,
    /// Whether the connection was closed because of an error.
    pub(super) has_failed: bool,
}

/// An event for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebEvent {
    /// Server: a complete request that is no session request.
    Request {
        stream: StreamId,
        fields: Vec<Field>,
        body: Vec<u8>,
    },
    /// Client: a complete response.
    Response {
        stream: StreamId,
        status: u16,
        fields: Vec<Field>,
        body: Vec<u8>,
    },
    /// Client: a request failed.
    NoResponse {
        stream: StreamId,
        why: Refusal,
    },
    /// Server: a client requests a session.
    SessionRequested {
        session: StreamId,
        fields: Vec<Field>,
    },
    /// Client: the session is established.
    SessionOpened {
        session: StreamId,
    },
    /// Client: the session request failed.
    SessionRefused {
        session: StreamId,
        why: Refusal,
    },
    /// The peer closed a session: with a capsule, or with FIN alone, which is code 0; `None` if it reset the
    /// CONNECT stream.
    SessionClosed {
        session: StreamId,
        close: Option<SessionClose>,
        /// Its streams on which the other side may still have sent: they are over with it.
        streams: Vec<StreamId>,
    },
    /// An event on a stream of a session.
    Stream {
        session: StreamId,
        stream: StreamId,
        what: SessionStream,
    },
    Datagram {
        session: StreamId,
        bytes: Vec<u8>,
    },
    /// The peer violated HTTP/3; the connection is closed with this code.
    Failed {
        code: WebCode,
        why: String,
    },
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Status(u16),
    /// The server's settings offer no sessions.
    NotOffered,
    /// The stream was reset with this HTTP/3 code.
    Reset(u64),
    /// The answer is malformed: why.
    Malformed(&'static str),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::NotOffered => f.write_str("settings that offer no sessions"),
            Self::Reset(code) => write!(f, "the stream broken off with code {code:#x}"),
            Self::Malformed(why) => write!(f, "an answer that {why}"),
        }
    }
}

impl Web {
    #[must_use]
    pub fn client(connection: ConnectionNumber) -> Self {
        Self::new(connection, true)
    }

    #[must_use]
    pub fn server(connection: ConnectionNumber) -> Self {
        Self::new(connection, false)
    }

    fn new(connection: ConnectionNumber, is_client: bool) -> Self {
        Self {
            connection,
            is_client,
            own: Settings::web_transport(MOST_SESSIONS),
            settings: None,
            streams: BTreeMap::new(),
            sessions: BTreeMap::new(),
            newest: None,
            opened: [0, 0],
            waiting: Vec::new(),
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            has_failed: false,
        }
    }

    /// The same with other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.own = settings;
        self
    }

    /// The next thing that came of what happened.
    pub fn poll_event(&mut self) -> Option<WebEvent> {
        self.events.pop_front()
    }

    /// The next thing that it wants of QUIC.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The handshake of QUIC is done: says what stands on the control stream first.
    pub fn connected(&mut self) {
        let settings = frame(frame_type::SETTINGS, &self.own.encode());
        for (kind, rest) in [
            (stream_type::CONTROL, settings),
            (stream_type::QPACK_ENCODER, Vec::new()),
            (stream_type::QPACK_DECODER, Vec::new()),
        ] {
            let stream = self.open_own(true, Stream::own(Kind::Own, None));
            // All types here are of one byte.
            let bytes = [&[kind as u8], rest.as_slice()].concat();
            self.push_write(stream, bytes);
        }
    }

    /// A client: asks for something. The answer is a [`WebEvent::Response`].
    pub fn request(&mut self, fields: &[Field], body: &[u8]) -> StreamId {
        let kind = Kind::Message(Message::default());
        let stream = self.open_own(
            false,
            Stream::own(kind, Some(StreamReader::answering(false))),
        );
        self.send_message(stream, fields, body);
        stream
    }

    /// A server: answers a request.
    pub fn respond(&mut self, stream: StreamId, fields: &[Field], body: &[u8]) {
        self.send_message(stream, fields, body);
    }

    /// A client: asks for a session, as soon as the server's settings are there. The answer is a
    /// [`WebEvent::SessionOpened`] or [`WebEvent::SessionRefused`]. `more` are further fields.
    pub fn connect(&mut self, authority: &str, path: &str, more: &[Field]) -> StreamId {
        let own = [
            (":method", "CONNECT"),
            (":scheme", "https"),
            (":authority", authority),
            (":path", path),
            (":protocol", "webtransport"),
            ("sec-webtransport-http3-draft02", "1"),
        ];
        let mut fields: Vec<_> = own.into_iter().map(field).collect();
        fields.extend_from_slice(more);
        let reader = StreamReader::answering(false);
        let session = self.open_own(false, Stream::own(Kind::ConnectPending, Some(reader)));
        self.sessions.insert(session, false);
        self.waiting.push((session, fields));
        self.send_session_requests();
        session
    }

    /// A client's requests for sessions leave once it is known whether there are any.
    pub(super) fn send_session_requests(&mut self) {
        let Some(settings) = &self.settings else {
            return;
        };
        let is_offered = settings.offers_sessions();
        for (session, fields) in std::mem::take(&mut self.waiting) {
            if is_offered {
                let section = field_section::encode(&fields);
                self.push_write(session, frame(frame_type::HEADERS, &section));
            } else {
                let why = Refusal::NotOffered;
                self.events
                    .push_back(WebEvent::SessionRefused { session, why });
                self.sessions.remove(&session);
                self.abort(session, WebCode::RequestCancelled);
            }
        }
    }

    /// A server: a session that was asked for is there from now on.
    pub fn accept(&mut self, session: StreamId) {
        if self.sessions.get(&session) == Some(&false) {
            let fields = [
                (":status", "200"),
                ("sec-webtransport-http3-draft", "draft02"),
            ];
            let section = field_section::encode(&fields.map(field));
            self.push_write(session, frame(frame_type::HEADERS, &section));
            self.session_established(session);
        }
    }

    /// A server: a session that was asked for is not there.
    pub fn reject(&mut self, session: StreamId, status: u16) {
        if self.sessions.remove(&session).is_some() {
            let status = status.to_string();
            self.send_message(session, &[field((":status", &status))], &[]);
            self.release_streams(session);
        }
    }

    /// Opens a stream of a session that is there.
    pub fn open(&mut self, session: StreamId, is_unidirectional: bool) -> StreamId {
        let reader = (!is_unidirectional).then(|| StreamReader::answering(true));
        let kind = Kind::OfSession {
            session,
            held: Vec::new(),
        };
        let mut stream = Stream::own(kind, reader);
        stream.prefixes = 1;
        let id = self.open_own(is_unidirectional, stream);
        let kind = match is_unidirectional {
            true => stream_type::WEBTRANSPORT,
            false => frame_type::WEBTRANSPORT_STREAM,
        };
        self.push_write(id, prefix(kind, session.0));
        id
    }

    /// The id of a stream that the owner opens by itself, and on which it says and hears what it will.
    pub fn next_id(&mut self, is_unidirectional: bool) -> StreamId {
        let count = &mut self.opened[usize::from(is_unidirectional)];
        let low_bits = u64::from(!self.is_client) | u64::from(is_unidirectional) << 1;
        let id = StreamId(*count << 2 | low_bits);
        *count += 1;
        id
    }

    /// The session of which this is a stream, if it is of one.
    #[must_use]
    pub fn session_of(&self, stream: StreamId) -> Option<StreamId> {
        match &self.streams.get(&stream)?.kind {
            Kind::OfSession { session, .. } => Some(*session),
            _ => None,
        }
    }

    /// Sends bytes on a stream of a session. [`SessionStream::Written`] comes when the transport has them.
    pub fn write(&mut self, stream: StreamId, bytes: Vec<u8>) {
        if self.sends(stream) {
            self.push_write(stream, bytes);
        }
    }

    /// Sends no more on a stream of a session.
    pub fn fin(&mut self, stream: StreamId) {
        if self.sends(stream) {
            self.finish(stream);
        }
    }

    /// Breaks off what is sent on a stream of a session, with a code of the session.
    pub fn reset(&mut self, stream: StreamId, code: u32) {
        if self.sends(stream) {
            self.reset_with(stream, to_http3(code));
        }
    }

    /// Asks for no more bytes of a stream of a session, with a code of the session.
    pub fn stop_sending(&mut self, stream: StreamId, code: u32) {
        let known = self.streams.get_mut(&stream);
        if known.is_some_and(|stream| stream.reader.take().is_some()) {
            let code = to_http3(code);
            self.push_output(Output::StopSending(self.connection, stream, code));
            self.drop_if_over(stream);
        }
    }

    /// Sends a datagram of a session.
    pub fn datagram(&mut self, session: StreamId, bytes: &[u8]) {
        let mut whole = Vec::with_capacity(bytes.len() + 8);
        shakedown_wire::Writer::new(&mut whole).quic_varint(session.0 / 4);
        whole.extend_from_slice(bytes);
        self.push_output(Output::Datagram(self.connection, whole));
    }

    /// Sends bytes of capsules on the stream of a session, in a DATA frame.
    pub fn capsules(&mut self, session: StreamId, bytes: &[u8]) {
        if self.sessions.contains_key(&session) {
            self.push_write(session, frame(frame_type::DATA, bytes));
        }
    }

    /// Ends a session, and what is open of its streams.
    pub fn close(&mut self, session: StreamId, close: &SessionClose) {
        self.capsules(session, &close.encode());
        if self.sessions.remove(&session).is_some() {
            self.finish(session);
            self.release_streams(session);
        }
    }

    /// Whether it takes bytes of this stream now: not of one whose session is not there yet.
    #[must_use]
    pub fn reads(&self, stream: StreamId) -> bool {
        let Some(Kind::OfSession { session, .. }) = self.streams.get(&stream).map(|it| &it.kind)
        else {
            return true;
        };
        self.sessions.get(session) == Some(&true)
    }

    fn send_message(&mut self, stream: StreamId, fields: &[Field], body: &[u8]) {
        let mut bytes = frame(frame_type::HEADERS, &field_section::encode(fields));
        if !body.is_empty() {
            bytes.extend(frame(frame_type::DATA, body));
        }
        self.push_write(stream, bytes);
        self.finish(stream);
    }

    /// A session is there: what was held for it comes.
    pub(super) fn session_established(&mut self, session: StreamId) {
        self.sessions.insert(session, true);
        if let Some(stream) = self.streams.get_mut(&session) {
            stream.kind = Kind::Session(CapsuleReader::default());
        }
        for (id, stream) in &mut self.streams {
            if let Kind::OfSession { session: of, held } = &mut stream.kind
                && *of == session
            {
                let what = std::mem::take(held).into_iter();
                let stream = *id;
                self.events.extend(what.map(|what| WebEvent::Stream {
                    session,
                    stream,
                    what,
                }));
            }
        }
    }

    /// A session is over: its streams are, and nothing of its own stream is wanted any more. Returns those that
    /// the other side had not ended.
    pub(super) fn release_streams(&mut self, session: StreamId) -> Vec<StreamId> {
        let is_of = |stream: &Stream| matches!(stream.kind, Kind::OfSession { session: of, .. } if of == session);
        let streams = self.streams.iter().filter(|(_, stream)| is_of(stream));
        let streams: Vec<_> = streams
            .map(|(id, stream)| (*id, stream.reader.is_some()))
            .collect();
        for (stream, _) in &streams {
            self.abort(*stream, WebCode::SessionGone);
        }
        if let Some(stream) = self.streams.get_mut(&session) {
            stream.kind = Kind::Ignored;
        }
        let open = streams.into_iter().filter(|(_, receives)| *receives);
        open.map(|(id, _)| id).collect()
    }

    /// Neither side of a stream is wanted any more.
    pub(super) fn abort(&mut self, stream: StreamId, code: WebCode) {
        let Some(known) = self.streams.get_mut(&stream) else {
            return;
        };
        let (receives, is_sent) = (known.reader.take().is_some(), known.is_sent);
        known.kind = Kind::Ignored;
        if !is_sent {
            self.reset_with(stream, code.number());
        }
        if receives {
            self.push_output(Output::StopSending(self.connection, stream, code.number()));
        }
        self.drop_if_over(stream);
    }

    /// Forgets a stream when both of its directions are over.
    pub(super) fn drop_if_over(&mut self, stream: StreamId) {
        let is_over = |known: &Stream| known.is_sent && known.reader.is_none();
        if self.streams.get(&stream).is_some_and(is_over) {
            self.streams.remove(&stream);
        }
    }

    pub(super) fn finish(&mut self, stream: StreamId) {
        if let Some(known) = self.streams.get_mut(&stream)
            && !std::mem::replace(&mut known.is_sent, true)
        {
            self.push_output(Output::Fin(self.connection, stream));
            self.drop_if_over(stream);
        }
    }

    fn reset_with(&mut self, stream: StreamId, code: u64) {
        if let Some(known) = self.streams.get_mut(&stream) {
            known.is_sent = true;
            self.push_output(Output::Reset(self.connection, stream, code));
            self.drop_if_over(stream);
        }
    }

    /// Whether something can be sent on this stream of a session.
    fn sends(&self, stream: StreamId) -> bool {
        let is_of_session = |it: &Stream| matches!(it.kind, Kind::OfSession { .. }) && !it.is_sent;
        self.streams.get(&stream).is_some_and(is_of_session)
    }

    fn open_own(&mut self, is_unidirectional: bool, stream: Stream) -> StreamId {
        let id = self.next_id(is_unidirectional);
        self.streams.insert(id, stream);
        self.push_output(Output::Open(self.connection, id));
        id
    }

    fn push_write(&mut self, stream: StreamId, bytes: Vec<u8>) {
        self.push_output(Output::Write(self.connection, stream, bytes));
    }

    pub(super) fn push_output(&mut self, output: Output) {
        if !self.has_failed {
            self.outputs.push_back(output);
        }
    }
}

fn field((name, value): (&str, &str)) -> Field {
    (name.to_owned(), value.to_owned())
}
