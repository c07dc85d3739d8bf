//! Annotations as GitHub Actions take them from standard output: `::error file=…,title=…::message`.

use std::path::Path;

use shakedown_engine::verdict::Verdict;

use crate::Record;
use crate::cases::{Case, cases};
use crate::link::target;
use crate::plan::REFERENCE_TESTED;
use crate::text::clean_line;

/// Most annotations of a kind that a step shows; of further ones only the number is given.
const MOST: usize = 10;

/// An error for each case that fails, a warning for what is in doubt, a notice for known failures
/// and advice; and the message of the run.
pub(crate) fn render(record: &Record) -> String {
    let cases = cases(record);
    let mut text = String::new();
    for level in ["error", "warning", "notice"] {
        let of_it: Vec<_> = cases
            .iter()
            .filter(|one| level_of(one) == Some(level))
            .collect();
        for case in of_it.iter().take(MOST) {
            text += &annotation(level, case);
        }
        if let Some(more @ 1..) = of_it.len().checked_sub(MOST) {
            text +=
                &format!("::{level} title=Shakedown::and {more} more; the report has them all\n");
        }
    }
    if record.run.as_ref().is_some_and(|run| run.reference) {
        text += &format!("::notice title=Shakedown::{REFERENCE_TESTED}\n");
    }
    let message = record.summary.as_ref().map(|all| &all.message);
    if let Some(message) = message {
        text += &format!("{}\n", data(message));
    }
    text
}

const fn level_of(case: &Case<'_>) -> Option<&'static str> {
    match case.verdict {
        Verdict::Fail | Verdict::Error => Some("error"),
        Verdict::Inconclusive => Some("warning"),
        Verdict::Waived | Verdict::Advice => Some("notice"),
        Verdict::Pass | Verdict::NotObserved | Verdict::NotApplicable => None,
    }
}

fn annotation(level: &str, case: &Case<'_>) -> String {
    let first = case.findings.first();
    let title = match first {
        Some(first) => format!("{} in {}", first.requirement, case.name),
        None => case.name.clone(),
    };
    let message = match (case.counted().next(), first) {
        (Some(_), _) | (None, None) => case.why(),
        (None, Some(first)) => &first.message,
    };
    let file = case.capture.map(|capture| target(capture, Path::new("")));
    let file = file.map_or(String::new(), |file| format!("file={},", property(&file)));
    format!(
        "::{level} {file}title={}::{}\n",
        property(&title),
        data(message)
    )
}

/// A text as the message of a command.
fn data(text: &str) -> String {
    // A line that begins with :: would be a command.
    clean_line(text).replace('%', "%25").replace("::", "%3A%3A")
}

/// A text as the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// A command as the runner reads it: its name, its properties and its message.
    fn read(line: &str) -> Option<(&str, Vec<&str>, &str)> {
        let (command, message) = line.strip_prefix("::")?.split_once("::")?;
        let (name, properties) = command.split_once(' ').unwrap_or((command, ""));
        Some((name, properties.split(',').collect(), message))
    }

    #[test]
    fn what_fails_is_an_error_with_its_capture_and_requirement() {
        let text = render(&fixture::record(fixture::run()));
        insta::assert_snapshot!(text);
        let (name, properties, _) = read(text.lines().next().unwrap()).unwrap();
        assert_eq!(name, "error");
        assert!(
            properties[0].starts_with("file=reports/latest/captures/"),
            "{properties:?}"
        );
    }

    #[test]
    fn text_of_others_is_no_command_and_no_property() {
        let mut events = fixture::hostile();
        events.extend(fixture::check());
        for line in render(&fixture::record(events)).lines() {
            let Some((name, properties, message)) = read(line) else {
                assert!(!line.contains("::"), "{line}");
                continue;
            };
            assert!(["error", "warning", "notice"].contains(&name), "{line}");
            let known = |one: &&str| one.starts_with("file=") || one.starts_with("title=");
            assert!(properties.iter().all(known), "{line}");
            assert!(!message.contains("::"), "{line}");
        }
    }

    #[test]
    fn of_very_many_the_first_are_shown_and_all_are_counted() {
        let mut record = fixture::record(fixture::run());
        let failed = record
            .verdicts
            .values()
            .find(|one| one.verdict == Verdict::Fail);
        let failed = failed.unwrap().clone();
        for number in 0..30 {
            record.verdicts.insert(number.to_string(), failed.clone());
        }
        let text = render(&record);
        assert_eq!(text.matches("::error file=").count(), MOST);
        assert!(
            text.contains("::error title=Shakedown::and 23 more"),
            "{text}"
        );
    }
}
