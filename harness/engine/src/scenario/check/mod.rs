//! What a scenario must be besides well-formed. Every problem is told, each at its place.

mod connections;
mod fields;
mod flow;
mod head;
mod steps;
mod streams;

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_protocol::{Protocol, protocol};

use super::{Expect, Scenario, Step, each_step};
use crate::document::{Decoded, Node, Pointer, Problem};

/// Checks a scenario. Where parts of it did not decode, what depends on the order of the steps is
/// not judged: the missing part may be just what is missed.
pub(super) fn check(file: &str, scenario: &Scenario, decoded: &Decoded<Scenario>) -> Vec<Problem> {
    let mut checker = Checker {
        root: &decoded.root,
        scenario,
        protocol: scenario.id.split('/').next().and_then(protocol),
        whole: decoded.problems.is_empty(),
        samples: IndexMap::new(),
        problems: Vec::new(),
    };
    checker.head(file, &decoded.defaulted);
    if let Some(protocol) = checker.protocol {
        checker.samples = fields::samples(scenario, protocol);
    }
    checker.steps();
    if checker.whole {
        checker.flow();
    }
    checker.problems
}

struct Checker<'a> {
    root: &'a Node,
    scenario: &'a Scenario,
    protocol: Option<&'static Protocol>,
    /// Whether all of the file decoded; where not, an empty list may be one that lost its elements.
    whole: bool,
    /// A value that each `$name` could have; `None` where that cannot be told.
    samples: IndexMap<String, Option<Value>>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Notes a problem with the value there.
    fn at(&mut self, pointer: &Pointer, message: impl Into<String>, help: Option<String>) {
        let problem = Problem::new(self.root.place(pointer), message);
        self.problems.push(problem.help(help));
    }

    /// Notes a problem with the name of the member there.
    fn at_key(&mut self, pointer: &Pointer, message: impl Into<String>, help: Option<String>) {
        let problem = Problem::new(self.root.key_place(pointer), message);
        self.problems.push(problem.help(help));
    }
}

/// The frames that a step itself waits for, with their places.
fn expected<'a>(step: &'a Step, inside: &Pointer) -> Vec<(&'a Expect, Pointer)> {
    match step {
        Step::Expect(expect) => vec![(expect, inside.clone())],
        Step::ExpectAny(any) => {
            let numbered = any.of.iter().enumerate();
            numbered
                .map(|(index, expect)| (expect, inside.key("of").index(index)))
                .collect()
        }
        _ => Vec::new(),
    }
}
