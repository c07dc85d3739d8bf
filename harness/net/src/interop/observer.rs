use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;

use shakedown_engine::interop::{EdgeTraffic, Pair, PairEvidence, ProcessEnd};
use shakedown_engine::network::LOST;
use shakedown_protocol::Protocol;
use shakedown_protocol::pair::TrafficObserver;
use shakedown_protocol::requirement::Role;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::drive::Recorder;
use crate::relay::{Observer, RelayedDatagram};

/// Records what passes at both edges of a relay, and notices when a stream is whole and when a handshake
/// of QUIC is done.
pub(super) struct Edges {
    protocol: &'static Protocol,
    pair: Pair,
    impaired: bool,
    pub(super) initiator: Edge,
    pub(super) responder: Edge,
    whole: watch::Sender<bool>,
    connected: watch::Sender<bool>,
}

/// What passes at one edge.
pub(super) struct Edge {
    pub(super) recorder: Recorder,
    pub(super) traffic: EdgeTraffic,
    /// The relay's addresses there.
    pub(super) own: BTreeSet<SocketAddr>,
    /// The packet that passed last, if it was recorded.
    newest: Option<u64>,
}

impl Edge {
    fn new(path: &Path, pair: &Pair, clock: Clock) -> Self {
        let bytes = pair
            .stream
            .frame_bytes()
            .saturating_mul(pair.stream.frames());
        Self {
            recorder: Recorder::create(path, clock, bytes),
            traffic: EdgeTraffic::default(),
            own: BTreeSet::new(),
            newest: None,
        }
    }
}

impl Edges {
    /// Both edges of a pair, with their captures at these paths, the initiator's first; `whole`
    /// turns true when the stream is, `connected` when an initiator is by QUIC.
    pub(super) fn new(
        protocol: &'static Protocol,
        pair: &Pair,
        impaired: bool,
        paths: [&Path; 2],
        clock: Clock,
        whole: watch::Sender<bool>,
        connected: watch::Sender<bool>,
    ) -> Self {
        Self {
            protocol,
            pair: pair.clone(),
            impaired,
            initiator: Edge::new(paths[0], pair, clock),
            responder: Edge::new(paths[1], pair, clock),
            whole,
            connected,
        }
    }

    /// Reads what QUIC says in the captures at these paths, with these secrets, where that is what tells
    /// of a pair.
    pub(super) fn read_streams(&mut self, paths: [&Path; 2], key_log: &[u8]) {
        let observer = self.protocol.pairs.map(|pairs| pairs.observer);
        let Some(TrafficObserver::Streams(observer)) = observer else {
            return;
        };
        let offer = self.pair.initiator.offer();
        for (edge, path) in [&mut self.initiator, &mut self.responder]
            .into_iter()
            .zip(paths)
        {
            let read = File::open(path).map_err(|error| error.to_string());
            let read = read.and_then(|capture| {
                let read =
                    { &mut edge.traffic }.read(BufReader::new(capture), key_log, observer(&offer));
                read.map_err(|error| error.to_string())
            });
            // Why it is damaged is reported with its findings.
            edge.traffic.is_hidden |= read.is_err();
        }
    }

    fn edge(&mut self, role: Role) -> &mut Edge {
        match role {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        }
    }

    /// What is known, with what became of the processes.
    pub(super) fn evidence(
        &self,
        initiator: ProcessEnd,
        responder: ProcessEnd,
        status_tells: bool,
    ) -> PairEvidence<'_> {
        PairEvidence {
            demand: &self.pair.demand,
            impaired: self.impaired,
            stream: self.pair.stream,
            at_initiator: &self.initiator.traffic,
            at_responder: &self.responder.traffic,
            initiator,
            responder,
            status_tells,
            unit: self.protocol.pairs.map_or("frames", |pairs| pairs.unit),
            may_wait: self.protocol.pairs.is_some_and(|pairs| pairs.may_wait),
        }
    }
}

impl Observer for Edges {
    fn opened(&mut self, edge: Role, address: SocketAddr) {
        self.edge(edge).own.insert(address);
    }

    fn lost(&mut self, _number: u64, edge: Role) {
        let edge = self.edge(edge);
        if let Some(packet) = edge.newest {
            edge.recorder.comment(packet, LOST.to_owned());
        }
    }

    fn passed(&mut self, passed: &RelayedDatagram<'_>) {
        let edge = match passed.edge {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        // A problem is reported when the capture is finished.
        edge.newest =
            edge.recorder
                .record(passed.at, passed.source, passed.destination, passed.payload);
        let from = match passed.came {
            true => passed.edge,
            false => passed.edge.peer(),
        };
        let initiator = self.pair.initiator.offer();
        if let Some(pairs) = &self.protocol.pairs {
            edge.traffic
                .observe(pairs, &initiator, from, passed.payload);
        }
        let is_short = passed
            .payload
            .first()
            .is_some_and(|first| first & 0x80 == 0);
        if self.protocol.transport.is_some()
            && (passed.edge, from) == (Role::Responder, Role::Initiator)
            && is_short
            && !*self.connected.borrow()
        {
            // Long headers are those of the handshake (RFC 9000, section 17.2).
            self.connected.send_replace(true);
        }
        if !*self.whole.borrow()
            && self
                .evidence(ProcessEnd::Ran, ProcessEnd::Ran, true)
                .is_whole()
        {
            self.whole.send_replace(true);
        }
    }
}
