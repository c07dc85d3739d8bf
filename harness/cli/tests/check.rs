//! `shakedown check` and `shakedown dissect` as a user calls them.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test may fail so, and starts the program"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn recording(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("../../pcaps/field").join(name)
}

fn shakedown(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn events(output: &Output) -> Vec<serde_json::Value> {
    let text = str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The single recording with one byte of a frame's number changed, so that a number is missing.
fn broken() -> Vec<u8> {
    let mut file = std::fs::read(recording("legacy-single.pcap")).unwrap();
    let header = [0, 0, 50, 0, 0, 0, 0, 0, 0, 0];
    let place = file
        .windows(header.len())
        .position(|bytes| bytes == header)
        .unwrap();
    file[place + 2] = 150;
    file
}

#[test]
fn a_capture_that_is_named_twice_is_checked_once() {
    let path = recording("legacy-single.pcap");
    let path = path.to_str().unwrap();
    let events = |arguments: &[&str]| events(&shakedown(arguments, b""));
    let once = events(&["check", "--level", "may", "--format", "json", path]);
    assert_eq!(
        events(&["check", "--level", "may", "--format", "json", path, path]),
        once
    );
}

#[test]
fn a_field_recording_passes_with_exit_0() {
    let path = recording("legacy-single.pcap");
    let output = shakedown(
        &[
            "check",
            "--level",
            "may",
            "--vantage",
            "sender",
            path.to_str().unwrap(),
        ],
        b"",
    );
    let text = str::from_utf8(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("mediastream legacy"), "{text}");
    assert!(text.contains("100 frames in 102 datagrams"), "{text}");
}

#[test]
fn a_finding_gives_exit_1_and_its_packet_and_bytes() {
    let output = shakedown(
        &[
            "check",
            "--level",
            "may",
            "--vantage",
            "sender",
            "--format",
            "json",
            "-",
        ],
        &broken(),
    );
    assert_eq!(output.status.code(), Some(1));
    let events = events(&output);
    let finding = events
        .iter()
        .find(|event| event["type"] == "finding")
        .unwrap();
    assert_eq!(finding["requirement"], "MS-D-01");
    assert_eq!(finding["packet"], 52);
    assert_eq!(finding["field"]["offset"], 2);
    assert!(
        finding["bytes"].as_str().unwrap().starts_with("00009600"),
        "{finding}"
    );
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["exit"]),
        (&"check-finished".into(), &1.into())
    );
}

#[test]
fn on_the_path_the_same_is_in_doubt_with_exit_0() {
    let output = shakedown(
        &["check", "--level", "may", "--format", "json", "-"],
        &broken(),
    );
    assert_eq!(output.status.code(), Some(0));
    let events = events(&output);
    assert!(events.iter().all(|event| event["type"] != "finding"));
    let last = events.last().unwrap();
    assert_eq!(last["requirements"]["MS-D-01"], "inconclusive");
}

#[test]
fn a_damaged_file_is_judged_as_far_as_it_goes_and_gives_exit_2() {
    let mut file = std::fs::read(recording("legacy-single.pcap")).unwrap();
    file.truncate(60_000);
    let output = shakedown(&["check", "--level", "may", "--format", "json", "-"], &file);
    assert_eq!(output.status.code(), Some(2));
    let events = events(&output);
    let session = events
        .iter()
        .find(|event| event["type"] == "session")
        .unwrap();
    assert!(session["frames"].as_u64() > Some(50), "{session}");
    let notes = events.last().unwrap()["notes"].to_string();
    assert!(
        notes.contains("the capture is cut off") && notes.contains("byte "),
        "{notes}"
    );
}

#[test]
fn what_is_no_capture_or_has_no_session_gives_exit_2() {
    let header = &std::fs::read(recording("legacy-single.pcap")).unwrap()[..24];
    for input in [&b"this is a letter, not a capture"[..], b"", header] {
        let output = shakedown(&["check", "--level", "may", "-"], input);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    let missing = shakedown(&["check", "--level", "may", "/nowhere/at-all.pcap"], b"");
    assert_eq!(missing.status.code(), Some(2));
    let text = str::from_utf8(&missing.stdout).unwrap();
    assert!(text.contains("cannot be opened"), "{text}");
}

#[test]
fn findings_against_should_are_advice_unless_they_are_asked_for() {
    let mut file = std::fs::read(recording("legacy-single.pcap")).unwrap();
    // Without its connection-id: the second record, 16 + 81 bytes after the first of 16 + 47.
    let second = 24 + 16 + 47;
    file.drain(second..second + 16 + 81);
    let should = shakedown(
        &["check", "--level", "may", "--vantage", "sender", "-"],
        &file,
    );
    assert_eq!(should.status.code(), Some(1));
    let must = shakedown(&["check", "--vantage", "sender", "-"], &file);
    assert_eq!(must.status.code(), Some(0), "{must:?}");
}

#[test]
fn dissect_writes_one_decoded_line_for_each_datagram() {
    let path = recording("legacy-single.pcap");
    let output = shakedown(&["dissect", path.to_str().unwrap()], b"");
    let text = str::from_utf8(&output.stdout).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(0), 102));
    let third = text.lines().nth(2).unwrap();
    assert!(
        third.contains("127.0.0.1:4444 > 127.0.0.1:47789 1000 bytes data sequence_number=1"),
        "{third}"
    );
    let json = shakedown(
        &[
            "dissect",
            "--hex",
            "--format",
            "json",
            path.to_str().unwrap(),
        ],
        b"",
    );
    let events = events(&json);
    assert_eq!(events[0]["frame"], "START token");
    assert_eq!(events[0]["bytes"], "5354415254");
}

#[test]
fn dissect_of_a_damaged_file_writes_what_is_readable_and_gives_exit_2() {
    let mut file = std::fs::read(recording("legacy-single.pcap")).unwrap();
    file.truncate(5_000);
    let output = shakedown(&["dissect", "-"], &file);
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stdout.is_empty());
    let error = str::from_utf8(&output.stderr).unwrap();
    assert!(error.contains("cut off"), "{error}");
}

#[test]
fn the_comments_of_a_capture_stand_below_its_packets_and_a_ladder_crosses_what_they_call_lost() {
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../pcaps/golden/mediastream/3way/initiator/"
    );
    let path = format!("{golden}a-lost-syn-ack-makes-it-send-its-syn-again.pcapng");
    let said = |arguments: &[&str]| {
        let output = shakedown(&[&["dissect", &path], arguments].concat(), b"");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let lost = "step 1 lose: lost SYN-ACK accept=true";
    let text = said(&[]);
    let (packet, rest) = text
        .split_once(&format!("     1              # {lost}"))
        .unwrap();
    assert!(
        packet.contains(" SYN ") && rest.contains("     2     0.500000 "),
        "{text}"
    );
    let json = said(&["--format", "json"]);
    assert!(
        json.contains(&format!(r#"{{"type":"comment","packet":1,"text":"{lost}"#)),
        "{json}"
    );
    let ladder = said(&["--ladder"]);
    assert!(
        ladder.lines().nth(4).unwrap().contains("✗") && ladder.contains("50 × data"),
        "{ladder}"
    );
}

#[test]
fn a_capture_that_cannot_be_read_has_no_count_of_sessions() {
    let output = shakedown(&["check", "no-such-file.pcap"], b"");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("it cannot be opened"), "{told}");
    let folder = shakedown(&["check", "src"], b"");
    let said = String::from_utf8_lossy(&folder.stdout);
    assert!(
        said.contains("it cannot be opened: is a directory"),
        "{said}"
    );
    assert!(!told.contains("session"), "{told}");
}
