//! Words that people bring along from other runners: `--fail-fast`, `--failed`, `--timeout`, `--quiet`, `--color`, a baseline;
//! programs that are found beside the file that names them.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::{at_a_terminal, shakedown, verdicts};

/// A few scenarios of which a twin fails some.
const SOME: &str = "mediastream/3way/responder/a-[lw]*";

/// A run in virtual time, its reports there.
fn run(out: &Path, arguments: &[&str]) -> Output {
    let mut command = shakedown(&["run", "--virtual", "--seed", "1", "--force", "--out"]);
    command.arg(out).args(arguments);
    command.output().expect("the program starts")
}

/// Its exit code, and the events that it told.
fn told(out: &Path, arguments: &[&str]) -> (Option<i32>, Vec<Value>, Output) {
    let output = run(out, &[arguments, &["--format", "json"]].concat());
    let events = String::from_utf8_lossy(&output.stdout);
    let events = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"));
    (output.status.code(), events.collect(), output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The ids of scenarios with this verdict.
fn with(output: &Output, verdict: &str) -> Vec<String> {
    let all = verdicts(output)
        .into_iter()
        .filter(|one| one["verdict"] == verdict);
    all.map(|one| one["scenario"].to_string()).collect()
}

#[test]
fn fail_fast_ends_a_run_with_the_first_failure() {
    let out = tempfile::tempdir().expect("a directory can be made");
    let arguments = ["--without", "MS-H-18", "--fail-fast", "mediastream/3way"];
    let (exit, events, output) = told(out.path(), &arguments);
    assert_eq!(exit, Some(1));
    assert_eq!(with(&output, "fail").len(), 1);
    let end = events.last().expect("an end");
    let message = end["message"].as_str().expect("a message");
    let beginning = "1 scenario failed; stopped at the first failure; ";
    assert!(
        message.starts_with(beginning) && message.ends_with(" left unplayed"),
        "{message}"
    );
    assert_eq!(end["interrupted"], false);
    let again = told(out.path(), &arguments);
    assert_eq!(events, again.1, "the same seed tells the same");
}

#[test]
fn fail_fast_ends_a_run_over_sockets_with_the_first_failure() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let reference = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/mediastream/reference-responder.toml"
    );
    let reference = std::fs::read_to_string(reference).expect("it is there");
    let twin = "\"--seed\", \"{seed}\", \"--without\", \"MS-H-12\"";
    let iut = folder.path().join("twin.toml");
    let described = reference.replace("\"--seed\", \"{seed}\"", twin);
    std::fs::write(&iut, described).expect("it can be written");
    let mut command = shakedown(&["run", "--fail-fast", "--jobs", "1", "--format", "json"]);
    command.arg("--iut").arg(iut);
    command.arg("--out").arg(folder.path().join("out"));
    command.arg("mediastream/3way/responder/an-ack-with-*");
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let judged = (with(&output, "fail").len(), with(&output, "pass").len());
    assert_eq!(judged, (1, 0));
    let text = text(&output);
    let message = "1 scenario failed; stopped at the first failure; ";
    assert!(text.contains(message), "{text}");
}

#[test]
fn what_failed_is_played_again_and_nothing_else() {
    let out = tempfile::tempdir().expect("a directory can be made");
    let (first, second) = (out.path().join("first"), out.path().join("second"));
    let (_, _, output) = told(&first, &["--without", "MS-H-18", SOME]);
    let failed = with(&output, "fail");
    assert!(!failed.is_empty() && failed.len() < verdicts(&output).len());
    let option = format!("--failed={}", first.display());
    let (exit, _, again) = told(&second, &[&option]);
    assert_eq!((exit, with(&again, "pass")), (Some(0), failed));
    let option = format!("--failed={}", second.display());
    let (exit, _, nothing) = told(&first, &[&option]);
    assert_eq!(exit, Some(2));
    let error = String::from_utf8_lossy(&nothing.stderr);
    assert!(error.contains("nothing failed in"), "{error}");
}

#[test]
fn what_a_baseline_knows_fails_nothing_and_what_is_new_does() {
    let out = tempfile::tempdir().expect("a directory can be made");
    let (known, now) = (out.path().join("known"), out.path().join("now"));
    let (exit, _, output) = told(&known, &["--without", "MS-H-18", SOME]);
    assert_eq!(exit, Some(1));
    let failed = with(&output, "fail");
    let baseline = ["--baseline", known.to_str().expect("text")];
    // The same faults are known, also from a run that knew them.
    for _ in 0..2 {
        let (exit, _, output) = told(
            &now,
            &[&baseline[..], &["--without", "MS-H-18", SOME]].concat(),
        );
        assert_eq!(exit, Some(0));
        assert_eq!(with(&output, "waived"), failed);
    }
    let (exit, events, output) = told(&now, &[&baseline[..], &[SOME]].concat());
    assert_eq!((exit, with(&output, "waived").len()), (Some(0), 0));
    let notes = events.last().expect("an end")["notes"].to_string();
    assert_eq!(
        notes.matches("passes now (known failure of ").count(),
        failed.len(),
        "{notes}"
    );
    let (exit, _, output) = told(
        &now,
        &[&baseline[..], &["--without", "MS-H-05", SOME]].concat(),
    );
    assert_eq!(exit, Some(1));
    assert!(!with(&output, "fail").is_empty());
}

#[test]
fn a_run_ends_after_its_time_and_what_was_not_played_fails_it() {
    let out = tempfile::tempdir().expect("a directory can be made");
    let output = shakedown(&[
        "run",
        "--protocol",
        "mediastream",
        "--timeout",
        "300ms",
        "--out",
    ])
    .arg(out.path())
    .output()
    .expect("the program starts");
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output).contains("stopped after 300 ms; "),
        "{}",
        text(&output)
    );
}

#[test]
fn a_quiet_run_says_what_it_comes_to_and_no_more() {
    let out = tempfile::tempdir().expect("a directory can be made");
    let output = run(out.path(), &["--quiet", SOME]);
    let said = text(&output);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.contains("the built-in reference was tested"), "{said}");
    assert_eq!(output.stderr, b"");
}

#[test]
fn colours_come_and_go_as_they_are_wanted() {
    let out = tempfile::tempdir().expect("a directory can be made");
    for (when, coloured) in [("always", true), ("never", false), ("auto", false)] {
        let output = run(out.path(), &["--color", when, SOME]);
        assert_eq!(text(&output).contains("\u{1b}["), coloured, "{when}");
    }
}

#[test]
fn a_profile_gives_the_flags_that_a_call_leaves_out() {
    let project = tempfile::tempdir().expect("a directory can be made");
    let file = project.path().join("shakedown.toml");
    let called = |arguments: &[&str]| {
        let mut command = shakedown(&["run", "--force", "--out", "out", "--format", "json"]);
        let output = command.args(arguments).current_dir(project.path()).output();
        output.expect("the program starts")
    };
    let first = |output: &Output| -> Value {
        let told = text(output);
        serde_json::from_str(told.lines().next().expect("an event")).expect("an event")
    };
    let profiles = format!(
        "[profile.default]\nvirtual = true\nseed = 3\nscenarios = [\"{SOME}\"]\n\
         [profile.twin]\nvirtual = true\nwithout = \"MS-H-18\"\nscenarios = \"{SOME}\"\n"
    );
    std::fs::write(&file, profiles).expect("it can be written");
    let output = called(&[]);
    assert_eq!(
        (output.status.code(), &first(&output)["seed"]),
        (Some(0), &3.into())
    );
    assert_eq!(first(&called(&["--seed", "4"]))["seed"], 4);
    assert_eq!(called(&["--profile", "twin"]).status.code(), Some(1));
    let all = called(&["--profile", "none", "--virtual", "mediastream/3way"]);
    assert!(verdicts(&all).len() > verdicts(&output).len());
    for (profiles, arguments, error) in [
        (
            "[profile.ci]",
            &["--profile", "cj"][..],
            "no profile `cj`; there is `ci`",
        ),
        (
            "[profile.default]\nvirtaul = true",
            &[],
            "did you mean `virtual`?",
        ),
        (
            "level = \"should\"",
            &[],
            "there is no `level`; flags of `run` stand below [profile.default], waivers below [[waive]]",
        ),
        (
            "[profile.default]\njobs = 2\nlevel = \"shuold\"",
            &[],
            "--> shakedown.toml:3:9",
        ),
        ("[profile.default]\njbos = 2", &[], "--> shakedown.toml:2:1"),
        (
            "[profile.default]\nseed = {}",
            &[],
            "`seed` is a text, a number, true or false",
        ),
        ("[profile", &[], "--> shakedown.toml:1:9"),
    ] {
        std::fs::write(&file, profiles).expect("it can be written");
        let output = called(arguments);
        assert_eq!(output.status.code(), Some(2), "{profiles}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(error), "{said}");
    }
}

#[test]
fn the_clock_at_a_terminal_goes_on_while_one_scenario_plays() {
    let out = tempfile::tempdir().expect("a directory can be made");
    let folder = out.path().to_str().expect("text");
    let scenario = "mediastream/3way/responder/a-session-that-is-never-acked-is-dropped";
    let call = ["run", "--force", "--out", folder, scenario];
    let Some(mut terminal) = at_a_terminal(&call) else {
        return;
    };
    let shown = terminal.output().expect("script starts");
    let shown = String::from_utf8_lossy(&shown.stdout);
    for clock in [" 1s ", " 2s ", " 3s "] {
        let at_work = |line: &str| line.contains(clock) && line.contains("1 at work: ");
        assert!(shown.split(['\r', '\n']).any(at_work), "{clock}: {shown}");
    }
}

/// A description of the reference as a server that a script beside it starts.
const BESIDE: &str = r#"
name = "a server in a project"
protocol = "mediastream"
role = "responder"
modes = ["legacy"]
[start]
command = ["./serve.sh", "{shakedown}"]
ready = { line = "listening on" }
directory = "bin"
environment = { PORT = "{port}" }
[stream]
bits_per_second = 400000
frames_per_second = 50
seconds = 2
"#;

#[test]
fn a_program_is_found_beside_its_description_and_finds_its_environment() {
    let project = tempfile::tempdir().expect("a directory can be made");
    let folder = project.path().join("conformance");
    let program = folder.join("bin/serve.sh");
    std::fs::create_dir_all(folder.join("bin")).expect("it can be made");
    std::fs::write(folder.join("server.toml"), BESIDE).expect("it can be written");
    let script = "#!/bin/sh\nexec \"$1\" serve mediastream --mode legacy --listen 127.0.0.1:$PORT \\\n\
                  --bits-per-second 400000 --frames-per-second 50 --seconds 2\n";
    std::fs::write(&program, script).expect("it can be written");
    let called = |arguments: &[&str]| {
        let words = [
            "run",
            "--iut",
            "conformance/server.toml",
            "--out",
            "out",
            "--force",
        ];
        let scenario = "mediastream/legacy/responder/a-start-token-starts-the-whole-stream";
        let mut command = shakedown(&[&words[..], &["--format", "json"], arguments].concat());
        let output = command.arg(scenario).current_dir(project.path()).output();
        output.expect("the program starts")
    };
    let may_run = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&program, mode).expect("it can be set");
    };
    may_run(0o600);
    let output = called(&["--dry-run"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("./serve.sh cannot be started: it may not be executed"),
        "{said}"
    );
    may_run(0o700);
    let plan = text(&called(&["--dry-run"]));
    let folder = folder.canonicalize().expect("it is there");
    let started = format!(
        "started as `./serve.sh {{shakedown}}` in {}/bin, with PORT set\n",
        folder.display()
    );
    assert!(plan.contains(&started), "{plan}");
    assert_eq!(with(&called(&[]), "pass").len(), 1);
}

#[test]
fn waivers_of_a_project_count_for_its_implementations_and_fail_where_they_are_not_needed() {
    let project = tempfile::tempdir().expect("a directory can be made");
    let put = |name: &str, text: &str| {
        std::fs::write(project.path().join(name), text).expect("it can be written");
    };
    // It does not repeat its SYN-ACK.
    let twin = "name = \"a twin\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"3way\"]\n\
         [start]\ncommand = [\"{shakedown}\", \"serve\", \"mediastream\", \"--mode\", \"3way\", \"--listen\", \
         \"{address}\", \"--without\", \"MS-H-18\", \"--bits-per-second\", \"400000\", \
         \"--frames-per-second\", \"50\", \"--seconds\", \"2\"]\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n";
    put("twin.toml", twin);
    let waiver = |requirement: &str, more: &str| {
        let text = format!("requirement = \"{requirement}\"\nbecause = \"known\"\n{more}");
        put("shakedown.toml", &format!("[[waive]]\n{text}"));
    };
    let called = |arguments: &[&str]| {
        let words = [
            "run",
            "--iut",
            "twin.toml",
            "--out",
            "out",
            "--force",
            "--format",
            "json",
        ];
        let mut command = shakedown(&[&words[..], arguments].concat());
        let output = command.current_dir(project.path()).output();
        output.expect("the program starts")
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let failing = ["mediastream/3way/responder/a-lost-syn-ack-is-repeated-once"];
    let failed = called(&failing);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    waiver("MS-H-18", "until = \"9999-01-01\"\n");
    assert_eq!(called(&failing).status.code(), Some(0));
    waiver(
        "MS-H-18",
        "until = \"9999-01-01\"\nimplementation = \"another\"\n",
    );
    assert_eq!(called(&failing).status.code(), Some(1));
    waiver(
        "MS-H-18",
        "until = \"2020-01-01\"\nimplementation = \"a twin\"\n",
    );
    let past = called(&["--dry-run"]);
    assert_eq!(past.status.code(), Some(1));
    let error = said(&past);
    assert!(
        error.contains(
            "a twin: the waiver of MS-H-18 (shakedown.toml) counts until 2020-01-01 only"
        ),
        "{error}"
    );
    waiver("MS-H-81", "until = \"soon\"\n");
    let error = said(&called(&["--dry-run"]));
    assert!(
        error.contains("no protocol has a requirement `MS-H-81`"),
        "{error}"
    );
    waiver(
        "MS-H-18",
        "until = \"soon\"\nscenario = \"x\"\nfor = \"me\"\n",
    );
    let error = said(&called(&["--dry-run"]));
    for wrong in [
        "shakedown.toml:4:9",
        "no date",
        "no scenario of mediastream",
        "`for`",
    ] {
        assert!(error.contains(wrong), "{wrong}: {error}");
    }
}
