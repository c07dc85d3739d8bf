mod table;
mod text;

use std::io;
use std::path::Path;

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use shakedown_engine::event::{CheckSummary, FindingEvent, VerdictEvent};
use shakedown_engine::verdict::Verdict;

use self::text::{described, seconds};
use crate::text::{clean, clean_line};
use crate::{Ladder, Outcome, Record, load, requirements};

/// Columns of a ladder.
const LADDER_WIDTH: usize = 100;

/// JUnit XML: a suite for each protocol, mode and role, a case for each scenario; of a check, a
/// suite for each capture, a case for each requirement.
///
/// A failure is a failure. An error is an error, and so is what is inconclusive (type
/// `inconclusive`) or has not run (type `not-run`): only a pass is shown as passed. What does not
/// apply or shows only from inside is skipped, with the reason. Every scenario that was selected is there,
/// and a case fails or errs wherever the exit code is not 0.
pub(crate) fn document(record: &Record, _: &Path, so_far: &Outcome) -> io::Result<Option<String>> {
    render(record, so_far).map(Some)
}

fn render(record: &Record, so_far: &Outcome) -> io::Result<String> {
    let mut report = Report::new("shakedown");
    if let Some(summary) = &record.summary {
        report.set_time(seconds(summary.seconds));
    }
    report.add_test_suites(scenarios(record));
    report.add_test_suites(
        record
            .table
            .iter()
            .flat_map(|all| table::suites(all, record)),
    );
    report.add_test_suites(record.checks.iter().map(|check| capture(check, record)));
    let is_green = report.failures + report.errors == 0;
    report.add_test_suites(whole(record, so_far, is_green));
    report.to_string().map_err(io::Error::other)
}

fn scenarios(record: &Record) -> Vec<TestSuite> {
    let mut suites: IndexMap<String, TestSuite> = IndexMap::new();
    for verdict in record.by_id() {
        let (group, name) = split(&verdict.scenario);
        let suite = suite(&mut suites, group, record);
        suite.add_test_case(scenario(verdict, name, record));
    }
    for id in record.unjudged() {
        let why = match record.running.contains(id) {
            true => "the run ended before it did",
            false => "it was not played",
        };
        let (group, name) = split(id);
        let mut case = TestCase::new(clean_line(name), not_run(why));
        case.set_classname(clean_line(group).replace('/', "."));
        suite(&mut suites, group, record).add_test_case(case);
    }
    suites.into_values().collect()
}

/// What fails a run as a whole; where nothing else is wrong, whatever its exit code says.
fn whole(record: &Record, so_far: &Outcome, is_green: bool) -> Option<TestSuite> {
    let mut cases = Vec::new();
    for reason in record.summary.iter().flat_map(|all| &all.failing) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("waiver");
        status.set_message(clean_line(reason));
        cases.push(TestCase::new(clean_line(reason), status));
    }
    for failure in &so_far.failures {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("report");
        status.set_message(clean_line(&failure.to_string()));
        cases.push(TestCase::new("the reports can be written", status));
    }
    let exit = record.exit();
    let is_untold = is_green && cases.is_empty() && exit != 0;
    if is_untold || !record.is_complete() || exit == 2 && record.checks.is_empty() {
        cases.push(TestCase::new("the run completes", not_run(&end(record))));
    }
    (!cases.is_empty()).then(|| {
        let mut suite = TestSuite::new("shakedown");
        for mut case in cases {
            case.set_classname("shakedown");
            suite.add_test_case(case);
        }
        suite
    })
}

fn suite<'a>(
    suites: &'a mut IndexMap<String, TestSuite>,
    group: &str,
    record: &Record,
) -> &'a mut TestSuite {
    suites.entry(clean_line(group)).or_insert_with_key(|group| {
        let mut suite = TestSuite::new(group.as_str());
        if let Some(run) = &record.run {
            suite.add_property(Property::new("iut", clean_line(&run.iut)));
            suite.add_property(Property::new("seed", run.seed.as_str()));
            suite.add_property(Property::new("capture", clean_line(&run.capture)));
        }
        suite
    })
}

fn scenario(verdict: &VerdictEvent, name: &str, record: &Record) -> TestCase {
    let findings: Vec<&FindingEvent> = record.findings_of(&verdict.scenario).collect();
    let mut case = TestCase::new(clean_line(name), status(verdict, &findings));
    case.set_classname(clean_line(split(&verdict.scenario).0).replace('/', "."));
    case.set_time(seconds(verdict.seconds));
    case.add_property(Property::new("title", clean_line(&verdict.title)));
    for load in record
        .loads
        .iter()
        .filter(|load| load.scenario == verdict.scenario)
    {
        for (name, value) in load::numbers(load) {
            case.add_property(Property::new(
                format!("load.{}", name.replace(' ', "-")),
                value,
            ));
        }
    }
    if let Some(run) = &record.run {
        case.add_property(Property::new("seed", run.seed.as_str()));
    }
    if let Some(capture) = &verdict.capture {
        case.add_property(Property::new("capture", clean_line(capture)));
    }
    for (id, verdict) in &verdict.requirements {
        let property = Property::new(format!("requirement.{}", clean_line(id)), verdict.name());
        case.add_property(property);
    }
    let waived: Vec<&FindingEvent> = findings.into_iter().filter(|f| !f.counts()).collect();
    if !waived.is_empty() {
        case.set_system_out(format!("not counted:\n{}", described(waived.into_iter())));
    }
    if let Some(process) = &verdict.process {
        let output = format!("process: {}\n{}", process.status, process.output);
        case.set_system_err(clean(&output).as_ref());
    }
    case
}

fn status(verdict: &VerdictEvent, findings: &[&FindingEvent]) -> TestCaseStatus {
    let counted: Vec<&&FindingEvent> = findings.iter().filter(|f| f.counts()).collect();
    let reason = verdict.reason.as_deref().unwrap_or(verdict.verdict.name());
    let (mut status, ty) = match verdict.verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Advice | Verdict::Waived | Verdict::NotApplicable | Verdict::NotObserved => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(clean_line(reason));
            status.set_type(kebab(verdict.verdict));
            return status;
        }
        Verdict::Fail => (
            TestCaseStatus::non_success(NonSuccessKind::Failure),
            counted.first().map_or("fail", |f| f.requirement.as_str()),
        ),
        Verdict::Error => (TestCaseStatus::non_success(NonSuccessKind::Error), "error"),
        Verdict::Inconclusive => (
            TestCaseStatus::non_success(NonSuccessKind::Error),
            "inconclusive",
        ),
    };
    let message = counted.first().map_or(reason, |finding| &finding.message);
    status.set_message(clean_line(message));
    status.set_type(clean_line(ty));
    let mut description = described(counted.iter().map(|f| **f));
    let capture = verdict.capture.as_deref();
    if let Some(ladder) = capture.and_then(|path| Ladder::of(path, findings.iter().copied())) {
        description += &format!("\n\n{}", ladder.plain(LADDER_WIDTH));
    }
    if !description.is_empty() {
        status.set_description(description);
    }
    status
}

fn capture(check: &CheckSummary, record: &Record) -> TestSuite {
    let mut suite = TestSuite::new(clean_line(&check.capture));
    suite.add_property(Property::new("packets", check.packets.to_string()));
    suite.add_property(Property::new("sessions", check.sessions.to_string()));
    for (id, verdict) in &check.requirements {
        let findings: Vec<&FindingEvent> = record
            .findings_in(&check.capture)
            .filter(|finding| finding.requirement == *id)
            .collect();
        let judged = VerdictEvent {
            scenario: id.clone(),
            title: requirements::find(id).map_or_else(String::new, |found| found.text.clone()),
            verdict: *verdict,
            reason: check.notes.iter().find(|note| note.contains(id)).cloned(),
            requirements: IndexMap::new(),
            capture: Some(check.capture.clone()),
            seconds: 0.0,
            process: None,
        };
        let mut case = TestCase::new(clean_line(id), check_status(&judged, &findings));
        case.set_classname(clean_line(&check.capture));
        case.add_property(Property::new("title", clean_line(&judged.title)));
        case.add_property(Property::new("capture", clean_line(&check.capture)));
        suite.add_test_case(case);
    }
    if check.exit == 2 {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("unreadable");
        status.set_message(clean_line(&check.notes.join("; ")));
        suite.add_test_case(TestCase::new("the file can be read and judged", status));
    }
    suite
}

/// As of a scenario, but what a capture cannot show is skipped: its absence fails no check.
fn check_status(judged: &VerdictEvent, findings: &[&FindingEvent]) -> TestCaseStatus {
    match judged.verdict {
        Verdict::Inconclusive => {
            let mut status = TestCaseStatus::skipped();
            status.set_type("inconclusive");
            status.set_message(clean_line(
                judged
                    .reason
                    .as_deref()
                    .unwrap_or("the capture cannot show whether it holds"),
            ));
            status
        }
        _ => status(judged, findings),
    }
}

fn not_run(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("not-run");
    status.set_message(clean_line(why));
    status
}

fn end(record: &Record) -> String {
    match &record.summary {
        Some(summary) => summary.message.clone(),
        None => match &record.table {
            Some(table) => table.message(),
            None => "the run has not finished".to_owned(),
        },
    }
}

/// `mediastream/3way/responder` and `lost-ack` of `mediastream/3way/responder/lost-ack`.
fn split(scenario: &str) -> (&str, &str) {
    scenario.rsplit_once('/').unwrap_or(("scenarios", scenario))
}

fn kebab(verdict: Verdict) -> String {
    verdict.name().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use shakedown_engine::event::Event;

    use super::*;
    use crate::fixture::{self, record};

    fn told(record: &Record) -> io::Result<String> {
        render(record, &Outcome::default())
    }

    #[test]
    fn a_run_with_every_verdict() {
        insta::assert_snapshot!(told(&record(fixture::run())).unwrap());
    }

    #[test]
    fn an_interrupted_run_is_an_error_that_names_what_has_not_run() {
        insta::assert_snapshot!(told(&record(fixture::interrupted())).unwrap());
    }

    #[test]
    fn a_run_that_has_only_begun_is_an_error() {
        let begun = fixture::run().into_iter().take(1).collect();
        let xml = told(&record(begun)).unwrap();
        assert!(xml.contains("errors=\"1\""), "{xml}");
        assert!(xml.contains("the run has not finished"), "{xml}");
    }

    #[test]
    fn checked_captures() {
        insta::assert_snapshot!(told(&record(fixture::check())).unwrap());
    }

    #[test]
    fn of_many_findings_the_first_are_described_and_all_are_counted() {
        let mut events = fixture::check();
        let finding = events.iter().position(|e| matches!(e, Event::Finding(_)));
        let finding = finding.unwrap();
        for _ in 0..24 {
            events.insert(finding, events[finding].clone());
        }
        let xml = told(&record(events)).unwrap();
        assert_eq!(xml.matches("expected: QPF 10000000").count(), 20);
        assert!(xml.contains("and 5 more findings in events.jsonl"), "{xml}");
    }

    #[test]
    fn hostile_text_stays_text() {
        insta::assert_snapshot!(told(&record(fixture::hostile())).unwrap());
    }
}
