//! What `run` must withstand: each kind of trouble with its message and its exit code, and with
//! captures and reports that are readable.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod workspace;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;
use serde_json::Value;

use workspace::{BOUND, Workspace, finish};

const START: &str = r#"{ "send": { "frame": "START token" } }"#;
const GREETING: &str = r#"{ "expect": { "frame": "connection-id", "within": "1s" } }"#;
const POISON: &str = r#"{ "send_raw": { "hex": "ee ee ee" } }"#;
const PAUSE: &str = r#"{ "wait": { "for": "200ms" } }"#;

fn steps(steps: &[&str]) -> String {
    steps.join(", ")
}

#[test]
fn one_that_never_answers_ends_the_run_with_2_and_says_what_was_tried() {
    let workspace = Workspace::shell("exec MISBEHAVE silent {address}");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    let message = outcome.message();
    assert_eq!(outcome.exit, Some(2), "{message}");
    for part in [
        "troublemaker does not answer: START token was sent to 127.0.0.1:",
        "10 times in 10.",
        "its process runs; its process has UDP 127.0.0.1:",
    ] {
        assert!(message.contains(part), "{part:?} is missing in {message}");
    }
    assert!(
        outcome.errors.contains("does not answer"),
        "{}",
        outcome.errors
    );
    assert_eq!(workspace.reported(), outcome.events);
}

#[test]
fn one_that_listens_on_another_port_is_told_where_it_listens() {
    let script = "exec \"{shakedown}\" serve mediastream --listen 127.0.0.1:0 # not {address}";
    let workspace = Workspace::shell(script);
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    let message = outcome.message();
    assert_eq!(outcome.exit, Some(2), "{message}");
    assert!(
        message.contains("nothing is bound to UDP 127.0.0.1:"),
        "{message}"
    );
    assert!(
        message.contains("its process has UDP 127.0.0.1:"),
        "{message}"
    );
}

#[test]
fn one_that_exits_at_once_is_named_with_status_and_output() {
    let workspace = Workspace::shell("echo no licence found for {address} >&2; exit 7");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(2));
    assert!(
        outcome.message().contains("(exit status 7)"),
        "{}",
        outcome.message()
    );
    assert!(
        outcome.message().contains("no licence found"),
        "{}",
        outcome.message()
    );
}

#[rstest]
#[case::dies("doomed", "scenario", "killed by signal 6 (SIGABRT)")]
#[case::dies_though_it_is_shared("doomed", "run", "killed by signal 6 (SIGABRT)")]
#[case::answers_from_another_port("elsewhere", "scenario", "")]
fn one_that_is_wrong_from_its_first_answer_on_fails(
    #[case] behaviour: &str,
    #[case] per: &str,
    #[case] ended: &str,
) {
    let workspace = Workspace::shell(&format!("exec MISBEHAVE {behaviour} {{address}}"));
    workspace.put("[start]", format!("[start]\nper = \"{per}\""));
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    assert_eq!(outcome.verdict("x")["verdict"], "fail");
    assert!(workspace.datagrams("x") > 0);
    if !ended.is_empty() {
        let survival = outcome
            .of("finding")
            .find(|finding| finding["requirement"] == "MS-W-17");
        assert!(survival.is_some(), "{:#?}", outcome.events);
        let status = outcome.verdict("x")["process"]["status"].to_string();
        assert!(status.contains(ended), "{status}");
    }
}

#[test]
fn one_that_ends_unasked_is_told_before_anything_is_played() {
    let workspace = Workspace::new(
        "command = [\"/bin/sh\", \"-c\", \"sleep 0.3; echo out of licences; exit 7; {address}\"]\n\
         ready = { after = \"0s\" }",
        "127.0.0.1:{port}",
    );
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(2), "{}", outcome.message());
    assert!(
        outcome.message().contains("out of licences"),
        "{}",
        outcome.message()
    );
}

#[test]
fn a_program_that_may_not_be_executed_is_said_so() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let start = format!("command = [{:?}, \"{{address}}\"]", file.path());
    let workspace = Workspace::new(&start, "127.0.0.1:{port}");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(2));
    assert!(
        outcome.message().contains("may not be executed"),
        "{}",
        outcome.message()
    );
}

#[test]
fn a_port_in_use_is_said_before_anything_is_started() {
    let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = other.local_addr().expect("an address").to_string();
    let workspace = Workspace::new("command = [\"/bin/false\", \"{address}\"]", &address);
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(2));
    let expected = format!("{address} is in use by another program");
    assert!(
        outcome.message().contains(&expected),
        "{}",
        outcome.message()
    );
}

#[test]
fn garbage_at_full_speed_fails_and_its_capture_is_readable() {
    let workspace = Workspace::shell("exec MISBEHAVE garbage {address}");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    assert_eq!(outcome.message(), "1 scenario failed");
    assert_eq!(outcome.verdict("x")["verdict"], "fail");
    // What the monitor says of the same packet depends on the garbage.
    let mut findings = outcome.of("finding");
    let finding = findings.find(|finding| finding["step"].is_string());
    let finding = finding.expect("a finding of the step");
    let message = finding["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("expected connection-id within") && message.contains("got data"),
        "{message}"
    );
    assert_eq!(workspace.reported(), outcome.events);
    assert!(workspace.datagrams("x") >= 2);
}

#[test]
fn megabytes_of_output_do_not_block_it_and_the_end_is_kept() {
    // It cannot answer before somebody has taken all that it printed.
    let workspace = Workspace::shell("MISBEHAVE print; exec MISBEHAVE mortal {address}");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING, POISON, PAUSE]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    let verdict = outcome.verdict("x");
    let output = verdict["process"]["output"].as_str().unwrap_or_default();
    assert!(output.len() < 1 << 20, "{} bytes are kept", output.len());
    let end = output.get(output.len().saturating_sub(200)..);
    assert!(
        end.is_some_and(|end| end.contains("index out of range: 3 bytes")),
        "{end:?}"
    );
    assert_eq!(workspace.reported(), outcome.events);
    assert_eq!(workspace.datagrams("x"), 3);
}

#[test]
fn one_that_ignores_sigterm_is_killed_and_that_is_noted() {
    let workspace = Workspace::shell(
        "trap '' TERM; \"{shakedown}\" serve mediastream --listen {address} --seconds 1; \
         exec MISBEHAVE stay",
    );
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(0), "{}", outcome.message());
    let notes = outcome
        .of("run-finished")
        .last()
        .map(|end| end["notes"].to_string());
    assert!(
        notes.is_some_and(|notes| notes.contains("ignores SIGTERM")),
        "{:?}",
        outcome.events
    );
}

#[test]
fn one_that_dies_is_named_with_its_last_packet_and_the_rest_goes_on() {
    let workspace = Workspace::shell("exec MISBEHAVE mortal {address}");
    let deadly = workspace.scenario("deadly", &steps(&[START, GREETING, POISON, PAUSE]));
    let harmless = workspace.scenario("harmless", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&deadly, &harmless]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    let verdict = outcome.verdict("deadly");
    assert_eq!(verdict["verdict"], "fail");
    assert_eq!(verdict["requirements"]["MS-W-17"], "fail");
    assert_eq!(verdict["process"]["status"], "killed by signal 6 (SIGABRT)");
    assert_eq!(verdict["process"]["last_packet"], 3);
    let output = verdict["process"]["output"].as_str().unwrap_or_default();
    assert!(output.contains("index out of range: 3 bytes"), "{output}");
    assert_eq!(outcome.verdict("harmless")["verdict"], "pass");
    assert_eq!(workspace.datagrams("deadly"), 3);
}

#[test]
fn one_that_hears_nothing_any_more_fails_by_the_probe_after_the_scenario() {
    let workspace = Workspace::shell("exec MISBEHAVE deaf {address}");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING, POISON, PAUSE]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    let finding = outcome.of("finding").next().expect("a finding");
    let got = finding["got"].as_str().unwrap_or_default();
    assert!(
        got.contains("no answer after the scenario: START token was sent to"),
        "{got}"
    );
}

#[test]
fn a_folder_of_reports_that_cannot_be_made_ends_it_with_2() {
    let workspace = Workspace::shell("exec MISBEHAVE silent {address}");
    workspace.write("out", "a file is in the way");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(2));
    assert!(
        outcome.errors.contains("give another directory with --out"),
        "{}",
        outcome.errors
    );
}

#[test]
fn a_full_disk_under_a_report_is_told_and_the_other_reports_are_whole() {
    let workspace = Workspace::shell("exec MISBEHAVE mortal {address}");
    std::fs::create_dir(workspace.path("out")).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", workspace.path("out/junit.xml")).expect("a link");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(3), "{}", outcome.errors);
    assert!(
        outcome
            .errors
            .contains("junit.xml: No space left on device"),
        "{}",
        outcome.errors
    );
    assert_eq!(workspace.reported(), outcome.events);
    assert_eq!(workspace.datagrams("x"), 2);
}

#[test]
fn a_full_disk_under_a_capture_makes_the_wire_inconclusive_and_nothing_hangs() {
    // The disk is full once it was asked whether it is there.
    let workspace = Workspace::shell(
        "mkdir -p CAPTURES; ln -sf /dev/full CAPTURES/full.pcapng; exec MISBEHAVE mortal {address}",
    );
    let captures = workspace.path("out/captures/mediastream/legacy/responder");
    workspace.put("CAPTURES", captures.display());
    let full = workspace.scenario("full", &steps(&[START, GREETING]));
    let whole = workspace.scenario("whole", &steps(&[START, GREETING]));
    let outcome = workspace.run(&[&full, &whole]);
    assert_eq!(outcome.exit, Some(3), "{}", outcome.message());
    let verdict = outcome.verdict("full");
    assert_eq!(verdict["verdict"], "inconclusive");
    let reason = verdict["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("No space left on device"), "{reason}");
    assert_eq!(outcome.verdict("whole")["verdict"], "pass");
}

/// Whether a process with this number runs the program that misbehaves.
fn misbehaves(process: &OsStr) -> bool {
    let stat = Path::new("/proc").join(process).join("stat");
    let stat = std::fs::read_to_string(stat).unwrap_or_default();
    stat.contains("misbehave") && !stat.contains(") Z ")
}

/// The processes that noted their numbers in `folder`.
fn noted(folder: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect()
}

#[rstest]
fn nothing_outlives_a_run(
    #[values(Signal::SIGKILL, Signal::SIGABRT, Signal::SIGHUP, Signal::SIGQUIT)] signal: Signal,
    #[values("exec", "setsid")] way: &str,
) {
    let workspace = Workspace::shell(&format!(
        "{way} /bin/sh -c 'echo > PIDS/$$; exec MISBEHAVE mortal {{address}}' & wait"
    ));
    let pids = workspace.path("pids");
    std::fs::create_dir(&pids).expect("a folder");
    workspace.put("PIDS", pids.display());
    let long = steps(&[START, GREETING, r#"{ "wait": { "for": "50s" } }"#]);
    let long = workspace.scenario("long", &long);
    let mut child = workspace
        .command(&[&long])
        .spawn()
        .expect("the program starts");
    workspace.wait_for_datagrams("long", 2);
    let started = noted(&pids);
    assert!(
        started.iter().any(|process| misbehaves(process)),
        "{started:?}"
    );
    let program = Pid::from_raw(child.id().try_into().expect("a process id"));
    kill(program, signal).expect("a signal");
    child.wait().expect("its end");
    let deadline = Instant::now() + BOUND;
    while started.iter().any(|process| misbehaves(process)) {
        assert!(Instant::now() < deadline, "{started:?} live");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_interruption_in_the_middle_keeps_what_was_done_and_leaves_no_process() {
    let workspace = Workspace::shell("echo $$ > PIDS/$$; exec MISBEHAVE mortal {address}");
    let pids = workspace.path("pids");
    std::fs::create_dir(&pids).expect("a folder");
    workspace.put("PIDS", pids.display());
    let quick = workspace.scenario("quick", &steps(&[START, GREETING]));
    let long = workspace.scenario(
        "long",
        &steps(&[START, GREETING, r#"{ "wait": { "for": "50s" } }"#]),
    );
    let mut child = workspace
        .command(&[&quick, &long])
        .spawn()
        .expect("the program starts");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut events: Vec<Value> = Vec::new();
    let is_quick_done = |event: &Value| {
        event["type"] == "verdict"
            && event["scenario"]
                .as_str()
                .is_some_and(|id| id.ends_with("quick"))
    };
    while !events.iter().any(is_quick_done) {
        let mut line = String::new();
        assert!(
            out.read_line(&mut line).expect("a line") > 0,
            "it ended: {events:?}"
        );
        events.push(serde_json::from_str(&line).expect("JSON"));
    }
    workspace.wait_for_datagrams("long", 2);
    let program = Pid::from_raw(child.id().try_into().expect("a process id"));
    kill(program, Signal::SIGINT).expect("a signal");
    for line in out.lines() {
        events.push(serde_json::from_str(&line.expect("a line")).expect("JSON"));
    }
    let outcome = finish(child, events);
    assert_eq!(outcome.exit, Some(130), "{}", outcome.errors);
    let end = outcome.of("run-finished").last().expect("an end");
    assert_eq!(end["interrupted"], true);
    assert_eq!(outcome.verdict("quick")["verdict"], "pass");
    assert_eq!(outcome.verdict("long")["verdict"], "inconclusive");
    assert_eq!(workspace.reported(), outcome.events);
    assert_eq!(
        (workspace.datagrams("quick"), workspace.datagrams("long")),
        (2, 2)
    );
    for process in noted(&pids) {
        assert!(!misbehaves(&process), "{process:?} lives");
    }
}

#[test]
fn a_directory_that_vanishes_during_the_run_is_told_at_once_and_fails_it() {
    let workspace = Workspace::shell("exec MISBEHAVE mortal {address}");
    let quick = workspace.scenario("quick", &steps(&[START, GREETING]));
    let long = steps(&[START, GREETING, r#"{ "wait": { "for": "2s" } }"#]);
    let long = workspace.scenario("long", &long);
    let mut command = workspace.command(&[&quick, &long]);
    let mut child = command
        .args(["--jobs", "1"])
        .spawn()
        .expect("the program starts");
    // The longest is played first.
    workspace.wait_for_datagrams("long", 2);
    std::fs::remove_dir_all(workspace.path("out")).expect("the directory can be removed");
    let errors = BufReader::new(child.stderr.take().expect("its errors"));
    let says = "events.jsonl: it was removed while it was written";
    let told = errors
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains(says));
    assert!(told.is_some());
    let outcome = finish(child, Vec::new());
    assert_eq!(outcome.exit, Some(3));
}

#[test]
fn what_lies_in_the_way_of_a_run_is_neither_overwritten_nor_followed() {
    let workspace = Workspace::shell("exec MISBEHAVE mortal {address}");
    let scenario = workspace.scenario("x", &steps(&[START, GREETING]));
    let mine = workspace.path("mine");
    std::fs::create_dir(&mine).expect("a folder");
    std::fs::create_dir(workspace.path("out")).expect("a folder");
    let captures = workspace.path("out/captures");
    std::os::unix::fs::symlink(&mine, &captures).expect("a link");
    let outcome = workspace.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(2));
    assert!(
        outcome.errors.contains("holds another run (captures)"),
        "{}",
        outcome.errors
    );
    let mut forced = workspace.command(&[&scenario]);
    let child = forced.arg("--force").spawn().expect("the program starts");
    assert_eq!(finish(child, Vec::new()).exit, Some(0));
    assert_eq!(std::fs::read_dir(&mine).expect("the folder").count(), 0);
    let captured = std::fs::metadata(workspace.capture("x")).expect("a capture");
    assert_eq!(captured.permissions().mode() & 0o777, 0o600);
}
