//! `shakedown fuzz` as a process: against implementations with one fault each, and against the references.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::shakedown;
use tempfile::TempDir;

/// A scenario that the fragile server passes.
const SCENARIO: &str = r#"{
  "id": "mediastream/3way/responder/a-syn-is-answered",
  "title": "A SYN is answered by a SYN-ACK that accepts",
  "requirements": ["MS-H-05"],
  "iut": { "role": "responder", "mode": "3way" },
  "let": { "wish": { "uuid": {} } },
  "steps": [
    { "send": { "frame": "SYN", "fields": { "connection_id": "$wish" } } },
    { "expect": { "frame": "SYN-ACK", "fields": { "accept": true }, "within": "1s" } }
  ]
}"#;

/// The same for a client.
const OF_CLIENT: &str = r#"{
  "id": "mediastream/3way/initiator/a-syn-ack-is-acked",
  "title": "A SYN-ACK is followed by an ACK",
  "requirements": ["MS-H-09"],
  "iut": { "role": "initiator", "mode": "3way" },
  "steps": [
    { "expect": { "frame": "SYN", "within": "5s" } },
    { "send": { "frame": "SYN-ACK", "fields": { "accept": true } } },
    { "expect": { "frame": "ACK", "within": "1s" } }
  ]
}"#;

/// The same in mode `legacy`.
const OF_LEGACY: &str = r#"{
  "id": "mediastream/legacy/responder/a-start-is-answered",
  "title": "A START token is answered by the name of a stream",
  "requirements": ["MS-L-03"],
  "iut": { "role": "responder", "mode": "legacy" },
  "steps": [
    { "send": { "frame": "START token" } },
    { "expect": { "frame": "connection-id", "within": "1s" } }
  ]
}"#;

struct Workspace(TempDir);

/// The result of a run.
struct Run {
    exit: Option<i32>,
    events: Vec<Value>,
}

impl Workspace {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder can be made"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    }

    /// A description of `misbehave` with these arguments.
    fn describe(&self, role: &str, arguments: &[&str]) -> String {
        let misbehave =
            env!("CARGO_BIN_EXE_shakedown").replace("debug/shakedown", "debug/examples/misbehave");
        let words = std::iter::once(misbehave.as_str()).chain(arguments.iter().copied());
        self.describe_command(role, &words.collect::<Vec<_>>())
    }

    /// A description of this command; a server prints `listening`.
    fn describe_command(&self, role: &str, words: &[&str]) -> String {
        let more = match role {
            "responder" => {
                "ready = { line = \"listening\" }\n[reach]\naddress = \"127.0.0.1:{port}\"\n"
            }
            _ => "",
        };
        let text = format!(
            "name = \"fragile\"\nprotocol = \"mediastream\"\nrole = \"{role}\"\nmodes = [\"3way\"]\n\
             [start]\ncommand = {words:?}\n{more}\
             [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
        );
        self.write("iut.toml", &text)
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn fuzz(&self, iut: &str, arguments: &[&str]) -> Run {
        let out = self.out().display().to_string();
        let run = [
            "fuzz", "--iut", iut, "--format", "json", "--seed", "1", "--out", &out, "--force",
        ];
        let output = shakedown(&[&run[..], arguments].concat()).output();
        let output = output.expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let events = text
            .lines()
            .map(|line| serde_json::from_str(line).expect(line));
        let events: Vec<Value> = events.collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!events.is_empty(), "{errors}");
        Run {
            exit: output.status.code(),
            events,
        }
    }

    /// Exit code and events of a run of a finding.
    fn run(&self, iut: &str, finding: &Value) -> (Option<i32>, String) {
        let file = finding["files"][0].as_str().expect("a path");
        let out = self.0.path().join("run").display().to_string();
        let words = ["run", file, "--iut", iut, "--format", "json", "--out", &out];
        let run = shakedown(&words).output().expect("the program starts");
        let events = String::from_utf8_lossy(&run.stdout).into_owned();
        (run.status.code(), events)
    }

    /// Exit code of the replay of a finding.
    fn replay(&self, iut: &str, finding: &Value) -> Option<i32> {
        let mut command = shakedown(&["fuzz", "--iut", iut]);
        for file in finding["files"].as_array().expect("there are files") {
            command.args(["--replay", file.as_str().expect("a path")]);
        }
        if let Some(then) = finding["scenario"].as_str() {
            assert!(SCENARIO.contains(then));
            command
                .arg("--then")
                .arg(self.write("a-syn-is-answered.json", SCENARIO));
        }
        command
            .stdout(Stdio::null())
            .status()
            .expect("the program starts")
            .code()
    }
}

impl Run {
    fn findings(&self) -> Vec<&Value> {
        let is_finding = |event: &&Value| event["type"] == "fuzz-finding";
        self.events.iter().filter(is_finding).collect()
    }

    fn end(&self) -> &Value {
        let last = self.events.last().expect("there are events");
        assert_eq!(last["type"], "fuzz-finished");
        last
    }
}

/// Fuzzes a server with this fault, and expects one finding.
fn finds(fault: &str, kind: &str) -> (Workspace, String, Value) {
    let workspace = Workspace::new();
    let iut = workspace.describe("responder", &["fragile", "{address}", fault]);
    let scenario = workspace.write("a-syn-is-answered.json", SCENARIO);
    let run = workspace.fuzz(&iut, &["--inputs", "150", &scenario]);
    assert_eq!(run.exit, Some(1), "{:#?}", run.events);
    let findings = run.findings();
    let [finding] = findings[..] else {
        panic!("{findings:#?}");
    };
    assert_eq!(finding["kind"], kind);
    assert_eq!(finding["confirmed"], true);
    let capture = finding["capture"].as_str().expect("there is a capture");
    assert!(Path::new(capture).starts_with(workspace.out().join("findings")));
    assert!(std::fs::metadata(capture).is_ok_and(|found| found.len() > 100));
    assert_eq!(run.end()["findings"], 1);
    let finding = finding.clone();
    (workspace, iut, finding)
}

#[test]
fn a_server_that_aborts_at_one_field_is_found_and_replayed() {
    let (workspace, iut, finding) = finds("abort", "exit");
    assert!(
        finding["status"]
            .as_str()
            .is_some_and(|status| status.contains("SIGABRT"))
    );
    assert_eq!(workspace.replay(&iut, &finding), Some(1));
    let steps = finding["steps"].as_array().expect("it has steps");
    assert!(steps.len() <= 3, "it is reduced: {steps:#?}");
    let (exit, events) = workspace.run(&iut, &finding);
    assert_eq!(exit, Some(1), "{events}");
    assert!(events.contains("SIGABRT"), "{events}");
}

#[test]
fn a_server_that_goes_on_after_a_report_is_found_and_fails_a_run() {
    let (workspace, iut, finding) = finds("warn", "report");
    assert_eq!(workspace.replay(&iut, &finding), Some(1));
    let (exit, events) = workspace.run(&iut, &finding);
    assert_eq!(exit, Some(1), "{events}");
    assert!(events.contains("shift exponent"), "{events}");
}

/// The first process has no fault.
#[test]
fn a_finding_that_is_not_reproduced_at_once_is_tried_again() {
    let (workspace, _, finding) = finds("abort", "exit");
    let misbehave =
        env!("CARGO_BIN_EXE_shakedown").replace("debug/shakedown", "debug/examples/misbehave");
    let seen = workspace.0.path().join("seen").display().to_string();
    let script = format!(
        "fault=none; [ -e {seen} ] && fault=abort; touch {seen}; exec {misbehave} fragile $0 $fault"
    );
    let iut = workspace.describe_command("responder", &["sh", "-c", &script, "{address}"]);
    let file = finding["files"][0].as_str().expect("a path");
    let replayed = shakedown(&["fuzz", "--iut", &iut, "--replay", file]).output();
    let replayed = replayed.expect("the program starts");
    assert_eq!(replayed.status.code(), Some(1), "{replayed:?}");
    let text = String::from_utf8_lossy(&replayed.stdout);
    assert!(text.contains("not reproduced in 1 attempt"), "{text}");
}

#[test]
fn a_sanitizer_report_is_in_the_finding() {
    let (_, _, finding) = finds("complain", "exit");
    let report = finding["report"].as_str().unwrap_or_default();
    assert!(report.contains("heap-buffer-overflow"), "{finding:#?}");
}

#[test]
fn a_server_that_refuses_everybody_afterwards_is_found() {
    let (workspace, iut, finding) = finds("refuse", "degraded");
    assert_eq!(workspace.replay(&iut, &finding), Some(1));
}

#[test]
fn a_server_whose_memory_grows_is_found() {
    finds("leak", "memory");
}

#[test]
fn a_server_that_hangs_is_found() {
    finds("hang", "hang");
}

/// Fuzzes a server in mode `legacy` with conversations that have no connection-id, so that only the bursts between
/// them reach the fault.
fn finds_in_legacy(fault: &str) -> Run {
    let workspace = Workspace::new();
    let iut = workspace.describe("responder", &["fragile-legacy", "{address}", fault]);
    let text = std::fs::read_to_string(&iut).expect("it was written");
    workspace.write("iut.toml", &text.replace("3way", "legacy"));
    let scenario = workspace.write("a-start-is-answered.json", OF_LEGACY);
    workspace.fuzz(&iut, &["--inputs", "20", &scenario])
}

#[test]
fn a_server_in_mode_legacy_gets_bursts() {
    let run = finds_in_legacy("none");
    assert_eq!(run.exit, Some(0), "{:#?}", run.events);
    let datagrams = run.end()["datagrams"].as_u64();
    assert!(datagrams > Some(20 * 256), "{datagrams:?}");
    let run = finds_in_legacy("abort");
    assert_eq!(run.findings().len(), 1, "{:#?}", run.events);
    assert_eq!(run.findings()[0]["kind"], "exit");
}

#[test]
fn a_burst_after_which_a_server_in_mode_legacy_serves_nobody_is_a_hang() {
    let run = finds_in_legacy("mute");
    assert_eq!(run.findings().len(), 1, "{:#?}", run.events);
    assert_eq!(run.findings()[0]["kind"], "hang");
}

#[test]
fn in_a_server_without_a_fault_nothing_is_found() {
    let workspace = Workspace::new();
    let iut = workspace.describe("responder", &["fragile", "{address}", "none"]);
    let scenario = workspace.write("a-syn-is-answered.json", SCENARIO);
    let corpus = workspace.0.path().join("corpus").display().to_string();
    let run = workspace.fuzz(&iut, &["--inputs", "600", "--corpus", &corpus, &scenario]);
    assert_eq!(run.exit, Some(0), "{:#?}", run.events);
    assert_eq!(run.end()["inputs"], 600);
    // The next run resumes from the corpus.
    let kept = std::fs::read_dir(&corpus).expect("it is there").count();
    assert!(kept > 5, "{kept}");
    let run = workspace.fuzz(&iut, &["--inputs", "1", "--corpus", &corpus, &scenario]);
    assert_eq!(run.events[0]["resumed"], kept);
}

#[test]
fn the_exit_of_a_server_for_one_peer_is_no_finding() {
    let workspace = Workspace::new();
    let iut = workspace.describe("responder", &["fragile", "{address}", "once"]);
    let scenario = workspace.write("a-syn-is-answered.json", SCENARIO);
    let run = workspace.fuzz(&iut, &["--inputs", "20", &scenario]);
    assert_eq!(run.exit, Some(0), "{:#?}", run.events);
}

#[test]
fn a_client_that_panics_at_one_field_is_found() {
    let workspace = Workspace::new();
    let iut = workspace.describe("initiator", &["fragile-client", "{peer}"]);
    let scenario = workspace.write("a-syn-ack-is-acked.json", OF_CLIENT);
    let run = workspace.fuzz(&iut, &["--inputs", "800", "--jobs", "2", &scenario]);
    assert_eq!(run.exit, Some(1), "{:#?}", run.events);
    let findings = run.findings();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0]["status"], "exit status 101");
    assert_eq!(workspace.replay(&iut, findings[0]), Some(1));
}

/// The reference of a protocol survives this many conversations.
fn survives(protocol: &str, side: &str, inputs: &str) {
    let workspace = Workspace::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors");
    let iut = format!("{folder}/{protocol}/reference-{side}.toml");
    let run = workspace.fuzz(&iut, &["--inputs", inputs, "--jobs", "2"]);
    assert_eq!(run.exit, Some(0), "{:#?}", run.findings());
    assert_eq!(run.end()["notes"], serde_json::json!([]));
}

#[test]
fn the_reference_responder_of_mediastream_survives() {
    survives("mediastream", "responder", "1500");
}

#[test]
fn the_reference_server_of_proton_survives() {
    survives("proton", "server", "20");
}

#[test]
fn the_reference_server_of_darktower_survives() {
    survives("darktower", "server", "20");
}

#[test]
fn the_reference_clients_survive() {
    survives("mediastream", "initiator", "8");
    survives("proton", "client", "8");
    survives("darktower", "client", "8");
}

#[test]
fn the_schema_of_the_events_is_fresh() {
    let output = shakedown(&["schema", "fuzz-events"]).output();
    let schema = output.expect("the program starts").stdout;
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/schema/fuzz-events.schema.json"
    );
    let committed = std::fs::read(path).unwrap_or_default();
    let how =
        "refresh it by: shakedown schema fuzz-events > vectors/schema/fuzz-events.schema.json";
    assert!(committed == schema, "{how}");
}

/// Events of a run that goes on until it is killed.
struct Running(Child, Lines<BufReader<ChildStdout>>);

impl Running {
    fn begin(workspace: &Workspace, iut: &str, corpus: &str, scenario: &str, name: &str) -> Self {
        let out = workspace.0.path().join(name).display().to_string();
        let mut command = shakedown(&["fuzz", "--iut", iut, "--format", "json", "--time", "60s"]);
        command.args(["--corpus", corpus, "--out", &out, scenario]);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let events = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self(child, events)
    }

    /// The next report of progress of which this holds.
    fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        let lines = self.1.by_ref().map(|line| line.expect("text"));
        let mut events = lines.map(|line| serde_json::from_str(&line).expect("an event"));
        events.find(holds).expect("it comes before the run ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_corpus_is_shared_between_runs_and_survives_a_kill() {
    let workspace = Workspace::new();
    let iut = workspace.describe("responder", &["fragile", "{address}", "none"]);
    let scenario = workspace.write("a-syn-is-answered.json", SCENARIO);
    let corpus = workspace.0.path().join("corpus").display().to_string();
    let begin = |name| Running::begin(&workspace, &iut, &corpus, &scenario, name);
    let mut one = begin("one");
    one.until(|event| event["corpus"].as_u64() > Some(3));
    let mut other = begin("other");
    let started = other.until(|event| event["type"] == "fuzz-started");
    assert!(started["resumed"].as_u64() > Some(0), "{started}");
    one.0.kill().expect("it runs");
    drop(other);
    let files: Vec<_> = std::fs::read_dir(&corpus)
        .expect("it is there")
        .flatten()
        .collect();
    let whole = files
        .iter()
        .filter(|file| file.path().extension().is_some_and(|end| end == "json"));
    for file in whole.clone() {
        let text = std::fs::read_to_string(file.path()).expect("a file");
        assert!(
            serde_json::from_str::<Value>(&text).is_ok(),
            "{file:?} is whole"
        );
    }
    let run = workspace.fuzz(&iut, &["--inputs", "1", "--corpus", &corpus, &scenario]);
    assert_eq!(run.events[0]["resumed"], whole.count());
}

#[test]
fn a_file_added_to_the_corpus_is_read_within_two_seconds() {
    let workspace = Workspace::new();
    let iut = workspace.describe("responder", &["fragile", "{address}", "none"]);
    let scenario = workspace.write("a-syn-is-answered.json", SCENARIO);
    let [from, corpus] = ["from", "corpus"].map(|name| workspace.0.path().join(name));
    let text = [&from, &corpus].map(|path| path.display().to_string());
    workspace.fuzz(&iut, &["--inputs", "60", "--corpus", &text[0], &scenario]);
    let mut run = Running::begin(&workspace, &iut, &text[1], &scenario, "run");
    run.until(|event| event["type"] == "fuzz-progress");
    // A file that this run wrote itself is not read: another title makes the copy differ.
    let kept = std::fs::read_dir(&from)
        .expect("it is there")
        .flatten()
        .next()
        .expect("a file");
    let kept = std::fs::read_to_string(kept.path()).expect("a file");
    let copy = kept.replace(
        "It survives every input",
        "It survives every input of another run",
    );
    assert_ne!(copy, kept);
    let unfinished = corpus.join(".copy");
    std::fs::write(&unfinished, copy).expect("it can be written");
    std::fs::rename(&unfinished, corpus.join("copy.json")).expect("it can be renamed");
    let begun = Instant::now();
    run.until(|event| event["imported"].as_u64() > Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_description_without_start_is_refused() {
    let workspace = Workspace::new();
    let iut = workspace.write(
        "iut.toml",
        "name = \"x\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"3way\"]\n\
         [reach]\naddress = \"127.0.0.1:4444\"\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n",
    );
    let run = workspace.fuzz(&iut, &[]);
    assert_eq!(run.exit, Some(2));
    assert!(
        run.end()["message"]
            .as_str()
            .is_some_and(|message| message.contains("[start]"))
    );
}

/// A client that exits at once, and no time at all.
#[test]
fn a_run_in_which_nothing_was_sent_is_no_success() {
    let workspace = Workspace::new();
    let iut = workspace.describe_command("initiator", &["sh", "-c", "exit 1", "{peer}"]);
    let run = workspace.fuzz(&iut, &["--inputs", "3"]);
    assert_eq!(run.exit, Some(2), "{:?}", run.events);
    let run = workspace.fuzz(&iut, &["--time", "0s"]);
    assert_eq!(run.exit, Some(2), "{:?}", run.events);
}

#[test]
fn a_server_that_never_answers_is_an_error() {
    let workspace = Workspace::new();
    let mute = ["sh", "-c", "echo listening && exec sleep 60", "{address}"];
    let iut = workspace.describe_command("responder", &mute);
    let scenario = workspace.write("a-syn-is-answered.json", SCENARIO);
    let run = workspace.fuzz(&iut, &["--time", "3s", &scenario]);
    assert_eq!(run.exit, Some(3), "{:?}", run.events);
    assert_eq!(run.findings().len(), 0);
    let message = run.end()["message"].as_str().unwrap_or_default();
    assert!(message.contains("does not answer"), "{message}");
}
