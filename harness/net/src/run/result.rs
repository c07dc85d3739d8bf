use std::time::Duration;

use indexmap::IndexMap;
use shakedown_engine::event::VerdictEvent;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::verdict::Verdict;

/// A scenario and its verdict.
#[derive(Debug)]
pub(super) struct ScenarioResult {
    pub(super) verdict: VerdictEvent,
    /// Indices of the waivers of its target that matched.
    pub(super) waived: Vec<usize>,
    pub(super) notes: Vec<String>,
}

impl ScenarioResult {
    /// The result of a scenario that was not played.
    pub(super) fn not_played(
        scenario: &Scenario,
        why: String,
        verdict: Verdict,
        took: Duration,
    ) -> Self {
        let requirements = scenario.requirements.iter();
        let requirements: IndexMap<_, _> = requirements
            .map(|requirement| (requirement.clone(), verdict))
            .collect();
        let verdict = VerdictEvent {
            scenario: scenario.id.clone(),
            title: scenario.title.clone(),
            verdict,
            reason: Some(why),
            requirements,
            capture: None,
            seconds: took.as_secs_f64(),
            process: None,
        };
        Self {
            verdict,
            waived: Vec::new(),
            notes: Vec::new(),
        }
    }
}
