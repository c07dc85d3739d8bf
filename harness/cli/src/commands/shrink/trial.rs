use shakedown_engine::event::FindingEvent;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::shrink::{CandidateVerdict, Failure};
use shakedown_engine::verdict::Verdict;
use shakedown_report::text::clean_line;

use crate::player::{PlayResult, Player, Virtual};

/// Plays candidates and compares what they fail with what the scenario fails.
pub(super) struct Trial<'a> {
    pub(super) player: Player<'a>,
    /// The reference, which must pass each candidate as it passes the scenario.
    pub(super) guard: Option<Virtual>,
    pub(super) confirm: u32,
    /// What must stay broken; what the first play broke, if nothing else was asked for.
    pub(super) failure: Option<Failure>,
    /// What the smallest was found to break.
    pub(super) finding: Option<FindingEvent>,
    /// What became of the scenario, if it does not fail.
    pub(super) verdict: Option<String>,
}

impl Trial<'_> {
    pub(super) fn judge(&mut self, candidate: &Scenario) -> CandidateVerdict {
        if self
            .guard
            .as_ref()
            .is_some_and(|reference| !reference.passes(candidate))
        {
            return CandidateVerdict::Passes;
        }
        let mut finding = None;
        for play in 1..=self.confirm {
            let played = match self.player.play(candidate) {
                Ok(played) => played,
                Err(why) => return CandidateVerdict::CannotTell(why),
            };
            let party = candidate.iut.role;
            let known = self.failure.clone();
            let Some(failure) = known.or_else(|| Failure::of(party, &played.findings)) else {
                return self.not_failed(&played, play);
            };
            match failure.judge(party, &played.verdict, &played.findings) {
                CandidateVerdict::Same => {}
                CandidateVerdict::Passes | CandidateVerdict::CannotTell(_) => {
                    return self.not_failed(&played, play);
                }
                CandidateVerdict::Other(other) => return CandidateVerdict::Other(other),
            }
            let requirement = &failure.requirement;
            let mut findings = played.findings.into_iter();
            finding = findings.find(|one| one.requirement == *requirement && one.counts());
            self.failure = Some(failure);
        }
        self.finding = finding;
        CandidateVerdict::Same
    }

    /// What a play without a finding means.
    fn not_failed(&mut self, played: &PlayResult, play: u32) -> CandidateVerdict {
        let verdict = in_words(played);
        match played.verdict.verdict {
            Verdict::Inconclusive | Verdict::Error => CandidateVerdict::CannotTell(verdict),
            Verdict::Pass
            | Verdict::Advice
            | Verdict::Waived
            | Verdict::NotObserved
            | Verdict::NotApplicable
            | Verdict::Fail => {
                self.verdict.get_or_insert_with(|| match play {
                    1 => verdict,
                    play => format!("{verdict} in play {play}, after it failed"),
                });
                CandidateVerdict::Passes
            }
        }
    }

    pub(super) fn against(&self) -> String {
        match &self.player {
            Player::Live(live) => clean_line(&live.iut.name),
            Player::Virtual(reference) => match reference.settings.without {
                Some(id) => format!("the reference without {id} in virtual time"),
                None => "the reference in virtual time".to_owned(),
            },
        }
    }
}

/// The verdict and its reason.
fn in_words(played: &PlayResult) -> String {
    let verdict = &played.verdict;
    match &verdict.reason {
        Some(reason) => format!("{} ({})", verdict.verdict, clean_line(reason)),
        None => verdict.verdict.to_string(),
    }
}
