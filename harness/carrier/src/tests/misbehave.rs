//! What a test peer does, and how quinn answers it at the other end.

use std::collections::BTreeMap;

use shakedown_protocol::streams::{ConnectOptions, Fault, Faults, Output, StreamId};

use super::pair::{client_address, server_address, settings, tester};
use super::test_peer::{FIRST, Puppets, SECOND, STREAM, TestPeer, write};
use crate::{Security, Socket};

const BIDIRECTIONAL: u64 = 0x08;

const PLAIN: Security = Security::Plain(5);

/// A client that misbehaves from the beginning, connected to somebody who does not.
fn pair(faults: Faults, security: Security) -> Puppets {
    let mut pair = Puppets::with(&settings(security), &tester(security));
    pair.client([connect(faults)]);
    assert!(pair.puppets().iter().all(|it| it.has_heard("0 connected")));
    pair
}

fn connect(faults: Faults) -> Output {
    let how = ConnectOptions {
        faults,
        ..ConnectOptions::default()
    };
    Output::ConnectBy(FIRST, how)
}

fn streams(is_of_server: u64, count: u64) -> impl Iterator<Item = Output> {
    (0..count).flat_map(move |n| {
        let id = StreamId(n << 2 | is_of_server);
        [Output::Open(FIRST, id), write(id, 1)]
    })
}

fn misbehave(pair: &mut Puppets, fault: Fault) {
    pair.client([Output::Misbehave(FIRST, fault)]);
}

#[test]
fn limits_are_announced_and_not_kept() {
    let faults = Faults {
        announced: BTreeMap::from([(BIDIRECTIONAL, 100)]),
        ..Faults::default()
    };
    let mut pair = pair(faults, Security::Seeded(5));
    // There is room for 3 streams, and 8 that a tester admits besides.
    pair.server(streams(1, 11));
    assert!(pair.puppets()[1].has_heard("stream 41: 1 bytes"));
    pair.server([Output::Open(FIRST, StreamId(45)), write(StreamId(45), 1)]);
    // STREAM_LIMIT_ERROR.
    assert!(pair.puppets().iter().all(|it| it.has_heard("0 failed 0x4")));
}

#[test]
fn limits_of_the_other_side_are_overrun() {
    for security in [PLAIN, Security::Seeded(5)] {
        let faults = Faults {
            believed: BTreeMap::from([(BIDIRECTIONAL, 4)]),
            ..Faults::default()
        };
        let mut pair = pair(faults, security);
        pair.client(streams(0, 3));
        assert!(pair.puppets()[0].has_heard("stream 8: 1 bytes"));
        pair.client([Output::Open(FIRST, StreamId(12)), write(StreamId(12), 1)]);
        assert!(pair.puppets().iter().all(|it| it.has_heard("0 failed 0x4")));
    }
}

#[test]
fn frames_of_a_packet_are_replaced() {
    let mut pair = pair(Faults::default(), PLAIN);
    // There is no room for so many in any packet.
    misbehave(&mut pair, Fault::Replace(vec![1; 4000]));
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 9)]);
    assert!(pair.puppets()[0].has_heard("stream 0: 9 bytes"));
    // HANDSHAKE_DONE, which a client must not send: PROTOCOL_VIOLATION.
    misbehave(&mut pair, Fault::Replace(vec![0x1e]));
    pair.client([]);
    pair.client([write(STREAM, 9)]);
    assert!(pair.puppets().iter().all(|it| it.has_heard("0 failed 0xA")));
    assert_eq!(pair.puppets()[0].got.len(), 9);
}

#[test]
fn who_is_deaf_hears_again_what_was_not_acknowledged() {
    let mut pair = pair(Faults::default(), PLAIN);
    misbehave(&mut pair, Fault::Deaf(true));
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 9)]);
    pair.server([write(STREAM, 5)]);
    assert!(pair.puppets()[0].has_heard("stream 0: 9 bytes"));
    assert!(!pair.puppets()[1].has_heard("stream 0: 5 bytes"));
    misbehave(&mut pair, Fault::Deaf(false));
    pair.client([]);
    assert!(pair.puppets()[1].has_heard("stream 0: 5 bytes"));
}

#[test]
fn a_connection_moves_to_another_socket() {
    let mut pair = pair(Faults::default(), PLAIN);
    let count = pair.sent.len();
    misbehave(&mut pair, Fault::Move);
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 9)]);
    pair.server([write(STREAM, 5)]);
    assert!(pair.puppets()[0].has_heard("stream 0: 9 bytes"));
    assert!(pair.puppets()[1].has_heard("stream 0: 5 bytes"));
    assert_eq!(pair.opened, [Socket(1)]);
    let new = client_address(0, Socket(1));
    let (from, to): (Vec<_>, Vec<_>) = pair.sent[count..]
        .iter()
        .partition(|packet| packet.to == server_address());
    assert!(from.iter().all(|packet| packet.from == new));
    assert_eq!(to.last().unwrap().to, new);
}

#[test]
fn a_server_misbehaves_too() {
    let mut pair = Puppets::with(&tester(PLAIN), &settings(PLAIN));
    pair.server
        .ask(pair.now(), |puppet| puppet.hesitates = true);
    pair.client([Output::Connect(FIRST)]);
    let faults = Faults {
        announced: BTreeMap::from([(BIDIRECTIONAL, 100)]),
        ..Faults::default()
    };
    pair.server([Output::AdmitBy(FIRST, faults)]);
    pair.server([Output::Misbehave(FIRST, Fault::Deaf(true))]);
    pair.client(streams(0, 12));
    assert_eq!(pair.puppets()[0].heard, ["0 connected"]);
    pair.server([Output::Misbehave(FIRST, Fault::Deaf(false))]);
    pair.client([]);
    assert!(pair.puppets()[1].has_heard("0 failed 0x4"));
}

#[test]
fn nobody_else_misbehaves() {
    let mut pair = Puppets::with(&settings(PLAIN), &settings(PLAIN));
    pair.client([Output::Connect(FIRST)]);
    pair.server([Output::Misbehave(FIRST, Fault::Move)]);
    misbehave(&mut pair, Fault::Move);
    assert!(pair.opened.is_empty());
}

#[test]
fn parameters_that_cannot_be_begin_no_connection() {
    let wrong = || Faults {
        announced: BTreeMap::from([(BIDIRECTIONAL, u64::MAX)]),
        ..Faults::default()
    };
    let mut pair = Puppets::with(&tester(PLAIN), &tester(PLAIN));
    pair.client([connect(wrong())]);
    let text = "0 ended NotBegun(\"no transport parameters are {8: 18446744073709551615}: ";
    let heard = |puppet: &TestPeer| puppet.heard.iter().any(|it| it.starts_with(text));
    assert!(heard(pair.puppets()[1]));
    pair.server
        .ask(pair.now(), |puppet| puppet.hesitates = true);
    pair.client([Output::Connect(SECOND)]);
    pair.server([Output::AdmitBy(FIRST, wrong())]);
    assert!(heard(pair.puppets()[0]));
    assert!(pair.puppets()[1].has_heard("1 ended Refused"));
}
