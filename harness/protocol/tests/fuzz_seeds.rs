//! The bodies of the fuzz targets over every seed and every input that once broke one, and the
//! seeds themselves: they are made from the frame vectors.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-protocol --test fuzz_seeds` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/conversation.rs"]
mod conversation;
#[path = "support/judged_seeds.rs"]
mod judged_seeds;
#[path = "support/seeds.rs"]
mod seeds;
#[path = "support/vector.rs"]
#[expect(
    dead_code,
    reason = "what becomes of a datagram is another test's matter"
)]
mod vector;
#[path = "support/vector_seeds.rs"]
mod vector_seeds;

use std::time::Duration;

use conversation::{Sent, conversation};
use rstest::rstest;
use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_protocol::mediastream::fuzz::{self, Event, FuzzInput};
use vector::{Dialect, Vector};
use vector_seeds::{arbitrary_frame, datagrams_by_form, name, vectors};

#[rstest]
#[case("decode_legacy", fuzz::decode_legacy)]
#[case("decode_3way", fuzz::decode_3way)]
#[case("decode_start3", fuzz::decode_start3)]
#[case("round_trip", fuzz::round_trip)]
#[case("monitor", fuzz::monitor)]
fn every_seed_and_every_former_crash_passes(#[case] target: &str, #[case] body: fn(&[u8])) {
    replay(target, body);
}

#[test]
fn seeds_of_decoding_are_those_of_the_vectors() {
    let vectors = vectors();
    let seeds = |dialects: &[Dialect]| -> Seeds {
        let takes = |vector: &&Vector| {
            dialects
                .iter()
                .any(|dialect| vector.modes.contains(dialect))
        };
        let taken = vectors.iter().filter(takes);
        taken
            .map(|vector| (name(vector), vector.datagram()))
            .collect()
    };
    assert_up_to_date("decode_legacy", &seeds(&[Dialect::Legacy]));
    let both = [Dialect::ThreeWay, Dialect::ThreeWayWithStart];
    assert_up_to_date("decode_3way", &seeds(&both));
    let start3 = [
        Dialect::LegacyWithUploads,
        Dialect::Start3,
        Dialect::Start3WithStart,
        Dialect::ThreeWayAndStart3,
    ];
    assert_up_to_date("decode_start3", &seeds(&start3));
}

#[test]
fn seeds_of_the_round_trip_are_those_of_the_good_vectors() {
    let good = vectors()
        .into_iter()
        .filter(|vector| vector.decoded.is_some());
    let seeds = good.map(|vector| (name(&vector), arbitrary_frame(&vector.datagram())));
    assert_up_to_date("round_trip", &seeds.collect());
}

#[test]
fn seeds_of_the_monitor_are_sessions_of_the_machines_and_vectors_within_them() {
    let mut seeds = Seeds::new();
    let conversations = [
        ("legacy", conversation("legacy", &[])),
        ("3way", conversation("3way", &[])),
        (
            "3way-optimistic",
            conversation("3way", &["optimistic_start"]),
        ),
        ("start3", conversation("start3", &[])),
        (
            "start3-begins-immediately",
            conversation("start3", &["begin_immediately"]),
        ),
    ];
    for (name, packets) in &conversations {
        let events = events(packets);
        for (settings, options) in [
            ("sender", 1 + 2),
            ("path", 0),
            ("cut", 16),
            ("told", 1 + 2 + 4 + 8),
        ] {
            let mode = match name.get(..4) {
                Some("lega") => 0,
                Some("3way") => 32,
                _ => 64,
            };
            let options = options + mode;
            let plan = FuzzInput {
                options,
                events: events.clone(),
            };
            seeds.insert(format!("{name}-{settings}"), plan.write());
        }
        let backwards = FuzzInput {
            options: 1,
            events: events.iter().rev().copied().collect(),
        };
        seeds.insert(format!("{name}-backwards"), backwards.write());
        let twice = events.iter().flat_map(|event| [*event; 2]).collect();
        let twice = FuzzInput {
            options: 1,
            events: twice,
        };
        seeds.insert(format!("{name}-twice"), twice.write());
    }
    let vectors = vectors();
    for (form, datagrams) in datagrams_by_form(&vectors) {
        for (name, packets) in [0, 1, 3].map(|index| &conversations[index]) {
            let whole = events(packets);
            let (begin, end) = whole.split_at(10);
            let both = |payload| [0, 1].map(|peer| Event::Datagram { peer, payload });
            let middle: Vec<_> = datagrams.iter().flat_map(|payload| both(payload)).collect();
            let plan = FuzzInput {
                options: 1,
                events: [begin, &middle, end].concat(),
            };
            seeds.insert(format!("{name}-vectors-{form}"), plan.write());
        }
    }
    let strangers: Vec<_> = (0..=255)
        .flat_map(|choice| {
            [
                Event::Answer {
                    peer: choice,
                    choice,
                },
                Event::Deadline,
            ]
        })
        .collect();
    for (name, options) in [
        ("every-datagram-between-all", 0),
        ("every-datagram-of-start3-between-all", 64),
    ] {
        let events = strangers.clone();
        seeds.insert(name.to_owned(), FuzzInput { options, events }.write());
    }
    assert_up_to_date("monitor", &seeds);
}

#[test]
fn seeds_of_judged_machines_are_conversations() {
    assert_up_to_date("judged_initiator", &judged_seeds::initiator());
    assert_up_to_date("judged_responder", &judged_seeds::responder());
}

/// A conversation as events of a plan; times to the millisecond.
fn events(packets: &[Sent]) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    let mut now = Duration::ZERO;
    for (time, from_responder, payload) in packets {
        let passed = Duration::from_millis((*time - now).as_millis() as u64);
        if !passed.is_zero() {
            now += passed;
            events.push(Event::Wait(passed));
        }
        let peer = u8::from(*from_responder);
        events.push(Event::Datagram { peer, payload });
    }
    events
}
