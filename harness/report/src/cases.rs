//! What a run or a check judged, case by case, for formats that know nothing else.

use shakedown_engine::event::FindingEvent;
use shakedown_engine::interop::Standing;
use shakedown_engine::verdict::Verdict;

use crate::Record;
use crate::table::standing;

/// Something that passes, fails or was not judged.
pub(crate) struct Case<'a> {
    /// The scenario, the pair, or the capture and requirement.
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// Why, where the findings do not say it.
    pub(crate) reason: String,
    pub(crate) findings: Vec<&'a FindingEvent>,
    pub(crate) capture: Option<&'a str>,
}

impl Case<'_> {
    /// Whether it fails the run.
    pub(crate) const fn fails(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Fail | Verdict::Error | Verdict::Inconclusive
        )
    }

    /// The findings that count.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &FindingEvent> {
        self.findings.iter().copied().filter(|one| one.counts())
    }

    /// Why it has its verdict, in a sentence.
    pub(crate) fn why(&self) -> &str {
        let first = self.counted().next();
        first.map_or(&self.reason, |finding| &finding.message)
    }

    fn of_the_run(name: String, verdict: Verdict, reason: &str) -> Self {
        Self {
            name,
            verdict,
            reason: reason.to_owned(),
            findings: Vec::new(),
            capture: None,
        }
    }
}

/// All of them. One fails wherever the exit code is not 0.
pub(crate) fn cases(record: &Record) -> Vec<Case<'_>> {
    let scenarios = record.by_id().into_iter().map(|verdict| Case {
        name: verdict.scenario.clone(),
        verdict: verdict.verdict,
        reason: verdict.reason.clone().unwrap_or_default(),
        findings: record.findings_of(&verdict.scenario).collect(),
        capture: verdict.capture.as_deref(),
    });
    let mut all: Vec<Case<'_>> = scenarios
        .chain(pairs(record))
        .chain(checked(record))
        .collect();
    let unplayed = record.unjudged().into_iter();
    all.extend(
        unplayed.map(|id| Case::of_the_run(id.to_owned(), Verdict::Error, "it was not played")),
    );
    let failing = record.summary.iter().flat_map(|all| &all.failing);
    all.extend(failing.map(|why| Case::of_the_run(why.clone(), Verdict::Fail, why)));
    if record.exit() != 0 && !all.iter().any(Case::fails) {
        let message = record.summary.as_ref().map_or("", |all| &all.message);
        let name = "the run completes".to_owned();
        all.push(Case::of_the_run(name, Verdict::Error, message));
    }
    all
}

/// The requirements that captures were judged by. What a capture leaves in doubt fails nothing.
fn checked(record: &Record) -> impl Iterator<Item = Case<'_>> {
    record.checks.iter().flat_map(|check| {
        let judged = check.requirements.iter().map(|(id, verdict)| Case {
            name: format!("{}: {id}", check.capture),
            verdict: match verdict {
                Verdict::Inconclusive => Verdict::NotObserved,
                other => *other,
            },
            reason: String::new(),
            findings: record
                .findings_in(&check.capture)
                .filter(|one| one.requirement == *id)
                .collect(),
            capture: Some(&check.capture),
        });
        let unreadable = (check.exit == 2).then(|| {
            let name = format!("{}: it can be read and judged", check.capture);
            Case::of_the_run(name, Verdict::Error, &check.notes.join("; "))
        });
        judged.chain(unreadable)
    })
}

fn pairs(record: &Record) -> impl Iterator<Item = Case<'_>> {
    let pairs = record.table.iter().flat_map(|table| table.in_order());
    pairs.map(|pair| Case {
        name: pair.pair.clone(),
        verdict: match pair.standing {
            Standing::AsDemanded => Verdict::Pass,
            Standing::LeftOpen | Standing::Excused => Verdict::NotObserved,
            Standing::Inconclusive => Verdict::Inconclusive,
            Standing::Error => Verdict::Error,
            Standing::Breaks | Standing::NotAsDemanded => Verdict::Fail,
        },
        reason: format!(
            "{}: {} – {}",
            pair.outcome.name(),
            pair.seen,
            standing(pair)
        ),
        findings: record.findings_of(&pair.pair).collect(),
        capture: pair.captures.responder.as_deref(),
    })
}
