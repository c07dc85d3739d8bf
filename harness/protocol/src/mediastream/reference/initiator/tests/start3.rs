//! The rules of `start3` (specification, 3.3), one after the other.

use rstest::rstest;

use super::*;
use crate::mediastream::frame::Start3;
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::mediastream::frame::{ErrorCode, flag};
use crate::mediastream::reference::start3::{Identity, Parameters};

/// What the Sender of these tests chose.
const SENDER_NONCE: u64 = 77;

/// An initiator that has sent its START, and the numbers of that.
pub(super) fn asked(options: &[&str], extra: &[(&str, &str)]) -> (Fixture, Identity) {
    let mut fixture = Fixture::new("start3", options, extra);
    let start = fixture.sent().remove(0);
    let identity = numbers(&start);
    (fixture, identity)
}

/// The numbers that a frame bears.
fn numbers(datagram: &[u8]) -> Identity {
    Identity::of(&body(datagram))
}

fn body(datagram: &[u8]) -> Start3<'_> {
    match Frame::decode(datagram).unwrap().unwrap() {
        Frame::Start(body)
        | Frame::StartAck(body)
        | Frame::StartConfirm(body)
        | Frame::Error(body) => body,
        other => panic!("{other:?}"),
    }
}

/// The START_ACK to the START with these numbers, with everything granted.
pub(super) fn start_ack(asked: Identity) -> Vec<u8> {
    start_ack_with(asked, &|_| {})
}

pub(super) fn start_ack_with(asked: Identity, change: &dyn Fn(&mut Parameters)) -> Vec<u8> {
    let mut granted = Parameters::wanted(&settings("start3", &[], &[]));
    change(&mut granted);
    answered(asked).start_ack(&granted, false)
}

/// The numbers with the Sender's nonce.
pub(super) fn answered(asked: Identity) -> Identity {
    Identity {
        sender_nonce: SENDER_NONCE,
        ..asked
    }
}

/// The ErrorCode and the numbers of the only datagram.
fn error(sent: &[Vec<u8>]) -> (Option<u16>, Identity) {
    let [datagram] = sent else {
        panic!("{sent:?}");
    };
    assert_eq!(datagram[..2], flag::ERROR.to_le_bytes());
    (body(datagram).error_code(), numbers(datagram))
}

#[rstest]
#[case::alone(&[], 0)]
#[case::with_fallback(&["fallback"], Start3::COMPAT_MODE)]
fn the_start_says_all_that_is_wanted(#[case] options: &[&str], #[case] flags: u16) {
    let extra = [
        ("max_datagram", "900"),
        ("buffer_depth", "40"),
        ("codec_hint", "opus"),
    ];
    let mut fixture = Fixture::new("start3", options, &extra);
    assert_eq!(fixture.state(), "AwaitingStartAck");
    let sent = fixture.sent();
    let start = body(&sent[0]); // MS-S-01, MS-S-10
    assert_eq!(sent[0][..2], flag::START.to_le_bytes());
    assert_eq!((start.version, start.reserved, start.flags), (1, 0, flags));
    assert_eq!(start.header, Header::default());
    assert_ne!(start.stream_id, 0);
    assert_eq!(start.sender_nonce, 0);
    let wanted = Parameters {
        frame_rate: Some(50),
        bit_rate: Some(400_000),
        stream_length: Some(2),
        max_datagram: Some(900),
        buffer_depth: Some(40),
        codec_hint: Some(b"opus".to_vec()),
    };
    assert_eq!(Parameters::read(&start.tlvs), wanted);
}

#[test]
fn the_same_start_is_sent_3_times_with_doubled_waits_and_then_it_gives_up() {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-S-08
    let first = fixture.sent().remove(0);
    let sent = fixture.pass(millis(3_499));
    assert_eq!(sent, [(millis(500), first.clone()), (millis(1_500), first)]);
    assert_eq!(fixture.outcome, None);
    fixture.pass(millis(1)); // MS-S-09
    let sentence = "192.0.2.1:4444 did not answer: START (0x0200) was sent 3 times";
    assert_eq!(fixture.failure(), ("timeout", sentence));
    assert_eq!(fixture.state(), "Closed");
    let failed = &fixture.initiator.counters.handshakes.failed;
    assert_eq!(failed.get("timeout"), Some(&1));
}

#[test]
fn with_fallback_the_token_follows_the_last_wait_and_a_late_start_ack_is_not_answered() {
    let (mut fixture, identity) = asked(&["fallback"], &[]); // MS-S-09
    let sent = fixture.pass(millis(3_500));
    assert_eq!(sent.last(), Some(&(millis(3_500), START_TOKEN.to_vec())));
    assert!(fixture.receive(&start_ack(identity)).is_empty());
    assert_eq!(
        (fixture.state(), fixture.invalid("unknown_flag")),
        ("StartSent", 1)
    );
    fixture.receive(&data(1));
    assert_eq!((fixture.state(), fixture.frames()), ("Streaming", 1));
}

#[test]
fn each_start_ack_of_the_session_gets_the_same_start_confirm() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-03, MS-S-12
    let confirm = [answered(identity).start_confirm()];
    assert_eq!(fixture.receive(&start_ack(identity)), confirm);
    assert_eq!(fixture.state(), "AwaitingStartConfirm");
    assert_eq!(fixture.receive(&start_ack(identity)), confirm);
    fixture.receive(&data(1));
    assert_eq!((fixture.state(), fixture.frames()), ("Streaming", 1));
    // What the repeated one says besides its numbers changes nothing any more.
    let other = start_ack_with(identity, &|granted| granted.frame_rate = Some(60));
    assert_eq!(fixture.receive(&other), confirm);
    assert_eq!(fixture.state(), "Streaming");
    assert!(fixture.pass(millis(2_000)).is_empty());
}

#[test]
fn a_start_ack_for_another_stream_is_refused_by_error_5() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-05
    let mut other = identity;
    other.stream_id = 1;
    let sent = fixture.receive(&start_ack(other));
    assert_eq!(error(&sent), (Some(5), identity));
    let sentence = format!(
        "192.0.2.1:4444 answered for stream 0x0000000000000001, but {:#018x} was asked for",
        identity.stream_id
    );
    assert_eq!(fixture.failure(), ("stream_id_mismatch", &*sentence));
    assert_eq!(fixture.state(), "Closed");
    assert!(fixture.pass(Duration::from_secs(20)).is_empty());
}

#[test]
fn a_start_ack_for_another_stream_within_the_session_gets_one_error_7_at_the_most() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-17
    fixture.receive(&start_ack(identity));
    fixture.receive(&data(1));
    let mut other = identity;
    other.stream_id = 1;
    let sent = fixture.receive(&start_ack(other));
    assert_eq!(error(&sent).0, Some(7));
    assert!(fixture.receive(&start_ack(other)).is_empty());
    assert_eq!(fixture.state(), "Streaming");
}

#[test]
fn a_start_ack_with_another_nonce_is_refused_by_error_6() {
    let (mut fixture, identity) = asked(&["fallback"], &[]); // MS-S-06
    let mut other = identity;
    other.nonce = 1;
    let sent = fixture.receive(&start_ack(other));
    assert_eq!(error(&sent), (Some(6), identity));
    assert_eq!(fixture.failure().0, "nonce_mismatch");
    assert!(fixture.pass(Duration::from_secs(20)).is_empty());
}

#[test]
fn a_start_ack_with_another_sender_nonce_is_refused_by_error_6() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-06
    fixture.receive(&start_ack(identity));
    let mut other = answered(identity);
    other.sender_nonce = 0;
    let sent = fixture.receive(&other.start_ack(&Parameters::default(), false));
    assert_eq!(error(&sent), (Some(6), answered(identity)));
    let sentence = "192.0.2.1:4444 answered with SenderNonce 0x0000000000000000 instead of \
                    0x000000000000004d";
    assert_eq!(fixture.failure(), ("nonce_mismatch", sentence));
}

#[rstest]
#[case::frame_rate(&|p: &mut Parameters| p.frame_rate = Some(51), "FrameRate 51 was granted, 50 was asked for")]
#[case::buffer_depth(&|p: &mut Parameters| p.buffer_depth = Some(41), "BufferDepth 41 was granted, 40 was asked for")]
#[case::nothing(&|p: &mut Parameters| p.stream_length = Some(0), "StreamLength 0 was granted")]
fn a_grant_above_what_was_asked_is_refused_by_error_3(
    #[case] change: &dyn Fn(&mut Parameters),
    #[case] why: &str,
) {
    let (mut fixture, identity) = asked(&[], &[("buffer_depth", "40")]); // MS-S-14
    let sent = fixture.receive(&start_ack_with(identity, change));
    assert_eq!(error(&sent), (Some(3), answered(identity)));
    let said = body(&sent[0]).tlvs.get(kind::DIAGNOSTIC);
    assert_eq!(said, Some(why.as_bytes()));
    let sentence = format!("the parameters that 192.0.2.1:4444 accepted cannot be taken: {why}");
    assert_eq!(fixture.failure(), ("invalid_parameters", &*sentence));
    let failed = &fixture.initiator.counters.handshakes.failed;
    assert_eq!(failed.get("invalid_parameters"), Some(&1));
}

#[test]
fn a_lower_grant_decides_how_many_frames_of_which_size_are_expected() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-14
    fixture.receive(&start_ack_with(identity, &|granted| {
        granted.frame_rate = Some(25);
        granted.bit_rate = Some(200_000);
        granted.stream_length = Some(1);
    }));
    for number in 1..=25 {
        assert_eq!(fixture.outcome, None);
        fixture.receive(&data(number));
    }
    assert_eq!(fixture.outcome, Some(Outcome::Completed));
}

#[test]
fn a_lower_bit_rate_makes_smaller_frames() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-14
    fixture.receive(&start_ack_with(identity, &|granted| {
        granted.bit_rate = Some(40_000);
    }));
    let header = Header {
        sequence_number: 1,
        qpc: 0,
        qpf: 1,
    };
    let payload = pattern::prefix(74);
    fixture.receive(&Frame::Data(Data { header, payload }).to_vec());
    assert_eq!(fixture.frames(), 1);
}

#[rstest]
#[case::of_another_version(&|b: &mut Start3<'_>| b.version = 2, "foreign_version")]
#[case::without_a_sender_nonce(&|b: &mut Start3<'_>| b.sender_nonce = 0, "empty_sender_nonce")]
#[case::with_a_tlv_past_its_end(&|b: &mut Start3<'_>| b.tlvs = Tlvs::from_bytes(&[9, 0, 1, 0]), "malformed")]
#[case::with_a_frame_rate_of_2_bytes(
    &|b: &mut Start3<'_>| b.tlvs = Tlvs::from_bytes(&[1, 0, 2, 0, 1, 1]), "malformed"
)]
fn a_start_ack_that_breaks_a_rule_is_dropped_and_the_start_repeated(
    #[case] change: &dyn Fn(&mut Start3<'_>),
    #[case] cause: &str,
) {
    let (mut fixture, identity) = asked(&[], &[]); // MS-W-14, MS-W-17, MS-S-02
    let mut frame = Start3::new(identity.stream_id, identity.nonce, SENDER_NONCE);
    change(&mut frame);
    let datagram = Frame::StartAck(frame).to_vec();
    assert!(fixture.receive(&datagram).is_empty());
    assert_eq!(
        (fixture.state(), fixture.invalid(cause)),
        ("AwaitingStartAck", 1)
    );
    assert_eq!(fixture.pass(millis(500)).len(), 1);
    assert_eq!(fixture.receive(&start_ack(identity)).len(), 1);
}

#[test]
fn reserved_bits_and_unknown_extensions_of_a_start_ack_are_ignored() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-W-11, MS-W-13, MS-W-14
    let mut frame = Start3::new(identity.stream_id, identity.nonce, SENDER_NONCE);
    (frame.reserved, frame.flags) = (0xff, 0xffff);
    frame.header.sequence_number = 9;
    frame.tlvs = Tlvs::from_bytes(&[0x99, 0, 1, 0, 7]);
    let sent = fixture.receive(&Frame::StartAck(frame).to_vec());
    assert_eq!(sent, [answered(identity).start_confirm()]);
}

#[rstest]
#[case::with_a_diagnostic(4, "full", "ERROR 4 (resources unavailable) and says \"full\"")]
#[case::without(2, "", "ERROR 2 (unsupported version)")]
#[case::of_an_unknown_code(99, "", "ERROR 99 (a code that the specification does not name)")]
fn an_error_for_the_session_ends_it_and_is_not_answered(
    #[case] code: u16,
    #[case] said: &str,
    #[case] sentence: &str,
) {
    for streams in [false, true] {
        let (mut fixture, identity) = asked(&["fallback"], &[]); // MS-S-15, MS-S-16
        let (mut cause, mut verb) = ("refused", "refused");
        if streams {
            fixture.receive(&start_ack(identity));
            fixture.receive(&data(1));
            (cause, verb) = ("peer_error", "ended");
        }
        let mut datagram = identity.error(ErrorCode::Malformed, said);
        datagram[58..60].copy_from_slice(&code.to_le_bytes());
        assert!(fixture.receive(&datagram).is_empty());
        let sentence = format!("192.0.2.1:4444 {verb} the stream: it sent {sentence}");
        assert_eq!(fixture.failure(), (cause, &*sentence));
        assert_eq!(fixture.state(), "Closed");
        assert!(fixture.receive(&start_ack(identity)).is_empty());
        assert!(fixture.pass(Duration::from_secs(20)).is_empty());
    }
}

#[rstest]
#[case::of_another_stream(&|i: &mut Identity| i.stream_id = 1, 4, false)]
#[case::of_another_nonce(&|i: &mut Identity| i.nonce = 1, 9, false)]
#[case::of_no_nonce(&|i: &mut Identity| i.nonce = 0, 1, true)]
#[case::of_any_sender_nonce(&|i: &mut Identity| i.sender_nonce = 1, 6, true)]
fn only_an_error_with_the_streams_numbers_is_for_the_session(
    #[case] change: &dyn Fn(&mut Identity),
    #[case] code: u16,
    #[case] ends: bool,
) {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-16
    let mut other = identity;
    change(&mut other);
    let code = ErrorCode::from_number(code).unwrap();
    assert!(fixture.receive(&other.error(code, "")).is_empty()); // MS-S-15
    assert_eq!(fixture.outcome.is_some(), ends);
}

#[test]
fn an_error_of_another_version_or_without_its_code_is_dropped() {
    let (mut fixture, identity) = asked(&[], &[]);
    let mut datagram = identity.error(ErrorCode::Malformed, "");
    datagram[26] = 2;
    fixture.receive(&datagram);
    let mut frame = Start3::new(identity.stream_id, identity.nonce, 0);
    let mut tlvs = Vec::new();
    let value = b"no code".as_slice();
    Tlv {
        kind: kind::DIAGNOSTIC,
        value,
    }
    .encode(&mut tlvs);
    frame.tlvs = Tlvs::from_bytes(&tlvs);
    fixture.receive(&Frame::Error(frame).to_vec());
    let counted = (
        fixture.invalid("foreign_version"),
        fixture.invalid("malformed"),
    );
    assert_eq!((counted, fixture.state()), ((1, 1), "AwaitingStartAck"));
}

#[test]
fn a_frame_for_a_sender_changes_nothing_and_is_answered_by_error_7_once() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-17
    let other = Identity {
        stream_id: 1,
        nonce: 2,
        sender_nonce: 3,
    };
    assert!(fixture.receive(&identity.start_confirm()).is_empty());
    let sent = fixture.receive(&other.start_confirm());
    assert_eq!(error(&sent), (Some(7), other));
    fixture.receive(&start_ack(identity));
    let start = other.start(&Parameters::default(), true);
    assert!(fixture.receive(&start).is_empty());
    assert!(
        fixture
            .receive(&identity.start(&Parameters::default(), true))
            .is_empty()
    );
    assert_eq!(fixture.state(), "AwaitingStartConfirm");
}

#[test]
fn frames_from_another_address_are_ignored() {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-20
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 4445));
    let mut foreign = identity;
    foreign.nonce = 1;
    for datagram in [
        start_ack(identity),
        start_ack(foreign),
        identity.error(ErrorCode::Timeout, ""),
    ] {
        assert!(fixture.receive_from(elsewhere, &datagram).is_empty());
    }
    assert_eq!(
        (fixture.state(), fixture.invalid("foreign_source")),
        ("AwaitingStartAck", 3)
    );
}

#[rstest]
#[case::that_begins_immediately(true, 3, 0)]
#[case::that_waits(false, 0, 3)]
fn media_before_the_start_ack_is_of_a_session_that_begins_immediately(
    #[case] begins: bool,
    #[case] frames: u64,
    #[case] dropped: u64,
) {
    let (mut fixture, identity) = asked(&[], &[]); // MS-S-04
    for number in 1..=3 {
        assert!(fixture.receive(&data(number)).is_empty());
    }
    assert_eq!((fixture.state(), fixture.frames()), ("AwaitingStartAck", 0));
    let granted = Parameters::default();
    fixture.receive(&answered(identity).start_ack(&granted, begins));
    assert_eq!(
        (fixture.frames(), fixture.invalid("other_session")),
        (frames, dropped)
    );
}

#[test]
fn a_connection_id_is_tolerated_and_ends_nothing() {
    let (mut fixture, identity) = asked(&[], &[]);
    fixture.receive(&named("one"));
    fixture.receive(&start_ack(identity));
    for datagram in [named("one"), data(1), named("two"), data(2)] {
        assert!(fixture.receive(&datagram).is_empty());
    }
    assert_eq!((fixture.state(), fixture.frames()), ("Streaming", 2));
}

#[test]
fn a_session_that_brings_no_media_ends_after_the_buffer_period() {
    let (mut fixture, identity) = asked(&[], &[]);
    fixture.receive(&start_ack(identity));
    fixture.pass(millis(3_000));
    assert_eq!(fixture.failure().0, "no_media");
}
