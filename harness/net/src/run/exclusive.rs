//! Findings about time that a busy machine may have made are looked at again in quiet.

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
use crate::drive::{Busy, Driven, End};

/// How long the implementation waited for a processor, or how late we were, where a finding about
/// a moment is not believed at once: as much as every rule about time grants. The scenario is played
/// again in quiet; whoever is too slow by himself will be so then, too.
const BUSY: Duration = Duration::from_millis(50);

/// The same where the finding is that nothing came, or something that may have come of a timer of
/// the implementation which ran out meanwhile: another frame than the one that was expected, another
/// exit status. Windows and timers are longer than that.
const STALLED: Duration = Duration::from_millis(250);

/// How long before a step the timer may have begun of which something else came.
const BEFORE: Duration = Duration::from_secs(1);

/// How many findings a reason tells.
const TOLD: usize = 3;

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
#[derive(Debug)]
pub(super) struct TimingQuality {
    busy: Busy,
    clock: Clock,
    /// Whether a step got nothing in its window, and by how much it missed what came then.
    missed: Option<Option<Duration>>,
    /// Whether the implementation is there still.
    lives: bool,
    /// Whether the script says nothing and we were late.
    was_late: bool,
}

impl TimingQuality {
    pub(super) fn of(driven: &mut Driven, clock: Clock, outcome: &ScriptOutcome) -> Self {
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

    /// Takes from what a capture shows what would be no more than advice, and what the machine did
    /// explains: such requirements were not judged. Nobody plays a scenario again for advice.
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
                // What came instead may come of a timer that began before.
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
    /// Whether it fails by nothing but what came too early, too late or not at all, and a machine
    /// on which the implementation waited so long may be the cause; or says nothing since we were
    /// late.
    pub(super) fn may_be_busy(&self, target: &Target, timing: &TimingQuality) -> bool {
        if target.gone.get().is_some() {
            // It was asked for longer than any machine is late, and will not be there in quiet either.
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
            "flaky: it failed while the machine was busy{}, and passed when it was played again in quiet: {}",
            capture.unwrap_or_default(),
            failed.found()
        ));
        for requirement in failed.requirements() {
            let requirements = &mut verdict.requirements;
            requirements.insert(requirement.to_owned(), Verdict::Inconclusive);
        }
        self
    }

    /// What it fails by, in words: the first few things, and how many more there are.
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
mod tests {
    use indexmap::IndexMap;
    use shakedown_engine::event::{FieldEvent, VerdictEvent};
    use shakedown_protocol::monitor::Session;
    use shakedown_protocol::requirement::Role;

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

    /// It was late by 400 ms in the first second.
    fn timing(missed: Option<Option<u64>>, lives: bool) -> TimingQuality {
        let mut busy = Busy::default();
        busy.late(Duration::from_secs(1), Duration::from_millis(400));
        TimingQuality {
            busy,
            clock: Clock::start(),
            missed: missed.map(|by| by.map(Duration::from_millis)),
            lives,
            was_late: false,
        }
    }

    /// A finding off by so many milliseconds, which it could be from this second on.
    fn off(by: u64, second: u64, timing: &TimingQuality) -> FindingEvent {
        let at = |second| timing.clock.wall(Duration::from_secs(second));
        let (since, until) = (at(second), at(second + 1));
        let by = Duration::from_millis(by);
        let mut finding = late().findings.remove(0);
        finding.off = Some(MissedMoment { since, until, by });
        finding
    }

    #[test]
    fn a_rule_about_time_is_doubtful_by_as_much_as_was_late_just_then() {
        let protocol = &shakedown_protocol::mediastream::PROTOCOL;
        let timing = timing(None, true);
        assert!(timing.explains(protocol, &off(400, 0, &timing)));
        assert!(!timing.explains(protocol, &off(401, 0, &timing)));
        assert!(!timing.explains(protocol, &off(10, 5, &timing)), "later");
    }

    /// That the first frame came so many milliseconds late, and that this was judged.
    fn told(by: u64, timing: &TimingQuality) -> Vec<Observation> {
        let finding = Finding {
            requirement: "MS-D-12",
            party: Role::Responder,
            address: ([127, 0, 0, 1], 4444).into(),
            packet: Some(7),
            time: Duration::ZERO,
            expected: String::new(),
            got: String::new(),
            field: None,
            off: off(by, 0, timing).off,
        };
        let session = Session {
            protocol: "mediastream",
            mode: "3way",
            initiator: ([127, 0, 0, 1], 5000).into(),
            responder: ([127, 0, 0, 1], 4444).into(),
            connection_id: None,
            frames: 1,
            datagrams: 1,
            first_packet: 1,
            network: shakedown_protocol::monitor::NetworkCounts::default(),
            judged: [("MS-D-12", Role::Responder), ("MS-H-05", Role::Responder)]
                .into_iter()
                .collect(),
            more_breaches: 0,
        };
        vec![Observation::Finding(finding), Observation::Session(session)]
    }

    #[test]
    fn advice_that_the_machine_explains_is_not_told_and_was_not_judged() {
        let protocol = &shakedown_protocol::mediastream::PROTOCOL;
        let timing = timing(None, true);
        let left = |by, level| {
            let mut observations = told(by, &timing);
            timing.forgive(protocol, level, &mut observations);
            let judged = observations.iter().find_map(|it| match it {
                Observation::Session(session) => Some(session.judged.contains("MS-D-12")),
                Observation::Finding(_) | Observation::Inconclusive(_) => None,
            });
            (observations.len(), judged)
        };
        assert_eq!(left(400, Level::Must), (1, Some(false)));
        assert_eq!(left(401, Level::Must), (2, Some(true)));
        assert_eq!(
            left(400, Level::Should),
            (2, Some(true)),
            "it fails the run"
        );
    }

    #[test]
    fn a_step_that_got_nothing_is_doubtful_if_something_came_within_what_was_late() {
        let protocol = &shakedown_protocol::mediastream::PROTOCOL;
        let case = |missed, second| {
            let timing = timing(Some(missed), true);
            let mut finding = off(0, second, &timing);
            finding.step = Some("1".to_owned());
            timing.explains(protocol, &finding)
        };
        assert!(case(Some(390), 0));
        assert!(!case(Some(410), 0), "later than it was kept waiting");
        assert!(!case(None, 0), "nothing came");
        assert!(!case(Some(10), 5), "in another window");
    }

    #[test]
    fn what_came_too_early_is_doubtful_by_as_much_as_was_late_when_its_timer_began() {
        let protocol = &shakedown_protocol::mediastream::PROTOCOL;
        let case = |by, second| {
            let timing = timing(None, true);
            let mut finding = off(by, second, &timing);
            finding.step = Some("1".to_owned());
            let began = finding.off.map(|off| MissedMoment {
                until: off.since,
                ..off
            });
            finding.off = began;
            timing.explains(protocol, &finding)
        };
        assert!(case(400, 1));
        assert!(!case(401, 1), "by more than it was kept waiting");
        assert!(!case(10, 5), "it waited before");
    }

    #[test]
    fn bytes_and_a_process_that_ended_are_never_doubtful() {
        let protocol = &shakedown_protocol::mediastream::PROTOCOL;
        let lives = timing(None, true);
        let mut finding = off(0, 0, &lives);
        finding.step = Some("1".to_owned());
        assert!(lives.explains(protocol, &finding), "another frame");
        finding.field = Some(FieldEvent {
            name: "version".to_owned(),
            offset: 0,
            length: 1,
        });
        assert!(!lives.explains(protocol, &finding), "wrong bytes");
        let mut hung = late().findings.remove(0);
        hung.requirement = protocol.survival.to_owned();
        assert!(lives.explains(protocol, &hung));
        assert!(!timing(None, false).explains(protocol, &hung), "it ended");
    }

    #[test]
    fn whatever_came_of_a_step_before_which_we_were_late_is_doubtful() {
        let protocol = &shakedown_protocol::mediastream::PROTOCOL;
        let case = |second, step: Option<&str>| {
            let timing = timing(Some(None), true);
            let mut finding = off(401, second, &timing);
            finding.step = step.map(str::to_owned);
            finding.field = Some(FieldEvent {
                name: "version".to_owned(),
                offset: 0,
                length: 1,
            });
            timing.explains(protocol, &finding)
        };
        assert!(case(1, Some("5")));
        assert!(!case(0, Some("5")), "only while it waited");
        assert!(!case(2, Some("5")), "long before");
        assert!(!case(1, None), "what the monitor sees is so, whenever");
    }

    #[test]
    fn a_reason_tells_a_few_findings_and_how_many_more_there_are() {
        let mut many = late();
        many.findings = vec![many.findings.remove(0); 5];
        assert!(many.found().ends_with("got 200 ms; and 2 more"));
        assert_eq!(many.found().matches("MS-D-06: ").count(), 3);
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
