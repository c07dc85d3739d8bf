//! `shakedown shrink` as a user calls it.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use shakedown_engine::scenario::Loaded;
use tempfile::TempDir;

const SHAKEDOWN: &str = env!("CARGO_BIN_EXE_shakedown");

/// A folder with a scenario of many steps and the description of a twin that sends media before the ACK.
struct Workspace {
    folder: TempDir,
}

impl Workspace {
    fn new() -> Self {
        let workspace = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        };
        let noise = |n: u8| json!({ "send_raw": { "hex": format!("77{n:02x}") } });
        let mut steps: Vec<_> = (0..12).map(noise).collect();
        steps.push(json!({ "send": { "frame": "SYN", "fields": { "connection_id": "$id" } } }));
        steps.push(json!({ "expect": { "frame": "SYN-ACK", "within": "1s", "bind": { "assigned": "connection_id" } } }));
        steps.push(json!({ "repeat": { "times": 3, "steps": [noise(12), noise(13)] } }));
        steps.push(json!({ "expect_nothing": { "for": "400ms", "of": ["data"], "requirement": "MS-H-15" } }));
        steps.push(
            json!({ "send": { "frame": "ACK", "fields": { "connection_id": "$assigned" } } }),
        );
        steps.push(
            json!({ "expect_media": { "frames": 3, "ignore": ["connection-id", "SYN-ACK"] } }),
        );
        let scenario = json!({
            "$schema": "scenario.schema.json",
            "id": "mediastream/3way/responder/large",
            "title": "A large scenario",
            "requirements": ["MS-H-05", "MS-H-15", "MS-D-01"],
            "iut": { "role": "responder", "mode": "3way" },
            "let": { "id": { "uuid": {} } },
            "steps": steps,
        });
        workspace.write("large.json", &scenario.to_string());
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.to_string_lossy().into_owned()
    }

    /// The description of a server whose last words start the reference; `{}` in them is the usual
    /// command.
    fn description(&self, script: &str) -> String {
        let command = "exec \"$0\" serve mediastream --mode 3way --listen \"$1\"";
        let script = script.replace("{}", command);
        let text = format!(
            "name = \"twin\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"3way\"]\n\
             [start]\ncommand = [\"/bin/sh\", \"-c\", '''{script}''', \"{{shakedown}}\", \"{{address}}\"]\n\
             ready = {{ line = \"listening on\" }}\n[reach]\naddress = \"127.0.0.1:{{port}}\"\n\
             [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
        );
        self.write("twin.toml", &text)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SHAKEDOWN);
        command
            .arg("shrink")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn shrink(&self, arguments: &[&str]) -> RunOutput {
        let output = self.command(arguments).output();
        RunOutput::of(&output.expect("the program starts"))
    }

    /// The file as it was written, which loads.
    fn shrunk(&self, name: &str) -> Value {
        let path = self.path(name);
        let loaded = Loaded::read(&path).unwrap_or_else(|problems| panic!("{problems}"));
        loaded.value()
    }
}

#[derive(Debug)]
struct RunOutput {
    exit: Option<i32>,
    out: String,
    errors: String,
}

impl RunOutput {
    fn of(output: &Output) -> Self {
        Self {
            exit: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

#[test]
fn many_steps_shrink_in_virtual_time_to_the_few_that_matter_with_the_same_bytes_each_time() {
    let workspace = Workspace::new();
    let told = workspace.shrink(&["large.json", "--without", "MS-H-15"]);
    assert_eq!(told.exit, Some(0), "{told:?}");
    for part in [
        "fails MS-H-15 against the reference without MS-H-15 in virtual time",
        "before   20 steps, 0 faults",
        "after    2 steps, 0 faults",
        "none of its steps can be left out",
        "the reference passes it",
        "no data may come for 50ms",
    ] {
        assert!(told.out.contains(part), "{part}: {told:?}");
    }
    let shrunk = workspace.shrunk("large-shrunk.json");
    let expected = json!({
        "$schema": "scenario.schema.json",
        "id": "mediastream/3way/responder/large-shrunk",
        "title": "A large scenario",
        "comment": "Shrunk from mediastream/3way/responder/large, which has 20 steps.",
        "requirements": ["MS-H-15"],
        "iut": { "role": "responder", "mode": "3way" },
        "steps": [
            { "send": { "frame": "SYN" } },
            { "expect_nothing": { "for": "50ms", "of": ["data"] } },
        ],
    });
    assert_eq!(shrunk, expected);
    let first = text(&workspace.path("large-shrunk.json"));
    let again = workspace.shrink(&["large.json", "--without", "MS-H-15", "--force"]);
    assert_eq!(again.exit, Some(0), "{again:?}");
    assert_eq!(text(&workspace.path("large-shrunk.json")), first);
}

#[test]
fn a_trace_is_replayed_against_its_twin_and_shrinks_to_a_scenario() {
    let workspace = Workspace::new();
    let found = Command::new(SHAKEDOWN)
        .args(["explore", "mediastream", "--swarm", "40", "--mode", "3way"])
        .args(["--without", "MS-H-18", "--out", "found"])
        .current_dir(workspace.folder.path())
        .output()
        .expect("the program starts");
    assert_eq!(found.status.code(), Some(1), "{:?}", RunOutput::of(&found));
    let files = std::fs::read_dir(workspace.path("found")).expect("a folder");
    let mut traces: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.to_string_lossy().ends_with(".trace.json"))
        .collect();
    traces.sort();
    let trace = traces.first().expect("a trace");
    let told = workspace.shrink(&[&trace.to_string_lossy()]);
    assert_eq!(told.exit, Some(0), "{told:?}");
    let part = "fails MS-H-18 against the reference without MS-H-18 in virtual time";
    assert!(told.out.contains(part), "{told:?}");
    let out = trace
        .to_string_lossy()
        .replace(".trace.json", "-shrunk.json");
    let loaded = Loaded::read(Path::new(&out)).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.scenario.steps.len() <= 4, "{}", loaded.text);
    let broken = workspace.write("broken.json", "{ \"events\": 7 }");
    let told = workspace.shrink(&[&broken]);
    assert_eq!(told.exit, Some(2), "{told:?}");
    assert!(told.errors.contains("broken.json:1"), "{told:?}");
}

#[test]
fn a_network_of_chance_becomes_the_one_fault_that_matters() {
    let workspace = Workspace::new();
    let scenario = json!({
        "$schema": "scenario.schema.json",
        "id": "mediastream/3way/responder/by-chance",
        "title": "A network that loses much",
        "requirements": ["MS-H-18"],
        "iut": { "role": "responder", "mode": "3way" },
        "impair": { "loss": 0.3, "duplicate": 0.2, "corrupt": 0.1, "from": "responder", "seed": 2 },
        "steps": [
            { "send": { "frame": "SYN" } },
            { "expect": { "frame": "SYN-ACK", "within": "3s", "bind": { "id": "connection_id" } } },
            { "send": { "frame": "ACK", "fields": { "connection_id": "$id" } } },
            { "expect": { "frame": "connection-id", "within": "1s", "ignore": ["SYN-ACK"] } },
        ],
    });
    workspace.write("by-chance.json", &scenario.to_string());
    let told = workspace.shrink(&["by-chance.json", "--without", "MS-H-18"]);
    assert_eq!(told.exit, Some(0), "{told:?}");
    assert!(told.out.contains("before   4 steps, 3 faults"), "{told:?}");
    assert!(told.out.contains("after    2 steps, 1 fault\n"), "{told:?}");
    let shrunk = workspace.shrunk("by-chance-shrunk.json");
    let impair = json!({ "faults": [{ "drop": { "frame": "SYN-ACK" } }] });
    assert_eq!(shrunk["impair"], impair, "{shrunk:#}");
}

#[test]
fn a_live_implementation_is_asked_anew_for_each_candidate() {
    let workspace = Workspace::new();
    let iut = workspace.description("{} --without MS-H-15");
    let out = workspace.path("small.json");
    let out = out.to_string_lossy();
    let told = workspace.shrink(&["large.json", "--iut", &iut, "--confirm", "2", "--out", &out]);
    assert_eq!(told.exit, Some(0), "{told:?}");
    assert!(told.out.contains("fails MS-H-15 against twin"), "{told:?}");
    let shrunk = workspace.shrunk("small.json");
    assert_eq!(shrunk["id"], "mediastream/3way/responder/small");
    assert_eq!(shrunk["requirements"], json!(["MS-H-15"]));
    let steps = shrunk["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 2, "{shrunk:#}");
    assert_eq!(steps[0], json!({ "send": { "frame": "SYN" } }));
}

const OVER_QUIC: &str = "proton/any/server/a-lower-id-is-a-violation";

/// What is left of the scenario in which the event 8 follows 9.
fn has_the_two_ids(shrunk: &Value) {
    let steps = shrunk["steps"].as_array().expect("steps");
    assert!(steps.len() <= 7, "{shrunk:#}");
    for id in [9, 8] {
        let event = json!({ "write": { "stream": "event", "u32": [id] } });
        assert!(steps.contains(&event), "{shrunk:#}");
    }
}

#[test]
fn a_scenario_over_quic_shrinks_in_virtual_time() {
    let workspace = Workspace::new();
    let out = workspace.path("small.json");
    let out = out.to_string_lossy();
    let told = workspace.shrink(&[OVER_QUIC, "--without", "PR-E-02", "--out", &out]);
    assert_eq!(told.exit, Some(0), "{told:?}");
    assert!(told.out.contains("fails PR-E-02"), "{told:?}");
    has_the_two_ids(&workspace.shrunk("small.json"));
}

#[test]
fn a_scenario_over_quic_shrinks_against_a_live_implementation() {
    let workspace = Workspace::new();
    let twin = include_str!("../../../vectors/proton/reference-server.toml");
    let twin = twin.replace(
        "\"--no-reset\",",
        "\"--no-reset\", \"--without\", \"PR-E-02\",",
    );
    let iut = workspace.write("server.toml", &twin);
    let out = workspace.path("small.json");
    let out = out.to_string_lossy();
    let told = workspace.shrink(&[OVER_QUIC, "--iut", &iut, "--confirm", "1", "--out", &out]);
    assert_eq!(told.exit, Some(0), "{told:?}");
    has_the_two_ids(&workspace.shrunk("small.json"));
}

#[test]
fn an_implementation_that_fails_only_now_and_then_is_not_taken_for_one_that_fails() {
    let workspace = Workspace::new();
    // A play takes two starts, for it is asked first whether it answers, and more where a busy
    // machine makes it be played again.
    let script = "printf x >> starts; case $(($(wc -c < starts))) in
        [1-5]) {} --without MS-H-15;; *) {};; esac";
    let script = format!("cd '{}'; {script}", workspace.folder.path().display());
    let iut = workspace.description(&script);
    let told = workspace.shrink(&["large.json", "--iut", &iut, "--confirm", "4"]);
    assert_eq!(told.exit, Some(2), "{told:?}");
    for part in [
        "does not fail against twin: pass in play ",
        ", after it failed",
    ] {
        assert!(told.errors.contains(part), "{told:?}");
    }
    assert!(!workspace.path("large-shrunk.json").exists());
}

#[test]
fn an_interruption_leaves_the_smallest_found_so_far() {
    let workspace = Workspace::new();
    let iut = workspace.description("{} --without MS-H-15");
    let mut child = workspace
        .command(&["large.json", "--iut", &iut])
        .spawn()
        .expect("the program starts");
    let mut errors = BufReader::new(child.stderr.take().expect("its errors"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("a line");
    assert!(line.contains("steps left after"), "{line}");
    let pid = i32::try_from(child.id()).expect("an id of a process");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("it runs");
    let mut rest = String::new();
    errors.read_to_string(&mut rest).expect("its errors");
    let told = RunOutput::of(&child.wait_with_output().expect("it ends"));
    assert_eq!(told.exit, Some(130), "{told:?} {rest}");
    assert!(told.out.contains("interrupted: it may not be"), "{told:?}");
    let shrunk = workspace.shrunk("large-shrunk.json");
    let steps = shrunk["steps"].as_array().expect("steps");
    assert!(steps.len() < 18, "{shrunk:#}");
}

#[test]
fn what_cannot_be_shrunk_is_told_and_nothing_is_written() {
    let workspace = Workspace::new();
    let responder = workspace.description("{}");
    let initiator = workspace.write(
        "initiator.toml",
        "name = \"client\"\nprotocol = \"mediastream\"\nrole = \"initiator\"\nmodes = [\"3way\"]\n\
         [start]\ncommand = [\"client\", \"{peer}\"]\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n",
    );
    let cases: &[(&[&str], &str)] = &[
        (
            &["large.json"],
            "large.json does not fail against the reference in virtual time: pass",
        ),
        (
            &["large.json", "--iut", &responder, "--confirm", "1"],
            "large.json does not fail against twin: pass",
        ),
        (
            &[
                "large.json",
                "--without",
                "MS-H-15",
                "--requirement",
                "MS-D-01",
            ],
            "fails MS-H-15 and not MS-D-01",
        ),
        (
            &["large.json", "--requirement", "MS-H-155"],
            "no requirement `MS-H-155`",
        ),
        (
            &["large.json", "--without", "MS-R-03"],
            "no behaviour that can be left out",
        ),
        (
            &["large.json", "--iut", &initiator],
            "client is the initiator",
        ),
        (&["large.json", "--iut", "missing.toml"], "missing.toml"),
        (&["missing.json"], "there is no file \"missing.json\""),
        (&["mediastream/3way/responder"], "shrink takes one scenario"),
        (
            &[
                "large.json",
                "--without",
                "MS-H-15",
                "--out",
                "A small one.json",
            ],
            "`A small one` is not in kebab-case",
        ),
        (
            &[
                "large.json",
                "--without",
                "MS-H-15",
                "--out",
                "no/such/folder.json",
            ],
            "there is no folder no/such",
        ),
        (&["large.json", "--confirm", "0"], "--confirm"),
        (&["large.json", "--tries", "0"], "--tries"),
    ];
    for (arguments, part) in cases {
        let told = workspace.shrink(arguments);
        assert_eq!(told.exit, Some(2), "{arguments:?}: {told:?}");
        assert!(told.errors.contains(part), "{arguments:?}: {told:?}");
    }
    assert!(!workspace.path("large-shrunk.json").exists());
}

#[test]
fn a_file_that_is_there_is_kept_unless_force_is_given() {
    let workspace = Workspace::new();
    let out = workspace.write("large-shrunk.json", "mine");
    let told = workspace.shrink(&["large.json", "--without", "MS-H-15"]);
    assert_eq!(told.exit, Some(2), "{told:?}");
    assert!(told.errors.contains("--force"), "{told:?}");
    assert_eq!(text(Path::new(&out)), "mine");
}
