//! TAP 14, the Test Anything Protocol: <https://testanything.org/tap-version-14-specification.html>.

use shakedown_engine::verdict::Verdict;

use crate::Record;
use crate::cases::{Case, cases};
use crate::plan::REFERENCE_TESTED;
use crate::text::clean_line;

/// A test point for each case. What fails the run is not ok; what was not judged is skipped, with the reason; a
/// known failure is one that is to do. Interrupted runs bail out.
pub(crate) fn render(record: &Record) -> String {
    let cases = cases(record);
    let mut text = format!("TAP version 14\n1..{}\n", cases.len());
    for (number, case) in (1..).zip(&cases) {
        text += &point(number, case);
        if case.fails() {
            text += &diagnosis(case, record);
        }
    }
    if record.run.as_ref().is_some_and(|run| run.reference) {
        text += &format!("# {REFERENCE_TESTED}\n");
    }
    if let Some(summary) = record.summary.as_ref().filter(|all| all.interrupted) {
        text += &format!("Bail out! {}\n", clean_line(&summary.message));
    }
    text
}

fn point(number: usize, case: &Case<'_>) -> String {
    let name = escaped(&case.name);
    let skipped = |directive: &str| {
        let why = format!("{}: {}", case.verdict.name(), case.reason);
        format!(" # {directive} {}", escaped(why.trim_end_matches(": ")))
    };
    match case.verdict {
        Verdict::Pass => format!("ok {number} - {name}\n"),
        Verdict::Advice | Verdict::NotApplicable | Verdict::NotObserved => {
            format!("ok {number} - {name}{}\n", skipped("SKIP"))
        }
        Verdict::Waived => format!("not ok {number} - {name}{}\n", skipped("TODO")),
        Verdict::Fail | Verdict::Error | Verdict::Inconclusive => {
            format!("not ok {number} - {name}\n")
        }
    }
}

/// A YAML block below a point. Strings are written as JSON writes them, which is YAML.
fn diagnosis(case: &Case<'_>, record: &Record) -> String {
    let string = |text: &str| serde_json::Value::from(clean_line(text)).to_string();
    let mut lines = vec![
        format!("verdict: {}", string(case.verdict.name())),
        format!("message: {}", string(case.why())),
    ];
    lines.extend(
        case.capture
            .map(|path| format!("capture: {}", string(path))),
    );
    let again = record.again(&case.name);
    lines.extend(again.map(|call| format!("again: {}", string(&call))));
    if case.counted().next().is_some() {
        lines.push("findings:".to_owned());
    }
    for finding in case.counted() {
        lines.push(format!("  - requirement: {}", string(&finding.requirement)));
        lines.push(format!("    expected: {}", string(&finding.expected)));
        lines.push(format!("    got: {}", string(&finding.got)));
        lines.extend(finding.packet.map(|packet| format!("    packet: {packet}")));
        lines.push(format!("    seconds: {:.6}", finding.time));
    }
    let lines = lines.iter().map(|line| format!("  {line}\n"));
    format!("  ---\n{}  ...\n", lines.collect::<String>())
}

/// A text in which nothing begins a directive.
fn escaped(text: &str) -> String {
    clean_line(text).replace('\\', r"\\").replace('#', r"\#")
}

#[cfg(test)]
mod tests {
    use shakedown_engine::event::Event;

    use super::*;
    use crate::fixture;

    #[derive(Debug, Default, PartialEq)]
    struct Read {
        points: Vec<(bool, String, Option<String>)>,
        bailed_out: bool,
    }

    /// Reads a document as a harness does; panics where it is none.
    fn read(text: &str) -> Read {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("TAP version 14"));
        let plan = lines.next().unwrap().strip_prefix("1..").unwrap();
        let plan: usize = plan.parse().unwrap();
        let mut read = Read::default();
        let mut in_block = false;
        for line in lines {
            match line {
                "  ---" => assert!(!std::mem::replace(&mut in_block, true)),
                "  ..." => assert!(std::mem::take(&mut in_block)),
                line if in_block => assert!(line.starts_with("  "), "{line:?}"),
                line if line.starts_with("Bail out!") => read.bailed_out = true,
                line => {
                    let (is_ok, rest) = match line.strip_prefix("not ok ") {
                        Some(rest) => (false, rest),
                        None => (true, line.strip_prefix("ok ").unwrap()),
                    };
                    let (number, rest) = rest.split_once(" - ").unwrap();
                    assert_eq!(number.parse(), Ok(read.points.len() + 1));
                    let (name, directive) = match rest.split_once(" # ") {
                        Some((name, directive)) => (name, Some(directive.to_owned())),
                        None => (rest, None),
                    };
                    read.points.push((is_ok, name.to_owned(), directive));
                }
            }
        }
        assert!(!in_block);
        assert_eq!(read.points.len(), plan);
        read
    }

    fn written(events: Vec<Event>) -> String {
        render(&fixture::record(events))
    }

    #[test]
    fn every_case_is_a_point_with_what_a_harness_needs() {
        let text = written(fixture::run());
        insta::assert_snapshot!(text);
        let read = read(&text);
        assert!(!read.bailed_out);
        let failing = read
            .points
            .iter()
            .filter(|(is_ok, _, directive)| !is_ok && directive.is_none());
        assert_eq!(failing.count(), 4);
    }

    #[test]
    fn every_stream_of_events_makes_a_document() {
        for events in [fixture::check(), fixture::interop(), fixture::hostile()] {
            read(&written(events));
        }
        assert!(read(&written(fixture::interrupted())).bailed_out);
    }
}
