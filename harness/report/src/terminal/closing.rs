//! The end of the report: its notes, where the reports are, and what it comes to.

use shakedown_engine::event::{CheckSummary, VIRTUAL};
use shakedown_engine::verdict::Verdict;

use super::finding::{self, labelled};
use super::interop;
use super::parts::exit_style;
use super::style::{self, paint};
use crate::plan::REFERENCE_TESTED;
use crate::text::{clean_line, count, wrap};
use crate::{Outcome, Record, Run};

/// The message of the run, its notes, and where the reports are.
pub(super) fn render(record: &Record, outcome: &Outcome, width: usize) -> String {
    let mut text = String::new();
    if let Some(run) = &record.run {
        let line = format!("{}; seed {}; capture: {}", run.iut, run.seed, run.capture);
        for line in wrap(&clean_line(&line), width) {
            text += &format!("{}\n", paint(style::DIM, &line));
        }
    }
    let met = record.table.iter().flat_map(|table| &table.summaries);
    let met = met.flat_map(|summary| &summary.notes);
    let notes = record.summary.iter().flat_map(|summary| &summary.notes);
    for note in notes.chain(met) {
        text += &labelled("note", note, style::of(Verdict::Inconclusive), width);
    }
    for file in &outcome.files {
        text += &finding::path("report", &file.display().to_string());
    }
    for failure in &outcome.failures {
        text += &labelled("not written", &failure.to_string(), style::BAD, width);
    }
    text + &last_lines(record, width)
}

/// What it comes to.
pub(super) fn last_lines(record: &Record, width: usize) -> String {
    let mut text = interop::message(record, width);
    if let Some(run) = &record.run {
        if run.reference {
            let style = style::of(Verdict::Inconclusive);
            text += &labelled("note", REFERENCE_TESTED, style, width);
        }
        text += &message(record, width);
    } else if !record.checks.is_empty() {
        text += &check_message(record);
    }
    text
}

/// What the checks come to.
fn check_message(record: &Record) -> String {
    let sessions: usize = record.checks.iter().map(|check| check.sessions).sum();
    let findings: usize = record.checks.iter().map(|check| check.findings).sum();
    let found = match findings {
        0 => "no finding".to_owned(),
        findings => count(findings as u64, "finding"),
    };
    let unread = |check: &&CheckSummary| check.packets == 0 && check.exit != 0;
    let unread = record.checks.iter().filter(unread).count();
    let read = record.checks.len() - unread;
    let judged = format!(
        "{} with {}: {found}",
        count(read as u64, "capture"),
        count(sessions as u64, "session"),
    );
    let unread = match unread {
        0 => None,
        unread => Some(format!(
            "{} without a packet that could be read",
            count(unread as u64, "capture")
        )),
    };
    let judged = (read > 0).then_some(judged);
    let line = judged
        .into_iter()
        .chain(unread)
        .collect::<Vec<_>>()
        .join("; ");
    let style = exit_style(record.exit()).effects(anstyle::Effects::BOLD);
    format!("{}\n", paint(style, &line))
}

/// The last lines: what it comes to.
fn message(record: &Record, width: usize) -> String {
    let mut counts: Vec<String> = record
        .counts()
        .into_iter()
        .map(|(verdict, number)| format!("{number} {verdict}"))
        .collect();
    match record.unjudged().len() {
        0 => {}
        number => counts.push(format!("{number} not played")),
    }
    let (said, style, seconds) = match &record.summary {
        Some(summary) => (
            summary.message.as_str(),
            exit_style(summary.exit),
            Some(summary.seconds),
        ),
        None => ("The run did not finish.", style::of(Verdict::Error), None),
    };
    let mut text = String::new();
    for line in wrap(&clean_line(said), width) {
        text += &format!("{}\n", paint(style.effects(anstyle::Effects::BOLD), &line));
    }
    if !counts.is_empty() {
        let is_virtual = |run: &Run| run.capture.contains(VIRTUAL);
        let kind = match record.run.as_ref().is_some_and(is_virtual) {
            true => " of virtual time",
            false => "",
        };
        let time = seconds.map_or(String::new(), |seconds| format!(" in {seconds:.1} s{kind}"));
        let line = counts.join(", ") + &time;
        text += &(wrap(&line, width).join("\n") + "\n");
    }
    text
}
