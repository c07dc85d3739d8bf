//! Where a scenario is recorded: at the driver's own sockets, or, through a relay, at the
//! implementation's side of it.
//!
//! The script counts the datagrams of the driver's sockets. Through a relay these are not the
//! packets of the capture: some never arrive there, some twice, and what is sent is there only
//! later. So the script is given numbers of the driver's own, and at the end each is turned into
//! the number of the packet that it was on the implementation's side, if it was there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shakedown_engine::network::{Fault, LOST};
use shakedown_engine::script::Share;
use shakedown_engine::verdict::NetworkEffects;
use shakedown_protocol::requirement::Role;

use super::record::{Recorded, Recorder};
use crate::relay::{HeldSockets, Observer, Relay, RelayedDatagram};

/// What a hop over the relay takes at most when it does not delay: the end of a process is
/// reported this much later, after its last datagrams.
const HOP: Duration = Duration::from_millis(10);

/// What the notes of one datagram at an edge take at most, in bytes: those of the relay's thread and the
/// driver's.
const NOTE: usize = 128;

/// Where a scenario is recorded.
#[derive(Debug)]
pub enum ScenarioCapture {
    /// At the driver's own sockets.
    Direct(Box<Recorder>),
    /// At the implementation's edge of a relay.
    Relayed(RelayedCapture),
}

/// The driver's side of a relay.
#[derive(Debug)]
pub struct RelayedCapture {
    relay: Relay<EdgeRecorder>,
    slowest: Duration,
    /// What the driver's sockets saw, as it did.
    seen: Vec<DriverDatagram>,
    comments: BTreeMap<u64, Vec<String>>,
    key_log: String,
    edge: Arc<CaptureSize>,
}

/// How far the capture at the other edge is.
#[derive(Debug, Default)]
struct CaptureSize {
    full: AtomicBool,
    packets: AtomicU64,
}

/// A datagram at the driver's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DriverDatagram {
    flow: Flow,
    digest: u64,
}

type Flow = (SocketAddr, SocketAddr);

/// Records at one edge of a relay what passes, and notes at the other what is what.
#[derive(Debug)]
pub struct EdgeRecorder {
    edge: Role,
    recorder: Recorder,
    own: BTreeSet<SocketAddr>,
    /// The datagrams of the driver's edge, in order: a mark of the bytes and the relay's number.
    others: BTreeMap<Flow, VecDeque<(u64, u64)>>,
    /// The first packet of the capture that each datagram of the relay was.
    packets: BTreeMap<u64, u64>,
    /// The datagrams of the driver's edge that are lost, and how many packets were captured before.
    lost: BTreeMap<u64, u64>,
    /// The memory of all these notes. Where it is at its end, nothing more is noted and the capture is full.
    share: Share,
    size: Arc<CaptureSize>,
}

/// What was captured, at the end.
#[derive(Debug)]
pub(super) struct FinishedCapture {
    pub(super) recorded: Recorded,
    /// The packets that the script's numbers stand for; `None` if they are the same.
    pub(super) packets: Option<Packets>,
    /// Addresses of ours that the implementation saw.
    pub(super) own: BTreeSet<SocketAddr>,
    /// Datagrams that the relay's sockets dropped.
    pub(super) drops: u64,
    /// The exact faults of the network whose datagram was never sent.
    pub(super) missed: Vec<Fault>,
    pub(super) effects: NetworkEffects,
    pub(super) kept: Option<HeldSockets>,
}

/// The packets of the capture by the driver's number, both from 1.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Packets {
    captured: BTreeMap<u64, u64>,
    /// How many packets were captured before what was sent under this number and is lost.
    lost: BTreeMap<u64, u64>,
}

impl Packets {
    pub(super) fn of(&self, number: Option<u64>) -> Option<u64> {
        self.captured.get(&number?).copied()
    }
}

impl EdgeRecorder {
    /// Records in `recorder` what passes the edge of `edge`, which is the implementation's.
    #[must_use]
    pub fn new(edge: Role, recorder: Recorder, share: Share) -> Self {
        Self {
            edge,
            recorder,
            own: BTreeSet::new(),
            others: BTreeMap::new(),
            packets: BTreeMap::new(),
            lost: BTreeMap::new(),
            share,
            size: Arc::default(),
        }
    }
}

impl Observer for EdgeRecorder {
    fn opened(&mut self, edge: Role, address: SocketAddr) {
        if edge == self.edge {
            self.own.insert(address);
            self.recorder.opened(address.port());
        }
    }

    fn passed(&mut self, passed: &RelayedDatagram<'_>) {
        let (source, destination) = (passed.source, passed.destination);
        if !self.share.has_room() {
            self.size.full.store(true, Ordering::Relaxed);
            return;
        }
        self.share.take(NOTE);
        if passed.edge != self.edge {
            let datagrams = self.others.entry((source, destination)).or_default();
            datagrams.push_back((digest(passed.payload), passed.number));
            return;
        }
        let packet = self
            .recorder
            .record(passed.at, source, destination, passed.payload);
        if let Some(packet) = packet {
            self.packets.entry(passed.number).or_insert(packet);
        }
        let size = &self.size;
        size.packets
            .store(self.recorder.packets(), Ordering::Relaxed);
        size.full.store(self.recorder.is_full(), Ordering::Relaxed);
    }

    fn lost(&mut self, number: u64, edge: Role) {
        if !self.share.has_room() {
            return;
        }
        self.share.take(NOTE);
        if edge != self.edge {
            self.lost.insert(number, self.recorder.packets());
        } else if let Some(packet) = self.packets.get(&number) {
            self.recorder.comment(*packet, LOST.to_owned());
        }
    }
}

impl ScenarioCapture {
    /// For a scenario through a relay, which `start` starts; `slowest` is the
    /// most that a datagram of the implementation may take.
    ///
    /// # Errors
    /// What `start` says.
    pub fn relayed<E>(
        edge: EdgeRecorder,
        slowest: Duration,
        start: impl FnOnce(EdgeRecorder) -> Result<Relay<EdgeRecorder>, E>,
    ) -> Result<Self, E> {
        let size = Arc::clone(&edge.size);
        Ok(Self::Relayed(RelayedCapture {
            relay: start(edge)?,
            slowest,
            seen: Vec::new(),
            comments: BTreeMap::new(),
            key_log: String::new(),
            edge: size,
        }))
    }

    /// Notes a datagram of the driver's sockets and gives it a number, from 1; `None` if it could
    /// not be recorded.
    pub(super) fn note(
        &mut self,
        at: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Option<u64> {
        match self {
            Self::Direct(recorder) => recorder.record(at, source, destination, payload),
            Self::Relayed(relayed) => {
                let digest = digest(payload);
                let flow = (source, destination);
                relayed.seen.push(DriverDatagram { flow, digest });
                Some(relayed.seen.len() as u64)
            }
        }
    }

    /// The driver opened a socket at this port.
    pub(super) fn opened(&mut self, port: u16) {
        match self {
            Self::Direct(recorder) => recorder.opened(port),
            // The relay's own are what the implementation sees.
            Self::Relayed(_) => {}
        }
    }

    /// Adds secrets of TLS sessions, lines in the format of `SSLKEYLOGFILE`.
    pub(super) fn secrets(&mut self, lines: &str) {
        match self {
            Self::Direct(recorder) => recorder.secrets(lines),
            Self::Relayed(relayed) => relayed.key_log.push_str(lines),
        }
    }

    /// Adds a comment to what has this number.
    pub(super) fn comment(&mut self, number: u64, text: String) {
        match self {
            Self::Direct(recorder) => recorder.comment(number, text),
            Self::Relayed(relayed) => relayed.comments.entry(number).or_default().push(text),
        }
    }

    /// Whether more came than any stream that was asked for has, and how many packets that are.
    pub(super) fn full(&self) -> Option<u64> {
        let (full, packets) = match self {
            Self::Direct(recorder) => (recorder.is_full(), recorder.packets()),
            Self::Relayed(RelayedCapture { edge, .. }) => (
                edge.full.load(Ordering::Relaxed),
                edge.packets.load(Ordering::Relaxed),
            ),
        };
        full.then_some(packets)
    }

    /// Where the side that answers is reached, if not at its own address.
    #[must_use]
    pub fn relay_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Direct(_) => None,
            Self::Relayed(relayed) => Some(relayed.relay.address()),
        }
    }

    /// How late a datagram was on its way, at worst, since this was asked last.
    pub(super) fn take_lateness(&self) -> Duration {
        match self {
            Self::Direct(_) => Duration::ZERO,
            Self::Relayed(relayed) => relayed.relay.take_lateness(),
        }
    }

    /// How long the last datagrams of the implementation may be on their way when it has ended.
    pub(super) fn slowest(&self) -> Duration {
        match self {
            Self::Direct(_) => Duration::ZERO,
            Self::Relayed(relayed) => relayed.slowest.saturating_add(HOP),
        }
    }

    /// Ends the recording, and the relay.
    pub(super) async fn close(self) -> FinishedCapture {
        let relayed = match self {
            Self::Direct(recorder) => {
                return FinishedCapture {
                    recorded: recorder.finish(),
                    packets: None,
                    own: BTreeSet::new(),
                    drops: 0,
                    missed: Vec::new(),
                    effects: NetworkEffects::default(),
                    kept: None,
                };
            }
            Self::Relayed(relayed) => relayed,
        };
        let stopped = match relayed.relay.stop().await {
            Ok(stopped) => stopped,
            Err(error) => {
                return FinishedCapture {
                    recorded: Recorded::lost(format!("the relay broke: {error}")),
                    packets: Some(Packets::default()),
                    own: BTreeSet::new(),
                    drops: 0,
                    missed: Vec::new(),
                    effects: NetworkEffects::default(),
                    kept: None,
                };
            }
        };
        let mut edge = stopped.observer;
        let (stimuli, answers) = match edge.edge {
            Role::Initiator => (stopped.responders, stopped.initiators),
            Role::Responder => (stopped.initiators, stopped.responders),
        };
        let packets = edge.packets_of(&relayed.seen);
        let statistics = stopped.statistics;
        for (number, texts) in relayed.comments {
            for text in texts {
                edge.comment(&packets, number, text);
            }
        }
        edge.recorder.secrets(&relayed.key_log);
        let mut recorded = edge.recorder.finish();
        if recorded.problem.is_none() && statistics.refused + statistics.unsent > 0 {
            recorded.problem = Some(format!(
                "the relay could not pass on {} datagrams",
                statistics.refused + statistics.unsent
            ));
        }
        FinishedCapture {
            recorded,
            packets: Some(packets),
            own: edge.own,
            drops: statistics.dropped,
            missed: stopped.missed,
            effects: NetworkEffects { stimuli, answers },
            kept: Some(stopped.sockets),
        }
    }
}

impl EdgeRecorder {
    /// What the driver saw, found again in the capture: by the order of each flow and by the bytes.
    fn packets_of(&mut self, seen: &[DriverDatagram]) -> Packets {
        let mut packets = Packets::default();
        for (number, seen) in (1..).zip(seen) {
            let Some(datagrams) = self.others.get_mut(&seen.flow) else {
                continue;
            };
            // Whatever comes before it was dropped between the relay and the driver.
            let Some(at) = datagrams
                .iter()
                .position(|(digest, _)| *digest == seen.digest)
            else {
                continue;
            };
            let found = datagrams.drain(..=at).next_back();
            let Some((_, found)) = found else {
                continue;
            };
            let of = |known: &BTreeMap<u64, u64>| Some((number, *known.get(&found)?));
            packets.captured.extend(of(&self.packets));
            packets.lost.extend(of(&self.lost));
        }
        packets
    }

    /// Adds a comment to what the driver knows by this number. That of a lost one goes to its neighbour.
    fn comment(&mut self, packets: &Packets, number: u64, text: String) {
        if let Some(packet) = packets.of(Some(number)) {
            self.recorder.comment(packet, text);
        } else if let Some(before) = packets.lost.get(&number) {
            let (packet, place) = match *before < self.recorder.packets() {
                true => (before + 1, "before"),
                // Nothing was captured.
                false if *before == 0 => return,
                false => (*before, "after"),
            };
            let text = format!("{LOST} {place} this packet: {text}");
            self.recorder.comment(packet, text);
        }
    }
}

fn digest(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
