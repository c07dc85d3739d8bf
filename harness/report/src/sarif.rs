//! SARIF 2.1.0 (OASIS): what was found in captures, for viewers of static analysis.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Value, json};
use shakedown_engine::event::FindingEvent;
use shakedown_protocol::requirement::Level;

use crate::link::target;
use crate::text::clean_line;
use crate::{Record, requirements};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A result for each requirement that was violated in a scenario or capture, at the first finding, whose packet and
/// time are properties, with the number of findings. What does not count is a note, and what is waived is suppressed.
pub(crate) fn render(record: &Record) -> String {
    let mut rules: Vec<&str> = record
        .findings
        .iter()
        .map(|one| one.requirement.as_str())
        .collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = grouped(record)
        .into_iter()
        .map(|(finding, count)| result(finding, count, &rules))
        .collect();
    let sarif = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Shakedown",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|id| rule(id)).collect::<Vec<_>>(),
            }},
            "invocations": [{ "executionSuccessful": record.is_complete(), "exitCode": record.exit() }],
            "results": results,
        }],
    });
    format!("{sarif:#}\n")
}

/// The first of the findings that make one result, and how many they are.
fn grouped(record: &Record) -> Vec<(&FindingEvent, u64)> {
    let mut groups: IndexMap<_, (&FindingEvent, u64)> = IndexMap::new();
    for finding in &record.findings {
        let at = (&finding.scenario, &finding.capture, &finding.requirement);
        let key = (at, &finding.waived, finding.advisory);
        groups.entry(key).or_insert((finding, 0)).1 += 1;
    }
    groups.into_values().collect()
}

fn rule(id: &str) -> Value {
    let found = requirements::find(id);
    let level = match found.map(|found| found.level) {
        Some(Level::Must) | None => "error",
        Some(Level::Should) => "warning",
        Some(Level::May) => "note",
    };
    json!({
        "id": clean_line(id),
        "shortDescription": { "text": found.map_or(id, |found| &found.text) },
        "defaultConfiguration": { "level": level },
    })
}

fn result(finding: &FindingEvent, count: u64, rules: &[&str]) -> Value {
    let mut result = json!({
        "ruleId": clean_line(&finding.requirement),
        "ruleIndex": rules.iter().position(|id| *id == finding.requirement),
        "level": if finding.advisory { "note" } else { "error" },
        "message": { "text": clean_line(&finding.message) },
        "locations": [location(finding)],
        "occurrenceCount": count,
        "properties": {
            "packet": finding.packet,
            "seconds": finding.time,
            "expected": clean_line(&finding.expected),
            "got": clean_line(&finding.got),
        },
    });
    if let Some(because) = &finding.waived {
        let suppression = json!({ "kind": "external", "justification": clean_line(because) });
        result["suppressions"] = json!([suppression]);
    }
    result
}

fn location(finding: &FindingEvent) -> Value {
    let mut location = json!({});
    if let Some(capture) = &finding.capture {
        let uri = target(capture, Path::new(""));
        location["physicalLocation"] = json!({ "artifactLocation": { "uri": uri } });
    }
    if let Some(scenario) = &finding.scenario {
        let name = clean_line(scenario);
        location["logicalLocations"] = json!([{ "fullyQualifiedName": name, "kind": "function" }]);
    }
    location
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::fixture;

    // What the schema requires, and what viewers read, with every property that is written.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Log {
        #[serde(rename = "$schema")]
        schema: String,
        version: String,
        runs: Vec<Run>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Run {
        tool: Tool,
        invocations: Vec<Invocation>,
        results: Vec<Found>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Tool {
        driver: Driver,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Driver {
        name: String,
        semantic_version: String,
        rules: Vec<Rule>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Rule {
        id: String,
        short_description: Message,
        default_configuration: Configuration,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Configuration {
        level: Grade,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Invocation {
        execution_successful: bool,
        exit_code: i64,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Found {
        rule_id: String,
        rule_index: usize,
        level: Grade,
        message: Message,
        locations: Vec<Location>,
        occurrence_count: u64,
        #[serde(default)]
        suppressions: Vec<Suppression>,
        properties: serde_json::Map<String, Value>,
    }
    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "lowercase")]
    enum Grade {
        Error,
        Warning,
        Note,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Message {
        text: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Location {
        #[serde(default)]
        physical_location: Option<Value>,
        #[serde(default)]
        logical_locations: Vec<Value>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Suppression {
        kind: String,
        justification: String,
    }

    fn read(record: &Record) -> Run {
        let mut log: Log = serde_json::from_str(&render(record)).unwrap();
        assert_eq!((log.version.as_str(), log.runs.len()), ("2.1.0", 1));
        assert!(log.schema.ends_with("sarif-schema-2.1.0.json"));
        log.runs.remove(0)
    }

    #[test]
    fn findings_of_one_requirement_in_one_scenario_are_one_result() {
        let mut record = fixture::record(fixture::run());
        let before = read(&record).results.len();
        let again = record.findings.clone();
        record.findings.extend(again);
        let results = read(&record).results;
        assert_eq!(results.len(), before);
        assert!(results.iter().all(|result| result.occurrence_count >= 2));
    }

    #[test]
    fn every_finding_is_a_result_of_its_rule_at_its_capture() {
        for events in [
            fixture::run(),
            fixture::check(),
            fixture::hostile(),
            fixture::interop(),
        ] {
            let record = fixture::record(events);
            let run = read(&record);
            let driver = run.tool.driver;
            assert_eq!(
                (driver.name.as_str(), driver.semantic_version.is_empty()),
                ("Shakedown", false)
            );
            assert_eq!(run.invocations[0].exit_code, i64::from(record.exit()));
            assert_eq!(
                run.invocations[0].execution_successful,
                record.is_complete()
            );
            let counts = run.results.iter().map(|result| result.occurrence_count);
            assert_eq!(counts.sum::<u64>(), record.findings.len() as u64);
            let first = grouped(&record).into_iter();
            for (result, (finding, _)) in run.results.iter().zip(first) {
                let rule = &driver.rules[result.rule_index];
                assert_eq!(rule.id, result.rule_id);
                assert!(!rule.short_description.text.is_empty() && !result.message.text.is_empty());
                assert_eq!(result.level == Grade::Note, finding.advisory);
                assert_ne!(rule.default_configuration.level, Grade::Note);
                assert_eq!(
                    result.suppressions.len(),
                    usize::from(finding.waived.is_some())
                );
                let one = &result.locations[0];
                assert_eq!(one.physical_location.is_some(), finding.capture.is_some());
                assert_eq!(
                    one.logical_locations.len(),
                    usize::from(finding.scenario.is_some())
                );
                assert_eq!(result.properties["packet"], json!(finding.packet));
                let external =
                    |one: &Suppression| one.kind == "external" && !one.justification.is_empty();
                assert!(result.suppressions.iter().all(external));
            }
        }
    }
}
