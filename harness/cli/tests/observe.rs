//! What an implementation counts is read as its description says, and judged.
#![allow(
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "the program is tested as a process, and a test fails by panicking"
)]

use std::process::{Command, Stdio};

use rstest::rstest;
use serde_json::Value;

/// The description of the page.
fn example() -> String {
    let page = std::fs::read_to_string("../../docs/iut.md").unwrap();
    let (_, section) = page.split_once("## Counters").unwrap();
    let (_, block) = section.split_once("```toml\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// Plays a scenario against what is described: the exit code, the verdict's line of the events, and
/// what else was said.
fn play(description: &str, scenario: &str) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("iut.toml"), description).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args([
            "run", "--iut", "iut.toml", "--out", "out", "--format", "json", scenario,
        ])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut events = said.lines().map(|line| serde_json::from_str(line).unwrap());
    let verdict = events.find(|event: &Value| event["type"] == "verdict");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &said;
    (output.status.code(), verdict.unwrap_or_default(), said)
}

const DUPLICATES: &str =
    "mediastream/legacy/initiator/frames-that-come-again-are-counted-as-duplicates";

#[rstest]
#[case(DUPLICATES, "MS-D-08")]
#[case(
    "mediastream/legacy/initiator/a-fragment-past-its-frame-is-dropped-and-counted",
    "MS-R-02"
)]
#[case(
    "mediastream/legacy/initiator/a-frame-that-stays-incomplete-is-dropped-and-counted",
    "MS-R-05"
)]
fn the_example_of_the_page_is_judged_by_what_it_counted(#[case] scenario: &str, #[case] id: &str) {
    let example = example();
    let (code, verdict, said) = play(&example, scenario);
    assert_eq!(
        (code, &verdict["verdict"]),
        (Some(0), &"pass".into()),
        "{said}"
    );
    assert_eq!(verdict["requirements"][id], "pass", "{said}");
    let twin = example.replace(
        "\"{peer}\"",
        &format!("\"--without\", {id:?}, \"{{peer}}\""),
    );
    let (code, verdict, said) = play(&twin, scenario);
    assert_eq!(
        (code, &verdict["verdict"]),
        (Some(1), &"fail".into()),
        "{said}"
    );
    assert_eq!(verdict["requirements"][id], "fail", "{said}");
}

#[test]
fn without_observe_what_is_counted_is_not_observed() {
    let example = example();
    let (head, _) = example.split_once("[observe]").unwrap();
    let (code, verdict, said) = play(head, DUPLICATES);
    assert_eq!(
        (code, &verdict["verdict"]),
        (Some(2), &"not-observed".into()),
        "{said}"
    );
    assert_eq!(verdict["requirements"]["MS-D-08"], "not-observed", "{said}");
    assert_eq!(verdict["requirements"]["MS-L-01"], "pass", "{said}");
}

#[rstest]
#[case::nothing_is_written("file = \"{counters}\"", "file = \"no-{peer}\"", "cannot be read")]
#[case::it_is_elsewhere("\"/duplicates\"", "\"/dup\"", "nothing is there; numbers are at")]
fn counters_that_cannot_be_read_decide_nothing(
    #[case] there: &str,
    #[case] instead: &str,
    #[case] told: &str,
) {
    let (code, verdict, said) = play(&example().replace(there, instead), DUPLICATES);
    assert_eq!(verdict["verdict"], "inconclusive", "{said}");
    assert_ne!(code, Some(0), "{said}");
    let reason = verdict["reason"].as_str().unwrap();
    assert!(
        reason.contains("not judged: MS-D-08") && reason.contains(told),
        "{reason}"
    );
}
