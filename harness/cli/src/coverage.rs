//! What there is to show that a requirement is tested, and that the tests can fail.

use std::collections::BTreeMap;

use serde_json::Value;
use shakedown_engine::scenario::{Library, Loaded};
use shakedown_protocol::requirement::Requirement;
use shakedown_protocol::{Protocol, Twin};

use crate::exit::Failure;
use crate::vectors;

/// Where the monitors check a requirement, as the build found it.
static CHECKS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/checks.rs"));

/// All that is built in.
pub(crate) struct CoverageIndex {
    pub(crate) library: Library,
    /// Vectors by the requirement that they are about.
    vectors: BTreeMap<String, Vec<String>>,
}

/// What there is for one requirement.
pub(crate) struct Coverage<'e> {
    /// Scenarios that list it.
    pub(crate) scenarios: Vec<&'e Loaded>,
    pub(crate) twins: Vec<&'static Twin>,
    /// Ids of the vectors that are about it.
    pub(crate) vectors: &'e [String],
    /// Files and lines of the monitor.
    pub(crate) checks: Vec<&'static str>,
}

impl CoverageIndex {
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut by_requirement: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for text in vectors::frames() {
            let vector: Value = serde_json::from_str(text).unwrap_or_default();
            if let (Some(id), Some(about)) = (vector["id"].as_str(), vector["requirement"].as_str())
            {
                let of_it = by_requirement.entry(about.to_owned()).or_default();
                of_it.push(id.to_owned());
            }
        }
        Ok(Self {
            library: vectors::library()?,
            vectors: by_requirement,
        })
    }

    pub(crate) fn of(&self, protocol: &Protocol, one: &Requirement) -> Coverage<'_> {
        let all = self.library.scenarios().iter();
        let twins = protocol.twins.iter();
        let checks = CHECKS.iter().filter(|(id, _)| *id == one.id);
        Coverage {
            scenarios: all
                .filter(|loaded| loaded.scenario.requirements.contains(&one.id))
                .collect(),
            twins: twins.filter(|twin| twin.requirement() == one.id).collect(),
            vectors: self.vectors.get(&one.id).map_or(&[], Vec::as_slice),
            checks: checks.map(|(_, place)| *place).collect(),
        }
    }
}

#[cfg(test)]
#[path = "../../engine/tests/support/exceptions.rs"]
mod exceptions;
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shakedown_engine::script::named_requirements;
    use shakedown_protocol::PROTOCOLS;
    use shakedown_protocol::requirement::Seen;

    use super::exceptions::exceptions;
    use super::*;

    /// Besides those of the section on datagrams, requirements that are about bytes.
    const ABOUT_BYTES: [&str; 23] = [
        "MS-H-02", "MS-H-06", "MS-S-01", "MS-S-02", "MS-S-03", "MS-S-07", "MS-D-01", "MS-D-04",
        "MS-D-11", "MS-R-01", "PR-S-03", "PR-E-01", "PR-K-01", "PR-A-01", "PR-A-03", "PR-R-01",
        "DT-S-02", "DT-S-11", "DT-S-12", "DT-M-04", "DT-M-05", "DT-M-09", "DT-M-12",
    ];

    /// What a requirement lacks.
    fn lacks(
        protocol: &Protocol,
        one: &Requirement,
        evidence: &CoverageIndex,
    ) -> Vec<&'static str> {
        let coverage = evidence.of(protocol, one);
        let is_named = |loaded: &Loaded| {
            let first = loaded.scenario.requirements.first();
            first == Some(&one.id) || named_requirements(&loaded.scenario).contains(&one.id)
        };
        let is_about_bytes = one.id.starts_with("MS-W-") || ABOUT_BYTES.contains(&one.id.as_str());
        let is_wire = one.seen.contains(&Seen::Wire);
        let needs = [
            ("scenario", !coverage.scenarios.is_empty()),
            ("rule", !is_wire || !coverage.checks.is_empty()),
            (
                "step",
                is_wire
                    || one.seen == [Seen::Inner]
                    || coverage.scenarios.iter().any(|loaded| is_named(loaded)),
            ),
            ("twin", !coverage.twins.is_empty()),
            ("vector", !is_about_bytes || !coverage.vectors.is_empty()),
        ];
        let lacking = needs.into_iter().filter(|(_, has)| !has);
        lacking.map(|(what, _)| what).collect()
    }

    #[test]
    fn every_requirement_is_judged_broken_and_pinned_by_bytes() {
        let evidence = CoverageIndex::new().unwrap();
        // A twin that escapes and a scenario that none needs are the affair of the tests that play them.
        let excepted = exceptions(|lacks| !["catch", "need"].contains(&lacks)).into_iter();
        let excepted = excepted.map(|one| format!("{} lacks a {}", one.of, one.lacks));
        let mut found = BTreeSet::new();
        for protocol in PROTOCOLS {
            let requirements = (protocol.requirements)().iter();
            for one in requirements {
                let lacking = lacks(protocol, one, &evidence).into_iter();
                found.extend(lacking.map(|what| format!("{} lacks a {what}", one.id)));
            }
        }
        let excepted: BTreeSet<_> = excepted.collect();
        let wrong: Vec<_> = found.symmetric_difference(&excepted).collect();
        assert!(
            wrong.is_empty(),
            "found and not excepted, or excepted and not found: {wrong:#?}"
        );
    }

    #[test]
    fn every_requirement_says_why_it_is_there() {
        let mut all = PROTOCOLS.iter().flat_map(|one| (one.requirements)());
        assert!(all.all(|one| one.why.len() > 10 && one.why.ends_with('.')));
    }
}
