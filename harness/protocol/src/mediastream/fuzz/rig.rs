use std::net::SocketAddr;
use std::time::Duration;

use crate::machine::{Input, Machine, Output};
use crate::requirement::Role;
use crate::{ReferenceSettings, StreamParameters};

use crate::mediastream;

/// Outputs that one input may lead to: a late tick sends a whole stream to each of the peers.
const MOST_OUTPUTS: usize = 10_000;

/// A machine with its clock, and what it must keep whatever it is told.
pub(super) struct Rig {
    machine: Box<dyn Machine>,
    now: Duration,
    received: Traffic,
    sent: Traffic,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Traffic {
    datagrams: u64,
    bytes: u64,
}

impl Rig {
    /// A reference machine with these options, by the names of the protocol.
    pub(super) fn new(role: Role, mode: &str, options: &[&str], stream: StreamParameters) -> Self {
        let settings = ReferenceSettings {
            role,
            mode: mode.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            stream,
            peer: (role == Role::Initiator).then(|| address(0)),
            seed: 1,
            extra: Vec::new(),
        };
        let machine = mediastream::new_reference(&settings);
        let machine = machine.unwrap_or_else(|problem| unreachable!("{problem}"));
        Self {
            machine,
            now: Duration::ZERO,
            received: Traffic::default(),
            sent: Traffic::default(),
        }
    }

    pub(super) fn datagram(&mut self, from: SocketAddr, payload: &[u8]) -> Vec<Output> {
        self.received.add(payload);
        self.handle(Input::Datagram { from, payload })
    }

    /// The owner wants an end.
    pub(super) fn stop(&mut self) -> Vec<Output> {
        let outputs = self.handle(Input::Stop);
        assert!(self.machine.is_finished(), "it goes on after a stop");
        outputs
    }

    /// Time goes on, and the machine is told then.
    pub(super) fn wait(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.tick()
    }

    /// Time goes on to the machine's deadline; nothing happens if it has none.
    pub(super) fn wait_for_deadline(&mut self) -> Vec<Output> {
        let Some(deadline) = self.machine.deadline() else {
            return Vec::new();
        };
        self.now = self.now.max(deadline);
        self.tick()
    }

    pub(super) fn has_deadline(&self) -> bool {
        self.machine.deadline().is_some()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.machine.is_finished()
    }

    fn tick(&mut self) -> Vec<Output> {
        let outputs = self.handle(Input::Tick);
        let deadline = self.machine.deadline();
        assert!(
            deadline.is_none_or(|deadline| deadline > self.now),
            "told that it is {:?}, it wants to be told so again: {deadline:?}",
            self.now
        );
        outputs
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let was_finished = self.machine.is_finished();
        self.machine.handle(self.now, input);
        let mut outputs = Vec::new();
        while let Some(output) = self.machine.poll() {
            if let Output::Send { payload, .. } = &output {
                self.sent.add(payload);
            }
            outputs.push(output);
            assert!(outputs.len() <= MOST_OUTPUTS, "one input, too many outputs");
        }
        if was_finished {
            assert_eq!(outputs, [], "it is over");
            assert_eq!(self.machine.deadline(), None);
        }
        outputs
    }

    /// What is counted is what happened; a machine that was stopped may count no more.
    pub(super) fn check_counters(&self, was_stopped: bool) {
        let counters = self.machine.counters();
        let traffic = |direction: &str| Traffic {
            datagrams: number(&counters[format!("{direction}_datagrams")]),
            bytes: number(&counters[format!("{direction}_bytes")]),
        };
        assert_eq!(traffic("sent"), self.sent);
        if !was_stopped {
            assert_eq!(traffic("received"), self.received);
        }
        let handshakes = &counters["handshakes"];
        let failed = handshakes["failed"].as_object();
        let failed: u64 = failed.into_iter().flatten().map(|(_, n)| number(n)).sum();
        let ended = number(&handshakes["succeeded"]) + failed;
        assert!(ended <= number(&handshakes["attempted"]), "{handshakes}");
    }
}

impl Traffic {
    fn add(&mut self, payload: &[u8]) {
        self.datagrams += 1;
        self.bytes += payload.len() as u64;
    }
}

/// The address of a peer; index 0 is the one that an initiator asks.
pub(super) fn address(peer: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4444 + u16::from(peer)))
}

fn number(value: &serde_json::Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| unreachable!("{value} is no count"))
}
