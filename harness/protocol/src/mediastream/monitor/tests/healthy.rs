//! Peculiarities that are no breach, and traffic that is not ours.

use super::*;

#[test]
fn a_capture_that_begins_or_ends_in_mid_stream_is_healthy() {
    let talk = Talk::three_way(100);
    let middle = Talk {
        sent: talk.sent[30..80].to_vec(),
        ..talk.clone()
    };
    let heard = assert_healthy(&middle);
    assert_eq!(
        (heard.sessions.len(), heard.sessions[0].mode),
        (1, "unknown")
    );
    for end in 1..10 {
        let head = Talk {
            sent: talk.sent[..end].to_vec(),
            ..talk.clone()
        };
        assert_healthy(&head);
    }
}

#[test]
fn a_capture_of_one_direction_only_is_healthy() {
    let talk = Talk::three_way(30).after(3_000.0).elsewhere();
    let side = |from_initiator: bool| Talk {
        sent: talk
            .sent
            .iter()
            .filter(|sent| (sent.from == talk.initiator) == from_initiator)
            .cloned()
            .collect(),
        ..talk.clone()
    };
    assert_healthy(&side(false));
    let asking = judge(&side(true), &at(Vantage::Sender));
    assert!(asking.findings.is_empty(), "{:#?}", asking.all);
}

#[test]
fn repeated_and_crossing_handshake_datagrams_are_healthy() {
    let talk = Talk::new()
        .syn("a")
        .after(499.5)
        .syn_ack("one")
        .after(0.5)
        .syn("a")
        .after(0.1)
        .ack("one")
        .after(0.1)
        .syn_ack("one")
        .after(0.1)
        .ack("one")
        .frames(1..=20);
    assert_eq!(assert_healthy(&talk).sessions.len(), 1);
}

#[test]
fn a_syn_that_arrives_twice_is_answered_twice_at_once() {
    let talk = Talk::new()
        .syn("a")
        .syn("a")
        .after(0.2)
        .syn_ack("one")
        .after(0.1)
        .syn_ack("one");
    let heard = judge(
        &talk.after(1.0).ack("one").frames(1..=20),
        &at(Vantage::Path),
    );
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    assert_eq!(heard.doubts, ["MS-H-03"]);
}

#[test]
fn half_open_sessions_may_be_dropped_long_after_a_flood_began() {
    let mut talk = Talk::new();
    for port in 0..2_000 {
        talk = talk
            .after(0.1)
            .from(&format!("127.0.0.1:{}", 20_000 + port))
            .syn("")
            .syn_ack("one");
    }
    let heard = judge(&talk.after(12_000.0).elsewhere(), &supervised("3way"));
    assert!(
        !heard.findings.contains(&"MS-H-18"),
        "{:#?}",
        heard.findings
    );
}

#[test]
fn media_that_the_initiator_sends_does_not_turn_the_roles_round() {
    let stray = Talk::new()
        .ask(&accepting("one"))
        .after(1.0)
        .ask(&[&[0x00, 0x10], &id("one")[..]].concat());
    let header = stray.header(1);
    let stray = stray.after(1.0).ask(&data(header, pattern::prefix(100)));
    let heard = judge(
        &stray
            .clone()
            .after(1.0)
            .start()
            .after(1.0)
            .name("one")
            .frames(1..=50),
        &supervised("legacy"),
    );
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    let foreign = judge(
        &stray
            .after(1.0)
            .start()
            .after(1.0)
            .name("one")
            .frames(1..=50),
        &at(Vantage::Sender),
    );
    assert!(foreign.findings.is_empty(), "{:#?}", foreign.all);
    assert_eq!(
        foreign
            .sessions
            .last()
            .map(|session| (session.mode, session.frames)),
        Some(("legacy", 50))
    );
}

#[test]
fn ids_with_the_same_text_are_the_same_id() {
    let talk = Talk::three_way(20)
        .on(2, |bytes| bytes[40] = b'x')
        .on(3, |bytes| bytes[20] = b'y');
    assert_healthy(&talk);
}

#[test]
fn a_repeated_connection_id_is_healthy() {
    let talk = Talk::legacy(9).after(1.0).name("one").frames(10..=20);
    assert_eq!(assert_healthy(&talk).sessions.len(), 1);
}

#[test]
fn one_session_after_another_on_a_tuple_is_healthy() {
    let talk = Talk::legacy(20)
        .after(2_000.0)
        .start()
        .after(1.0)
        .name("two")
        .frames(1..=20);
    assert_eq!(assert_healthy(&talk).sessions.len(), 2);
    let talk = Talk::three_way(20)
        .after(2_000.0)
        .greet("two")
        .frames(1..=20);
    assert_eq!(assert_healthy(&talk).sessions.len(), 2);
}

#[test]
fn a_restart_with_another_id_in_mid_stream_is_healthy() {
    let talk = Talk::three_way(20)
        .after(5.0)
        .syn("b")
        .after(1.0)
        .data(21, 974);
    let talk = talk
        .after(0.1)
        .syn_ack("two")
        .after(1.0)
        .ack("two")
        .after(0.1)
        .data(22, 974);
    let heard = assert_healthy(&talk.clone().name("two").frames(1..=20));
    let ids: Vec<_> = heard
        .sessions
        .iter()
        .map(|session| session.connection_id.clone().unwrap())
        .collect();
    assert_eq!(ids, ["one", "two"]);
    assert_healthy(&talk.name("two").frames(23..=40));
}

#[test]
fn a_restart_that_is_rejected_leaves_the_session_alone() {
    let talk = Talk::three_way(20)
        .after(5.0)
        .syn("b")
        .after(1.0)
        .reject()
        .frames(21..=40);
    assert_eq!(assert_healthy(&talk).sessions.len(), 1);
}

#[test]
fn two_initiators_at_one_responder_do_not_disturb_each_other() {
    let one = Talk::three_way(30);
    let other = Talk::new()
        .from("127.0.0.1:50001")
        .after(3.0)
        .greet("two")
        .frames(1..=30);
    let mut both = one.clone();
    both.sent.extend(other.sent);
    both.sent.sort_by(|a, b| a.time.total_cmp(&b.time));
    assert_eq!(assert_healthy(&both).sessions.len(), 2);
}

#[test]
fn a_start_served_after_unanswered_syns_is_healthy() {
    let talk = Talk::new()
        .syn("a")
        .after(500.0)
        .syn("a")
        .after(1_000.0)
        .syn("a")
        .after(2_000.0)
        .start()
        .after(1.0)
        .name("one")
        .frames(1..=20);
    let heard = assert_healthy(&talk.after(3_000.0).elsewhere());
    let modes: Vec<_> = heard.sessions.iter().map(|session| session.mode).collect();
    assert_eq!(modes, ["3way", "legacy"]);
}

#[test]
fn a_rejected_syn_and_a_fresh_one_are_healthy() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .reject()
        .after(700.0)
        .syn("b")
        .after(1.0)
        .syn_ack("one")
        .after(1.0)
        .ack("one");
    assert_healthy(&talk.frames(1..=20));
    let start = Talk::new()
        .syn("a")
        .after(1.0)
        .reject()
        .after(700.0)
        .start()
        .after(1.0)
        .name("one")
        .frames(1..=20);
    assert_healthy(&start);
}

#[test]
fn a_misbehaving_initiator_is_no_fault_of_the_responder() {
    let responder = crate::requirement::Role::Responder;
    let talk = Talk::new()
        .ack("nobody")
        .after(1.0)
        .syn("a")
        .on(1, |bytes| bytes[26] = 7)
        .after(1.0)
        .reject()
        .after(1.0)
        .greet("one")
        .frames(1..=5)
        .ask(b"")
        .ask(b"STARTLED")
        .ask(&[0, 0])
        .ask(&[0xff; 80])
        .after(1.0)
        .data(6, 974)
        .ack("other")
        .frames(7..=50);
    let heard = judge(&talk.after(3_000.0).elsewhere(), &supervised("3way"));
    for observation in &heard.all {
        if let Observation::Finding(finding) = observation {
            assert_ne!(finding.party, responder, "{finding:#?}");
        }
    }
}

#[test]
fn unrelated_traffic_is_no_session() {
    let stun = [b"\x00\x01\x00\x40\x21\x12\xa4\x42".as_slice(), &[0; 80]].concat();
    let stun_answer = [b"\x01\x01\x00\x40\x21\x12\xa4\x42".as_slice(), &[0; 80]].concat();
    let dns =
        b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
            .to_vec();
    let zeros = vec![0; 1_000];
    let quic = [b"\xc3\x00\x00\x00\x01\x08".as_slice(), &[0x5a; 1_194]].concat();
    let random: Vec<u8> = (0..500_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut talk = Talk::new();
    for bytes in [&stun, &dns, &zeros, &quic, &random] {
        for _ in 0..10 {
            talk = talk
                .after(5.0)
                .ask(bytes)
                .after(1.0)
                .answer(bytes)
                .answer(&stun_answer);
        }
    }
    for n in 0..200_u16 {
        let rtp = [&[0x80, 0x60], &n.to_be_bytes()[..], &[0; 168]].concat();
        talk = talk.after(20.0).answer(&rtp);
    }
    let heard = assert_healthy(&talk);
    assert!(heard.sessions.is_empty(), "{:#?}", heard.sessions);
}
