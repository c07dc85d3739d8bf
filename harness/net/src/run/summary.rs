use std::collections::BTreeSet;
use std::time::Duration;

use indexmap::IndexMap;
use shakedown_engine::event::{Summary, VerdictEvent, WaiverEvent, matches_nothing};
use shakedown_engine::iut::{Date, Iut, Waiver};
use shakedown_engine::scenario::Scenario;
use shakedown_engine::verdict::Verdict;

use super::Plan;
use super::early::Cut;
use super::result::ScenarioResult;

/// How a run ends: what was judged, and what stood in the way.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) verdicts: Vec<VerdictEvent>,
    /// The run could not go on: why (human-readable).
    pub(super) broken_off: Option<String>,
    /// What fails the run although no scenario does: waivers.
    pub(super) failing: Vec<String>,
    /// Whether it is one of several parts: whether a waiver matches nothing shows only in all of them.
    pub(super) is_part: bool,
    pub(super) waivers: Vec<WaiverEvent>,
    pub(super) notes: Vec<String>,
    pub(super) interrupted: bool,
    /// Why it was cut short, unless it was interrupted.
    pub(super) cut: Option<Cut>,
    /// Scenarios that were selected.
    pub(super) selected: usize,
    pub(super) took: Duration,
}

impl Ending {
    /// Of a run that begins.
    pub(super) fn at_the_begin_of(plan: &Plan) -> Self {
        let impair = plan.impair.iter();
        Self {
            selected: plan.assignments.iter().map(|a| a.scenarios.len()).sum(),
            is_part: plan.told.part.is_some(),
            notes: impair
                .map(|impair| format!("played through a network: {impair}"))
                .collect(),
            ..Self::default()
        }
    }

    /// What an implementation's scenarios came to. A waiver that is past its day fails the run, and
    /// so does one that matched nothing although `is_full` says that all scenarios were selected and
    /// `is_all` that they could be played, but for those that were `too_slow`: one that they may need is not
    /// judged. A shard reports what it knows.
    pub(super) fn add(
        &mut self,
        iut: &Iut,
        is_full: bool,
        is_all: bool,
        today: Date,
        played: Vec<ScenarioResult>,
        too_slow: &[&Scenario],
    ) {
        let waived: BTreeSet<usize> = played.iter().flat_map(|one| one.waived.clone()).collect();
        for (index, waiver) in iut.waive.iter().enumerate() {
            let name = &iut.name;
            if waiver.is_of_earlier_run() {
                let passes_now = !waived.contains(&index) && passes(waiver, &played);
                self.notes.extend(
                    passes_now.then(|| format!("{name}: {waiver} passes now ({})", waiver.because)),
                );
                continue;
            }
            if waiver.is_past(today) {
                self.failing.push(past(name, waiver));
                continue;
            }
            let is_unknown = !is_all || self.interrupted;
            let matched = match waived.contains(&index) {
                true => Some(true),
                false if is_unknown => None,
                false if may_need(too_slow, waiver, &played) => {
                    self.notes.push(format!(
                        "{name}: whether the waiver of {waiver} is needed shows with --slow only"
                    ));
                    None
                }
                false => Some(false),
            };
            if is_full && matched == Some(false) && !self.is_part {
                self.failing
                    .push(matches_nothing(name, &waiver.to_string()));
            }
            if is_full && self.is_part {
                self.waivers.push(WaiverEvent {
                    iut: name.clone(),
                    waiver: waiver.to_string(),
                    matched,
                });
            }
        }
        for one in played {
            self.verdicts.push(one.verdict);
            for note in one.notes {
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
        }
    }

    /// The exit code, and why.
    fn exit(&self) -> (u8, String) {
        let count = |verdict| self.of(verdict).count();
        let (fails, errors) = (count(Verdict::Fail), count(Verdict::Error));
        let inconclusive = count(Verdict::Inconclusive);
        let total = self.verdicts.len();
        let left = scenarios(self.selected.saturating_sub(total));
        match self.cut {
            Some(cut) => {
                let failed = (fails > 0).then(|| format!("{} failed; ", scenarios(fails)));
                let exit = if fails > 0 { 1 } else { 3 };
                let failed = failed.unwrap_or_default();
                return (exit, format!("{failed}{cut}; {left} left unplayed"));
            }
            None if self.interrupted => return (130, format!("interrupted; {left} left unplayed")),
            None => {}
        }
        if let (Some(why), 0) = (&self.broken_off, fails) {
            return (2, why.clone());
        }
        let fine = self
            .verdicts
            .iter()
            .filter(|of| of.verdict.is_fine())
            .count();
        if fine + fails == 0 {
            return (2, self.nothing_judged());
        }
        if fails > 0 || !self.failing.is_empty() {
            let failed = format!("{} failed", scenarios(fails));
            let parts = (fails > 0).then_some(failed).into_iter();
            let parts = parts.chain(self.failing.iter().chain(&self.broken_off).cloned());
            let parts: Vec<_> = parts.collect();
            return (1, parts.join("; "));
        }
        if errors + inconclusive > 0 {
            let of = |verdict| self.of(verdict).map(|of| of.scenario.as_str());
            let names: Vec<_> = of(Verdict::Error)
                .chain(of(Verdict::Inconclusive))
                .collect();
            let message = format!(
                "{} could not be judged: {}",
                scenarios(names.len()),
                list(&names)
            );
            return (3, message);
        }
        let other = [
            (count(Verdict::Waived), "waived"),
            (count(Verdict::Advice), "ended with advice"),
        ];
        let other = other.into_iter().filter(|(count, _)| *count > 0);
        let other: Vec<_> = other
            .map(|(count, what)| format!("{} {what}", scenarios(count)))
            .collect();
        let message = match (count(Verdict::Pass), other.is_empty()) {
            (_, true) => String::from("everything that was judged passed"),
            (0, false) => format!("nothing passed: {}", other.join(", ")),
            (_, false) => format!("nothing failed: {}", other.join(", ")),
        };
        (0, message)
    }

    fn nothing_judged(&self) -> String {
        let reasons = self.verdicts.iter().filter_map(|of| of.reason.as_deref());
        let mut by_reason: IndexMap<&str, usize> = IndexMap::new();
        for reason in reasons {
            *by_reason.entry(reason).or_default() += 1;
        }
        by_reason.sort_by(|_, a, _, b| b.cmp(a));
        let why: Vec<_> = by_reason
            .iter()
            .take(3)
            .map(|(reason, count)| format!("{count} because {reason}"))
            .collect();
        let selected = scenarios(self.selected);
        match why.is_empty() {
            true => format!("nothing could be judged: {selected} selected"),
            false => format!("nothing could be judged of {selected}: {}", why.join("; ")),
        }
    }

    fn of(&self, verdict: Verdict) -> impl Iterator<Item = &VerdictEvent> {
        self.verdicts.iter().filter(move |of| of.verdict == verdict)
    }

    /// The end of the run, for the reports.
    pub(super) fn summary(self) -> Summary {
        let (exit, message) = self.exit();
        let mut counts = IndexMap::new();
        for verdict in Verdict::ALL {
            let count = self.of(verdict).count();
            if count > 0 {
                counts.insert(verdict.name().to_owned(), count);
            }
        }
        let mut requirements = requirements(&self.verdicts);
        if self.verdicts.len() < self.selected {
            // What was not played may apply.
            requirements.retain(|_, verdict| *verdict != Verdict::NotApplicable);
        }
        Summary {
            counts,
            requirements,
            exit,
            message,
            failing: self.failing,
            notes: self.notes,
            waivers: self.waivers,
            interrupted: self.interrupted && self.cut.is_none(),
            seconds: self.took.as_secs_f64(),
        }
    }
}

/// The message for an expired waiver.
pub(super) fn past(name: &str, waiver: &Waiver) -> String {
    let until = &waiver.until;
    format!("{name}: the waiver of {waiver} counts until {until} only")
}

/// Whether the requirement of a waiver passed in its scenario.
fn passes(waiver: &Waiver, played: &[ScenarioResult]) -> bool {
    let of_it = |one: &&ScenarioResult| Some(&one.verdict.scenario) == waiver.scenario.as_ref();
    let mut verdicts = played.iter().filter(of_it).map(|one| &one.verdict);
    verdicts.any(|one| one.requirements.get(&waiver.requirement) == Some(&Verdict::Pass))
}

/// Whether scenarios that were left out may show what a waiver is for: they are about it, or no other
/// one was judged by its requirement.
fn may_need(left_out: &[&Scenario], waiver: &Waiver, played: &[ScenarioResult]) -> bool {
    if let Some(id) = &waiver.scenario {
        return left_out.iter().any(|scenario| scenario.id == *id);
    }
    let is_about = |scenario: &&Scenario| scenario.requirements.contains(&waiver.requirement);
    let judged = |one: &ScenarioResult| {
        let verdict = one.verdict.requirements.get(&waiver.requirement);
        verdict.is_some_and(|verdict| verdict.is_fine())
    };
    !left_out.is_empty() && (left_out.iter().any(is_about) || !played.iter().any(judged))
}

/// The worst verdict on each requirement, by id. A scenario that does not apply, or cannot look
/// inside, says nothing where another one does.
fn requirements(verdicts: &[VerdictEvent]) -> IndexMap<String, Verdict> {
    let mut all: IndexMap<String, Verdict> = IndexMap::new();
    for (id, verdict) in verdicts.iter().flat_map(|of| &of.requirements) {
        let sum = all.entry(id.clone()).or_insert(*verdict);
        *sum = sum.with(*verdict);
    }
    all.sort_keys();
    all
}

fn scenarios(count: usize) -> String {
    match count {
        1 => String::from("1 scenario"),
        count => format!("{count} scenarios"),
    }
}

/// The first few names.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).copied();
    let more = names.len().saturating_sub(SHOWN);
    let rest = (more > 0).then(|| format!("and {more} more"));
    let all: Vec<_> = shown.map(str::to_owned).chain(rest).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(verdicts: &[Verdict]) -> Ending {
        let verdicts = verdicts
            .iter()
            .enumerate()
            .map(|(n, verdict)| VerdictEvent {
                scenario: format!("scenario-{n}"),
                title: String::new(),
                verdict: *verdict,
                reason: (*verdict != Verdict::Pass).then(|| String::from("of a reason")),
                requirements: IndexMap::from([(String::from("MS-L-01"), *verdict)]),
                capture: None,
                seconds: 0.0,
                process: None,
            });
        let verdicts: Vec<_> = verdicts.collect();
        Ending {
            selected: verdicts.len(),
            verdicts,
            ..Ending::default()
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_first_rule_that_applies() {
        use Verdict::{Error, Fail, Inconclusive, NotApplicable, NotObserved, Pass};
        let cases: [(&[Verdict], u8, &str); 8] = [
            (
                &[Pass, NotApplicable],
                0,
                "everything that was judged passed",
            ),
            (&[Pass, Fail, Error], 1, "1 scenario failed"),
            (
                &[Pass, Error],
                3,
                "1 scenario could not be judged: scenario-1",
            ),
            (
                &[Pass, Inconclusive],
                3,
                "1 scenario could not be judged: scenario-1",
            ),
            (
                &[Inconclusive, Error],
                2,
                "nothing could be judged of 2 scenarios: 2 because of a reason",
            ),
            (
                &[NotApplicable],
                2,
                "nothing could be judged of 1 scenario: 1 because of a reason",
            ),
            (
                &[NotObserved],
                2,
                "nothing could be judged of 1 scenario: 1 because of a reason",
            ),
            (&[], 2, "nothing could be judged: 0 scenarios selected"),
        ];
        for (verdicts, exit, message) in cases {
            assert_eq!(judged(verdicts).exit(), (exit, message.to_owned()));
        }
    }

    #[test]
    fn an_interruption_comes_before_all_and_a_waiver_may_fail_the_run() {
        let mut ending = judged(&[Verdict::Pass, Verdict::Fail]);
        ending.selected = 7;
        ending.interrupted = true;
        ending.broken_off = Some(String::from("gone"));
        assert_eq!(
            ending.exit(),
            (130, String::from("interrupted; 5 scenarios left unplayed"))
        );
        ending.interrupted = false;
        assert_eq!(ending.exit(), (1, String::from("1 scenario failed; gone")));
        ending.verdicts.pop();
        assert_eq!(ending.exit(), (2, String::from("gone")));
        let mut waived = judged(&[Verdict::Pass]);
        waived
            .failing
            .push(String::from("the waiver of X matched nothing"));
        assert_eq!(
            waived.exit(),
            (1, String::from("the waiver of X matched nothing"))
        );
    }

    fn about(requirement: &str) -> Scenario {
        let file = serde_json::json!({
            "id": "slow", "title": "x", "requirements": [requirement],
            "iut": { "role": "responder", "mode": "legacy" }, "steps": [],
        });
        serde_json::from_value(file).unwrap()
    }

    #[test]
    fn a_waiver_that_a_scenario_may_need_that_was_too_slow_is_not_told_as_needless() {
        let waiver = |scenario: &str| {
            let text = format!(
                "name = \"mine\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"legacy\"]\n\
                 [stream]\nbits_per_second = 1\nframes_per_second = 1\nseconds = 1\n\
                 [[waive]]\nrequirement = \"MS-L-01\"\nbecause = \"x\"\nuntil = \"9999-01-01\"\n{scenario}"
            );
            toml::from_str::<Iut>(&text).unwrap()
        };
        let played = || {
            let mut scenario = about("MS-L-01");
            scenario.id = String::from("played");
            let took = Duration::ZERO;
            vec![ScenarioResult::not_played(
                &scenario,
                String::new(),
                Verdict::Pass,
                took,
            )]
        };
        let today = crate::clock::Clock::start().today();
        let fails = |iut: &Iut, played, slow: &[Scenario]| {
            let mut ending = Ending::default();
            let slow: Vec<_> = slow.iter().collect();
            ending.add(iut, true, true, today, played, &slow);
            assert_eq!(ending.failing.is_empty(), !ending.notes.is_empty());
            !ending.failing.is_empty()
        };
        let (same, other) = ([about("MS-L-01")], [about("MS-L-02")]);
        assert!(fails(&waiver(""), played(), &[]));
        assert!(!fails(&waiver(""), played(), &same));
        assert!(
            fails(&waiver(""), played(), &other),
            "another one was judged by it"
        );
        assert!(!fails(&waiver(""), Vec::new(), &other), "no other one was");
        assert!(!fails(&waiver("scenario = \"slow\""), played(), &same));
        assert!(fails(&waiver("scenario = \"played\""), played(), &same));
    }

    #[test]
    fn what_does_not_apply_says_nothing_where_another_scenario_judges() {
        use Verdict::{Fail, NotApplicable, Pass};
        for order in [[NotApplicable, Pass, Fail], [Fail, NotApplicable, Pass]] {
            assert_eq!(requirements(&judged(&order).verdicts)["MS-L-01"], Fail);
        }
        let silent = judged(&[NotApplicable, Pass]);
        assert_eq!(requirements(&silent.verdicts)["MS-L-01"], Pass);
    }
}
