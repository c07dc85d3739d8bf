//! `list`, `explain` and `schema` from outside: what they say, and what they say about mistakes.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the program in an empty directory: it must not need the repository.
fn shakedown(arguments: &[&str]) -> Output {
    let elsewhere = tempfile::tempdir().expect("a directory can be made");
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(arguments)
        .current_dir(elsewhere.path())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn stdout(arguments: &[&str]) -> String {
    let output = shakedown(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8(output.stdout).expect("the output is text")
}

/// What a call that is wrong says; it exits with 2 and prints nothing else.
fn refusal(arguments: &[&str]) -> String {
    let output = shakedown(arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("the error is text")
}

fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

#[test]
fn scenarios_are_listed_by_mode_and_role() {
    let all = json_lines(&stdout(&["list", "--format", "json"]));
    let some = [
        "list",
        "--mode",
        "legacy",
        "--role",
        "initiator",
        "--format",
        "json",
    ];
    let some = json_lines(&stdout(&some));
    assert!(all.len() >= 60);
    assert!(!some.is_empty() && some.len() < all.len());
    for scenario in some {
        assert_eq!(scenario["mode"], "legacy");
        assert_eq!(scenario["role"], "initiator");
    }
}

#[test]
fn shards_share_the_scenarios_among_them() {
    let ids = |arguments: &[&str]| -> Vec<String> {
        let lines = json_lines(&stdout(arguments));
        lines.iter().map(|one| one["id"].to_string()).collect()
    };
    let mut parts = ids(&["list", "--format", "json", "--shard", "1/2"]);
    parts.extend(ids(&["list", "--format", "json", "--shard", "2/2"]));
    parts.sort();
    assert_eq!(parts, ids(&["list", "--format", "json"]));
}

#[test]
fn requirements_are_listed_with_their_scenarios() {
    let all = json_lines(&stdout(&["list", "requirements", "--format", "json"]));
    let known = all.iter().find(|one| one["id"] == "MS-H-05").unwrap();
    assert!(!known["scenarios"].as_array().unwrap().is_empty());
    let inner = all.iter().find(|one| one["id"] == "MS-R-04").unwrap();
    assert!(inner["scenarios"].as_array().unwrap().is_empty());
    let untested = stdout(&["list", "requirements", "--untested"]);
    assert!(all.iter().any(|one| one["id"] == "PR-E-02"));
    assert!(
        !untested.contains("MS-H-05") && !untested.contains("MS-R-04"),
        "{untested}"
    );
}

#[test]
fn twins_are_listed_with_what_they_do() {
    let of_clients = ["list", "twins", "--protocol", "proton", "--role", "client"];
    let text = stdout(&of_clients);
    assert!(text.contains("ids begin anew after 2^32 - 1"), "{text}");
    let all = json_lines(&stdout(&["list", "twins", "--format", "json"]));
    let roles = |name: &str| all.iter().filter(|one| one["name"] == name).count();
    assert_eq!((roles("MS-W-10"), roles("MS-H-12/empty")), (2, 1));
}

#[test]
fn a_twin_that_there_is_not_is_refused_with_one_that_there_is() {
    let error = refusal(&["twins", "MS-H-12/emtpy"]);
    assert!(error.contains("MS-H-12/empty"), "{error}");
}

#[test]
fn protocols_frames_and_descriptions_are_listed() {
    assert!(stdout(&["list", "protocols"]).contains("allow_legacy_start"));
    assert!(stdout(&["list", "frames"]).contains("connection_id, trailing"));
    assert!(stdout(&["list", "descriptions"]).contains("reference responder"));
}

#[test]
fn a_requirement_of_a_protocol_on_streams_is_explained() {
    let text = stdout(&["explain", "PR-E-02"]);
    for part in [
        "PR-E-02 (MUST)",
        "closes with code 5",
        "binds    server\n",
        "section  3 of docs/spec/proton.md\n",
        "\n  ## 3. Requirements\n",
        "\n  | PR-E-02 | MUST | server | An id not above",
        "\n  one that does not may refuse it in the QUIC handshake.\n",
        "document 004",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn a_twin_is_explained_by_its_name() {
    let text = stdout(&["explain", "MS-H-15/half"]);
    assert!(text.contains("violates MS-H-15)"), "{text}");
}

#[test]
fn a_scenario_over_streams_is_explained_with_the_names_of_its_sides() {
    let text = stdout(&["explain", "one-stream-of-each-kind-is-opened"]);
    assert!(
        text.contains("needs    client in mode any with stay"),
        "{text}"
    );
}

#[test]
fn a_requirement_is_explained_with_its_scenarios() {
    let text = stdout(&["explain", "ms-h-05"]);
    for part in [
        "MS-H-05 (MUST)",
        "answered by a SYN-ACK",
        "wire:",
        "document 001",
        "why      Silence would be taken for loss",
        "checked  harness/protocol/src/mediastream/monitor/",
        "MS-H-05/rejected",
        "Scenarios that",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn a_scenario_is_explained_in_words() {
    let text = stdout(&["explain", "an-optimistic-stream-survives-a-lost-ack"]);
    insta::assert_snapshot!(text);
}

#[test]
fn a_description_is_explained() {
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/iut/example.toml"
    );
    insta::assert_snapshot!(stdout(&["explain", example]));
}

#[test]
fn what_is_unknown_gets_a_suggestion() {
    for (call, meant) in [
        (&["explain", "MS-H-99"][..], "did you mean `MS-H-"),
        (
            &["explain", "lost-syn-ack-is-repeated-once"],
            "did you mean `a-lost-syn-ack-is-repeated-once`?",
        ),
        (
            &["list", "scenarios", "mediastream/3wy"],
            "did you mean `mediastream/3way`?",
        ),
        (
            &["list", "scenarios", "a-repeated-syn-gets-same-syn-ack"],
            "/a-repeated-syn-gets-the-same-syn-ack`?",
        ),
        (
            &[
                "list",
                "scenarios",
                "./a-repeated-syn-gets-the-same-syn-ack.json",
            ],
            "/a-repeated-syn-gets-the-same-syn-ack`?",
        ),
        (&["list", "--mode", "4way"], "did you mean `3way`?"),
        (&["list", "--role", "respnder"], "did you mean `responder`?"),
        (&["list", "--shard", "3/2"], "there is no part 3/2"),
        (
            &["list", "--filter", "no such text"],
            "no scenario matches the filter",
        ),
        (
            &["explain", "xyzzy"],
            "`shakedown list` shows what there is",
        ),
    ] {
        let error = refusal(call);
        assert!(error.contains(meant), "{call:?}: {error}");
    }
}

#[test]
fn a_bad_file_is_shown_with_its_line_and_without_colours_where_there_is_no_terminal() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests");
    let scenario = tests.join("bad-scenarios/unknown-field.json");
    let error = refusal(&["explain", scenario.to_str().unwrap()]);
    assert!(
        error.contains("unknown-field.json:8:45") && error.contains("^^^"),
        "{error}"
    );
    assert!(!error.contains('\u{1b}'), "{error:?}");
    let description = tests.join("bad-descriptions/unknown-key.toml");
    let error = refusal(&["explain", description.to_str().unwrap()]);
    assert!(error.contains("unknown-key.toml:14:1"), "{error}");
    assert!(error.contains("did you mean `address`?"), "{error}");
}

#[test]
fn a_schema_is_printed_as_it_is_committed() {
    for name in ["scenario", "iut", "events"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/schema");
        let committed = std::fs::read_to_string(folder.join(format!("{name}.schema.json")));
        assert_eq!(stdout(&["schema", name]), committed.unwrap(), "{name}");
    }
}

#[test]
fn a_scenario_is_shown_as_its_file_is() {
    let id = "mediastream/3way/responder/a-lost-syn-ack-is-repeated-once";
    let file = std::fs::read_to_string(format!(
        "../../vectors/mediastream/scenarios/{}.json",
        id.trim_start_matches("mediastream/")
    ));
    let file = file.expect("there is such a file");
    assert_eq!(stdout(&["show", id]), file);
    assert_eq!(stdout(&["show", "a-lost-syn-ack-is-repeated-once"]), file);
}

#[test]
fn a_scenario_that_is_not_there_or_not_the_only_one_is_not_shown() {
    let said = |name: &str| {
        let output = shakedown(&["show", name]);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let near = said("a-lost-syn-ack-is-repeated-one");
    assert!(
        near.contains("did you mean `a-lost-syn-ack-is-repeated-once`?"),
        "{near}"
    );
    let several = said("an-unknown-meeting-is-not-found");
    assert!(
        several.contains("darktower/gc/server/an-unknown-meeting-is-not-found, "),
        "{several}"
    );
}
