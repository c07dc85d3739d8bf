//! What `run` must withstand: each kind of trouble with its message and its exit code, and with
//! captures and reports that are readable.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use shakedown_capture::Capture;
use tempfile::TempDir;

/// Longer than anything here takes; what takes longer hangs.
const BOUND: Duration = Duration::from_secs(60);

const SHAKEDOWN: &str = env!("CARGO_BIN_EXE_shakedown");

/// A folder with an IUT description, a scenario and the reports.
struct Stage {
    folder: TempDir,
}

/// What a run left behind.
struct Outcome {
    exit: Option<i32>,
    events: Vec<Value>,
    errors: String,
}

impl Stage {
    /// A legacy responder, started by `start`, the lines of the table of that name.
    fn new(start: &str, address: &str) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        };
        let description = format!(
            "name = \"troublemaker\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
             modes = [\"legacy\"]\n[start]\n{start}\n[reach]\naddress = \"{address}\"\n\
             [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 1\n"
        );
        stage.write("iut.toml", &description);
        stage
    }

    /// Started by a script of /bin/sh.
    fn shell(script: &str) -> Self {
        let script = script.replace("MISBEHAVE", misbehave().to_str().expect("a path of text"));
        let start = format!("command = [\"/bin/sh\", \"-c\", '''{script}''']");
        Self::new(&start, "127.0.0.1:{port}")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A scenario of this name with these steps.
    fn scenario(&self, name: &str, steps: &str) -> PathBuf {
        let text = format!(
            "{{ \"id\": \"mediastream/legacy/responder/{name}\", \"title\": \"A test\",\n\
             \"requirements\": [\"MS-W-17\"],\n\
             \"iut\": {{ \"role\": \"responder\", \"mode\": \"legacy\" }},\n\"steps\": [{steps}] }}"
        );
        self.write(&format!("{name}.json"), &text)
    }

    fn command(&self, scenarios: &[&Path]) -> Command {
        let mut command = Command::new(SHAKEDOWN);
        command
            .arg("run")
            .args(scenarios)
            .args(["--format", "json", "--capture", "tap"])
            .arg("--iut")
            .arg(self.path("iut.toml"))
            .arg("--out")
            .arg(self.path("out"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs scenarios; the reports must be readable.
    fn run(&self, scenarios: &[&Path]) -> Outcome {
        let child = self.command(scenarios).spawn().expect("the program starts");
        finish(child, Vec::new())
    }

    /// The events in the folder of the reports: each line is an object.
    fn reported(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("out/events.jsonl")).expect("events");
        let events = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        events.collect()
    }

    /// Waits until a scenario's capture has so many datagrams, while it is still played.
    fn wait_for_datagrams(&self, name: &str, count: usize) {
        let start = Instant::now();
        while self.read(name).unwrap_or_default() < count {
            assert!(start.elapsed() < BOUND, "{name} does not come so far");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn capture(&self, name: &str) -> PathBuf {
        self.path(&format!(
            "out/captures/mediastream/legacy/responder/{name}.pcapng"
        ))
    }

    /// Datagrams in a scenario's capture.
    fn datagrams(&self, name: &str) -> usize {
        self.read(name).expect("a readable capture")
    }

    fn read(&self, name: &str) -> Result<usize, String> {
        let file = File::open(self.capture(name)).map_err(|error| error.to_string())?;
        let mut capture = Capture::open(file).map_err(|error| error.to_string())?;
        let mut count = 0;
        loop {
            match capture.next_datagram() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return Ok(count),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Outcome {
    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["type"] == kind)
    }

    fn message(&self) -> &str {
        let end = self.of("run-finished").last();
        end.and_then(|end| end["message"].as_str())
            .unwrap_or_default()
    }

    fn verdict(&self, name: &str) -> &Value {
        let mut verdicts = self.of("verdict");
        let found = verdicts.find(|verdict| {
            verdict["scenario"]
                .as_str()
                .is_some_and(|id| id.ends_with(name))
        });
        found.unwrap_or_else(|| panic!("no verdict on {name}: {:?} {}", self.events, self.errors))
    }
}

/// Waits for the program's end, but not for ever. `events` came before.
fn finish(mut child: Child, mut events: Vec<Value>) -> Outcome {
    let out = child.stdout.take();
    let err = child.stderr.take();
    let read_events = std::thread::spawn(move || match out {
        Some(out) => BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .map(|line| serde_json::from_str(&line).expect("a line of JSON"))
            .collect(),
        None => Vec::<Value>::new(),
    });
    let read_errors = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut err) = err {
            let _ = err.read_to_string(&mut text);
        }
        text
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the program can be waited for") {
            break status;
        }
        if start.elapsed() > BOUND {
            let _ = child.kill();
            panic!("the program hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    events.extend(read_events.join().expect("the reader of events"));
    Outcome {
        exit: status.code(),
        events,
        errors: read_errors.join().expect("the reader of errors"),
    }
}

/// The example of that name, which is built with the tests.
fn misbehave() -> PathBuf {
    let path = Path::new(SHAKEDOWN)
        .with_file_name("examples")
        .join("misbehave");
    assert!(
        path.exists(),
        "build it first: cargo build --package shakedown-cli --examples"
    );
    path
}

const START: &str = r#"{ "send": { "frame": "START token" } }"#;
const GREETING: &str = r#"{ "expect": { "frame": "connection-id", "within": "1s" } }"#;
const POISON: &str = r#"{ "send_raw": { "hex": "ee ee ee" } }"#;
const PAUSE: &str = r#"{ "wait": { "for": "200ms" } }"#;

fn steps(steps: &[&str]) -> String {
    steps.join(", ")
}

#[test]
fn one_that_never_answers_ends_the_run_with_2_and_says_what_was_tried() {
    let stage = Stage::shell("exec MISBEHAVE silent {address}");
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
    let message = outcome.message();
    assert_eq!(outcome.exit, Some(2), "{message}");
    for part in [
        "troublemaker does not answer: START token was sent to 127.0.0.1:",
        "5 tries of 1s",
        "its process runs; its process has UDP 127.0.0.1:",
    ] {
        assert!(message.contains(part), "{part:?} is missing in {message}");
    }
    assert!(
        outcome.errors.contains("does not answer"),
        "{}",
        outcome.errors
    );
    assert_eq!(stage.reported(), outcome.events);
}

#[test]
fn one_that_listens_on_another_port_is_told_where_it_listens() {
    let script = "exec \"{shakedown}\" serve mediastream --listen 127.0.0.1:0 # not {address}";
    let stage = Stage::shell(script);
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
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
    let stage = Stage::shell("echo no licence found for {address} >&2; exit 7");
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
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

#[test]
fn a_program_that_may_not_be_executed_is_said_so() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let start = format!("command = [{:?}, \"{{address}}\"]", file.path());
    let stage = Stage::new(&start, "127.0.0.1:{port}");
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
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
    let stage = Stage::new("command = [\"/bin/false\", \"{address}\"]", &address);
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
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
    let stage = Stage::shell("exec MISBEHAVE garbage {address}");
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    assert_eq!(outcome.message(), "1 scenario failed");
    assert_eq!(outcome.verdict("x")["verdict"], "fail");
    let finding = outcome.of("finding").next().expect("a finding");
    let message = finding["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("expected connection-id within") && message.contains("got data"),
        "{message}"
    );
    assert_eq!(stage.reported(), outcome.events);
    assert!(stage.datagrams("x") >= 2);
}

#[test]
fn megabytes_of_output_do_not_block_it_and_the_end_is_kept() {
    // It cannot answer before somebody has taken all that it printed.
    let stage = Stage::shell("MISBEHAVE print; exec MISBEHAVE mortal {address}");
    let scenario = stage.scenario("x", &steps(&[START, GREETING, POISON, PAUSE]));
    let outcome = stage.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    let verdict = outcome.verdict("x");
    let output = verdict["process"]["output"].as_str().unwrap_or_default();
    assert!(output.len() < 1 << 20, "{} bytes are kept", output.len());
    let end = output.get(output.len().saturating_sub(200)..);
    assert!(
        end.is_some_and(|end| end.contains("index out of range: 3 bytes")),
        "{end:?}"
    );
    assert_eq!(stage.reported(), outcome.events);
    assert_eq!(stage.datagrams("x"), 3);
}

#[test]
fn one_that_ignores_sigterm_is_killed_and_that_is_noted() {
    let stage = Stage::shell(
        "trap '' TERM; \"{shakedown}\" serve mediastream --listen {address} --seconds 1; \
         exec MISBEHAVE stay",
    );
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
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
    let stage = Stage::shell("exec MISBEHAVE mortal {address}");
    let deadly = stage.scenario("deadly", &steps(&[START, GREETING, POISON, PAUSE]));
    let harmless = stage.scenario("harmless", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&deadly, &harmless]);
    assert_eq!(outcome.exit, Some(1), "{}", outcome.message());
    let verdict = outcome.verdict("deadly");
    assert_eq!(verdict["verdict"], "fail");
    assert_eq!(verdict["requirements"]["MS-W-17"], "fail");
    assert_eq!(verdict["process"]["status"], "killed by signal 6 (SIGABRT)");
    assert_eq!(verdict["process"]["last_packet"], 3);
    let output = verdict["process"]["output"].as_str().unwrap_or_default();
    assert!(output.contains("index out of range: 3 bytes"), "{output}");
    assert_eq!(outcome.verdict("harmless")["verdict"], "pass");
    assert_eq!(stage.datagrams("deadly"), 3);
}

#[test]
fn one_that_hears_nothing_any_more_fails_by_the_probe_after_the_scenario() {
    let stage = Stage::shell("exec MISBEHAVE deaf {address}");
    let scenario = stage.scenario("x", &steps(&[START, GREETING, POISON, PAUSE]));
    let outcome = stage.run(&[&scenario]);
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
    let stage = Stage::shell("exec MISBEHAVE silent {address}");
    stage.write("out", "a file is in the way");
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(2));
    assert!(
        outcome.errors.contains("give another directory with --out"),
        "{}",
        outcome.errors
    );
}

#[test]
fn a_full_disk_under_a_report_is_told_and_the_other_reports_are_whole() {
    let stage = Stage::shell("exec MISBEHAVE mortal {address}");
    std::fs::create_dir(stage.path("out")).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", stage.path("out/junit.xml")).expect("a link");
    let scenario = stage.scenario("x", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&scenario]);
    assert_eq!(outcome.exit, Some(3), "{}", outcome.errors);
    assert!(
        outcome
            .errors
            .contains("junit.xml: No space left on device"),
        "{}",
        outcome.errors
    );
    assert_eq!(stage.reported(), outcome.events);
    assert_eq!(stage.datagrams("x"), 2);
}

#[test]
fn a_full_disk_under_a_capture_makes_the_wire_inconclusive_and_nothing_hangs() {
    let stage = Stage::shell("exec MISBEHAVE mortal {address}");
    let captures = stage.path("out/captures/mediastream/legacy/responder");
    std::fs::create_dir_all(&captures).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", captures.join("full.pcapng")).expect("a link");
    let full = stage.scenario("full", &steps(&[START, GREETING]));
    let whole = stage.scenario("whole", &steps(&[START, GREETING]));
    let outcome = stage.run(&[&full, &whole]);
    assert_eq!(outcome.exit, Some(3), "{}", outcome.message());
    let verdict = outcome.verdict("full");
    assert_eq!(verdict["verdict"], "inconclusive");
    let reason = verdict["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("No space left on device"), "{reason}");
    assert_eq!(outcome.verdict("whole")["verdict"], "pass");
}

#[test]
fn an_interruption_in_the_middle_keeps_what_was_done_and_leaves_no_process() {
    let stage = Stage::shell("echo $$ > PIDS/$$; exec MISBEHAVE mortal {address}");
    let pids = stage.path("pids");
    std::fs::create_dir(&pids).expect("a folder");
    let description = std::fs::read_to_string(stage.path("iut.toml")).expect("the description");
    let description = description.replace("PIDS", pids.to_str().expect("a path of text"));
    stage.write("iut.toml", &description);
    let quick = stage.scenario("quick", &steps(&[START, GREETING]));
    let long = stage.scenario(
        "long",
        &steps(&[START, GREETING, r#"{ "wait": { "for": "50s" } }"#]),
    );
    let mut child = stage
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
    stage.wait_for_datagrams("long", 2);
    let program = nix::unistd::Pid::from_raw(child.id().try_into().expect("a process id"));
    nix::sys::signal::kill(program, nix::sys::signal::Signal::SIGINT).expect("a signal");
    for line in out.lines() {
        events.push(serde_json::from_str(&line.expect("a line")).expect("JSON"));
    }
    let outcome = finish(child, events);
    assert_eq!(outcome.exit, Some(130), "{}", outcome.errors);
    let end = outcome.of("run-finished").last().expect("an end");
    assert_eq!(end["interrupted"], true);
    assert_eq!(outcome.verdict("quick")["verdict"], "pass");
    assert_eq!(outcome.verdict("long")["verdict"], "inconclusive");
    assert_eq!(stage.reported(), outcome.events);
    assert_eq!((stage.datagrams("quick"), stage.datagrams("long")), (2, 2));
    for entry in std::fs::read_dir(&pids).expect("the folder") {
        let process = entry.expect("an entry").file_name();
        let stat = Path::new("/proc").join(&process).join("stat");
        let stat = std::fs::read_to_string(stat).unwrap_or_default();
        assert!(
            !stat.contains("misbehave") || stat.contains(") Z "),
            "{process:?} lives: {stat}"
        );
    }
}
