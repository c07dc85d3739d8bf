//! The report at the end: what failed first comes first.

use indexmap::IndexMap;
use shakedown_engine::event::{CheckSummary, SessionEvent, VerdictEvent};
use shakedown_engine::verdict::Verdict;

use super::finding::{self, labelled};
use super::parts::{findings, heading, process};
use super::style::{self, paint};
use super::tables;
use super::{Detail, closing, interop, load};
use crate::cause::{also_broken, by_cause};
use crate::left_out::{LeftOut, by_mode};
use crate::text::{clean_line, count, fit_tail, wrap};
use crate::{Outcome, Record};

/// Scenarios that are named where many were not judged for the same reason.
const MOST_NAMED: usize = 6;

pub(super) fn render(
    record: &Record,
    outcome: &Outcome,
    (width, detail): (usize, Detail),
) -> String {
    let mut sections = vec![];
    let worst = record.worst_first();
    let is_told = |verdict: &&VerdictEvent| match verdict.verdict {
        Verdict::Fail | Verdict::Error | Verdict::Waived | Verdict::Advice => true,
        Verdict::Pass => record.findings_of(&verdict.scenario).next().is_some(),
        Verdict::NotObserved | Verdict::NotApplicable | Verdict::Inconclusive => false,
    };
    for same in by_cause(worst.iter().copied().filter(is_told), record) {
        if let Some((first, others)) = same.split_first() {
            let same = the_same_in(others, |other| also_broken(other, first, record), width);
            sections.push(scenario(first, record, width) + &same);
        }
    }
    sections.extend(record.loads.iter().map(load::render));
    for check in &record.checks {
        sections.push(capture(check, record, width));
    }
    sections.push(interop::render(record, width));
    sections.push(unjudged(Verdict::Inconclusive, &worst, width));
    if detail == Detail::Least {
        sections.push(unfinished(record, width));
        sections.push(closing::last_lines(record, width));
        sections.retain(|section| !section.is_empty());
        return sections.join("\n");
    }
    sections.push(unjudged(Verdict::NotObserved, &worst, width));
    let (left_out, others): (Vec<_>, Vec<_>) = worst
        .into_iter()
        .partition(|verdict| verdict.was_left_out());
    sections.push(unjudged(Verdict::NotApplicable, &others, width));
    sections.push(match detail == Detail::Most {
        true => unjudged(Verdict::NotApplicable, &left_out, width),
        false => not_applicable(record, width),
    });
    sections.push(unfinished(record, width));
    sections.push(tables::results(record));
    sections.push(tables::coverage(record, width));
    sections.push(closing::render(record, outcome, width));
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

/// The names of scenarios that fail as the one before, each with what more it breaks.
fn the_same_in(
    others: &[&VerdictEvent],
    also: impl Fn(&VerdictEvent) -> String,
    width: usize,
) -> String {
    if others.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n  the same in {}\n",
        count(others.len() as u64, "more scenario")
    );
    for other in others {
        let name = fit_tail(&clean_line(&other.scenario), width - 4);
        text += &format!("    {}\n", paint(style::DIM, &name));
        let also = clean_line(&also(other));
        for line in also.lines().flat_map(|also| wrap(also, width - 6)) {
            text += &format!("      {}\n", paint(style::DIM, &line));
        }
    }
    text
}

/// A scenario with its findings.
fn scenario(verdict: &VerdictEvent, record: &Record, width: usize) -> String {
    let mut text = heading(
        verdict.verdict,
        &verdict.scenario,
        &format!("{:.2} s", verdict.seconds),
        width,
    );
    for line in wrap(&clean_line(&verdict.title), width - 2) {
        text += &format!("  {}\n", paint(style::DIM, &line));
    }
    if let Some(reason) = &verdict.reason {
        let label = match verdict.verdict {
            // Nothing stands in its way: it is no reason for the verdict.
            Verdict::Pass => "note",
            _ => "because",
        };
        text += &labelled(label, reason, style::of(verdict.verdict), width);
    }
    if let Some(process) = &verdict.process {
        text += &self::process(process, width);
    }
    if let Some(capture) = &verdict.capture {
        text += &finding::path("capture", capture);
    }
    let left_out = record.left_out(&verdict.scenario);
    text + &findings(record.findings_of(&verdict.scenario), left_out, width)
}

/// A capture that was checked, with its sessions and findings.
fn capture(check: &CheckSummary, record: &Record, width: usize) -> String {
    let verdict = match check.exit {
        0 => Verdict::Pass,
        1 => Verdict::Fail,
        _ => Verdict::Error,
    };
    let size = format!(
        "{}, {}",
        count(check.packets, "packet"),
        count(check.datagrams, "datagram")
    );
    let mut text = heading(verdict, &check.capture, &size, width);
    let mut left_out = check.sessions;
    for session in record
        .sessions
        .iter()
        .filter(|s| s.capture == check.capture)
    {
        text += &self::session(session, width);
        left_out = left_out.saturating_sub(1);
    }
    if left_out > 0 {
        let more = count(left_out as u64, "more session");
        text += &format!("  … {more}\n");
    }
    for note in &check.notes {
        text += &labelled("note", note, style::of(Verdict::Inconclusive), width);
    }
    let left_out = record.left_out(&check.capture);
    text + &findings(record.findings_in(&check.capture), left_out, width)
}

fn session(session: &SessionEvent, width: usize) -> String {
    let mut line = format!(
        "{} {}, {} <- {}, {} in {}",
        session.protocol,
        session.mode,
        session.initiator,
        session.responder,
        count(session.frames, "frame"),
        count(session.datagrams, "datagram"),
    );
    for (number, what) in [
        (session.missing, "missing"),
        (session.reordered, "reordered"),
        (session.repeated, "repeated"),
    ] {
        if number > 0 {
            line += &format!(", {number} {what}");
        }
    }
    let mut text = labelled("session", &line, anstyle::Style::new(), width);
    if let Some(id) = &session.connection_id {
        text += &labelled("id", id, style::DIM, width);
    }
    text
}

/// Scenarios with a verdict that is no judgement, grouped by why.
fn unjudged(verdict: Verdict, all: &[&VerdictEvent], width: usize) -> String {
    let mut reasons: IndexMap<String, Vec<&str>> = IndexMap::new();
    for found in all.iter().filter(|v| v.verdict == verdict) {
        let reason = found.reason.as_deref().unwrap_or("no reason was given");
        let scenarios = reasons.entry(clean_line(reason)).or_default();
        scenarios.push(&found.scenario);
    }
    if reasons.is_empty() {
        return String::new();
    }
    let number: usize = reasons.values().map(Vec::len).sum();
    let mut text = format!(
        "{}  {number}\n",
        paint(style::of(verdict), style::word(verdict))
    );
    for (reason, scenarios) in reasons {
        for line in wrap(&reason, width - 2) {
            text += &format!("  {line}\n");
        }
        for scenario in scenarios.iter().take(MOST_NAMED) {
            let name = fit_tail(&clean_line(scenario), width - 4);
            text += &format!("    {}\n", paint(style::DIM, &name));
        }
        if scenarios.len() > MOST_NAMED {
            let more = format!("… {} more", scenarios.len() - MOST_NAMED);
            text += &format!("    {}\n", paint(style::DIM, &more));
        }
    }
    text
}

/// How many scenarios do not apply, a line for each mode.
fn not_applicable(record: &Record, width: usize) -> String {
    let word = paint(
        style::of(Verdict::NotApplicable),
        style::word(Verdict::NotApplicable),
    );
    let modes = by_mode(record);
    let number = match modes.iter().map(|of| of.number).sum() {
        0 => return String::new(),
        number => count(number, "scenario"),
    };
    let mut text = format!("{word}  {number} not run; -v lists them\n");
    for LeftOut { mode, number, why } in modes {
        let line = format!("{}  {number}: {why}", clean_line(&mode));
        for (index, line) in wrap(&line, width - 4).iter().enumerate() {
            let indent = if index == 0 { "  " } else { "    " };
            text += &format!("{indent}{}\n", paint(style::DIM, line));
        }
    }
    text
}

/// Scenarios that had begun when the run was cut off.
fn unfinished(record: &Record, width: usize) -> String {
    if record.is_complete() || record.running.is_empty() {
        return String::new();
    }
    let style = style::of(Verdict::Error);
    let number = record.running.len();
    let mut text = format!("{}  {number}\n", paint(style, "NOT FINISHED"));
    for scenario in &record.running {
        let name = fit_tail(&clean_line(scenario), width - 4);
        text += &format!("    {}\n", paint(style::DIM, &name));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use shakedown_engine::event::Event;

    use super::*;
    use crate::fixture::{self, record};

    fn plain(events: Vec<Event>, width: usize) -> String {
        let outcome = Outcome {
            reported: 0,
            files: vec![PathBuf::from("reports/latest/events.jsonl")],
            failures: vec![crate::Failure {
                target: "reports/latest/junit.xml".to_owned(),
                error: std::io::ErrorKind::StorageFull.into(),
            }],
        };
        let report = render(&record(events), &outcome, (width, Detail::Most));
        let plain = anstream::adapter::strip_str(&report).to_string();
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        trimmed.join("\n")
    }

    #[test]
    fn what_fails_many_scenarios_for_one_cause_is_told_once_with_their_names() {
        let mut events = fixture::run();
        let failed = events.iter().position(|event| match event {
            Event::Verdict(verdict) => verdict.verdict == Verdict::Fail,
            _ => false,
        });
        let Event::Verdict(mut verdict) = events[failed.unwrap()].clone() else {
            unreachable!("it is a verdict");
        };
        let record = record(events.clone());
        let findings: Vec<_> = record.findings_of(&verdict.scenario).cloned().collect();
        for n in 1..=16 {
            verdict.scenario = format!("mediastream/legacy/responder/another-{n}");
            for finding in &findings {
                let mut finding = finding.clone();
                finding.scenario = Some(verdict.scenario.clone());
                finding.time += f64::from(n);
                events.push(Event::Finding(finding));
            }
            events.push(Event::Verdict(verdict.clone()));
        }
        let told = plain(events, 80);
        assert_eq!(told.matches(&findings[0].expected).count(), 1, "{told}");
        let (_, names) = told.split_once("the same in 16 more scenarios").unwrap();
        for n in 1..=16 {
            let name = format!("\n    mediastream/legacy/responder/another-{n}\n");
            assert!(names.contains(&name), "{name} in {told}");
        }
    }

    #[test]
    fn a_run_with_every_verdict() {
        insta::assert_snapshot!(plain(fixture::run(), 80));
    }

    #[test]
    fn an_interrupted_run_says_so() {
        insta::assert_snapshot!(plain(fixture::interrupted(), 100));
    }

    #[test]
    fn checked_captures() {
        insta::assert_snapshot!(plain(fixture::check(), 100));
    }

    #[test]
    fn of_many_that_do_not_apply_the_first_are_named_and_all_are_counted() {
        let mut events = fixture::run();
        let absent = events.iter().rposition(
            |event| matches!(event, Event::Verdict(v) if v.verdict == Verdict::NotApplicable),
        );
        let absent = events[absent.unwrap()].clone();
        for number in 0..9 {
            let Event::Verdict(mut verdict) = absent.clone() else {
                unreachable!("it was found as a verdict");
            };
            verdict.scenario += &number.to_string();
            events.push(Event::Verdict(verdict));
        }
        let report = plain(events.clone(), 80);
        assert!(report.contains("N/A  11\n"), "{report}");
        assert!(report.contains("… 4 more"), "{report}");
        let short = render(&record(events), &Outcome::default(), (80, Detail::Usual));
        let short = anstream::adapter::strip_str(&short).to_string();
        let lines = short.split_once("N/A  11 scenarios not run; -v lists them\n");
        let (_, lines) = lines.expect(&short);
        let modes = lines
            .lines()
            .take_while(|line| line.starts_with("  mediastream/3way  11: "));
        assert_eq!(modes.count(), 1, "{short}");
    }

    #[test]
    fn in_quiet_only_what_did_not_pass_is_told_and_what_it_comes_to() {
        let quiet = |events| {
            let report = render(&record(events), &Outcome::default(), (80, Detail::Least));
            anstream::adapter::strip_str(&report).to_string()
        };
        let mut events = fixture::run();
        let told = quiet(events.clone());
        assert!(
            told.contains("FAIL") && told.contains("got nothing"),
            "{told}"
        );
        assert!(
            !told.contains("Requirements") && !told.contains("N/A"),
            "{told}"
        );
        events.retain(|event| match event {
            Event::Verdict(verdict) => verdict.verdict == Verdict::Pass,
            event => !matches!(event, Event::Finding(_)),
        });
        assert_eq!(quiet(events).lines().count(), 2);
    }

    #[test]
    fn of_many_findings_the_first_are_shown_and_all_are_counted() {
        let mut events = fixture::check();
        let finding = events
            .iter()
            .position(|event| matches!(event, Event::Finding(_)))
            .unwrap();
        for _ in 0..299 {
            events.insert(finding, events[finding].clone());
        }
        let report = plain(events, 80);
        assert_eq!(report.matches("got QPF 0").count(), 2);
        assert!(report.contains("… 298 more findings"), "{report}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [76, 80, 100] {
            for events in [fixture::run(), fixture::check(), fixture::interrupted()] {
                for line in plain(events, width).lines() {
                    let is_path = line.contains("    capture ");
                    let length = line.chars().count();
                    assert!(length <= width || is_path, "{length} > {width}: {line}");
                }
            }
        }
    }

    #[test]
    fn hostile_text_reaches_no_terminal() {
        let report = render(
            &record(fixture::hostile()),
            &Outcome::default(),
            (80, Detail::Most),
        );
        let stripped = anstream::adapter::strip_str(&report).to_string();
        let acts = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
        assert_eq!(stripped.chars().find(acts), None);
        // Every escape left in the report is a colour of ours.
        for sequence in report.split('\u{1b}').skip(1) {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic());
            let is_colour = end.is_some_and(|end| sequence.as_bytes()[end] == b'm');
            assert!(is_colour && sequence.starts_with('['), "{sequence:?}");
        }
        assert!(!report.contains("\u{1b}[2J") && stripped.contains(r"\u{1b}[2J"));
    }

    #[test]
    fn sessions_that_were_not_kept_are_counted() {
        let mut record = crate::fixture::record(crate::fixture::check());
        record.checks[0].sessions = 1_000_000;
        let text = capture(&record.checks[0], &record, 80);
        assert!(text.contains("more sessions"), "{text}");
        let text = capture(&record.checks[1], &record, 80);
        assert!(!text.contains("more session"), "{text}");
    }
}
