//! Timing failures that a busy machine may explain are retried while nothing else runs.

use std::collections::BTreeSet;

use std::path::PathBuf;
use std::time::Duration;

use shakedown_engine::event::FindingEvent;
use shakedown_engine::script::ScriptOutcome;
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::{Finding, MissedMoment, Observation};
use shakedown_protocol::requirement::Level;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Target;
use super::result::ScenarioResult;
use crate::clock::Clock;
use crate::drive::{Busy, DriveResult, End};

/// How long the implementation waited for a processor, or how late we were, for a timing failure
/// to be doubtful: the fixed tolerance of every timing rule. The scenario is then retried while
/// nothing else runs; an implementation that is too slow by itself fails again.
const BUSY: Duration = Duration::from_millis(50);

/// The same where the finding is that nothing came, or something that may have come of a timer of
/// the implementation which ran out meanwhile: another frame than the one that was expected, another
/// exit status. Windows and timers are longer than that.
const STALLED: Duration = Duration::from_millis(250);

/// How long before a step the timer may have begun of which something else came.
const BEFORE: Duration = Duration::from_secs(1);

/// Most findings in a reason.
const TOLD: usize = 3;

/// Lets scenarios run in parallel or exclusively, and remembers timing failures that were
/// confirmed while nothing else ran: they need no further retry.
#[derive(Debug, Default)]
pub(super) struct ExclusiveRuns {
    gate: RwLock<()>,
    proven: Mutex<BTreeSet<(String, String)>>,
}

impl ExclusiveRuns {
    /// While it is held nothing runs exclusively.
    pub(super) async fn together(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// While it is held nothing else runs.
    pub(super) async fn exclusively(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// What was found holds, for nothing else ran.
    pub(super) async fn prove(&self, target: &Target, found: &Concluded) {
        let name = &target.iut().name;
        let requirements = found.requirements().into_iter();
        let mut proven = self.proven.lock().await;
        proven.extend(requirements.map(|requirement| (name.clone(), requirement.to_owned())));
    }

    /// Whether all findings were confirmed before.
    pub(super) async fn is_proven(&self, target: &Target, found: &Concluded) -> bool {
        let name = &target.iut().name;
        let proven = self.proven.lock().await;
        let mut requirements = found.requirements().into_iter();
        requirements.all(|requirement| proven.contains(&(name.clone(), requirement.to_owned())))
    }
}

/// How far time was observed fairly in an attempt.
#[derive(Debug)]
pub(super) struct TimingQuality {
    busy: Busy,
    clock: Clock,
    /// Whether a step received nothing in its window, and by how much it missed the next arrival.
    missed: Option<Option<Duration>>,
    /// Whether the implementation is there still.
    lives: bool,
    /// Whether the script says nothing and we were late.
    was_late: bool,
}

impl TimingQuality {
    pub(super) fn of(driven: &mut DriveResult, clock: Clock, outcome: &ScriptOutcome) -> Self {
        let got_nothing = match outcome {
            ScriptOutcome::Failed(failure) => failure.packet.is_none() && failure.slack.is_some(),
            ScriptOutcome::Passed
            | ScriptOutcome::Inconclusive { .. }
            | ScriptOutcome::Error { .. } => false,
        };
        // What the script says by itself, not what is made of it for an imposed network's sake.
        let says_nothing = matches!(driven.end, End::Played(ScriptOutcome::Inconclusive { .. }));
        Self {
            busy: std::mem::take(&mut driven.busy),
            clock,
            missed: got_nothing.then_some(driven.missed_by),
            lives: driven.lives(),
            was_late: says_nothing && driven.lateness >= BUSY,
        }
    }

    /// Removes findings that would be advice and that a busy machine explains: such requirements
    /// were not judged. There is no retry for advice.
    pub(super) fn forgive(
        &self,
        protocol: &Protocol,
        level: Level,
        observations: &mut Vec<Observation>,
    ) {
        let is_forgiven = |finding: &Finding| {
            let rule = protocol.requirement(finding.requirement);
            let is_advice = rule.is_some_and(|rule| rule.level > level);
            let excused = |off: MissedMoment| {
                let (since, until) = (self.clock.at(off.since), self.clock.at(off.until));
                self.busy.excused(since, until) >= off.by
            };
            is_advice && finding.off.is_some_and(excused)
        };
        let mut forgiven = Vec::new();
        observations.retain(|observation| match observation {
            Observation::Finding(finding) if is_forgiven(finding) => {
                forgiven.push((finding.requirement, finding.party));
                false
            }
            Observation::Finding(_) | Observation::Inconclusive(_) | Observation::Session(_) => {
                true
            }
        });
        for observation in observations {
            if let Observation::Session(session) = observation {
                session.judged.remove(&forgiven);
            }
        }
    }

    /// Whether what the machine did to the implementation explains the finding: it missed a moment by no
    /// more than it was kept waiting around that moment.
    fn explains(&self, protocol: &Protocol, finding: &FindingEvent) -> bool {
        let is_step = finding.step.is_some();
        let excused = match finding.off {
            Some(off) => {
                let since = self.clock.at(off.since);
                // An unexpected frame may come from a timer that started before.
                let before = match is_step && self.missed.is_none() {
                    true => BEFORE,
                    false => Duration::ZERO,
                };
                let until = self.clock.at(off.until);
                self.busy.excused(since.saturating_sub(before), until)
            }
            None => self.busy.excused(Duration::ZERO, Duration::MAX),
        };
        let off_by = match (is_step, finding.off, self.missed) {
            // Bytes are not made by time.
            _ if is_step && finding.field.is_some() => None,
            (true, _, Some(missed_by)) => missed_by,
            (true, Some(off), None) if !off.by.is_zero() => Some(off.by),
            (true, _, None) => Some(STALLED),
            (false, Some(off), _) => Some(off.by),
            (false, None, _) if protocol.timed.contains(&finding.requirement.as_str()) => {
                Some(BUSY)
            }
            (false, None, _) => {
                let no_answer_after = finding.requirement == protocol.survival && self.lives;
                no_answer_after.then_some(STALLED)
            }
        };
        match (off_by, finding.off) {
            (Some(by), _) => excused >= by,
            (None, Some(off)) => is_step && self.was_late_before(off),
            (None, None) => false,
        }
    }

    /// Whether we were so late before a step that what was sent then may have met another state: a stream
    /// that was over, a session that was dropped. Whatever came of that, it says nothing.
    fn was_late_before(&self, off: MissedMoment) -> bool {
        let began = self.clock.at(off.since);
        self.busy.late_within(began.saturating_sub(BEFORE), began) >= STALLED
    }
}

pub(super) struct Concluded {
    pub(super) played: ScenarioResult,
    pub(super) findings: Vec<FindingEvent>,
    /// It fails by time alone, or says nothing since we were late, and the machine was too busy to be
    /// sure.
    pub(super) is_doubtful: bool,
}

impl Concluded {
    /// Whether all its failures are early, late or missing datagrams that a busy machine may
    /// explain; or it has no result since Shakedown was late.
    pub(super) fn may_be_busy(&self, target: &Target, timing: &TimingQuality) -> bool {
        if target.gone.get().is_some() {
            // It was awaited for longer than any machine is late, so a retry would not help.
            return false;
        }
        let protocol = target.protocol;
        let mut counting = self.findings.iter().filter(|finding| finding.counts());
        match self.played.verdict.verdict {
            Verdict::Fail => counting.all(|finding| timing.explains(protocol, finding)),
            Verdict::Inconclusive => timing.was_late,
            Verdict::Pass
            | Verdict::Advice
            | Verdict::Waived
            | Verdict::NotApplicable
            | Verdict::NotObserved
            | Verdict::Error => false,
        }
    }

    pub(super) fn passes(&self) -> bool {
        !self.is_doubtful && self.played.verdict.verdict.is_fine()
    }

    /// It passed, and had failed before: neither a pass nor a fail.
    pub(super) fn flaky(mut self, failed: &Self, capture: Option<&PathBuf>) -> Self {
        let capture = capture.map(|path| format!(" ({})", path.display()));
        let verdict = &mut self.played.verdict;
        verdict.verdict = Verdict::Inconclusive;
        verdict.reason = Some(format!(
            "flaky: it failed while the machine was busy{}, and passed when retried while nothing else ran: {}",
            capture.unwrap_or_default(),
            failed.found()
        ));
        for requirement in failed.requirements() {
            let requirements = &mut verdict.requirements;
            requirements.insert(requirement.to_owned(), Verdict::Inconclusive);
        }
        self
    }

    /// Its failures as text: the first few, and the number of others.
    fn found(&self) -> String {
        let mut counting = self.findings.iter().filter(|finding| finding.counts());
        let in_words = |it: &FindingEvent| format!("{}: {}", it.requirement, it.message);
        let first: Vec<_> = counting.by_ref().take(TOLD).map(in_words).collect();
        let more = match counting.count() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        first.join("; ") + &more
    }

    /// The requirements that it fails by.
    pub(super) fn requirements(&self) -> BTreeSet<&str> {
        let counting = self.findings.iter().filter(|finding| finding.counts());
        let broken = counting.map(|finding| finding.requirement.as_str());
        broken.collect()
    }

    /// The same without what could not be observed fairly: neither a fail nor a pass. Where nothing
    /// was found its verdict is that already.
    pub(super) fn undecided(mut self) -> Self {
        let doubtful: Vec<_> = self.requirements().into_iter().map(str::to_owned).collect();
        if doubtful.is_empty() {
            return self;
        }
        let found = self.found();
        let verdict = &mut self.played.verdict;
        verdict.verdict = Verdict::Inconclusive;
        verdict.reason = Some(format!(
            "the machine was too busy to observe time fairly: {found}"
        ));
        for requirement in doubtful {
            verdict
                .requirements
                .insert(requirement, Verdict::Inconclusive);
        }
        self.findings.retain(|finding| !finding.counts());
        self
    }
}

#[cfg(test)]
mod tests;
