//! The reference through networks that lose, repeat, swap, damage and delay: no scenario over QUIC
//! fails for that, and what the monitor sees at the reference's edge breaks no requirement.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;

use rstest::rstest;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Loaded;
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::verdict::Verdict;

const NETWORKS: [&str; 4] = [
    "loss=0.2,duplicate=0.1,reorder=0.2,corrupt=0.05",
    "delay=20ms..80ms,jitter=30ms,loss=0.05",
    "duplicate=0.3,reorder=0.3,rate=20000",
    "outage=1s..3s,rate=20000",
];

#[rstest]
fn no_scenario_fails_for_what_the_network_did(
    #[files("../../vectors/proton/scenarios/**/*.json")] path: PathBuf,
) {
    let loaded = Loaded::read(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let scenario = &loaded.scenario;
    let protocol = shakedown_protocol::protocol("proton").unwrap();
    for (seed, network) in (1..).zip(NETWORKS) {
        let settings = Settings {
            impair: Some(network.parse::<Impairment>().unwrap()),
            seed,
            ..Settings::default()
        };
        let composed = simulate(protocol, scenario, &settings).unwrap().composed;
        let is_fair = matches!(
            composed.verdict.verdict,
            Verdict::Pass | Verdict::Inconclusive
        );
        assert!(is_fair, "{network}, seed {seed}: {composed:#?}");
    }
}
