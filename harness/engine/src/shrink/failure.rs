use shakedown_protocol::requirement::Role;

use super::CandidateVerdict;
use crate::event::{FindingEvent, VerdictEvent};
use crate::verdict::Verdict;

/// What makes two failures the same: the requirement, and who breaks it. What a finding says of the
/// moment and of the bytes is no part of it, for that changes with every step that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub requirement: String,
    pub party: Role,
}

impl Failure {
    /// What a scenario for an implementation in this role fails by: its first finding that counts.
    #[must_use]
    pub fn of(party: Role, findings: &[FindingEvent]) -> Option<Self> {
        let first = findings.iter().find(|finding| finding.counts())?;
        Some(Self {
            requirement: first.requirement.clone(),
            party,
        })
    }

    /// What a played candidate, for an implementation in the role `party`, is beside this failure.
    #[must_use]
    pub fn judge(
        &self,
        party: Role,
        verdict: &VerdictEvent,
        findings: &[FindingEvent],
    ) -> CandidateVerdict {
        let mut counting = findings.iter().filter(|finding| finding.counts());
        let is_same = |finding: &FindingEvent| finding.requirement == self.requirement;
        if party == self.party && counting.clone().any(is_same) {
            return CandidateVerdict::Same;
        }
        if let Some(other) = counting.next() {
            return CandidateVerdict::Other(other.requirement.clone());
        }
        match verdict.verdict {
            Verdict::Pass
            | Verdict::Advice
            | Verdict::Waived
            | Verdict::NotObserved
            | Verdict::NotApplicable => CandidateVerdict::Passes,
            Verdict::Inconclusive | Verdict::Error | Verdict::Fail => {
                let why = verdict.reason.clone();
                CandidateVerdict::CannotTell(why.unwrap_or_else(|| verdict.verdict.to_string()))
            }
        }
    }
}
