//! How many different states a second an exploration reaches, beside a model of two-phase commit that
//! the same checker explores on the same machine.
//!
//! `cargo bench -p shakedown-engine --bench explore`, and with `-- INITIATOR RESPONDER` one row about that
//! pair. Two-phase commit is the usual measure of stateright; it is
//! written here from the TLA+ module of Gray and Lamport (Consensus on Transaction Commit), sets as
//! sets.

#![allow(
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a benchmark measures time, prints, and may fail so"
)]

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Instant;

use shakedown_engine::explore::exhaustive::{Bounds, STREAM, Setup, explore, join};
use shakedown_protocol::mediastream::PROTOCOL;
use stateright::{Checker, Model, Property};

/// How often each is explored; the best time counts.
const ROUNDS: usize = 3;

fn setup(initiator: &str, responder: &str, threads: usize) -> Setup {
    Setup {
        protocol: &PROTOCOL,
        initiator: initiator.parse().expect("a side"),
        responder: responder.parse().expect("a side"),
        stream: STREAM,
        bounds: Bounds::default(),
        seed: 1,
        threads,
        extra: Vec::new(),
    }
}

/// Different states of a pair.
fn pair(side: &str, threads: usize) -> usize {
    let explored = explore(&setup(side, side, threads), &mut |_, threads| join(threads));
    let explored = explored.expect("an exploration");
    assert!(explored.complete);
    explored.progress.distinct
}

/// Explores one pair and says how large it is.
fn one(initiator: &str, responder: &str, threads: usize) {
    let begin = Instant::now();
    let setup = setup(initiator, responder, threads);
    let explored = explore(&setup, &mut |_, threads| join(threads)).expect("an exploration");
    let progress = explored.progress;
    eprintln!(
        "| {initiator} at {responder} | {} | {} | {} | {:.1} s | {} |",
        progress.distinct,
        progress.generated,
        progress.depth,
        begin.elapsed().as_secs_f64(),
        match explored.violation.and_then(|trace| trace.violation) {
            Some(violation) => violation.requirement,
            None => "complete".to_owned(),
        }
    );
}

/// Two-phase commit of so many resource managers.
struct TwoPhase(u8);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Commit {
    managers: Vec<Manager>,
    transaction: Transaction,
    prepared: BTreeSet<u8>,
    messages: BTreeSet<Message>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Manager {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Transaction {
    Init,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Prepared(u8),
    Commit,
    Abort,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Move {
    HearsPrepared(u8),
    Commits,
    Aborts,
    Prepares(u8),
    Refuses(u8),
    HearsCommit(u8),
    HearsAbort(u8),
}

impl Model for TwoPhase {
    type State = Commit;
    type Action = Move;

    fn init_states(&self) -> Vec<Commit> {
        vec![Commit {
            managers: vec![Manager::Working; usize::from(self.0)],
            transaction: Transaction::Init,
            prepared: BTreeSet::new(),
            messages: BTreeSet::new(),
        }]
    }

    fn actions(&self, state: &Commit, actions: &mut Vec<Move>) {
        let is_open = state.transaction == Transaction::Init;
        if is_open {
            if state.prepared.len() == usize::from(self.0) {
                actions.push(Move::Commits);
            }
            actions.push(Move::Aborts);
        }
        for (manager, is) in (0..).zip(&state.managers) {
            if is_open && state.messages.contains(&Message::Prepared(manager)) {
                actions.push(Move::HearsPrepared(manager));
            }
            if *is == Manager::Working {
                actions.extend([Move::Prepares(manager), Move::Refuses(manager)]);
            }
            if state.messages.contains(&Message::Commit) {
                actions.push(Move::HearsCommit(manager));
            }
            if state.messages.contains(&Message::Abort) {
                actions.push(Move::HearsAbort(manager));
            }
        }
    }

    fn next_state(&self, state: &Commit, action: Move) -> Option<Commit> {
        let mut next = state.clone();
        match action {
            Move::HearsPrepared(manager) => {
                next.prepared.insert(manager);
            }
            Move::Commits => {
                next.transaction = Transaction::Done;
                next.messages.insert(Message::Commit);
            }
            Move::Aborts => {
                next.transaction = Transaction::Done;
                next.messages.insert(Message::Abort);
            }
            Move::Prepares(manager) => {
                next.managers[usize::from(manager)] = Manager::Prepared;
                next.messages.insert(Message::Prepared(manager));
            }
            Move::Refuses(manager) | Move::HearsAbort(manager) => {
                next.managers[usize::from(manager)] = Manager::Aborted;
            }
            Move::HearsCommit(manager) => {
                next.managers[usize::from(manager)] = Manager::Committed;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("consistent", |_, state: &Commit| {
            let any = |what| state.managers.contains(&what);
            !(any(Manager::Committed) && any(Manager::Aborted))
        })]
    }
}

/// Different states of two-phase commit.
fn two_phase(managers: u8, threads: usize) -> usize {
    let checker = TwoPhase(managers).checker().threads(threads);
    let checker = checker.spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

/// Different states, and how many a second.
fn rate(work: impl Fn() -> usize) -> (usize, f64) {
    let round = |_| {
        let begin = Instant::now();
        let states = work();
        (states, states as f64 / begin.elapsed().as_secs_f64())
    };
    let rounds = (0..ROUNDS).map(round);
    rounds
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .expect("rounds")
}

fn main() {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let arguments = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    if let [initiator, responder] = &arguments.collect::<Vec<_>>()[..] {
        return one(initiator, responder, processors);
    }
    // The numbers that are known of it.
    assert_eq!([3, 5].map(|managers| two_phase(managers, 1)), [288, 8_832]);
    for threads in BTreeSet::from([1, processors]) {
        let (states, commit) = rate(|| two_phase(7, threads));
        eprintln!(
            "{threads} threads: two-phase commit of 7: {states} states, {commit:.0} a second"
        );
        for side in ["legacy", "3way", "start3"] {
            let (states, pair) = rate(|| pair(side, threads));
            let share = pair / commit;
            eprintln!(
                "{threads} threads: {side} at {side}: {states} states, {pair:.0} a second, \
                 {share:.2} of two-phase commit"
            );
        }
    }
}
