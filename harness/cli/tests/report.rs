//! `shakedown report`: several runs told as one.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use shakedown_engine::event::Event;
use shakedown_report::{JsonLines, Sinks};

fn report(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .arg("report")
        .args(arguments)
        .env("COLUMNS", "80")
        .output()
        .expect("the program starts")
}

/// A run of one scenario, as its reports lie in a directory.
fn run(directory: &Path, shard: &str, verdict: &str, exit: u8) -> PathBuf {
    let scenario = format!("mediastream/legacy/responder/{shard}");
    let events = [
        r#"{"type":"run-started","version":2,"iut":"acme","seed":7,"capture":"tap","scenarios":1}"#
            .to_owned(),
        format!(
            r#"{{"type":"verdict","scenario":"{scenario}","title":"A fact","verdict":"{verdict}",
            "requirements":{{"MS-L-01":"{verdict}"}},"capture":null,"seconds":0.5}}"#
        )
        .replace('\n', ""),
        format!(
            r#"{{"type":"run-finished","counts":{{"{verdict}":1}},"requirements":
            {{"MS-L-01":"{verdict}"}},"exit":{exit},"message":"Shard {shard} is over",
            "interrupted":false,"seconds":1.0}}"#
        )
        .replace('\n', ""),
    ];
    let out = directory.join(shard);
    fs::create_dir(&out).expect("a directory can be made");
    write(&out.join("events.jsonl"), &events.join("\n"));
    out
}

/// Writes events as a run does, with a digest at the end, in the place of one that is there.
fn write(path: &Path, lines: &str) {
    let mut sinks = Sinks::new();
    sinks.add(JsonLines::to_file(path.to_owned()));
    for line in lines.lines() {
        let event = serde_json::from_str(line).expect("an event");
        if !matches!(event, Event::Digest { .. }) {
            sinks.event(&event);
        }
    }
    assert!(sinks.finish().failures.is_empty());
}

/// Changes events that were written.
fn change(path: &Path, change: &dyn Fn(&mut Value)) {
    let text = fs::read_to_string(path).expect("the events");
    let changed = text.lines().map(|line| {
        let mut event = serde_json::from_str(line).expect("an event");
        change(&mut event);
        event.to_string()
    });
    write(path, &changed.collect::<Vec<_>>().join("\n"));
}

/// What a run tells that is a part of another one.
fn part(number: &str) -> Value {
    json!({ "reference": false, "implementations": [], "of": 2, "part": number, "suite": "x" })
}

#[test]
fn two_runs_are_told_as_one_and_the_worse_decides() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let one = run(directory.path(), "one", "pass", 0);
    let two = run(directory.path(), "two", "fail", 1);
    let all = directory.path().join("all");
    let output = report(&[&one, &two, Path::new("--out"), &all]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    for told in [
        "FAIL  mediastream/legacy/responder/two",
        "Shard one is over; Shard two is over",
        "1 fail, 1 pass in 2.0 s",
        "all/junit.xml",
    ] {
        assert!(text.contains(told), "{told:?} is missing in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colours in a pipe:\n{text}");
    let junit = fs::read_to_string(all.join("junit.xml")).expect("it is written");
    assert!(
        junit.contains(r#"tests="2" skipped="0" failures="1""#),
        "{junit}"
    );
    let again = report(&[&all]);
    assert_eq!(again.status.code(), Some(1), "a merged report is a report");
}

#[test]
fn a_merge_into_one_of_its_runs_is_refused_even_by_force() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let one = run(directory.path(), "one", "pass", 0);
    let captures = one.join("captures");
    fs::create_dir(&captures).expect("a directory can be made");
    let force = [Path::new("--out"), &one, Path::new("--force")];
    for read in [&one, &one.join("events.jsonl")] {
        let output = report(&[&[read.as_path()], &force[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            told.contains(" is one of the runs that are read; "),
            "{told}"
        );
        assert!(captures.exists());
    }
}

#[test]
fn runs_without_a_failure_are_a_success() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let one = run(directory.path(), "one", "pass", 0);
    let output = report(&[&one, Path::new("--format"), Path::new("json")]);
    assert_eq!(output.status.code(), Some(0));
    let written = fs::read_to_string(one.join("events.jsonl")).expect("it is there");
    let lines = String::from_utf8_lossy(&output.stdout).lines().count();
    assert_eq!(
        lines + 1,
        written.lines().count(),
        "the file has a digest too"
    );
}

#[test]
fn what_cannot_be_read_is_named_and_exits_2() {
    let output = report(&[Path::new("no/such/run")]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cannot read no/such/run"), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_link_where_a_report_would_be_written_is_not_followed() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let one = run(directory.path(), "one", "pass", 0);
    let (all, other) = (directory.path().join("all"), directory.path().join("other"));
    fs::create_dir(&all).expect("a directory can be made");
    fs::write(&other, "mine").expect("a file can be written");
    std::os::unix::fs::symlink(&other, all.join("summary.md")).expect("a link can be made");
    let refused = report(&[&one, Path::new("--out"), &all]);
    assert_eq!(refused.status.code(), Some(2));
    let forced = report(&[&one, Path::new("--out"), &all, Path::new("--force")]);
    assert_eq!(forced.status.code(), Some(0));
    assert_eq!(fs::read_to_string(&other).expect("it is there"), "mine");
}

#[test]
fn parts_of_a_run_are_told_together_only_if_all_are_there() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let one = run(directory.path(), "one", "pass", 0);
    let events = one.join("events.jsonl");
    change(&events, &|event| {
        if event["type"] == "run-started" {
            event["plan"] = part("1/2");
        }
    });
    let output = report(&[&one]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("part 2/2 is missing"), "{error}");
}

#[test]
fn a_waiver_that_no_part_of_a_run_needs_fails_the_report_of_all_parts() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let parts = |name: &str, matched: [&str; 2]| {
        let folder = directory.path().join(name);
        fs::create_dir(&folder).expect("a directory can be made");
        let of_part = |(number, matched): (usize, &str)| {
            let run = run(&folder, &number.to_string(), "pass", 0);
            let events = run.join("events.jsonl");
            change(&events, &|event| {
                if event["type"] == "run-started" {
                    event["plan"] = part(&format!("{number}/2"));
                }
                if event["type"] == "run-finished" {
                    let matched: Value = serde_json::from_str(matched).expect("JSON");
                    event["waivers"] =
                        json!([{ "iut": "acme", "waiver": "MS-H-22", "matched": matched }]);
                }
            });
            run
        };
        let paths: Vec<_> = (1..).zip(matched).map(of_part).collect();
        let output = report(&[&paths[0], &paths[1]]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (exit, text) = parts("stale", ["false", "false"]);
    assert_eq!(exit, Some(1));
    let told = "acme: the waiver of MS-H-22 matched no finding";
    assert!(text.contains(told), "{text}");
    for (name, matched) in [("used", ["false", "true"]), ("unknown", ["null", "false"])] {
        let (exit, text) = parts(name, matched);
        assert_eq!((exit, text.contains(told)), (Some(0), false), "{text}");
    }
}

#[test]
fn a_run_is_compared_with_an_earlier_one_and_what_fails_newly_decides() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let [good, bad] = [("good", "pass", 0), ("bad", "fail", 1)].map(|(name, verdict, exit)| {
        let place = directory.path().join(name);
        fs::create_dir(&place).expect("a directory can be made");
        run(&place, "one", verdict, exit)
    });
    let page = directory.path().join("page");
    let compared = |old: &Path, new: &Path| {
        let output = report(&[
            Path::new("--compare"),
            old,
            new,
            Path::new("--out"),
            &page,
            Path::new("--force"),
        ]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("text"),
        )
    };
    let (exit, text) = compared(&good, &bad);
    assert_eq!(exit, Some(1));
    let line = "Newly failing (1)\n  mediastream/legacy/responder/one  pass → fail\n";
    assert!(text.starts_with(line), "{text}");
    let html = fs::read_to_string(page.join("compare.html")).expect("a page");
    assert!(
        html.contains("Newly failing (1)") && html.contains(">before<"),
        "{html}"
    );
    let (exit, text) = compared(&bad, &good);
    assert_eq!(exit, Some(0));
    assert!(text.contains("Newly passing (1)"), "{text}");
    assert_eq!(compared(&good, &good).0, Some(0));
    let alone = report(&[Path::new("--compare"), &good]);
    assert_eq!(alone.status.code(), Some(2));
    let error = String::from_utf8(alone.stderr).expect("text");
    assert!(error.contains("--compare takes two runs"), "{error}");
}
