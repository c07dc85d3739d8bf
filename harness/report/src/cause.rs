//! Scenarios that fail by the same cause are reported as one.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexMap;
use shakedown_engine::event::{FindingEvent, VerdictEvent};

use crate::Record;

/// Verdicts in groups: those whose first finding is of the same requirement in the same words, or that have
/// the same reason. Numbers and ids in the words do not matter; what else is broken follows from the first.
pub(crate) fn by_cause<'a>(
    verdicts: impl IntoIterator<Item = &'a VerdictEvent>,
    record: &Record,
) -> Vec<Vec<&'a VerdictEvent>> {
    let mut firsts: HashMap<&str, &FindingEvent> = HashMap::new();
    for finding in record.findings.iter().filter(|finding| finding.counts()) {
        if let Some(scenario) = finding.scenario.as_deref() {
            firsts.entry(scenario).or_insert(finding);
        }
    }
    let mut groups: IndexMap<String, Vec<&VerdictEvent>> = IndexMap::new();
    for verdict in verdicts {
        let cause = match firsts.get(verdict.scenario.as_str()) {
            Some(first) => format!("{} {}", first.requirement, shape(&first.message)),
            None => shape(verdict.reason.as_deref().unwrap_or_default()),
        };
        groups.entry(cause).or_default().push(verdict);
    }
    groups.into_values().collect()
}

/// What a scenario breaks and the `first` of its group does not: `also MS-D-01, MS-D-02`.
pub(crate) fn also_broken(verdict: &VerdictEvent, first: &VerdictEvent, record: &Record) -> String {
    let known = broken(first, record);
    let also = broken(verdict, record).into_iter();
    let also: Vec<_> = also.filter(|id| !known.contains(id)).collect();
    match also.is_empty() {
        true => String::new(),
        false => format!("also {}", also.join(", ")),
    }
}

fn broken<'r>(verdict: &'r VerdictEvent, record: &'r Record) -> BTreeSet<&'r str> {
    let findings = record.findings_of(&verdict.scenario);
    let counted = findings.filter(|finding| finding.counts());
    counted
        .map(|finding| finding.requirement.as_str())
        .collect()
}

/// A text without what differs from one scenario to the next.
fn shape(text: &str) -> String {
    let words = text.split_whitespace();
    let words = words.map(|word| match word.contains(|c: char| c.is_ascii_digit()) {
        true => "#",
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}
