//! `shakedown explore` as a user calls it.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::process::{Command, Output};

use serde_json::Value;

fn shakedown(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["explore", "mediastream"])
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the output is text")
}

const OPTIMISTIC: [&str; 4] = [
    "--initiator",
    "3way",
    "--responder",
    "3way,optimistic_start",
];
const FEW: [&str; 6] = ["--loss", "1", "--dup", "1", "--reorder", "0"];

fn few<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FEW.iter().chain(more).copied().collect()
}

#[test]
fn a_pair_that_breaks_nothing_is_complete() {
    let output = shakedown(&few(&OPTIMISTIC));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.starts_with("3way at 3way, optimistic_start\n"),
        "{said}"
    );
    assert!(
        said.contains("within 1 loss, 1 duplicate and 0 reordered datagrams, seed 1\n"),
        "{said}"
    );
    assert!(said.contains("MS-H-25, MS-S-18"), "{said}");
    assert!(said.ends_with("complete: no violation\n"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn the_stall_of_a_twin_is_shown_and_written() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().join("found");
    let out = out.to_str().expect("its name is text");
    let twin = ["--mode", "3way", "--without", "MS-H-18", "--out", out];
    let output = shakedown(&twin);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("MS-H-18 is broken by the responder"),
        "{said}"
    );
    assert!(said.ends_with("1 violation found\n"), "{said}");
    let ladder = std::fs::read_to_string(format!("{out}/ladder.txt")).expect("it was written");
    assert!(said.contains(&ladder), "{ladder}");
    let trace = std::fs::read_to_string(format!("{out}/trace.json")).expect("it was written");
    let trace: Value = serde_json::from_str(&trace).expect("it is JSON");
    assert_eq!(trace["violation"]["requirement"], "MS-H-18");
    assert_eq!(trace["responder"]["without"][0], "MS-H-18");
    let scenario = std::fs::read_to_string(format!("{out}/ms-h-18.json")).expect("it was written");
    assert!(
        scenario.contains("mediastream/3way/responder/ms-h-18"),
        "{scenario}"
    );
}

#[test]
fn an_exploration_that_was_cut_short_is_not_green() {
    let output = shakedown(&[&OPTIMISTIC[..], &["--max-states", "1"]].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("NOT complete"), "{said}");
}

#[test]
fn machines_get_an_object_for_each_pair_and_one_for_the_sum() {
    let pair = ["--initiator", "3way, fallback", "--responder", "legacy"];
    let output = shakedown(&few(&[&pair[..], &["--format", "json"]].concat()));
    let said = text(&output.stdout);
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["type"], "explored");
    assert_eq!(lines[0]["initiator"]["options"][0], "fallback");
    assert_eq!(lines[0]["complete"], true);
    assert_eq!(lines[0]["bounds"]["loss"], 1);
    assert_eq!(lines[0]["violation"], Value::Null);
    assert_eq!(lines[1]["type"], "explore-finished");
    assert_eq!(lines[1]["exit"], 0);
    assert_eq!(lines[1]["states"], lines[0]["states"]);
}

#[test]
fn every_pair_of_the_table_is_explored_one_after_the_other() {
    let none = ["--loss", "0", "--dup", "0", "--reorder", "0", "--all"];
    let output = shakedown(&none);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let rows = said.lines().filter(|line| line.ends_with("complete"));
    assert_eq!(rows.count(), 55, "{said}");
}

#[test]
fn a_wrong_call_is_refused_with_what_would_be_right() {
    for (arguments, expected) in [
        (&["--mode", "4way"][..], "there are legacy, 3way, start3"),
        (
            &[
                "--initiator",
                "legacy",
                "--responder",
                "legacy,optimistic_start",
            ],
            "optimistic_start applies to mode 3way only",
        ),
        (&["--without", "MS-R-03"], "`shakedown list twins` shows"),
        (
            &["--initiator", "", "--responder", "3way"],
            "write a mode, then options",
        ),
    ] {
        let output = shakedown(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
