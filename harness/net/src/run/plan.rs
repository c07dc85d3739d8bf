//! The plan of a run.

use std::path::PathBuf;
use std::time::Duration;

use shakedown_engine::event::RunPlan;
use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Scenario;
use shakedown_protocol::protocol;
use shakedown_protocol::requirement::Level;

use super::target::{pause_after, serves_one};
use super::{CaptureBy, why_not_applicable};
use crate::drive::wait;

/// The longest that a scenario may wait in real time unless slow ones are asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The plan of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Scenarios against implementations, one implementation each.
    pub assignments: Vec<Assignment>,
    /// The plan that is reported before a run.
    pub told: RunPlan,
    /// How many scenarios are played at the same time.
    pub jobs: usize,
    pub seed: u64,
    /// The folder of the captures; it is made if need be.
    pub captures: PathBuf,
    /// How packets are recorded.
    pub capture: CaptureBy,
    /// What the network does to each scenario that does not say it itself; what a script misses
    /// through it is not the implementation's fault.
    pub impair: Option<Impairment>,
    /// Id of a requirement that the reference violates, in virtual time only: a twin.
    pub without: Option<&'static str>,
    /// Whether scenarios are played, too, that wait for more than a minute; in virtual time they are
    /// always.
    pub slow: bool,
    /// The weakest level whose findings count.
    pub level: Level,
    /// Retries of a doubtful failure; if one passes, it counts as a pass. With 0 there is one
    /// retry, and a pass is flaky.
    pub retries: u32,
    /// Whether the run ends with the first scenario that fails.
    pub fail_fast: bool,
    /// How long the run may take in real time; what is not played by then fails it.
    pub timeout: Option<Duration>,
    /// Whether every step is reported.
    pub verbose: bool,
    /// This program, for `{shakedown}` in IUT descriptions.
    pub shakedown: String,
}

/// Scenarios to be played against one implementation.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub iut: Iut,
    pub scenarios: Vec<Scenario>,
    /// Whether these are all that there are for it, or with those of the other parts: then a waiver that
    /// matches nothing fails.
    pub is_full: bool,
}

impl Plan {
    /// What the implementations are called.
    pub(super) fn names(&self) -> String {
        let names = self.assignments.iter().map(|one| one.iut.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Assignment {
    /// How many of the scenarios ask for what the implementation does not claim, and how many of the
    /// others wait for too long for a run that is not `slow`.
    #[must_use]
    pub fn left_out(&self, slow: bool) -> (usize, usize) {
        let applies = |scenario: &&Scenario| why_not_applicable(&self.iut, scenario).is_none();
        let applicable = self.scenarios.iter().filter(applies).count();
        let too_slow = match slow {
            true => 0,
            false => too_slow(&self.iut, &self.scenarios).len(),
        };
        (self.scenarios.len() - applicable, too_slow)
    }

    /// Those that a run plays, which is `slow` or not.
    pub fn played(&self, slow: bool) -> impl Iterator<Item = &Scenario> {
        self.scenarios.iter().filter(move |scenario| {
            why_not_applicable(&self.iut, scenario).is_none()
                && (slow || why_too_slow(scenario, &self.iut).is_none())
        })
    }

    /// How long they take at least, where the implementation is played against one after the other, with the
    /// pauses between them.
    #[must_use]
    pub fn in_turn(&self, slow: bool) -> Option<Duration> {
        let protocol = protocol(&self.iut.protocol)?;
        serves_one(protocol, &self.iut).then(|| {
            let played = self.played(slow);
            let all = played.map(|it| wait(it, &self.iut) + pause_after(protocol, it));
            all.sum()
        })
    }
}

/// The scenarios that apply to an implementation, but are left out of a run in real time.
pub(super) fn too_slow<'a>(iut: &Iut, scenarios: &'a [Scenario]) -> Vec<&'a Scenario> {
    let is_left_out = |scenario: &&Scenario| {
        why_not_applicable(iut, scenario).is_none() && why_too_slow(scenario, iut).is_some()
    };
    scenarios.iter().filter(is_left_out).collect()
}

/// Why a scenario is left out of a run in real time, if it waits for very long.
pub(super) fn why_too_slow(scenario: &Scenario, iut: &Iut) -> Option<String> {
    (wait(scenario, iut) > LONGEST_WAIT).then(|| {
        format!(
            "it waits for more than {} s: --slow plays it in real time, --virtual in no time",
            LONGEST_WAIT.as_secs()
        )
    })
}
