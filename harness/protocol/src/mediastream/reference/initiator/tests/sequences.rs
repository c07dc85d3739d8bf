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
        let mut bench = bench_in(state);
        let sent = bench.receive(&input(name));
        let sent: Vec<_> = sent
            .iter()
            .map(|datagram| Frame::decode(datagram).unwrap().unwrap().name())
            .collect();
        assert_eq!(sent.join(" "), answers, "{name} in {state}");
        assert_eq!(bench.state(), after, "{name} in {state}");
    }
}

fn bench_in(state: &str) -> Bench {
    let mode = if state == "StartSent" {
        "legacy"
    } else {
        "3way"
    };
    let mut bench = Bench::new(mode, &[], &[]);
    bench.sent();
    match state {
        "StartSent" | "SynSent" => {}
        "Established" => drop(bench.receive(&syn_ack("assigned"))),
        "Streaming" => {
            bench.receive(&syn_ack("assigned"));
            bench.receive(&data(1));
        }
        "TimedOut" => drop(bench.pass(millis(3_500))),
        other => panic!("{other}"),
    }
    assert_eq!(bench.state(), state);
    bench
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
        let mut bench = match mode {
            "fallback" => Bench::new("3way", &["fallback"], &[]),
            mode => Bench::new(mode, &[], &[]),
        };
        bench.sent();
        for (is_peer, wait, datagram) in arrivals {
            let from = if is_peer { peer() } else { SocketAddr::from(([192, 0, 2, 7], 1)) };
            let sent = bench.receive_from(from, &datagram);
            prop_assert!(sent.len() <= 1);
            bench.pass(millis(wait));
        }
        bench.pass(Duration::from_secs(20));
        prop_assert!(bench.initiator.is_finished());
        prop_assert!(bench.outcome.is_some());
        prop_assert_eq!(bench.initiator.deadline(), None);
    }
}
