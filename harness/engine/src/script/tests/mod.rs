//! Conversations in which the tests play the implementation under test.

mod choice;
mod exit;
mod expect;
mod fairness;
mod media;
mod network;
mod send;
mod silence;
mod tolerant;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};
use shakedown_carrier::Security;
use shakedown_protocol::StreamParameters;

use super::{
    Action, Budget, Environment, Failure, Input, Script, ScriptOutcome, SocketId, describe,
};
use crate::iut::{Exit, Timing};
use crate::network::Impairment;
use crate::scenario::Scenario;

const RESPONDER: &str = "127.0.0.1:4444";
const INITIATOR: &str = "127.0.0.1:5000";

/// A script, and the implementation and the driver that it talks to. Times are milliseconds.
struct Play {
    script: Script,
    now: Duration,
    /// What the script sent: milliseconds, socket, destination, datagram.
    sent: Vec<(u64, usize, Option<SocketAddr>, Vec<u8>)>,
    /// The address of the implementation.
    iut: &'static str,
    /// Every action but sends.
    other: Vec<Action>,
    packets: u64,
}

/// A scenario of these steps against a responder, begun at 0.
fn responder(steps: Value) -> Play {
    Play::new("responder", json!({ "steps": steps }))
}

/// A scenario of these steps against an initiator, begun at 0.
fn initiator(steps: Value) -> Play {
    Play::new("initiator", json!({ "steps": steps }))
}

impl Play {
    fn new(role: &str, body: Value) -> Self {
        let exit = Exit::default();
        Self::with_exit(role, body, exit)
    }

    fn with_exit(role: &str, body: Value, exit: Exit) -> Self {
        Self::with(role, body, exit, &Impairment::default())
    }

    /// Steps against an initiator that are played through a network.
    fn through(impair: &str, steps: Value) -> Self {
        let impair = impair.parse().unwrap();
        let body = json!({ "steps": steps });
        Self::with("initiator", body, Exit::default(), &impair)
    }

    fn with(role: &str, body: Value, exit: Exit, impair: &Impairment) -> Self {
        let mut scenario = json!({
            "id": "mediastream/3way/a", "title": "A fact", "requirements": ["MS-H-01", "MS-H-05"],
            "iut": { "role": role, "mode": "3way" },
        });
        let parts = body.as_object().unwrap().clone();
        scenario.as_object_mut().unwrap().extend(parts);
        let scenario: Scenario = serde_json::from_value(scenario).unwrap();
        let environment = Environment {
            protocol: &shakedown_protocol::mediastream::PROTOCOL,
            timing: Timing::default(),
            stream: StreamParameters {
                bits_per_second: 400_000,
                frames_per_second: 50,
                seconds: 2,
            },
            exit,
            iut: (role == "responder").then(|| RESPONDER.parse().unwrap()),
            seed: 7,
            epoch: Duration::ZERO,
            values: indexmap::IndexMap::new(),
            security: Security::Seeded(7),
            budget: Budget::for_scripts(1),
        };
        let mut play = Self {
            script: Script::through(&scenario, environment, impair),
            now: Duration::ZERO,
            sent: Vec::new(),
            iut: match role {
                "responder" => RESPONDER,
                _ => INITIATOR,
            },
            other: Vec::new(),
            packets: 0,
        };
        play.input(Input::Begin);
        play
    }

    fn input(&mut self, input: Input<'_>) {
        self.script.handle(self.now, input);
        while let Some(action) = self.script.poll() {
            match action {
                Action::Send {
                    tag,
                    socket,
                    to,
                    payload,
                } => {
                    let millis = self.now.as_millis().try_into().unwrap();
                    self.sent.push((millis, socket.0, to, payload));
                    self.packets += 1;
                    let packet = Some(self.packets);
                    self.script.handle(self.now, Input::Sent { tag, packet });
                }
                other => self.other.push(other),
            }
        }
    }

    /// Lets time go on, telling the script whenever it wants it.
    fn until(&mut self, millis: u64) -> &mut Self {
        let end = Duration::from_millis(millis);
        self.ticks(|deadline| deadline <= end);
        self.now = end;
        self.input(Input::Tick);
        self
    }

    /// Lets time go on to just before something that happens then.
    fn before(&mut self, millis: u64) {
        let end = Duration::from_millis(millis);
        self.ticks(|deadline| deadline < end);
        self.now = end;
    }

    fn ticks(&mut self, is_due: impl Fn(Duration) -> bool) {
        while let Some(deadline) = self.script.deadline().filter(|deadline| is_due(*deadline)) {
            self.now = self.now.max(deadline);
            self.input(Input::Tick);
        }
    }

    /// A frame arrives at `main`.
    fn gets(&mut self, millis: u64, frame: &str, fields: Value) -> &mut Self {
        self.gets_at(millis, 0, self.iut, &encode(frame, fields))
    }

    fn gets_at(&mut self, millis: u64, socket: usize, from: &str, payload: &[u8]) -> &mut Self {
        self.before(millis);
        self.packets += 1;
        self.input(Input::Datagram {
            socket: SocketId(socket),
            from: from.parse().unwrap(),
            payload,
            packet: Some(self.packets),
        });
        self
    }

    fn exits(&mut self, millis: u64, code: Option<i32>) -> &mut Self {
        self.before(millis);
        self.input(Input::Exited { code });
        self
    }

    fn late(&mut self, millis: u64) -> &mut Self {
        self.input(Input::Late(Duration::from_millis(millis)));
        self
    }

    fn passed(&self) {
        assert_eq!(
            self.script.outcome(),
            Some(&ScriptOutcome::Passed),
            "{:#?}",
            self.script.events()
        );
    }

    fn runs(&self) {
        assert_eq!(self.script.outcome(), None, "{:#?}", self.script.events());
    }

    fn failed(&self) -> &Failure {
        match self.script.outcome() {
            Some(ScriptOutcome::Failed(failure)) => failure,
            other => panic!("not failed but {other:?}"),
        }
    }

    /// `expected, got` of the failure.
    fn complaint(&self) -> String {
        let failure = self.failed();
        format!("{} | {}", failure.expected, failure.got)
    }

    fn inconclusive(&self) -> &str {
        match self.script.outcome() {
            Some(ScriptOutcome::Inconclusive { why, .. }) => why,
            other => panic!("not inconclusive but {other:?}"),
        }
    }

    fn error(&self) -> &str {
        match self.script.outcome() {
            Some(ScriptOutcome::Error { why, .. }) => why,
            other => panic!("no error but {other:?}"),
        }
    }

    /// What was sent, in lines, with the time.
    fn said(&self) -> Vec<String> {
        let vocabulary = shakedown_protocol::mediastream::PROTOCOL.vocabulary;
        let line = |(millis, _, _, datagram): &(u64, usize, Option<SocketAddr>, Vec<u8>)| {
            format!("{millis} {}", describe(vocabulary, datagram))
        };
        self.sent.iter().map(line).collect()
    }
}

fn encode(frame: &str, fields: Value) -> Vec<u8> {
    let fields: Map<String, Value> = fields.as_object().unwrap().clone();
    let vocabulary = shakedown_protocol::mediastream::PROTOCOL.vocabulary;
    vocabulary.encode(frame, &fields).unwrap()
}

/// A data datagram with this number.
fn data(number: u64) -> Value {
    json!({ "sequence_number": number })
}
