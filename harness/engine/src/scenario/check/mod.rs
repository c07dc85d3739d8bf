//! Semantic checks of scenarios. Every problem is reported, each at its position.

mod connections;
mod fields;
mod flow;
mod head;
mod steps;
mod streams;

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_protocol::{Protocol, protocol};

use super::{Scenario, each_step};
use crate::document::{Decoded, Node, Pointer, Problem};

pub(crate) use connections::Over;
pub(crate) use flow::State;

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

/// Notes what is wrong with a scenario.
pub(crate) struct Checker<'a> {
    root: &'a Node,
    scenario: &'a Scenario,
    protocol: Option<&'static Protocol>,
    whole: bool,
    /// A value that each `$name` could have; `None` if unknown.
    samples: IndexMap<String, Option<Value>>,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(crate) const fn scenario(&self) -> &'a Scenario {
        self.scenario
    }

    /// Whether all of the file decoded; where not, an empty list may be one that lost its elements.
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The scenario's protocol, if it exists.
    pub(crate) const fn protocol(&self) -> Option<&'static Protocol> {
        self.protocol
    }

    /// Notes a problem with the value there.
    pub(crate) fn at(
        &mut self,
        pointer: &Pointer,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Problem::new(self.root.place(pointer), message);
        self.problems.push(problem.help(help));
    }

    /// Notes a problem with the name of the member there.
    pub(crate) fn at_key(
        &mut self,
        pointer: &Pointer,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Problem::new(self.root.key_place(pointer), message);
        self.problems.push(problem.help(help));
    }
}
