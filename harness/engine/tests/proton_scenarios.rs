//! Every scenario of proton in virtual time, in each profile that it suits.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;

use rstest::rstest;
use shakedown_engine::scenario::Loaded;
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::proton::PROTOCOL;

#[path = "scenario_snapshots/not_judged.rs"]
mod not_judged;

use not_judged::not_judged;

#[rstest]
fn the_reference_passes(#[files("../../vectors/proton/scenarios/**/*.json")] path: PathBuf) {
    let loaded = Loaded::read(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let modes = match loaded.scenario.iut.mode.as_str() {
        "any" => PROTOCOL.modes,
        one => &[one],
    };
    for mode in modes {
        let mut scenario = loaded.scenario.clone();
        (*mode).clone_into(&mut scenario.iut.mode);
        let simulated = simulate(&PROTOCOL, &scenario, &Settings::default()).unwrap();
        let verdict = &simulated.composed.verdict;
        assert_eq!(verdict.verdict, Verdict::Pass, "{mode}: {simulated:#?}");
        let silent = not_judged(&PROTOCOL, &scenario, verdict);
        assert!(
            silent.is_empty(),
            "listed and judged by nothing in {mode}: {silent:?}"
        );
    }
}
