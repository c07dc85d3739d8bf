//! The rules of 3.2 and of control frames, kept and broken.

use super::*;

#[test]
fn an_answer_to_a_copy_of_the_syn_changes_no_timer_of_the_syn_ack() {
    // The initiator lives elsewhere, so that its own early copy is none of the capture's business.
    let talk = Talk::new().from("192.0.2.1:50000").syn("a").syn_ack("one");
    let asked_again = talk.after(200.0).syn("a").after(0.2).syn_ack("one");
    let on_time = asked_again.clone().after(299.8).syn_ack("one");
    let on_time = on_time.after(1_000.0).syn_ack("one").after(1_900.0);
    let heard = judge(&on_time.elsewhere(), &supervised("3way"));
    assert!(!heard.findings.contains(&"MS-H-18"), "{:#?}", heard.all);
    let anew = asked_again.after(500.0).syn_ack("one").after(1_000.0);
    let heard = judge(&anew.elsewhere(), &supervised("3way"));
    assert!(heard.findings.contains(&"MS-H-18"), "{:#?}", heard.all);
}

#[test]
fn another_wish_of_a_half_open_tuple_may_get_the_answer_to_the_first() {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one");
    let repeated = talk.after(500.0).syn_ack("one");
    let early = repeated.clone().after(20.0).syn_ack("one").after(1.0);
    let asked = repeated.after(20.0).syn("b").after(0.5).syn_ack("one");
    for (talk, is_broken) in [(asked, false), (early, true)] {
        let talk = talk.ack("one").name("one").after(1.0).frames(1..=9);
        let heard = judge(&talk, &supervised("3way"));
        let found = heard.findings.contains(&"MS-H-18");
        assert_eq!(found, is_broken, "{:#?}", heard.all);
    }
}

#[test]
fn a_syn_ack_is_repeated_by_a_timer_that_runs_from_the_syn_or_from_itself() {
    let repeated = |answered: f64, again: f64| {
        let talk = Talk::new().from("192.0.2.1:50000").syn("a");
        let talk = talk
            .after(answered)
            .syn_ack("one")
            .after(again)
            .syn_ack("one");
        let heard = judge(&talk.after(1_000.0).elsewhere(), &supervised("3way"));
        heard.findings.contains(&"MS-H-18")
    };
    assert!(!repeated(60.0, 443.0));
    assert!(!repeated(60.0, 503.0));
    assert!(repeated(60.0, 383.0));
    assert!(repeated(0.2, 443.0));
}

#[test]
fn a_healthy_handshake_exercises_the_rules() {
    let heard = assert_healthy(&Talk::three_way(20));
    for id in [
        "MS-W-10", "MS-W-12", "MS-H-01", "MS-H-02", "MS-H-05", "MS-H-06", "MS-H-09", "MS-H-15",
    ] {
        assert!(
            heard.sessions[0].judged.contains(id),
            "{id} in {:?}",
            heard.sessions[0].judged
        );
    }
}

#[test]
fn numbers_in_the_header_of_a_control_frame_break_w10() {
    for (place, byte) in [(0, 2), (1, 10), (2, 18)] {
        assert_broken(
            &Talk::three_way(20).on(place, |bytes| bytes[byte] = 9),
            &["MS-W-10"],
        );
    }
}

#[test]
fn reserved_bits_and_fields_break_w12() {
    assert_broken(
        &Talk::three_way(20).on(0, |bytes| bytes[27] = 1),
        &["MS-W-12"],
    );
    assert_broken(
        &Talk::three_way(20).on(1, |bytes| bytes[27] = 3),
        &["MS-W-12"],
    );
    assert_broken(
        &Talk::three_way(20).on(2, |bytes| bytes[28] = 1),
        &["MS-W-12"],
    );
}

#[test]
fn big_endian_control_frames_break_w01_and_nothing_else() {
    for (place, party) in [(0, "SYN"), (2, "ACK"), (3, "connection-id")] {
        let talk = Talk::three_way(20).on(place, |bytes| bytes.swap(0, 1));
        let heard = judge(&talk, &at(Vantage::Sender));
        assert_eq!(heard.findings, ["MS-W-01"], "{party}: {:#?}", heard.all);
    }
    let tlv = [0x00, 0x06, 0x00, 0x04, 0x00, 0x00, 0x05, 0x78];
    assert_broken(
        &Talk::three_way(20).on(0, |bytes| bytes.extend_from_slice(&tlv)),
        &["MS-W-01"],
    );
}

#[test]
fn an_ack_before_any_syn_breaks_h01_if_the_capture_shows_the_beginning() {
    let talk = Talk::new().ack("one").after(1.0).name("one").frames(1..=20);
    let heard = judge(&talk, &at(Vantage::Sender));
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    assert_eq!(heard.doubts, ["MS-H-01"]);
    assert_eq!(judge(&talk, &supervised("3way")).findings[0], "MS-H-01");
}

#[test]
fn a_wished_id_without_a_nul_breaks_h02() {
    let talk = Talk::three_way(20).on(0, |bytes| bytes[30..67].fill(b'x'));
    assert_broken(&talk, &["MS-H-02"]);
    assert_healthy(&Talk::three_way(20).on(0, |bytes| bytes[30..67].fill(0)));
}

#[test]
fn syns_outside_their_windows_break_h03() {
    for gap in [200.0, 900.0] {
        let talk = Talk::new()
            .syn("a")
            .after(gap)
            .syn("a")
            .after(1.0)
            .syn_ack("one")
            .after(1.0)
            .ack("one");
        assert_broken_at_sender(&talk, "MS-H-03");
    }
    let healthy = Talk::new()
        .syn("a")
        .after(500.0)
        .syn("a")
        .after(1_000.0)
        .syn("a");
    assert_healthy(
        &healthy
            .after(1.0)
            .syn_ack("one")
            .after(1.0)
            .ack("one")
            .frames(1..=9),
    );
    let long = Talk::new()
        .syn("a")
        .after(900.0)
        .syn_ack("one")
        .after(1.0)
        .ack("one")
        .frames(1..=9);
    assert_broken_at_sender(&long, "MS-H-03");
}

#[test]
fn another_syn_in_place_of_the_copy_breaks_h03() {
    let talk = Talk::new()
        .syn("a")
        .after(500.0)
        .syn("b")
        .after(1.0)
        .syn_ack("one")
        .after(1.0)
        .ack("one")
        .frames(1..=9);
    assert_broken_at_sender(&talk, "MS-H-03");
}

#[test]
fn two_sends_only_or_four_break_h03_in_a_run() {
    let two = Talk::new()
        .syn("a")
        .after(500.0)
        .syn("a")
        .after(1_600.0)
        .elsewhere();
    assert_eq!(judge(&two, &supervised("3way")).findings, ["MS-H-03"]);
    let four = Talk::new()
        .syn("a")
        .after(500.0)
        .syn("a")
        .after(1_000.0)
        .syn("a")
        .after(2_000.0)
        .syn("a");
    assert_eq!(judge(&four, &supervised("3way")).findings, ["MS-H-03"]);
    let three = Talk::new()
        .syn("a")
        .after(500.0)
        .syn("a")
        .after(1_000.0)
        .syn("a")
        .after(2_000.0)
        .elsewhere();
    assert!(judge(&three, &supervised("3way")).findings.is_empty());
}

/// A SYN that nothing answers, sent three times, while the capture goes on.
fn unanswered() -> Talk {
    Talk::new()
        .syn("a")
        .after(500.0)
        .syn("a")
        .after(1_000.0)
        .syn("a")
        .after(4_000.0)
        .elsewhere()
}

#[test]
fn a_syn_that_a_3way_responder_leaves_unanswered_breaks_h05() {
    let talk = unanswered()
        .from("127.0.0.1:50001")
        .greet("two")
        .frames(1..=9);
    assert_broken_at_sender(&talk, "MS-H-05");
    assert_eq!(
        judge(&unanswered(), &supervised("3way")).findings,
        ["MS-H-05"]
    );
}

#[test]
fn a_syn_that_nobody_answers_proves_nothing_of_a_responder_that_may_be_legacy() {
    let heard = judge(&unanswered(), &at(Vantage::Sender));
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    assert_eq!(heard.doubts, ["MS-H-05"]);
    let legacy = judge(&unanswered(), &supervised("legacy"));
    assert!(!legacy.findings.contains(&"MS-H-05"), "{:#?}", legacy.all);
}

#[test]
fn an_invalid_syn_needs_no_answer() {
    for (place, value) in [(26, 2), (66, b'x')] {
        let talk = unanswered()
            .from("127.0.0.1:50001")
            .greet("two")
            .frames(1..=9);
        let talk = (0..3).fold(talk, |talk, index| {
            talk.on(index, |bytes| {
                if value == b'x' {
                    bytes.extend_from_slice(&[0x06, 0, 0xff, 0]);
                } else {
                    bytes[place] = value;
                }
            })
        });
        assert_healthy(&talk);
    }
}

#[test]
fn a_syn_that_makes_sense_big_endian_only_needs_no_answer() {
    let flag = |bytes: &mut Vec<u8>| bytes.swap(0, 1);
    let tlv = |bytes: &mut Vec<u8>| bytes.extend([0x00, 0x06, 0x00, 0x04, 0x00, 0x00, 0x05, 0x78]);
    for swap in [flag, tlv] {
        let talk = (0..3).fold(unanswered(), |talk, index| talk.on(index, swap));
        let heard = judge(&talk, &supervised("3way"));
        assert!(heard.findings.contains(&"MS-W-01"), "{:#?}", heard.all);
        assert!(!heard.findings.contains(&"MS-H-05"), "{:#?}", heard.all);
    }
}

#[test]
fn silence_under_a_flood_of_syns_is_allowed() {
    let mut talk = Talk::new();
    for port in 0..200 {
        talk = talk
            .after(1.0)
            .from(&format!("127.0.0.1:{}", 20_000 + port))
            .syn("");
        if port % 2 == 0 {
            talk = talk.reject();
        }
    }
    let heard = judge(&talk.after(5_000.0).elsewhere(), &supervised("3way"));
    assert!(
        !heard.findings.contains(&"MS-H-05"),
        "{:#?}",
        heard.findings
    );
}

#[test]
fn a_syn_ack_from_another_port_breaks_h05() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .with("127.0.0.1:4445")
        .syn_ack("one")
        .after(1.0)
        .ack("one")
        .frames(1..=9);
    let talk = talk.after(4_000.0).elsewhere();
    let heard = judge(&talk, &at(Vantage::Path));
    assert_eq!(heard.findings, ["MS-H-05"], "{:#?}", heard.all);
}

/// The stream comes from where it was asked for, and only the SYN-ACK from elsewhere; the ACK goes
/// to either.
#[test]
fn a_syn_ack_from_another_port_than_the_stream_breaks_h05_and_not_what_needs_an_ack() {
    for acks_there in [false, true] {
        let other = Talk::new().syn("a").after(1.0).with("127.0.0.1:4445");
        let mut talk = other.syn_ack("one").after(1.0);
        if acks_there {
            talk = talk.ack("one").with(RESPONDER);
        } else {
            talk = talk.with(RESPONDER).ack("one");
        }
        let named = talk.after(1.0).name("one");
        // More than 64 KiB, and a run whose options are known.
        assert_broken(&named.clone().frames(1..=90), &["MS-H-05"]);
        let heard = judge(&named.frames(1..=50), &supervised("3way"));
        assert_eq!(heard.findings, ["MS-H-05"], "{:#?}", heard.all);
    }
}

#[test]
fn a_syn_ack_from_another_port_licenses_no_media_without_an_ack() {
    let other = Talk::new().syn("a").after(1.0).with("127.0.0.1:4445");
    let talk = other.syn_ack("one").after(1.0).with(RESPONDER);
    let heard = judge(&talk.frames(1..=50), &supervised("3way"));
    assert!(heard.findings.contains(&"MS-H-05"), "{:#?}", heard.all);
    assert!(heard.findings.contains(&"MS-H-15"), "{:#?}", heard.all);
}

#[test]
fn media_from_another_port_breaks_h05() {
    let talk = Talk::new()
        .greet("one")
        .with("127.0.0.1:4445")
        .frames(1..=9);
    let heard = judge(&talk, &at(Vantage::Path));
    assert_eq!(heard.findings, ["MS-H-05"], "{:#?}", heard.all);
}

#[test]
fn an_accepting_syn_ack_without_an_id_breaks_h06() {
    for fill in [0, b'x'] {
        let talk = Talk::new()
            .syn("a")
            .after(1.0)
            .syn_ack("one")
            .on(1, |bytes| bytes[30..67].fill(fill));
        assert_broken(&talk, &["MS-H-06"]);
    }
}

#[test]
fn media_and_connection_id_after_a_rejection_break_h07() {
    let rejected = Talk::new().syn("a").after(1.0).reject();
    assert_healthy(&rejected);
    assert_broken(&rejected.clone().frames(1..=9), &["MS-H-07"]);
    assert_broken(&rejected.after(1.0).name("one"), &["MS-H-07"]);
}

#[test]
fn an_ack_with_another_id_breaks_h09() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(1.0)
        .ack("two")
        .after(1.0)
        .ack("one")
        .frames(1..=9);
    assert_broken(&talk, &["MS-H-09"]);
}

#[test]
fn no_ack_at_all_breaks_h09_if_the_capture_goes_on() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(500.0)
        .syn_ack("one")
        .after(1_000.0)
        .syn_ack("one");
    assert_healthy(&talk);
    assert_broken_at_sender(&talk.after(2_600.0).elsewhere(), "MS-H-09");
}

#[test]
fn an_initiator_on_another_host_may_have_sent_what_a_capture_at_the_responder_lacks() {
    let talk = Talk::new()
        .from("192.0.2.7:50000")
        .with("192.0.2.1:4444")
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(500.0)
        .syn_ack("one")
        .after(4_000.0)
        .elsewhere();
    let heard = judge(&talk, &at(Vantage::Sender));
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    assert_eq!(heard.doubts, ["MS-H-09"]);
}

#[test]
fn an_ack_to_a_rejection_breaks_h10() {
    let talk = Talk::new().syn("a").after(1.0).reject().after(1.0).ack("");
    assert_broken(&talk, &["MS-H-10"]);
}

#[test]
fn what_accepts_after_a_rejection_wants_no_ack() {
    let talk = Talk::new().syn("a").after(1.0).reject().after(1.0);
    let talk = talk.syn_ack("one").after(4_000.0).elsewhere();
    let heard = judge(&talk, &supervised("3way"));
    assert!(!heard.findings.contains(&"MS-H-09"), "{:#?}", heard.all);
}

#[test]
fn the_rejected_syn_again_breaks_h10() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .reject()
        .after(499.0)
        .syn("a")
        .after(1.0)
        .reject();
    assert_broken_at_sender(&talk, "MS-H-10");
}

#[test]
fn a_syn_ack_that_is_not_repeated_breaks_h18() {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one");
    assert_healthy(&talk.clone().after(600.0).elsewhere());
    assert_broken_at_sender(&talk.after(1_500.0).elsewhere(), "MS-H-18");
}

#[test]
fn the_same_syn_after_the_last_wait_begins_the_timers_of_another_session() {
    let half_open = |talk: Talk, id: &str| {
        let talk = talk.syn("a").after(1.0).syn_ack(id).after(500.0);
        talk.syn_ack(id).after(1_000.0).syn_ack(id)
    };
    let is_found = |talk: &Talk| {
        let heard = judge(talk, &supervised("3way"));
        heard.findings.contains(&"MS-H-18")
    };
    let dropped = half_open(Talk::new(), "one").after(40_000.0);
    let again = half_open(dropped.clone(), "two").after(2_500.0);
    assert!(!is_found(&again.elsewhere()));
    let early = dropped.syn("a").after(1.0).syn_ack("two").after(100.0);
    assert!(is_found(&early.syn_ack("two")));
    // It lived a little longer, and answers the SYN besides.
    let lives = half_open(Talk::new(), "one").after(1_900.0);
    assert!(!is_found(&lives.syn("a").after(1.0).syn_ack("one")));
}

#[test]
fn a_syn_ack_repeated_at_the_wrong_time_breaks_h18() {
    for gap in [100.0, 900.0] {
        let talk = Talk::new()
            .syn("a")
            .after(1.0)
            .syn_ack("one")
            .after(gap)
            .syn_ack("one")
            .after(1.0)
            .ack("one")
            .frames(1..=9);
        assert_broken_at_sender(&talk, "MS-H-18");
    }
}

#[test]
fn a_syn_ack_that_answers_a_repeated_syn_is_not_measured() {
    let talk = Talk::new()
        .syn("a")
        .after(100.0)
        .syn_ack("one")
        .after(400.0)
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(99.0)
        .syn_ack("one")
        .after(1.0)
        .ack("one")
        .frames(1..=9);
    assert_healthy(&talk);
}

#[test]
fn a_syn_shows_who_is_who_whatever_was_sent_astray_before() {
    let (one, other) = (INITIATOR, RESPONDER);
    let astray = Talk::new()
        .from(other)
        .with(one)
        .syn_ack("astray")
        .name("astray")
        .data(1, 974);
    let talk = astray.after(500.0).from(one).with(other).greet("one");
    let talk = talk.frames(1..=20);
    let heard = judge(&talk, &supervised("3way"));
    let session = heard.sessions.iter().find(|session| session.frames == 20);
    assert_eq!(
        session.unwrap().responder.to_string(),
        RESPONDER,
        "{heard:?}"
    );
    assert_eq!(heard.findings, ["MS-D-07"; 0], "{heard:?}");
}
