use super::*;

#[test]
fn an_age_below_the_timers_ends_a_half_open_session_earlier() {
    let mut fixture = Fixture::new("3way", &[], &[("half_open_age", "1200ms")]); // MS-H-19
    fixture.receive(peer(A), &syn("wish"));
    fixture.pass(millis(1_199));
    assert_eq!(fixture.state(peer(A)), "SynAckSent");
    fixture.pass(millis(1));
    assert_eq!(fixture.state(peer(A)), "Listen");
}

#[test]
fn half_open_sessions_are_bounded_and_a_flood_harms_no_other_session() {
    let mut fixture = Fixture::new("3way", &[], &[]); // MS-H-19
    fixture.receive(peer(A), &syn("first"));
    let first = fixture.id(peer(A));
    fixture.receive(peer(A), &ack(&first));
    fixture.receive(peer(A + 1), &syn("second"));
    let second = fixture.id(peer(A + 1));
    let accepted = (0..5_000).filter(|n| {
        let sent = fixture.receive(peer(*n), &syn("flood"));
        assert_eq!(names(&sent), ["SYN-ACK"]);
        control(&sent[0]).accepts()
    });
    assert_eq!(accepted.count(), 1_023);
    assert_eq!(fixture.responder.half_open, 1_024);
    assert_eq!(fixture.responder.sessions.len(), 1_025);
    fixture.receive(peer(A + 1), &ack(&second));
    let sent = fixture.pass(Duration::from_secs(5));
    assert_eq!(numbers(&sent).len(), 200);
    assert!(fixture.responder.sessions.is_empty());
    assert_eq!(fixture.responder.deadline(), None);
    assert_eq!(
        fixture.counter("/handshakes/failed", "half_open_limit"),
        5_000 - 1_023
    );
}

#[test]
fn at_the_bound_a_restart_is_rejected_and_the_established_session_goes_on() {
    let mut fixture = Fixture::new("3way", &[], &[("max_half_open", "1")]);
    fixture.receive(peer(A), &syn("first"));
    let first = fixture.id(peer(A));
    fixture.receive(peer(A), &ack(&first));
    fixture.receive(peer(1), &syn("flood"));
    let sent = fixture.receive(peer(A), &syn("second"));
    assert!(!control(&sent[0]).accepts());
    let diagnostic = control(&sent[0]).tlvs.get(kind::DIAGNOSTIC);
    assert_eq!(diagnostic, Some(&b"too many half-open sessions"[..]));
    assert_eq!(numbers(&fixture.pass(millis(40))), [1, 2]);
    assert_eq!(fixture.id(peer(A)), first);
}

#[test]
fn sessions_are_bounded_in_both_modes() {
    let mut fixture = Fixture::new("3way", &["allow_legacy_start"], &[("max_sessions", "1")]);
    fixture.receive(peer(1), START_TOKEN);
    assert!(fixture.receive(peer(2), START_TOKEN).is_empty());
    let sent = fixture.receive(peer(3), &syn("wish"));
    assert!(!control(&sent[0]).accepts());
    assert_eq!(fixture.responder.sessions.len(), 1);
    assert_eq!(fixture.responder.counters()["resource_rejections"], 2);
}

#[test]
fn every_peer_has_a_stream_of_its_own() {
    let mut fixture = Fixture::new("legacy", &[], &[]);
    for n in 0..50 {
        fixture.receive(peer(n), START_TOKEN);
        fixture.pass(millis(1));
    }
    let sent = fixture.pass(Duration::from_secs(3));
    assert_eq!(fixture.responder.counters()["frames"], 50 * 100);
    assert!(sent.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert!(fixture.responder.sessions.is_empty());
}

#[test]
fn a_stopped_responder_ends_every_session_and_answers_nothing() {
    let mut fixture = bench_in("Streaming");
    fixture.responder.handle(fixture.now, Input::Stop);
    let outputs: Vec<_> = std::iter::from_fn(|| fixture.responder.poll()).collect();
    let ended = outputs
        .iter()
        .filter(|output| matches!(output, Output::Ended { .. }));
    assert_eq!(ended.count(), 1);
    assert!(fixture.responder.is_finished());
    assert_eq!(fixture.responder.deadline(), None);
    assert!(fixture.receive(peer(A), &syn("third")).is_empty());
}

#[test]
fn at_the_bounds_a_tuple_may_begin_anew_in_its_own_place() {
    let bounds = [("max_half_open", "1"), ("max_sessions", "1")];
    let mut fixture = Fixture::new("3way", &[], &bounds);
    fixture.receive(peer(A), &syn("first"));
    let sent = fixture.receive(peer(A), &syn("second"));
    assert!(control(&sent[0]).accepts());
    let second = fixture.id(peer(A));
    fixture.receive(peer(A), &ack(&second));
    let sent = fixture.receive(peer(A), &syn("third")); // MS-H-23
    assert!(control(&sent[0]).accepts());
    assert_eq!(
        (fixture.responder.sessions(), fixture.responder.half_open()),
        (1, 1)
    );
}
