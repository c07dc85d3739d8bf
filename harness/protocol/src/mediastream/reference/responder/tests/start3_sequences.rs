use proptest::prelude::*;
use rstest::rstest;

use super::super::super::start3::{Identity, Parameters};
use super::start3::{ASKED, identity, start};
use super::*;
use crate::mediastream::frame::Start3;

/// Puts a tuple into a state; both handshakes and the START token are known.
fn bench_at(state: &str) -> Fixture {
    let options: &[&str] = match state {
        "begun" | "begun and confirmed" => &["allow_legacy_start", "begin_immediately"],
        _ => &["allow_legacy_start"],
    };
    let mut fixture = Fixture::new("3way,start3", options, &[]);
    if state != "Idle" {
        fixture.receive(peer(A), &start(ASKED));
    }
    if ["begun", "begun and confirmed"].contains(&state) {
        fixture.pass(millis(60));
    }
    if ["confirmed", "Streaming", "begun and confirmed"].contains(&state) {
        let confirm = identity(&fixture).start_confirm();
        fixture.receive(peer(A), &confirm);
    }
    if state == "Streaming" {
        fixture.pass(millis(60));
    }
    fixture
}

fn said(name: &str, fixture: &Fixture) -> Vec<u8> {
    let present = fixture.responder.sessions.contains_key(&peer(A));
    let own = if present { identity(fixture) } else { ASKED };
    let other = Identity {
        stream_id: 8,
        ..own
    };
    let wrong = Identity { nonce: 8, ..own };
    let foreign = |mut datagram: Vec<u8>| {
        datagram[26] = 2;
        datagram
    };
    match name {
        "START" => start(ASKED),
        "other START" => start(other),
        "other nonce" => start(Identity { nonce: 8, ..ASKED }),
        "nameless START" => start(Identity {
            stream_id: 0,
            ..ASKED
        }),
        "impossible START" => {
            let frame_rate = Some(0);
            let asked = Parameters {
                frame_rate,
                ..Parameters::default()
            };
            wrong.start(&asked, false)
        }
        "malformed START" => [start(other), vec![0]].concat(),
        "own malformed START" => [start(ASKED), vec![0]].concat(),
        "short START" => start(ASKED)[..53].to_vec(),
        "foreign START" => foreign(start(other)),
        "CONFIRM" => own.start_confirm(),
        "other CONFIRM" => other.start_confirm(),
        "wrong CONFIRM" => wrong.start_confirm(),
        "foreign CONFIRM" => foreign(own.start_confirm()),
        "ERROR" => own.error(ErrorCode::Timeout, ""),
        "other ERROR" => other.error(ErrorCode::Timeout, ""),
        "wrong ERROR" => wrong.error(ErrorCode::DuplicateStreamId, ""),
        "foreign ERROR" => foreign(own.error(ErrorCode::Timeout, "")),
        "START_ACK" => own.start_ack(&Parameters::default(), false),
        "token" => START_TOKEN.to_vec(),
        "SYN" => syn("wish"),
        "ACK" => ack(&id("wish")),
        "hidden ACK" => {
            let session = fixture.responder.sessions.get(&peer(A));
            ack(&session.map_or(id("none"), |session| session.id))
        }
        other => input(other, fixture),
    }
}

/// Every state and every input: the answers at once and the state after. Of the names in quotes
/// *other* has another StreamId, *wrong* another Nonce, *foreign* another version.
#[rstest]
#[case::idle("Idle", &[
    ("START", "START_ACK", "PendingConfirm"), ("other START", "START_ACK", "PendingConfirm"),
    ("other nonce", "START_ACK", "PendingConfirm"), ("impossible START", "ERROR", "Listen"),
    ("own malformed START", "ERROR", "Listen"), ("wrong CONFIRM", "", "Listen"),
    ("token", "connection-id", "Established"), ("SYN", "SYN-ACK", "SynAckSent"),
    ("CONFIRM", "", "Listen"), ("ERROR", "", "Listen"),
])]
#[case::pending("PendingConfirm", &[
    ("START", "START_ACK", "PendingConfirm"), ("other START", "ERROR", "PendingConfirm"),
    ("other nonce", "ERROR", "PendingConfirm"), ("impossible START", "ERROR", "PendingConfirm"),
    ("own malformed START", "", "PendingConfirm"), ("wrong CONFIRM", "ERROR", "Listen"),
    ("token", "connection-id", "Established"), ("SYN", "SYN-ACK", "SynAckSent"),
    ("CONFIRM", "", "Streaming"), ("ERROR", "", "Listen"),
])]
#[case::begun("begun", &[
    ("START", "START_ACK", "PendingConfirm"), ("other START", "ERROR", "PendingConfirm"),
    ("other nonce", "ERROR", "PendingConfirm"), ("impossible START", "ERROR", "PendingConfirm"),
    ("own malformed START", "", "PendingConfirm"), ("wrong CONFIRM", "ERROR", "Listen"),
    ("token", "", "Streaming"), ("SYN", "SYN-ACK", "SynAckSent"),
    ("CONFIRM", "", "Streaming"), ("ERROR", "", "Listen"),
])]
#[case::streaming("Streaming", &[
    ("START", "START_ACK", "Streaming"), ("other START", "ERROR", "Streaming"),
    ("other nonce", "ERROR", "Streaming"), ("impossible START", "ERROR", "Streaming"),
    ("own malformed START", "", "Streaming"), ("wrong CONFIRM", "ERROR", "Listen"),
    ("token", "", "Streaming"), ("SYN", "SYN-ACK", "SynAckSent"),
    ("CONFIRM", "", "Streaming"), ("ERROR", "", "Listen"),
])]
fn every_frame_of_the_handshake_in_every_state_is_decided(
    #[case] state: &str,
    #[case] rows: &[(&str, &str, &str)],
) {
    let like_it = ["confirmed", "begun and confirmed"];
    let like_it = like_it.iter().filter(|_| state == "Streaming");
    for state in like_it.copied().chain([state]) {
        for (name, answers, after) in rows {
            let mut fixture = bench_at(state);
            let datagram = said(name, &fixture);
            let sent = fixture.receive(peer(A), &datagram);
            assert_eq!(names(&sent).join(" "), *answers, "{name} in {state}");
            assert_eq!(fixture.state(peer(A)), *after, "{name} in {state}");
        }
    }
}

/// What changes nothing in any state, with the answer that it gets in all of them.
#[rstest]
fn what_the_state_does_not_expect_changes_nothing(
    #[values(
        "Idle",
        "PendingConfirm",
        "begun",
        "confirmed",
        "Streaming",
        "begun and confirmed"
    )]
    state: &str,
) {
    for (name, answer) in [
        ("nameless START", "ERROR"),
        ("malformed START", "ERROR"),
        ("foreign START", "ERROR"),
        ("short START", ""),
        ("other CONFIRM", ""),
        ("foreign CONFIRM", ""),
        ("other ERROR", ""),
        ("wrong ERROR", ""),
        ("foreign ERROR", ""),
        ("START_ACK", ""),
        ("ACK", ""),
        ("hidden ACK", ""),
        ("SYN-ACK", ""),
        ("connection-id", ""),
        ("data", ""),
        ("garbage", ""),
        ("empty", ""),
        ("huge", ""),
    ] {
        let mut fixture = bench_at(state); // MS-S-17, MS-S-19, MS-W-17
        let before = fixture.state(peer(A));
        let mut untouched = bench_at(state);
        let datagram = said(name, &fixture);
        let sent = fixture.receive(peer(A), &datagram);
        assert_eq!(names(&sent).join(" "), answer, "{name} in {state}");
        assert_eq!(fixture.state(peer(A)), before, "{name} in {state}");
        let passed = fixture.pass(millis(4_000));
        assert_eq!(passed, untouched.pass(millis(4_000)), "{name} in {state}");
    }
}

#[test]
fn half_open_sessions_are_bounded_and_a_flood_gets_error_4_and_harms_no_other_session() {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-H-19, MS-S-07
    fixture.receive(peer(A), &start(ASKED));
    let confirm = identity(&fixture).start_confirm();
    fixture.receive(peer(A), &confirm);
    let mut accepted = 0;
    for n in 0..3_000 {
        let sent = fixture.receive(peer(n), &start(ASKED));
        match decoded(&sent[0]) {
            Frame::StartAck(_) => accepted += 1,
            Frame::Error(error) => assert_eq!(error.error_code(), Some(4)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((accepted, fixture.responder.half_open), (1_024, 1_024));
    assert_eq!(
        fixture.counter("/handshakes/failed", "half_open_limit"),
        1_976
    );
    assert_eq!(numbers(&fixture.pass(Duration::from_secs(5))).len(), 100);
    assert!(fixture.responder.sessions.is_empty());
    assert_eq!(fixture.responder.deadline(), None);
}

#[test]
fn no_room_for_another_session_is_error_4() {
    let mut fixture = Fixture::new("3way,start3", &[], &[("max_sessions", "1")]); // MS-S-07
    fixture.receive(peer(1), &syn("wish"));
    let sent = fixture.receive(peer(A), &start(ASKED));
    assert_eq!(super::start3::body(&sent[0]).error_code(), Some(4));
    assert_eq!(fixture.responder.sessions(), 1);
}

/// Something that may arrive: frames that mean something here, with some bytes changed.
fn arrival() -> impl Strategy<Value = (u16, u64, Vec<u8>)> {
    let frames = [
        "START",
        "other START",
        "other nonce",
        "impossible START",
        "malformed START",
        "foreign START",
        "CONFIRM",
        "wrong CONFIRM",
        "ERROR",
        "START_ACK",
        "token",
        "SYN",
        "ACK",
        "data",
    ];
    let known =
        prop::sample::select(frames.to_vec()).prop_map(|name| said(name, &bench_at("Idle")));
    let changed = (known.clone(), any::<prop::sample::Index>(), any::<u8>());
    let changed = changed.prop_map(|(mut datagram, place, byte)| {
        let place = place.index(datagram.len());
        datagram[place] = byte;
        datagram
    });
    let flagged = prop::collection::vec(any::<u8>(), 0..90)
        .prop_map(|rest| [&[0, 2][..], &[0; 24], &[Start3::VERSION], &rest].concat());
    let any_of_them = prop_oneof![4 => known, 2 => changed, 1 => flagged];
    (0..4_u16, 0..3_000_u64, any_of_them)
}

proptest! {
    #[test]
    fn no_sequence_of_datagrams_breaks_it_and_silence_empties_it(
        mode in prop_oneof![Just("start3"), Just("3way,start3")],
        begins in any::<bool>(),
        arrivals in prop::collection::vec(arrival(), 0..40),
    ) {
        let options: &[&str] = if begins { &["begin_immediately", "allow_legacy_start"] } else { &[] };
        let mut fixture = Fixture::new(mode, options, &[("max_half_open", "2"), ("max_sessions", "3")]);
        for (from, wait, datagram) in arrivals {
            fixture.receive(peer(from), &datagram);
            // Whoever was accepted may confirm.
            let session = fixture.responder.sessions.get(&peer(from));
            let confirm = session.and_then(Session::start3).map(|known| known.identity.start_confirm());
            if let Some(confirm) = confirm.filter(|_| wait % 2 == 0) {
                fixture.receive(peer(from), &confirm);
            }
            fixture.pass(millis(wait));
            prop_assert!(fixture.responder.half_open <= 2);
            prop_assert!(fixture.responder.sessions.len() <= 3);
        }
        fixture.pass(Duration::from_secs(20));
        prop_assert!(fixture.responder.sessions.is_empty());
        prop_assert_eq!(fixture.responder.half_open, 0);
        prop_assert_eq!(fixture.responder.deadline(), None);
    }
}
