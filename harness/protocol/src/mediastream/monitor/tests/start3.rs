//! Sessions of mode start3: their handshake and its faults.

use super::*;
use crate::mediastream::frame::Start3;
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};

/// The stream of these tests: as [`STREAM`].
pub(super) const FRAME_RATE: u32 = 50;

pub(super) const STREAM_ID: u64 = 0x0102_0304_0506_0708;
pub(super) const NONCE: u64 = 0x1111_2222_3333_4444;
pub(super) const SENDER_NONCE: u64 = 0x5555_6666_7777_8888;

/// FrameRate, BitRate and StreamLength.
pub(super) fn parameters(rate: u32, bits: u64, seconds: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let values: [(u16, Vec<u8>); 3] = [
        (kind::FRAME_RATE, rate.to_le_bytes().to_vec()),
        (kind::BIT_RATE, bits.to_le_bytes().to_vec()),
        (kind::STREAM_LENGTH, seconds.to_le_bytes().to_vec()),
    ];
    for (kind, value) in &values {
        Tlv { kind: *kind, value }.encode(&mut bytes);
    }
    bytes
}

impl Talk {
    /// START, START_ACK, START_CONFIRM, then so many frames.
    pub(super) fn start3(frames: u64) -> Self {
        Self::new().agree().frames(1..=frames)
    }

    pub(super) fn agree(self) -> Self {
        let talk = self.start_frame(0).after(1.0).start_ack(0);
        talk.after(1.0).confirm()
    }

    /// START with these flags.
    pub(super) fn start_frame(self, flags: u16) -> Self {
        self.start_of(STREAM_ID, NONCE, flags)
    }

    pub(super) fn start_of(self, stream_id: u64, nonce: u64, flags: u16) -> Self {
        let tlvs = parameters(FRAME_RATE, 400_000, 1);
        let mut body = Start3::new(stream_id, nonce, 0);
        body.flags = flags;
        body.tlvs = Tlvs::from_bytes(&tlvs);
        self.ask(&Frame::Start(body).to_vec())
    }

    /// START_ACK with these flags.
    pub(super) fn start_ack(self, flags: u16) -> Self {
        self.start_ack_of(STREAM_ID, NONCE, SENDER_NONCE, flags)
    }

    pub(super) fn start_ack_of(self, stream_id: u64, nonce: u64, own: u64, flags: u16) -> Self {
        let tlvs = parameters(FRAME_RATE, 400_000, 1);
        let mut body = Start3::new(stream_id, nonce, own);
        body.flags = flags;
        body.tlvs = Tlvs::from_bytes(&tlvs);
        self.answer(&Frame::StartAck(body).to_vec())
    }

    pub(super) fn confirm(self) -> Self {
        self.confirm_of(STREAM_ID, NONCE, SENDER_NONCE)
    }

    pub(super) fn confirm_of(self, stream_id: u64, nonce: u64, own: u64) -> Self {
        self.ask(&Frame::StartConfirm(Start3::new(stream_id, nonce, own)).to_vec())
    }
}

#[test]
fn a_whole_session_is_healthy_and_judged() {
    let heard = assert_healthy(&Talk::start3(50));
    let session = &heard.sessions[0];
    assert_eq!((heard.sessions.len(), session.mode), (1, "start3"));
    assert_eq!(session.frames, 50);
    let id = session.connection_id.as_deref();
    assert_eq!(id, Some("0102030405060708"));
    for rule in [
        "MS-W-10", "MS-W-12", "MS-S-01", "MS-S-02", "MS-S-03", "MS-S-04", "MS-D-06", "MS-D-07",
        "MS-D-12",
    ] {
        assert!(session.judged.contains(&rule), "{rule} {session:#?}");
    }
    let run = judge(
        &Talk::start3(50).after(3_000.0).elsewhere(),
        &supervised("start3"),
    );
    assert!(run.findings.is_empty() && run.doubts.is_empty(), "{run:#?}");
}

#[test]
fn a_capture_that_begins_or_ends_anywhere_is_healthy() {
    let talk = Talk::start3(40);
    for start in 0..talk.sent.len() - 1 {
        let middle = Talk {
            sent: talk.sent[start..].to_vec(),
            ..talk.clone()
        };
        assert_healthy(&middle);
        let head = Talk {
            sent: talk.sent[..=start].to_vec(),
            ..talk.clone()
        };
        assert_healthy(&head);
    }
}

#[test]
fn repeated_and_crossing_handshake_datagrams_are_healthy() {
    let talk = Talk::new().start_frame(0).after(499.5).start_ack(0);
    let talk = talk.after(0.5).start_frame(0).after(0.1).confirm();
    let talk = talk.after(0.1).start_ack(0).after(0.1).confirm();
    assert_eq!(assert_healthy(&talk.frames(1..=50)).sessions.len(), 1);
    let lost = Talk::new().start_frame(0).after(1.0).start_ack(0);
    let lost = lost.after(499.0).start_ack(0).after(1.0).confirm();
    assert_eq!(assert_healthy(&lost.frames(1..=50)).sessions.len(), 1);
}

#[test]
fn media_at_once_is_healthy_where_the_start_ack_allows_it() {
    let talk = Talk::new().start_frame(0).after(1.0);
    let talk = talk.start_ack(Start3::BEGIN_IMMEDIATELY).frames(1..=10);
    assert_healthy(&talk.after(1.0).confirm().after(19.0).frames(11..=50));
}

#[test]
fn a_fallback_that_was_offered_is_healthy() {
    let talk = Talk::new().start_frame(Start3::COMPAT_MODE).after(500.0);
    let talk = talk.start_frame(Start3::COMPAT_MODE).after(1_000.0);
    let talk = talk.start_frame(Start3::COMPAT_MODE).after(2_000.0).start();
    let heard = assert_healthy(&talk.after(1.0).name("one").frames(1..=50));
    let modes: Vec<_> = heard.sessions.iter().map(|session| session.mode).collect();
    assert_eq!(modes, ["start3", "legacy"]);
}

#[test]
fn one_session_after_another_on_a_tuple_is_healthy() {
    for pause in [100.0, 3_000.0] {
        let talk = Talk::start3(50).after(pause).start_of(9, 9, 0).after(1.0);
        let talk = talk.start_ack_of(9, 9, 7, 0).after(1.0).confirm_of(9, 9, 7);
        let heard = assert_healthy(&talk.frames(1..=50));
        let frames: Vec<_> = heard.sessions.iter().map(|it| it.frames).collect();
        assert_eq!(frames, [50, 50]);
    }
    let again = Talk::start3(50).after(3_000.0).agree().frames(1..=50);
    assert_eq!(assert_healthy(&again).sessions.len(), 2);
}
