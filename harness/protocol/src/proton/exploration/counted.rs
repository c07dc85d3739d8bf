use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::super::{CloseCode, Kind, RESET, ServerSettings};
use crate::exploration::{Breach, Explored};
use crate::requirement::Role;
use crate::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine, StreamUpdate};

/// Most breaches of a machine that are kept.
const MAX_BREACHES: usize = 10;

/// Most bytes that may be buffered for one stream.
const MAX_WRITTEN: usize = 128 * 1024;

/// Wraps a machine and checks its connections: each ends once, and the counters of the machine agree.
pub(crate) struct Counted<M> {
    role: Role,
    machine: M,
    /// The codes with which it may close a connection.
    codes: &'static [CloseCode],
    /// Time of the last input.
    now: Duration,
    connections: BTreeMap<ConnectionNumber, Stage>,
    /// Settings of a server, for its checks.
    server: Option<ServerSettings>,
    /// The connection that the current input established.
    connected: Option<ConnectionNumber>,
    /// The first byte that a client wrote on each stream.
    first_bytes: BTreeMap<(ConnectionNumber, StreamId), u8>,
    /// Connections on which a reset was requested.
    resets: BTreeSet<ConnectionNumber>,
    /// Bytes that were written on streams since the transport had taken all of them.
    written: BTreeMap<(ConnectionNumber, StreamId), usize>,
    counts: Counts,
    breaches: Vec<Breach>,
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Lost at this time: due outputs may still follow at the same time.
    Lost(Duration),
    Closed,
    Ended,
}

#[derive(Debug, Default)]
struct Counts {
    connections: u64,
    refused: u64,
    closed: u64,
    ended: u64,
}

impl<M: StreamMachine> Counted<M> {
    pub(crate) fn new(role: Role, machine: M, codes: &'static [CloseCode]) -> Self {
        Self {
            role,
            machine,
            codes,
            now: Duration::ZERO,
            connections: BTreeMap::new(),
            server: None,
            connected: None,
            first_bytes: BTreeMap::new(),
            resets: BTreeSet::new(),
            written: BTreeMap::new(),
            counts: Counts::default(),
            breaches: Vec::new(),
        }
    }

    /// Checks a server with these settings.
    pub(crate) fn with_server_settings(self, settings: &ServerSettings) -> Self {
        Self {
            server: Some(*settings),
            ..self
        }
    }

    fn observe_input(&mut self, now: Duration, input: &Input<'_>) {
        match input {
            Input::Incoming { connection, .. } => {
                self.connections.insert(*connection, Stage::Open);
            }
            Input::Connected { connection } => {
                self.counts.connections += 1;
                self.connected = Some(*connection);
            }
            Input::Stream {
                connection,
                stream: StreamId(0),
                what: StreamUpdate::Bytes([RESET, ..]),
            } => {
                self.resets.insert(*connection);
            }
            Input::Closed { connection, .. } => {
                self.counts.ended += 1;
                self.connections.insert(*connection, Stage::Lost(now));
            }
            Input::Stream {
                connection,
                stream,
                what: StreamUpdate::Written,
            } => {
                self.written.remove(&(*connection, *stream));
            }
            Input::Stream { .. }
            | Input::Datagram { .. }
            | Input::Delivered { .. }
            | Input::Tick
            | Input::Stop => {}
        }
    }

    fn observe_output(&mut self, now: Duration, output: &Output) {
        match output {
            Output::Connect(connection) | Output::ConnectBy(connection, _) => {
                self.connections.insert(*connection, Stage::Open);
            }
            Output::Refuse(connection) => {
                self.counts.refused += 1;
                self.connections.remove(connection);
            }
            Output::Open(connection, _) | Output::Fin(connection, _) => {
                self.may_still(now, *connection, "does something with");
            }
            Output::Write(connection, stream, bytes) => {
                self.may_still(now, *connection, "writes on");
                if self.connected == Some(*connection) {
                    let first = bytes.first().copied().unwrap_or_default();
                    self.first_bytes
                        .entry((*connection, *stream))
                        .or_insert(first);
                }
                let written = self.written.entry((*connection, *stream)).or_default();
                *written += bytes.len();
                if *written > MAX_WRITTEN {
                    self.breach("PR-T-04", now, "it writes ahead without bound");
                }
            }
            Output::Close {
                connection, code, ..
            } => {
                self.counts.closed += 1;
                if !self.codes.iter().any(|known| known.number() == *code) {
                    let property =
                        format!("it closes with code {code}, for which there is no reason");
                    self.breach("PR-C-03", now, property);
                }
                let refuses = *code == CloseCode::AlreadyConnected.number();
                let offers = self.server.is_some_and(|settings| settings.resets);
                if refuses && offers && self.resets.contains(connection) {
                    let property = "it refuses who asks it for a reset, which it offers";
                    self.breach("PR-R-01", now, property);
                }
                self.may_still(now, *connection, "closes");
                self.connections.insert(*connection, Stage::Closed);
            }
            Output::Ended { connection, .. } => {
                match self.connections.insert(*connection, Stage::Ended) {
                    Some(Stage::Lost(_) | Stage::Closed) => {}
                    Some(Stage::Open) => {
                        self.breach("PR-R-03", now, "a connection ends that goes on")
                    }
                    Some(Stage::Ended) | None => {
                        self.breach("PR-R-03", now, "a connection ends twice")
                    }
                }
            }
            Output::Admit(_) => {
                let server = self.server.filter(|settings| !settings.resets);
                if server.is_some_and(|settings| now < settings.startup_delay) {
                    self.breach("PR-C-08", now, "it admits somebody in its startup delay");
                }
            }
            Output::Reset(..)
            | Output::StopSending(..)
            | Output::Datagram(..)
            | Output::Misbehave(..)
            | Output::AdmitBy(..)
            | Output::Transition { .. } => {}
        }
    }

    /// A client that is connected has said on three streams which they are.
    fn has_said(&mut self, now: Duration) {
        let connected = self.connected.take();
        if self.role == Role::Responder || connected.is_none() {
            return;
        }
        let of_this = std::mem::take(&mut self.first_bytes).into_values();
        let mut kinds: Vec<_> = of_this.filter(|byte| *byte != RESET).collect();
        kinds.sort_unstable();
        if kinds != Kind::ALL.map(Kind::number) {
            let property = format!("its streams say {kinds:?}");
            self.breach("PR-S-01", now, property);
        }
    }

    fn may_still(&mut self, now: Duration, connection: ConnectionNumber, does: &str) {
        let stage = self.connections.get(&connection);
        if !matches!(stage, Some(Stage::Open)) && stage != Some(&Stage::Lost(now)) {
            self.breach(
                "PR-R-03",
                now,
                format!("it {does} a connection that is over"),
            );
        }
    }

    fn add_up(&mut self, now: Duration) {
        let first_bytes = self.machine.counters();
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let sum = |values: &Value| {
            let values = values.as_object().into_iter().flatten();
            values.map(|(_, value)| number(value)).sum()
        };
        let counts = &self.counts;
        let all = [
            (
                "connections",
                counts.connections,
                number(&first_bytes["connections"]),
            ),
            ("refused", counts.refused, number(&first_bytes["refused"])),
            ("closed", counts.closed, sum(&first_bytes["closed"])),
            ("ended", counts.ended, sum(&first_bytes["ended"])),
        ];
        let waited = number(&first_bytes["most_waiting"]);
        if waited > MAX_WRITTEN as u64 {
            let property = format!("{waited} bytes waited for a window");
            self.breach("PR-T-04", now, property);
        }
        for (name, seen, first_bytes) in all {
            if seen != first_bytes {
                self.breach(
                    "PR-R-03",
                    now,
                    format!("{name}: counted {first_bytes}, observed {seen}"),
                );
            }
        }
    }

    fn breach(&mut self, requirement: &'static str, at: Duration, property: impl Into<String>) {
        if self.breaches.len() < MAX_BREACHES {
            self.breaches.push(Breach {
                requirement,
                party: Some(self.role),
                at: Some(at),
                property: property.into(),
            });
        }
    }
}

impl<M: Explored> StreamMachine for Counted<M> {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.now = now;
        self.observe_input(now, &input);
        self.machine.handle(now, input);
    }

    fn poll(&mut self) -> Option<Output> {
        let output = self.machine.poll();
        match &output {
            Some(output) => self.observe_output(self.now, output),
            None => self.has_said(self.now),
        }
        output
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.machine.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.machine.is_finished()
    }

    fn counters(&self) -> Value {
        self.machine.counters()
    }
}

impl<M: Explored> Explored for Counted<M> {
    fn breaches(&mut self, now: Duration) -> Vec<Breach> {
        self.add_up(now);
        if self
            .connections
            .values()
            .any(|stage| matches!(stage, Stage::Lost(_) | Stage::Closed))
        {
            self.breach("PR-R-03", now, "a connection that is over does not end");
        }
        let mut all = std::mem::take(&mut self.breaches);
        all.extend(self.machine.breaches(now));
        all
    }

    fn is_idle(&self) -> bool {
        let is_over = |stage: &Stage| *stage == Stage::Ended;
        self.connections.values().all(is_over) && self.machine.is_idle()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = self.machine.counts();
        if self.role == Role::Responder {
            counts.push(("connections", self.counts.connections));
        }
        counts
    }

    fn take_notes(&mut self) -> Vec<String> {
        self.machine.take_notes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::machine::Outcome;
    use crate::streams::Closing;

    const ONE: ConnectionNumber = ConnectionNumber(0);

    /// Handles connections as configured, and counts.
    struct TestMachine {
        does: VecDeque<Output>,
        counters: Value,
    }

    impl StreamMachine for TestMachine {
        fn handle(&mut self, _: Duration, _: Input<'_>) {}

        fn poll(&mut self) -> Option<Output> {
            self.does.pop_front()
        }

        fn deadline(&self) -> Option<Duration> {
            None
        }

        fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
            true
        }

        fn is_finished(&self) -> bool {
            false
        }

        fn counters(&self) -> Value {
            self.counters.clone()
        }
    }

    impl Explored for TestMachine {}

    const ENDED: Output = Output::Ended {
        connection: ONE,
        outcome: Outcome::Completed,
    };

    fn close(code: u64) -> Output {
        Output::Close {
            connection: ONE,
            code,
            reason: String::new(),
        }
    }

    /// What is broken by a server that does this about a connection that comes, and is lost if so said.
    fn broken(does: &[Output], is_lost: bool, counters: Value) -> Vec<&'static str> {
        let does = does.iter().cloned().collect();
        let machine = TestMachine { does, counters };
        let mut counted = Counted::new(Role::Responder, machine, &[CloseCode::Normal]);
        let from = ([192, 0, 2, 1], 5_000).into();
        let comes = [
            Input::Incoming {
                connection: ONE,
                from,
            },
            Input::Connected { connection: ONE },
        ];
        let why = Closing::TimedOut;
        let lost = is_lost.then_some(Input::Closed {
            connection: ONE,
            why,
        });
        for input in comes.into_iter().chain(lost) {
            counted.handle(Duration::ZERO, input);
        }
        while counted.poll().is_some() {}
        let breaches = counted.breaches(Duration::from_secs(1)).into_iter();
        breaches.map(|breach| breach.requirement).collect()
    }

    fn counts(closed: u64, ended: u64) -> Value {
        json!({ "connections": 1, "refused": 0, "closed": { "x": closed }, "ended": { "x": ended } })
    }

    #[rstest]
    #[case::closed_and_ended(&[close(0), ENDED], false, counts(1, 0), &[])]
    #[case::lost_and_ended(&[ENDED], true, counts(0, 1), &[])]
    #[case::another_code(&[close(2), ENDED], false, counts(1, 0), &["PR-C-03"])]
    #[case::ends_twice(&[ENDED, ENDED], true, counts(0, 1), &["PR-R-03"])]
    #[case::ends_what_goes_on(&[ENDED], false, counts(0, 0), &["PR-R-03"])]
    #[case::hears_no_end(&[], true, counts(0, 1), &["PR-R-03"])]
    #[case::counts_twice(&[ENDED], true, counts(0, 2), &["PR-R-03"])]
    #[case::writes_afterwards(
        &[close(0), Output::Write(ONE, StreamId(0), vec![1]), ENDED], false, counts(1, 0), &["PR-R-03"]
    )]
    #[case::writes_without_bound(
        &[Output::Write(ONE, StreamId(0), vec![0; MAX_WRITTEN + 1]), close(0), ENDED], false,
        counts(1, 0), &["PR-T-04"]
    )]
    fn a_machine_that_goes_on_after_an_end_or_counts_wrongly_is_found(
        #[case] does: &[Output],
        #[case] is_lost: bool,
        #[case] counters: Value,
        #[case] expected: &[&str],
    ) {
        assert_eq!(broken(does, is_lost, counters), expected);
    }
}
