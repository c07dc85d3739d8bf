//! Every faulty twin of a reference is found by the scenarios about the requirement that it breaks, in
//! virtual time, and under that requirement.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use rstest::rstest;
use shakedown_engine::scenario::{Library, Scenario};
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::{Protocol, Twin};

#[rstest]
#[case("mediastream")]
#[case("proton")]
fn a_twin_is_found_under_the_requirement_that_it_breaks(#[case] id: &str) {
    let protocol = shakedown_protocol::protocol(id).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let library = Library::read(&[folder.join(id).join("scenarios")]);
    let library = library.unwrap_or_else(|problems| panic!("{problems}"));
    let scenarios: Vec<_> = library
        .scenarios()
        .iter()
        .map(|one| &one.scenario)
        .collect();
    let mut missed = Vec::new();
    for twin in protocol.twins {
        let requirement = protocol.requirement(twin.requirement()).unwrap();
        let roles = requirement.roles.iter();
        for role in roles.filter(|role| twin.role.is_none_or(|one| one == **role)) {
            let about = scenarios.iter().copied().filter(|scenario| {
                scenario.iut.role == *role && scenario.requirements.contains(&requirement.id)
            });
            if !find(protocol, twin, about) {
                missed.push((twin.name, protocol.side(*role), twin.fault));
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

/// Whether one of the scenarios finds the twin.
fn find<'s>(
    protocol: &'static Protocol,
    twin: &Twin,
    mut scenarios: impl Iterator<Item = &'s Scenario>,
) -> bool {
    let settings = Settings {
        without: Some(twin.name),
        ..Settings::default()
    };
    scenarios.any(|scenario| {
        let composed = simulate(protocol, scenario, &settings).unwrap().composed;
        let mut findings = composed.findings.iter();
        composed.verdict.verdict == Verdict::Fail
            && findings.any(|finding| finding.requirement == twin.requirement())
    })
}
