use std::time::Duration;

use shakedown_engine::event::FindingEvent;

use crate::requirements;
use crate::text::{clean, count};

/// Findings of one scenario that are described.
const MOST_DESCRIBED: usize = 20;

/// The first findings, and how many there are besides.
pub(super) fn described<'a>(mut findings: impl Iterator<Item = &'a FindingEvent>) -> String {
    let first: Vec<String> = findings
        .by_ref()
        .take(MOST_DESCRIBED)
        .map(describe)
        .collect();
    let mut text = first.join("\n\n");
    let more = findings.count();
    if more > 0 {
        text += &format!(
            "\n\nand {} in events.jsonl",
            count(more as u64, "more finding")
        );
    }
    text
}

/// A finding in a few lines.
fn describe(finding: &FindingEvent) -> String {
    let rule = requirements::find(&finding.requirement).map_or("", |found| &found.text);
    let packet = finding
        .packet
        .map_or(String::new(), |packet| format!("packet {packet}, "));
    let mut text = format!(
        "{} {} {rule}\nexpected: {}\ngot: {}\nat: {packet}{:.6} s",
        finding.requirement, finding.level, finding.expected, finding.got, finding.time
    );
    if let Some(capture) = &finding.capture {
        text += &format!("\ncapture: {capture}");
    }
    if let Some(bytes) = &finding.bytes {
        text += &format!("\nbytes: {bytes}");
    }
    if let Some(because) = &finding.waived {
        text += &format!("\nwaived: {because}");
    }
    clean(&text).into_owned()
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
