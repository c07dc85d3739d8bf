//! Every faulty twin of a reference is caught by a scenario, in virtual time, under the requirement that
//! it breaks; but those that are known to escape.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it saw"
)]

#[path = "support/exceptions.rs"]
mod exceptions;

use std::path::Path;

use rstest::rstest;
use shakedown_engine::scenario::{Library, Scenario};
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::twins::TwinInRole;
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::PROTOCOLS;
use shakedown_protocol::mediastream::PROTOCOL as MEDIA;
use shakedown_protocol::requirement::Role;

use exceptions::{Exception, exceptions};

/// Tests that share the twins of a protocol, to run side by side.
const SHARES: usize = 12;

/// The twins that no scenario catches yet.
fn escaping() -> Vec<Exception> {
    exceptions(|lacks| lacks == "catch")
}

#[rstest]
fn a_twin_is_caught_under_the_requirement_that_it_breaks(
    #[values("mediastream", "proton", "darktower")] id: &str,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)] share: usize,
) {
    let protocol = shakedown_protocol::protocol(id).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let library = Library::read(&[folder.join(id).join("scenarios")]);
    let library = library.unwrap_or_else(|problems| panic!("{problems}"));
    let scenarios: Vec<&Scenario> = library
        .scenarios()
        .iter()
        .map(|one| &one.scenario)
        .collect();
    let exceptions = escaping();
    let mut wrong = Vec::new();
    for one in TwinInRole::all(protocol).skip(share).step_by(SHARES) {
        let (twin, side) = (one.twin, protocol.side(one.role));
        let result = one.play(&scenarios).unwrap();
        let exception = exceptions
            .iter()
            .find(|it| it.of == twin.name && it.role.is_none_or(|role| role == one.role));
        let told = match (result.is_caught, exception) {
            (true, None) | (false, Some(_)) => continue,
            (true, Some(exception)) => format!("is caught, though {}", exception.because),
            (false, None) => "escapes".to_owned(),
        };
        let evidence = result.evidence.map_or_else(String::new, |it| {
            format!("{}: {} {}", it.scenario, it.requirement, it.message)
        });
        wrong.push(format!(
            "{} ({side}) {told}; {}; {evidence}",
            twin.name, twin.fault
        ));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Media that nothing confirmed breaks its own requirement wherever it breaks another: first, but where a
/// confirmation that is wrong came before it and may be what was taken.
#[rstest]
#[case::before_the_ack("MS-H-15", "3way", &["MS-H-12", "MS-H-13", "MS-W-07", "MS-W-14", "MS-W-16"])]
#[case::before_the_start_confirm("MS-S-04", "start3", &["MS-S-19", "MS-W-07", "MS-W-14"])]
fn media_before_its_time_is_named_with_what_follows_from_it(
    #[case] twin: &'static str,
    #[case] mode: &str,
    #[case] of_confirmations: &[&str],
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/mediastream/scenarios");
    let library = Library::read(&[folder.join(mode)]);
    let library = library.unwrap_or_else(|problems| panic!("{problems}"));
    let settings = Settings {
        without: Some(twin),
        ..Settings::default()
    };
    let scenarios = library.scenarios().iter().map(|one| &one.scenario);
    let mut failed = 0;
    for scenario in scenarios.filter(|one| one.iut.role == Role::Responder) {
        // A flood of requests brings more media than is recorded.
        let Ok(played) = simulate(&MEDIA, scenario, &settings) else {
            continue;
        };
        let composed = played.composed;
        if composed.verdict.verdict != Verdict::Fail {
            continue;
        }
        failed += 1;
        let found = composed.findings.iter();
        let found: Vec<&str> = found.map(|finding| finding.requirement.as_str()).collect();
        let is_first = found[0] == twin || of_confirmations.contains(&found[0]);
        assert!(
            is_first && found.contains(&twin),
            "{}: {found:?}",
            scenario.id
        );
    }
    assert!(failed > 20, "{failed}");
}

#[test]
fn an_exception_names_a_twin() {
    for exception in escaping() {
        let mut twins = PROTOCOLS.iter().flat_map(|protocol| protocol.twins);
        let is_twin = twins.any(|twin| twin.name == exception.of);
        assert!(is_twin, "there is no twin {}", exception.of);
    }
}
