//! ERROR in sessions of mode start3.

use super::start3::{NONCE, SENDER_NONCE, STREAM_ID};
use super::*;
use crate::mediastream::frame::Start3;
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::requirement::Role;

impl Talk {
    /// An ERROR of either side with this code, StreamId and Nonce.
    pub(super) fn error_of(self, from: Role, code: u16, stream_id: u64, nonce: u64) -> Self {
        let mut tlvs = Vec::new();
        let value = code.to_le_bytes();
        let tlv = Tlv {
            kind: kind::ERROR_CODE,
            value: &value,
        };
        tlv.encode(&mut tlvs);
        let mut body = Start3::new(stream_id, nonce, 0);
        body.tlvs = Tlvs::from_bytes(&tlvs);
        let bytes = Frame::Error(body).to_vec();
        match from {
            Role::Initiator => self.ask(&bytes),
            Role::Responder => self.answer(&bytes),
        }
    }

    /// An ERROR for the session.
    fn error(self, from: Role, code: u16) -> Self {
        self.error_of(from, code, STREAM_ID, NONCE)
    }
}

/// A START and the START_ACK that answers it.
fn half_open() -> Talk {
    Talk::new().start_frame(0).after(1.0).start_ack(0)
}

#[test]
fn a_stream_that_an_error_ends_may_stop_short() {
    for from in [Role::Initiator, Role::Responder] {
        let talk = Talk::start3(20).after(1.0).error(from, 4);
        let talk = talk.after(4_000.0).elsewhere();
        let heard = assert_healthy(&talk);
        assert!(heard.sessions[0].judged.contains("MS-S-16"));
        let run = judge(&talk, &supervised("start3"));
        assert!(run.findings.is_empty(), "{:#?}", run.all);
    }
}

#[test]
fn an_error_6_with_the_numbers_of_what_it_answers_may_stop_the_stream_short() {
    let other = NONCE + 1;
    let talk = Talk::start3(20).confirm_of(STREAM_ID, other, SENDER_NONCE);
    let talk = talk
        .after(1.0)
        .error_of(Role::Responder, 6, STREAM_ID, other);
    let run = judge(&talk.after(4_000.0).elsewhere(), &supervised("start3"));
    assert_eq!(run.findings, ["MS-S-03"], "{:#?}", run.all);
}

#[test]
fn what_was_on_its_way_may_come_after_an_error_of_the_other_side() {
    let talk = Talk::start3(20).error(Role::Initiator, 4).frames(21..=22);
    assert_healthy(&talk);
    let late = half_open().error(Role::Responder, 4).after(0.2).confirm();
    assert_healthy(&late);
}

#[test]
fn media_after_an_error_breaks_s16() {
    let theirs = Talk::start3(20).error(Role::Initiator, 4).frames(21..=30);
    assert_broken_at_sender(&theirs, "MS-S-16");
    let own = Talk::start3(20).error(Role::Responder, 4).frames(21..=21);
    assert_broken_at_sender(&own, "MS-S-16");
}

#[test]
fn a_control_frame_after_an_error_breaks_s16() {
    let ack = half_open().after(1.0).error(Role::Initiator, 3);
    assert_broken_at_sender(&ack.after(500.0).start_ack(0), "MS-S-16");
    let confirm = half_open().after(1.0).error(Role::Initiator, 3);
    assert_broken_at_sender(&confirm.after(1.0).confirm(), "MS-S-16");
    let start = Talk::new().start_frame(0).after(1.0);
    let start = start.error(Role::Responder, 4).after(500.0);
    assert_broken_at_sender(&start.start_frame(0), "MS-S-16");
    let twice = Talk::start3(20).error(Role::Responder, 4).after(1.0);
    assert_broken_at_sender(&twice.error(Role::Responder, 4), "MS-S-16");
}

#[test]
fn another_session_after_an_error_is_healthy() {
    let talk = Talk::new().start_frame(0).after(1.0);
    let talk = talk.error(Role::Responder, 4).after(1.0);
    let next = talk.start_of(9, 9, 0).after(1.0).start_ack_of(9, 9, 7, 0);
    let next = next.after(1.0).confirm_of(9, 9, 7).frames(1..=50);
    assert_eq!(assert_healthy(&next).sessions.len(), 2);
}

#[test]
fn an_error_of_another_session_ends_nothing() {
    for (code, stream_id, nonce) in [(9, STREAM_ID, 1), (5, 1, NONCE)] {
        let talk = Talk::start3(20);
        let talk = talk.error_of(Role::Initiator, code, stream_id, nonce);
        assert_healthy(&talk.frames(21..=50));
    }
}

#[test]
fn an_error_with_another_sender_nonce_ends_nothing() {
    let with = |own: u64| {
        let talk = Talk::start3(20).error(Role::Initiator, 4);
        let place = talk.sent.len() - 1;
        talk.on(place, |bytes| {
            bytes[46..54].copy_from_slice(&own.to_le_bytes())
        })
    };
    assert_healthy(&with(SENDER_NONCE + 1).frames(21..=50));
    assert_broken_at_sender(&with(SENDER_NONCE).frames(21..=50), "MS-S-16");
    let run = judge(
        &with(SENDER_NONCE + 1).after(4_000.0).elsewhere(),
        &supervised("start3"),
    );
    assert_eq!(run.findings, ["MS-D-07"], "{:#?}", run.all);
}

#[test]
fn an_error_7_ends_nothing() {
    for from in [Role::Initiator, Role::Responder] {
        let talk = Talk::start3(20).error(from, 7);
        assert_healthy(&talk.clone().frames(21..=50));
        let run = judge(&talk.after(4_000.0).elsewhere(), &supervised("start3"));
        assert_eq!(run.findings, ["MS-D-07"], "{:#?}", run.all);
    }
}

#[test]
fn an_unexpected_frame_may_be_answered_by_error_7_and_the_stream_goes_on() {
    let again = Talk::start3(20).start_of(STREAM_ID, 3, 0).after(1.0);
    assert_healthy(&again.error(Role::Responder, 7).frames(21..=50));
}

#[test]
fn an_answer_to_an_error_breaks_s15() {
    for (one, other) in [
        (Role::Initiator, Role::Responder),
        (Role::Responder, Role::Initiator),
    ] {
        let talk = Talk::start3(20).error(one, 4).after(0.3);
        assert_broken_at_sender(&talk.clone().error(other, 7), "MS-S-15");
        assert_healthy(&talk);
    }
    let foreign = Talk::start3(20).error_of(Role::Initiator, 4, 1, 1);
    let foreign = foreign.after(0.3).error_of(Role::Responder, 7, 1, 1);
    assert_broken_at_sender(&foreign.frames(21..=50), "MS-S-15");
}

#[test]
fn an_error_that_answers_another_frame_is_none_of_s15() {
    let talk = half_open().after(1.0).confirm_of(STREAM_ID, NONCE, 1);
    let talk = talk.error(Role::Initiator, 4).after(0.2);
    let heard = judge(&talk.error(Role::Responder, 6), &at(Vantage::Sender));
    assert_eq!(heard.findings, ["MS-S-03"], "{:#?}", heard.all);
}

#[test]
fn a_half_open_session_ends_with_error_8_after_three_sends() {
    let talk = half_open().after(500.0).start_ack(0).after(1_000.0);
    let talk = talk.start_ack(0).after(2_000.0);
    let run = supervised("start3");
    let told = talk.clone().error(Role::Responder, 8);
    let told = told.after(3_000.0).elsewhere();
    assert!(judge(&told, &run).findings.is_empty());
    assert_healthy(&told);
    let silent = talk.after(3_000.0).elsewhere();
    assert_eq!(judge(&silent, &run).findings, ["MS-S-13"]);
    let early = half_open().after(500.0).error(Role::Responder, 8);
    assert_eq!(judge(&early, &run).findings, ["MS-S-13"]);
}

#[test]
fn a_refused_start_ack_ends_healthily_with_the_initiators_error() {
    let talk = Talk::new().start_frame(0).after(1.0);
    let talk = talk.start_ack_of(STREAM_ID, 1, SENDER_NONCE, 0).after(1.0);
    assert_broken(&talk.error(Role::Initiator, 6), &["MS-S-02"]);
}
