//! What tests have in common that play the committed scenarios.

use std::path::Path;

use shakedown_engine::scenario::{Library, Scenario};
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::Protocol;

/// Plays those scenarios of the protocol in virtual time; each that is not passed, and why.
pub(crate) fn failures(
    protocol: &'static Protocol,
    settings: &Settings,
    is_played: impl Fn(&Scenario) -> bool,
) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let folder = folder.join(protocol.id).join("scenarios");
    let library = Library::read(&[folder]).unwrap_or_else(|problems| panic!("{problems}"));
    let scenarios = library.scenarios().iter().map(|loaded| &loaded.scenario);
    let mut failed = Vec::new();
    for scenario in scenarios.filter(|scenario| is_played(scenario)) {
        let composed = simulate(protocol, scenario, settings).unwrap().composed;
        if composed.verdict.verdict != Verdict::Pass {
            let found = composed.findings.iter();
            let found: Vec<_> = found
                .map(|finding| format!("{}: {}", finding.requirement, finding.message))
                .collect();
            let why = composed.verdict.reason.unwrap_or_default();
            failed.push(format!("{}: {why} {}", scenario.id, found.join("; ")));
        }
    }
    failed
}
