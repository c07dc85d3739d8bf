//! What is said of a capture, and where in it things are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::quic::{self, Decoder, EventKind, Limits};
use shakedown_capture::{Capture, Item, Tap, WriterSettings};
use shakedown_engine::judge::judge;
use shakedown_protocol::MonitorSettings;
use shakedown_protocol::monitor::{Observation, Session};
use shakedown_protocol::requirement::Role;

/// What a close is given to follow what it is for: a second, a quarter of it more, and a second for
/// the network.
const PROMPT: Duration = Duration::from_millis(2_250);

/// Keep-alive shows after this time at the latest that a connection goes on, if its acknowledgements
/// were late, too.
const NEXT: Duration = Duration::from_millis(1_300);

/// Place a finding is expected.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    At(u64),
    /// At the party's first packet that comes too late after this one to be in time.
    GoesOnAfter(u64),
    /// As long after this one.
    Later(u64, Duration),
}

#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Requirement, who broke it, and the packet.
    findings: Vec<(&'static str, Role, u64)>,
    pub(crate) doubts: Vec<&'static str>,
    pub(crate) sessions: Vec<Session>,
    /// Who sent the packets, and when.
    packets: BTreeMap<u64, (Role, Duration)>,
    /// Connection, who, stream, bytes, packet.
    stream_bytes: Vec<(u64, Role, u64, Vec<u8>, u64)>,
    closes: Vec<(u64, Role, u64)>,
    opened: BTreeMap<u64, u64>,
    ports: BTreeMap<u64, u16>,
    pub(crate) seen: Vec<String>,
}

impl Judged {
    pub(crate) fn of(capture: &[u8], settings: &MonitorSettings) -> Self {
        let mut judged = Self::default();
        let read = judge(
            capture,
            &[&shakedown_protocol::proton::PROTOCOL],
            settings,
            b"",
            &mut |said| match said.observation {
                Observation::Finding(it) => {
                    let packet = it.packet.unwrap();
                    judged.findings.push((it.requirement, it.party, packet));
                }
                Observation::Inconclusive(it) => judged.doubts.push(it.requirement),
                Observation::Session(session) => judged.sessions.push(session),
            },
        );
        let read = read.unwrap();
        assert!(read.damage.is_none() && read.unjudged.is_empty());
        judged.read(capture);
        judged
    }

    fn read(&mut self, file: &[u8]) {
        let mut capture = Capture::open(file).unwrap();
        let mut decoder = Decoder::new(Limits::default());
        let mut tell = |event: &quic::Event<'_>| self.note(event);
        while let Some(item) = capture.next_item().unwrap() {
            match item {
                Item::KeyLog(key_log) => decoder.add_secrets(key_log, &mut tell),
                Item::Datagram(datagram) => decoder.datagram(&datagram, &mut tell),
            }
        }
        decoder.finish(&mut tell);
    }

    fn note(&mut self, event: &quic::Event<'_>) {
        let (number, connection) = (event.at.number, event.connection.unwrap_or_default());
        self.opened.entry(connection).or_insert(number);
        match event.kind {
            EventKind::ConnectionOpened { client, .. } => {
                self.ports.insert(connection, client.port());
            }
            EventKind::Packet(quic::Packet { by, .. }) => {
                self.packets.insert(number, (by.into(), event.at.time));
            }
            EventKind::StreamBytes {
                by, stream, bytes, ..
            } => {
                let said = (connection, by.into(), stream, bytes.to_vec(), number);
                self.stream_bytes.push(said);
            }
            EventKind::ConnectionClosed { by, .. } => {
                self.closes.push((connection, by.into(), number));
            }
            EventKind::KeyUpdated { .. } => self.seen.push("key update".to_owned()),
            EventKind::AddressChanged { .. } => self.seen.push("address".to_owned()),
            _ => {}
        }
    }

    /// The bytes of each stream, by the client's port, who sent them, and the stream.
    pub(crate) fn streams(&self) -> BTreeMap<(u16, Role, u64), Vec<u8>> {
        let mut streams: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for (connection, by, stream, bytes, _) in &self.stream_bytes {
            let key = (self.ports[connection], *by, *stream);
            streams.entry(key).or_default().extend_from_slice(bytes);
        }
        streams
    }

    /// The packet with exactly these bytes of a stream, of the first connection that has them.
    pub(crate) fn packet(&self, by: Role, stream: u64, bytes: &[u8]) -> u64 {
        self.packets_with(by, stream, bytes).next().unwrap()
    }

    /// The last packet with exactly these bytes of a stream.
    pub(crate) fn last(&self, by: Role, stream: u64, bytes: &[u8]) -> u64 {
        self.packets_with(by, stream, bytes).next_back().unwrap()
    }

    fn packets_with(
        &self,
        by: Role,
        stream: u64,
        bytes: &[u8],
    ) -> impl DoubleEndedIterator<Item = u64> {
        let all = self.stream_bytes.iter();
        all.filter(move |(_, who, which, said, _)| (*who, *which, &**said) == (by, stream, bytes))
            .map(|(.., packet)| *packet)
    }

    /// The newest packet of this side.
    pub(crate) fn newest(&self, by: Role) -> u64 {
        let mut all = self.packets.iter().rev();
        *all.find(|(_, (who, _))| *who == by).unwrap().0
    }

    /// The packet by which this side closed this connection, from 1.
    pub(crate) fn close(&self, connection: u64, by: Role) -> u64 {
        let mut all = self.closes.iter();
        let found = all.find(|(which, who, _)| (*which, *who) == (connection, by));
        found.unwrap().2
    }

    /// The first packet of this connection, from 1.
    pub(crate) fn opening(&self, connection: u64) -> u64 {
        self.opened[&connection]
    }

    pub(crate) fn time(&self, packet: u64) -> Duration {
        self.packets[&packet].1
    }

    /// Asserts that these requirements were broken there, and nothing else was.
    pub(crate) fn broke(&self, expected: &[(&str, Role, Place)]) {
        let found: Vec<_> = self.findings.iter().map(|it| (it.0, it.1)).collect();
        let wanted: Vec<_> = expected.iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(found, wanted, "{self:#?}");
        for ((requirement, party, packet), (.., place)) in self.findings.iter().zip(expected) {
            let (by, time) = self.packets[packet];
            let after = |cause: u64, least: Duration| {
                let since = time - self.time(cause);
                assert!(by == *party, "{requirement} at packet {packet}");
                assert!(
                    since >= least && since <= least + NEXT,
                    "{requirement} at packet {packet}, {since:?} after {cause}"
                );
            };
            match *place {
                Place::At(wanted) => assert_eq!(*packet, wanted, "{requirement}"),
                Place::GoesOnAfter(cause) => after(cause, PROMPT),
                Place::Later(cause, least) => after(cause, least),
            }
        }
    }

    /// The requirements that were broken.
    pub(crate) fn requirements(&self) -> Vec<&'static str> {
        self.findings.iter().map(|it| it.0).collect()
    }

    /// Asserts that nothing was broken or in doubt in so many sessions.
    pub(crate) fn is_healthy(&self, sessions: usize) {
        assert!(
            self.findings.is_empty() && self.doubts.is_empty(),
            "{self:#?}"
        );
        assert_eq!(self.sessions.len(), sessions);
    }

    /// Whether the requirement was exercised in a session, from 0.
    pub(crate) fn exercised(&self, session: usize, requirement: &str) -> bool {
        self.sessions[session].judged.contains(requirement)
    }
}

/// A capture, to be written anew in part.
pub(crate) struct Recording {
    key_log: Vec<u8>,
    datagrams: Vec<(Duration, SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Recording {
    pub(crate) fn of(file: &[u8]) -> Self {
        let mut capture = Capture::open(file).unwrap();
        let (mut key_log, mut datagrams) = (Vec::new(), Vec::new());
        while let Some(item) = capture.next_item().unwrap() {
            match item {
                Item::KeyLog(lines) => key_log.extend_from_slice(lines),
                Item::Datagram(it) => {
                    let payload = it.payload.to_vec();
                    datagrams.push((it.time, it.source, it.destination, payload));
                }
            }
        }
        Self { key_log, datagrams }
    }

    pub(crate) fn packets(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether the client sent this one, from 0.
    pub(crate) fn is_of_client(&self, number: usize) -> bool {
        self.datagrams[number].2 == self.datagrams[0].2
    }

    /// Without these, from 0.
    pub(crate) fn without(&self, lacks: impl Fn(usize) -> bool) -> Vec<u8> {
        let kept = (0..self.packets()).filter(|number| !lacks(*number));
        self.written(kept)
    }

    /// With one so many places further on, at the time of what is there.
    pub(crate) fn moved(&self, number: usize, by: usize) -> Vec<u8> {
        let mut order: Vec<_> = (0..self.packets()).collect();
        let one = order.remove(number);
        order.insert((number + by).min(order.len()), one);
        self.written(order)
    }

    /// Whole, with other lines as its key log.
    pub(crate) fn with_keys(&self, keys: impl FnOnce(&str) -> String) -> Vec<u8> {
        let key_log = keys(str::from_utf8(&self.key_log).unwrap()).into_bytes();
        let datagrams = self.datagrams.clone();
        let all = 0..self.packets();
        Self { key_log, datagrams }.written(all)
    }

    fn written(&self, order: impl IntoIterator<Item = usize>) -> Vec<u8> {
        let mut file = Vec::new();
        let mut tap = Tap::new(&mut file, &WriterSettings::default()).unwrap();
        tap.record_key_log(&self.key_log).unwrap();
        let mut now = Duration::ZERO;
        for number in order {
            let (time, source, destination, payload) = &self.datagrams[number];
            now = now.max(*time);
            tap.record(now, *source, *destination, payload).unwrap();
        }
        drop(tap);
        file
    }
}
