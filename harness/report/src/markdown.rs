mod table;
mod text;

use std::fmt::Write;
use std::io;
use std::path::Path;

use shakedown_engine::event::{FindingEvent, VerdictEvent};
use shakedown_engine::verdict::Verdict;

use self::text::{code, escape, link};
use crate::cause::{also_broken, by_cause};
use crate::left_out::{LeftOut, by_mode};
use crate::plan::REFERENCE_TESTED;
use crate::text::count;
use crate::{Outcome, Record, load, requirements};

/// A Markdown summary, as a CI job shows it: what it comes to, what failed, the requirements.
pub(crate) fn document(record: &Record, place: &Path, _: &Outcome) -> io::Result<Option<String>> {
    Ok(Some(render_at(record, place)))
}

/// The document as it goes to standard output.
pub(crate) fn render(record: &Record) -> String {
    render_at(record, Path::new(""))
}

/// The document as the file `place`, from which its links are relative.
fn render_at(record: &Record, place: &Path) -> String {
    let directory = place.parent().unwrap_or(Path::new(""));
    let sections = [
        head(record),
        table::render(record, directory),
        loads(record, directory),
        failed(record, directory),
        not_counted(record, directory),
        unjudged(record),
        not_applicable(record),
        captures(record, directory),
        left_out(record),
        results(record),
        requirement_table(record),
    ];
    let sections: Vec<String> = sections.into_iter().filter(|s| !s.is_empty()).collect();
    sections.join("\n")
}

fn head(record: &Record) -> String {
    let mut text = String::new();
    let Some(run) = &record.run else {
        if record.table.is_some() {
            return String::new();
        }
        return "# Shakedown: captures checked\n".to_owned();
    };
    let _ = writeln!(text, "# Shakedown: {}\n", escape(&run.iut));
    let message = match &record.summary {
        Some(summary) => escape(&summary.message),
        None => "The run has not finished.".to_owned(),
    };
    let _ = writeln!(text, "**{message}**\n");
    let counts: Vec<String> = record
        .counts()
        .iter()
        .map(|(verdict, number)| format!("{number} {verdict}"))
        .collect();
    let counts = match counts.is_empty() {
        true => "no scenario judged".to_owned(),
        false => counts.join(", "),
    };
    let _ = writeln!(
        text,
        "{counts} of {}; seed {}; capture: {}.",
        count(run.scenarios as u64, "scenario"),
        run.seed,
        escape(&run.capture)
    );
    let notes = record.summary.iter().flat_map(|summary| &summary.notes);
    let tested = run.reference.then_some(REFERENCE_TESTED);
    for note in tested.into_iter().chain(notes.map(String::as_str)) {
        let _ = writeln!(text, "\n> {}", escape(note));
    }
    text
}

fn loads(record: &Record, directory: &Path) -> String {
    let mut text = String::new();
    for load in &record.loads {
        let _ = writeln!(
            text,
            "## Load: {}\n\n| what | |\n|---|---|",
            code(&load.scenario)
        );
        for (name, value) in load::numbers(load) {
            let _ = writeln!(text, "| {name} | {} |", escape(&value));
        }
        text.push('\n');
        if directory.join("load.svg").is_file() {
            text += "![Latency over time](load.svg)\n\n";
        }
        if !load.causes.is_empty() {
            text += "| plays | requirement | step | the first of them |\n|---|---|---|---|\n";
        }
        for cause in &load.causes {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                cause.plays,
                escape(&cause.requirement),
                escape(&cause.step),
                escape(&cause.message()),
            );
        }
    }
    text
}

fn failed(record: &Record, directory: &Path) -> String {
    let worst = record.worst_first();
    let failed = worst.into_iter();
    let failed = failed.filter(|v| matches!(v.verdict, Verdict::Fail | Verdict::Error));
    let failed = by_cause(failed, record);
    let counted = |f: &&FindingEvent| f.counts();
    if failed.is_empty() {
        return String::new();
    }
    let mut text = "## What failed\n\n\
        | scenario | verdict | requirement | expected | got | packet | capture |\n\
        |---|---|---|---|---|---|---|\n"
        .to_owned();
    for (verdict, others) in failed.iter().filter_map(|same| same.split_first()) {
        let name = |other: &&VerdictEvent| {
            let also = also_broken(other, verdict, record);
            let also = if also.is_empty() {
                also
            } else {
                format!(" ({also})")
            };
            code(&other.scenario) + &escape(&also)
        };
        let names: Vec<_> = others.iter().map(name).collect();
        let same = match names.is_empty() {
            true => String::new(),
            false => format!("<br>and {} more: {}", names.len(), names.join(", ")),
        };
        let place = code(&verdict.scenario) + &same;
        let findings = record.findings_of(&verdict.scenario).filter(counted);
        let findings: Vec<&FindingEvent> = findings.collect();
        if findings.is_empty() {
            let reason = escape(verdict.reason.as_deref().unwrap_or(""));
            let capture = link(verdict.capture.as_deref(), directory);
            let _ = writeln!(
                text,
                "| {} | {} | | | {reason} | | {capture} |",
                place, verdict.verdict,
            );
        }
        for finding in findings {
            let of = verdict.verdict.name();
            text += &finding_row(&place, of, finding, directory);
        }
    }
    text
}

fn finding_row(place: &str, verdict: &str, finding: &FindingEvent, directory: &Path) -> String {
    let packet = finding.packet.map_or(String::new(), |p| p.to_string());
    format!(
        "| {} | {verdict} | {} {} | {} | {} | {packet} | {} |\n",
        place,
        escape(&finding.requirement),
        escape(&finding.level),
        escape(&finding.expected),
        escape(&finding.got),
        link(finding.capture.as_deref(), directory),
    )
}

fn not_counted(record: &Record, directory: &Path) -> String {
    let findings: Vec<&FindingEvent> = record.findings.iter().filter(|f| !f.counts()).collect();
    if findings.is_empty() {
        return String::new();
    }
    let mut text = "## Findings that do not count\n\n\
        | where | why | requirement | expected | got | packet | capture |\n\
        |---|---|---|---|---|---|---|\n"
        .to_owned();
    for finding in findings {
        let place = finding.scenario.as_deref().or(finding.capture.as_deref());
        let why = match &finding.waived {
            Some(because) => format!("waived: {}", escape(because)),
            None => "advice".to_owned(),
        };
        text += &finding_row(&code(place.unwrap_or("")), &why, finding, directory);
    }
    text
}

fn unjudged(record: &Record) -> String {
    let worst = record.worst_first();
    let unjudged: Vec<&&VerdictEvent> = worst
        .iter()
        .filter(|v| {
            matches!(v.verdict, Verdict::Inconclusive | Verdict::NotObserved)
                || v.verdict == Verdict::NotApplicable && !v.was_left_out()
        })
        .collect();
    if unjudged.is_empty() {
        return String::new();
    }
    let mut text = "## Not judged\n\n| scenario | verdict | why |\n|---|---|---|\n".to_owned();
    for verdict in unjudged {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            code(&verdict.scenario),
            verdict.verdict,
            escape(verdict.reason.as_deref().unwrap_or(""))
        );
    }
    text
}

/// What was not played, a line for each mode.
fn not_applicable(record: &Record) -> String {
    let modes = by_mode(record);
    if modes.is_empty() {
        return String::new();
    }
    let mut text = "## Not applicable\n\n| mode | scenarios | why |\n|---|--:|---|\n".to_owned();
    for LeftOut { mode, number, why } in modes {
        let _ = writeln!(text, "| {} | {number} | {} |", code(&mode), escape(&why));
    }
    text
}

fn captures(record: &Record, directory: &Path) -> String {
    if record.checks.is_empty() {
        return String::new();
    }
    let mut text = "## Captures\n\n\
        | capture | packets | sessions | findings | notes |\n\
        |---|--:|--:|--:|---|\n"
        .to_owned();
    for check in &record.checks {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            link(Some(&check.capture), directory),
            check.packets,
            check.sessions,
            check.findings,
            escape(&check.notes.join("; "))
        );
    }
    let counted = |f: &&FindingEvent| f.counts() && f.scenario.is_none();
    let findings: Vec<&FindingEvent> = record.findings.iter().filter(counted).collect();
    if !findings.is_empty() {
        text += "\n| capture | requirement | expected | got | packet | second |\n\
                 |---|---|---|---|--:|--:|\n";
    }
    for finding in findings {
        let _ = writeln!(
            text,
            "| {} | {} {} | {} | {} | {} | {:.6} |",
            link(finding.capture.as_deref(), directory),
            escape(&finding.requirement),
            escape(&finding.level),
            escape(&finding.expected),
            escape(&finding.got),
            finding.packet.map_or(String::new(), |p| p.to_string()),
            finding.time
        );
    }
    text
}

/// How many findings stand in no table.
fn left_out(record: &Record) -> String {
    let scenarios = record.verdicts.keys();
    let captures = record.checks.iter().map(|check| &check.capture);
    let places = scenarios.chain(captures);
    match places.map(|place| record.left_out(place)).sum() {
        0 => String::new(),
        more => format!("And {} in `events.jsonl`.\n", count(more, "more finding")),
    }
}

fn results(record: &Record) -> String {
    if record.verdicts.is_empty() {
        return String::new();
    }
    let mut groups: std::collections::BTreeMap<&str, Vec<Verdict>> = Default::default();
    for verdict in record.verdicts.values() {
        let group = verdict
            .scenario
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        groups.entry(group).or_default().push(verdict.verdict);
    }
    let mut text = "## Results\n\n| mode and role |".to_owned();
    for verdict in Verdict::ALL {
        let _ = write!(text, " {verdict} |");
    }
    text += "\n|---|";
    text += &"--:|".repeat(Verdict::ALL.len());
    text.push('\n');
    for (group, verdicts) in groups {
        let _ = write!(text, "| {} |", code(group));
        for verdict in Verdict::ALL {
            let number = verdicts.iter().filter(|v| **v == verdict).count();
            let _ = write!(text, " {number} |");
        }
        text.push('\n');
    }
    text
}

fn requirement_table(record: &Record) -> String {
    let judged = record.requirements();
    if judged.is_empty() {
        return String::new();
    }
    let all = requirements::all_beside(judged.iter().map(|(id, _)| id.as_str()));
    let passed = judged.iter().filter(|(_, v)| *v == Verdict::Pass).count();
    let mut text = format!(
        "## Requirements\n\n<details><summary>{passed} of {} pass</summary>\n\n",
        if record.run.is_some() {
            all.len()
        } else {
            judged.len()
        }
    );
    let (passing, others): (Vec<_>, Vec<_>) = judged
        .iter()
        .partition(|(_, verdict)| *verdict == Verdict::Pass);
    if !others.is_empty() {
        text += "| requirement | level | verdict | text |\n|---|---|---|---|\n";
    }
    for (id, verdict) in others {
        let found = requirements::find(id);
        let level = found.map_or("", |found| requirements::level_name(found.level));
        let rule = found.map_or("", |found| &found.text);
        let _ = writeln!(
            text,
            "| {} | {level} | {verdict} | {} |",
            escape(id),
            escape(rule)
        );
    }
    if !passing.is_empty() {
        let ids: Vec<_> = passing.iter().map(|(id, _)| escape(id)).collect();
        let _ = writeln!(text, "\nPass: {}.", ids.join(", "));
    }
    let missing: Vec<&str> = all
        .iter()
        .filter(|found| !judged.iter().any(|(id, _)| *id == found.id))
        .map(|found| found.id.as_str())
        .collect();
    if !missing.is_empty() && record.run.is_some() {
        let _ = writeln!(text, "\nNot judged here: {}.", missing.join(", "));
    }
    text + "\n</details>\n"
}

#[cfg(test)]
mod tests {
    use shakedown_engine::event::Event;

    use super::*;
    use crate::fixture::{self, record};

    fn document(events: Vec<Event>) -> String {
        render_at(&record(events), Path::new("reports/latest/summary.md"))
    }

    #[test]
    fn a_run_with_every_verdict() {
        insta::assert_snapshot!(document(fixture::run()));
    }

    #[test]
    fn an_interrupted_run_says_so() {
        insta::assert_snapshot!(document(fixture::interrupted()));
    }

    #[test]
    fn checked_captures() {
        insta::assert_snapshot!(document(fixture::check()));
    }

    #[test]
    fn it_has_less_than_5_kb_when_all_is_well() {
        use shakedown_protocol::PROTOCOLS;
        let mut record = record(fixture::run());
        record.findings.clear();
        let passed = record
            .verdicts
            .values()
            .find(|one| one.verdict == Verdict::Pass);
        let passed = passed.unwrap().clone();
        let absent = record.verdicts.values().find(|one| one.was_left_out());
        let absent = absent.unwrap().clone();
        record.verdicts.clear();
        for protocol in PROTOCOLS {
            for (mode, side) in protocol
                .modes
                .iter()
                .flat_map(|mode| protocol.sides.map(|side| (mode, side)))
            {
                for number in 0..40 {
                    let mut one = if number < 30 {
                        passed.clone()
                    } else {
                        absent.clone()
                    };
                    one.scenario = format!("{}/{mode}/{side}/{number}", protocol.id);
                    record.verdicts.insert(one.scenario.clone(), one);
                }
            }
        }
        let all = PROTOCOLS
            .iter()
            .flat_map(|protocol| (protocol.requirements)());
        let summary = record.summary.as_mut().unwrap();
        summary.requirements = all.map(|one| (one.id.clone(), Verdict::Pass)).collect();
        let text = render_at(&record, Path::new("reports/latest/summary.md"));
        assert!(text.len() < 5_000, "{} bytes: {text}", text.len());
        assert!(text.contains("| `mediastream/3way` | 20 | 20 × "), "{text}");
    }

    #[test]
    fn hostile_text_stays_text() {
        insta::assert_snapshot!(document(fixture::hostile()));
    }
}
