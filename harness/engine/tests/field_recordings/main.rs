//! Recordings of real programs: judged as they are, and taken apart. Each damage gives exactly the
//! finding that it should, at the sender; elsewhere what a network can do is in doubt only.

#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod recording;

use recording::{Heard, Recording, pair, stream};
use rstest::rstest;
use shakedown_protocol::monitor::Vantage::{self, Path, Sender};

#[rstest]
fn a_recording_is_one_legacy_session_without_a_finding(
    #[values(Sender, Path)] vantage: Vantage,
    #[values(("legacy-single", 100), ("legacy-split-frames", 10))] file: (&str, u64),
    #[values(false, true)] with_stream: bool,
) {
    let (name, frames) = file;
    let recording = Recording::read(name);
    let stream = with_stream.then(|| stream(name));
    let heard = recording.judge(vantage, stream);
    let [session] = &heard.sessions[..] else {
        panic!("{:#?}", heard.sessions)
    };
    assert_eq!((session.mode.as_str(), session.frames), ("legacy", frames));
    assert_eq!(session.missing + session.reordered + session.repeated, 0);
    assert_eq!(
        heard,
        Heard {
            sessions: heard.sessions.clone(),
            ..Heard::default()
        }
    );
}

type Damage = fn(Recording) -> Recording;

/// Places in `legacy-single`: START, connection-id, then frame n at n + 1.
#[rstest]
#[case::connection_id_dropped(|r: Recording| r.without(1), &["MS-L-03"], &[])]
#[case::start_longer(|r: Recording| r.on(0, |bytes| bytes.push(0)), &["MS-L-01"], &["MS-L-01"])]
#[case::start_within_the_stream(|r: Recording| r.copy_to(0, 50), &["MS-L-02"], &[])]
#[case::two_frames_swapped(|r: Recording| r.swap(40, 41), &["MS-D-01"], &[])]
#[case::first_two_frames_swapped(|r: Recording| r.swap(2, 3), &["MS-D-01"], &[])]
#[case::last_two_frames_swapped(|r: Recording| r.swap(100, 101), &["MS-D-01"], &[])]
#[case::frame_doubled(|r: Recording| r.copy_to(40, 41), &["MS-D-01"], &[])]
#[case::first_frame_doubled(|r: Recording| r.copy_to(2, 3), &["MS-D-01"], &[])]
#[case::frame_again_later(|r: Recording| r.copy_to(40, 60), &["MS-D-01"], &[])]
#[case::frame_dropped(|r: Recording| r.without(40), &["MS-D-01"], &[])]
#[case::first_frame_dropped(|r: Recording| r.without(2), &["MS-D-01"], &[])]
#[case::numbers_from_0(|r: Recording| r.on_data(2.., |data| data.number -= 1), &["MS-D-01"], &["MS-D-01"])]
#[case::qpf_0_once(|r: Recording| r.on_data(40..41, |data| data.qpf = 0), &["MS-D-04"], &["MS-D-04"])]
#[case::qpf_0_at_first(|r: Recording| r.on_data(2..3, |data| data.qpf = 0), &["MS-D-04"], &["MS-D-04"])]
#[case::qpf_0_always(|r: Recording| r.on_data(2.., |data| data.qpf = 0), &["MS-D-04"], &["MS-D-04"])]
#[case::qpf_changes(|r: Recording| r.on_data(50.., |data| data.qpf *= 2), &["MS-D-04"], &["MS-D-04"])]
#[case::qpc_falls(|r: Recording| r.on_data(50.., |data| data.qpc -= 9_000_000), &["MS-D-04"], &["MS-D-04"])]
#[case::qpc_falls_once(|r: Recording| r.on_data(50..51, |data| data.qpc -= 9_000_000), &["MS-D-04"], &["MS-D-04"])]
#[case::qpc_drifts(|r: Recording| r.on_data(2.., |data| data.qpc += (data.number - 1) * 10_000), &["MS-D-05"], &[])]
#[case::qpc_leaps(|r: Recording| r.on_data(50.., |data| data.qpc += 3_000_000), &["MS-D-05"], &[])]
#[case::qpf_wrong(|r: Recording| r.on_data(2.., |data| data.qpf = 3_579_545), &["MS-D-05"], &[])]
#[case::capture_clock_leaps(|r: Recording| r.shift(50, 0.3), &["MS-D-05"], &[])]
#[case::capture_clock_drifts(|r: Recording| r.stretch(1.05), &["MS-D-05"], &[])]
#[case::capture_clock_steps_back(|r: Recording| r.shift(50, -0.3), &[], &[])]
#[case::payload_emptied(|r: Recording| r.on(40, |bytes| bytes.truncate(26)), &["MS-W-09"], &["MS-W-09"])]
#[case::payload_byte_changed(|r: Recording| r.on(40, |bytes| bytes[700] ^= 1), &["MS-D-11"], &["MS-D-11"])]
#[case::first_payload_byte_changed(|r: Recording| r.on(2, |bytes| bytes[26] ^= 1), &["MS-D-11"], &["MS-D-11"])]
#[case::numbers_big_endian(|r: Recording| r.on_data(2.., |data| data.number = data.number.swap_bytes()), &["MS-W-01"], &["MS-W-01"])]
#[case::one_number_big_endian(|r: Recording| r.on_data(40..41, |data| data.number = data.number.swap_bytes()), &["MS-W-01"], &["MS-W-01"])]
#[case::qpc_big_endian(|r: Recording| r.on_data(2.., |data| data.qpc = data.qpc.swap_bytes()), &["MS-W-01"], &["MS-W-01"])]
#[case::qpf_big_endian(|r: Recording| r.on_data(2.., |data| data.qpf = data.qpf.swap_bytes()), &["MS-W-01"], &["MS-W-01"])]
#[case::connection_id_flag_big_endian(|r: Recording| r.on(1, |bytes| bytes.swap(0, 1)), &["MS-W-01"], &["MS-W-01"])]
fn a_damage_to_the_single_recording_gives_exactly_its_finding(
    #[case] damage: Damage,
    #[case] at_sender: &[&str],
    #[case] on_path: &[&str],
) {
    assert_findings(
        &damage(Recording::read("legacy-single")),
        at_sender,
        on_path,
    );
}

/// Places in `legacy-split-frames`: START, connection-id, then the parts of frame n at 2n and 2n + 1.
#[rstest]
#[case::parts_swapped(|r: Recording| r.swap(10, 11), &["MS-D-02"], &[])]
#[case::parts_of_the_first_frame_swapped(|r: Recording| r.swap(2, 3), &["MS-D-02"], &[])]
#[case::part_after_the_next_frame_began(|r: Recording| r.swap(11, 12), &["MS-D-02"], &[])]
#[case::part_doubled(|r: Recording| r.copy_to(11, 12), &["MS-D-01"], &[])]
#[case::frames_swapped(|r: Recording| r.swap(10, 12).swap(11, 13), &["MS-D-01"], &[])]
#[case::frame_dropped(|r: Recording| r.without(10).without(10), &["MS-D-01"], &[])]
#[case::rest_emptied(|r: Recording| r.on(11, |bytes| bytes.truncate(26)), &["MS-W-09", "MS-D-03"], &["MS-W-09", "MS-D-03"])]
#[case::rest_too_small(|r: Recording| r.on(11, |bytes| bytes.truncate(12)), &["MS-W-09", "MS-D-03"], &["MS-W-09", "MS-D-03"])]
#[case::first_part_emptied(|r: Recording| r.on(10, |bytes| bytes.truncate(26)), &["MS-W-09"], &["MS-W-09"])]
#[case::far_payload_byte_changed(|r: Recording| r.on(10, |bytes| bytes[60_000] ^= 1), &["MS-D-11"], &["MS-D-11"])]
#[case::qpc_falls_between_frames(|r: Recording| r.on_data(10.., |data| data.qpc -= 9_000_000), &["MS-D-04"], &["MS-D-04"])]
#[case::qpc_falls_within_a_frame(|r: Recording| r.on_data(11..12, |data| data.qpc -= 90_000), &["MS-D-04"], &["MS-D-04"])]
fn a_damage_to_the_split_recording_gives_exactly_its_finding(
    #[case] damage: Damage,
    #[case] at_sender: &[&str],
    #[case] on_path: &[&str],
) {
    assert_findings(
        &damage(Recording::read("legacy-split-frames")),
        at_sender,
        on_path,
    );
}

/// With the stream as it was configured: 1,000 bytes a frame, 50 a second, 2 s.
#[rstest]
#[case::too_slow(|r: Recording| r.slower(1.2), &["MS-D-06"])]
#[case::a_long_pause(|r: Recording| r.pause(50, 0.15), &["MS-D-06"])]
#[case::one_frame_too_many(|r: Recording| r.on_data(101.., |data| data.number += 1).copy_to(100, 101), &["MS-D-01", "MS-D-07"])]
#[case::connection_id_at_the_end(|r: Recording| r.copy_to(1, 102), &["MS-D-07"])]
#[case::first_frame_late(|r: Recording| r.pause(2, 0.2), &["MS-D-12"])]
fn with_the_stream_known_its_pace_is_judged(#[case] damage: Damage, #[case] findings: &[&str]) {
    let damaged = damage(Recording::read("legacy-single"));
    let heard = damaged.judge(Sender, Some(stream("legacy-single")));
    assert_eq!(heard.findings, findings, "{heard:#?}");
    let without: Vec<_> = damaged.judge(Sender, None).findings;
    let independent: Vec<_> = findings
        .iter()
        .filter(|id| **id == "MS-D-01")
        .copied()
        .collect();
    assert_eq!(without, independent);
}

#[test]
fn a_start_that_the_recording_lacks_is_in_doubt() {
    for vantage in [Sender, Path] {
        let heard = Recording::read("legacy-single")
            .without(0)
            .judge(vantage, None);
        assert_eq!(
            (&heard.findings[..], &heard.doubts[..]),
            (&[][..], &["MS-L-01".to_owned()][..])
        );
        assert_eq!(heard.sessions[0].frames, 100);
    }
}

#[rstest]
fn a_snap_length_hides_no_frames_and_makes_no_findings(
    #[values(42 + 26, 42 + 27, 42 + 60, 42 + 500)] snap: usize,
    #[values(Sender, Path)] vantage: Vantage,
) {
    let heard = Recording::read("legacy-single")
        .snap(snap)
        .judge(vantage, None);
    assert!(heard.findings.is_empty(), "{heard:#?}");
    assert_eq!((heard.sessions.len(), heard.sessions[0].frames), (1, 100));
    let seen_of_the_pattern = snap >= 42 + 26 + 8;
    assert_eq!(
        heard.doubts.contains(&"MS-D-11".to_owned()),
        seen_of_the_pattern
    );
}

#[test]
fn gaps_swaps_and_repetitions_are_counted_on_the_path() {
    let damaged = Recording::read("legacy-single")
        .swap(40, 41)
        .copy_to(60, 61)
        .without(80);
    let session = &damaged.judge(Path, None).sessions[0];
    assert_eq!((session.frames, session.missing), (99, 1));
    assert_eq!((session.reordered, session.repeated), (1, 1));
}

/// Two recordings in one capture, one after the other.
#[test]
fn two_recordings_in_one_capture_are_two_sessions() {
    let heard = pair().judge(Sender, None);
    assert!(
        heard.findings.is_empty() && heard.doubts.is_empty(),
        "{heard:#?}"
    );
    let mut frames: Vec<_> = heard
        .sessions
        .iter()
        .map(|session| session.frames)
        .collect();
    frames.sort_unstable();
    assert_eq!(frames, [10, 100]);
}

fn assert_findings(damaged: &Recording, at_sender: &[&str], on_path: &[&str]) {
    let sender = damaged.judge(Sender, None);
    assert_eq!(sender.findings, at_sender, "at the sender: {sender:#?}");
    assert!(sender.doubts.is_empty(), "{sender:#?}");
    let path = damaged.judge(Path, None);
    assert_eq!(path.findings, on_path, "on the path: {path:#?}");
    if on_path.is_empty() {
        assert_eq!(path.doubts, at_sender, "on the path: {path:#?}");
    }
}
