//! Servers and clients of proton that are faulty in one way each: scenarios find them, and name the requirement.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use super::play::{
    against_client, against_server, client, environment, needs_two_endpoints, server,
};
use rstest::rstest;
use shakedown_engine::scenario::{Library, Scenario};
use shakedown_engine::script::ScriptOutcome;
use shakedown_engine::script::streams::StreamScript;
use shakedown_protocol::proton::{Profile, Server};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{
    ConnectionNumber, Input, OnStream, Output, StreamId, StreamMachine,
};

/// One way to be faulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Closes no connection.
    ClosesNothing,
    /// Closes with a code that means nothing.
    ClosesWith(u64),
    /// Closes so much later than it should.
    ClosesLate(Duration),
    /// Writes everything twice.
    WritesTwice,
    /// Writes numbers with their bytes in the wrong order.
    BigEndian,
    /// Answers the first number on each stream alone.
    AnswersOnce,
    /// Takes every connection that comes.
    AdmitsAllOver,
    /// Closes a connection that nobody says anything on.
    ClosesIdle(Duration),
    /// Takes what ends a stream for nothing.
    HearsNoEnd,
}

#[rstest]
#[case(Fault::ClosesNothing, &["PR-E-02", "PR-S-03", "PR-S-05", "PR-S-06", "PR-R-01", "PR-R-02", "PR-T-04"])]
#[case(Fault::ClosesWith(42), &["PR-E-02", "PR-S-03", "PR-S-05", "PR-S-06", "PR-T-04"])]
#[case(Fault::ClosesLate(Duration::from_secs(20)), &["PR-E-02", "PR-S-03", "PR-S-05", "PR-S-06"])]
#[case(Fault::WritesTwice, &["PR-E-01", "PR-K-01"])]
#[case(Fault::BigEndian, &["PR-E-01"])]
#[case(Fault::AnswersOnce, &["PR-E-01", "PR-K-01"])]
#[case(Fault::AdmitsAllOver, &["PR-C-01"])]
#[case(Fault::ClosesIdle(Duration::from_secs(3)), &["PR-C-04"])]
#[case(Fault::HearsNoEnd, &["PR-S-08"])]
fn a_faulty_server_is_found(#[case] fault: Fault, #[case] requirements: &[&str]) {
    let found = findings(Role::Responder, |script, scenario, profile| {
        against_server(script, Faulty::new(server(scenario, profile), fault))
    });
    demand(requirements, &found);
}

fn closes_nothing(output: Output) -> Vec<Output> {
    match output {
        Output::Close { .. } => Vec::new(),
        output => vec![output],
    }
}

fn closes_with_42(output: Output) -> Vec<Output> {
    match output {
        Output::Close {
            connection, reason, ..
        } => vec![Output::Close {
            connection,
            code: 42,
            reason,
        }],
        output => vec![output],
    }
}

fn writes_twice(output: Output) -> Vec<Output> {
    match output {
        Output::Write(..) => vec![output.clone(), output],
        output => vec![output],
    }
}

fn opens_two_streams(output: Output) -> Vec<Output> {
    match output {
        Output::Open(_, stream) if stream == StreamId::of_client(2) => Vec::new(),
        Output::Write(_, stream, _) if stream == StreamId::of_client(2) => Vec::new(),
        output => vec![output],
    }
}

fn has_one_id(output: Output) -> Vec<Output> {
    match output {
        Output::Write(connection, stream, bytes) if bytes.len() >= 4 => {
            let bytes = [1, 0, 0, 0].repeat(bytes.len() / 4);
            vec![Output::Write(connection, stream, bytes)]
        }
        output => vec![output],
    }
}

#[rstest]
#[case::closes_nothing(closes_nothing, &["PR-E-03", "PR-T-01", "PR-A-03", "PR-S-08"])]
#[case::closes_with_42(closes_with_42, &["PR-E-03", "PR-T-01", "PR-A-03"])]
#[case::writes_twice(writes_twice, &["PR-S-01", "PR-E-03"])]
#[case::opens_two_streams(opens_two_streams, &["PR-S-01"])]
#[case::has_one_id(has_one_id, &["PR-E-04", "PR-E-05"])]
fn a_faulty_client_is_found(
    #[case] spoil: fn(Output) -> Vec<Output>,
    #[case] requirements: &[&str],
) {
    let found = findings(Role::Initiator, |script, scenario, profile| {
        against_client(script, client(scenario, profile), spoil)
    });
    demand(requirements, &found);
}

/// What scenarios found, by requirement.
type Found = BTreeMap<String, BTreeSet<String>>;

/// Plays every scenario for a role.
fn findings(
    role: Role,
    play: impl Fn(StreamScript, &Scenario, Profile) -> (Option<ScriptOutcome>, String),
) -> Found {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/proton/scenarios");
    let library = Library::read(&[folder]).unwrap_or_else(|error| panic!("{error}"));
    let mut found = Found::new();
    for loaded in library.scenarios() {
        let scenario = &loaded.scenario;
        if scenario.iut.role != role || needs_two_endpoints(scenario) {
            continue;
        }
        let profile = match scenario.iut.mode.as_str() {
            "pull" => Profile::Pull,
            _ => Profile::Push,
        };
        let script = StreamScript::new(scenario, environment(scenario));
        match play(script, scenario, profile) {
            (Some(ScriptOutcome::Failed(failure)), _) => {
                let ids = found.entry(failure.requirement).or_default();
                ids.insert(scenario.id.clone());
            }
            (Some(ScriptOutcome::Passed), _) => {}
            (outcome, events) => panic!("{}: {outcome:?} {events}", scenario.id),
        }
    }
    found
}

fn demand(requirements: &[&str], found: &Found) {
    for requirement in requirements {
        assert!(
            found.contains_key(*requirement),
            "{requirement}: {found:#?}"
        );
    }
}

/// The reference server with a fault.
#[derive(Debug)]
struct Faulty {
    server: Server,
    fault: Fault,
    now: Duration,
    outputs: VecDeque<Output>,
    late: VecDeque<(Duration, Output)>,
    /// When something was last said on each connection.
    heard: BTreeMap<ConnectionNumber, Duration>,
    answered: BTreeSet<(ConnectionNumber, StreamId)>,
}

impl Faulty {
    fn new(server: Server, fault: Fault) -> Self {
        Self {
            server,
            fault,
            now: Duration::ZERO,
            outputs: VecDeque::new(),
            late: VecDeque::new(),
            heard: BTreeMap::new(),
            answered: BTreeSet::new(),
        }
    }

    fn spoil(&mut self, output: Output) {
        match (self.fault, output) {
            (Fault::ClosesNothing, Output::Close { .. }) => {}
            (
                Fault::ClosesWith(code),
                Output::Close {
                    connection, reason, ..
                },
            ) => self.outputs.push_back(Output::Close {
                connection,
                code,
                reason,
            }),
            (Fault::ClosesLate(by), close @ Output::Close { .. }) => {
                self.late.push_back((self.now + by, close));
            }
            (Fault::WritesTwice, Output::Write(connection, stream, mut bytes)) => {
                bytes.extend_from_within(..);
                self.outputs
                    .push_back(Output::Write(connection, stream, bytes));
            }
            (Fault::BigEndian, Output::Write(connection, stream, mut bytes)) => {
                bytes.chunks_mut(4).for_each(<[u8]>::reverse);
                self.outputs
                    .push_back(Output::Write(connection, stream, bytes));
            }
            (Fault::AnswersOnce, Output::Write(connection, stream, _))
                if !self.answered.insert((connection, stream)) => {}
            (Fault::AdmitsAllOver, Output::Refuse(connection)) => {
                self.outputs.push_back(Output::Admit(connection));
            }
            (_, output) => self.outputs.push_back(output),
        }
    }

    fn close_idle(&mut self) {
        if let Fault::ClosesIdle(after) = self.fault {
            let now = self.now;
            let idle = self.heard.iter().filter(|(_, last)| **last + after <= now);
            let idle: Vec<_> = idle.map(|(connection, _)| *connection).collect();
            for connection in idle {
                self.heard.remove(&connection);
                self.outputs.push_back(Output::Close {
                    connection,
                    code: 0,
                    reason: String::new(),
                });
            }
        }
    }
}

impl StreamMachine for Faulty {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Connected { connection } | Input::Stream { connection, .. } => {
                self.heard.insert(connection, now);
            }
            Input::Closed { connection, .. } => {
                self.heard.remove(&connection);
            }
            Input::Incoming { .. } | Input::Datagram { .. } | Input::Tick | Input::Stop => {}
        }
        let is_end = matches!(
            input,
            Input::Stream {
                what: OnStream::Fin | OnStream::Reset(_) | OnStream::Stopped(_),
                ..
            }
        );
        if !(is_end && self.fault == Fault::HearsNoEnd) {
            self.server.handle(now, input);
        }
        while let Some(output) = self.server.poll() {
            self.spoil(output);
        }
        self.close_idle();
        while let Some((_, output)) = self.late.pop_front_if(|(due, _)| *due <= now) {
            self.outputs.push_back(output);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let idle = match self.fault {
            Fault::ClosesIdle(after) => self.heard.values().min().map(|last| *last + after),
            _ => None,
        };
        let late = self.late.front().map(|(due, _)| *due);
        let own = self.server.deadline();
        own.into_iter().chain(late).chain(idle).min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.server.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.server.is_finished()
    }

    fn counters(&self) -> serde_json::Value {
        self.server.counters()
    }
}
