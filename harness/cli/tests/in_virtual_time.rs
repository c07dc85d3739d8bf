//! `shakedown run --virtual`: the same bytes from every process, no wait for timers, and what it
//! refuses.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rstest::rstest;
use serde_json::{Value, json};

/// Runs the program in this folder, so that reports name the same paths whichever folder it is.
fn shakedown(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["run", "--level", "may", "--virtual"])
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "80")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

/// Every file below a folder, by its path from there.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).expect("it is below").to_owned();
            found.insert(name, fs::read(&path).expect("a file can be read"));
        }
    }
    found
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("lines of JSON")
}

/// What two processes say and write that play these scenarios with one seed, one after the other and
/// side by side.
fn played_twice(selection: &[&str]) -> [(Output, BTreeMap<PathBuf, Vec<u8>>); 2] {
    ["1", "4"].map(|jobs| {
        let folder = folder();
        let more = ["--seed", "7", "--out", "out", "--jobs", jobs];
        let output = shakedown(folder.path(), &[&more, selection].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        (output, files(folder.path()))
    })
}

#[rstest]
#[case::over_udp("mediastream", "start", 100)]
#[case::over_quic("proton", "commit", 20)]
fn two_processes_with_one_seed_write_the_same_bytes_however_many_jobs_they_have(
    #[case] protocol: &str,
    #[case] filter: &str,
    #[case] least: usize,
) {
    let selection = ["--protocol", protocol, "--filter", filter];
    let [one, other] = played_twice(&selection);
    let named = |end: &str| one.1.keys().filter(|path| path.ends_with(end)).count();
    assert_eq!(
        named("events.jsonl") + named("junit.xml") + named("summary.md"),
        3
    );
    assert!(one.1.len() > least, "{}", one.1.len());
    let names = |of: &BTreeMap<PathBuf, Vec<u8>>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one.1), names(&other.1));
    for (path, bytes) in &one.1 {
        assert!(
            other.1.get(path) == Some(bytes),
            "{} differs",
            path.display()
        );
    }
    assert_eq!(one.0.stdout, other.0.stdout);
}

#[test]
fn another_seed_writes_other_captures() {
    let captures = ["7", "8"].map(|seed| {
        let folder = folder();
        let name = "mediastream/3way/responder/a-handshake-leads-to-two-frames";
        let output = shakedown(
            folder.path(),
            &["--seed", seed, "--force", "--out", "out", name],
        );
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let path = format!("out/captures/{name}.pcapng");
        fs::read(folder.path().join(path)).expect("a capture")
    });
    assert_ne!(captures[0], captures[1]);
}

#[test]
fn the_report_says_that_time_is_virtual_and_verbose_tells_the_steps() {
    let folder = folder();
    let name = "mediastream/3way/responder/a-handshake-leads-to-two-frames";
    let json = ["--seed", "7", "-v", "--format", "json", name];
    let events = events(&shakedown(folder.path(), &json));
    let first = events.first().expect("a beginning");
    let capture = first["capture"].as_str().unwrap_or_default();
    assert!(capture.starts_with("virtual: "), "{first}");
    let kinds: Vec<_> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(kinds[..3], ["run-started", "scenario-started", "step"]);
    assert_eq!(kinds[kinds.len() - 2..], ["verdict", "run-finished"]);
    let report = shakedown(folder.path(), &["--seed", "7", name]);
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(report.contains("s of virtual time"), "{report}");
}

/// A stream of ten minutes, and then five minutes of silence.
const MINUTES: f64 = 900.0;

#[test]
fn minutes_of_timers_take_no_time() {
    let folder = folder();
    let scenario = json!({
        "id": "mediastream/legacy/responder/a-long-stream",
        "title": "A stream of ten minutes ends after ten minutes",
        "requirements": ["MS-D-07"],
        "iut": { "role": "responder", "mode": "legacy", "stream":
            { "bits_per_second": 8000, "frames_per_second": 5, "seconds": 600 } },
        "steps": [
            { "send": { "frame": "START token" } },
            { "expect_media": { "ignore": ["connection-id"], "within": "11m" } },
            { "expect_nothing": { "for": "5m", "requirement": "MS-D-07" } },
        ],
    });
    let path = folder.path().join("a-long-stream.json");
    fs::write(&path, scenario.to_string()).expect("a file can be written");
    let began = std::time::Instant::now();
    let output = shakedown(folder.path(), &["--format", "json", "a-long-stream.json"]);
    let took = began.elapsed().as_secs_f64();
    let events = events(&output);
    let end = events.last().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{end:#}");
    let seconds = end["seconds"].as_f64().unwrap_or_default();
    assert!(seconds >= MINUTES, "{seconds}");
    // However busy the machine is.
    assert!(took < MINUTES / 10.0, "{took} s");
}

#[test]
fn what_a_network_of_the_command_line_does_to_the_script_is_inconclusive_and_never_a_failure() {
    let folder = folder();
    let impair = [
        "--impair",
        "loss=0.3,duplicate=0.1,reorder=0.1",
        "--filter",
        "handshake",
    ];
    let out = ["--out", "out", "--force"];
    let arguments = [&["--seed", "7", "--format", "json"][..], &out, &impair].concat();
    let output = shakedown(folder.path(), &arguments);
    let events = events(&output);
    let end = events.last().expect("an end");
    assert_eq!(output.status.code(), Some(3), "{end:#}");
    assert!(
        end["counts"]["inconclusive"]
            .as_u64()
            .is_some_and(|n| n > 0),
        "{end:#}"
    );
    assert!(end["counts"]["fail"].is_null(), "{end:#}");
    let again = shakedown(folder.path(), &arguments);
    assert_eq!(output.stdout, again.stdout);
}

#[rstest]
#[case::load(
    &["--repeat", "10", "mediastream/legacy/responder/the-whole-stream"],
    "--virtual and --repeat exclude each other"
)]
#[case::interface(&["--capture", "live:lo"], "--virtual and --capture live:lo exclude each other")]
#[case::another(&["--iut", "acme.toml"], "acme.toml describes another implementation: acme")]
fn what_there_is_not_in_virtual_time_is_refused(#[case] arguments: &[&str], #[case] told: &str) {
    let folder = folder();
    let acme = "name = \"acme\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
        modes = [\"legacy\"]\nstart = { command = [\"./acme\", \"{address}\"] }\n\
        reach = { address = \"127.0.0.1:{port}\" }\n\
        stream = { bits_per_second = 400000, frames_per_second = 50, seconds = 2 }\n";
    fs::write(folder.path().join("acme.toml"), acme).expect("a file can be written");
    let output = shakedown(folder.path(), arguments);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(told), "{said}");
    assert!(!folder.path().join("reports").exists(), "nothing was begun");
}

#[test]
fn the_reference_may_be_described_with_another_stream() {
    let folder = folder();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/mediastream");
    let own = fs::read_to_string(own.join("reference-responder.toml")).expect("it is there");
    let slow = own.replace("frames_per_second = 50\n", "frames_per_second = 10\n");
    assert_ne!(own, slow);
    fs::write(folder.path().join("slow.toml"), slow).expect("a file can be written");
    let more = [
        "--iut",
        "slow.toml",
        "--mode",
        "legacy",
        "--role",
        "responder",
    ];
    let output = shakedown(folder.path(), &more);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
