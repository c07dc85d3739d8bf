//! Handshake datagrams that come too late to mean what they say.

use super::start3::{NONCE, SENDER_NONCE, STREAM_ID};
use super::*;
use crate::mediastream::frame::Start3;
use crate::requirement::Role;

/// Three SYN-ACKs and the last wait, then an ACK.
fn dropped() -> Talk {
    three_syn_acks().after(2_100.0).ack("one")
}

fn three_syn_acks() -> Talk {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one");
    let talk = talk.after(500.0).syn_ack("one");
    talk.after(1_000.0).syn_ack("one")
}

fn assert_no_finding_of_the_responder(talk: &Talk) -> Heard {
    for options in [
        None,
        Some(vec![
            "allow_legacy_start".to_owned(),
            "optimistic_start".to_owned(),
        ]),
    ] {
        let settings = MonitorSettings {
            stream: Some(STREAM),
            mode: Some("3way".to_owned()),
            options,
            ..at(Vantage::Sender)
        };
        let heard = judge(talk, &settings);
        for observation in &heard.all {
            if let Observation::Finding(finding) = observation {
                assert_eq!(finding.party, Role::Initiator, "{finding:#?}");
            }
        }
    }
    judge(talk, &at(Vantage::Sender))
}

#[test]
fn a_start_after_the_ack_of_a_dropped_handshake_opens_a_session() {
    let talk = dropped()
        .after(1.0)
        .start()
        .after(0.1)
        .name("two")
        .frames(1..=10);
    let talk = talk
        .after(3.0)
        .syn("a")
        .after(0.1)
        .syn_ack("three")
        .after(1.0)
        .ack("three");
    let talk = talk
        .after(1.0)
        .name("three")
        .frames(1..=50)
        .after(3_000.0)
        .elsewhere();
    let heard = assert_no_finding_of_the_responder(&talk);
    let sessions: Vec<_> = heard
        .sessions
        .iter()
        .map(|session| (session.mode, session.frames))
        .collect();
    assert_eq!(sessions, [("3way", 0), ("legacy", 10), ("3way", 50)]);
}

#[test]
fn a_late_ack_that_completes_the_handshake_after_all_does() {
    let talk = dropped()
        .after(1.0)
        .start()
        .frames(1..=50)
        .after(3_000.0)
        .elsewhere();
    let heard = assert_no_finding_of_the_responder(&talk);
    assert_eq!(heard.sessions.len(), 1, "{heard:#?}");
    assert_eq!(heard.sessions[0].frames, 50);
}

#[test]
fn an_optimistic_stream_ends_when_its_handshake_is_dropped() {
    let early = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .name("one")
        .frames(1..=20);
    let early = early
        .after(99.0)
        .syn_ack("one")
        .after(1_000.0)
        .syn_ack("one");
    assert_no_finding_of_the_responder(&early.clone().after(6_000.0).elsewhere());
    let late = early.after(8_600.0).ack("one");
    assert_no_finding_of_the_responder(&late.after(6_000.0).elsewhere());
}

#[test]
fn a_stream_that_a_timely_ack_confirmed_may_not_stop_short() {
    let talk = Talk::three_way(20).after(3_000.0).elsewhere();
    let settings = supervised("3way");
    assert_eq!(judge(&talk, &settings).findings, ["MS-D-07"]);
    let late = dropped().frames(1..=20).after(3_000.0).elsewhere();
    assert!(judge(&late, &settings).findings.contains(&"MS-D-07"));
}
#[test]
fn media_that_overtakes_the_answer_to_a_syn_of_the_past_is_a_doubt() {
    let past = Talk::three_way(20).after(3_000.0).syn("b");
    let talk = past
        .clone()
        .after(1.0)
        .data(1, 974)
        .after(1.0)
        .syn_ack("two")
        .name("two");
    let heard = judge(&talk.frames(2..=60), &at(Vantage::Path));
    assert!(heard.findings.is_empty(), "{heard:#?}");
    let first = Talk::new()
        .syn("b")
        .after(1.0)
        .data(1, 974)
        .after(1.0)
        .syn_ack("two")
        .name("two");
    let heard = judge(&first.clone().frames(2..=60), &at(Vantage::Path));
    assert!(heard.findings.is_empty(), "{heard:#?}");
    assert!(heard.doubts.contains(&"MS-H-15"), "{heard:#?}");
    let named = Talk::new()
        .syn("b")
        .after(1.0)
        .syn_ack("two")
        .data(1, 974)
        .after(1.0)
        .name("two");
    let heard = judge(&named.clone().frames(2..=60), &at(Vantage::Path));
    assert!(heard.findings.is_empty(), "{heard:#?}");
    assert!(heard.doubts.contains(&"MS-H-15"), "{heard:#?}");
    let sender = judge(&named.frames(2..=60), &at(Vantage::Sender));
    assert!(sender.findings.contains(&"MS-H-15"), "{sender:#?}");
}

#[test]
fn the_same_syn_just_after_the_last_frame_opens_the_next_session() {
    let talk = Talk::new().greet("one").frames(1..=50).after(500.0);
    let talk = talk.syn("wish-one").after(1.0).syn_ack("two").after(1.0);
    let next = talk.ack("two").after(1.0).name("two").frames(1..=50);
    let heard = judge(&next, &supervised("3way"));
    assert!(heard.findings.is_empty(), "{heard:#?}");
    assert_eq!(assert_healthy(&next).sessions.len(), 2);
    let copy = Talk::new().greet("one").frames(1..=9).syn("wish-one");
    let copy = copy.after(1.0).syn_ack("one").frames(10..=50);
    assert_eq!(assert_healthy(&copy).sessions.len(), 1);
}

#[test]
fn a_syn_after_the_stream_of_a_half_open_session_starts_no_timers_anew() {
    let early = Talk::new().syn("a").after(1.0).syn_ack("one").name("one");
    let early = early.frames(1..=25).syn_ack("one").frames(26..=50);
    let early = early.after(500.0).syn_ack("one").after(600.0);
    let again = early.syn("a").syn_ack("one").after(837.0).elsewhere();
    assert_no_finding_of_the_responder(&again);
}

#[test]
fn a_repetition_that_is_due_when_another_wish_arrives_answers_no_syn() {
    let half = Talk::new().syn("a").syn_ack("one").after(500.0);
    let both = half.syn("b").syn_ack("one").syn_ack("two");
    let acked = both.clone().after(2.0).ack("one").after(498.0);
    let rest = acked.syn_ack("two").after(1_000.0).syn_ack("two");
    assert_no_finding_of_the_responder(&rest.after(6_000.0).elsewhere());
    let early = Talk::new().syn("a").syn_ack("one").name("one");
    let early = early.frames(1..=24).after(20.0).syn("b").syn_ack("one");
    let early = early.name("one").syn_ack("two").name("two").frames(1..=24);
    let early = early.after(20.0).syn_ack("two").name("two").after(1.0);
    let streamed = early.ack("two").after(18.0).frames(25..=50);
    assert_no_finding_of_the_responder(&streamed.after(6_000.0).elsewhere());
}

/// A stream that began at once and that no START_CONFIRM ever confirmed: three START_ACKs, of which the
/// last came after its last frame; then silence for this long.
fn unconfirmed_and_silent_for(millis: f64) -> Talk {
    let free = Start3::BEGIN_IMMEDIATELY;
    let talk = Talk::new().start_frame(0).start_ack(free).frames(1..=25);
    let talk = talk.start_ack(free).frames(26..=50);
    talk.after(500.0).start_ack(free).after(millis)
}

/// A START and all three START_ACKs.
fn three_start_acks() -> Talk {
    let talk = Talk::new().start_frame(0).start_ack(0).after(500.0);
    talk.start_ack(0).after(1_000.0).start_ack(0)
}

#[test]
fn a_start_ack_again_after_the_stream_is_of_the_session_that_still_waits() {
    // MS-S-13: its last wait ends 2 s after its third START_ACK, whatever came meanwhile.
    let again = |own| {
        let talk = unconfirmed_and_silent_for(1_300.0).start_frame(0);
        let talk = talk.start_ack_of(STREAM_ID, NONCE, own, Start3::BEGIN_IMMEDIATELY);
        talk.after(700.0)
    };
    let given_up = again(SENDER_NONCE).error_of(Role::Responder, 8, STREAM_ID, NONCE);
    assert_healthy(&given_up);
    let heard = judge(&given_up, &supervised("start3"));
    assert!(!heard.findings.contains(&"MS-S-13"), "{heard:#?}");
    // Another one is of a new session, which has to repeat it.
    let fresh = again(SENDER_NONCE + 1).elsewhere();
    assert_broken_at_sender(&fresh, "MS-S-13");
}

#[test]
fn a_start_ack_again_after_the_error_that_ended_the_session_is_of_a_new_one() {
    let free = Start3::BEGIN_IMMEDIATELY;
    let ended = unconfirmed_and_silent_for(2_000.0).error_of(Role::Responder, 8, STREAM_ID, NONCE);
    let anew = ended.after(100.0).start_frame(0).start_ack(free);
    let heard = judge(&anew.after(700.0).elsewhere(), &at(Vantage::Sender));
    assert!(heard.findings.contains(&"MS-S-13"), "{heard:#?}");
}

#[test]
fn a_session_whose_start_ack_came_again_after_the_stream_may_be_dropped_at_any_time() {
    let again = unconfirmed_and_silent_for(1_300.0).start_frame(0);
    let again = again.start_ack(Start3::BEGIN_IMMEDIATELY).after(600.0);
    assert_healthy(&again.clone().confirm().after(3_000.0).elsewhere());
    let anew = again.start_frame(0);
    let anew = anew.start_ack_of(STREAM_ID, NONCE, SENDER_NONCE + 1, 0);
    let heard = judge(&anew, &supervised("start3"));
    assert!(!heard.findings.contains(&"MS-S-13"), "{heard:#?}");
}

#[test]
fn a_start_token_after_a_late_confirmation_opens_a_session() {
    let again = unconfirmed_and_silent_for(1_300.0).start_frame(0);
    let over = again.start_ack(Start3::BEGIN_IMMEDIATELY).confirm();
    let next = over.start().after(0.3).name("one").frames(1..=50);
    let heard = assert_healthy(&next);
    let modes: Vec<_> = heard.sessions.iter().map(|one| one.mode).collect();
    assert_eq!(modes, ["start3", "legacy"]);
}

#[test]
fn a_session_that_waits_repeats_its_start_ack_though_another_is_asked_for() {
    let free = Start3::BEGIN_IMMEDIATELY;
    let talk = Talk::new().start_frame(0).start_ack(free).frames(1..=2);
    let talk = talk.after(460.0).start_ack(free).after(700.0);
    let talk = talk.start_of(9, 9, 0).after(300.0);
    let other = |own| {
        let talk = talk.clone().start_ack_of(STREAM_ID, NONCE, own, free);
        judge(&talk, &at(Vantage::Sender)).findings
    };
    assert_eq!(other(SENDER_NONCE), [""; 0]);
    assert_eq!(other(SENDER_NONCE + 1), ["MS-S-02"]);
}

#[test]
fn a_start_ack_that_answers_a_start_need_not_put_off_the_end_of_the_wait() {
    // The timers ran off 3.5 s after the first one, and the ERROR may be lost.
    let talk = three_start_acks().after(1_400.0);
    let talk = talk.start_frame(0).start_ack(0).after(700.0).start_frame(0);
    let anew = talk.start_ack_of(STREAM_ID, NONCE, SENDER_NONCE + 1, 0);
    let heard = judge(&anew, &at(Vantage::Sender));
    assert_eq!(heard.findings, [""; 0], "{:#?}", heard.all);
}

#[test]
fn an_ack_that_may_have_come_too_late_is_no_start_of_the_stream_after_it() {
    // MS-D-12: the same SYN again opened a session under the same id.
    let anew = dropped().after(300.0).syn("a").syn_ack("one").ack("one");
    assert_no_finding_of_the_responder(&anew.name("one").frames(1..=50));
    let anew = three_start_acks().after(2_100.0).confirm().after(300.0);
    let anew = anew.start_frame(0).start_ack(0).confirm().frames(1..=50);
    let heard = judge(&anew, &supervised("start3"));
    assert!(!heard.findings.contains(&"MS-D-12"), "{heard:#?}");
}

#[test]
fn a_start_ack_after_a_start_confirm_that_may_have_come_too_late_may_be_another() {
    let talk = three_start_acks().after(2_100.0).confirm().after(300.0);
    let anew = talk
        .start_frame(0)
        .start_ack_of(STREAM_ID, NONCE, SENDER_NONCE + 1, 0);
    let heard = judge(&anew, &at(Vantage::Path));
    assert_eq!(heard.findings, [""; 0], "{:#?}", heard.all);
}

#[test]
fn a_syn_ack_again_after_a_start_that_is_dropped_is_of_the_session_that_still_waits() {
    // MS-H-18, MS-H-20: its timers go on as if neither START nor the copy of SYN had come.
    let talk = Talk::new().syn("a").syn_ack("one").after(500.0);
    let talk = talk.syn_ack("one").start().syn("a");
    let kept = talk.clone().syn_ack("one").after(1_000.0).syn_ack("one");
    assert_no_finding_of_the_responder(&kept);
    let anew = talk.syn_ack("two").after(1_000.0).syn_ack("two");
    let heard = judge(&anew, &at(Vantage::Sender));
    assert!(heard.findings.contains(&"MS-H-18"), "{heard:#?}");
}

#[test]
fn a_start_after_the_last_frame_opens_a_session_that_has_no_name() {
    let talk = Talk::new()
        .start()
        .after(1.0)
        .name("one")
        .frames(1..=50)
        .after(700.0);
    let heard = judge(&talk.start().frames(1..=50), &supervised("legacy"));
    assert_eq!(heard.findings, ["MS-L-02", "MS-L-03"], "{:#?}", heard.all);
    assert_eq!(heard.sessions.len(), 2);
}

#[test]
fn a_start_token_after_the_last_frame_of_an_unconfirmed_session_may_be_served() {
    let talk = unconfirmed_and_silent_for(100.0).start().after(0.2);
    let heard = judge(&talk.name("one").frames(1..=50), &supervised("start3"));
    assert!(!heard.findings.contains(&"MS-D-07"), "{heard:#?}");
    assert_eq!(heard.sessions.len(), 2);
}

#[test]
fn after_a_dropped_session_the_same_syn_may_begin_the_timers_anew_under_the_same_id() {
    // MS-H-18: the responder takes the wished id, and the second ACK is late.
    let talk = three_syn_acks().after(4_000.0).syn("a").syn_ack("one");
    let talk = talk.after(500.0).syn_ack("one").after(10.0).ack("one");
    assert_no_finding_of_the_responder(&talk.name("one").after(20.0).frames(1..=50));
}

#[test]
fn two_half_open_sessions_of_a_tuple_repeat_each_its_own_syn_ack() {
    // MS-H-18, MS-D-10: another wish may open a session beside the one that still waits.
    let talk = Talk::new().syn("a").syn_ack("one").after(500.0);
    let talk = talk
        .syn_ack("one")
        .after(700.0)
        .syn("b")
        .syn_ack("two")
        .after(300.0);
    let talk = talk.syn_ack("one").after(200.0).syn_ack("two");
    assert_no_finding_of_the_responder(&talk);
}
