//! A scenario repeated as load.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const SHAKEDOWN: &str = env!("CARGO_BIN_EXE_shakedown");

const SCENARIO: &str = "mediastream/3way/responder/a-handshake-leads-to-two-frames";

fn load(out: &Path, arguments: &[&str]) -> Child {
    Command::new(SHAKEDOWN)
        .args([
            "run", "--level", "may", "--format", "json", "--seed", "1", "--force", "--out",
        ])
        .arg(out)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn finish(child: Child) -> (Output, Vec<Value>) {
    let output = child.wait_with_output().expect("the program ends");
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

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

/// The reference as a server for few.
fn description(folder: &TempDir, sessions: u32) -> String {
    let text = format!(
        "name = \"small server\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
         modes = [\"3way\"]\n[start]\ncommand = [\"{{shakedown}}\", \"serve\", \"mediastream\",\n\
         \"--mode\", \"{{mode}}\", \"--listen\", \"{{address}}\", \"--max-sessions\", \"{sessions}\",\n\
         \"--bits-per-second\", \"{{bits_per_second}}\", \"--seconds\", \"{{seconds}}\",\n\
         \"--frames-per-second\", \"{{frames_per_second}}\"]\n\
         ready = {{ line = \"listening on\" }}\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
    );
    let path = folder.path().join("iut.toml");
    std::fs::write(&path, text).expect("a file can be written");
    path.to_string_lossy().into_owned()
}

#[test]
fn two_hundred_plays_fifty_at_a_time_are_counted_and_measured() {
    let out = folder();
    let child = load(
        out.path(),
        &[SCENARIO, "--repeat", "200", "--concurrency", "50"],
    );
    let (output, events) = finish(child);
    let load = of_type(&events, "load-finished");
    assert_eq!(output.status.code(), Some(0), "{load:#}");
    for (name, count) in [
        ("plays", 200),
        ("concurrency", 50),
        ("started", 200),
        ("completed", 200),
        ("failed", 0),
        ("handshakes", 200),
    ] {
        assert_eq!(load[name], count, "{name}");
    }
    // The first frame is due half a second after the ACK, the last after a second.
    let media = load["time_to_first_media"]["p50"].as_f64();
    assert!(media.is_some_and(|p50| p50 > 0.4), "{media:?}");
    let handshake = &load["time_to_handshake"];
    assert!(handshake["p50"].as_f64() <= handshake["max"].as_f64());
    assert!(
        load["peak_memory"]
            .as_u64()
            .is_some_and(|peak| peak > 1 << 20)
    );
    assert!(
        load["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds >= 4.0)
    );
    assert_eq!(of_type(&events, "load-progress")["plays"], 200);
    assert_eq!(of_type(&events, "verdict")["verdict"], "pass");
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).expect("a report");
    let plot = read("load.svg");
    assert!(plot.contains("time to handshake [ms]") && plot.contains("polyline"));
    assert!(read("summary.md").contains("| completed | 200 |"));
    assert!(read("junit.xml").contains("name=\"load.handshakes-a-second\""));
    assert!(!out.path().join("captures").exists());
}

const OVER_QUIC: &str = "proton/any/server/a-letter-for-a-discriminator-is-unknown";

#[test]
fn a_server_of_one_client_is_played_by_one_after_the_other_without_a_rest() {
    let out = folder();
    let (output, events) = finish(load(out.path(), &[OVER_QUIC, "--repeat", "40"]));
    let load = of_type(&events, "load-finished");
    assert_eq!(output.status.code(), Some(0), "{load:#}");
    for (name, count) in [("concurrency", 1), ("completed", 40), ("handshakes", 40)] {
        assert_eq!(load[name], count, "{name}");
    }
    // The plays wait for nothing; a rest of a tenth of a second between them would take 4 s more.
    let seconds = load["seconds"].as_f64().expect("a time");
    let spent = load["time_to_handshake"]["p50"].as_f64().expect("a time");
    assert!(seconds < spent * 80.0 + 4.0, "{load:#}");
    let plot = std::fs::read_to_string(out.path().join("load.svg")).expect("a plot");
    assert!(plot.contains("time to handshake [ms]") && plot.contains("polyline"));
}

#[test]
fn plays_that_fail_are_counted_by_their_cause() {
    let out = folder();
    let iut = description(&out, 30);
    let arguments = [
        SCENARIO,
        "--iut",
        &iut,
        "--repeat",
        "50",
        "--concurrency",
        "50",
    ];
    let (output, events) = finish(load(out.path(), &arguments));
    let load = of_type(&events, "load-finished");
    assert_eq!(output.status.code(), Some(1), "{load:#}");
    assert_eq!(
        (&load["completed"], &load["failed"]),
        (&30.into(), &20.into())
    );
    let cause = &load["causes"][0];
    assert_eq!(
        (&cause["requirement"], &cause["plays"]),
        (&"MS-H-05".into(), &20.into())
    );
    let expected = cause["expected"].as_str().unwrap_or_default();
    assert!(expected.contains("SYN-ACK with accept true"), "{expected}");
    assert_eq!(of_type(&events, "finding")["requirement"], "MS-H-05");
}

#[test]
fn an_interrupted_load_tells_what_it_has() {
    let out = folder();
    let child = load(
        out.path(),
        &[SCENARIO, "--repeat", "100000", "--concurrency", "10"],
    );
    let id = i32::try_from(child.id()).expect("a process");
    let events = out.path().join("events.jsonl");
    let begun =
        || std::fs::read_to_string(&events).is_ok_and(|text| text.contains("load-progress"));
    while !begun() {
        std::thread::yield_now();
    }
    kill(Pid::from_raw(id), Signal::SIGINT).expect("a signal can be sent");
    let (output, events) = finish(child);
    assert_eq!(output.status.code(), Some(130));
    let load = of_type(&events, "load-finished");
    assert!(load["started"].as_u64() < Some(100_000));
    assert_eq!(of_type(&events, "run-finished")["interrupted"], true);
}

#[test]
fn what_is_no_load_is_refused_with_its_reason() {
    let initiator = "mediastream/3way/initiator/a-handshake-leads-to-the-whole-stream";
    let cases: [(&[&str], &str); 6] = [
        (
            &[OVER_QUIC, "--repeat", "5", "--concurrency", "2"],
            "a server of proton serves one at a time",
        ),
        (
            &[initiator, "--repeat", "5", "--dry-run"],
            "take a scenario whose IUT answers",
        ),
        (
            &[SCENARIO, "--repeat", "0"],
            "invalid value '0' for '--repeat <N>': it takes a whole number from 1",
        ),
        (
            &["mediastream/3way", "--repeat", "5"],
            "--repeat plays one scenario",
        ),
        (
            &[SCENARIO, "--repeat", "5", "--capture", "tap"],
            "cannot be used with",
        ),
        (&[initiator, "--repeat", "5"], "cannot be repeated as load"),
    ];
    for (arguments, message) in cases {
        let out = folder();
        let (output, _) = finish(load(out.path(), arguments));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
        let left = std::fs::read_dir(out.path()).expect("the folder can be read");
        assert_eq!(left.count(), 0, "{arguments:?}");
    }
}
