use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::Environment;
use shakedown_engine::script::streams::StreamScript;
use shakedown_protocol::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

use super::record::Record;

/// A script that is told how many packets there are before whatever happens.
pub(super) struct Scripted {
    pub(super) script: StreamScript,
    record: Arc<Record>,
}

impl Scripted {
    pub(super) fn new(
        scenario: &Scenario,
        environment: Environment,
        impair: &Impairment,
        record: Arc<Record>,
    ) -> Self {
        let script = StreamScript::new(scenario, environment);
        let script = match impair.is_ideal() {
            true => script,
            false => script.through(impair),
        };
        Self { script, record }
    }
}

impl StreamMachine for Scripted {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.script
            .recorded(self.record.newest().unwrap_or_default());
        self.script.handle(now, input);
    }

    fn poll(&mut self) -> Option<Output> {
        self.script.poll()
    }

    fn deadline(&self) -> Option<Duration> {
        self.script.deadline()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.script.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.script.is_finished()
    }

    fn counters(&self) -> serde_json::Value {
        self.script.counters()
    }
}
