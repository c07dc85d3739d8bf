//! The reports of a run in a directory: whole at every moment, and one that fails harms no other.
#![allow(clippy::expect_used, reason = "helpers of tests may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use shakedown_engine::event::{Event, RunPlan, VERSION};
use shakedown_report::Sinks;

fn started() -> Event {
    Event::RunStarted {
        version: VERSION,
        iut: "acme".to_owned(),
        seed: 1,
        capture: "tap".to_owned(),
        scenarios: 2,
        plan: RunPlan::default(),
    }
}

fn begun() -> Event {
    Event::ScenarioStarted {
        scenario: "mediastream/legacy/responder/a".to_owned(),
    }
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).expect("the report is there")
}

#[test]
fn a_run_that_is_killed_leaves_reports_that_say_so() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let out = directory.path().join("reports/latest");
    let mut sinks = Sinks::new();
    sinks.add_directory(&out).expect("the directory is made");
    sinks.event(&started());
    sinks.event(&begun());
    // Killed: nothing is finished.
    std::mem::forget(sinks);
    assert_eq!(read(&out, "events.jsonl").lines().count(), 2);
    assert!(read(&out, "junit.xml").contains("the run has not finished"));
    assert!(read(&out, "summary.md").contains("has not finished"));
}

#[test]
fn reports_of_an_earlier_run_are_replaced_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for name in ["events.jsonl", "junit.xml", "summary.md"] {
        fs::write(directory.path().join(name), "old").expect("a file can be written");
    }
    let mut sinks = Sinks::new();
    sinks.add_directory(directory.path()).expect("it is there");
    sinks.event(&started());
    for name in ["events.jsonl", "junit.xml", "summary.md"] {
        assert!(!read(directory.path(), name).contains("old"), "{name}");
    }
}

#[test]
fn a_full_disk_under_one_report_is_told_and_the_others_are_whole() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("junit.xml");
    symlink("/dev/full", &path).expect("a link can be made");
    let mut sinks = Sinks::new();
    sinks.add_directory(directory.path()).expect("it is there");
    sinks.event(&started());
    sinks.event(&begun());
    assert!(!sinks.new_failures().is_empty());
    assert!(sinks.new_failures().is_empty(), "each is told once");
    let outcome = sinks.finish();
    let told: Vec<String> = outcome.failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [format!(
            "cannot write the report {}: No space left on device (os error 28)",
            path.display()
        )]
    );
    assert_eq!(outcome.exit(0), 3);
    assert_eq!(outcome.files.len(), 3);
    let events = read(directory.path(), "events.jsonl");
    assert_eq!(events.lines().count(), 3, "two, and the digest");
    assert!(read(directory.path(), "summary.md").contains("acme"));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("file");
    fs::write(&file, "").expect("a file can be written");
    let error = Sinks::new()
        .add_directory(&file.join("reports"))
        .expect_err("a file is no directory");
    let message = error.to_string();
    assert!(message.contains("file/reports"), "{message}");
}
