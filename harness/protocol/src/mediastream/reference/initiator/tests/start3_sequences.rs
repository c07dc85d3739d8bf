//! `start3`: every state and every input, and any sequence of them.

use proptest::prelude::*;
use rstest::rstest;

use super::start3::{answered, asked, start_ack, start_ack_with};
use super::*;
use crate::mediastream::frame::ErrorCode;
use crate::mediastream::reference::start3::{Identity, Parameters};

/// Every state and every input: the answers at once and the state after.
#[rstest]
#[case::awaiting("AwaitingStartAck", &[
    ("START_ACK", "START_CONFIRM", "AwaitingStartConfirm"),
    ("START_ACK of another SenderNonce", "START_CONFIRM", "AwaitingStartConfirm"),
    ("START_ACK of another StreamId", "ERROR", "Closed"),
    ("START_ACK of another Nonce", "ERROR", "Closed"),
    ("START_ACK that grants too much", "ERROR", "Closed"),
    ("START of another stream", "ERROR", "AwaitingStartAck"),
    ("ERROR", "", "Closed"), ("data", "", "AwaitingStartAck"),
])]
#[case::confirming("AwaitingStartConfirm", &[
    ("START_ACK", "START_CONFIRM", "AwaitingStartConfirm"),
    ("START_ACK of another SenderNonce", "ERROR", "Closed"),
    ("START_ACK of another StreamId", "ERROR", "AwaitingStartConfirm"),
    ("START_ACK of another Nonce", "ERROR", "Closed"),
    ("START_ACK that grants too much", "START_CONFIRM", "AwaitingStartConfirm"),
    ("START of another stream", "ERROR", "AwaitingStartConfirm"),
    ("ERROR", "", "Closed"), ("data", "", "Streaming"),
])]
#[case::streaming("Streaming", &[
    ("START_ACK", "START_CONFIRM", "Streaming"),
    ("START_ACK of another SenderNonce", "ERROR", "Closed"),
    ("START_ACK of another StreamId", "ERROR", "Streaming"),
    ("START_ACK of another Nonce", "ERROR", "Closed"),
    ("START_ACK that grants too much", "START_CONFIRM", "Streaming"),
    ("START of another stream", "ERROR", "Streaming"),
    ("ERROR", "", "Closed"), ("data", "", "Streaming"),
])]
#[case::closed("Closed", &[
    ("START_ACK", "", "Closed"), ("START_ACK of another SenderNonce", "", "Closed"),
    ("START_ACK of another StreamId", "", "Closed"), ("START_ACK of another Nonce", "", "Closed"),
    ("START_ACK that grants too much", "", "Closed"), ("START of another stream", "", "Closed"),
    ("ERROR", "", "Closed"), ("data", "", "Closed"),
])]
fn every_input_in_every_state_is_decided(#[case] state: &str, #[case] rows: &[(&str, &str, &str)]) {
    let ignored = IGNORED.map(|name| (name, "", state));
    for (name, answers, after) in rows.iter().copied().chain(ignored) {
        let (mut fixture, identity) = bench_in(state);
        let sent = fixture.receive(&input(name, identity));
        let sent: Vec<_> = sent
            .iter()
            .map(|datagram| Frame::decode(datagram).unwrap().unwrap().name())
            .collect();
        assert_eq!(sent.join(" "), answers, "{name} in {state}");
        assert_eq!(fixture.state(), after, "{name} in {state}");
    }
}

/// What changes no state and gets no answer.
const IGNORED: [&str; 11] = [
    "START_CONFIRM",
    "START",
    "ERROR of another stream",
    "ERROR of another nonce",
    "START token",
    "JOIN token",
    "SYN-ACK",
    "connection-id",
    "garbage",
    "empty",
    "huge",
];

const DECIDED: [&str; 8] = [
    "START_ACK",
    "START_ACK of another SenderNonce",
    "START_ACK of another StreamId",
    "START_ACK of another Nonce",
    "START_ACK that grants too much",
    "START of another stream",
    "ERROR",
    "data",
];

#[test]
fn before_its_first_tick_it_is_ready_and_answers_nothing() {
    let given = settings("start3", &[], &[]);
    let mut fixture = Fixture {
        initiator: Initiator::new(given, Mode::Start3, peer()),
        now: Duration::ZERO,
        outcome: None,
    };
    assert_eq!(fixture.initiator.deadline(), Some(Duration::ZERO));
    for name in IGNORED.into_iter().chain(DECIDED) {
        assert!(fixture.receive(&input(name, ANY)).is_empty(), "{name}");
        assert_eq!(fixture.state(), "ReadyToStart", "{name}");
    }
}

const ANY: Identity = Identity {
    stream_id: 5,
    nonce: 6,
    sender_nonce: 0,
};

fn bench_in(state: &str) -> (Fixture, Identity) {
    let (mut fixture, identity) = asked(&[], &[]);
    match state {
        "AwaitingStartAck" => {}
        "AwaitingStartConfirm" => drop(fixture.receive(&start_ack(identity))),
        "Streaming" => {
            fixture.receive(&start_ack(identity));
            fixture.receive(&data(1));
        }
        "Closed" => drop(fixture.pass(millis(3_500))),
        other => panic!("{other}"),
    }
    assert_eq!(fixture.state(), state);
    (fixture, identity)
}

/// The datagram of this name to the session that asked with `own`.
fn input(name: &str, own: Identity) -> Vec<u8> {
    let other = |change: &dyn Fn(&mut Identity)| {
        let mut other = own;
        change(&mut other);
        other
    };
    let another_stream = other(&|own| own.stream_id ^= 1 << 40);
    let another_nonce = other(&|own| own.nonce ^= 1 << 40);
    let nothing = Parameters::default();
    match name {
        "START_ACK" => start_ack(own),
        "START_ACK of another SenderNonce" => {
            let mut numbers = answered(own);
            numbers.sender_nonce += 1;
            numbers.start_ack(&nothing, true)
        }
        "START_ACK of another StreamId" => start_ack(another_stream),
        "START_ACK of another Nonce" => start_ack(another_nonce),
        "START_ACK that grants too much" => {
            start_ack_with(own, &|granted| granted.bit_rate = Some(u64::MAX))
        }
        "START" => own.start(&nothing, false),
        "START of another stream" => another_stream.start(&nothing, false),
        "START_CONFIRM" => answered(own).start_confirm(),
        "ERROR" => own.error(ErrorCode::Timeout, ""),
        "ERROR of another stream" => another_stream.error(ErrorCode::Timeout, ""),
        "ERROR of another nonce" => another_nonce.error(ErrorCode::DuplicateStreamId, ""),
        "START token" => START_TOKEN.to_vec(),
        "JOIN token" => b"JOIN".to_vec(),
        "SYN-ACK" => syn_ack("x"),
        "connection-id" => named("x"),
        "data" => data(2),
        "garbage" => vec![0xff; 1_000],
        "empty" => Vec::new(),
        "huge" => vec![0xff; 65_507],
        other => panic!("{other}"),
    }
}

/// Something that may arrive: mostly frames that mean something here.
fn arrival() -> impl Strategy<Value = (bool, u64, Result<&'static str, Vec<u8>>)> {
    let names: Vec<_> = IGNORED.into_iter().chain(DECIDED).collect();
    let known = prop::sample::select(names).prop_map(Ok);
    let flagged = (
        prop::sample::select(vec![[0, 0], [1, 0], [1, 2], [2, 2], [0xff, 2]]),
        prop::collection::vec(any::<u8>(), 0..90),
    )
        .prop_map(|(flag, rest)| Err([&flag[..], &rest].concat()));
    let is_peer = prop::bool::weighted(0.9);
    (is_peer, 0..1_500_u64, prop_oneof![4 => known, 2 => flagged])
}

proptest! {
    #[test]
    fn no_sequence_of_datagrams_breaks_it_and_it_always_ends(
        falls_back in any::<bool>(),
        arrivals in prop::collection::vec(arrival(), 0..40),
    ) {
        let options: &[&str] = if falls_back { &["fallback"] } else { &[] };
        let (mut fixture, identity) = asked(options, &[]);
        let mut objections = 0;
        for (is_peer, wait, what) in arrivals {
            let from = if is_peer { peer() } else { SocketAddr::from(([192, 0, 2, 7], 1)) };
            let datagram = match what { Ok(name) => input(name, identity), Err(bytes) => bytes };
            let sent = fixture.receive_from(from, &datagram);
            prop_assert!(sent.len() <= 1);
            prop_assert!(is_peer || sent.is_empty()); // MS-S-20
            for datagram in sent {
                if let Ok(Some(Frame::Error(error))) = Frame::decode(&datagram) {
                    objections += usize::from(error.error_code() == Some(7));
                }
            }
            prop_assert!(objections <= 1); // MS-S-17
            fixture.pass(millis(wait));
        }
        fixture.pass(Duration::from_secs(20));
        prop_assert!(fixture.initiator.is_finished());
        prop_assert!(fixture.outcome.is_some());
        prop_assert_eq!(fixture.initiator.deadline(), None);
    }
}
