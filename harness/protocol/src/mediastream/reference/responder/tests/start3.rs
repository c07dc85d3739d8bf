//! The rules of `start3` for its Sender (specification, 3.3).

use rstest::rstest;

use super::super::super::start3::{Identity, Parameters};
use super::*;
use crate::mediastream::frame::Start3;

/// What the peer asks by, until it knows the Sender's nonce.
pub(super) const ASKED: Identity = Identity {
    stream_id: 7,
    nonce: 9,
    sender_nonce: 0,
};

pub(super) fn start(identity: Identity) -> Vec<u8> {
    identity.start(&Parameters::default(), false)
}

/// A START with the extensions of an answer, which may be any.
fn start_with(change: impl FnOnce(&mut Parameters)) -> Vec<u8> {
    let mut asked = Parameters::default();
    change(&mut asked);
    ASKED.start(&asked, false)
}

pub(super) fn body(datagram: &[u8]) -> Start3<'_> {
    match decoded(datagram) {
        Frame::Start(body)
        | Frame::StartAck(body)
        | Frame::StartConfirm(body)
        | Frame::Error(body) => body,
        other => panic!("{other:?}"),
    }
}

/// The code of the only answer, which is an ERROR.
fn code(sent: &[Vec<u8>]) -> u16 {
    assert_eq!(names(sent), ["ERROR"]);
    body(&sent[0]).error_code().unwrap()
}

/// What names the session of a tuple on both sides.
pub(super) fn identity(fixture: &Fixture) -> Identity {
    let session = &fixture.responder.sessions[&peer(A)];
    session.start3().unwrap().identity
}

fn half_open(options: &[&str]) -> Fixture {
    let mut fixture = Fixture::new("start3", options, &[]);
    fixture.receive(peer(A), &start(ASKED));
    fixture
}

fn streaming() -> Fixture {
    let mut fixture = half_open(&[]);
    let confirm = identity(&fixture).start_confirm();
    fixture.receive(peer(A), &confirm);
    fixture
}

#[test]
fn start_ack_echoes_stream_id_and_nonce_and_bears_a_nonce_of_its_own() {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-S-02
    let sent = fixture.receive(peer(A), &start(ASKED));
    assert_eq!(names(&sent), ["START_ACK"]);
    let ack = body(&sent[0]);
    assert_eq!((ack.stream_id, ack.nonce), (7, 9));
    assert_ne!(ack.sender_nonce, 0);
    assert!(!ack.has(Start3::BEGIN_IMMEDIATELY));
    assert_eq!(ack.tlvs.u32(kind::FRAME_RATE), Some(50));
    assert_eq!(ack.tlvs.u64(kind::BIT_RATE), Some(400_000));
    assert_eq!(ack.tlvs.u32(kind::STREAM_LENGTH), Some(2));
    assert_eq!(fixture.state(peer(A)), "PendingConfirm");
}

#[test]
fn media_follow_the_confirmation_by_one_interval_without_a_connection_id() {
    let mut fixture = half_open(&[]); // MS-S-04, MS-D-12
    fixture.pass(millis(100));
    let confirm = identity(&fixture).start_confirm();
    assert!(fixture.receive(peer(A), &confirm).is_empty());
    assert_eq!(fixture.state(peer(A)), "Streaming");
    let sent = fixture.pass(Duration::from_secs(10));
    assert_eq!(numbers(&sent), (1..=100).collect::<Vec<_>>());
    assert_eq!((sent.len(), sent[0].0), (100, millis(120)));
    assert_eq!(fixture.state(peer(A)), "Listen"); // MS-D-07
}

#[test]
fn the_stream_is_what_was_granted_not_what_is_offered() {
    let mut fixture = Fixture::new("start3", &[], &[]);
    let asked = start_with(|asked| {
        asked.frame_rate = Some(10);
        asked.bit_rate = Some(80_000);
        asked.stream_length = Some(1);
        asked.max_datagram = Some(600);
    });
    fixture.receive(peer(A), &asked);
    let confirm = identity(&fixture).start_confirm();
    fixture.receive(peer(A), &confirm);
    let sent = fixture.pass(Duration::from_secs(10));
    assert_eq!(sent.last().unwrap().0, millis(1_000));
    let lengths: Vec<_> = sent.iter().map(|(_, datagram)| datagram.len()).collect();
    assert_eq!(lengths, [600, 400].repeat(10));
}

#[test]
fn a_repeated_start_gets_the_same_bytes_in_every_state_of_its_session() {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-S-11
    let first = fixture.receive(peer(A), &start(ASKED));
    assert_eq!(fixture.receive(peer(A), &start(ASKED)), first);
    let confirm = identity(&fixture).start_confirm();
    fixture.receive(peer(A), &confirm);
    assert_eq!(fixture.receive(peer(A), &start(ASKED)), first);
    fixture.pass(millis(100));
    assert_eq!(fixture.receive(peer(A), &start(ASKED)), first);
    let sent = fixture.pass(Duration::from_secs(5));
    assert_eq!(numbers(&sent), (6..=100).collect::<Vec<_>>());
}

#[rstest]
#[case::half_open(half_open(&[]))]
#[case::streaming(streaming())]
fn the_stream_id_with_another_nonce_gets_error_9_and_the_session_goes_on(
    #[case] mut fixture: Fixture,
) {
    let state = fixture.state(peer(A)); // MS-S-11
    let other = Identity { nonce: 8, ..ASKED };
    for _ in 0..2 {
        let sent = fixture.receive(peer(A), &start(other));
        assert_eq!(code(&sent), 9);
        assert_eq!(Identity::of(&body(&sent[0])), other);
    }
    assert_eq!(fixture.state(peer(A)), state);
}

#[test]
fn start_ack_is_repeated_after_500_ms_and_1_s_and_error_8_sent_2_s_later() {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-S-13
    let first = fixture.receive(peer(A), &start(ASKED));
    let named = identity(&fixture);
    let sent = fixture.pass(millis(3_499));
    let expected = [millis(500), millis(1_500)].map(|at| (at, first[0].clone()));
    assert_eq!(sent, expected);
    let sent = fixture.pass(millis(1));
    assert_eq!(code(&[sent[0].1.clone()]), 8);
    assert_eq!(Identity::of(&body(&sent[0].1)), named);
    assert_eq!((sent.len(), fixture.state(peer(A))), (1, "Listen"));
    assert!(fixture.pass(Duration::from_secs(20)).is_empty());
    assert_eq!(fixture.counter("/handshakes/failed", "timeout"), 1);
}

#[rstest]
#[case::nonce(|id: &mut Identity| id.nonce = 8)]
#[case::sender_nonce(|id: &mut Identity| id.sender_nonce = 0)]
fn a_confirmation_with_a_wrong_nonce_gets_error_6_and_ends_the_session(
    #[case] change: fn(&mut Identity),
    #[values(half_open(&[]), streaming(), half_open(&["begin_immediately"]))] mut fixture: Fixture,
) {
    fixture.pass(millis(50)); // MS-S-06
    let named = identity(&fixture);
    let mut wrong = named;
    change(&mut wrong);
    let sent = fixture.receive(peer(A), &wrong.start_confirm());
    assert_eq!(code(&sent), 6);
    assert_eq!(Identity::of(&body(&sent[0])), named);
    assert!(fixture.pass(Duration::from_secs(20)).is_empty());
    assert_eq!(fixture.counter("/validation_errors", "foreign_nonce"), 1);
}

#[test]
fn a_confirmation_of_another_stream_completes_nothing_and_closes_nothing() {
    let mut fixture = half_open(&[]); // MS-S-19
    let mut named = identity(&fixture);
    named.stream_id = 8;
    assert!(fixture.receive(peer(A), &named.start_confirm()).is_empty());
    assert_eq!(fixture.state(peer(A)), "PendingConfirm");
}

#[test]
fn a_confirmation_from_another_port_completes_nothing() {
    let mut fixture = half_open(&[]); // MS-S-20
    let confirm = identity(&fixture).start_confirm();
    assert!(fixture.receive(peer(A + 1), &confirm).is_empty());
    assert_eq!(fixture.state(peer(A)), "PendingConfirm");
}

#[rstest]
#[case::frame_rate(|asked: &mut Parameters| asked.frame_rate = Some(0))]
#[case::max_datagram(|asked: &mut Parameters| asked.max_datagram = Some(85))]
#[case::frame(|asked: &mut Parameters| asked.bit_rate = Some(10_000))]
fn parameters_that_cannot_be_get_error_3(#[case] change: fn(&mut Parameters)) {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-S-07
    let sent = fixture.receive(peer(A), &start_with(change));
    assert_eq!(code(&sent), 3);
    assert_eq!(Identity::of(&body(&sent[0])), ASKED);
    assert!(fixture.responder.sessions.is_empty());
    assert_eq!(fixture.responder.deadline(), None);
}

#[rstest]
#[case::past_the_end(&[1, 0, 4, 0, 1], 1)]
#[case::wrong_length(&[1, 0, 2, 0, 1, 1], 1)]
#[case::an_unknown_one(&[0xff, 0x7f, 1, 0, 1], 0)]
fn a_malformed_extension_gets_error_1(#[case] tlv: &[u8], #[case] expected: u16) {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-S-07, MS-W-14
    let sent = fixture.receive(peer(A), &[&start(ASKED)[..], tlv].concat());
    if expected == 0 {
        assert_eq!(names(&sent), ["START_ACK"]);
        return;
    }
    assert_eq!(code(&sent), expected);
    assert_eq!(Identity::of(&body(&sent[0])), ASKED);
    assert_eq!(fixture.counter("/validation_errors", "malformed"), 1);
    assert!(fixture.responder.sessions.is_empty());
}

#[test]
fn a_stream_id_of_0_gets_error_1_and_another_version_error_2() {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-S-01, MS-S-07
    let nameless = Identity {
        stream_id: 0,
        ..ASKED
    };
    assert_eq!(code(&fixture.receive(peer(A), &start(nameless))), 1);
    let mut foreign = start(ASKED);
    foreign[26] = 2;
    let sent = fixture.receive(peer(A), &foreign);
    assert_eq!(code(&sent), 2);
    assert_eq!(body(&sent[0]).version, 1);
    assert!(fixture.responder.sessions.is_empty());
}

#[test]
fn a_short_start_is_dropped_without_a_word() {
    let mut fixture = Fixture::new("start3", &[], &[]); // MS-W-07
    let whole = start(ASKED);
    for length in 2..54 {
        assert!(fixture.receive(peer(A), &whole[..length]).is_empty());
    }
    assert_eq!(fixture.counter("/validation_errors", "malformed"), 52);
}

#[rstest]
#[case::malformed(|start: &mut Vec<u8>| start.push(0))]
#[case::foreign_version(|start: &mut Vec<u8>| start[26] = 2)]
fn a_refusal_that_would_read_as_the_end_of_the_session_is_not_sent(
    #[case] change: fn(&mut Vec<u8>),
) {
    let mut fixture = streaming(); // MS-S-17
    let mut bad = start(ASKED);
    change(&mut bad);
    assert!(fixture.receive(peer(A), &bad).is_empty());
    assert_eq!(numbers(&fixture.pass(millis(40))), [1, 2]);
}

#[rstest]
#[case::half_open(half_open(&[]))]
#[case::streaming(streaming())]
fn another_stream_on_the_tuple_gets_error_7_once_and_changes_nothing(#[case] mut fixture: Fixture) {
    let (state, named) = (fixture.state(peer(A)), identity(&fixture)); // MS-S-17
    let other = Identity {
        stream_id: 8,
        nonce: 4,
        sender_nonce: 0,
    };
    let sent = fixture.receive(peer(A), &start(other));
    assert_eq!(code(&sent), 7);
    assert_eq!(Identity::of(&body(&sent[0])), other);
    assert!(fixture.receive(peer(A), &start(other)).is_empty());
    assert_eq!((fixture.state(peer(A)), identity(&fixture)), (state, named));
}

#[rstest]
#[case::its_nonce(9, true)]
#[case::no_nonce(0, true)]
#[case::another_nonce(8, false)]
fn an_error_of_the_session_ends_it_at_once_and_is_not_answered(
    #[case] nonce: u64,
    #[case] ends: bool,
    #[values(half_open(&[]), streaming(), half_open(&["begin_immediately"]))] mut fixture: Fixture,
    #[values(ErrorCode::Malformed, ErrorCode::DuplicateStreamId)] code: ErrorCode,
) {
    fixture.pass(millis(50)); // MS-S-15, MS-S-16
    let error = Identity { nonce, ..ASKED }.error(code, "");
    assert!(fixture.receive(peer(A), &error).is_empty());
    assert_eq!(fixture.pass(millis(600)).is_empty(), ends);
    let other = Identity {
        stream_id: 8,
        nonce,
        sender_nonce: 0,
    };
    assert!(fixture.receive(peer(A), &other.error(code, "")).is_empty());
}

#[test]
fn with_begin_immediately_64_kib_go_out_before_the_confirmation_which_frees_the_rest() {
    let mut fixture = Fixture::new("start3", &["begin_immediately"], &[]); // MS-S-04
    let sent = fixture.receive(peer(A), &start(ASKED));
    assert!(body(&sent[0]).has(Start3::BEGIN_IMMEDIATELY));
    let sent = fixture.pass(millis(3_000));
    assert_eq!(numbers(&sent), (1..=65).collect::<Vec<_>>()); // MS-H-22
    let confirm = identity(&fixture).start_confirm();
    assert!(fixture.receive(peer(A), &confirm).is_empty());
    let sent = fixture.pass(Duration::from_secs(10));
    assert_eq!(numbers(&sent), (66..=100).collect::<Vec<_>>());
}
