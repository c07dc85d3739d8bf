use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use serde_json::{Value, json};
use shakedown_wire::quic::{
    self, Acknowledged, At, CloseCode, Event, EventKind, Level, Lost, TransportParameters,
};

use super::super::Monitor;
use crate::MonitorSettings;
use crate::darktower::VOCABULARY;
use crate::monitor::{Observation, Session, StreamMonitor as _};
use crate::requirement::Role::{self, Initiator as Client, Responder as Server};
use crate::vocabulary::Vocabulary as _;
use crate::web::{SessionClose, field_section, frame, frame_type, prefix, stream_type, to_http3};

const CLIENT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5_000));
const SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4_433));

/// The id of a media stream.
pub(super) const ID: &str = "00000000-0000-4000-8000-000000000001";

/// A monitor of one connection, and what it said.
pub(super) struct Rig {
    monitor: Monitor,
    packet: u64,
    now: Duration,
    /// The packets that each side sent so far.
    sent: [u64; 2],
    /// Each packet acknowledges one that is not in the capture.
    gaps: bool,
    /// Pieces in which bytes come.
    piece: usize,
    said: Vec<Observation>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(&MonitorSettings::default())
    }

    pub(super) fn with(settings: &MonitorSettings) -> Self {
        Self {
            monitor: Monitor::new(settings),
            packet: 0,
            now: Duration::from_secs(100),
            sent: [0; 2],
            gaps: false,
            piece: usize::MAX,
            said: Vec::new(),
        }
    }

    /// A connection whose server has these windows: of a stream, and of all.
    pub(super) fn connected(self, stream: u64, all: u64) -> Self {
        self.agreed(Some(b"h3"), stream, all)
    }

    pub(super) fn agreed(self, alpn: Option<&[u8]>, stream: u64, all: u64) -> Self {
        let mut rig = self.unread();
        let parameters = TransportParameters {
            initial_max_data: Some(all),
            initial_max_stream_data_uni: Some(stream),
            initial_max_stream_data_bidi_remote: Some(stream),
            max_idle_timeout: Some(60_000),
            ..TransportParameters::default()
        };
        rig.shows(EventKind::ServerHandshake {
            alpn,
            parameters: Some(&parameters),
        });
        rig.packet(Client);
        rig.packet(Server);
        rig
    }

    /// A connection of which nothing could be read so far.
    pub(super) fn unread(mut self) -> Self {
        self.shows(EventKind::ConnectionOpened {
            client: CLIENT,
            server: SERVER,
            version: 1,
            original_destination_id: &[],
        });
        self.shows(EventKind::ClientHello {
            alpn: Some(b"\x02h3"),
            server_name: None,
            parameters: None,
        });
        self
    }

    /// Something shows that is no packet that was read.
    pub(super) fn does_alone(mut self, kind: EventKind<'_>) -> Self {
        self.shows(kind);
        self
    }

    /// A session that was asked for on stream 0 and taken.
    pub(super) fn session() -> Self {
        let rig = Self::new().connected(1 << 20, 10 << 20);
        rig.asks(0).answers(0, "200")
    }

    pub(super) fn with_session(settings: &MonitorSettings) -> Self {
        let rig = Self::with(settings).connected(1 << 20, 10 << 20);
        rig.asks(0).answers(0, "200")
    }

    pub(super) fn asks(self, stream: u64) -> Self {
        let fields = [
            (":method", "CONNECT"),
            (":protocol", "webtransport"),
            (":path", "/wt"),
        ];
        self.opens(stream, Client, &headers(&fields))
    }

    pub(super) fn answers(self, stream: u64, status: &str) -> Self {
        self.bytes(stream, Server, &headers(&[(":status", status)]))
    }

    fn shows(&mut self, kind: EventKind<'_>) {
        let at = At {
            number: self.packet + 1,
            time: self.now,
            source: CLIENT,
            destination: SERVER,
        };
        let connection = Some(1);
        let event = Event {
            connection,
            at,
            kind,
        };
        let said = &mut self.said;
        self.monitor.event(&event, &mut |one| said.push(one));
    }

    /// The end of a packet.
    pub(super) fn packet(&mut self, by: Role) {
        let place = quic::Role::from(by).index();
        let number = self.sent[place];
        self.sent[place] += 1;
        let unseen = self.gaps;
        self.shows(EventKind::Packet(quic::Packet {
            by: by.into(),
            level: Level::OneRtt,
            number,
            ack_eliciting: true,
            acknowledges: Some(Acknowledged {
                largest: 0,
                newest: 1,
                unseen,
            }),
        }));
        self.packet += 1;
    }

    /// A packet that says one thing.
    pub(super) fn does(mut self, by: Role, kind: EventKind<'_>) -> Self {
        self.shows(kind);
        self.packet(by);
        self
    }

    /// From here on bytes come in pieces of this size, each in a packet.
    pub(super) fn cut(mut self, piece: usize) -> Self {
        self.piece = piece;
        self
    }

    /// From here on packets are missing.
    pub(super) fn with_gaps(mut self) -> Self {
        self.gaps = true;
        self
    }

    /// The next packet of a side has a number so much lower or higher than its turn.
    pub(super) fn renumbered(mut self, by: Role, less: u64, more: u64) -> Self {
        let sent = &mut self.sent[quic::Role::from(by).index()];
        *sent = *sent + more - less;
        self
    }

    pub(super) fn later(mut self, seconds: u64) -> Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    pub(super) fn bytes(mut self, stream: u64, by: Role, bytes: &[u8]) -> Self {
        for piece in bytes.chunks(self.piece) {
            self.shows(EventKind::StreamBytes {
                stream,
                by: by.into(),
                offset: 1,
                bytes: piece,
            });
            self.packet(by);
        }
        self
    }

    pub(super) fn opens(mut self, stream: u64, by: Role, bytes: &[u8]) -> Self {
        self.shows(EventKind::StreamOpened {
            stream,
            by: by.into(),
            unidirectional: stream & 2 == 2,
        });
        self.bytes(stream, by, bytes)
    }

    /// A stream of session 0.
    pub(super) fn opens_in(self, stream: u64, by: Role, bytes: &[u8]) -> Self {
        self.opens_of(0, stream, by, bytes)
    }

    pub(super) fn opens_of(self, session: u64, stream: u64, by: Role, bytes: &[u8]) -> Self {
        let first = match stream & 2 {
            0 => frame_type::WEBTRANSPORT_STREAM,
            _ => stream_type::WEBTRANSPORT,
        };
        self.opens(
            stream,
            by,
            &[prefix(first, session), bytes.to_vec()].concat(),
        )
    }

    /// The client says who it is, on stream 2.
    pub(super) fn authenticates(self) -> Self {
        self.opens_in(2, Client, &auth())
    }

    pub(super) fn datagram(self, by: Role, bytes: &[u8]) -> Self {
        let bytes = [&[0], bytes].concat();
        let (by_quic, bytes) = (by.into(), &bytes);
        self.does(by, EventKind::DatagramFrame { by: by_quic, bytes })
    }

    pub(super) fn fin(self, stream: u64, by: Role) -> Self {
        let final_size = 0;
        let by_quic = by.into();
        self.does(
            by,
            EventKind::StreamFin {
                stream,
                by: by_quic,
                final_size,
            },
        )
    }

    pub(super) fn resets(self, stream: u64, by: Role, code: u32) -> Self {
        let kind = EventKind::StreamReset {
            stream,
            by: by.into(),
            code: to_http3(code),
            final_size: 0,
        };
        self.does(by, kind)
    }

    pub(super) fn lacks(self, stream: u64, by: Role) -> Self {
        let kind = EventKind::StreamLost {
            stream,
            by: by.into(),
            offset: 0,
            why: Lost::Missing,
        };
        self.does(by, kind)
    }

    /// A side closes session 0.
    pub(super) fn closes(self, by: Role, code: u32) -> Self {
        let reason = String::new();
        let capsule = SessionClose { code, reason }.encode();
        self.bytes(0, by, &frame(frame_type::DATA, &capsule))
    }

    /// A side closes the connection.
    pub(super) fn ends(self, by: Role, code: u64) -> Self {
        let code = CloseCode::Application { code };
        let (by_quic, reason) = (by.into(), &[]);
        self.does(
            by,
            EventKind::ConnectionClosed {
                by: by_quic,
                code,
                reason,
            },
        )
    }

    pub(super) fn end(mut self) -> Heard {
        let said = &mut self.said;
        self.monitor.finish(self.now, &mut |one| said.push(one));
        let mut told = Heard::default();
        for one in self.said {
            match one {
                Observation::Finding(found) => {
                    told.findings.push((found.requirement, found.party));
                    told.items.push(format!("{} {}", found.expected, found.got));
                }
                Observation::Inconclusive(doubt) => told.doubts.push(doubt.requirement),
                Observation::Session(session) => told.sessions.push(session),
            }
        }
        told
    }
}

pub(super) fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let fields: Vec<_> = fields.iter().map(owned).collect();
    frame(frame_type::HEADERS, &field_section::encode(&fields))
}

pub(super) fn emit(frame: &str, fields: &Value) -> Vec<u8> {
    let fields = fields.as_object().unwrap();
    VOCABULARY.encode(frame, fields).unwrap()
}

pub(super) fn join() -> Vec<u8> {
    emit("JoinRequest", &json!({ "meeting_id": "m" }))
}

pub(super) fn auth() -> Vec<u8> {
    emit("MediaAuth", &json!({ "connection_token": "t" }))
}

/// The header of an audio stream (0) or of video (1).
pub(super) fn header(stream_type: u8) -> Vec<u8> {
    let fields = json!({ "stream_id": ID, "stream_type": stream_type });
    emit("STREAM-HEADER", &fields)
}

pub(super) fn media(frame_type: u8, number: u64, timestamp: u64) -> Vec<u8> {
    let fields = json!({
        "stream_id": ID, "frame_type": frame_type, "sequence_number": number,
        "timestamp": timestamp, "payload": { "pattern": 20 },
    });
    emit("FRAME", &fields)
}

/// An audio stream with frames of these numbers, a millisecond apart.
pub(super) fn audio(numbers: &[u64]) -> Vec<u8> {
    let frames = numbers
        .iter()
        .map(|number| media(0, *number, number * 1_000));
    [vec![header(0)], frames.collect()].concat().concat()
}

#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) findings: Vec<(&'static str, Role)>,
    pub(super) items: Vec<String>,
    pub(super) doubts: Vec<&'static str>,
    pub(super) sessions: Vec<Session>,
}

impl Heard {
    /// Nothing is wrong, and these were judged of these sides.
    pub(super) fn keeps(&self, judged: &[(&'static str, Role)]) {
        self.broke(&[]);
        for (id, party) in judged {
            assert!(self.sessions[0].judged.of(id, *party), "{id}: {self:?}");
        }
    }

    pub(super) fn broke(&self, expected: &[(&'static str, Role)]) {
        assert_eq!(self.findings, expected, "{self:?}");
        assert!(self.doubts.is_empty(), "{self:?}");
    }

    pub(super) fn doubts(&self, expected: &[&'static str]) {
        assert_eq!(
            (self.findings.len(), &*self.doubts),
            (0, expected),
            "{self:?}"
        );
    }
}

impl Heard {
    pub(super) fn mode(&self) -> Option<&'static str> {
        self.sessions.first().map(|session| session.mode)
    }
}

/// What a side owes that a run watches.
pub(super) fn supervised() -> MonitorSettings {
    MonitorSettings {
        supervised: true,
        ..MonitorSettings::default()
    }
}
