//! The example server in Python, a foreign implementation of darktower, is judged as its description claims.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "programs are run as processes, and a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rstest::rstest;
use serde_json::Value;
use support::{shakedown, verdicts};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The folder of the messages, seen from that of the example.
const PROTO: &str = "../../harness/protocol/src/darktower";

/// Whether Python has what the example needs; says so if not.
fn has_aioquic() -> bool {
    let found = Command::new("python3")
        .args(["-c", "import aioquic, grpc_tools, jwt"])
        .output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!(
            "python3 with aioquic, grpcio-tools and pyjwt is not installed; the example server was NOT run"
        );
    }
    found
}

/// Of each scenario its verdict, with the requirements that failed.
type Verdicts = BTreeMap<String, (String, Vec<String>)>;

/// Plays scenarios against the server, with some of its text replaced: the exit code and the verdicts.
fn play(fault: Option<(&str, &str)>, scenarios: &str) -> (Option<i32>, Verdicts) {
    let examples = Path::new(ROOT).join("docs/examples");
    let read = |name| std::fs::read_to_string(examples.join(name)).unwrap();
    let mut server = read("meeting_controller.py");
    if let Some((right, wrong)) = fault {
        assert_eq!(server.matches(right).count(), 1, "{right}");
        server = server.replace(right, wrong);
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("server.py", server);
    let description = read("meeting_controller.toml");
    let places = [
        ("meeting_controller.py", "server.py".to_owned()),
        (PROTO, examples.join(PROTO).display().to_string()),
    ];
    for (place, _) in &places {
        assert!(description.contains(place));
    }
    let moved = |text: String, (from, to): &(&str, String)| text.replace(from, to);
    write("iut.toml", places.iter().fold(description, moved));
    let output = shakedown(&["run", "--iut", "iut.toml", "--out", "out", "--jobs", "32"])
        .args(["--format", "json", "--slow", scenarios])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let verdicts = verdicts(&output).into_iter().map(|event| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let requirements = event["requirements"].as_object().unwrap().iter();
        let failed = requirements.filter(|(_, verdict)| *verdict == "fail");
        let failed = failed.map(|(id, _)| id.clone()).collect();
        (text(&event["scenario"]), (text(&event["verdict"]), failed))
    });
    (output.status.code(), verdicts.collect())
}

#[test]
fn the_healthy_one_passes_all_that_it_claims() {
    if !has_aioquic() {
        return;
    }
    let (code, verdicts) = play(None, "darktower/mc/server/*");
    let others: Vec<_> = verdicts
        .iter()
        .filter(|(_, (verdict, _))| verdict != "pass")
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!((code, verdicts.len() > 60), (Some(0), true));
}

#[rstest]
#[case::an_expired_token_joins(
    r#"{"require": ["exp"]}"#,
    r#"{"require": ["exp"], "verify_exp": False}"#,
    "darktower/mc/server/a-token-expired-joins-nobody",
    "DT-S-06"
)]
#[case::a_message_may_be_a_byte_too_long(
    "1 <= size <= 65536",
    "1 <= size <= 65537",
    "darktower/mc/server/length-above-65536-ends-the-stream-alone",
    "DT-S-11"
)]
#[case::who_joins_is_told_of_itself(
    "if other is not self: other.say(**message)",
    "other.say(**message)",
    "darktower/mc/server/others-are-told-of-a-join-once",
    "DT-S-08"
)]
fn a_faulty_one_fails_by_name(
    #[case] right: &str,
    #[case] wrong: &str,
    #[case] scenario: &str,
    #[case] requirement: &str,
) {
    if !has_aioquic() {
        return;
    }
    let (code, verdicts) = play(Some((right, wrong)), scenario);
    let expected = ("fail".to_owned(), vec![requirement.to_owned()]);
    assert_eq!((code, verdicts.get(scenario)), (Some(1), Some(&expected)));
}
