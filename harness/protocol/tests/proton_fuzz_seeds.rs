//! The body of the fuzz target `proton_monitor` over every seed and every input that once broke it, and
//! the seeds themselves: sessions, and what can go wrong in each.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-protocol --test proton_fuzz_seeds` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/proton_plan.rs"]
mod proton_plan;
#[path = "support/seeds.rs"]
mod seeds;

use proton_plan::Draft;
use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_protocol::proton::fuzz::{self, StepKind};

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("proton_monitor", fuzz::monitor);
}

/// The same drafts under each of these options.
fn seeds(drafts: &[(&str, Draft)], options: &[(&str, u8)]) -> Seeds {
    let mut seeds = Seeds::new();
    for (name, draft) in drafts {
        for (option, bits) in options {
            seeds.insert(format!("{name}-{option}"), draft.with(*bits));
        }
    }
    seeds
}

/// What either side may do wrong on a connection.
fn wrongs() -> Vec<(&'static str, Draft)> {
    let one = |what, stream, bytes: &[u8]| Draft::default().step(what, 0, stream, bytes);
    vec![
        (
            "id-again",
            one(StepKind::Bytes, 0, &[5, 0, 0, 0, 5, 0, 0, 0]),
        ),
        ("id-0", one(StepKind::Bytes, 0, &[0; 4])),
        ("unknown-kind", one(StepKind::Bytes, 12, &[9])),
        ("kind-again", one(StepKind::Bytes, 12, &[1])),
        ("fourth", one(StepKind::Opened, 12, &[])),
        ("unidirectional", one(StepKind::Opened, 2, &[])),
        ("of-the-server", one(StepKind::Bytes, 1, &[1])),
        ("fin", one(StepKind::Fin, 0, &[])),
        (
            "cut-word",
            one(StepKind::Bytes, 4, &[1, 2]).step(StepKind::Fin, 0, 4, &[]),
        ),
        ("reset", one(StepKind::Reset, 4, &[7])),
        ("stopped", one(StepKind::Stopped, 8, &[7])),
        ("datagram", one(StepKind::Datagram, 0, &[1])),
        ("closed", one(StepKind::Closed, 0, &[5])),
        ("lost", one(StepKind::Closed, 2, &[])),
        ("stateless", one(StepKind::Closed, 4, &[])),
    ]
}

#[test]
fn seeds_of_the_monitor_are_sessions_and_what_goes_wrong_in_them() {
    const SERVER: u8 = 128;
    let session = |connection: u8| {
        Draft::default()
            .step(StepKind::Asked, connection, 2 * connection, &[])
            .step(StepKind::Command, connection, 1, &[])
            .step(StepKind::Connected, connection | SERVER, 0, &[])
            .step(StepKind::Opened, connection, 0, &[])
            .step(StepKind::Bytes, connection, 0, &[1])
            .step(StepKind::Opened, connection, 4, &[])
            .step(StepKind::Bytes, connection, 4, &[2])
            .step(StepKind::Opened, connection, 8, &[])
            .step(StepKind::Bytes, connection, 8, &[3])
    };
    let talk = session(0)
        .word(0, 0, 1)
        .word(SERVER, 0, 1)
        .word(0, 4, 42)
        .word(SERVER, 4, 84)
        .word(SERVER, 8, 123)
        .wait(1_000)
        .word(SERVER, 8, 124);
    let both = |what, stream, bytes: &[u8]| {
        talk.clone()
            .step(what, 0, stream, bytes)
            .step(what, SERVER, stream, bytes)
    };
    let second = talk
        .clone()
        .then(&session(1))
        .wait(3_000)
        .word(SERVER, 8, 1)
        .word(1 | SERVER, 8, 1);
    let resets = talk
        .clone()
        .step(StepKind::Asked, 1, 2, &[])
        .step(StepKind::Command, 1, 1, &[])
        .step(StepKind::Connected, 1 | SERVER, 0, &[])
        .step(StepKind::Opened, 1, 0, &[])
        .step(StepKind::Bytes, 1, 0, &[0xFF])
        .wait(3_000)
        .word(SERVER, 8, 1);
    let mut drafts = vec![
        ("talk", talk.clone()),
        ("backwards", talk.reversed()),
        ("each-twice", talk.each(2)),
        ("second", second),
        ("resets", resets),
        ("closed", both(StepKind::Closed, 0, &[5])),
        ("closed-by-quic", both(StepKind::Closed, 1, &[12])),
        (
            "full-windows",
            both(StepKind::Written, 2, &[12])
                .wait(400_000)
                .word(SERVER, 8, 9),
        ),
        ("raised-windows", both(StepKind::Written, 0, &[200])),
        ("lost", both(StepKind::Deadline, 0, &[]).word(SERVER, 0, 7)),
        (
            "unreadable",
            both(StepKind::Stop, 0, &[]).word(SERVER, 0, 7),
        ),
        ("no-secrets", both(StepKind::Stop, 1, &[])),
        (
            "no-answers",
            session(0)
                .word(0, 0, 1)
                .word(0, 4, 1)
                .wait(400_000)
                .word(0, 0, 2),
        ),
        ("vanished", talk.clone().wait(20_000).word(SERVER, 8, 125)),
        ("too-soon", talk.clone().wait(7_000).then(&session(2))),
    ];
    for (name, wrong) in wrongs() {
        drafts.push((
            name,
            talk.clone().then(&wrong).wait(5_000).word(SERVER, 8, 125),
        ));
    }
    let options = [
        ("path", 0),
        ("sender", 1 + 2),
        ("pull", 4 + 1),
        ("push", 8 + 16),
    ];
    assert_up_to_date("proton_monitor", &seeds(&drafts, &options));
}
