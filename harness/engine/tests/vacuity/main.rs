//! No scenario is vacuous: without its expectations, taken away one after the other, a faulty twin that it
//! catches gets away.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it saw"
)]

#[path = "../support/exceptions.rs"]
mod exceptions;
mod weaken;

use std::collections::BTreeSet;
use std::path::Path;

use rstest::rstest;
use shakedown_engine::scenario::{Library, Scenario};
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::twins::TwinInRole;
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::requirement::Level;
use shakedown_protocol::{PROTOCOLS, Protocol};

use exceptions::{Exception, exceptions};
use weaken::{expectations, weaker};

/// Tests that share the scenarios of a protocol, to run side by side.
const SHARES: usize = 12;

/// A twin that has not got away after so many expectations is caught by what is no expectation.
const MOST: usize = 12;

/// The scenarios whose expectations no twin needs.
fn vacuous() -> Vec<Exception> {
    exceptions(|lacks| lacks == "need")
}

/// By what a scenario fails: the step; `None` where the monitor alone tells, or the end of the process.
struct Fall(Option<String>);

/// How the reference, or a twin of it, fails; `None` if it does not.
fn fall(
    protocol: &'static Protocol,
    scenario: &Scenario,
    without: Option<&'static str>,
) -> Option<Fall> {
    let settings = Settings {
        without,
        level: Level::May,
        ..Settings::default()
    };
    let composed = simulate(protocol, scenario, &settings).ok()?.composed;
    let is_wrong = match without {
        None => matches!(composed.verdict.verdict, Verdict::Fail | Verdict::Error),
        Some(_) => composed.verdict.verdict == Verdict::Fail,
    };
    let mut counting = composed.findings.into_iter().filter(|found| found.counts());
    is_wrong.then(|| Fall(counting.find_map(|found| found.step)))
}

/// What a twin shows of a scenario.
enum Shown {
    /// The scenario does not catch it.
    Nothing,
    /// It is caught by a step that cannot expect less.
    Stuck(String),
    /// The monitor catches it whatever the steps expect: what the scenario does is needed for that.
    Stimulus,
    /// It gets away without these steps' expectations.
    Expectations(Vec<String>),
}

/// Takes away one expectation after the other, each the one by which the twin is caught, until it gets
/// away. What the reference does not pass is no scenario.
fn show(protocol: &'static Protocol, scenario: &Scenario, twin: &'static str) -> Shown {
    let mut caught = fall(protocol, scenario, Some(twin));
    if caught.is_none() {
        return Shown::Nothing;
    }
    let mut less = serde_json::to_value(scenario).unwrap();
    let mut gone = Vec::new();
    while let Some(Fall(step)) = caught {
        let Some(step) = step else {
            return Shown::Stimulus;
        };
        let place = expectations(&less)
            .into_iter()
            .find(|(path, _)| *path == step);
        let Some((_, place)) = place.filter(|_| gone.len() < MOST) else {
            return Shown::Stuck(step);
        };
        let next = weaker(less.pointer(&place).unwrap(), scenario, protocol).find_map(|variant| {
            let mut candidate = less.clone();
            *candidate.pointer_mut(&place).unwrap() = variant;
            let played: Scenario = serde_json::from_value(candidate.clone()).ok()?;
            if fall(protocol, &played, None).is_some() {
                return None;
            }
            let still = fall(protocol, &played, Some(twin));
            let has_moved = still
                .as_ref()
                .is_none_or(|Fall(at)| at.as_ref() != Some(&step));
            has_moved.then_some((candidate, still))
        });
        let Some((candidate, still)) = next else {
            return Shown::Stuck(step);
        };
        gone.push(step);
        (less, caught) = (candidate, still);
    }
    Shown::Expectations(gone)
}

/// The twins that a scenario may catch: those of the requirements that it lists.
fn suspects(protocol: &'static Protocol, scenario: &Scenario) -> Vec<&'static str> {
    let suspects = TwinInRole::all(protocol).filter(|one| {
        let mut listed = scenario.requirements.iter();
        one.role == scenario.iut.role && listed.any(|id| id == one.twin.requirement())
    });
    suspects.map(|one| one.twin.name).collect()
}

fn library(protocol: &Protocol) -> Library {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let library = Library::read(&[folder.join(protocol.id).join("scenarios")]);
    library.unwrap_or_else(|problems| panic!("{problems}"))
}

#[rstest]
fn the_expectations_of_a_scenario_are_needed_by_a_twin(
    #[values("mediastream", "proton", "darktower")] id: &str,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)] share: usize,
) {
    let protocol = shakedown_protocol::protocol(id).unwrap();
    let exceptions = vacuous();
    let mut wrong = Vec::new();
    for loaded in library(protocol)
        .scenarios()
        .iter()
        .skip(share)
        .step_by(SHARES)
    {
        let scenario = &loaded.scenario;
        let mut stuck = Vec::new();
        let mut suspects = suspects(protocol, scenario).into_iter();
        let needs = suspects.find(|twin| match show(protocol, scenario, twin) {
            Shown::Nothing => false,
            Shown::Stuck(step) => {
                stuck.push(format!("{twin} at step {step}"));
                false
            }
            Shown::Stimulus | Shown::Expectations(_) => true,
        });
        let exception = exceptions.iter().find(|one| one.of == scenario.id);
        match (needs, exception) {
            (Some(_), None) | (None, Some(_)) => {}
            (Some(twin), Some(_)) => {
                wrong.push(format!("{} is no exception: {twin} needs it", scenario.id));
            }
            (None, None) => wrong.push(format!("{} is vacuous; {stuck:?}", scenario.id)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_exception_names_a_scenario() {
    let ids: Vec<String> = PROTOCOLS
        .into_iter()
        .flat_map(|protocol| library(protocol).scenarios().to_vec())
        .map(|loaded| loaded.scenario.id)
        .collect();
    for exception in vacuous() {
        assert!(
            ids.contains(&exception.of),
            "there is no scenario {}",
            exception.of
        );
    }
}

/// `make vacuity`: how many expectations there are, and which of them a twin needs.
#[rstest]
#[ignore = "it plays every twin of each scenario: minutes"]
fn every_expectation_is_counted(#[values("mediastream", "proton", "darktower")] id: &str) {
    let protocol = shakedown_protocol::protocol(id).unwrap();
    let (mut scenarios, mut all, mut needed, mut own) = ([0; 4], 0, 0, 0);
    for loaded in library(protocol).scenarios() {
        let scenario = &loaded.scenario;
        let steps = expectations(&serde_json::to_value(scenario).unwrap()).len();
        let (mut gone, mut kind, mut is_own) = (BTreeSet::new(), 3, false);
        for twin in suspects(protocol, scenario) {
            let shown = match show(protocol, scenario, twin) {
                Shown::Nothing => continue,
                Shown::Stuck(_) => 2,
                Shown::Stimulus => 1,
                Shown::Expectations(steps) => {
                    gone.extend(steps);
                    0
                }
            };
            kind = kind.min(shown);
            is_own |= twin.split('/').next() == scenario.requirements.first().map(String::as_str);
        }
        println!(
            "{} {kind} {is_own} {}/{steps} {gone:?}",
            scenario.id,
            gone.len()
        );
        scenarios[kind] += 1;
        all += steps;
        needed += gone.len();
        own += usize::from(is_own);
    }
    let [by_steps, by_rules, stuck, vacuous] = scenarios;
    println!(
        "{id}: {} scenarios, of which twins need {by_steps} for their expectations and {by_rules} for what they do \
         alone; {stuck} cannot be weakened, {vacuous} catch no twin of what they list; {own} catch one of their first \
         requirement. {needed} of {all} expectations are needed",
        scenarios.iter().sum::<usize>()
    );
}
