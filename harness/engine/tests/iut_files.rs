//! Descriptions of implementations: what is read, and what is said about mistakes.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use rstest::rstest;
use shakedown_engine::iut::{Date, Iut, Per, Ready};
use time::Month;

#[rstest]
fn every_committed_description_loads(#[files("../../vectors/*/*.toml")] path: PathBuf) {
    if let Err(problems) = Iut::read(&path) {
        panic!("{problems}");
    }
}

/// Section 6 of the design, as it stands there.
const DESIGN: &str = r#"
name = "acme media server 2.1"
protocol = "mediastream"
role = "responder"                 # the side that the IUT plays
modes = ["legacy", "3way"]

[start]                            # left out: it runs already, at `address`
command = ["./server", "--listen", "{address}", "--mode", "{mode}"]
ready = { line = "ready" }         # or { after = "2s" }, or { port = true }
per = "scenario"                   # or "run": one process for all scenarios
[start.options]                    # what it can switch on, and how; an option that is absent is not supported
optimistic_start = ["--optimistic"]
allow_legacy_start = ["--allow-legacy"]

[reach]
address = "127.0.0.1:{port}"       # {port}: a free one is chosen

[stream]                           # what it streams, or is asked to stream
bits_per_second = 400000
frames_per_second = 50
seconds = 2

[timing]
tolerance = 0.25                   # of every interval, besides 50 ms

[[waive]]
requirement = "MS-H-22"
because = "known, ticket 417"
until = "2027-03-01"               # a waiver that matches nothing, or is past, fails the run
"#;

#[test]
fn the_example_of_the_design_is_read_as_it_stands() {
    let iut = Iut::parse("design.toml", DESIGN).unwrap_or_else(|problems| panic!("{problems}"));
    let start = iut.start.as_ref().unwrap();
    assert_eq!(start.ready, Ready::Line("ready".to_owned()));
    assert_eq!(start.per, Per::Scenario);
    assert_eq!(start.grace.as_fixed(), Some(Duration::from_secs(2)));
    let options: Vec<_> = start.options.keys().collect();
    assert_eq!(options, ["optimistic_start", "allow_legacy_start"]);
    assert_eq!(iut.stream.frame_bytes(), 1000);
    assert_eq!(
        iut.timing.buffer_period.as_fixed(),
        Some(Duration::from_secs(5))
    );
    assert_eq!(iut.waive.len(), 1);
}

#[test]
fn commands_run_in_the_folder_of_the_description_or_in_a_directory_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("build")).unwrap();
    let file = folder.path().join("x.toml");
    std::fs::write(&file, DESIGN).unwrap();
    assert_eq!(Iut::read(&file).unwrap().directory(), folder.path());
    let below = DESIGN.replace("[start] ", "[start]\ndirectory = \"build\"\n");
    std::fs::write(&file, below).unwrap();
    assert_eq!(
        Iut::read(&file).unwrap().directory(),
        folder.path().join("build")
    );
    let text_alone = Iut::parse("x.toml", DESIGN).unwrap();
    assert_eq!(text_alone.directory(), Path::new(""));
}

#[test]
fn what_the_environment_tells_need_not_be_in_the_command() {
    let command = r#"command = ["./server", "--listen", "{address}", "--mode", "{mode}"]"#;
    let told = "command = [\"./server\"]\nenvironment = { PORT = \"{port}\", MODE = \"{mode}\" }";
    let iut = Iut::parse("x.toml", &DESIGN.replace(command, told));
    let iut = iut.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(iut.start.unwrap().environment["PORT"], "{port}");
}

#[test]
fn a_waiver_counts_up_to_its_last_day() {
    let iut = Iut::parse("design.toml", DESIGN).unwrap();
    let last = Date::from_calendar_date(2027, Month::March, 1).unwrap();
    assert!(!iut.waive[0].is_past(last));
    assert!(iut.waive[0].is_past(last.next_day().unwrap()));
}

#[test]
fn a_responder_that_is_told_an_address_is_reached_at_a_free_port() {
    let text = DESIGN.replace("[reach]\naddress = \"127.0.0.1:{port}\"", "");
    let iut = Iut::parse("design.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(iut.reach.unwrap().address, "127.0.0.1:{port}");
}

#[rstest]
fn a_bad_description_is_refused_with_line_and_suggestion(
    #[files("tests/bad-descriptions/*.toml")] path: PathBuf,
) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let shown = Path::new("bad-descriptions").join(name);
    let problems = Iut::parse(shown.to_str().unwrap(), &text).unwrap_err();
    insta::with_settings!({ snapshot_path => "bad-descriptions/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name.trim_end_matches(".toml"), problems.to_string());
    });
}

#[test]
fn deep_nesting_in_every_shape_is_an_error_and_no_crash() {
    let n = 100_000;
    for text in [
        format!("a = {}", "[".repeat(n)),
        format!("a = {}{}", "[".repeat(n), "]".repeat(n)),
        format!("a = {}", "{ a = ".repeat(n)),
        format!("{}a = 1", "a.".repeat(n)),
        format!("[{}a]", "a.".repeat(n)),
        format!("a = {{ {}a = 1 }}", "a.".repeat(n)),
    ] {
        assert!(Iut::parse("deep.toml", &text).is_err());
    }
}
