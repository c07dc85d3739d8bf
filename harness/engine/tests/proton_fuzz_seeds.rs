//! The body of the fuzz target `proton_judged` over every seed and every input that once broke it,
//! and the seeds themselves: sessions of the reference with peers, good ones and bad ones.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-engine --test proton_fuzz_seeds` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../protocol/tests/support/proton_plan.rs"]
#[expect(dead_code, reason = "other plans are written in more ways")]
mod proton_plan;
#[path = "../../protocol/tests/support/seeds.rs"]
mod seeds;

use proton_plan::Draft;
use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_engine::fuzz;
use shakedown_protocol::proton::PROTOCOL;
use shakedown_protocol::proton::fuzz::{StepKind, participants};

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("proton_judged", |bytes| {
        fuzz::planned(&PROTOCOL, &|| participants(bytes));
    });
}

/// Steps of a peer, a tenth of a second apart.
fn slowly(steps: &[(StepKind, u8, u8, &[u8])]) -> Draft {
    steps
        .iter()
        .fold(Draft::default(), |draft, (what, peer, stream, bytes)| {
            draft.step(*what, *peer, *stream, bytes).wait(100)
        })
}

/// What either peer may do wrong.
fn wrongs() -> Vec<(&'static str, Draft)> {
    let one =
        |what, stream, bytes: &[u8]| Draft::default().step(what, 0, stream, bytes).wait(3_000);
    vec![
        (
            "unknown-kind",
            one(StepKind::Opened, 12, &[]).then(&one(StepKind::Bytes, 12, &[9])),
        ),
        ("id-again", one(StepKind::Bytes, 0, &[1, 0, 0, 0])),
        (
            "half-a-word",
            one(StepKind::Bytes, 4, &[1, 0]).wait(310_000),
        ),
        (
            "half-a-word-and-fin",
            one(StepKind::Bytes, 4, &[1, 0]).then(&one(StepKind::Fin, 4, &[])),
        ),
        ("fin", one(StepKind::Fin, 0, &[])),
        ("reset", one(StepKind::Reset, 4, &[7])),
        ("stop", one(StepKind::Stopped, 0, &[7])),
        ("datagram", one(StepKind::Datagram, 0, &[7])),
        (
            "unidirectional",
            one(StepKind::Opened, 2, &[]).then(&one(StepKind::Bytes, 2, &[9])),
        ),
        (
            "of-the-server",
            one(StepKind::Opened, 1, &[]).then(&one(StepKind::Bytes, 1, &[9])),
        ),
        ("closes", one(StepKind::Closed, 0, &[0])),
        ("closes-with-99", one(StepKind::Closed, 0, &[99])),
        ("falls-silent", one(StepKind::Stop, 0, &[]).wait(20_000)),
        (
            "silent-for-a-while",
            one(StepKind::Stop, 0, &[]).then(&one(StepKind::Stop, 0, &[])),
        ),
        (
            "does-not-read",
            one(StepKind::Written, 0, &[]).wait(400_000),
        ),
    ]
}

#[test]
fn seeds_are_sessions_of_the_reference_with_peers() {
    const CLIENT: u8 = 1;
    let sets_up: [(StepKind, u8, u8, &[u8]); 4] = [
        (StepKind::Asked, 0, 0, &[]),
        (StepKind::Sense, 0, 0, &[]),
        (StepKind::Sense, 0, 4, &[]),
        (StepKind::Sense, 0, 8, &[]),
    ];
    let talks: [(StepKind, u8, u8, &[u8]); 4] = [
        (StepKind::Sense, 0, 0, &[]),
        (StepKind::Sense, 0, 4, &[]),
        (StepKind::Sense, 0, 0, &[1]),
        (StepKind::Bytes, 0, 4, &[42, 0, 0, 0, 7]),
    ];
    let session = slowly(&sets_up).then(&slowly(&talks)).wait(2_000);
    let other = |peer| {
        slowly(&[
            (StepKind::Asked, peer, 0, &[]),
            (StepKind::Sense, peer, 0, &[]),
        ])
    };
    let resets = slowly(&[
        (StepKind::Asked, 1, 0, &[]),
        (StepKind::Command, 1, 0, &[]),
        (StepKind::Sense, 1, 4, &[]),
        (StepKind::Sense, 1, 8, &[]),
        (StepKind::Sense, 1, 12, &[]),
        (StepKind::Sense, 1, 4, &[]),
    ]);
    let mut of_clients = vec![
        ("talk", session.clone()),
        (
            "largest-id",
            session
                .clone()
                .then(&slowly(&[(StepKind::Sense, 0, 0, &[0xFF; 4])])),
        ),
        ("slow-commit", session.clone().wait(250_000)),
        (
            "second",
            session.clone().then(&other(1)).then(&other(2)).wait(5_000),
        ),
        (
            "second-says-nothing",
            session.clone().step(StepKind::Asked, 1, 0, &[]).wait(5_000),
        ),
        ("resets", session.clone().then(&resets).wait(5_000)),
        (
            "resets-with-another-byte",
            session.clone().then(&slowly(&[
                (StepKind::Asked, 1, 0, &[]),
                (StepKind::Opened, 1, 0, &[]),
                (StepKind::Bytes, 1, 0, &[0xFF, 7]),
            ])),
        ),
        (
            "second-ends-a-stream-while-the-first-asks",
            session
                .clone()
                .then(&slowly(&[
                    (StepKind::Asked, 1, 0, &[]),
                    (StepKind::Opened, 1, 0, &[]),
                    (StepKind::Fin, 1, 0, &[]),
                    (StepKind::Sense, 0, 0, &[]),
                ]))
                .wait(310_000),
        ),
        (
            "after-the-first",
            session
                .clone()
                .step(StepKind::Closed, 0, 0, &[])
                .then(&other(1))
                .wait(8_000),
        ),
        (
            "no-streams",
            slowly(&[(StepKind::Asked, 0, 0, &[])]).wait(8_000),
        ),
    ];
    for (name, wrong) in wrongs() {
        of_clients.push((name, session.clone().then(&wrong)));
    }
    let mut seeds = Seeds::new();
    let options = [
        ("push", 0),
        ("pull", 2 + 128),
        ("slow", 4 + 8 + 64),
        ("path", 16 + 32 + 64),
    ];
    for (name, draft) in &of_clients {
        for (option, bits) in options {
            seeds.insert(format!("server-{name}-{option}"), draft.with(bits));
        }
    }
    let asks: [(StepKind, u8, u8, &[u8]); 5] = [
        (StepKind::Command, 0, 0, &[]),
        (StepKind::Command, 0, 2, &[]),
        (StepKind::Command, 0, 2, &[]),
        (StepKind::Command, 0, 3, &[42]),
        (StepKind::Command, 0, 4, &[]),
    ];
    let asked = slowly(&asks);
    let acked = asked.clone().then(&slowly(&[
        (StepKind::Sense, 0, 0, &[]),
        (StepKind::Sense, 0, 0, &[]),
    ]));
    let mut of_servers = vec![
        ("acks", acked.clone()),
        (
            "acks-twice",
            acked
                .clone()
                .then(&slowly(&[(StepKind::Bytes, 0, 0, &[1, 0, 0, 0])])),
        ),
        (
            "answers",
            acked
                .clone()
                .then(&slowly(&[(StepKind::Bytes, 0, 4, &[84, 0, 0, 0])])),
        ),
        (
            "items",
            acked
                .clone()
                .then(&slowly(&[(StepKind::Bytes, 0, 8, &[1, 0, 0, 0, 2, 0])])),
        ),
        (
            "refuses",
            slowly(&[(StepKind::Asked, 0, 0, &[]), (StepKind::Command, 0, 0, &[])]).then(&asked),
        ),
        ("does-not-answer", asked.wait(310_000)),
        (
            "ends",
            acked
                .clone()
                .then(&slowly(&[(StepKind::Command, 0, 5, &[])]))
                .wait(12_000),
        ),
    ];
    for (name, wrong) in wrongs() {
        let again = slowly(&[
            (StepKind::Command, 0, 1, &[]),
            (StepKind::Command, 0, 2, &[]),
        ]);
        of_servers.push((name, acked.clone().then(&wrong).then(&again)));
    }
    for (name, draft) in &of_servers {
        for (option, bits) in options {
            seeds.insert(format!("client-{name}-{option}"), draft.with(bits | CLIENT));
        }
    }
    assert_up_to_date("proton_judged", &seeds);
}
