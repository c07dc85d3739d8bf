//! What sections of the report have in common.

use indexmap::IndexMap;
use shakedown_engine::event::{FindingEvent, ProcessEvent};
use shakedown_engine::verdict::Verdict;

use super::finding::{self, labelled};
use super::style::{self, paint};
use crate::text::{clean_line, count, fit_tail};

/// Findings of one scenario or capture that are shown whole, in all and of one requirement; the
/// others are counted.
const MOST_FINDINGS: usize = 8;
const MOST_ALIKE: usize = 2;
/// Lines of an implementation's output that are shown.
const OUTPUT_LINES: usize = 12;

/// `FAIL  name ........ 1.52 s`.
pub(super) fn heading(verdict: Verdict, name: &str, right: &str, width: usize) -> String {
    let word = style::word(verdict);
    let taken = word.len() + 2 + right.chars().count() + 2;
    let name = fit_tail(&clean_line(name), width.saturating_sub(taken));
    let gap = width.saturating_sub(taken + name.chars().count()) + 2;
    format!(
        "{}  {}{}{}\n",
        paint(style::of(verdict), word),
        paint(style::BOLD, &name),
        " ".repeat(gap),
        paint(style::DIM, right)
    )
}

pub(super) fn process(process: &ProcessEvent, width: usize) -> String {
    let mut status = process.status.clone();
    if let Some(packet) = process.last_packet {
        status += &format!("; last packet received: {packet}");
    }
    let mut text = labelled("process", &status, style::BAD, width);
    let lines: Vec<&str> = process.output.lines().collect();
    let left_out = lines.len().saturating_sub(OUTPUT_LINES);
    if left_out > 0 {
        let line = format!("… {} before", count(left_out as u64, "line"));
        text += &labelled("printed", &line, style::DIM, width);
    }
    for (number, line) in lines[left_out..].iter().enumerate() {
        let label = if number == 0 && left_out == 0 {
            "printed"
        } else {
            ""
        };
        text += &labelled(label, line, style::DIM, width);
    }
    text
}

pub(super) fn findings<'a>(
    all: impl Iterator<Item = &'a FindingEvent>,
    left_out: u64,
    width: usize,
) -> String {
    // What counts comes first; else in the order in which it was found.
    let (counted, other): (Vec<_>, Vec<_>) = all.partition(|finding| finding.counts());
    let all: Vec<_> = counted.into_iter().chain(other).collect();
    let mut shown: IndexMap<&str, usize> = IndexMap::new();
    let mut text = String::new();
    for finding in &all {
        let alike = shown.get(finding.requirement.as_str()).copied();
        let alike = alike.unwrap_or_default();
        if alike < MOST_ALIKE && shown.values().sum::<usize>() < MOST_FINDINGS {
            text += "\n";
            text += &finding::render(finding, alike > 0, width);
            *shown.entry(&finding.requirement).or_default() += 1;
        }
    }
    let hidden = all.len() - shown.values().sum::<usize>();
    let more = hidden as u64 + left_out;
    if more > 0 {
        let more = count(more, "more finding");
        text += &format!("\n  … {more}\n");
    }
    text
}

/// The colour of an exit code.
pub(super) const fn exit_style(exit: u8) -> anstyle::Style {
    match exit {
        0 => style::of(Verdict::Pass),
        2 | 3 => style::of(Verdict::Error),
        _ => style::of(Verdict::Fail),
    }
}
