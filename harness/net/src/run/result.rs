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
    /// Whether nothing was found, and nothing passed either.
    pub(super) fn is_undecided(&self) -> bool {
        self.verdict.verdict == Verdict::Inconclusive
    }

    /// It was played so often again because of what a network did to it. If that has spoilt all plays the
    /// scenario is not for this network.
    pub(super) fn note_spoilt(&mut self, times: u32) {
        if times == 0 {
            return;
        }
        let verdict = &mut self.verdict;
        let reason = match verdict.verdict {
            Verdict::Inconclusive => {
                verdict.verdict = Verdict::NotApplicable;
                let requirements = verdict.requirements.values_mut();
                for requirement in requirements.filter(|it| **it == Verdict::Inconclusive) {
                    *requirement = Verdict::NotApplicable;
                }
                let last = verdict.reason.take().unwrap_or_default();
                format!(
                    "the network spoiled all {} attempts; the last: {last}",
                    times + 1
                )
            }
            Verdict::Pass
            | Verdict::Advice
            | Verdict::Waived
            | Verdict::Fail
            | Verdict::NotApplicable
            | Verdict::NotObserved
            | Verdict::Error => {
                let own = verdict.reason.take().map(|own| format!("{own}; "));
                let own = own.unwrap_or_default();
                format!(
                    "{own}judged in attempt {}: the network spoiled those before",
                    times + 1
                )
            }
        };
        verdict.reason = Some(reason);
    }

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
