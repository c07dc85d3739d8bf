use std::collections::BTreeMap;

use shakedown_wire::quic::{At, Event, EventKind, Level, UnreadableReason};

use super::assembler::Budget;
use super::connection::{Connection, Long, Protected, Shared, unreadable};
use super::header::{Header, Id, LongKind};
use super::index::{Candidate, Index};
use super::protect::OpenPlain;
use super::secrets::Secrets;
use super::statistics::QuicStatistics;
use crate::Datagram;

/// Shortest datagram that may be a stateless reset (RFC 9000, section 10.3).
const MIN_STATELESS_RESET: usize = 21;

/// How much memory a decoder may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at once.
    pub connections: usize,
    /// Most bytes that wait for those before them, for each direction of a stream.
    pub stream: usize,
    /// Most bytes that wait in a connection.
    pub connection: usize,
    /// Most bytes that wait in all.
    pub total: usize,
}

/// 1,024 connections; 4 MiB for a stream, 16 MiB for a connection, 64 MiB in all.
impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            stream: 4 << 20,
            connection: 16 << 20,
            total: 64 << 20,
        }
    }
}

/// Reads QUIC v1 from the datagrams of a capture, in one pass and with bounded memory. See the
/// [module](super).
#[derive(Debug)]
pub struct Decoder {
    pub(super) limits: Limits,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) index: Index,
    pub(super) secrets: Secrets,
    pub(super) budget: Budget,
    pub(super) statistics: QuicStatistics,
    pub(super) buffer: Vec<u8>,
    pub(super) candidates: Vec<Candidate>,
    /// Connections whose waiting packets may be readable.
    pub(super) ready: Vec<u64>,
}

pub(super) type Sink<'s> = &'s mut dyn FnMut(&Event<'_>);

impl Decoder {
    /// Knows no secrets and no connections yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: BTreeMap::new(),
            index: Index::default(),
            secrets: Secrets::default(),
            budget: Budget {
                used: 0,
                total: limits.total,
                connection: limits.connection,
                stream: limits.stream,
            },
            statistics: QuicStatistics::default(),
            buffer: Vec::new(),
            candidates: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// Reads packets that have no protection, as sessions for exploration have them: `open` says whether
    /// they are whole.
    #[must_use]
    pub fn plain(limits: Limits, open: OpenPlain) -> Self {
        let mut decoder = Self::new(limits);
        decoder.secrets.plain = Some(open);
        decoder
    }

    /// Takes the secrets of a key log, and reads the packets that wait for them.
    pub fn add_secrets(&mut self, key_log: &[u8], sink: Sink<'_>) {
        let (index, ready) = (&self.index, &mut self.ready);
        self.secrets.take(key_log, |random| {
            for number in index.by_random(random) {
                // One session has several lines, one after the other.
                if ready.last() != Some(&number) {
                    ready.push(number);
                }
            }
        });
        self.read_waiting(sink);
    }

    /// Reads the packets of the next datagram of the capture.
    pub fn datagram(&mut self, datagram: &Datagram<'_>, sink: Sink<'_>) {
        self.statistics.datagrams += 1;
        let at = At {
            number: datagram.number,
            time: datagram.time,
            source: datagram.source,
            destination: datagram.destination,
        };
        let cut = datagram.payload.len() < datagram.length;
        let mut rest = datagram.payload;
        let mut first = None;
        while !rest.is_empty() || first.is_none() {
            let Some(length) = self.packet(rest, cut, &mut first, at, sink) else {
                break;
            };
            rest = &rest[length..];
        }
        self.read_waiting(sink);
    }

    /// Reports what remains open at the end of the capture.
    pub fn finish(&mut self, sink: Sink<'_>) {
        let connections = std::mem::take(&mut self.connections);
        let (_, mut shared) = self.split(sink);
        for (_, mut connection) in connections {
            connection.finish(&mut shared);
            connection.unlearn(shared.index);
        }
    }

    /// What was read so far.
    #[must_use]
    pub const fn statistics(&self) -> &QuicStatistics {
        &self.statistics
    }

    /// Bytes that wait now, for those before them or for keys; at most [`Limits::total`].
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.budget.used
    }

    /// The secrets that were given so far.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Reads the packet at the beginning of `rest`. Gives its length if another one may follow.
    fn packet(
        &mut self,
        rest: &[u8],
        cut: bool,
        first: &mut Option<Id>,
        at: At,
        sink: Sink<'_>,
    ) -> Option<usize> {
        let header = Header::parse(rest);
        if let Some(first) = first {
            // The packets of a datagram go to one id; what does not is padding.
            let follows = match header {
                Ok(Header::Long { destination, .. }) => destination == *first,
                // Its first byte may be 0, as that of padding: the fixed bit may be greased (RFC 9287).
                Ok(Header::Short) => {
                    let is_padding = rest.iter().all(|byte| *byte == 0);
                    rest[1..].starts_with(first.as_bytes()) && !is_padding
                }
                Ok(_) | Err(_) => false,
            };
            if !follows {
                self.statistics.trailing_bytes += rest.len() as u64;
                return None;
            }
        }
        let (_, mut shared) = self.split(sink);
        let Ok(header) = header else {
            let why = if cut {
                UnreadableReason::Cut
            } else {
                UnreadableReason::NotQuic
            };
            unreadable(None, at, None, why, false, &mut shared);
            return None;
        };
        shared.statistics.packets += 1;
        match header {
            Header::Long {
                kind,
                destination,
                source,
                number_offset,
                length,
            } => {
                *first = Some(destination);
                let whole = rest.get(..length);
                let long = Long {
                    destination,
                    source,
                    number_offset,
                };
                let packet = Protected {
                    level: kind.level(),
                    bytes: whole.unwrap_or(rest),
                    long: Some(long),
                };
                match whole {
                    Some(_) => self.protected(&packet, at, sink),
                    None => self.not_whole(&packet, cut, at, sink),
                }
                whole.map(<[u8]>::len)
            }
            Header::Short => {
                let packet = Protected {
                    level: Level::OneRtt,
                    bytes: rest,
                    long: None,
                };
                if cut {
                    self.not_whole(&packet, cut, at, sink);
                } else {
                    self.protected(&packet, at, sink);
                }
                None
            }
            Header::Retry {
                destination,
                source,
            } => {
                if cut {
                    unreadable(None, at, None, UnreadableReason::Cut, false, &mut shared);
                } else {
                    self.retry(rest, destination, source, at, sink);
                }
                None
            }
            Header::VersionNegotiation {
                destination,
                versions,
                ..
            } => {
                let id = Id::new(destination);
                let connection = id.and_then(|id| {
                    self.look_up(None, Some(id), &at);
                    self.candidates.first().map(|it| it.connection)
                });
                sink(&Event {
                    connection,
                    at,
                    kind: EventKind::VersionNegotiation { versions },
                });
                None
            }
            Header::OtherVersion { version } => {
                unreadable(
                    None,
                    at,
                    None,
                    UnreadableReason::OtherVersion(version),
                    false,
                    &mut shared,
                );
                None
            }
        }
    }

    /// A packet of which a part is missing.
    fn not_whole(&mut self, packet: &Protected<'_>, cut: bool, at: At, sink: Sink<'_>) {
        self.look_up(Some(packet), packet.long.map(|it| it.destination), &at);
        let known = self.candidates.first().copied();
        let why = match known {
            _ if cut => UnreadableReason::Cut,
            Some(_) => UnreadableReason::CannotDecrypt,
            None => UnreadableReason::NotQuic,
        };
        let by = known.map(|it| it.receiver.peer());
        let (_, mut shared) = self.split(sink);
        unreadable(
            known.map(|it| it.connection),
            at,
            by,
            why,
            false,
            &mut shared,
        );
    }

    /// Finds the connections that a packet with this id, or with a short header, may be of.
    pub(super) fn look_up(&mut self, packet: Option<&Protected<'_>>, id: Option<Id>, at: &At) {
        let found = &mut self.candidates;
        found.clear();
        match (id, packet) {
            (Some(id), _) if id.is_empty() => {}
            (Some(id), _) => self.index.by_id(id, at.source, at.destination, found),
            (None, Some(packet)) => {
                let bytes = packet.bytes;
                self.index
                    .by_short_header(bytes, at.source, at.destination, found);
            }
            (None, None) => {}
        }
    }

    /// Reads a whole packet, or says why it cannot be read.
    pub(super) fn protected(&mut self, packet: &Protected<'_>, at: At, sink: Sink<'_>) {
        let destination = packet.long.map(|it| it.destination);
        self.look_up(Some(packet), destination, &at);
        let mut failed = None;
        let mut missing = None;
        let mut tried = 0;
        for widened in [false, true] {
            if widened {
                // Without keys a packet would be one of any connection.
                if self.secrets.plain.is_some() {
                    break;
                }
                // Its id is empty, or was given where the capture does not show it.
                let found = &mut self.candidates;
                self.index.by_path(at.source, at.destination, found);
                if tried == 0 {
                    self.index.by_empty_id(found);
                }
            }
            while let Some(candidate) = self.candidates.get(tried).copied() {
                tried += 1;
                match self.attempt(packet, candidate, at, sink) {
                    Ok(()) => return,
                    Err(UnreadableReason::CannotDecrypt) => {
                        let matched = !widened || candidate.id_length == Some(0);
                        failed = failed.or(matched.then_some(candidate));
                    }
                    Err(why) => missing = missing.or(Some((candidate, why))),
                }
            }
        }
        if let Some(long) = packet.long.filter(|_| packet.level == Level::Initial)
            && self.open_connection(packet, long, at, sink)
        {
            return;
        }
        let reset = packet.long.is_none() && packet.bytes.len() >= MIN_STATELESS_RESET;
        if reset && let Some((number, by)) = self.index.token(packet.bytes) {
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.is_closed = true;
            }
            sink(&Event {
                connection: Some(number),
                at,
                kind: EventKind::StatelessReset { by },
            });
            return;
        }
        let (connections, mut shared) = self.split(sink);
        if let Some((candidate, why)) = missing.filter(|_| failed.is_none())
            && let Some(connection) = connections.get_mut(&candidate.connection)
        {
            let may_wait = matches!(
                why,
                UnreadableReason::NoSecrets | UnreadableReason::NoHandshake
            );
            if may_wait {
                connection.wait(packet, at, candidate, why, &mut shared);
            } else {
                let by = Some(candidate.receiver.peer());
                let number = Some(candidate.connection);
                unreadable(number, at, by, why, false, &mut shared);
            }
            return;
        }
        let why = match failed {
            Some(_) => UnreadableReason::CannotDecrypt,
            None if packet.bytes[0] & 0x40 == 0 => UnreadableReason::NotQuic,
            None => UnreadableReason::UnknownConnection,
        };
        let number = failed.map(|it| it.connection);
        let by = failed.map(|it| it.receiver.peer());
        unreadable(number, at, by, why, reset, &mut shared);
    }

    /// Reads a packet as one of this connection.
    fn attempt(
        &mut self,
        packet: &Protected<'_>,
        candidate: Candidate,
        at: At,
        sink: Sink<'_>,
    ) -> Result<(), UnreadableReason> {
        let (connections, mut shared) = self.split(sink);
        let Some(connection) = connections.get_mut(&candidate.connection) else {
            return Err(UnreadableReason::CannotDecrypt);
        };
        let receiver = candidate.receiver;
        let by = receiver.peer();
        let number_offset = match packet.long {
            Some(long) => long.number_offset,
            None => {
                let known = candidate.id_length;
                1 + known
                    .or(connection.id_length(receiver))
                    .ok_or(UnreadableReason::CannotDecrypt)?
            }
        };
        let opened = connection.open(packet, by, number_offset, shared.secrets, shared.buffer)?;
        if let Some(long) = packet.long {
            connection.learn_source(long.source, by, shared.index);
            if !long.destination.is_empty() {
                connection.learn_id(long.destination, receiver, shared.index);
            }
        }
        if connection.receive(packet.level, by, &opened, at, &mut shared) {
            self.ready.push(candidate.connection);
        }
        Ok(())
    }

    /// The connections, and what they have in common.
    pub(super) fn split<'s>(
        &'s mut self,
        sink: Sink<'s>,
    ) -> (&'s mut BTreeMap<u64, Connection>, Shared<'s>) {
        let shared = Shared {
            secrets: &self.secrets,
            budget: &mut self.budget,
            index: &mut self.index,
            statistics: &mut self.statistics,
            buffer: &mut self.buffer,
            sink,
        };
        (&mut self.connections, shared)
    }
}

impl LongKind {
    const fn level(self) -> Level {
        match self {
            Self::Initial => Level::Initial,
            Self::ZeroRtt => Level::ZeroRtt,
            Self::Handshake => Level::Handshake,
        }
    }
}
