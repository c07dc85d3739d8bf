use std::collections::BTreeMap;
use std::time::Duration;

use rstest::rstest;
use serde_json::Value;
use shakedown_engine::explore::streams::{Run, run, run_faulty};
use shakedown_protocol::exploration::{Breach, Explored};
use shakedown_protocol::proton::PROTOCOL;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

fn played(seed: u64, has_log: bool) -> Run {
    run(&PROTOCOL, seed, has_log).unwrap()
}

#[test]
fn nothing_is_found_in_random_runs_of_the_reference() {
    let mut counts = BTreeMap::<_, u64>::new();
    for seed in 0..300 {
        let run = played(seed, false);
        assert!(
            run.violations.is_empty(),
            "{}",
            played(seed, true).story(&PROTOCOL)
        );
        for (name, number) in run.counts {
            *counts.entry(name).or_default() += number;
        }
    }
    // So that something was looked at.
    assert!(counts["answers"] > 1_500, "{counts:?}");
    assert!(counts["cuts"] > 150, "{counts:?}");
    assert!(counts["connections"] > 500, "{counts:?}");
}

#[test]
fn a_story_ends_with_what_is_broken() {
    let server = |role, machine| twin(role, machine, Role::Responder, Fault::WrongWord);
    let mut runs = (0..).map(|seed| run_faulty(&PROTOCOL, seed, true, &server).unwrap());
    let run = runs.find(|run| !run.violations.is_empty()).unwrap();
    let story = run.story(&PROTOCOL);
    let lines: Vec<_> = story.lines().collect();
    assert!(lines[0].starts_with("seed "), "{story}");
    let broken = lines.iter().position(|line| line.contains(" BROKEN "));
    let broken = broken.unwrap();
    assert!(lines[broken].contains(" by the server: "), "{story}");
    let time = |line: &str| line.trim_start().split(' ').next().map(str::to_owned);
    let then = lines[1..broken]
        .iter()
        .filter(|line| time(line) == time(lines[broken]));
    assert!(then.count() > 0, "what led there is told: {story}");
    assert_eq!(lines.len() - broken, run.violations.len());
}

#[test]
fn a_seed_plays_the_same_run_again() {
    for seed in 0..10 {
        let (first, again) = (played(seed, true), played(seed, true));
        assert_eq!(first.log, again.log);
        assert!(!first.log.is_empty());
    }
    assert_ne!(played(1, true).log, played(2, true).log);
}

/// What a faulty machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A u32 that it sends is one more than it should be.
    WrongWord,
    /// It sends no u32.
    Mute,
    /// It closes with another code.
    WrongCode,
    ClosesNothing,
    /// It ends each connection twice.
    EndsTwice,
    /// It never looks at the clock.
    Timeless,
    /// It does not hear that a connection is over.
    HearsNoEnd,
    /// It hears that a connection is over twice.
    CountsTwice,
}

/// A machine with a fault.
struct Twin {
    machine: Box<dyn Explored>,
    fault: Fault,
    again: Option<Output>,
}

/// Makes machines of one role faulty.
fn twin(role: Role, machine: Box<dyn Explored>, faulty: Role, fault: Fault) -> Box<dyn Explored> {
    match role == faulty {
        true => Box::new(Twin {
            machine,
            fault,
            again: None,
        }),
        false => machine,
    }
}

impl StreamMachine for Twin {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        match (self.fault, input) {
            (Fault::Timeless, Input::Tick) | (Fault::HearsNoEnd, Input::Closed { .. }) => {}
            (Fault::Timeless, input) => self.machine.handle(Duration::ZERO, input),
            (Fault::CountsTwice, Input::Closed { .. }) => {
                self.machine.handle(now, input);
                self.machine.handle(now, input);
            }
            (_, input) => self.machine.handle(now, input),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        if let Some(again) = self.again.take() {
            return Some(again);
        }
        let mut output = self.machine.poll()?;
        match (&mut output, self.fault) {
            (Output::Write(_, _, bytes), Fault::WrongWord) if bytes.len() >= 4 => {
                bytes[0] = bytes[0].wrapping_add(1);
            }
            (Output::Write(_, _, bytes), Fault::Mute) if bytes.len() >= 4 => return self.poll(),
            (Output::Close { code, .. }, Fault::WrongCode) => *code = 2,
            (Output::Close { .. }, Fault::ClosesNothing) => return self.poll(),
            (Output::Ended { .. }, Fault::EndsTwice) => self.again = Some(output.clone()),
            (_, _) => {}
        }
        Some(output)
    }

    fn deadline(&self) -> Option<Duration> {
        match self.fault {
            Fault::Timeless => None,
            _ => self.machine.deadline(),
        }
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

impl Explored for Twin {
    fn is_at_rest(&self) -> bool {
        self.machine.is_at_rest()
    }

    fn breaches(&mut self, now: Duration) -> Vec<Breach> {
        self.machine.breaches(now)
    }
}

/// The requirements that some runs of a faulty machine show broken by it.
fn found(role: Role, fault: Fault) -> Vec<String> {
    let faulty = |of, machine| twin(of, machine, role, fault);
    let runs = (0..60).map(|seed| run_faulty(&PROTOCOL, seed, false, &faulty).unwrap());
    let violations = runs.flat_map(|run| run.violations);
    let of_it = violations.filter(|violation| violation.party == Some(role));
    let mut found: Vec<_> = of_it.map(|violation| violation.requirement).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[rstest]
#[case(Fault::WrongWord, &["PR-E-01", "PR-K-01"])]
#[case(Fault::Mute, &["PR-C-02"])]
#[case(Fault::WrongCode, &["PR-C-03"])]
#[case(Fault::ClosesNothing, &["PR-R-03"])]
#[case(Fault::EndsTwice, &["PR-R-03"])]
#[case(Fault::Timeless, &["PR-C-02"])]
#[case(Fault::HearsNoEnd, &["PR-R-03", "PR-C-02"])]
#[case(Fault::CountsTwice, &["PR-R-03"])]
fn a_faulty_server_is_found(#[case] fault: Fault, #[case] requirements: &[&str]) {
    let found = found(Role::Responder, fault);
    for requirement in requirements {
        assert!(
            found.iter().any(|one| one == requirement),
            "{fault:?} {found:?}"
        );
    }
}

#[rstest]
#[case(Fault::WrongWord, &["PR-E-04"])]
#[case(Fault::WrongCode, &["PR-C-03"])]
#[case(Fault::EndsTwice, &["PR-R-03"])]
fn a_faulty_client_is_found(#[case] fault: Fault, #[case] requirements: &[&str]) {
    let found = found(Role::Initiator, fault);
    for requirement in requirements {
        assert!(
            found.iter().any(|one| one == requirement),
            "{fault:?} {found:?}"
        );
    }
}
