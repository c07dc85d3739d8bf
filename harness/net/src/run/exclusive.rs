//! Findings about time that a busy machine may have made are looked at again in quiet.

use std::collections::BTreeSet;

use std::path::PathBuf;
use std::time::Duration;

use shakedown_engine::event::FindingEvent;
use shakedown_engine::script::ScriptOutcome;
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::Protocol;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Target;
use super::result::ScenarioResult;
use crate::drive::{Driven, End};

/// How long the implementation waited for a processor, or how late we were, where a finding about
/// a moment is not believed at once: as much as every rule about time grants. The scenario is played
/// again in quiet; whoever is too slow by himself will be so then, too.
const BUSY: Duration = Duration::from_millis(50);

/// The same where the finding is that nothing came, or something that may have come of a timer of
/// the implementation which ran out meanwhile: another frame than the one that was expected, another
/// exit status. Windows and timers are longer than that.
const STALLED: Duration = Duration::from_millis(250);

/// Lets scenarios run side by side or one alone, and remembers which implementations were found to
/// be off in time while nothing else ran: they need not be looked at in quiet for it again.
#[derive(Debug, Default)]
pub(super) struct ExclusiveRuns {
    gate: RwLock<()>,
    proven: Mutex<BTreeSet<(String, String)>>,
}

impl ExclusiveRuns {
    /// While it is held nobody is alone.
    pub(super) async fn together(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// While it is held nothing else runs.
    pub(super) async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// What was found holds, for nothing else ran.
    pub(super) async fn prove(&self, target: &Target, found: &Concluded) {
        let name = &target.iut().name;
        let requirements = found.requirements();
        let mut proven = self.proven.lock().await;
        proven.extend(requirements.map(|requirement| (name.clone(), requirement.to_owned())));
    }

    /// Whether all that was found was found in quiet before.
    pub(super) async fn is_proven(&self, target: &Target, found: &Concluded) -> bool {
        let name = &target.iut().name;
        let proven = self.proven.lock().await;
        let mut requirements = found.requirements();
        requirements.all(|requirement| proven.contains(&(name.clone(), requirement.to_owned())))
    }
}

/// How far time was observed fairly in an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimingQuality {
    /// How long the implementation waited for a processor, or how late we were.
    waited: Duration,
    /// The slack of the window in which a step got nothing: a process that waited less did not miss
    /// it by that.
    missed_by: Option<Duration>,
    /// Whether the implementation is there still.
    lives: bool,
    /// Whether the script says nothing and we were late.
    was_late: bool,
}

impl TimingQuality {
    pub(super) fn of(driven: &Driven, outcome: &ScriptOutcome) -> Self {
        let missed_by = match outcome {
            ScriptOutcome::Failed(failure) => failure.slack,
            ScriptOutcome::Passed
            | ScriptOutcome::Inconclusive { .. }
            | ScriptOutcome::Error { .. } => None,
        };
        // What the script says by itself, not what is made of it for an imposed network's sake.
        let says_nothing = matches!(driven.end, End::Played(ScriptOutcome::Inconclusive { .. }));
        Self {
            waited: driven.starved.max(driven.lateness),
            missed_by,
            lives: driven.lives(),
            was_late: says_nothing && driven.lateness >= BUSY,
        }
    }
}

pub(super) struct Concluded {
    pub(super) played: ScenarioResult,
    pub(super) findings: Vec<FindingEvent>,
    /// It fails by time alone, or says nothing since we were late, and the machine was too busy to be
    /// sure.
    pub(super) is_doubtful: bool,
}

/// How long the implementation must have waited for a processor for a finding to be doubtful.
fn wait_to_doubt(protocol: &Protocol, finding: &FindingEvent, timing: TimingQuality) -> Duration {
    let id = finding.requirement.as_str();
    if finding.step.is_none() && protocol.timed.contains(&id) {
        return BUSY;
    }
    let nothing_came = finding.step.is_some() && finding.packet.is_none();
    let no_answer_after = finding.step.is_none() && id == protocol.survival && timing.lives;
    let something_else = finding.step.is_some() && finding.field.is_none();
    match (nothing_came, timing.missed_by) {
        (true, Some(slack)) => slack.max(STALLED),
        _ if no_answer_after || something_else => STALLED,
        _ => Duration::MAX,
    }
}

impl Concluded {
    /// Whether it fails by nothing but what came too early, too late or not at all, and a machine
    /// on which the implementation waited so long may be the cause; or says nothing since we were
    /// late.
    pub(super) fn may_be_busy(&self, target: &Target, timing: TimingQuality) -> bool {
        if target.gone.get().is_some() {
            // It was asked for longer than any machine is late, and will not be there in quiet either.
            return false;
        }
        let protocol = target.protocol;
        let mut counting = self.findings.iter().filter(|finding| finding.counts());
        match self.played.verdict.verdict {
            Verdict::Fail => {
                counting.all(|finding| timing.waited >= wait_to_doubt(protocol, finding, timing))
            }
            Verdict::Inconclusive => timing.was_late,
            Verdict::Pass | Verdict::NotApplicable | Verdict::NotObserved | Verdict::Error => false,
        }
    }

    pub(super) fn passes(&self) -> bool {
        !self.is_doubtful && self.played.verdict.verdict == Verdict::Pass
    }

    /// It passed, and had failed before: neither a pass nor a fail.
    pub(super) fn flaky(mut self, failed: &Self, capture: Option<&PathBuf>) -> Self {
        let counting = failed.findings.iter().filter(|finding| finding.counts());
        let found: Vec<_> = counting
            .map(|finding| format!("{}: {}", finding.requirement, finding.message))
            .collect();
        let capture = capture.map(|path| format!(" ({})", path.display()));
        let verdict = &mut self.played.verdict;
        verdict.verdict = Verdict::Inconclusive;
        verdict.reason = Some(format!(
            "flaky: it failed while the machine was busy{}, and passed when it was played again in quiet: {}",
            capture.unwrap_or_default(),
            found.join("; ")
        ));
        for requirement in failed.requirements() {
            let requirements = &mut verdict.requirements;
            requirements.insert(requirement.to_owned(), Verdict::Inconclusive);
        }
        self
    }

    /// The requirements that it fails by.
    pub(super) fn requirements(&self) -> impl Iterator<Item = &str> {
        let counting = self.findings.iter().filter(|finding| finding.counts());
        counting.map(|finding| finding.requirement.as_str())
    }

    /// The same without what could not be observed fairly: neither a fail nor a pass. Where nothing
    /// was found its verdict is that already.
    pub(super) fn undecided(mut self) -> Self {
        if self.requirements().next().is_none() {
            return self;
        }
        let mut doubtful: Vec<String> = self.requirements().map(str::to_owned).collect();
        doubtful.sort_unstable();
        doubtful.dedup();
        let counting = self.findings.iter().filter(|finding| finding.counts());
        let found: Vec<_> = counting
            .map(|finding| format!("{}: {}", finding.requirement, finding.message))
            .collect();
        let verdict = &mut self.played.verdict;
        verdict.verdict = Verdict::Inconclusive;
        verdict.reason = Some(format!(
            "the machine was too busy to observe time fairly: {}",
            found.join("; ")
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
mod tests {
    use indexmap::IndexMap;
    use shakedown_engine::event::{FieldEvent, VerdictEvent};

    use super::*;

    fn late() -> Concluded {
        let finding: FindingEvent = serde_json::from_value(serde_json::json!({
            "requirement": "MS-D-06", "level": "SHOULD", "packet": 7, "time": 0.5,
            "message": "expected 20 ms, got 200 ms", "expected": "20 ms", "got": "200 ms",
        }))
        .unwrap();
        let verdict = VerdictEvent {
            scenario: "x".to_owned(),
            title: "x".to_owned(),
            verdict: Verdict::Fail,
            reason: None,
            requirements: IndexMap::from([
                ("MS-D-01".to_owned(), Verdict::Pass),
                ("MS-D-06".to_owned(), Verdict::Fail),
            ]),
            capture: None,
            seconds: 1.0,
            process: None,
        };
        Concluded {
            played: ScenarioResult {
                verdict,
                waived: Vec::new(),
                notes: Vec::new(),
            },
            findings: vec![finding],
            is_doubtful: true,
        }
    }

    #[test]
    fn what_a_busy_machine_may_have_made_is_inconclusive_and_no_finding() {
        let undecided = late().undecided();
        assert_eq!(undecided.played.verdict.verdict, Verdict::Inconclusive);
        assert_eq!(
            undecided.played.verdict.reason.as_deref(),
            Some(
                "the machine was too busy to observe time fairly: MS-D-06: expected 20 ms, got 200 ms"
            )
        );
        let requirements = &undecided.played.verdict.requirements;
        assert_eq!(requirements["MS-D-01"], Verdict::Pass);
        assert_eq!(requirements["MS-D-06"], Verdict::Inconclusive);
        assert_eq!(undecided.findings, []);
    }

    #[test]
    fn only_what_waiting_for_a_processor_can_explain_is_doubtful() {
        let protocol = &shakedown_protocol::mediastream::PROTOCOL;
        let slack = Some(Duration::from_millis(300));
        let finding = |requirement: &str, step: Option<&str>, packet: Option<u64>| {
            let mut finding = late().findings.remove(0);
            finding.requirement = requirement.to_owned();
            finding.step = step.map(str::to_owned);
            finding.packet = packet;
            finding
        };
        let wait = |finding: FindingEvent, missed_by, lives| {
            let timing = TimingQuality {
                waited: Duration::ZERO,
                missed_by,
                lives,
                was_late: false,
            };
            wait_to_doubt(protocol, &finding, timing)
        };
        let paced = finding("MS-D-06", None, Some(7));
        assert_eq!(wait(paced, None, true), BUSY);
        let silence = finding("MS-H-05", Some("1"), None);
        assert_eq!(
            wait(silence.clone(), slack, true),
            Duration::from_millis(300)
        );
        assert_eq!(wait(silence, None, true), STALLED, "a wrong exit status");
        let hung = finding(protocol.survival, None, Some(9));
        assert_eq!(wait(hung.clone(), None, true), STALLED);
        assert_eq!(wait(hung, None, false), Duration::MAX, "its process ended");
        let bytes = finding("MS-W-12", None, Some(3));
        assert_eq!(wait(bytes, slack, true), Duration::MAX);
        let wrong_frame = finding("MS-H-05", Some("1"), Some(4));
        assert_eq!(wait(wrong_frame.clone(), slack, true), STALLED);
        let wrong_bytes = FindingEvent {
            field: Some(FieldEvent {
                name: "version".to_owned(),
                offset: 0,
                length: 1,
            }),
            ..wrong_frame
        };
        assert_eq!(wait(wrong_bytes, slack, true), Duration::MAX);
    }

    #[test]
    fn what_failed_and_passed_then_is_flaky_and_names_both_captures() {
        let mut passed = late();
        passed.is_doubtful = false;
        passed.findings.clear();
        passed.played.verdict.verdict = Verdict::Pass;
        assert!(passed.passes());
        let flaky = passed.flaky(&late(), Some(&PathBuf::from("x.first.pcapng")));
        let verdict = &flaky.played.verdict;
        assert_eq!(verdict.verdict, Verdict::Inconclusive);
        let reason = verdict.reason.as_deref().unwrap_or_default();
        assert!(
            reason.starts_with("flaky: ") && reason.contains("x.first.pcapng"),
            "{reason}"
        );
        assert!(reason.contains("MS-D-06"), "{reason}");
        assert_eq!(verdict.requirements["MS-D-06"], Verdict::Inconclusive);
    }

    #[tokio::test]
    async fn nobody_runs_beside_one_that_is_alone() {
        let exclusive = ExclusiveRuns::default();
        let together = exclusive.together().await;
        assert!(exclusive.gate.try_write().is_err());
        drop(together);
        let _alone = exclusive.alone().await;
        assert!(exclusive.gate.try_read().is_err());
    }
}
