//! Sessions of mode start3: their handshake and its faults.

use super::*;
use crate::mediastream::frame::Start3;
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::requirement::Role;

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
        assert!(session.judged.contains(rule), "{rule} {session:#?}");
    }
    let run = judge(
        &Talk::start3(50).after(3_000.0).elsewhere(),
        &supervised("start3"),
    );
    assert!(run.findings.is_empty() && run.doubts.is_empty(), "{run:#?}");
}

#[test]
fn a_start_that_comes_after_the_last_frame_may_get_another_start_ack() {
    // MS-S-11: the session is over (MS-D-07), and nothing need be known of it.
    let late = |frames| {
        let talk = Talk::start3(frames).after(100.0).start_frame(0).after(1.0);
        let talk = talk.start_ack_of(STREAM_ID, NONCE, SENDER_NONCE + 1, 0);
        judge(&talk, &supervised("start3"))
    };
    let broken = |run: &Heard| run.findings.iter().any(|found| found.contains("MS-S-13"));
    assert!(!broken(&late(50)));
    assert!(broken(&late(49)));
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

/// Changes bytes of the datagram at a place.
fn set(talk: Talk, place: usize, offset: usize, bytes: &[u8]) -> Talk {
    talk.on(place, |datagram| {
        datagram[offset..offset + bytes.len()].copy_from_slice(bytes);
    })
}

#[test]
fn a_start_with_another_version_or_without_a_stream_id_breaks_s01() {
    let talk = Talk::start3(50);
    let broken = set(Talk::new().start_frame(0), 0, 26, &[2]);
    assert_broken(&broken, &["MS-S-01"]);
    let nameless = Talk::new().start_of(0, NONCE, 0);
    assert_broken(&nameless, &["MS-S-01"]);
    assert_broken(&set(talk, 0, 46, &[9]), &["MS-S-01"]);
}

#[test]
fn a_start_ack_that_echoes_another_number_or_has_no_nonce_breaks_s02() {
    for (stream_id, nonce, own) in [
        (STREAM_ID, 1, SENDER_NONCE),
        (1, NONCE, SENDER_NONCE),
        (STREAM_ID, NONCE, 0),
    ] {
        let talk = Talk::new().start_frame(0).after(1.0);
        let talk = talk.start_ack_of(stream_id, nonce, own, 0);
        assert_broken(&talk, &["MS-S-02"]);
    }
    let foreign = Talk::new().start_frame(0).after(1.0);
    assert_broken_at_sender(&foreign.start_ack_of(1, 1, 1, 0), "MS-S-02");
}

#[test]
fn a_start_ack_that_grants_more_or_not_all_of_what_was_asked_breaks_s02() {
    let more = set(Talk::start3(1), 1, 58, &51_u32.to_le_bytes());
    assert_broken(&more, &["MS-S-02"]);
    let less = set(Talk::start3(1), 1, 58, &49_u32.to_le_bytes());
    assert_healthy(&less);
    let none = Talk::start3(5).on(1, |bytes| bytes.truncate(54));
    assert_broken(&none, &["MS-S-02"]);
}

#[test]
fn a_start_confirm_with_another_number_breaks_s03() {
    for (stream_id, nonce, own) in [
        (1, NONCE, SENDER_NONCE),
        (STREAM_ID, 1, SENDER_NONCE),
        (STREAM_ID, NONCE, 1),
    ] {
        let talk = Talk::new().start_frame(0).after(1.0).start_ack(0);
        let talk = talk.after(1.0).confirm_of(stream_id, nonce, own);
        assert_broken(&talk, &["MS-S-03"]);
    }
}

#[test]
fn media_before_the_start_confirm_breaks_s04() {
    let talk = Talk::new().start_frame(0).after(1.0).start_ack(0);
    let never = talk.clone().frames(1..=5);
    let heard = judge(&never, &at(Vantage::Sender));
    assert_eq!(heard.findings, ["MS-S-04"], "{:#?}", heard.all);
    let early = talk.frames(1..=1).after(5.0).confirm();
    assert_broken_at_sender(&early.after(15.0).frames(2..=50), "MS-S-04");
    let long = Talk::new().start_frame(0).after(1.0).start_ack(0);
    let long = long.after(400.0).frames(1..=3).after(40.0).start_ack(0);
    let long = long.after(1_000.0).start_ack(0);
    assert_broken(&long.after(5.0).confirm(), &["MS-S-04"]);
}

#[test]
fn a_start_repeated_too_early_changed_or_not_at_all_breaks_s08() {
    let early = Talk::new().start_frame(0).after(200.0).start_frame(0);
    assert_broken_at_sender(&early, "MS-S-08");
    let changed = Talk::new().start_frame(0).after(500.0).start_frame(1);
    assert_broken_at_sender(&changed, "MS-S-08");
    let another = Talk::new().start_frame(0).after(500.0);
    assert_broken_at_sender(&another.start_of(STREAM_ID, 1, 0), "MS-S-08");
    let never = Talk::new().start_frame(0).after(900.0).elsewhere();
    assert_broken_at_sender(&never, "MS-S-08");
    let thrice = Talk::new().start_frame(0).after(500.0).start_frame(0);
    let thrice = thrice.after(1_000.0).start_frame(0).after(5_000.0);
    assert_healthy(&thrice.elsewhere());
}

#[test]
fn a_stream_that_falls_silent_makes_no_new_session_of_a_repeated_start() {
    let talk = Talk::new().start_frame(0).after(20.0).frames(1..=2);
    let talk = talk
        .after(440.0)
        .start_frame(0)
        .after(1_000.0)
        .start_frame(0);
    let heard = judge(&talk.after(100.0).elsewhere(), &at(Vantage::Sender));
    let sessions = heard.sessions.iter();
    assert_eq!(
        sessions.filter(|one| one.mode == "start3").count(),
        1,
        "{:#?}",
        heard.all
    );
}

#[test]
fn a_fallback_that_was_not_offered_breaks_s10() {
    let talk = Talk::new().start_frame(0).after(500.0).start_frame(0);
    let talk = talk.after(1_000.0).start_frame(0).after(2_000.0).start();
    let served = talk.after(1.0).name("one").frames(1..=50);
    assert_broken(&served, &["MS-S-10"]);
}

#[test]
fn compat_mode_is_set_in_a_run_exactly_where_fallback_is_on() {
    let mut settings = supervised("start3");
    let plain = Talk::start3(50);
    let compatible = Talk::new().start_frame(Start3::COMPAT_MODE).after(1.0);
    let compatible = compatible.start_ack(0).after(1.0).confirm().frames(1..=50);
    assert!(judge(&plain, &settings).findings.is_empty());
    assert_eq!(judge(&compatible, &settings).findings, ["MS-S-10"]);
    settings.options = Some(vec!["fallback".to_owned()]);
    assert!(judge(&compatible, &settings).findings.is_empty());
    assert_eq!(judge(&plain, &settings).findings, ["MS-S-10"]);
}

#[test]
fn a_start_ack_repeated_too_early_changed_or_not_at_all_breaks_s13() {
    let half_open = Talk::new().start_frame(0).after(1.0).start_ack(0);
    let early = half_open.clone().after(200.0).start_ack(0);
    assert_broken_at_sender(&early.after(1.0).confirm(), "MS-S-13");
    let changed = half_open.clone().after(500.0);
    let changed = changed.start_ack_of(STREAM_ID, NONCE, 3, 0);
    assert_broken(&changed, &["MS-S-13"]);
    assert_broken_at_sender(&half_open.after(900.0).elsewhere(), "MS-S-13");
}

#[test]
fn the_header_and_the_reserved_places_of_start3_frames_are_judged() {
    for place in 0..3 {
        assert_broken(&set(Talk::start3(50), place, 12, &[1]), &["MS-W-10"]);
        assert_broken(&set(Talk::start3(50), place, 27, &[1]), &["MS-W-12"]);
        assert_broken(&set(Talk::start3(50), place, 28, &[8]), &["MS-W-12"]);
    }
    for place in [0, 2] {
        let begins = set(Talk::start3(50), place, 28, &[4]);
        assert_broken(&begins, &["MS-W-12"]);
    }
}

#[test]
fn media_is_judged_by_what_was_accepted() {
    // 40 frames a second, as the responder granted; its stream is of 50.
    let talk = set(Talk::start3(50), 1, 58, &40_u32.to_le_bytes());
    let heard = judge(&talk, &supervised("start3"));
    assert_eq!(
        heard.findings,
        ["MS-D-13", "MS-D-07", "MS-D-06"],
        "{:#?}",
        heard.all
    );
    let short = Talk::start3(40).after(3_000.0).elsewhere();
    let heard = judge(&short, &at(Vantage::Sender));
    assert_eq!(heard.findings, ["MS-D-07"], "{:#?}", heard.all);
    let gap = Talk::new().agree().frames(1..=9).frames(11..=50);
    assert_broken_at_sender(&gap, "MS-D-01");
}

#[test]
fn a_start_of_another_stream_within_a_stream_changes_nothing() {
    let talk = Talk::start3(20).start_of(7, 7, 0).after(1.0);
    let talk = talk.error_of(Role::Responder, 7, 7, 7);
    assert_eq!(assert_healthy(&talk.frames(21..=50)).sessions.len(), 1);
    let twin = Talk::start3(20).start_of(STREAM_ID, 7, 0).after(1.0);
    let twin = twin.error_of(Role::Responder, 9, STREAM_ID, 7);
    assert_eq!(assert_healthy(&twin.frames(21..=50)).sessions.len(), 1);
    let copy = Talk::start3(20).start_frame(0).after(1.0).start_ack(0);
    assert_eq!(assert_healthy(&copy.frames(21..=50)).sessions.len(), 1);
    let token = Talk::start3(20).start().frames(21..=50);
    assert_eq!(assert_healthy(&token).sessions.len(), 1);
}

#[test]
fn a_responder_of_several_modes_is_judged_in_each() {
    let settings = supervised("3way,start3");
    let talk = Talk::start3(50).after(3_000.0).from("127.0.0.1:50001");
    let talk = talk.greet("one").frames(1..=50).after(3_000.0).elsewhere();
    let heard = judge(&talk, &settings);
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    let modes: Vec<_> = heard.sessions.iter().map(|it| it.mode).collect();
    assert_eq!(modes, ["start3", "3way"]);
    let silent = Talk::new().syn("a").after(500.0).syn("a").after(1_000.0);
    let silent = silent.syn("a").after(5_000.0).elsewhere();
    assert_eq!(judge(&silent, &settings).findings, ["MS-H-05"]);
    assert!(judge(&silent, &supervised("start3")).findings.is_empty());
}

#[test]
fn a_start_that_came_twice_at_once_is_answered_twice() {
    let talk = Talk::new().start_frame(0).start_frame(0).after(0.2);
    let talk = talk.start_ack(0).start_ack(0).after(0.1).confirm();
    let heard = judge(&talk.frames(1..=50), &at(Vantage::Path));
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    assert_eq!(heard.doubts, ["MS-S-08"]);
}

#[test]
fn a_start_confirm_before_the_start_ack_completes_nothing() {
    let before = Talk::new().confirm_of(STREAM_ID, NONCE, 99).start_frame(0);
    let between = Talk::new().start_frame(0).confirm_of(STREAM_ID, NONCE, 99);
    for talk in [before, between] {
        let talk = talk.after(0.2).start_ack(0).after(400.0).confirm();
        let heard = judge(&talk.frames(1..=50), &supervised("start3"));
        assert!(heard.findings.is_empty(), "{:#?}", heard.all);
        assert!(heard.sessions.iter().any(|session| session.frames == 50));
    }
}

#[test]
fn flags_and_parameters_that_make_sense_big_endian_only_break_w01() {
    for place in [0, 1] {
        let flag = Talk::start3(50).on(place, |bytes| bytes.swap(0, 1));
        assert_broken(&flag, &["MS-W-01"]);
        let rate = Talk::start3(50).on(place, |bytes| bytes[58..62].reverse());
        assert_broken(&rate, &["MS-W-01"]);
    }
}

#[test]
fn a_start_confirm_of_no_session_does_not_keep_a_start_token_from_being_served() {
    let stray = Talk::new().confirm().after(8_000.0).start();
    let served = stray.clone().after(0.2).name("one").frames(1..=50);
    let again = stray.after(520.0).start().after(520.0).confirm().start();
    for talk in [served, again.after(0.2).name("one").frames(1..=50)] {
        let heard = judge(&talk, &supervised("start3"));
        assert!(heard.findings.is_empty(), "{:#?}", heard.all);
        let sessions: Vec<_> = heard
            .sessions
            .iter()
            .map(|it| (it.mode, it.frames))
            .collect();
        assert_eq!(sessions, [("start3", 0), ("legacy", 50)]);
    }
}

#[test]
fn a_start_token_after_a_start_confirm_whose_start_the_capture_lacks_may_open_nothing() {
    let talk = Talk::new().confirm().after(1.0).start();
    let talk = talk.after(18.0).frames(1..=50);
    assert_eq!(assert_healthy(&talk).sessions.len(), 1);
}

#[test]
fn a_copy_of_a_start_confirm_whose_start_the_capture_lacks_starts_no_stream() {
    let late = Talk::new().start_ack(0).after(1.0).confirm().after(1.0);
    for talk in [late, Talk::new().confirm().after(1.0)] {
        assert_healthy(&talk.data(25, 974).frames(26..=50));
    }
}

#[test]
fn a_start_that_comes_after_the_last_frame_may_open_a_stream_that_begins_at_once() {
    let free = Start3::BEGIN_IMMEDIATELY;
    let late = |frames, own| {
        let talk = Talk::new().start_frame(0).after(1.0).start_ack(free);
        let talk = talk.after(1.0).confirm().frames(1..=frames).after(400.0);
        let talk = talk
            .start_frame(0)
            .start_ack_of(STREAM_ID, NONCE, own, free);
        judge(&talk.frames(1..=12), &supervised("start3"))
    };
    let fresh = late(50, 7);
    assert!(!fresh.findings.contains(&"MS-D-01"), "{fresh:#?}");
    let sessions = fresh.sessions.iter().map(|session| session.frames);
    assert_eq!(sessions.collect::<Vec<_>>(), [50, 12]);
    assert!(late(49, 7).findings.contains(&"MS-D-01"));
    assert!(late(50, SENDER_NONCE).findings.contains(&"MS-D-01"));
}

#[test]
fn a_start_with_reserved_bits_is_its_senders_though_it_seemed_the_responder() {
    let mut body = Start3::new(STREAM_ID, NONCE, 0);
    body.flags = 0x0008;
    let start = Frame::Start(body).to_vec();
    let talk = Talk::new().start_ack(0).after(5.0).answer(&start);
    let heard = judge(&talk, &at(Vantage::Sender));
    let found = heard
        .all
        .iter()
        .filter_map(|observation| match observation {
            Observation::Finding(finding) if finding.requirement == "MS-W-12" => {
                Some(finding.address)
            }
            _ => None,
        });
    assert_eq!(found.collect::<Vec<_>>(), [RESPONDER.parse().unwrap()]);
}

#[test]
fn a_start_token_after_the_last_frame_opens_a_session_of_its_own() {
    let talk = Talk::start3(50).after(500.0).start().after(1.0).name("one");
    let talk = talk.after(20.0).frames(1..=50);
    let mut settings = supervised("start3");
    settings.options = Some(vec!["allow_legacy_start".to_owned()]);
    let heard = judge(&talk, &settings);
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    assert_eq!(heard.sessions.len(), 2);
}
