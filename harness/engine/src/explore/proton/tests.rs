use std::time::Duration;

use rstest::rstest;
use shakedown_protocol::proton::{Client, Server};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

use super::world::{Asked, World};
use super::*;

#[test]
fn nothing_is_found_in_random_runs_of_the_reference() {
    let (mut answers, mut cuts, mut connections) = (0, 0, 0);
    for seed in 0..2_000 {
        let played = run(seed, false);
        assert!(played.violations.is_empty(), "{}", run(seed, true).story());
        answers += played.answers;
        cuts += played.cuts;
        connections += played.connections;
    }
    // So that something was looked at.
    assert!(answers > 10_000, "{answers}");
    assert!(cuts > 1_000, "{cuts}");
    assert!(connections > 4_000, "{connections}");
}

#[test]
fn a_story_ends_with_what_is_broken() {
    let server = |settings| Twin {
        machine: Server::new(settings),
        fault: Fault::WrongWord,
        again: None,
    };
    let mut runs = (0..).map(|seed| World::new(seed, true, server, Client::new).play());
    let run = runs.find(|run| !run.violations.is_empty()).unwrap();
    let story = run.story();
    let lines: Vec<_> = story.lines().collect();
    assert!(lines[0].starts_with("seed "), "{story}");
    let broken = lines
        .iter()
        .position(|line| line.contains(" BROKEN "))
        .unwrap();
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
    for seed in 0..20 {
        let (first, again) = (run(seed, true), run(seed, true));
        assert_eq!(first.log, again.log);
        assert!(!first.log.is_empty());
    }
    assert_ne!(run(1, true).log, run(2, true).log);
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
    /// It never closes.
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
struct Twin<M> {
    machine: M,
    fault: Fault,
    again: Option<Output>,
}

impl<M: StreamMachine> StreamMachine for Twin<M> {
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

    fn counters(&self) -> serde_json::Value {
        self.machine.counters()
    }
}

impl Asked for Twin<Client> {
    fn client(&mut self) -> &mut Client {
        &mut self.machine
    }
}

/// The requirements that some runs of a faulty machine show broken by it.
fn found(role: Role, fault: Fault) -> Vec<String> {
    let mut found = Vec::new();
    for seed in 0..150 {
        let run = match role {
            Role::Responder => {
                let server = |settings| Twin {
                    machine: Server::new(settings),
                    fault,
                    again: None,
                };
                World::new(seed, false, server, Client::new).play()
            }
            Role::Initiator => {
                let client = |settings| Twin {
                    machine: Client::new(settings),
                    fault,
                    again: None,
                };
                World::new(seed, false, Server::new, client).play()
            }
        };
        let of_it = run.violations.into_iter();
        let of_it = of_it.filter(|violation| violation.party == Some(role));
        found.extend(of_it.map(|violation| violation.requirement));
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[rstest]
#[case(Fault::WrongWord, &["PR-E-01", "PR-K-01", "PR-A-01"])]
#[case(Fault::Mute, &["PR-E-01", "PR-T-02", "PR-A-01"])]
#[case(Fault::WrongCode, &["PR-C-03"])]
#[case(Fault::ClosesNothing, &["PR-R-03"])]
#[case(Fault::EndsTwice, &["PR-R-03"])]
#[case(Fault::Timeless, &["PR-S-05", "PR-S-06", "PR-T-02", "PR-A-01"])]
#[case(Fault::HearsNoEnd, &["PR-R-03", "PR-C-02"])]
#[case(Fault::CountsTwice, &["PR-R-03"])]
fn a_faulty_server_is_found(#[case] fault: Fault, #[case] requirements: &[&str]) {
    let found = found(Role::Responder, fault);
    for requirement in requirements {
        assert!(found.iter().any(|one| one == requirement), "{found:?}");
    }
}

#[rstest]
#[case(Fault::WrongCode, &["PR-C-03"])]
#[case(Fault::Timeless, &["PR-T-01"])]
#[case(Fault::EndsTwice, &["PR-R-03"])]
fn a_faulty_client_is_found(#[case] fault: Fault, #[case] requirements: &[&str]) {
    let found = found(Role::Initiator, fault);
    for requirement in requirements {
        assert!(found.iter().any(|one| one == requirement), "{found:?}");
    }
}
