//! The state of one connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_wire::Reader;
use shakedown_wire::quic::{self, CloseCode, Packet, TransportParameters};

use super::media::MediaObservation;
use super::moments::{Moment, Moments, index};
use super::session::{Close, DatagramContent, FirstMessage, Session};
use super::stream::{Stream, StreamItem};
use crate::MonitorSettings;
use crate::monitor::at::At;
use crate::monitor::findings::{Findings, ObservationSink, Occurrence};
use crate::monitor::{UnjudgedConnection, Unread};
use crate::requirement::Role;
use crate::web::{self, Field, HeaderTables, WebCode};

/// Most streams of a connection that are read; what more of them say is not known.
const MOST_STREAMS: usize = 1_024;

/// Where the page has the information of a meeting (DT-G-01).
const MEETINGS: &str = "/api/v1/meetings/";

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) first: At,
    /// Whether the client offered HTTP/3.
    pub(super) offered: bool,
    /// The ALPN protocol that the server chose.
    pub(super) agreed: Option<Agreed>,
    pub(super) parameters: Option<(At, TransportParameters)>,
    /// The idle timeout that the client announced, in milliseconds.
    pub(super) client_timeout: Option<u64>,
    /// Whether data of the application of the client and the server could be read, and why a packet
    /// of them could not.
    read: [bool; 2],
    unread: [Option<Unread>; 2],
    /// Some of its content may be missing.
    pub(super) is_incomplete: bool,
    pub(super) moments: Moments,
    /// Times of the last packets, of the client and the server.
    pub(super) last: [Option<Duration>; 2],
    pub(super) packets: u64,
    pub(super) streams: BTreeMap<u64, Stream>,
    pub(super) sessions: BTreeMap<u64, Session>,
    tables: HeaderTables,
    /// The client requested the information of a meeting.
    pub(super) asks_for_meeting: bool,
    /// When the client first sent a message to a Meeting Controller.
    pub(super) speaks: Option<Duration>,
    /// The packet in which a side closed the connection, or the session with the Meeting Controller.
    pub(super) over: Option<u64>,
    pub(super) is_closed: bool,
    pub(super) frames: u64,
    pub(super) findings: Findings,
}

/// What the server chose of the protocols that were offered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Agreed {
    Http3,
    Nothing(At),
    Other,
}

impl Connection {
    pub(super) fn new(client: SocketAddr, server: SocketAddr, first: At) -> Self {
        Self {
            client,
            server,
            first,
            offered: false,
            agreed: None,
            parameters: None,
            client_timeout: None,
            read: [false; 2],
            unread: [None; 2],
            is_incomplete: false,
            moments: Moments::default(),
            last: [None; 2],
            packets: 0,
            streams: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tables: HeaderTables::default(),
            asks_for_meeting: false,
            speaks: None,
            over: None,
            is_closed: false,
            frames: 0,
            findings: Findings::default(),
        }
    }

    pub(super) const fn occurrence(&self, party: Role, at: At) -> Occurrence {
        let address = match party {
            Role::Initiator => self.client,
            Role::Responder => self.server,
        };
        Occurrence {
            party,
            address,
            packet: at.packet,
            time: at.time,
            silence: None,
        }
    }

    /// Whether it is of another protocol.
    pub(super) const fn is_foreign(&self) -> bool {
        matches!(self.agreed, Some(Agreed::Other))
    }

    /// A packet could not be read.
    pub(super) fn not_read(&mut self, by: Option<quic::Role>, why: Unread) {
        if let Some(by) = by {
            let unread = &mut self.unread[by.index()];
            *unread = (*unread).max(Some(why));
        }
        self.is_incomplete |= !self.is_closed;
    }

    /// Why it cannot be judged: nothing of a side could be read.
    pub(super) fn unjudged(&self) -> Option<UnjudgedConnection> {
        UnjudgedConnection::of("darktower", self.unread, self.read, self.agreed.is_some())
    }

    /// Says that a requirement is broken, or not judged for sure where something was not seen.
    pub(super) fn found(
        &mut self,
        requirement: &'static str,
        occurrence: Occurrence,
        expected: impl Into<String>,
        got: impl Into<String>,
        emit: ObservationSink<'_>,
    ) {
        if self.is_incomplete || self.moments.gaps {
            self.findings
                .doubt(requirement, occurrence, expected, got, emit);
        } else {
            self.findings
                .breach(requirement, occurrence, expected, got, emit);
        }
    }

    /// A packet of a side, and with it what its time shows.
    pub(super) fn packet(
        &mut self,
        packet: &Packet,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let by = packet.by.into();
        self.packets += 1;
        self.read[index(by)] |= packet.is_of_the_application();
        if self.read == [true; 2] && self.agreed.is_some() {
            self.findings.open(emit);
        }
        self.moments.packet(packet);
        if by == Role::Initiator {
            self.kept_alive(at, settings, emit);
        }
        let last = &mut self.last[index(by)];
        *last = (*last).max(Some(at.time));
    }

    pub(super) fn lost(&mut self, id: u64, by: Role) {
        self.is_incomplete = true;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sides[index(by)].is_lost = true;
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.is_opaque = true;
        }
    }

    pub(super) fn opened(&mut self, id: u64, at: At) {
        if self.streams.len() == MOST_STREAMS {
            self.is_incomplete = true;
            return;
        }
        let stream = Stream::new(id, self.tables.clone());
        if stream.is_bidirectional() && stream.opener() == Role::Initiator {
            let asked = self.moments.now(Role::Initiator, at);
            self.sessions.entry(id).or_default().asked = Some(asked);
        }
        self.streams.entry(id).or_insert(stream);
    }

    pub(super) fn bytes(
        &mut self,
        id: u64,
        by: Role,
        bytes: &[u8],
        at: At,
        emit: ObservationSink<'_>,
    ) {
        let mut items = Vec::new();
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.take(by, bytes, &mut |by, item| items.push((by, item)));
        }
        for (by, item) in items {
            self.item(id, by, item, at, emit);
        }
    }

    fn item(&mut self, id: u64, by: Role, item: StreamItem, at: At, emit: ObservationSink<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let (session, is_bidirectional) = (stream.session, stream.is_bidirectional());
        let item = match item {
            StreamItem::Media(shown) => return self.shown(shown, by, at, emit),
            item => item,
        };
        let side = &mut stream.sides[index(by)];
        let is_said = matches!(item, StreamItem::Message(_) | StreamItem::NoMessage(_));
        if is_said && std::mem::replace(&mut side.has_spoken, true) {
            self.frames += u64::from(matches!(item, StreamItem::Message(_)));
            return;
        }
        let moment = self.moments.now(by, at);
        side.is_media |= matches!(item, StreamItem::MediaBegins);
        if session.is_some() {
            side.begun.get_or_insert(moment);
        }
        let of = session.map(|session| self.sessions.entry(session).or_default());
        match (item, of) {
            (StreamItem::OfSession, _) => {
                // What seemed to ask for a session is of one.
                if is_bidirectional {
                    self.sessions.remove(&id);
                }
            }
            (StreamItem::Headers(fields), None) => self.headers(id, by, &fields, moment),
            (StreamItem::Opaque, None) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.is_opaque = true;
                }
            }
            (StreamItem::Close(close), None) => self.session_ends(id, by, moment, close.code == 0),
            (StreamItem::Message(message), Some(of)) => {
                self.frames += 1;
                let is_auth = matches!(message.frame, "MediaAuth" | "MediaAuthResult");
                of.is_media |= is_auth;
                of.is_signaling |= !is_auth;
                if is_auth && by == Role::Initiator {
                    of.auth.get_or_insert(moment);
                }
                if is_bidirectional && by == Role::Initiator {
                    if !of.is_media {
                        self.speaks.get_or_insert(at.time);
                    }
                    let what = Ok(message.frame);
                    of.first.entry(id).or_insert(FirstMessage { moment, what });
                }
            }
            (StreamItem::NoMessage(error), Some(of))
                if is_bidirectional && by == Role::Initiator =>
            {
                let what = Err(error.to_string());
                of.first.entry(id).or_insert(FirstMessage { moment, what });
            }
            (StreamItem::MediaBegins, Some(of)) => of.is_media = true,
            (StreamItem::Neither(error), Some(of)) => {
                of.neither[index(by)].get_or_insert((moment, error));
            }
            // Nothing of HTTP/3 stands on a stream of a session, and nothing of one elsewhere.
            (
                StreamItem::Media(_)
                | StreamItem::NoMessage(_)
                | StreamItem::Headers(_)
                | StreamItem::Opaque
                | StreamItem::Close(_),
                Some(_),
            )
            | (
                StreamItem::Media(_)
                | StreamItem::Message(_)
                | StreamItem::NoMessage(_)
                | StreamItem::MediaBegins
                | StreamItem::Neither(_),
                None,
            ) => {}
        }
    }

    /// A request, or the answer to one.
    fn headers(&mut self, id: u64, by: Role, fields: &[Field], moment: Moment) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let get = |name| web::get(fields, name);
        match by {
            Role::Initiator if get(":method") == Some("CONNECT") => {
                let asks = get(":protocol") == Some("webtransport");
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.is_of_connect |= asks;
                }
                session.is_connect |= asks;
            }
            Role::Initiator => {
                self.asks_for_meeting |=
                    get(":path").is_some_and(|path| path.starts_with(MEETINGS));
            }
            Role::Responder => {
                let status = get(":status").and_then(|status| status.parse().ok());
                // Interim answers come before the one that counts.
                let status = status.filter(|status| *status >= 200);
                session.answer = session.answer.or(status.map(|status| (status, moment)));
            }
        }
    }

    pub(super) fn shown(
        &mut self,
        shown: MediaObservation,
        by: Role,
        at: At,
        emit: ObservationSink<'_>,
    ) {
        match shown {
            MediaObservation::Frame => self.frames += 1,
            MediaObservation::Satisfied(requirement) => self.findings.judge_party(requirement, by),
            MediaObservation::Violated {
                requirement,
                expected,
                got,
            } => {
                let occurrence = self.occurrence(by, at);
                self.findings
                    .breach(requirement, occurrence, expected, got, emit);
            }
        }
    }

    pub(super) fn fin(&mut self, id: u64, by: Role, at: At, emit: ObservationSink<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let moment = self.moments.now(by, at);
        stream.sides[index(by)].fin.get_or_insert(moment);
        let mut items = Vec::new();
        stream.end(by, &mut |item| items.push(item));
        if stream.is_of_connect {
            self.session_ends(id, by, moment, true);
        }
        for item in items {
            self.item(id, by, item, at, emit);
        }
    }

    /// A side breaks a stream off, or wants it broken off.
    pub(super) fn broken(&mut self, id: u64, by: Role, is_own: bool, at: At) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let of = if is_own { by } else { by.peer() };
        stream.sides[index(of)].is_broken = true;
        if stream.is_of_connect {
            let moment = self.moments.now(by, at);
            self.session_ends(id, by, moment, false);
        }
    }

    pub(super) fn datagram(&mut self, by: Role, bytes: &[u8], at: At, emit: ObservationSink<'_>) {
        let mut reader = Reader::new(bytes);
        let Ok(quarter) = reader.quic_varint("quarter stream id") else {
            return;
        };
        let id = quarter.saturating_mul(4);
        if self.sessions.len() >= MOST_STREAMS && !self.sessions.contains_key(&id) {
            self.is_incomplete = true;
            return;
        }
        let session = self.sessions.entry(id).or_default();
        let sent = DatagramContent::read(by, reader.rest());
        session.is_media |= matches!(sent, DatagramContent::Media(_));
        let slot = match (&sent, by) {
            (DatagramContent::Media(_), _) => &mut session.media[index(by)],
            (DatagramContent::Authentication, Role::Initiator) => &mut session.auth,
            (DatagramContent::Authentication, Role::Responder) => return,
            (DatagramContent::Unknown, _) => &mut session.odd[index(by)],
        };
        if slot.is_none() {
            *slot = Some(self.moments.now(by, at));
        }
        if let DatagramContent::Media(shown) = sent {
            self.frames += 1;
            self.shown(shown, by, at, emit);
        }
    }

    fn session_ends(&mut self, id: u64, by: Role, moment: Moment, is_clean: bool) {
        if let Some(session) = self.sessions.get_mut(&id) {
            if session.is_signaling {
                let packet = self.moments.at(moment).map(|at| at.packet);
                self.over = self.over.or(packet);
            }
            session.closed.get_or_insert(Close {
                by,
                moment,
                is_clean,
            });
        }
    }

    /// A side closes the connection, and with it all sessions; `None` where it only forgot it.
    pub(super) fn closes(&mut self, by: Role, code: Option<CloseCode>, at: At) {
        let no_error = WebCode::NoError.number();
        let is_clean = matches!(code, Some(CloseCode::Application { code }) if code == no_error);
        let moment = self.moments.now(by, at);
        let all: Vec<_> = self.sessions.keys().copied().collect();
        for id in all {
            self.session_ends(id, by, moment, is_clean);
        }
        self.over.get_or_insert(at.packet);
        self.is_closed = true;
    }
}
