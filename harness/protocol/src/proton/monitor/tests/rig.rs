use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use shakedown_wire::quic::{self, Acknowledged, At, Carried, Event, EventKind, Level};

use super::super::Monitor;
use super::shown;
use crate::MonitorSettings;
use crate::monitor::StreamMonitor as _;
use crate::monitor::{Observation, Session};
use crate::requirement::Role;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

const CLIENT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5_000));
const SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4_433));

/// A monitor, and what it said.
pub(super) struct Rig {
    monitor: Monitor,
    number: u64,
    now: Duration,
    connection: u64,
    /// The packets that each side of each connection sent so far.
    sent: BTreeMap<(u64, &'static str), u64>,
    /// No side acknowledges anything.
    deaf: bool,
    /// So many packets are not acknowledged.
    behind: u64,
    /// A packet of the client that did not come.
    lost: Option<u64>,
    /// Packets are acknowledged that were not seen.
    gaps: bool,
    /// Bytes that each side of each connection sent so far on each stream.
    offsets: BTreeMap<(u64, quic::Role, u64), u64>,
    pub(super) said: Vec<Observation>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(&MonitorSettings::default())
    }

    pub(super) fn with(settings: &MonitorSettings) -> Self {
        Self {
            monitor: Monitor::new(settings),
            number: 0,
            now: Duration::from_secs(100),
            connection: 1,
            sent: BTreeMap::new(),
            deaf: false,
            behind: 0,
            lost: None,
            gaps: false,
            offsets: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// A connection with its three streams, 0, 4 and 8: Event, StateCommit, Action.
    pub(super) fn set_up() -> Self {
        Self::new().connected(1, 5_000).named()
    }

    /// An event, after the frame that carries it.
    pub(super) fn shows(&mut self, kind: EventKind<'_>) {
        let (length, fin) = match kind {
            EventKind::StreamBytes { bytes, .. } => (bytes.len() as u64, false),
            EventKind::StreamFin { .. } => (0, true),
            _ => (0, false),
        };
        let frame = match kind {
            EventKind::StreamOpened { stream, by, .. }
            | EventKind::StreamBytes { stream, by, .. }
            | EventKind::StreamFin { stream, by, .. } => {
                let end = self.offsets.entry((self.connection, by, stream));
                let end = end.or_default();
                let offset = *end;
                *end += length;
                let carried = Carried::Bytes {
                    offset,
                    length,
                    fin,
                };
                Some((stream, by, carried))
            }
            EventKind::StreamReset { stream, by, .. } => Some((stream, by, Carried::Reset)),
            EventKind::StopSending { stream, by, .. } => Some((stream, by, Carried::Stop)),
            _ => None,
        };
        if let Some((stream, by, carried)) = frame {
            self.event(EventKind::StreamFrame {
                stream,
                by,
                carried,
            });
        }
        self.event(kind);
    }

    /// The first bytes of a stream are sent again.
    pub(super) fn again(mut self, stream: u64, by: Role, length: u64) -> Self {
        let carried = Carried::Bytes {
            offset: 0,
            length,
            fin: false,
        };
        self.event(EventKind::StreamFrame {
            stream,
            by: by.into(),
            carried,
        });
        self.packet(by);
        self
    }

    fn event(&mut self, kind: EventKind<'_>) {
        self.number += 1;
        let at = At {
            number: self.number,
            time: self.now,
            source: CLIENT,
            destination: SERVER,
        };
        let connection = Some(self.connection);
        let event = Event {
            connection,
            at,
            kind,
        };
        let said = &mut self.said;
        self.monitor.event(&event, &mut |one| said.push(one));
    }

    /// The end of a packet that acknowledges all that the other side sent, which is acknowledged at
    /// once.
    pub(super) fn packet(&mut self, by: Role) {
        self.one(by, true);
        if !self.deaf {
            self.one(by.peer(), false);
        }
    }

    /// The end of a packet that nobody is seen to acknowledge.
    pub(super) fn packet_alone(&mut self, by: Role) {
        self.one(by, true);
    }

    /// A first packet of the client, which comes late.
    pub(super) fn first_again(mut self) -> Self {
        self.of_level(Level::Initial, Client, None);
        self
    }

    /// A packet of the handshake.
    pub(super) fn handshake(&mut self, by: Role, acknowledged: Option<u64>) {
        self.of_level(Level::Handshake, by, acknowledged);
    }

    fn of_level(&mut self, level: Level, by: Role, acknowledged: Option<u64>) {
        let unseen = false;
        self.shows(EventKind::Packet(quic::Packet {
            by: by.into(),
            level,
            number: 0,
            ack_eliciting: true,
            acknowledges: acknowledged.map(|largest| Acknowledged {
                largest,
                newest: u64::MAX,
                unseen,
            }),
        }));
    }

    fn one(&mut self, by: Role, ack_eliciting: bool) {
        let key = |role: Role| (self.connection, role.name());
        let own = self.sent.get(&key(by)).copied().unwrap_or_default();
        let peers = self.sent.get(&key(by.peer())).copied();
        let acknowledged = peers.and_then(|sent| sent.checked_sub(1 + self.behind));
        let unseen = self.gaps;
        let acknowledged = acknowledged.filter(|_| !self.deaf);
        self.sent.insert(key(by), own + 1);
        let lost = self.lost.filter(|_| by == Role::Responder);
        let lost = lost.and_then(|lost| Some(1 << acknowledged?.checked_sub(lost)?));
        let lost = lost.unwrap_or_default();
        self.shows(EventKind::Packet(quic::Packet {
            by: by.into(),
            level: Level::OneRtt,
            number: own,
            ack_eliciting,
            acknowledges: acknowledged.map(|largest| Acknowledged {
                largest,
                newest: !lost,
                unseen,
            }),
        }));
    }

    /// A packet that says one thing.
    pub(super) fn does(mut self, by: Role, kind: EventKind<'_>) -> Self {
        self.shows(kind);
        self.packet(by);
        self
    }

    /// From here on nothing is acknowledged.
    pub(super) fn deaf(mut self) -> Self {
        self.deaf = true;
        self
    }

    /// From here on everything is acknowledged again.
    pub(super) fn hearing(mut self) -> Self {
        self.deaf = false;
        self
    }

    /// From here on all is acknowledged but the newest packet.
    pub(super) fn behind(mut self) -> Self {
        self.behind = 1;
        self
    }

    /// The client's next packet is lost.
    pub(super) fn losing(mut self) -> Self {
        let client = (self.connection, Role::Initiator.name());
        self.lost = self.sent.get(&client).copied();
        self
    }

    /// So many packet numbers of this side are not in the capture.
    pub(super) fn skip(mut self, by: Role, numbers: u64) -> Self {
        *self.sent.entry((self.connection, by.name())).or_default() += numbers;
        self
    }

    /// Packets of one side alone, one each second.
    pub(super) fn after(mut self, seconds: u64, by: Role) -> Self {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.one(by, true);
        }
        self
    }

    /// From here on each packet acknowledges one that is not in the capture.
    pub(super) fn with_gaps(mut self) -> Self {
        self.gaps = true;
        self
    }

    /// The connection with this number is the one that is meant from here on.
    pub(super) fn on(mut self, connection: u64) -> Self {
        self.connection = connection;
        self
    }

    pub(super) fn opened(self, connection: u64, port: u16) -> Self {
        let mut rig = self.on(connection);
        rig.shows(EventKind::ConnectionOpened {
            client: SocketAddr::new(CLIENT.ip(), port),
            server: SERVER,
            version: 1,
            original_destination_id: &[],
        });
        rig.shows(shown::OFFERED);
        rig
    }

    pub(super) fn connected(self, connection: u64, port: u16) -> Self {
        let mut rig = self.opened(connection, port);
        rig.shows(shown::agreed(Some(b"proton")));
        rig.packet(Client);
        rig.packet(Server);
        rig
    }

    pub(super) fn named(self) -> Self {
        self.bytes(0, Client, &[1])
            .bytes(4, Client, &[2])
            .bytes(8, Client, &[3])
    }

    /// Bytes on a stream, which they open if they are its first.
    pub(super) fn bytes(mut self, stream: u64, by: Role, bytes: &[u8]) -> Self {
        if by == Client && bytes.len() == 1 {
            self.event(shown::opened(stream, by));
        }
        self.shows(shown::bytes(stream, by, bytes));
        self.packet(by);
        self
    }

    pub(super) fn message(self, stream: u64, by: Role, message: u32) -> Self {
        self.bytes(stream, by, &message.to_le_bytes())
    }

    pub(super) fn fin(self, stream: u64, by: Role) -> Self {
        self.does(by, shown::fin(stream, by))
    }

    pub(super) fn closed(self, by: Role, code: u64) -> Self {
        self.does(by, shown::closed(by, code))
    }

    /// Time passes, and both sides keep these connections alive.
    pub(super) fn alive(mut self, seconds: u64, connections: &[u64]) -> Self {
        let meant = self.connection;
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            for connection in connections {
                self.connection = *connection;
                self.packet(Client);
                self.packet(Server);
            }
        }
        self.on(meant)
    }

    pub(super) fn later(mut self, milliseconds: u64) -> Self {
        self.now += Duration::from_millis(milliseconds);
        self
    }

    /// Items of the connection that wait for requests.
    pub(super) fn items_kept(&self) -> usize {
        let connection = &self.monitor.connections[&self.connection];
        connection.action.early.len()
    }

    /// Time passes in silence.
    pub(super) fn silent(mut self, seconds: u64) -> Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    pub(super) fn end(mut self) -> Heard {
        let said = &mut self.said;
        self.monitor.finish(self.now, &mut |one| said.push(one));
        let mut told = Heard {
            without_secrets: self.monitor.unjudged().values().sum(),
            ..Heard::default()
        };
        for one in self.said {
            match one {
                Observation::Finding(found) => told.findings.push((found.requirement, found.party)),
                Observation::Inconclusive(doubt) => told.doubts.push(doubt.requirement),
                Observation::Session(session) => told.sessions.push(session),
            }
        }
        told
    }
}

#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) findings: Vec<(&'static str, Role)>,
    pub(super) doubts: Vec<&'static str>,
    pub(super) sessions: Vec<Session>,
    pub(super) without_secrets: u64,
}

impl Heard {
    pub(super) fn is_healthy(&self) {
        assert!(
            self.findings.is_empty() && self.doubts.is_empty(),
            "{self:?}"
        );
    }

    pub(super) fn broke(&self, expected: &[(&'static str, Role)]) {
        assert_eq!(self.findings, expected, "{self:?}");
    }
}
