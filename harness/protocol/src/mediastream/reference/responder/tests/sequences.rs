use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Every state and every input: the answers at once and the state after.
#[rstest]
#[case::listen("Listen", &[
    ("START", "connection-id", "Established"), ("long START", "", "Listen"),
    ("same SYN", "SYN-ACK", "SynAckSent"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Listen"), ("ACK", "", "Listen"), ("other ACK", "", "Listen"),
    ("foreign ACK", "", "Listen"),
])]
#[case::half_open("SynAckSent", &[
    ("START", "connection-id", "Established"), ("long START", "", "SynAckSent"),
    ("same SYN", "SYN-ACK", "SynAckSent"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "SynAckSent"), ("ACK", "connection-id", "Established"),
    ("other ACK", "", "SynAckSent"), ("foreign ACK", "", "SynAckSent"),
])]
#[case::optimistic("optimistic", &[
    ("START", "", "Streaming"), ("long START", "", "SynAckSent"),
    ("same SYN", "SYN-ACK connection-id", "SynAckSent"),
    ("other SYN", "SYN-ACK connection-id", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "SynAckSent"), ("ACK", "", "Streaming"),
    ("other ACK", "", "SynAckSent"), ("foreign ACK", "", "SynAckSent"),
])]
#[case::established("Established", &[
    ("START", "", "Established"), ("long START", "", "Established"),
    ("same SYN", "SYN-ACK", "Established"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Established"), ("ACK", "", "Established"),
    ("other ACK", "", "Established"), ("foreign ACK", "", "Established"),
])]
#[case::streaming("Streaming", &[
    ("START", "", "Streaming"), ("long START", "", "Streaming"),
    ("same SYN", "SYN-ACK", "Streaming"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Streaming"), ("ACK", "", "Streaming"),
    ("other ACK", "", "Streaming"), ("foreign ACK", "", "Streaming"),
])]
#[case::legacy("legacy", &[
    ("START", "", "Streaming"), ("long START", "", "Streaming"),
    ("same SYN", "SYN-ACK", "SynAckSent"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Streaming"), ("ACK", "", "Streaming"),
    ("other ACK", "", "Streaming"), ("foreign ACK", "", "Streaming"),
])]
fn every_input_in_every_state_is_decided(#[case] state: &str, #[case] rows: &[(&str, &str, &str)]) {
    for (name, answers, after) in rows {
        let mut fixture = bench_in(state);
        let datagram = input(name, &fixture);
        let sent = fixture.receive(peer(A), &datagram);
        assert_eq!(names(&sent).join(" "), *answers, "{name} in {state}");
        assert_eq!(fixture.state(peer(A)), *after, "{name} in {state}");
    }
    for name in [
        "SYN-ACK",
        "connection-id",
        "data",
        "garbage",
        "empty",
        "huge",
    ] {
        let mut fixture = bench_in(state);
        let before = fixture.state(peer(A));
        let datagram = input(name, &fixture);
        assert_eq!(
            names(&fixture.receive(peer(A), &datagram)).join(" "),
            "",
            "{name} in {state}"
        );
        assert_eq!(fixture.state(peer(A)), before, "{name} in {state}");
    }
}

/// Something that may arrive: mostly frames that mean something here.
fn arrival() -> impl Strategy<Value = (u16, u64, Vec<u8>)> {
    let names = [
        "START",
        "same SYN",
        "other SYN",
        "foreign SYN",
        "ACK",
        "other ACK",
        "SYN-ACK",
        "connection-id",
        "data",
        "empty",
    ];
    let known = prop::sample::select(names.to_vec())
        .prop_map(|name| input(name, &Fixture::new("legacy", &[], &[])));
    let bytes = prop::collection::vec(any::<u8>(), 0..90);
    let flagged = (prop::sample::select(vec![0_u8, 1, 2]), bytes.clone())
        .prop_map(|(low, rest)| [&[low, 1][..], &rest].concat());
    (
        0..4_u16,
        0..3_000_u64,
        prop_oneof![4 => known, 1 => bytes, 2 => flagged],
    )
}

proptest! {
    #[test]
    fn no_sequence_of_datagrams_breaks_it_and_silence_empties_it(
        mode in prop_oneof![Just("legacy"), Just("3way")],
        optimistic in any::<bool>(),
        arrivals in prop::collection::vec(arrival(), 0..40),
    ) {
        let options: &[&str] = match (mode, optimistic) {
            ("3way", true) => &["optimistic_start", "allow_legacy_start"],
            _ => &[],
        };
        let mut fixture = Fixture::new(mode, options, &[("max_half_open", "2"), ("max_sessions", "3")]);
        for (from, wait, datagram) in arrivals {
            fixture.receive(peer(from), &datagram);
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
