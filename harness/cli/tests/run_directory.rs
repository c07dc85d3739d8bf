//! Where `run` puts its reports, and what it says before it begins.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    let real = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["run", "--dry-run"])
        .current_dir(at)
        .output()
        .expect("the program starts");
    let plan = String::from_utf8_lossy(&real.stdout).into_owned();
    assert!(plan.contains(" more only with --slow"), "{plan}");
    assert!(!at.join("reports").exists());
}

#[test]
fn a_dry_run_finds_what_shows_without_traffic() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let at = directory.path();
    let iut = |program: &str, waiver: &str| {
        let text = format!(
            "name = \"mine\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"legacy\"]\n\
             start = {{ command = [\"{program}\", \"{{address}}\"] }}\nreach = {{ address = \"127.0.0.1:{{port}}\" }}\n\
             stream = {{ bits_per_second = 400000, frames_per_second = 50, seconds = 2 }}\n{waiver}"
        );
        fs::write(at.join("mine.toml"), text).expect("it can be written");
    };
    let dry = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_shakedown"))
            .args(["run", "--dry-run", "--iut", "mine.toml"])
            .args(flags)
            .current_dir(at)
            .output()
            .expect("the program starts");
        (
            output.status.code(),
            said(&output),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    iut("true", "");
    let (exit, said, plan) = dry(&[]);
    assert_eq!((exit, said.as_str()), (Some(0), ""));
    let of_it = plan.lines().next().expect("a line of the implementation");
    assert!(of_it.contains(" more do not apply to it"), "{plan}");

    let (exit, said, _) = dry(&["--mode", "3way"]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("nothing would be judged: "), "{said}");

    let nowhere = at.join("nowhere");
    for program in [
        "no-such-program",
        "./mine.toml",
        &nowhere.display().to_string(),
    ] {
        iut(program, "");
        let (exit, said, _) = dry(&[]);
        assert_eq!(exit, Some(2), "{said}");
        assert!(
            said.contains(&format!("mine: {program} cannot be started: ")),
            "{said}"
        );
    }
    iut("true", "");
    let (exit, said, _) = dry(&["--capture", "live:eth99"]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("there is no interface eth99"), "{said}");

    fs::create_dir(at.join("old")).expect("it can be made");
    fs::write(at.join("old/junit.xml"), "").expect("it can be written");
    let (exit, said, _) = dry(&["--out", "old"]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("old holds another run"), "{said}");

    iut("./old", "");
    let (exit, said, _) = dry(&[]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(
        said.contains("./old cannot be started: it is a folder"),
        "{said}"
    );
    iut("true", "");
    let (_, _, plan) = dry(&["-v"]);
    let listed = plan
        .lines()
        .filter(|line| line.starts_with("  mediastream/legacy/"));
    let first = plan.split(' ').nth(4);
    assert_eq!(
        first.and_then(|number| number.parse().ok()),
        Some(listed.count()),
        "{plan}"
    );
    fs::write(at.join("reports"), "").expect("it can be written");
    let (exit, said, _) = dry(&[]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("cannot use reports: "), "{said}");
    fs::remove_file(at.join("reports")).expect("it is there");

    let waiver = "[[waive]]\nrequirement = \"MS-L-03\"\nbecause = \"x\"\nuntil = ";
    iut("true", &format!("{waiver}\"2020-01-01\"\n"));
    let (exit, said, _) = dry(&[]);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("counts until 2020-01-01 only"), "{said}");
    let unplayed = "scenario = \"mediastream/3way/responder/a-handshake-leads-to-two-frames\"";
    iut("true", &format!("{waiver}\"9999-01-01\"\n{unplayed}\n"));
    let (exit, said, _) = dry(&[]);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("matched no finding"), "{said}");
}

#[test]
fn a_run_in_virtual_time_starts_no_process_and_others_have_a_guard() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (flags, guards) in [(&["--virtual"][..], 0), (&[], 1)] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_shakedown"))
            .args(["run", "mediastream/3way", "--role", "responder"])
            .args(flags)
            .current_dir(directory.path())
            .env("CI", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // Its first line comes when the run has begun.
        let mut said = BufReader::new(run.stderr.take().expect("it is piped"));
        said.read_line(&mut String::new()).expect("a line");
        let started = guard_of(run.id());
        run.kill().expect("it runs");
        run.wait().expect("it ends");
        assert_eq!(started, guards, "{flags:?}");
    }
}

/// How many guards a run has.
fn guard_of(run: u32) -> usize {
    let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
    let calls = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let guard = format!("clean\0--after\0{run}");
    let calls = calls.map(|call| String::from_utf8_lossy(&call).into_owned());
    calls.filter(|call| call.contains(&guard)).count()
}
