//! Results by mode and role, and the requirements.

use std::collections::BTreeMap;

use console::{Alignment, measure_text_width, pad_str};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::requirement::{Requirement, Seen};

use super::style::{self, paint};
use crate::text::{clean_line, fit, wrap};
use crate::{Record, requirements};

/// Width of every column in digits.
const DIGITS: usize = 4;
/// Most requirements that are listed as not judged; of further ones only the number is given.
const MOST_LISTED: usize = 24;

/// The columns of the table, with their headings. The first two always stand there.
const COLUMNS: [(Verdict, &str); 8] = [
    (Verdict::Pass, "pass"),
    (Verdict::Fail, "fail"),
    (Verdict::Error, "error"),
    (Verdict::Inconclusive, "inconcl."),
    (Verdict::Waived, "waived"),
    (Verdict::Advice, "advice"),
    (Verdict::NotApplicable, "n/a"),
    (Verdict::NotObserved, "not obs."),
];

/// Scenarios by mode and role against verdict; columns without a number are left out.
pub(super) fn results(record: &Record) -> String {
    let mut rows: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
    for verdict in record.verdicts.values() {
        let group = group(&verdict.scenario);
        rows.entry(group).or_default().push(verdict.verdict);
    }
    if rows.is_empty() {
        return String::new();
    }
    let all: Vec<Verdict> = rows.values().flatten().copied().collect();
    let is_shown =
        |(index, (verdict, _)): &(usize, (Verdict, &str))| *index < 2 || all.contains(verdict);
    let columns: Vec<(Verdict, &str)> = COLUMNS
        .into_iter()
        .enumerate()
        .filter(is_shown)
        .map(|(_, column)| column)
        .collect();
    // One protocol stands in the heading, several stand in each row.
    let protocol = rows
        .keys()
        .next()
        .map_or("", |name| first_word(name))
        .to_owned();
    let is_one = rows.keys().all(|name| first_word(name) == protocol);
    let (heading, rows) = match is_one && !protocol.is_empty() {
        true => {
            let short = rows.into_iter().map(|(name, verdicts)| {
                let rest = name[protocol.len()..].trim_start().to_owned();
                (rest, verdicts)
            });
            (protocol.clone(), short.collect())
        }
        false => ("Results".to_owned(), rows),
    };
    let names = rows.keys().map(|name| measure_text_width(name));
    let width = names.max().unwrap_or(0).max(measure_text_width(&heading));
    let mut text = paint(
        style::BOLD,
        &pad_str(&heading, width, Alignment::Left, None),
    );
    for (_, heading) in &columns {
        text += &paint(style::DIM, &format!("  {heading:>DIGITS$}"));
    }
    text.push('\n');
    let has_total = rows.len() > 1;
    for (name, verdicts) in &rows {
        text += &row(name, verdicts, &columns, width);
    }
    if has_total {
        text += &row("all", &all, &columns, width);
    }
    text
}

fn row(name: &str, verdicts: &[Verdict], columns: &[(Verdict, &str)], width: usize) -> String {
    let mut text = pad_str(name, width, Alignment::Left, None).into_owned();
    for (verdict, heading) in columns {
        let width = heading.len().max(DIGITS);
        let number = verdicts.iter().filter(|v| *v == verdict).count();
        let (style, number) = match number {
            0 => (style::DIM, "-".to_owned()),
            number => (style::of(*verdict), number.to_string()),
        };
        text += &format!("  {}", paint(style, &format!("{number:>width$}")));
    }
    text + "\n"
}

/// `mediastream 3way responder` of `mediastream/3way/responder/name`.
fn group(scenario: &str) -> String {
    let mut parts: Vec<&str> = scenario.split('/').collect();
    parts.pop();
    fit(&clean_line(&parts.join(" ")), 40)
}

fn first_word(name: &str) -> &str {
    name.split(' ').next().unwrap_or("")
}

/// Requirements by verdict, and those of the protocol that nothing judged.
pub(super) fn coverage(record: &Record, width: usize) -> String {
    let judged = record.requirements();
    if judged.is_empty() {
        return String::new();
    }
    let all = requirements::all_beside(judged.iter().map(|(id, _)| id.as_str()));
    let with = |verdict: Verdict| {
        let same = judged.iter().filter(move |(_, v)| *v == verdict);
        same.map(|(id, _)| clean_line(id)).collect::<Vec<_>>()
    };
    // What a capture alone cannot show is missing in no check.
    let is_check = record.run.is_none();
    let of = if is_check { judged.len() } else { all.len() };
    let heading = format!("Requirements  {} of {of} pass", with(Verdict::Pass).len());
    let mut text = paint(style::BOLD, &heading) + "\n";
    for verdict in Verdict::ALL.into_iter().rev() {
        if is_check || verdict != Verdict::Pass {
            text += &list(verdict.name(), &with(verdict), style::of(verdict), width);
        }
    }
    if is_check {
        return text;
    }
    let is_missing = |id: &str| !judged.iter().any(|(judged, _)| judged == id);
    let missing = all.iter().filter(|found| is_missing(&found.id));
    let (inner, outer): (Vec<_>, Vec<_>) = missing.partition(|found| found.seen == [Seen::Inner]);
    let ids =
        |of: &[&&Requirement]| -> Vec<String> { of.iter().map(|found| found.id.clone()).collect() };
    text += &list("not judged", &ids(&outer), style::DIM, width);
    text + &list("internal only", &ids(&inner), style::DIM, width)
}

/// A name, how many ids there are, and the ids unless they are too many; nothing for no ids.
fn list(name: &str, ids: &[String], style: anstyle::Style, width: usize) -> String {
    if ids.is_empty() {
        return String::new();
    }
    let indent = 22;
    let number = ids.len();
    let named = match number <= MOST_LISTED {
        true => ids.join(" "),
        false => String::new(),
    };
    let lines = wrap(&named, width - indent);
    let head = format!("  {} {number:>3}  ", paint(style, &format!("{name:<14}")));
    let text = head + &lines.join(&format!("\n{}", " ".repeat(indent)));
    text.trim_end().to_owned() + "\n"
}
