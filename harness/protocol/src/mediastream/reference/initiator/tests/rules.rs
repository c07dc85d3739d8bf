use rstest::rstest;

use super::*;

#[test]
fn the_same_start_is_sent_each_interval_and_500_ms_until_it_gives_up() {
    let mut fixture = Fixture::new("legacy", &[], &[]); // MS-L-01, MS-L-02
    assert_eq!(fixture.sent(), [START_TOKEN]);
    let sent = fixture.pass(millis(2_999));
    let times: Vec<_> = sent.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [520, 1_040, 1_560, 2_080, 2_600]);
    assert!(sent.iter().all(|(_, datagram)| datagram == START_TOKEN));
    fixture.pass(millis(1)); // MS-L-05
    let sentence = "192.0.2.1:4444 did not answer: the START token was sent 6 times in 3s";
    assert_eq!(fixture.failure(), ("timeout", sentence));
    assert_eq!(fixture.state(), "TimedOut");
    assert!(fixture.initiator.is_finished());
}

#[rstest]
#[case::named(named("x"))]
#[case::media(data(1))]
fn no_start_is_sent_after_something_came(#[case] datagram: Vec<u8>) {
    let mut fixture = Fixture::new("legacy", &[], &[]);
    fixture.sent();
    fixture.receive(&datagram);
    assert!(fixture.pass(millis(2_000)).is_empty());
}

#[test]
fn what_is_dropped_does_not_stop_the_repetition_of_start() {
    let mut fixture = Fixture::new("legacy", &[], &[]); // MS-W-08, MS-W-17
    fixture.sent();
    for datagram in [
        vec![],
        vec![0xff; 50],
        vec![0; 26],
        syn_ack("x"),
        vec![0x00, 0x10, 1],
    ] {
        fixture.receive(&datagram);
    }
    fixture.receive_from(SocketAddr::from(([192, 0, 2, 9], 4444)), &data(1));
    assert_eq!(fixture.pass(millis(520)).len(), 1);
    assert_eq!(fixture.state(), "StartSent");
}

#[test]
fn the_same_syn_is_sent_3_times_with_doubled_waits_and_then_it_gives_up() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-01, MS-H-03
    let first = fixture.sent().remove(0);
    let Ok(Some(Frame::Syn(syn))) = Frame::decode(&first) else {
        panic!("{first:?}");
    };
    assert_eq!((syn.version, syn.flags, syn.reserved), (1, 0, 0));
    assert_eq!(syn.header, Header::default());
    assert_eq!(syn.connection_id().text().len(), 36); // MS-H-02
    let sent = fixture.pass(millis(3_499));
    assert_eq!(sent, [(millis(500), first.clone()), (millis(1_500), first)]);
    fixture.pass(millis(1)); // MS-H-04
    let sentence = "192.0.2.1:4444 did not answer: SYN was sent 3 times";
    assert_eq!(fixture.failure(), ("timeout", sentence));
    assert_eq!(fixture.state(), "TimedOut");
}

#[test]
fn with_fallback_start_follows_the_last_wait_and_a_late_syn_ack_is_not_answered() {
    let mut fixture = Fixture::new("3way", &["fallback"], &[]); // MS-H-04
    fixture.sent();
    let sent = fixture.pass(millis(3_500));
    assert_eq!(sent.last(), Some(&(millis(3_500), START_TOKEN.to_vec())));
    assert!(fixture.receive(&syn_ack("late")).is_empty());
    assert_eq!(
        (fixture.state(), fixture.invalid("unknown_flag")),
        ("StartSent", 1)
    );
    fixture.receive(&data(1));
    assert_eq!((fixture.state(), fixture.frames()), ("Streaming", 1));
}

#[test]
fn the_largest_datagram_is_told_in_the_syn_if_it_was_given() {
    for (extra, expected) in [(&[("max_datagram", "900")][..], Some(900)), (&[], None)] {
        let mut fixture = Fixture::new("3way", &[], extra);
        let sent = fixture.sent();
        let Ok(Some(Frame::Syn(syn))) = Frame::decode(&sent[0]) else {
            panic!();
        };
        assert_eq!(syn.max_datagram(), expected);
    }
}

#[test]
fn each_syn_ack_of_the_session_gets_the_same_ack() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-09, MS-H-11
    fixture.sent();
    assert_eq!(fixture.receive(&syn_ack("assigned")), [ack("assigned")]);
    assert_eq!(fixture.state(), "Established");
    assert_eq!(fixture.receive(&syn_ack("assigned")), [ack("assigned")]);
    fixture.receive(&data(1));
    assert_eq!(fixture.receive(&syn_ack("assigned")), [ack("assigned")]);
    assert_eq!((fixture.state(), fixture.frames()), ("Streaming", 1));
    assert!(fixture.pass(millis(2_000)).is_empty());
}

#[test]
fn the_ack_has_all_37_bytes_of_the_assigned_id() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    fixture.sent();
    let mut field = [7; ConnectionId::LENGTH];
    field[3] = 0;
    let mut control = Control::new(&field);
    control.flags = 0xff; // MS-W-13
    control.reserved = 0xffff;
    let sent = fixture.receive(&Frame::SynAck(control).to_vec());
    assert_eq!(sent, [Frame::Ack(Control::new(&field)).to_vec()]);
}

#[test]
fn a_syn_ack_of_another_session_or_source_gets_no_ack() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-14
    fixture.sent();
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 4445));
    assert!(fixture.receive_from(elsewhere, &syn_ack("x")).is_empty());
    assert_eq!(
        (fixture.state(), fixture.invalid("foreign_source")),
        ("SynSent", 1)
    );
    fixture.receive(&syn_ack("assigned"));
    assert!(fixture.receive(&syn_ack("another")).is_empty());
    assert_eq!(fixture.state(), "Established");
}

#[test]
fn a_rejection_is_not_answered_and_ends_it_with_the_peers_word() {
    let mut fixture = Fixture::new("3way", &["fallback"], &[]); // MS-H-10
    fixture.sent();
    let tlvs = [0x11, 0, 4, 0, b'f', b'u', b'l', b'l'];
    let mut datagram = syn_ack_with("", |_| {});
    datagram.extend_from_slice(&tlvs);
    assert!(fixture.receive(&datagram).is_empty());
    let sentence = "192.0.2.1:4444 rejected the session and says \"full\"";
    assert_eq!(fixture.failure(), ("rejected", sentence));
    assert_eq!(fixture.state(), "Rejected");
    assert!(fixture.pass(Duration::from_secs(20)).is_empty());
}

#[test]
fn a_rejection_after_the_session_began_changes_nothing() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    fixture.sent();
    fixture.receive(&syn_ack("assigned"));
    assert!(fixture.receive(&syn_ack_with("", |_| {})).is_empty());
    assert_eq!(fixture.state(), "Established");
}

#[rstest]
#[case::of_another_version(syn_ack_with("x", |c| { c.flags = 1; c.version = 2; }), "foreign_version")]
#[case::of_another_version_that_rejects(syn_ack_with("x", |c| c.version = 0), "foreign_version")]
#[case::without_an_id(syn_ack(""), "empty_connection_id")]
#[case::cut_short(syn_ack("x")[..66].to_vec(), "malformed")]
#[case::with_a_tlv_past_its_end([syn_ack("x"), vec![9, 0, 1, 0]].concat(), "malformed")]
fn a_syn_ack_that_breaks_a_rule_is_dropped_and_the_syn_repeated(
    #[case] datagram: Vec<u8>,
    #[case] cause: &str,
) {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-W-16
    fixture.sent();
    assert!(fixture.receive(&datagram).is_empty());
    assert_eq!((fixture.state(), fixture.invalid(cause)), ("SynSent", 1));
    assert_eq!(fixture.pass(millis(500)).len(), 1);
    assert_eq!(fixture.receive(&syn_ack("x")), [ack("x")]);
}

#[test]
fn media_and_connection_id_before_the_syn_ack_are_taken_once_the_id_is_known() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-17, MS-H-24
    fixture.sent();
    for datagram in [data(1), named("assigned"), data(2), data(3)] {
        assert!(fixture.receive(&datagram).is_empty());
    }
    assert_eq!((fixture.state(), fixture.frames()), ("SynSent", 0));
    assert_eq!(fixture.receive(&syn_ack("assigned")), [ack("assigned")]);
    assert_eq!((fixture.state(), fixture.frames()), ("Streaming", 3));
}

#[test]
fn media_of_another_id_before_the_syn_ack_is_not_taken() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-17, MS-D-10
    fixture.sent();
    for datagram in [named("old"), data(1), named("assigned"), data(2)] {
        fixture.receive(&datagram);
    }
    fixture.receive(&syn_ack("assigned"));
    assert_eq!(fixture.frames(), 1);
    assert_eq!(fixture.invalid("other_session"), 1);
    fixture.receive(&data(1));
    assert_eq!(fixture.frames(), 2);
}

#[test]
fn media_that_was_overtaken_by_the_name_of_another_session_is_not_taken() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    fixture.sent();
    for datagram in [data(1), named("old"), named("assigned"), data(2)] {
        fixture.receive(&datagram);
    }
    fixture.receive(&syn_ack("assigned"));
    assert_eq!((fixture.frames(), fixture.invalid("other_session")), (1, 1));
}

#[test]
fn the_last_frame_of_the_session_before_does_not_end_the_next_one() {
    let mut fixture = Fixture::new("legacy", &[], &[]);
    fixture.sent();
    for datagram in [named("one"), data(100), named("two"), data(1)] {
        fixture.receive(&datagram);
    }
    fixture.pass(millis(1_500));
    assert_eq!(fixture.outcome, None);
}

#[test]
fn what_is_kept_before_the_syn_ack_is_bounded() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    fixture.sent();
    for number in 1..=1_000 {
        fixture.receive(&data(number));
    }
    let refused = fixture.initiator.counters.resource_rejections;
    assert!((700..800).contains(&refused), "{refused}");
}

#[test]
fn media_under_another_id_is_another_session_until_the_own_id_is_named_again() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-D-10
    fixture.sent();
    fixture.receive(&syn_ack("assigned"));
    fixture.receive(&data(1));
    fixture.receive(&named("another"));
    fixture.receive(&data(2));
    assert_eq!((fixture.frames(), fixture.invalid("other_session")), (1, 1));
    fixture.receive(&named("assigned"));
    fixture.receive(&data(2));
    assert_eq!(fixture.frames(), 2);
}

#[test]
fn a_changed_id_in_legacy_is_another_session_whose_numbers_are_new() {
    let mut fixture = Fixture::new("legacy", &[], &[]); // MS-D-09, MS-D-10
    fixture.sent();
    for datagram in [data(1), named("one"), data(1), data(2)] {
        fixture.receive(&datagram);
    }
    // To be named is no change: what was reordered before the name stays.
    assert_eq!(
        (fixture.frames(), fixture.initiator.counters.duplicates),
        (2, 1)
    );
    for datagram in [named("two"), data(1), data(2), data(3)] {
        fixture.receive(&datagram);
    }
    assert_eq!(
        (fixture.frames(), fixture.initiator.counters.duplicates),
        (3, 1)
    );
}

#[test]
fn it_ends_well_as_soon_as_every_frame_is_there_in_whatever_order() {
    let mut fixture = Fixture::new("legacy", &[], &[]);
    fixture.sent();
    fixture.receive(&named("x"));
    for number in (1..=100).rev() {
        assert_eq!(fixture.outcome, None);
        fixture.receive(&data(number));
    }
    assert_eq!(fixture.outcome, Some(Outcome::Completed));
    assert_eq!(fixture.state(), "Closed");
    assert!(fixture.receive(&data(1)).is_empty());
    assert_eq!(fixture.initiator.deadline(), None);
}

#[test]
fn frames_that_are_missing_at_the_end_are_named() {
    let mut fixture = Fixture::new("legacy", &[], &[]);
    fixture.sent();
    for number in (1..=100).filter(|number| ![3, 17, 18].contains(number)) {
        fixture.receive(&data(number));
    }
    fixture.pass(millis(999));
    assert_eq!(fixture.outcome, None);
    fixture.pass(millis(1));
    let sentence = "the stream of 192.0.2.1:4444 is over: 97 of 100 frames are there, \
                    missing 3, 17-18";
    assert_eq!(fixture.failure(), ("incomplete", sentence));
}

#[test]
fn contact_that_is_lost_ends_it_after_the_buffer_period() {
    let mut fixture = Fixture::new("legacy", &[], &[("buffer_period", "700ms")]);
    fixture.sent();
    fixture.receive(&data(1));
    fixture.pass(millis(600));
    fixture.receive(&data(2));
    fixture.pass(millis(699));
    assert_eq!(fixture.outcome, None);
    fixture.pass(millis(1));
    let sentence = "192.0.2.1:4444 was silent for 700ms: 2 of 100 frames are there, \
                    missing 3-100";
    assert_eq!(fixture.failure(), ("lost_contact", sentence));
}

#[test]
fn a_session_that_brings_no_media_ends_after_the_buffer_period() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    fixture.sent();
    fixture.receive(&syn_ack("assigned"));
    fixture.pass(millis(3_000));
    assert_eq!(fixture.failure().0, "no_media");
}

#[test]
fn a_peer_that_drips_for_ever_does_not_keep_it() {
    let mut fixture = Fixture::new("legacy", &[], &[]);
    fixture.sent();
    while fixture.outcome.is_none() {
        fixture.receive(&data(1));
        fixture.pass(millis(500));
        assert!(fixture.now < Duration::from_secs(10));
    }
    assert_eq!(fixture.failure().0, "incomplete");
}

#[test]
fn a_stream_whose_payload_is_not_the_pattern_fails_at_its_end() {
    let mut fixture = Fixture::new("legacy", &[], &[]); // MS-D-11
    fixture.sent();
    for number in 1..=100 {
        let mut datagram = data(number);
        if number == 50 {
            datagram[500] ^= 1;
        }
        fixture.receive(&datagram);
    }
    let sentence = "1 datagrams of 192.0.2.1:4444 did not carry the counter pattern";
    assert_eq!(fixture.failure(), ("payload", sentence));
}

#[test]
fn a_stopped_initiator_says_so_once() {
    let mut fixture = Fixture::new("3way", &[], &[]);
    fixture.initiator.handle(fixture.now, Input::Stop);
    fixture.initiator.handle(fixture.now, Input::Stop);
    fixture.sent();
    assert_eq!(fixture.failure().0, "stopped");
}
