//! Scenarios played through a network that loses, repeats and delays.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Output;

use rstest::rstest;
use serde_json::{Value, json};
use shakedown_capture::Capture;
use support::strict_run;
use tempfile::TempDir;

const TWO_FRAMES: &str = "mediastream/3way/responder/a-handshake-leads-to-two-frames";
const REPEATED: &str = "mediastream/3way/initiator/a-repeated-syn-ack-gets-the-same-ack";

/// Runs scenarios and says how that ended, and what was told.
fn run(out: &Path, arguments: &[&str]) -> (Output, Vec<Value>) {
    let output = strict_run(out, arguments).output();
    let output = output.expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(serde_json::from_str);
    let events = lines.map(|line| line.expect("a line of JSON")).collect();
    (output, events)
}

fn of_type<'a>(events: &'a [Value], name: &str) -> &'a Value {
    let mut events = events.iter();
    let found = events.find(|event| event["type"] == name);
    found.expect("an event of that type")
}

/// The frames of a scenario's capture that are no media, in order.
fn frames(out: &Path, scenario: &str) -> Vec<&'static str> {
    let path = out.join("captures").join(format!("{scenario}.pcapng"));
    let file = File::open(path).expect("the capture is there");
    let mut capture = Capture::open(file).expect("a capture");
    let vocabulary = shakedown_protocol::mediastream::PROTOCOL.vocabulary;
    let mut frames = Vec::new();
    while let Some(datagram) = capture.next_datagram().expect("undamaged") {
        let frame = vocabulary.decode(datagram.payload).expect("well formed");
        let frame = frame.expect("of a known form").frame;
        if frame != "data" {
            frames.push(frame);
        }
    }
    frames
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

#[test]
fn a_responder_s_capture_shows_what_it_sent_and_what_reached_it() {
    let out = folder();
    let impair = "drop=SYN-ACK#1,duplicate=ACK#1";
    let (output, events) = run(out.path(), &[TWO_FRAMES, "--impair", impair]);
    let verdict = of_type(&events, "verdict");
    assert_eq!(verdict["verdict"], "pass", "{verdict:#}");
    assert_eq!(output.status.code(), Some(0));
    // The scripted peer saw one SYN-ACK and sent one ACK.
    let mut seen = frames(out.path(), TWO_FRAMES);
    assert_eq!(seen[..4], ["SYN", "SYN-ACK", "SYN-ACK", "ACK"]);
    // The second ACK crosses the answer to the first.
    seen[4..].sort_unstable();
    assert_eq!(seen[4..], ["ACK", "connection-id"]);
    let notes = &of_type(&events, "run-finished")["notes"];
    assert_eq!(notes[0], format!("played through a network: {impair}"));
}

/// The ladder of a scenario's capture, as `dissect` draws it.
fn ladder(out: &Path, scenario: &str) -> String {
    let path = out.join("captures").join(format!("{scenario}.pcapng"));
    let path = path.to_string_lossy();
    let output = support::shakedown(&["dissect", "--ladder", &path]).output();
    let output = output.expect("the program starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[rstest]
#[case::live(&[], &["SYN", "SYN-ACK"])]
#[case::in_virtual_time(&["--virtual"], &["SYN"])]
fn what_the_network_lost_is_crossed_in_the_ladder(#[case] how: &[&str], #[case] lost: &[&str]) {
    let out = folder();
    let impair = ["--impair", "drop=SYN#1,drop=SYN-ACK#1"];
    run(out.path(), &[&[REPEATED], how, &impair].concat());
    let ladder = ladder(out.path(), REPEATED);
    let crossed = ladder.lines().filter(|line| line.contains('✗'));
    let crossed: Vec<_> = crossed
        .filter_map(|line| {
            line.split(['─', '╌', ' '])
                .find(|word| word.starts_with("SYN"))
        })
        .collect();
    assert_eq!(crossed, lost, "{ladder}");
}

#[test]
fn the_second_syn_ack_is_lost_and_the_first_ack_comes_twice() {
    let out = folder();
    let impair = ["--impair", "drop=SYN-ACK#2,duplicate=ACK#1"];
    let (_, events) = run(out.path(), &[REPEATED, impair[0], impair[1]]);
    // The copy of the ACK is what the script takes for the answer to its second SYN-ACK, which the
    // implementation never got.
    let verdict = of_type(&events, "verdict");
    assert_eq!(verdict["verdict"], "inconclusive", "{verdict:#}");
    let reason = verdict["reason"].as_str().expect("a reason");
    assert!(reason.contains("all steps were played"), "{reason}");
    assert!(
        reason.contains("lost 1: it may have passed by that"),
        "{reason}"
    );
    let third = ["SYN-ACK", "ACK"];
    let before = ["SYN", "SYN-ACK", "ACK", "connection-id"];
    assert_eq!(frames(out.path(), REPEATED), [&before[..], &third].concat());
}

#[test]
fn what_a_script_misses_through_the_network_fails_nobody() {
    let out = folder();
    let (_, events) = run(out.path(), &[REPEATED, "--impair", "drop=SYN-ACK#2"]);
    let verdict = of_type(&events, "verdict");
    assert_eq!(verdict["verdict"], "inconclusive", "{verdict:#}");
    let reason = verdict["reason"].as_str().expect("a reason");
    let wanted = "got nothing, which the network (drop=SYN-ACK#2) may have done";
    assert!(reason.contains(wanted), "{reason}");
}

#[test]
fn what_the_capture_shows_at_the_implementation_counts() {
    let out = folder();
    let text = "name = \"hasty\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
         modes = [\"3way\"]\n[start]\ncommand = [\"{shakedown}\", \"serve\", \"mediastream\",\n\
         \"--mode\", \"{mode}\", \"--listen\", \"{address}\", \"--without\", \"MS-H-15\",\n\
         \"--bits-per-second\", \"{bits_per_second}\", \"--seconds\", \"{seconds}\",\n\
         \"--frames-per-second\", \"{frames_per_second}\"]\n\
         ready = { line = \"listening on\" }\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n";
    let iut = out.path().join("iut.toml");
    std::fs::write(&iut, text).expect("a file can be written");
    let iut = iut.to_string_lossy();
    let (output, events) = run(
        out.path(),
        &[TWO_FRAMES, "--iut", &iut, "--impair", "drop=ACK#1"],
    );
    let finding = of_type(&events, "finding");
    assert_eq!(finding["requirement"], "MS-H-15", "{finding:#}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn silence_is_no_pass_where_what_was_to_be_met_with_it_never_arrived() {
    let out = folder();
    let scenario = json!({
        "id": "mediastream/3way/responder/silent", "title": "A fact",
        "requirements": ["MS-H-08"], "iut": { "role": "responder", "mode": "3way" },
        "steps": [
            { "send": { "frame": "ACK", "fields": { "connection_id": "an id" } } },
            { "expect_nothing": { "for": "100ms" } },
        ],
    });
    let path = out.path().join("silent.json");
    std::fs::write(&path, scenario.to_string()).expect("a file can be written");
    let path = path.to_string_lossy();
    for (impair, wanted, part) in [
        ("delay=5ms", "pass", ""),
        ("drop=ACK#1", "inconclusive", "lost 1: it may have passed"),
        (
            "delay=ACK#1+5s",
            "inconclusive",
            "still had 1: it may have passed",
        ),
    ] {
        for virtually in [&[][..], &["--virtual"]] {
            let arguments = [&[&*path, "--impair", impair][..], virtually].concat();
            let (_, events) = run(out.path(), &arguments);
            let verdict = of_type(&events, "verdict");
            assert_eq!(verdict["verdict"], wanted, "{arguments:?} {verdict:#}");
            let reason = verdict["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(part), "{reason}");
        }
    }
}

/// A scenario of one's own in which the network does `faults` and the SYN-ACK has this version.
fn own(out: &Path, faults: &Value, version: u8) -> String {
    let scenario = json!({
        "id": "mediastream/3way/responder/own", "title": "A fact", "requirements": ["MS-H-05"],
        "iut": { "role": "responder", "mode": "3way" },
        "impair": { "faults": faults },
        "steps": [
            { "send": { "frame": "SYN", "fields": { "connection_id": "an id" } } },
            { "expect": { "frame": "SYN-ACK", "fields": { "version": version }, "within": "2s" } },
        ],
    });
    let path = out.join("own.json");
    std::fs::write(&path, scenario.to_string()).expect("a file can be written");
    path.to_string_lossy().into_owned()
}

#[test]
fn a_step_that_fails_names_the_packet_at_the_implementation() {
    let out = folder();
    let faults = json!([{ "drop": { "frame": "SYN-ACK" } }, { "duplicate": { "frame": "SYN" } }]);
    let scenario = own(out.path(), &faults, 9);
    let (output, events) = run(out.path(), &[&scenario]);
    let finding = of_type(&events, "finding");
    // The scripted peer sent one SYN and got one SYN-ACK.
    assert_eq!(finding["packet"], 4, "{finding:#}");
    assert_eq!(output.status.code(), Some(1));
    let seen = frames(out.path(), "mediastream/3way/responder/own");
    // The first SYN-ACK may come between the two copies.
    assert_eq!((seen[0], seen[3]), ("SYN", "SYN-ACK"));
}

#[test]
fn a_scenario_whose_harm_was_never_done_does_not_pass() {
    let out = folder();
    let scenario = own(out.path(), &json!([{ "drop": { "frame": "ACK" } }]), 1);
    let (_, events) = run(out.path(), &[&scenario]);
    let verdict = of_type(&events, "verdict");
    assert_eq!(verdict["verdict"], "inconclusive", "{verdict:#}");
    let reason = verdict["reason"].as_str().expect("a reason");
    assert!(reason.contains("drop=ACK#1"), "{reason}");
}

#[test]
fn an_impairment_that_makes_no_sense_is_refused_with_what_would_be_right() {
    let out = folder();
    let cases: [(&[&str], &str); 3] = [
        (&["--impair", "loss=2"], "write for example `loss=0.1`"),
        (&["--impair", "drop=SYNACK"], "did you mean `SYN-ACK`?"),
        (
            &["--impair", "loss=0.1", "--repeat", "5"],
            "--impair cannot be used with --repeat",
        ),
    ];
    for (arguments, wanted) in cases {
        let (output, _) = run(out.path(), &[&[TWO_FRAMES], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(wanted), "{error}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn what_loss_spoils_is_played_again_until_it_is_judged() {
    let out = folder();
    let some = "mediastream/3way/initiator/a-*";
    let arguments = [some, "--virtual", "--impair", "loss=10%"];
    let count = |events: &[Value], verdict: &str| -> u64 {
        let counts = &of_type(events, "run-finished")["counts"];
        counts[verdict].as_u64().unwrap_or_default()
    };
    let (_, once) = run(out.path(), &[&arguments[..], &["--retries", "0"]].concat());
    let (output, again) = run(out.path(), &[&arguments[..], &["--retries", "20"]].concat());
    assert_eq!(
        output.status.code(),
        Some(0),
        "{:#}",
        of_type(&again, "run-finished")
    );
    assert!(count(&once, "inconclusive") > 0);
    assert_eq!(count(&again, "inconclusive"), 0);
    assert!(count(&again, "pass") > count(&once, "pass"));
    assert_eq!(count(&once, "fail") + count(&again, "fail"), 0);
    let reasons = again.iter().filter_map(|event| event["reason"].as_str());
    assert!(
        reasons
            .clone()
            .any(|reason| reason.contains("judged in attempt"))
    );
    assert!(
        reasons
            .clone()
            .any(|reason| reason.contains("spoiled all 21 attempts"))
    );
}

#[test]
fn a_twin_fails_through_a_network_that_did_it_no_harm() {
    let out = folder();
    let mute = "mediastream/3way/responder/a-handshake-leads-to-two-frames";
    let impair = [
        "--virtual",
        "--without",
        "MS-H-05",
        "--impair",
        "loss=10%,delay=20ms..80ms",
    ];
    let (output, events) = run(
        out.path(),
        &[&[mute][..], &impair, &["--retries", "20"]].concat(),
    );
    assert_eq!(
        of_type(&events, "verdict")["verdict"],
        "fail",
        "{events:#?}"
    );
    assert_eq!(output.status.code(), Some(1));
}
