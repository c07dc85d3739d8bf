//! A table of implementations in JUnit XML: a suite for each setup of a responder, a case for each
//! initiator that it met.

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};
use shakedown_engine::event::FindingEvent;
use shakedown_engine::interop::{PairEvent, Standing};

use super::text::{described, seconds};
use crate::table::{demanded, standing};
use crate::text::{clean, clean_line};
use crate::{Record, Table};

pub(super) fn suites(table: &Table, record: &Record) -> Vec<TestSuite> {
    let mut suites: IndexMap<String, TestSuite> = IndexMap::new();
    for pair in table.in_order() {
        let responder = &pair.responder;
        let name = clean_line(&format!("{}: {}", responder.name, responder.setup()));
        let suite = suites.entry(name.clone()).or_insert_with(|| {
            let mut suite = TestSuite::new(name);
            suite.add_property(Property::new("seed", clean_line(&table.seed)));
            suite
        });
        suite.add_test_case(case(pair, record));
    }
    suites.into_values().collect()
}

fn case(pair: &PairEvent, record: &Record) -> TestCase {
    let findings: Vec<&FindingEvent> = record.findings_of(&pair.pair).collect();
    let initiator = &pair.initiator;
    let name = clean_line(&format!("{}: {}", initiator.name, initiator.setup()));
    let mut case = TestCase::new(name, status(pair, &findings));
    case.set_classname(clean_line(&pair.pair).replace('/', "."));
    case.set_time(seconds(pair.seconds));
    case.add_property(Property::new("outcome", pair.outcome.name()));
    case.add_property(Property::new("standing", pair.standing.name()));
    case.add_property(Property::new("demanded", clean_line(&demanded(pair))));
    let captures = [&pair.captures.initiator, &pair.captures.responder];
    for capture in captures.into_iter().flatten() {
        case.add_property(Property::new("capture", clean_line(capture)));
    }
    let processes = [
        ("initiator", &pair.processes.initiator),
        ("responder", &pair.processes.responder),
    ];
    let mut output = String::new();
    for (side, process) in processes {
        if let Some(process) = process {
            output += &format!("{side}: {}\n{}\n", process.status, process.output);
        }
    }
    if !output.is_empty() {
        case.set_system_err(clean(&output).as_ref());
    }
    case
}

fn status(pair: &PairEvent, findings: &[&FindingEvent]) -> TestCaseStatus {
    let (kind, ty) = match pair.standing {
        Standing::AsDemanded | Standing::LeftOpen | Standing::Excused => {
            return TestCaseStatus::success();
        }
        Standing::Inconclusive => (NonSuccessKind::Error, "inconclusive"),
        Standing::Error => (NonSuccessKind::Error, "error"),
        Standing::Breaks | Standing::NotAsDemanded => (
            NonSuccessKind::Failure,
            pair.findings.first().map_or("outcome", String::as_str),
        ),
    };
    let mut status = TestCaseStatus::non_success(kind);
    let message = format!(
        "{}, {}: {}; demanded: {}",
        pair.outcome.name(),
        standing(pair),
        pair.seen,
        demanded(pair)
    );
    status.set_message(clean_line(&message));
    status.set_type(clean_line(ty));
    let counting = findings.iter().filter(|finding| finding.counts());
    let counting: Vec<&FindingEvent> = counting.copied().collect();
    if !counting.is_empty() {
        status.set_description(described(counting.into_iter()));
    }
    status
}

#[cfg(test)]
mod tests {
    use crate::fixture::{self, record};

    #[test]
    fn a_table_with_every_standing() {
        insta::assert_snapshot!(
            super::super::render(&record(fixture::interop()), &crate::Outcome::default()).unwrap()
        );
    }
}
