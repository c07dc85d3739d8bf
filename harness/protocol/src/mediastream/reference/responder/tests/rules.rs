use rstest::rstest;

use super::*;

#[test]
fn a_repeated_syn_gets_the_same_bytes_in_every_state_of_its_session() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-08
    let first = fixture.receive(peer(A), &syn("wish"));
    assert!(control(&first[0]).accepts());
    assert!(!control(&first[0]).connection_id().is_empty());
    assert_eq!(fixture.receive(peer(A), &syn("wish")), first);
    let id = fixture.id(peer(A));
    fixture.receive(peer(A), &ack(&id));
    assert_eq!(fixture.receive(peer(A), &syn("wish")), first);
    fixture.pass(millis(100));
    assert_eq!(fixture.receive(peer(A), &syn("wish")), first);
    let sent = fixture.pass(Duration::from_secs(5));
    assert_eq!(numbers(&sent), (6..=100).collect::<Vec<_>>());
}

#[test]
fn the_wish_of_37_zero_bytes_is_one_wish() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    let first = fixture.receive(peer(A), &syn(""));
    assert!(control(&first[0]).accepts());
    assert_eq!(fixture.receive(peer(A), &syn("")), first);
    assert_ne!(fixture.receive(peer(A), &syn("a")), first);
}

#[test]
fn reserved_bits_and_header_fields_of_a_syn_are_ignored() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-W-11, MS-W-13
    let odd = syn_with(|syn| {
        syn.flags = 0xff;
        syn.reserved = 0xffff;
        syn.header.sequence_number = 7;
    });
    let sent = fixture.receive(peer(A), &odd);
    let answer = control(&sent[0]);
    assert!(answer.accepts());
    assert_eq!(
        (answer.flags, answer.reserved, answer.header),
        (1, 0, Header::default())
    );
}

#[test]
fn a_syn_of_another_version_is_rejected_in_version_1_and_keeps_nothing() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-W-15
    let sent = fixture.receive(peer(A), &syn_with(|syn| syn.version = 9));
    assert_eq!(control(&sent[0]).version, 1);
    assert!(!control(&sent[0]).accepts());
    assert!(fixture.pass(Duration::from_secs(20)).is_empty());
    assert_eq!(fixture.counter("/validation_errors", "foreign_version"), 1);
}

#[test]
fn syn_ack_is_repeated_after_500_ms_and_1_s_and_the_session_dropped_2_s_later() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-18
    let first = fixture.receive(peer(A), &syn("wish"));
    let sent = fixture.pass(millis(3_499));
    let expected = [millis(500), millis(1_500)].map(|at| (at, first[0].clone()));
    assert_eq!(sent, expected);
    assert_eq!(fixture.state(peer(A)), "SynAckSent");
    assert!(fixture.pass(millis(1)).is_empty());
    assert_eq!(fixture.state(peer(A)), "Listen");
    assert_eq!(fixture.counter("/handshakes/failed", "timeout"), 1);
}

#[test]
fn an_ack_with_another_id_completes_nothing() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-12
    fixture.receive(peer(A), &syn("wish"));
    assert!(fixture.receive(peer(A), &ack(&id("wish"))).is_empty());
    assert!(numbers(&fixture.pass(Duration::from_secs(3))).is_empty());
    assert_eq!(
        fixture.counter("/validation_errors", "foreign_connection_id"),
        1
    );
}

#[test]
fn an_ack_from_another_port_completes_nothing() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-13
    fixture.receive(peer(A), &syn("wish"));
    let id = fixture.id(peer(A));
    assert!(fixture.receive(peer(A + 1), &ack(&id)).is_empty());
    assert_eq!(fixture.state(peer(A)), "SynAckSent");
    assert_eq!(fixture.state(peer(A + 1)), "Listen");
}

#[test]
fn media_follow_the_ack_by_one_interval_after_the_connection_id() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-15, MS-D-12
    fixture.receive(peer(A), &syn("wish"));
    fixture.pass(millis(100));
    let assigned = fixture.id(peer(A));
    let sent = fixture.receive(peer(A), &ack(&assigned));
    let named = ConnectionIdFrame::new(assigned.as_bytes(), &[]);
    assert_eq!(decoded(&sent[0]), Frame::ConnectionId(named));
    let sent = fixture.pass(Duration::from_secs(10));
    assert_eq!(numbers(&sent), (1..=100).collect::<Vec<_>>());
    assert_eq!(sent[0].0, millis(120));
    assert_eq!(sent[99].0, millis(2_100));
    assert_eq!(fixture.state(peer(A)), "Listen"); // MS-D-07
}

#[test]
fn an_optimistic_responder_names_the_session_first_and_stops_at_64_kib_without_an_ack() {
    let mut fixture = Fixture::new("3way", &["optimistic_start"], &[]);
    let first = fixture.receive(peer(A), &syn("wish"));
    assert_eq!(names(&first), ["SYN-ACK", "connection-id"]); // MS-H-16
    let sent = fixture.pass(millis(3_000));
    assert_eq!(numbers(&sent), (1..=65).collect::<Vec<_>>()); // MS-H-22
    let media: usize = sent
        .iter()
        .filter(|(_, datagram)| decoded(datagram).name() == "data")
        .map(|(_, datagram)| datagram.len())
        .sum();
    assert!(media as u64 <= UNCONFIRMED_BYTES);
    assert!(fixture.pass(Duration::from_secs(9)).is_empty());
    assert_eq!(fixture.state(peer(A)), "Listen");
}

#[test]
fn other_wishes_buy_no_more_media_for_10_s() {
    let mut fixture = Fixture::new("3way", &["optimistic_start"], &[]);
    let mut media = 0;
    let mut ask = |fixture: &mut Fixture, wish: &str| {
        fixture.receive(peer(A), &syn(wish));
        let sent = fixture.pass(millis(1_000));
        let data = sent
            .iter()
            .filter(|(_, datagram)| decoded(datagram).name() == "data");
        media += data.map(|(_, datagram)| datagram.len() as u64).sum::<u64>();
        media
    };
    assert_eq!(ask(&mut fixture, "one"), 50_000);
    assert_eq!(ask(&mut fixture, "two"), 65_000); // MS-H-22
    fixture.pass(millis(4_000));
    assert_eq!(fixture.state(peer(A)), "Listen");
    assert_eq!(ask(&mut fixture, "three"), 65_000);
    fixture.pass(millis(5_000));
    assert_eq!(ask(&mut fixture, "four"), 65_000 + 50_000);
}

#[test]
fn any_10_s_have_64_kib_of_unconfirmed_media_at_most() {
    let options = ["optimistic_start", "allow_legacy_start"];
    let mut fixture = Fixture::new("3way", &options, &[]);
    let mut unconfirmed: Vec<(Duration, u64)> = Vec::new();
    for (ask, confirms, wait) in [
        (syn("one"), false, 340),
        (START_TOKEN.to_vec(), true, 5_300),
        (syn("two"), false, 4_400),
        (syn("three"), false, 1_000),
    ] {
        fixture.receive(peer(A), &ask);
        for _ in 0..wait / 20 {
            let sent = fixture.pass(millis(20));
            let data = sent
                .iter()
                .filter(|(_, datagram)| !confirms && decoded(datagram).name() == "data");
            let bytes = data.map(|(_, datagram)| datagram.len() as u64).sum();
            unconfirmed.push((fixture.now, bytes));
        }
    }
    for (begin, _) in &unconfirmed {
        let period = *begin..*begin + Duration::from_secs(10);
        let within = unconfirmed.iter().filter(|(at, _)| period.contains(at));
        let media: u64 = within.map(|(_, bytes)| bytes).sum();
        assert!(media <= UNCONFIRMED_BYTES, "{media} from {begin:?}"); // MS-H-22
    }
}

#[test]
fn the_ack_frees_an_optimistic_stream_that_was_held_and_it_goes_on_at_its_pace() {
    for held_until in [1_500, 3_000] {
        let mut fixture = Fixture::new("3way", &["optimistic_start"], &[]);
        fixture.receive(peer(A), &syn("wish"));
        fixture.pass(millis(held_until));
        let id = fixture.id(peer(A));
        assert!(fixture.receive(peer(A), &ack(&id)).is_empty());
        let sent = fixture.pass(Duration::from_secs(10));
        assert_eq!(numbers(&sent), (66..=100).collect::<Vec<_>>());
        assert_eq!(sent[0].0, millis(held_until));
        assert_eq!(sent[34].0, millis(held_until + 34 * 20));
    }
}

#[test]
fn an_optimistic_stream_that_is_over_before_its_ack_closes_with_it() {
    let mut fixture = Fixture::new("3way", &["optimistic_start"], &[]);
    fixture.responder.settings.stream.seconds = 1;
    fixture.receive(peer(A), &syn("wish"));
    assert_eq!(numbers(&fixture.pass(millis(1_200))).len(), 50);
    let repeated: Vec<_> = fixture
        .pass(millis(800))
        .into_iter()
        .map(|(_, sent)| sent)
        .collect();
    assert_eq!(names(&repeated), ["SYN-ACK"]); // MS-D-07
    let id = fixture.id(peer(A));
    assert!(fixture.receive(peer(A), &ack(&id)).is_empty());
    assert_eq!(fixture.state(peer(A)), "Listen");
    assert!(fixture.pass(Duration::from_secs(9)).is_empty());
}

#[test]
fn a_syn_with_another_wish_restarts_an_established_session_under_another_id() {
    let mut fixture = bench_in("Streaming"); // MS-H-23
    let before = fixture.id(peer(A));
    fixture.receive(peer(A), &syn("second"));
    let after = fixture.id(peer(A));
    assert_ne!(before, after);
    assert!(numbers(&fixture.pass(millis(100))).is_empty()); // MS-H-15
    assert!(fixture.receive(peer(A), &ack(&before)).is_empty());
    fixture.receive(peer(A), &ack(&after));
    assert_eq!(numbers(&fixture.pass(millis(40))), [1, 2]);
}

#[test]
fn a_restart_by_the_id_that_was_assigned_gets_another_one_too() {
    let mut fixture = bench_in("Streaming");
    let before = fixture.id(peer(A));
    fixture.receive(
        peer(A),
        &Frame::Syn(Control::new(before.as_bytes())).to_vec(),
    );
    assert_ne!(fixture.id(peer(A)), before);
}

#[rstest]
#[case(200, 200)]
#[case(5_000, 1_000)]
#[case(u32::MAX, 1_000)]
fn the_max_datagram_of_a_syn_is_respected(#[case] wanted: u32, #[case] longest: usize) {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-W-18
    fixture.receive(peer(A), &syn_that_takes(wanted));
    let id = fixture.id(peer(A));
    fixture.receive(peer(A), &ack(&id));
    let sent = fixture.pass(Duration::from_secs(3));
    assert_eq!(
        sent.iter().map(|(_, datagram)| datagram.len()).max(),
        Some(longest)
    );
    assert_eq!(
        sent.iter()
            .map(|(_, datagram)| datagram.len())
            .sum::<usize>(),
        100_000
    );
}

#[test]
fn a_max_datagram_that_no_session_fits_into_is_rejected() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    let sent = fixture.receive(peer(A), &syn_that_takes(85));
    assert!(!control(&sent[0]).accepts());
    assert_eq!(fixture.state(peer(A)), "Listen");
}

#[test]
fn a_start_that_is_repeated_starts_nothing_and_one_after_the_end_starts_anew() {
    let mut fixture = Fixture::new("legacy", &[], &[]); // MS-L-04
    assert_eq!(
        names(&fixture.receive(peer(A), START_TOKEN)),
        ["connection-id"]
    ); // MS-L-03
    let first = fixture.id(peer(A));
    assert!(fixture.receive(peer(A), START_TOKEN).is_empty());
    let mut sent = fixture.pass(millis(1_000));
    assert!(fixture.receive(peer(A), START_TOKEN).is_empty());
    sent.extend(fixture.pass(millis(5_000)));
    assert_eq!(numbers(&sent), (1..=100).collect::<Vec<_>>());
    assert_eq!(
        names(&fixture.receive(peer(A), START_TOKEN)),
        ["connection-id"]
    );
    assert_ne!(fixture.id(peer(A)), first);
    assert_eq!(numbers(&fixture.pass(millis(20))), [1]);
}

#[rstest]
#[case::legacy("legacy", &[], &[("SYN", "unknown_flag"), ("START3", "unknown_flag")])]
#[case::three_way("3way", &[], &[("START", "start_not_allowed"), ("START3", "unknown_flag")])]
fn what_the_mode_does_not_know_is_dropped_counted_and_unanswered(
    #[case] mode: &str,
    #[case] options: &[&str],
    #[case] rows: &[(&str, &str)],
) {
    for (name, cause) in rows {
        let mut fixture = Fixture::new(mode, options, &[]); // MS-L-06, MS-H-20
        let datagram = match *name {
            "SYN" => syn("wish"),
            "START" => START_TOKEN.to_vec(),
            _ => [&[0x00, 0x02][..], &[0; 60]].concat(),
        };
        assert!(fixture.receive(peer(A), &datagram).is_empty());
        assert_eq!(fixture.counter("/validation_errors", cause), 1, "{name}");
        assert_eq!(fixture.responder.deadline(), None);
    }
}

#[test]
fn frames_carry_the_clock_and_the_pattern() {
    let mut fixture = Fixture::new("legacy", &[], &[]); // MS-D-04, MS-D-11
    fixture.now = Duration::from_secs(100);
    fixture.receive(peer(A), START_TOKEN);
    let sent = fixture.pass(Duration::from_secs(3));
    let Frame::Data(data) = decoded(&sent[49].1) else {
        panic!();
    };
    assert_eq!(data.header.sequence_number, 50);
    assert_eq!(data.header.qpf, 10_000_000);
    assert_eq!(data.header.qpc, 1_010_000_000);
    assert_eq!(
        crate::mediastream::pattern::first_difference(data.payload),
        None
    );
}
