//! What findings and evidence come to: a verdict on each requirement, and one on the scenario.

use indexmap::IndexMap;

use super::Verdict;
use super::counters::Counter;
use super::evidence::Evidence;
use crate::event::FindingEvent;
use crate::script::ScriptOutcome;

impl Evidence<'_> {
    pub(super) fn requirements(&self, findings: &[FindingEvent]) -> IndexMap<String, Verdict> {
        let own = self.scenario.requirements.iter();
        let rest = (self.protocol.requirements)().iter().map(|rule| &rule.id);
        let rest = rest.filter(|id| {
            let found = findings.iter().any(|finding| finding.requirement == **id);
            found || self.is_judged(id) || self.is_doubtful(id)
        });
        let all = own.chain(rest);
        all.map(|id| (id.clone(), self.requirement(id, findings)))
            .collect()
    }

    fn requirement(&self, id: &str, findings: &[FindingEvent]) -> Verdict {
        let mut of_it = findings
            .iter()
            .filter(|finding| finding.requirement == id)
            .peekable();
        if of_it.peek().is_some() {
            return of_it.map(weight).fold(Verdict::Pass, Verdict::max);
        }
        if self.is_doubtful(id) {
            return Verdict::Inconclusive;
        }
        if let Some(verdict) = self.inner_verdict(id) {
            return verdict;
        }
        if self.is_judged(id) {
            return match self.capture.damage {
                Some(_) => Verdict::Inconclusive,
                None => Verdict::Pass,
            };
        }
        if self.judgements.judged.contains(id) && !self.is_in_doubt() {
            return Verdict::Pass;
        }
        match self.script {
            ScriptOutcome::Passed if id == self.protocol.survival => Verdict::Pass,
            ScriptOutcome::Passed => Verdict::NotObserved,
            _ if self.is_inner(id) => Verdict::NotObserved,
            ScriptOutcome::Failed(_) if findings.iter().all(|found| !found.counts()) => {
                Verdict::NotObserved
            }
            ScriptOutcome::Failed(_) | ScriptOutcome::Inconclusive { .. } => Verdict::Inconclusive,
            ScriptOutcome::Error { .. } => Verdict::Error,
        }
    }

    /// The scenario's verdict, and why if it does not speak for itself.
    pub(super) fn verdict(
        &self,
        findings: &[FindingEvent],
        requirements: &IndexMap<String, Verdict>,
    ) -> (Verdict, Option<String>) {
        let mut verdict = Verdict::Pass;
        let mut reasons = Vec::new();
        match self.script {
            ScriptOutcome::Passed => {
                let own = self.scenario.requirements.iter();
                let doubtful: Vec<_> = own
                    .filter(|id| requirements.get(*id) == Some(&Verdict::Inconclusive))
                    .map(String::as_str)
                    .collect();
                if !doubtful.is_empty() {
                    verdict = Verdict::Inconclusive;
                    reasons.push(format!("not judged: {}", self.why_doubtful(&doubtful)));
                }
                let own = self.scenario.requirements.iter();
                let silent = own.filter(|id| requirements.get(*id) == Some(&Verdict::NotObserved));
                let silent: Vec<_> = silent.collect();
                if silent.len() == self.scenario.requirements.len() {
                    let is_hidden = silent.iter().all(|id| self.is_hidden(id));
                    verdict = verdict.max(match is_hidden {
                        true => Verdict::NotObserved,
                        false => Verdict::Inconclusive,
                    });
                    reasons.push("none of its requirements could be judged".to_owned());
                }
                let mut counted = self.counted().map(|counted| counted.requirement.as_str());
                if counted.any(|id| requirements.get(id) == Some(&Verdict::NotObserved)) {
                    verdict = verdict.max(Verdict::NotObserved);
                }
                reasons.extend(self.why_silent(&silent));
            }
            // It is a finding, by which the scenario is judged below.
            ScriptOutcome::Failed(_) => {}
            ScriptOutcome::Inconclusive { why, step } => {
                verdict = Verdict::Inconclusive;
                reasons.push(format!("step {step}: {why}"));
            }
            ScriptOutcome::Error { why, step } => {
                verdict = Verdict::Error;
                reasons.push(format!("step {step}: {why}"));
            }
        }
        if let Some(damage) = self.capture.damage {
            verdict = verdict.max(Verdict::Inconclusive);
            reasons.push(format!("the capture is not whole: {damage}"));
        }
        let mut advice = Vec::new();
        for finding in findings {
            let weight = weight(finding);
            let is_own = self.scenario.requirements.contains(&finding.requirement);
            if weight != Verdict::Advice || is_own || finding.step.is_some() {
                verdict = verdict.max(weight);
            }
            match &finding.waived {
                Some(because) => {
                    reasons.push(format!("{} is waived: {because}", finding.requirement))
                }
                None if finding.advisory => {
                    let (id, level) = (&finding.requirement, &finding.level);
                    advice.push(format!("{id} was not kept, which a {level} allows"));
                }
                None => {}
            }
        }
        // It explains nothing worse.
        if verdict <= Verdict::NotObserved {
            reasons.extend(advice);
        }
        let mut told = Vec::new();
        reasons.retain(|reason| {
            let is_new = !told.contains(reason);
            told.push(reason.clone());
            is_new
        });
        (verdict, (!reasons.is_empty()).then(|| reasons.join("; ")))
    }

    /// Why requirements were not observed, where the description has it.
    fn why_silent(&self, silent: &[&String]) -> Vec<String> {
        let untold = silent
            .iter()
            .filter(|id| self.judgements.untold.contains(**id));
        let untold: Vec<_> = untold.map(|id| id.as_str()).collect();
        let untold = (!untold.is_empty()).then(|| {
            let ids = untold.join(", ");
            format!(
                "not observed: {ids}, which only its exit status would show (status_tells = false)"
            )
        });
        let unseen = self
            .counted()
            .filter_map(|counted| match counted.of(self.counters) {
                Some(Counter::Unseen(why)) => {
                    Some(format!("not observed: {}, for {why}", counted.requirement))
                }
                Some(Counter::Is(_) | Counter::Unreadable(_)) | None => None,
            });
        unseen.chain(untold).collect()
    }

    /// The reasons of the monitor or the counters why requirements could not be judged, or their ids.
    fn why_doubtful(&self, ids: &[&str]) -> String {
        let why = ids.iter().map(|id| {
            let doubts = self.doubts().filter(|doubt| doubt.requirement == *id);
            let unreadable =
                self.counted()
                    .filter_map(|counted| match counted.of(self.counters) {
                        Some(Counter::Unreadable(why)) if counted.requirement == *id => Some(why),
                        Some(Counter::Is(_) | Counter::Unseen(_) | Counter::Unreadable(_))
                        | None => None,
                    });
            match doubts.map(|doubt| &doubt.got).chain(unreadable).next() {
                Some(why) => format!("{id} ({why})"),
                None => (*id).to_owned(),
            }
        });
        why.collect::<Vec<_>>().join(", ")
    }
}

/// What a finding makes of its requirement.
const fn weight(finding: &FindingEvent) -> Verdict {
    match (&finding.waived, finding.advisory) {
        (Some(_), _) => Verdict::Waived,
        (None, true) => Verdict::Advice,
        (None, false) => Verdict::Fail,
    }
}
