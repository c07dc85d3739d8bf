use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Every state and every input: the answers at once and the state after.
#[rstest]
#[case::start_sent("StartSent", &[
    ("SYN-ACK", "", "StartSent"), ("rejection", "", "StartSent"),
    ("connection-id", "", "Established"), ("data", "", "Streaming"),
])]
#[case::syn_sent("SynSent", &[
    ("SYN-ACK", "ACK", "Established"), ("rejection", "", "Rejected"),
    ("connection-id", "", "SynSent"), ("data", "", "SynSent"),
])]
#[case::established("Established", &[
    ("SYN-ACK", "ACK", "Established"), ("rejection", "", "Established"),
    ("connection-id", "", "Established"), ("data", "", "Streaming"),
])]
#[case::streaming("Streaming", &[
    ("SYN-ACK", "ACK", "Streaming"), ("rejection", "", "Streaming"),
    ("connection-id", "", "Streaming"), ("data", "", "Streaming"),
])]
#[case::timed_out("TimedOut", &[
    ("SYN-ACK", "", "TimedOut"), ("rejection", "", "TimedOut"),
    ("connection-id", "", "TimedOut"), ("data", "", "TimedOut"),
])]
fn every_input_in_every_state_is_decided(#[case] state: &str, #[case] rows: &[(&str, &str, &str)]) {
    let dropped = ["START", "SYN", "ACK", "garbage", "empty", "huge"];
    let dropped = dropped.map(|name| (name, "", state));
    for (name, answers, after) in rows.iter().copied().chain(dropped) {
        let mut fixture = bench_in(state);
        let sent = fixture.receive(&input(name));
        let sent: Vec<_> = sent
            .iter()
            .map(|datagram| Frame::decode(datagram).unwrap().unwrap().name())
            .collect();
        assert_eq!(sent.join(" "), answers, "{name} in {state}");
        assert_eq!(fixture.state(), after, "{name} in {state}");
    }
}

fn bench_in(state: &str) -> Fixture {
    let mode = if state == "StartSent" {
        "legacy"
    } else {
        "3way"
    };
    let mut fixture = Fixture::new(mode, &[], &[]);
    fixture.sent();
    match state {
        "StartSent" | "SynSent" => {}
        "Established" => drop(fixture.receive(&syn_ack("assigned"))),
        "Streaming" => {
            fixture.receive(&syn_ack("assigned"));
            fixture.receive(&data(1));
        }
        "TimedOut" => drop(fixture.pass(millis(3_500))),
        other => panic!("{other}"),
    }
    assert_eq!(fixture.state(), state);
    fixture
}

fn input(name: &str) -> Vec<u8> {
    match name {
        "START" => START_TOKEN.to_vec(),
        "SYN" => Frame::Syn(Control::new(id("x").as_bytes())).to_vec(),
        "SYN-ACK" => syn_ack("assigned"),
        "other SYN-ACK" => syn_ack("another"),
        "rejection" => syn_ack_with("", |_| {}),
        "ACK" => ack("assigned"),
        "connection-id" => named("assigned"),
        "other connection-id" => named("another"),
        "data" => data(2),
        "last data" => data(100),
        "garbage" => vec![0xff; 1_000],
        "empty" => Vec::new(),
        "huge" => vec![0xff; 65_507],
        other => panic!("{other}"),
    }
}

/// Something that may arrive: mostly frames that mean something here.
fn arrival() -> impl Strategy<Value = (bool, u64, Vec<u8>)> {
    let names = [
        "SYN",
        "SYN-ACK",
        "other SYN-ACK",
        "ACK",
        "connection-id",
        "other connection-id",
        "data",
        "last data",
        "empty",
    ];
    let known = prop::sample::select(names.to_vec()).prop_map(input);
    let bytes = prop::collection::vec(any::<u8>(), 0..90);
    let flagged = (
        prop::sample::select(vec![[0, 0], [1, 0], [1, 1], [0, 16]]),
        bytes.clone(),
    )
        .prop_map(|(flag, rest)| [&flag[..], &rest].concat());
    let is_peer = prop::bool::weighted(0.9);
    (
        is_peer,
        0..1_500_u64,
        prop_oneof![4 => known, 1 => bytes, 2 => flagged],
    )
}

proptest! {
    #[test]
    fn no_sequence_of_datagrams_breaks_it_and_it_always_ends(
        mode in prop_oneof![Just("legacy"), Just("3way"), Just("fallback")],
        arrivals in prop::collection::vec(arrival(), 0..40),
    ) {
        let mut fixture = match mode {
            "fallback" => Fixture::new("3way", &["fallback"], &[]),
            mode => Fixture::new(mode, &[], &[]),
        };
        fixture.sent();
        for (is_peer, wait, datagram) in arrivals {
            let from = if is_peer { peer() } else { SocketAddr::from(([192, 0, 2, 7], 1)) };
            let sent = fixture.receive_from(from, &datagram);
            prop_assert!(sent.len() <= 1);
            fixture.pass(millis(wait));
        }
        fixture.pass(Duration::from_secs(20));
        prop_assert!(fixture.initiator.is_finished());
        prop_assert!(fixture.outcome.is_some());
        prop_assert_eq!(fixture.initiator.deadline(), None);
    }
}
