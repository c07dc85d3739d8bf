//! Where `run` puts its reports, and what it says before it begins.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

/// A run of one scenario in virtual time, in a working directory of its own.
fn run(at: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["run", "--virtual", "--seed", "7"])
        .arg("mediastream/3way/responder/a-handshake-leads-to-two-frames")
        .args(flags)
        .current_dir(at)
        .env("CI", "true")
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Names of the runs in `reports/`.
fn runs(at: &Path) -> Vec<String> {
    let entries = fs::read_dir(at.join("reports")).expect("there are reports");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name != "latest");
    names.sort();
    names
}

#[test]
fn each_run_has_a_directory_of_its_own_and_latest_leads_to_the_last() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let at = directory.path();
    assert_eq!(run(at, &[]).status.code(), Some(0));
    let first = runs(at);
    assert_eq!(run(at, &[]).status.code(), Some(0));
    let both = runs(at);
    assert_eq!(both.len(), 2);
    assert!(
        both.iter().all(|name| name.contains("Z-reference")),
        "{both:?}"
    );
    let last = both
        .iter()
        .find(|name| !first.contains(name))
        .expect("the second");
    let latest = fs::read_link(at.join("reports/latest")).expect("a link");
    assert_eq!(latest, Path::new(last));
    assert!(at.join("reports/latest/junit.xml").exists());

    assert_eq!(run(at, &["--keep", "1"]).status.code(), Some(0));
    let kept = runs(at);
    assert_eq!(kept.len(), 1);
    assert!(!both.contains(&kept[0]), "the newest is kept");
}

#[test]
fn a_directory_of_the_time_before_links_is_kept_under_another_name() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let at = directory.path();
    fs::create_dir_all(at.join("reports/latest")).expect("a directory can be made");
    fs::write(at.join("reports/latest/summary.md"), "old").expect("a file can be written");
    assert_eq!(run(at, &[]).status.code(), Some(0));
    let before = runs(at).into_iter().find(|name| name.ends_with("-before"));
    let before = at
        .join("reports")
        .join(before.expect("it is there"))
        .join("summary.md");
    assert_eq!(fs::read_to_string(before).expect("it is kept"), "old");
}

#[test]
fn a_directory_that_holds_another_run_is_replaced_only_by_force() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let at = directory.path();
    fs::create_dir(at.join("mine")).expect("a directory can be made");
    fs::write(at.join("mine/notes.txt"), "mine").expect("a file can be written");
    assert_eq!(run(at, &["--out", "mine"]).status.code(), Some(0));
    fs::write(at.join("mine/captures/old.pcapng"), "old").expect("a file can be written");

    let refused = run(at, &["--out", "mine"]);
    assert_eq!(refused.status.code(), Some(2));
    let message =
        "mine holds another run (events.jsonl); give another directory with --out, or --force";
    assert!(said(&refused).contains(message), "{}", said(&refused));
    assert!(at.join("mine/captures/old.pcapng").exists());

    assert_eq!(
        run(at, &["--out", "mine", "--force"]).status.code(),
        Some(0)
    );
    assert!(!at.join("mine/captures/old.pcapng").exists());
    assert!(at.join("mine/notes.txt").exists());
    assert!(!at.join("reports").exists());
}

#[test]
fn two_runs_do_not_write_to_one_directory() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let at = directory.path();
    fs::create_dir(at.join("mine")).expect("a directory can be made");
    let lock = File::create(at.join("mine/.lock")).expect("a file can be made");
    lock.lock().expect("it is free");
    let refused = run(at, &["--out", "mine"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("another run writes to mine right now"),
        "{}",
        said(&refused)
    );
}

#[test]
fn a_run_says_first_what_it_tests_and_a_dry_run_stops_there() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let at = directory.path();
    let played = said(&run(at, &["--out", "mine"]));
    let mut lines = played.lines();
    let reference = "testing the built-in reference; --iut FILE tests an implementation";
    assert_eq!(lines.next(), Some(reference));
    let plan = lines.nth(1).expect("the plan");
    assert!(
        plan.starts_with("1 of ") && plan.ends_with(" scenarios, 24 at a time, seed 7"),
        "{plan}"
    );

    let dry = run(at, &["--dry-run", "--shard", "1/1"]);
    assert_eq!(dry.status.code(), Some(0));
    let shown = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert_eq!(shown.lines().next(), Some(reference));
    assert!(
        shown.contains(", part 1/1, 24 at a time, seed 7"),
        "{shown}"
    );
    assert!(!at.join("reports").exists());
}
