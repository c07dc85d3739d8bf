//! Conversations in which the tests play the implementation under test.

mod acting;
mod basic;
mod choice;
mod closing;
mod fairness;
mod waiting;
mod web;

use std::time::Duration;

use serde_json::{Value, json};
use shakedown_carrier::Security;
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Faults, Input, Output, StreamId, StreamMachine, StreamUpdate,
};
use shakedown_protocol::{Protocol, StreamParameters};

use super::StreamScript;
use crate::iut::{Exit, Timing};
use crate::scenario::Scenario;
use crate::script::{Budget, Environment, Failure, Program, ScriptOutcome};

/// A script, and the implementation and the driver that it talks to. Times are milliseconds.
struct Play {
    script: StreamScript,
    now: Duration,
    /// What the script wanted done, and when.
    outputs: Vec<(u64, Output)>,
    /// Whether the transport takes what is written.
    takes: bool,
}

/// A scenario of these steps against a server, begun at 0.
fn server(steps: Value) -> Play {
    Play::new("server", steps)
}

/// A scenario of these steps against a client, begun at 0.
fn client(steps: Value) -> Play {
    Play::new("client", steps)
}

impl Play {
    fn new(role: &str, steps: Value) -> Self {
        Self::of(&shakedown_protocol::proton::PROTOCOL, role, steps)
    }

    fn of(protocol: &'static Protocol, role: &str, steps: Value) -> Self {
        let scenario = json!({
            "id": format!("{}/any/{role}/a", protocol.id), "title": "A fact",
            "requirements": ["PR-C-03", "PR-E-01"],
            "iut": { "role": role, "mode": "any" },
            "steps": steps,
        });
        let scenario: Scenario = serde_json::from_value(scenario).unwrap();
        let environment = Environment {
            protocol,
            timing: Timing::default(),
            stream: StreamParameters {
                bits_per_second: 400_000,
                frames_per_second: 50,
                seconds: 2,
            },
            exit: Exit::default(),
            iut: (role == "server").then(|| ([127, 0, 0, 1], 4433).into()),
            seed: 7,
            epoch: Duration::ZERO,
            values: indexmap::IndexMap::new(),
            security: Security::Seeded(7),
            budget: Budget::for_scripts(1),
        };
        let mut play = Self {
            script: StreamScript::new(&Program::new(scenario), environment, None, true),
            now: Duration::ZERO,
            outputs: Vec::new(),
            takes: true,
        };
        play.script.begin(Duration::ZERO);
        play.drain();
        play
    }

    fn drain(&mut self) {
        while let Some(output) = self.script.poll() {
            let millis = self.now.as_millis().try_into().unwrap();
            let written = match &output {
                Output::Write(connection, stream, _) if self.takes => Some((*connection, *stream)),
                _ => None,
            };
            self.outputs.push((millis, output));
            if let Some((connection, stream)) = written {
                let what = StreamUpdate::Written;
                let input = Input::Stream {
                    connection,
                    stream,
                    what,
                };
                self.script.handle(self.now, input);
            }
        }
    }

    /// Lets time go on, telling the script whenever it wants it.
    fn until(&mut self, millis: u64) -> &mut Self {
        let end = Duration::from_millis(millis);
        while let Some(due) = self.script.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.script.handle(self.now, Input::Tick);
            self.drain();
        }
        self.now = end;
        self
    }

    fn gets(&mut self, millis: u64, input: Input<'_>) -> &mut Self {
        let end = Duration::from_millis(millis);
        while let Some(due) = self.script.deadline().filter(|due| *due < end) {
            self.now = self.now.max(due);
            self.script.handle(self.now, Input::Tick);
            self.drain();
        }
        self.now = end;
        self.script.handle(end, input);
        self.drain();
        self
    }

    fn asked(&mut self, millis: u64, connection: u64) -> &mut Self {
        let connection = ConnectionNumber(connection);
        let from = ([127, 0, 0, 1], 5000).into();
        self.gets(millis, Input::Incoming { connection, from })
    }

    fn connected(&mut self, millis: u64, connection: u64) -> &mut Self {
        let connection = ConnectionNumber(connection);
        self.gets(millis, Input::Connected { connection })
    }

    fn on(
        &mut self,
        millis: u64,
        connection: u64,
        stream: u64,
        what: StreamUpdate<'_>,
    ) -> &mut Self {
        let input = Input::Stream {
            connection: ConnectionNumber(connection),
            stream: StreamId(stream),
            what,
        };
        self.gets(millis, input)
    }

    fn bytes(&mut self, millis: u64, stream: u64, bytes: &[u8]) -> &mut Self {
        self.on(millis, 0, stream, StreamUpdate::Bytes(bytes))
    }

    fn closed(&mut self, millis: u64, connection: u64, why: Closing<'_>) -> &mut Self {
        let connection = ConnectionNumber(connection);
        self.gets(millis, Input::Closed { connection, why })
    }

    fn code(&mut self, millis: u64, code: u64, reason: &str) -> &mut Self {
        let reason = reason.as_bytes();
        self.closed(millis, 0, Closing::Application { code, reason })
    }

    fn exits(&mut self, millis: u64, code: Option<i32>) -> &mut Self {
        self.until(millis);
        self.script.exited(self.now, code);
        self.drain();
        self
    }

    #[track_caller]
    fn passes(&self) {
        let events = &self.script.execution.events;
        assert_eq!(
            self.script.execution.outcome.as_ref(),
            Some(&ScriptOutcome::Passed),
            "{events:#?}"
        );
    }

    #[track_caller]
    fn goes_on(&self) {
        assert_eq!(
            self.script.execution.outcome.as_ref(),
            None,
            "{:#?}",
            self.script.execution.events
        );
    }

    #[track_caller]
    fn fails(&self) -> &Failure {
        match self.script.execution.outcome.as_ref() {
            Some(ScriptOutcome::Failed(failure)) => failure,
            other => panic!("{other:#?} {:#?}", self.script.execution.events),
        }
    }

    /// The requirements that were judged before it failed.
    fn judged(&self) -> Vec<String> {
        self.fails();
        let said = self.script.execution.judgements(&self.script.context);
        said.judged.into_iter().collect()
    }

    /// `expected | got` of the failure.
    #[track_caller]
    fn text(&self) -> String {
        let failure = self.fails();
        format!("{} | {}", failure.expected, failure.got)
    }

    #[track_caller]
    fn inconclusive(&self) -> &str {
        match self.script.execution.outcome.as_ref() {
            Some(ScriptOutcome::Inconclusive { why, .. }) => why,
            other => panic!("{other:#?} {:#?}", self.script.execution.events),
        }
    }

    /// What was written on a stream, with the times.
    fn written(&self, stream: u64) -> Vec<(u64, Vec<u8>)> {
        let writes = self.outputs.iter().filter_map(|(at, output)| match output {
            Output::Write(_, id, bytes) if id.0 == stream => Some((*at, bytes.clone())),
            _ => None,
        });
        writes.collect()
    }
}
