//! A server with all services of darktower on one port is judged by the scenarios of each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests may fail so, and read files"
)]

use std::path::PathBuf;

use rstest::rstest;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::Loaded;
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::darktower::PROTOCOL;
use shakedown_protocol::requirement::{Level, Role};

/// The reference, which has these modes.
fn described(modes: &str) -> Iut {
    let text = include_str!("../../../vectors/darktower/reference-server.toml");
    let lines = text.lines().map(|line| match line.starts_with("modes") {
        true => format!("modes = [{modes}]"),
        false => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Iut::parse("all.toml", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[rstest]
fn the_reference_with_all_services_passes(
    #[files("../../vectors/darktower/scenarios/**/server/*.json")] path: PathBuf,
) {
    let loaded = Loaded::read(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let iut = described("\"gc,mc,mh\"");
    let scenario = loaded.scenario.asked_of(&iut);
    assert_eq!(scenario.iut.mode, "gc,mc,mh");
    let settings = Settings::of(&iut, 1, Level::Should);
    let simulated = simulate(&PROTOCOL, &scenario, &settings).unwrap();
    let verdict = &simulated.composed.verdict;
    assert_eq!(verdict.verdict, Verdict::Pass, "{simulated:#?}");
}

#[rstest]
#[case::that_is_claimed("\"mc\", \"gc,mc,mh\"", "mc", Some("mc"))]
#[case::among_several("\"gc\", \"mc,mh\"", "mh", Some("mc,mh"))]
#[case::that_is_not_there("\"gc\", \"mc\"", "gc,mc", None)]
fn a_scenario_is_played_in_the_mode(
    #[case] claimed: &str,
    #[case] mode: &str,
    #[case] played: Option<&str>,
) {
    assert_eq!(described(claimed).mode_for(mode), played);
}

#[test]
fn a_client_that_uses_several_services_is_another_than_one_that_uses_one() {
    let mut iut = described("\"gc,mc\"");
    iut.role = Role::Initiator;
    assert_eq!(iut.mode_for("mc"), None);
    assert_eq!(iut.mode_for("gc,mc"), Some("gc,mc"));
}
