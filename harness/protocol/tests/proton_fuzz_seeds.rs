//! The bodies of the fuzz targets of proton over every seed and every input that once broke one, and
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
use rstest::rstest;
use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_protocol::proton::fuzz::{self, What};

#[rstest]
#[case("proton_server", fuzz::server)]
#[case("proton_client", fuzz::client)]
#[case("proton_monitor", fuzz::monitor)]
fn every_seed_and_every_former_crash_passes(#[case] target: &str, #[case] body: fn(&[u8])) {
    replay(target, body);
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

/// A client comes.
fn comes(connection: u8) -> Draft {
    Draft::default()
        .step(What::Asked, connection, 0, &[])
        .step(What::Connected, connection, 0, &[])
}

/// A client with its three streams.
fn served(connection: u8) -> Draft {
    comes(connection)
        .step(What::Opened, connection, 0, &[])
        .step(What::Bytes, connection, 0, &[1])
        .step(What::Bytes, connection, 4, &[2])
        .step(What::Bytes, connection, 8, &[3])
}

/// A client that resets, with its three streams.
fn resets(connection: u8) -> Draft {
    comes(connection)
        .step(What::Bytes, connection, 0, &[0xFF])
        .step(What::Fin, connection, 0, &[])
        .step(What::Bytes, connection, 4, &[1])
        .step(What::Bytes, connection, 8, &[2])
        .step(What::Bytes, connection, 12, &[3])
}

#[test]
fn seeds_of_the_server_are_sessions_and_what_goes_wrong_in_them() {
    let talk = served(0)
        .word(0, 0, 1)
        .step(What::Written, 0, 0, &[])
        .step(What::Bytes, 0, 0, &[2, 0, 0, 0, 9, 0])
        .step(What::Bytes, 0, 0, &[0, 0])
        .word(0, 4, 42)
        .word(0, 4, u32::MAX)
        .step(What::Deadline, 0, 0, &[])
        .step(What::Written, 0, 4, &[])
        .word(0, 8, 1)
        .wait(1_500)
        .step(What::Written, 0, 8, &[])
        .step(What::Closed, 0, 0, &[0]);
    let sensible = (0..8).fold(comes(0), |draft, n| {
        let draft = draft.step(What::Sense, 0, n % 3 * 4, &[n]);
        draft.step(What::Written, 0, n % 3 * 4, &[])
    });
    let second = served(0)
        .word(0, 0, 1)
        .then(&comes(1))
        .step(What::Bytes, 1, 0, &[1]);
    let unread = (0..60)
        .fold(served(0), |draft, n| draft.word(0, 0, n + 1))
        .wait(300_000);
    let mut drafts = vec![
        ("talk", talk.clone()),
        ("sensible", sensible),
        ("talk-twice", talk.then(&served(1)).word(1, 0, 1)),
        ("second", second.clone()),
        ("second-is-late", served(0).then(&comes(1)).wait(1_000)),
        (
            "second-resets",
            served(0).word(0, 0, 5).then(&resets(1)).word(1, 4, 1),
        ),
        ("third", second.then(&comes(2))),
        ("first-resets", resets(0).word(0, 4, 1).word(0, 8, 7)),
        ("unread", unread.clone()),
        ("slow-commit", served(0).word(0, 4, 5).wait(240_000)),
        (
            "late-word",
            served(0).step(What::Bytes, 0, 0, &[1, 0]).wait(300_000),
        ),
        ("no-streams", comes(0).wait(5_000)),
        (
            "silent-stream",
            comes(0).step(What::Opened, 0, 0, &[]).wait(1_000),
        ),
        (
            "in-the-handshake",
            Draft::default()
                .step(What::Asked, 0, 0, &[])
                .step(What::Closed, 0, 2, &[]),
        ),
        (
            "late",
            Draft::default().wait(10_000).then(&served(0)).word(0, 0, 3),
        ),
        (
            "stop",
            served(0).then(&comes(1)).step(What::Stop, 0, 0, &[]),
        ),
    ];
    for (name, wrong) in wrongs() {
        drafts.push((name, served(0).then(&wrong)));
    }
    let many = (0..390_u32).fold(served(0).word(0, 0, 1), |draft, n| {
        let ids = (2 + n * 63..).take(63).flat_map(u32::to_le_bytes);
        draft.step(What::Bytes, 0, 0, &ids.collect::<Vec<_>>())
    });
    let options = [
        ("push", 0),
        ("pull", 1),
        ("no-reset", 2),
        ("slow", 4 + 8),
        ("wild", 128 + 16),
    ];
    let mut seeds = seeds(&drafts, &options);
    seeds.insert("reads-and-does-not-answer".to_owned(), many.with(0));
    assert_up_to_date("proton_server", &seeds);
}

/// What either side may do wrong on a connection.
fn wrongs() -> Vec<(&'static str, Draft)> {
    let one = |what, stream, bytes: &[u8]| Draft::default().step(what, 0, stream, bytes);
    vec![
        ("id-again", one(What::Bytes, 0, &[5, 0, 0, 0, 5, 0, 0, 0])),
        ("id-0", one(What::Bytes, 0, &[0; 4])),
        ("unknown-kind", one(What::Bytes, 12, &[9])),
        ("kind-again", one(What::Bytes, 12, &[1])),
        ("fourth", one(What::Opened, 12, &[])),
        ("unidirectional", one(What::Opened, 2, &[])),
        ("of-the-server", one(What::Bytes, 1, &[1])),
        ("fin", one(What::Fin, 0, &[])),
        (
            "cut-word",
            one(What::Bytes, 4, &[1, 2]).step(What::Fin, 0, 4, &[]),
        ),
        ("reset", one(What::Reset, 4, &[7])),
        ("stopped", one(What::Stopped, 8, &[7])),
        ("datagram", one(What::Datagram, 0, &[1])),
        ("closed", one(What::Closed, 0, &[5])),
        ("lost", one(What::Closed, 2, &[])),
        ("stateless", one(What::Closed, 4, &[])),
    ]
}

#[test]
fn seeds_of_the_client_are_sessions_and_what_goes_wrong_in_them() {
    let ask = |what: u8, number: u8| Draft::default().step(What::Command, 0, what, &[number]);
    let connected = |resets| ask(resets, 0).step(What::Connected, 0, 0, &[]);
    let written = |draft: Draft| {
        let streams = [0, 4, 8, 12].into_iter();
        streams.fold(draft, |draft, stream| {
            draft.step(What::Written, 0, stream, &[])
        })
    };
    let ready = written(connected(0));
    let asked = ready
        .clone()
        .then(&ask(2, 0))
        .then(&ask(2, 0))
        .then(&ask(3, 42))
        .then(&ask(4, 0));
    let answered = asked
        .clone()
        .step(What::Sense, 0, 0, &[])
        .step(What::Sense, 0, 0, &[])
        .step(What::Sense, 0, 4, &[])
        .word(0, 8, 123);
    let again = answered
        .clone()
        .step(What::Closed, 0, 2, &[])
        .then(&ask(1, 0))
        .step(What::Connected, 1, 0, &[])
        .then(&ask(2, 0));
    let items = (0..60).fold(ready.clone(), |draft, n| draft.word(0, 8, n));
    let many = (0..10).fold(ready.clone(), |draft, _| draft.then(&ask(2, 0)));
    let mut drafts = vec![
        ("answered", answered.clone().then(&ask(5, 0))),
        ("again", again),
        (
            "in-pieces",
            asked
                .clone()
                .step(What::Bytes, 0, 0, &[1, 0])
                .step(What::Bytes, 0, 0, &[0, 0]),
        ),
        (
            "resets",
            written(connected(1))
                .then(&ask(2, 0))
                .step(What::Sense, 0, 4, &[]),
        ),
        ("not-answered", asked.clone().wait(300_000)),
        ("not-taken", connected(0).wait(300_000)),
        ("items", items.then(&ask(4, 0))),
        ("ids-run-out", many),
        ("wrong-ack", asked.clone().word(0, 0, 7)),
        ("ack-of-nothing", ready.clone().word(0, 0, 1)),
        ("answer-to-nothing", ready.clone().word(0, 4, 1)),
        ("item-of-nothing", ready.word(0, 8, 1)),
        (
            "not-connected",
            ask(2, 0).then(&ask(3, 1)).then(&ask(4, 0)).then(&ask(5, 0)),
        ),
        (
            "refused",
            ask(0, 0).step(What::Closed, 0, 3, &[]).then(&ask(0, 0)),
        ),
        ("stop", answered.step(What::Stop, 0, 0, &[])),
    ];
    for (name, wrong) in wrongs() {
        drafts.push((name, asked.clone().then(&wrong)));
    }
    let options = [("push", 0), ("pull", 1), ("last-ids", 2), ("wild", 128)];
    assert_up_to_date("proton_client", &seeds(&drafts, &options));
}

#[test]
fn seeds_of_the_monitor_are_sessions_and_what_goes_wrong_in_them() {
    const SERVER: u8 = 128;
    let session = |connection: u8| {
        Draft::default()
            .step(What::Asked, connection, 2 * connection, &[])
            .step(What::Command, connection, 1, &[])
            .step(What::Connected, connection | SERVER, 0, &[])
            .step(What::Opened, connection, 0, &[])
            .step(What::Bytes, connection, 0, &[1])
            .step(What::Opened, connection, 4, &[])
            .step(What::Bytes, connection, 4, &[2])
            .step(What::Opened, connection, 8, &[])
            .step(What::Bytes, connection, 8, &[3])
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
        .step(What::Asked, 1, 2, &[])
        .step(What::Command, 1, 1, &[])
        .step(What::Connected, 1 | SERVER, 0, &[])
        .step(What::Opened, 1, 0, &[])
        .step(What::Bytes, 1, 0, &[0xFF])
        .wait(3_000)
        .word(SERVER, 8, 1);
    let mut drafts = vec![
        ("talk", talk.clone()),
        ("backwards", talk.reversed()),
        ("each-twice", talk.each(2)),
        ("second", second),
        ("resets", resets),
        ("closed", both(What::Closed, 0, &[5])),
        ("closed-by-quic", both(What::Closed, 1, &[12])),
        (
            "full-windows",
            both(What::Written, 2, &[12])
                .wait(400_000)
                .word(SERVER, 8, 9),
        ),
        ("raised-windows", both(What::Written, 0, &[200])),
        ("lost", both(What::Deadline, 0, &[]).word(SERVER, 0, 7)),
        ("unreadable", both(What::Stop, 0, &[]).word(SERVER, 0, 7)),
        ("no-secrets", both(What::Stop, 1, &[])),
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
