//! Scenarios that fail by the same cause are reported as one.

use indexmap::IndexMap;
use shakedown_engine::event::{FindingEvent, VerdictEvent};

use crate::Record;

/// Verdicts in groups: those that break the same requirements, the first of them in the same words, or have
/// the same reason. Numbers and ids in the words do not matter.
pub(crate) fn by_cause<'a>(
    verdicts: impl IntoIterator<Item = &'a VerdictEvent>,
    record: &Record,
) -> Vec<Vec<&'a VerdictEvent>> {
    let mut found: IndexMap<&str, Vec<&FindingEvent>> = IndexMap::new();
    for finding in record.findings.iter().filter(|finding| finding.counts()) {
        if let Some(scenario) = finding.scenario.as_deref() {
            found.entry(scenario).or_default().push(finding);
        }
    }
    let mut groups: IndexMap<(Vec<&str>, String), Vec<&VerdictEvent>> = IndexMap::new();
    for verdict in verdicts {
        let findings = found.get(verdict.scenario.as_str());
        let findings = findings.map_or(&[][..], Vec::as_slice);
        let mut broken: Vec<&str> = findings
            .iter()
            .map(|one| one.requirement.as_str())
            .collect();
        let words = match findings.first() {
            Some(first) => format!("{} {}", first.requirement, shape(&first.message)),
            None => shape(verdict.reason.as_deref().unwrap_or_default()),
        };
        broken.sort_unstable();
        broken.dedup();
        groups.entry((broken, words)).or_default().push(verdict);
    }
    groups.into_values().collect()
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
