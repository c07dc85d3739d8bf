//! JUnit fails exactly where the exit code does, however a run ends, and has every selected scenario.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the program is tested as a process, and a test fails by panicking"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rstest::rstest;
use shakedown_engine::event::Event;
use tempfile::TempDir;

/// Two scenarios of servers, and two of clients.
const SERVER: &str = "mediastream/legacy/responder/a-start-*";
const CLIENT: &str = "mediastream/legacy/initiator/an-id-*";

/// A server that is started by `command`, or runs already if there is none.
fn server(command: &str) -> String {
    description(
        "responder",
        command,
        "[reach]\naddress = \"127.0.0.1:{port}\"",
    )
}

fn description(role: &str, start: &str, more: &str) -> String {
    format!(
        "name = \"acme\"\nprotocol = \"mediastream\"\nrole = \"{role}\"\nmodes = [\"legacy\"]\n\
         {start}\n{more}\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
    )
}

fn started(command: &str) -> String {
    format!("[start]\ncommand = {command}\nready_within = \"1s\"")
}

/// The reference of a protocol, with a waiver.
fn waiving(side: &str, requirement: &str, until: &str) -> String {
    let path = format!("../../vectors/{side}.toml");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    format!(
        "{text}\n[[waive]]\nrequirement = \"{requirement}\"\nbecause = \"known\"\nuntil = \"{until}\"\n"
    )
}

/// What a run left: its exit code, its JUnit report, and the scenarios that it was to play.
struct Left {
    exit: Option<i32>,
    xml: String,
    selected: Vec<String>,
}

fn run(iut: Option<&str>, flags: &[&str], end: impl FnOnce(&mut std::process::Child)) -> Left {
    let at = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.args([
        "run",
        "--out",
        "out",
        "--format",
        "json",
        "--seed",
        "7",
        "--capture",
        "tap",
    ]);
    if let Some(iut) = iut {
        fs::write(at.path().join("iut.toml"), iut).unwrap();
        command.args(["--iut", "iut.toml"]);
    }
    let null = Stdio::null;
    let mut child = command
        .args(flags)
        .current_dir(at.path())
        .stdin(null())
        .stdout(Stdio::piped())
        .stderr(null())
        .spawn()
        .unwrap();
    end(&mut child);
    let exit = child.wait_with_output().unwrap().status.code();
    let out = at.path().join("out");
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    let first: Event = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    let Event::RunStarted { plan, .. } = first else {
        panic!("{events}");
    };
    Left {
        exit,
        xml: fs::read_to_string(out.join("junit.xml")).unwrap(),
        selected: plan.selected,
    }
}

impl Left {
    /// Cases that fail or err, as the document's head counts them.
    fn wrong(&self) -> usize {
        let head = self
            .xml
            .lines()
            .find(|line| line.starts_with("<testsuites"))
            .unwrap();
        let count = |name: &str| -> usize {
            let (_, rest) = head.split_once(&format!(" {name}=\"")).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        count("failures") + count("errors")
    }

    fn check(&self, exit: Option<i32>) {
        assert_eq!(self.exit, exit, "{}", self.xml);
        assert_eq!(self.wrong() == 0, exit == Some(0), "{}", self.xml);
        assert!(!self.selected.is_empty(), "{}", self.xml);
        for id in &self.selected {
            let (group, name) = id.rsplit_once('/').unwrap();
            let group = group.replace('/', ".");
            let case = format!("<testcase name=\"{name}\" classname=\"{group}\"");
            assert!(self.xml.contains(&case), "{id} is not in {}", self.xml);
        }
    }
}

/// The reference's own server, which only reads its mode.
const REFERENCE: &str =
    r#"["{shakedown}", "serve", "mediastream", "--mode", "{mode}", "--listen", "{address}"]"#;

#[rstest]
#[case::everything_passed(None, &["--virtual", SERVER], 0)]
#[case::a_scenario_fails(None, &["--virtual", "--without", "MS-L-04", "mediastream/legacy/responder"], 1)]
#[case::nothing_could_be_told(None, &["--virtual", "--impair", "loss=0.2,seed=1", "mediastream/legacy/responder"], 3)]
#[case::a_server_that_cannot_be_started(Some(server(&started(r#"["./no-such-program", "{address}"]"#))), &[SERVER], 2)]
#[case::a_server_that_ends_at_once(Some(server(&started(r#"["true", "{address}"]"#))), &[SERVER], 2)]
#[case::a_client_that_cannot_be_started(Some(description("initiator", &started(r#"["./no-such-program", "{peer}"]"#), "")), &[CLIENT], 2)]
#[case::a_client_that_says_nothing(Some(description("initiator", &started(r#"["true", "{peer}"]"#), "")), &[CLIENT], 2)]
#[case::a_server_that_does_not_answer(Some(server("").replace("{port}", "9")), &[SERVER], 2)]
#[case::a_waiver_that_matched_nothing(Some(waiving("proton/reference-client", "PR-E-04", "2099-01-01")), &["--virtual"], 1)]
#[case::a_waiver_that_is_past(Some(waiving("mediastream/reference-responder", "MS-L-04", "2020-01-01")), &["--virtual", SERVER], 1)]
#[case::nothing_applies(Some(server(&started(REFERENCE))), &["mediastream/3way/responder/a-lost-*"], 2)]
#[case::what_waits_too_long_is_there(None, &["proton/any/server/a-late-answer-after-4-minutes-harms-nothing", "proton/any/server/an-event-in-pieces-is-one-event"], 0)]
fn the_report_fails_where_the_exit_code_does(
    #[case] iut: Option<String>,
    #[case] flags: &[&str],
    #[case] exit: i32,
) {
    run(iut.as_deref(), flags, |_| {}).check(Some(exit));
}

/// Waits until a run has begun, and sends it a signal.
fn signal(child: &mut std::process::Child, name: &str) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = lines.find(|line| {
        line.as_ref()
            .is_ok_and(|line| line.contains("scenario-started"))
    });
    begun.unwrap().unwrap();
    let told = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    // Whoever tells the rest must be listened to.
    lines.for_each(drop);
}

#[rstest]
#[case::interrupted("-INT", &["mediastream/legacy/responder", "--jobs", "2"], Some(130))]
// In virtual time, for nobody ends the processes that a killed run has started.
#[case::killed("-KILL", &["mediastream", "--virtual", "--jobs", "1"], None)]
fn a_run_that_is_broken_off_is_no_success(
    #[case] name: &str,
    #[case] flags: &[&str],
    #[case] exit: Option<i32>,
) {
    run(None, flags, |child| signal(child, name)).check(exit);
}
