//! `shakedown explore --swarm` as a user calls it.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::process::{Child, Command, Stdio};

use serde_json::Value;

const SHAKEDOWN: &str = env!("CARGO_BIN_EXE_shakedown");

fn explore(arguments: &[&str]) -> Child {
    explore_any(&[&["mediastream"], arguments].concat())
}

fn explore_any(arguments: &[&str]) -> Child {
    Command::new(SHAKEDOWN)
        .arg("explore")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is there")
}

/// Exit code, standard output and standard error.
fn ended(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The hash of each seed.
fn hashes(events: &str) -> Vec<(u64, String)> {
    let events = events.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("a line is an event");
        event
    });
    let runs = events.filter(|event| event["type"] == "swarm-run");
    runs.map(|event| {
        let seed = event["seed"].as_u64().expect("a run has a seed");
        let hash = event["hash"].as_str().expect("a run has a hash");
        (seed, hash.to_owned())
    })
    .collect()
}

#[test]
fn ten_thousand_seeds_give_the_same_traces_and_captures_in_two_processes() {
    let arguments = ["--swarm", "10000", "--format", "json"];
    // One after the other seed by seed, the other several at a time: the order does not matter.
    let (one, other) = (
        explore(&[&arguments[..], &["--jobs", "1"]].concat()),
        explore(&[&arguments[..], &["--jobs", "3"]].concat()),
    );
    let ((code, one, complaints), (other_code, other, _)) = (ended(one), ended(other));
    assert_eq!(code, other_code, "{complaints}");
    let (one, other) = (hashes(&one), hashes(&other));
    assert_eq!(one.len(), 10_000);
    let seeds = one.iter().map(|(seed, _)| *seed);
    assert!(seeds.eq(1..=10_000));
    let mut different: Vec<_> = one.iter().map(|(_, hash)| hash).collect();
    different.sort_unstable();
    different.dedup();
    // A START token that nobody answers looks the same whatever the seed.
    assert!(different.len() > 9_900, "{}", different.len());
    assert_eq!(one, other);
}

#[test]
fn a_twin_is_found_and_what_is_found_is_written() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().to_string_lossy().into_owned();
    let (code, text, complaints) = ended(explore(&[
        "--swarm",
        "40",
        "--mode",
        "3way",
        "--without",
        "MS-H-18",
        "--out",
        &out,
    ]));
    assert_eq!(code, Some(1), "{complaints}");
    assert!(
        text.contains("MS-H-18 is broken by the responder"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    let files = std::fs::read_dir(folder.path()).expect("the folder is there");
    let names = files.map(|file| file.expect("a file").file_name());
    let names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    for end in [
        ".trace.json",
        ".txt",
        ".json",
        ".initiator.pcapng",
        ".responder.pcapng",
    ] {
        assert!(
            names.iter().any(|name| name.ends_with(end)),
            "{end}: {names:?}"
        );
    }
}

#[test]
fn a_call_that_is_wrong_is_told_with_what_would_be_right() {
    let cases: [(&[&str], &str); 4] = [
        (&["--swarm", "1", "--mode", "4way"], "did you mean `3way`?"),
        (
            &["--swarm", "1", "--responder", "3way,optimistic"],
            "has no option `optimistic`",
        ),
        (
            &["--swarm", "1", "--without", "MS-H-99"],
            "no requirement `MS-H-99`",
        ),
        (
            &["--swarm", "1", "--without", "MS-R-03"],
            "shakedown list twins",
        ),
    ];
    for (arguments, expected) in cases {
        let (code, _, complaints) = ended(explore(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {complaints}");
        assert!(complaints.contains(expected), "{arguments:?}: {complaints}");
    }
}

/// What the page shows is what the commands print: a command in one block, its diagram in the next.
#[test]
fn the_diagrams_of_the_findings_are_what_the_commands_print() {
    let page = include_str!("../../../docs/findings.md");
    let mut parts = page.split("```sh\n").skip(1);
    let shown: Vec<_> = parts
        .by_ref()
        .map(|part| {
            let command = part.split_once('\n').expect("a command is a line").0;
            let ladder = part
                .split_once("```text ladder\n")
                .expect("a diagram follows")
                .1;
            (
                command,
                ladder.split_once("\n```").expect("the block ends").0,
            )
        })
        .collect();
    assert_eq!(shown.len(), 9);
    for (command, ladder) in shown {
        let words: Vec<_> = command.split(' ').skip(3).collect();
        let (code, text, complaints) = ended(explore(&words));
        assert_eq!(code, Some(0), "{command}: {complaints}");
        assert!(text.starts_with(ladder), "{command} prints\n{text}");
    }
}

#[test]
fn random_runs_of_proton_find_nothing_and_are_the_same_whatever_the_threads() {
    let arguments = [
        "proton", "--swarm", "300", "--seed", "7", "--format", "json",
    ];
    let (one, other) = (
        explore_any(&[&arguments[..], &["--jobs", "1"]].concat()),
        explore_any(&[&arguments[..], &["--jobs", "3"]].concat()),
    );
    let ((code, one, complaints), (_, other, _)) = (ended(one), ended(other));
    assert_eq!(code, Some(0), "{complaints}");
    assert_eq!(one, other);
    let events = one
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let events: Vec<_> = events.collect();
    let seeds = events.iter().filter(|event| event["type"] == "swarm-run");
    assert!(
        seeds
            .map(|event| event["seed"].as_u64())
            .eq((7..307).map(Some))
    );
    let end = &events[events.len() - 1];
    assert_eq!(
        (&end["type"], &end["violating"]),
        (&"swarm-finished".into(), &0.into())
    );
    assert!(end["sums"]["answers"].as_u64() > Some(1_000), "{end}");
}

#[test]
fn a_single_run_of_proton_is_drawn_as_a_ladder() {
    let (code, text, complaints) = ended(explore_any(&["proton", "--swarm", "1", "--seed", "3"]));
    assert_eq!(code, Some(0), "{complaints}");
    assert!(text.starts_with("seed 3: "), "{text}");
    assert!(text.contains("192.0.2.1:4433 (server)"), "{text}");
    assert!(text.contains(" ClientHello proton "), "{text}");
    assert!(text.contains(" EVENT id="), "{text}");
    assert!(text.ends_with("no violation\n"), "{text}");
}

#[test]
fn a_twin_of_proton_is_found_and_its_captures_can_be_judged() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().to_string_lossy().into_owned();
    let arguments = ["proton", "--swarm", "20", "--without", "PR-E-01", "--out"];
    let (code, text, complaints) = ended(explore_any(&[&arguments[..], &[&out]].concat()));
    assert_eq!(code, Some(1), "{complaints}");
    assert!(text.contains("BROKEN PR-E-01 by the server"), "{text}");
    let files = std::fs::read_dir(folder.path()).expect("the folder is there");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let capture = paths
        .iter()
        .find(|path| path.to_string_lossy().ends_with(".server.pcapng"));
    let judged = Command::new(SHAKEDOWN)
        .args(["check", "--level", "may"])
        .arg(capture.expect("the capture of the server"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let (code, text, complaints) = ended(judged.expect("the program is there"));
    assert_eq!(code, Some(1), "{complaints}");
    assert!(text.contains("PR-E-01"), "{text}");
}

#[test]
fn what_means_nothing_to_random_runs_of_proton_is_refused() {
    for (arguments, complaint) in [
        (
            &["proton"][..],
            "cannot be forked at each choice of the network; say how many, for example `--swarm 1000`",
        ),
        (
            &["proton", "--swarm", "1", "--mode", "pusch"],
            "did you mean `push`?",
        ),
        (
            &["proton", "--swarm", "1", "--initiator", "push"],
            "choose all settings but the profile",
        ),
        (
            &["proton", "--swarm", "1", "--without", "PR-E-77"],
            "no requirement `PR-E-77`",
        ),
    ] {
        let (code, _, complaints) = ended(explore_any(arguments));
        assert_eq!(code, Some(2), "{complaints}");
        assert!(complaints.contains(complaint), "{complaints}");
    }
}
