//! The Media Handler: sources of media in, copies of them out to all who subscribe (specification,
//! section 3). It never looks into a payload (DT-M-12).
//!
//! What a subscriber does not read waits here, up to a bound for each session. Past it the copy that grew
//! is broken off with code 3, and begins again only with a new subscription: leaving frames out would
//! give a decoder deltas without what they refer to, and a gap in the numbers. Publishers are read all the
//! time, so that nobody else notices (DT-M-11).

mod authentication;
mod forwarding;
mod twins;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use shakedown_wire::Reader;
use uuid::Uuid;

use super::deviation::{Deviation, Deviations};
use super::measures::{Ended, Measures};
use super::messages::{LENGTH, text};
use super::sessions::{Context, SendStream, SessionEnd, SessionKey};
use super::settings::{Place, Service};
use super::token::Secret;
use crate::darktower::frame::FRAME;
use crate::darktower::{
    Envelope, FrameHeader, MAX_MESSAGE, MediaItem, MediaReader, MessageReader, StreamCode,
};
use crate::streams::{ConnectionNumber, Path, StreamId, StreamUpdate};
use authentication::{accepted, participant_id};

/// Bytes that may wait for a session whose other side does not read; more than the largest frame.
const MOST_WAITING: usize = 2 << 20;

/// What a media stream begins with.
pub(super) const MAGIC: [u8; 4] = *b"DART";

/// What a handler is told.
#[derive(Debug, Clone)]
pub struct HandlerSettings {
    pub secret: Secret,
    /// Whether everybody gets all streams of the others in the meeting, where no controller says who
    /// subscribes to what.
    pub forwards_all: bool,
    pub place: Place,
    pub without: Deviations,
}

/// Serves all sessions of `/media`.
#[derive(Debug)]
pub struct Handler {
    settings: HandlerSettings,
    sessions: BTreeMap<SessionKey, Session>,
    counters: HandlerCounters,
    ended: Ended,
}

/// What a handler counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HandlerCounters {
    /// Sessions that showed a valid token.
    pub authenticated: u64,
    /// Tokens that were refused.
    pub refused: u64,
    /// Frames that came, on streams and in datagrams.
    pub frames: u64,
    /// Copies of frames that were sent on.
    pub copies: u64,
    /// Streams that were broken off, by code.
    pub broken_off: BTreeMap<&'static str, u64>,
    /// Most bytes that waited for a session at a time (DT-M-11).
    pub most_waiting: usize,
}

#[derive(Debug)]
struct Session {
    state: State,
    identity: Option<Identity>,
    /// What the other side sends.
    incoming: BTreeMap<StreamId, Incoming>,
    copies: BTreeMap<StreamId, Forwarded>,
    /// Sources of which it left too much unread, and in which subscription.
    unread: BTreeMap<Source, u64>,
    measures: Measures,
}

/// States as the specification names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Authenticating,
    Ready,
    Active,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    meeting: Uuid,
    user: String,
    jti: String,
}

/// A stream of media, by the session and the stream on which it comes.
type Source = (SessionKey, StreamId);

#[derive(Debug)]
enum Incoming {
    /// Not four bytes of it came.
    New(Vec<u8>),
    Auth(MessageReader),
    Media {
        reader: MediaReader,
        header: Option<Header>,
    },
}

/// A stream header that came.
#[derive(Debug, Clone)]
struct Header {
    name: String,
    bytes: Vec<u8>,
}

/// A source as one session gets it.
#[derive(Debug)]
struct Forwarded {
    source: Source,
    subscription: u64,
    outgoing: SendStream,
    /// What a faulty twin keeps for later.
    held: Vec<u8>,
}

/// What came on a media stream.
enum Piece {
    Header(Header),
    /// A frame, its Timestamp, and whether a stream can begin with it.
    Frame(Vec<u8>, u64, bool),
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Authenticating => "AUTHENTICATING",
            Self::Ready => "READY",
            Self::Active => "ACTIVE",
        }
    }
}

impl Session {
    fn waiting(&self) -> usize {
        let copies = self.copies.values();
        copies.map(|copy| copy.outgoing.waiting()).sum()
    }
}

impl Handler {
    #[must_use]
    pub fn new(settings: HandlerSettings) -> Self {
        Self {
            settings,
            sessions: BTreeMap::new(),
            counters: HandlerCounters::default(),
            ended: Ended::default(),
        }
    }

    #[must_use]
    pub const fn counters(&self) -> &HandlerCounters {
        &self.counters
    }

    /// A session was accepted on a connection that began at this time.
    pub fn opened(&mut self, of: SessionKey, began: Duration, context: &mut Context<'_>) {
        let session = Session {
            state: State::Authenticating,
            identity: None,
            incoming: BTreeMap::new(),
            copies: BTreeMap::new(),
            unread: BTreeMap::new(),
            measures: Measures::new(Service::Handler, &self.settings.place, began),
        };
        self.sessions.insert(of, session);
        let (to, why) = (State::Authenticating.name(), "a session was asked for");
        context.sessions.transition(of, "CONNECTING", to, why);
    }

    /// Something happened on a stream of a session; codes are those of WebTransport.
    pub fn on_stream(
        &mut self,
        of: SessionKey,
        stream: StreamId,
        what: StreamUpdate<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(&of) else {
            return;
        };
        let _span = session.measures.span().entered();
        if matches!(what, StreamUpdate::Opened) {
            session.measures.stream();
        }
        match what {
            StreamUpdate::Opened if stream.is_bidirectional() => {
                context
                    .sessions
                    .reset(of, stream, StreamCode::InvalidFormat);
                self.refuse(of, stream, StreamCode::InvalidFormat, context);
            }
            StreamUpdate::Opened => {
                session.incoming.insert(stream, Incoming::New(Vec::new()));
            }
            StreamUpdate::Bytes(bytes) => self.read(of, stream, bytes, context),
            StreamUpdate::Fin => self.finish(of, stream, context),
            StreamUpdate::Reset(code) => {
                if session.incoming.remove(&stream).is_some() {
                    let code = u32::try_from(code).ok().and_then(StreamCode::from_number);
                    let code = code.unwrap_or(StreamCode::InternalError);
                    self.source_ends((of, stream), Some(code), context);
                }
            }
            // Nobody wants it any more: it begins again with a new subscription.
            StreamUpdate::Stopped(_) => {
                if let Some(copy) = session.copies.remove(&stream) {
                    session.unread.insert(copy.source, copy.subscription);
                    let code = StreamCode::Graceful;
                    context.sessions.reset(of, stream, code);
                }
            }
            StreamUpdate::Written => {
                if let Some(copy) = session.copies.get_mut(&stream) {
                    copy.outgoing.written(context);
                    if copy.outgoing.is_over() {
                        session.copies.remove(&stream);
                    }
                }
            }
        }
    }

    /// A datagram of a session came.
    pub fn on_datagram(&mut self, of: SessionKey, bytes: &[u8], context: &mut Context<'_>) {
        let Some(session) = self.sessions.get(&of) else {
            return;
        };
        match (session.identity.clone(), audio_frame(bytes)) {
            // DT-M-14
            (Some(identity), Some(name)) => {
                self.forward_datagram((of, &identity), &name, bytes, context)
            }
            // What is neither a frame nor a word is dropped.
            (identity, _) => {
                let Ok(auth) = Envelope::MediaAuth.decode(bytes, 0) else {
                    return;
                };
                let token = text(&auth.fields, "connection_token");
                if token.is_empty() || self.lacks(Deviation::NoDatagramResult) {
                    return;
                }
                let answer =
                    match identity.filter(|identity| self.is_token_of(identity, token, context)) {
                        // The answer may be lost on its way, and is asked for again.
                        Some(identity) => accepted(&participant_id(&identity, context)),
                        None => self.authenticate(of, token, context).0,
                    };
                let answer = answer.get(LENGTH..).unwrap_or_default();
                context.sessions.datagram(of, answer);
            }
        }
    }

    /// A session is over.
    pub fn closed(&mut self, of: SessionKey, how: SessionEnd, context: &mut Context<'_>) {
        let Some(session) = self.sessions.remove(&of) else {
            return;
        };
        let code = match how {
            SessionEnd::Clean => None,
            SessionEnd::Lost => {
                session.measures.failed("CONNECTION_LOST");
                Some(StreamCode::InternalError)
            }
        };
        self.ended.add(of.connection, session.measures);
        for stream in session.incoming.into_keys() {
            self.source_ends((of, stream), code, context);
        }
        let (from, why) = (session.state.name(), "the session is over");
        context.sessions.transition(of, from, "CLOSED", why);
    }

    /// A connection is over; what was seen of its way, if anything was.
    pub fn gone(&mut self, connection: ConnectionNumber, path: Option<Path>) {
        self.ended.gone(connection, path);
    }

    /// Ends all streams, and takes nothing more; whether there were any.
    pub fn stop(&mut self, context: &mut Context<'_>) -> bool {
        let mut were_any = false;
        for (of, session) in std::mem::take(&mut self.sessions) {
            for mut copy in session.copies.into_values() {
                were_any = true;
                if !self.settings.without.has(Deviation::NoFin) {
                    copy.outgoing.end(context);
                }
            }
            self.ended.add(of.connection, session.measures);
            let from = session.state.name();
            context.sessions.transition(of, from, "CLOSED", "it ends");
        }
        were_any
    }

    fn read(&mut self, of: SessionKey, stream: StreamId, bytes: &[u8], context: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(&of) else {
            return;
        };
        let is_known = session.identity.is_some();
        match session.incoming.get_mut(&stream) {
            None => {}
            Some(Incoming::New(first)) => {
                first.extend_from_slice(bytes);
                let Some(start) = first.first_chunk::<4>() else {
                    return;
                };
                let incoming = match (*start, is_known) {
                    (MAGIC, false) if self.settings.without.has(Deviation::EarlyForwarded) => {
                        session.identity = Some(Identity::stranger());
                        Incoming::media()
                    }
                    (MAGIC, true) => Incoming::media(),
                    (start, _) if (1..=MAX_MESSAGE).contains(&u32::from_be_bytes(start)) => {
                        Incoming::Auth(MessageReader::new(Envelope::MediaAuth))
                    }
                    (_, true) if self.settings.without.has(Deviation::AnyMagic) => return,
                    (_, true) => {
                        return self.refuse(of, stream, StreamCode::InvalidFormat, context); // DT-M-05
                    }
                    (_, false) => return self.too_early(of, stream, context),
                };
                let first = std::mem::take(first);
                session.incoming.insert(stream, incoming);
                self.read(of, stream, &first, context);
            }
            Some(Incoming::Auth(reader)) => {
                let mut heard = None;
                let read = reader.take(bytes, |auth| {
                    heard.get_or_insert(auth);
                });
                match (heard, read) {
                    (Some(auth), _) => {
                        session.incoming.remove(&stream);
                        let token = text(&auth.fields, "connection_token");
                        let (answer, is_valid) = self.authenticate(of, token, context);
                        if let Some(to) = context.sessions.open(of) {
                            context.sessions.write(of, to, answer);
                            context.sessions.fin(of, to);
                        }
                        if !is_valid {
                            let code = StreamCode::AuthenticationFailed;
                            self.refuse(of, stream, code, context); // DT-M-02
                        }
                    }
                    (None, Ok(())) if !self.settings.without.has(Deviation::ResultInPieces) => {}
                    (None, _) => {
                        let code = match is_known {
                            true => StreamCode::InvalidFormat,
                            false => StreamCode::AuthenticationFailed,
                        };
                        self.refuse(of, stream, code, context);
                    }
                }
            }
            Some(Incoming::Media { reader, .. }) => {
                let mut pieces = Vec::new();
                let without = self.settings.without;
                let mut objection = None;
                let read = reader.take(bytes, |item, bytes| {
                    objection = objection.or(without.objects(&item));
                    pieces.push(piece(&item, bytes));
                });
                for piece in pieces {
                    self.take(of, stream, piece, context);
                }
                // DT-M-05, DT-M-09
                if let Some(code) = objection.or_else(|| without.code(&read.err()?)) {
                    self.break_off(of, stream, code, context);
                }
            }
        }
    }

    /// The other side ends a stream.
    fn finish(&mut self, of: SessionKey, stream: StreamId, context: &mut Context<'_>) {
        let session = self.sessions.get_mut(&of);
        match session.and_then(|session| session.incoming.remove(&stream)) {
            Some(Incoming::Media { reader, .. }) => {
                let wrong = reader.finish().err(); // DT-M-05
                let code = wrong.and_then(|wrong| self.settings.without.code(&wrong));
                self.source_ends((of, stream), code, context);
            }
            // It says nothing any more.
            Some(Incoming::New(_) | Incoming::Auth(_)) | None => {}
        }
    }

    /// Nothing more is taken of a stream, and copies of it are broken off.
    fn refuse(
        &mut self,
        of: SessionKey,
        stream: StreamId,
        code: StreamCode,
        context: &mut Context<'_>,
    ) {
        if let Some(session) = self.sessions.get_mut(&of) {
            session.incoming.remove(&stream);
        }
        *self.counters.broken_off.entry(code.name()).or_default() += 1;
        if let Some(session) = self.sessions.get(&of) {
            session.measures.stream_error(code.name());
        }
        context.sessions.stop_sending(of, stream, code);
        self.source_ends((of, stream), Some(code), context);
    }

    fn take(&mut self, of: SessionKey, stream: StreamId, piece: Piece, context: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(&of) else {
            return;
        };
        let (Some(Incoming::Media { header, .. }), Some(identity)) =
            (session.incoming.get_mut(&stream), &session.identity)
        else {
            return;
        };
        match piece {
            Piece::Header(came) => {
                let identity = identity.clone();
                *header = Some(came.clone());
                self.begins(of, stream, &identity, &came.name, context);
            }
            Piece::Frame(bytes, timestamp, may_begin) => {
                session.measures.forwarded(timestamp, context.at);
                if let (Some(header), identity) = (header.clone(), identity.clone()) {
                    self.counters.frames += 1;
                    self.forward(
                        (of, stream),
                        &identity,
                        &header,
                        (&bytes, may_begin),
                        context,
                    );
                }
            }
        }
        self.go(of, State::Active, "media came", context);
    }

    fn go(&mut self, of: SessionKey, to: State, why: &'static str, context: &mut Context<'_>) {
        if let Some(session) = self.sessions.get_mut(&of)
            && !matches!((session.state, to), (State::Active, _))
        {
            let from = std::mem::replace(&mut session.state, to);
            if from != to {
                context.sessions.transition(of, from.name(), to.name(), why);
            }
        }
    }
}

fn name_of(stream_id: &[u8; 16]) -> String {
    Uuid::from_bytes(*stream_id).to_string()
}

fn piece(item: &MediaItem<'_>, bytes: &[u8]) -> Piece {
    match item {
        MediaItem::Header(header) => Piece::Header(Header {
            name: name_of(header.stream_id),
            bytes: bytes.to_vec(),
        }),
        // A delta refers to frames before it (DT-M-08).
        MediaItem::Frame(header, _) => {
            Piece::Frame(bytes.to_vec(), header.timestamp, header.frame_type != 2)
        }
    }
}

/// The stream of the audio frame that a datagram is, if it is a whole one.
pub(super) fn audio_frame(bytes: &[u8]) -> Option<String> {
    let mut reader = Reader::new(bytes);
    let header = FrameHeader::decode(&mut reader, &FRAME).ok()?;
    let is_whole = reader.rest().len() == header.payload_length as usize;
    (is_whole && header.frame_type == 0).then(|| name_of(header.stream_id))
}
