use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use shakedown_engine::interop::{EdgeTraffic, Pair, PairEvidence, ProcessEnd};
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::drive::Recorder;
use crate::relay::{Observer, Passed};

/// Records what passes at both edges of a relay and notices when a stream is whole.
pub(super) struct Edges {
    protocol: &'static Protocol,
    pair: Pair,
    impaired: bool,
    pub(super) initiator: Edge,
    pub(super) responder: Edge,
    whole: watch::Sender<bool>,
}

/// What passes at one edge.
pub(super) struct Edge {
    pub(super) recorder: Recorder,
    pub(super) traffic: EdgeTraffic,
    /// The relay's addresses there.
    pub(super) own: BTreeSet<SocketAddr>,
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
        }
    }
}

impl Edges {
    /// Both edges of a pair, with their captures at these paths, the initiator's first; `whole`
    /// turns true when the stream is.
    pub(super) fn new(
        protocol: &'static Protocol,
        pair: &Pair,
        impaired: bool,
        paths: [&Path; 2],
        clock: Clock,
        whole: watch::Sender<bool>,
    ) -> Self {
        Self {
            protocol,
            pair: pair.clone(),
            impaired,
            initiator: Edge::new(paths[0], pair, clock),
            responder: Edge::new(paths[1], pair, clock),
            whole,
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
        }
    }
}

impl Observer for Edges {
    fn opened(&mut self, edge: Role, address: SocketAddr) {
        let edge = match edge {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        edge.own.insert(address);
    }

    fn passed(&mut self, passed: &Passed<'_>) {
        let edge = match passed.edge {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        // A problem is told when the capture is finished.
        let _ = edge
            .recorder
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
        if !*self.whole.borrow()
            && self
                .evidence(ProcessEnd::Ran, ProcessEnd::Ran, true)
                .is_whole()
        {
            self.whole.send_replace(true);
        }
    }
}
