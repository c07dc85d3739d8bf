//! What a swarm finds in a faulty twin of the reference fails as a scenario too, and the reference
//! passes it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

use rstest::rstest;
use shakedown_engine::explore::Trace;
use shakedown_engine::explore::swarm::Swarm;
use shakedown_engine::scenario::Loaded;
use shakedown_engine::simulation::{Settings, Simulated, simulate};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::exploration::{RunSettings, SideChoice};
use shakedown_protocol::mediastream::PROTOCOL;

/// The first trace in which a twin shows what it lacks.
fn found(mode: &str, without: &str) -> Trace {
    let swarm = Swarm {
        protocol: &PROTOCOL,
        settings: RunSettings {
            initiator: SideChoice::Mode(mode.to_owned()),
            responder: SideChoice::Mode(mode.to_owned()),
            without: vec![without.to_owned()],
        },
    };
    let mut traces = (0..400).filter_map(|seed| {
        let run = swarm.run(seed).expect("the reference is started");
        let mut violations = run.violations.into_iter();
        let violation = violations.find(|one| one.requirement == without)?;
        let evidence = swarm.evidence(seed).expect("it is played again");
        Some(Trace {
            violation: Some(violation),
            ..evidence.trace.expect("two sides have a trace")
        })
    });
    traces.next().expect("the twin is found")
}

fn played(loaded: &Loaded, without: Option<&'static str>) -> Simulated {
    let settings = Settings {
        without,
        ..Settings::default()
    };
    simulate(&PROTOCOL, &loaded.scenario, &settings).expect("it can be played")
}

#[rstest]
#[case::syn_ack_once("3way", "MS-H-18")]
#[case::wrong_ack("3way", "MS-H-09")]
#[case::ack_once("3way", "MS-H-11")]
#[case::early_media("3way", "MS-H-15")]
#[case::unnamed_media("3way", "MS-H-16")]
#[case::early_media_in_start3("start3", "MS-S-04")]
#[case::start_confirm_once("start3", "MS-S-12")]
#[case::start_ack_once("start3", "MS-S-13")]
fn a_trace_of_a_twin_is_a_scenario_that_the_twin_fails_and_the_reference_passes(
    #[case] mode: &str,
    #[case] without: &'static str,
) {
    let trace = found(mode, without);
    let loaded = trace.scenario("replayed", None).expect("it is a scenario");
    let twin = played(&loaded, Some(without));
    let text = &loaded.text;
    let ladder = trace.ladder(false);
    assert_eq!(
        twin.composed.verdict.verdict,
        Verdict::Fail,
        "{ladder}\n{text}"
    );
    let broken = twin
        .composed
        .findings
        .iter()
        .map(|found| &found.requirement);
    assert!(
        broken.into_iter().any(|id| id == without),
        "{ladder}\n{text}"
    );
    let healthy = played(&loaded, None);
    let verdict = healthy.composed.verdict;
    assert_eq!(
        verdict.verdict,
        Verdict::Pass,
        "{verdict:?}\n{ladder}\n{text}"
    );
}

#[test]
fn a_trace_in_which_nothing_is_broken_is_no_scenario() {
    let mut trace = found("3way", "MS-H-18");
    trace.violation = None;
    let why = trace
        .scenario("replayed", None)
        .expect_err("nothing is broken");
    assert!(why.contains("no violation"), "{why}");
}
