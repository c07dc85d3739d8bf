//! Every scenario of proton, played against the reference over a network of streams without QUIC.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "proton_scenarios/faults.rs"]
mod faults;
#[path = "proton_scenarios/play.rs"]
mod play;

use std::path::PathBuf;

use play::{against_client, against_server, client, environment, needs_two_endpoints, server};
use rstest::rstest;
use shakedown_engine::scenario::Loaded;
use shakedown_engine::script::ScriptOutcome;
use shakedown_engine::script::streams::StreamScript;
use shakedown_protocol::proton::Profile;
use shakedown_protocol::requirement::Role;

#[rstest]
fn the_reference_passes(#[files("../../vectors/proton/scenarios/**/*.json")] path: PathBuf) {
    let loaded = Loaded::read(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let scenario = &loaded.scenario;
    let modes = match scenario.iut.mode.as_str() {
        "any" => vec!["push", "pull"],
        one => vec![one],
    };
    for mode in modes {
        let profile: Profile = mode.parse().unwrap();
        let script = StreamScript::new(scenario, environment(scenario));
        let (outcome, events) = match scenario.iut.role {
            Role::Responder if needs_two_endpoints(scenario) => continue,
            Role::Responder => against_server(script, server(scenario, profile)),
            Role::Initiator => {
                against_client(script, client(scenario, profile), |output| vec![output])
            }
        };
        assert_eq!(outcome, Some(ScriptOutcome::Passed), "{mode}: {events}");
    }
}
