//! Monitors: they read the packets of a capture in order and report findings.

pub(crate) mod at;
pub(crate) mod findings;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
pub use shakedown_wire::Datagram;
use shakedown_wire::quic::{self, Event, UnreadableReason};

use crate::requirement::Role;

/// Where the capture was taken, which bounds what it can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// At the sender of media: a gap, swap or repetition is the sender's doing.
    Sender,
    /// On the path or at the receiver: they may be the network's fault.
    #[default]
    Path,
}

/// An item that a monitor reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Observation {
    /// A requirement is broken.
    Finding(Finding),
    /// A requirement could not be judged: something happened that it depends on.
    Inconclusive(Finding),
    /// The summary of a session, once it is over.
    Session(Session),
}

/// A requirement broken (or not judged), with the packet and the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub requirement: &'static str,
    /// The party that broke it.
    pub party: Role,
    pub address: SocketAddr,
    /// The packet, counted from 1; `None` where the lack of one is the finding.
    pub packet: Option<u64>,
    /// The moment, as the capture counts it.
    pub time: Duration,
    /// What the rule wanted.
    pub expected: String,
    pub got: String,
    /// The bytes of the datagram that show it, if bytes do.
    pub field: Option<Field>,
    /// How far it is off, where it is about time and nothing else.
    #[serde(skip)]
    pub off: Option<MissedMoment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedMoment {
    /// From when on it could be missed, as the capture counts time.
    pub since: Duration,
    pub until: Duration,
    /// By how much, besides all that is granted.
    pub by: Duration,
}

/// A stretch of a datagram's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Field {
    pub name: &'static str,
    /// Offset of its first byte in the UDP payload.
    pub offset: usize,
    /// Its length in bytes.
    pub length: usize,
}

/// A session that a monitor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    pub protocol: &'static str,
    /// The mode's name; `unknown` if the capture does not show how the session began.
    pub mode: &'static str,
    pub initiator: SocketAddr,
    pub responder: SocketAddr,
    /// The session's id, if one was seen: as text, or the StreamId of a start3 session as 16 hexadecimal
    /// digits.
    pub connection_id: Option<String>,
    /// Frames of media seen, each number once.
    pub frames: u64,
    /// Datagrams seen, both directions.
    pub datagrams: u64,
    /// Packet number of the first datagram.
    pub first_packet: u64,
    /// Gaps, swaps and repetitions that the network may have made.
    pub network: NetworkCounts,
    /// Requirements that this session exercised: a breach would have been a finding.
    pub judged: Judged,
    /// Violations beyond the first of each requirement and party: only counted.
    pub more_breaches: u64,
}

/// Requirements that a session exercised, each with the party whose breach would have been a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Judged(BTreeSet<(&'static str, Role)>);

impl Judged {
    /// Whether either party was judged by it.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        [Role::Initiator, Role::Responder]
            .iter()
            .any(|role| self.of(id, *role))
    }

    /// Whether this party was judged by it.
    #[must_use]
    pub fn of(&self, id: &str, party: Role) -> bool {
        self.0.contains(&(id, party))
    }

    /// Takes out what was not judged after all.
    pub fn remove(&mut self, unjudged: &[(&'static str, Role)]) {
        self.0.retain(|judged| !unjudged.contains(judged));
    }

    /// The ids, each once for each party.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(id, _)| *id)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(&'static str, Role)> for Judged {
    fn from_iter<T: IntoIterator<Item = (&'static str, Role)>>(judged: T) -> Self {
        Self(judged.into_iter().collect())
    }
}

impl Extend<(&'static str, Role)> for Judged {
    fn extend<T: IntoIterator<Item = (&'static str, Role)>>(&mut self, judged: T) {
        self.0.extend(judged);
    }
}

/// What the network may have done to a session's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NetworkCounts {
    /// Frame numbers that never came.
    pub missing: u64,
    /// Datagrams that came after a later one.
    pub reordered: u64,
    /// Datagrams that came again.
    pub repeated: u64,
}

/// A monitor of one protocol over datagrams.
pub trait Monitor {
    /// Processes the next packet.
    fn datagram(&mut self, datagram: &Datagram<'_>, emit: &mut dyn FnMut(Observation));

    /// The capture is over at `end`; open sessions are closed and judged.
    fn finish(&mut self, end: Duration, emit: &mut dyn FnMut(Observation));
}

/// A monitor of one protocol over QUIC.
pub trait StreamMonitor {
    /// Processes the next event.
    fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Observation));

    /// The capture is over at `end`; open connections are judged.
    fn finish(&mut self, end: Duration, emit: &mut dyn FnMut(Observation));

    /// Connections that were not judged because a side could not be read, and how many.
    fn unjudged(&self) -> &BTreeMap<UnjudgedConnection, u64>;
}

/// A connection that was not judged because nothing of a side could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnjudgedConnection {
    pub protocol: &'static str,
    pub why: Unread,
    /// The side; `None` if it is both.
    pub side: Option<quic::Role>,
}

impl UnjudgedConnection {
    /// Why a connection of this protocol cannot be judged, if it cannot: nothing of a side could be read, or the
    /// negotiated ALPN is unknown. `unread` has what kept packets of the client and the server from being read, `read`
    /// whether some of their application data was.
    pub(crate) fn of(
        protocol: &'static str,
        unread: [Option<Unread>; 2],
        read: [bool; 2],
        is_agreed: bool,
    ) -> Option<Self> {
        let [client, server] = unread;
        let [client_read, server_read] = read;
        let unread = (
            client.filter(|_| !client_read),
            server.filter(|_| !server_read),
        );
        let (why, side) = match unread {
            (Some(client), Some(server)) => (client.max(server), None),
            (Some(why), None) if server_read => (why, Some(quic::Role::Client)),
            (None, Some(why)) if client_read => (why, Some(quic::Role::Server)),
            (Some(why), None) | (None, Some(why)) => (why, None),
            (None, None) => (server.filter(|_| !is_agreed)?, None),
        };
        Some(Self {
            protocol,
            why,
            side,
        })
    }
}

/// The reason, as a phrase: "no secrets of the client's side".
impl std::fmt::Display for UnjudgedConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.why {
            Unread::Form => "packets that cannot be read",
            Unread::NoSecrets => "no secrets",
            Unread::WrongKeys => "wrong secrets",
        })?;
        match self.side {
            Some(side) => write!(f, " of the {side}'s side"),
            None => Ok(()),
        }
    }
}

/// What kept a side from being read; the worst is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unread {
    /// The form of its packets, or what the capture has of them.
    Form,
    /// Its secrets are not there.
    NoSecrets,
    /// Its packets do not decrypt with the secrets that are there.
    WrongKeys,
}

impl From<UnreadableReason> for Unread {
    fn from(why: UnreadableReason) -> Self {
        match why {
            UnreadableReason::NoSecrets => Self::NoSecrets,
            UnreadableReason::CannotDecrypt => Self::WrongKeys,
            UnreadableReason::NoHandshake
            | UnreadableReason::UnsupportedSuite(_)
            | UnreadableReason::UnknownConnection
            | UnreadableReason::Cut
            | UnreadableReason::OtherVersion(_)
            | UnreadableReason::NotQuic
            | UnreadableReason::EarlyDataRejected => Self::Form,
        }
    }
}
