use std::path::Path;

use serde_json::{Value, json};

use super::other::other;
use super::{Scenario, check};
use crate::document::{self, Defaults, Document, Node, Problem, Problems};
use crate::iut::Iut;

/// A scenario that was read and found in order, with the place of each step.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub scenario: Scenario,
    /// The file's path, as it is shown.
    pub file: String,
    pub text: String,
    root: Node,
}

impl Scenario {
    /// The scenario as it is run against an implementation: in a mode that it claims, and with its
    /// own stream only where that differs from the description's.
    #[must_use]
    pub fn asked_of(&self, iut: &Iut) -> Self {
        let mut scenario = self.clone();
        if let Some(mode) = iut.mode_for(&self.iut.mode) {
            scenario.iut.mode = mode.to_owned();
        }
        let stream = self.iut.stream_for(iut.stream);
        scenario.iut.stream = (stream != iut.stream).then_some(stream);
        scenario.iut.stream_has = None;
        scenario.iut.buffer_period = None;
        scenario
    }
}

impl Loaded {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let text = document::read(path)?;
        let file = path.display().to_string();
        match other(&text) {
            Some((what, help)) => {
                let problem = Problem::new(0..0, format!("this is {what}, and no scenario"));
                let problem = problem.help(help.to_owned());
                Err(Problems::new(&file, &text, vec![problem]))
            }
            None => Self::parse(&file, &text),
        }
    }

    /// Checks the text of a scenario file. The path is shown in errors, and the scenario's id must
    /// fit it.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let document = Document::json(file, text)?;
        let decoded = document::decode::<Scenario>(
            &document,
            &Defaults {
                root: &[
                    ("id", json!("")),
                    ("title", json!("")),
                    ("requirements", json!([])),
                    ("iut", json!({ "role": "responder", "mode": "" })),
                    ("steps", json!([])),
                ],
                inside: &[("within", json!("1s")), ("for", json!("1s"))],
            },
        );
        let found = match &decoded.value {
            Some(scenario) => check::check(file, scenario, &decoded),
            None => Vec::new(),
        };
        let mut problems = decoded.problems;
        problems.extend(found);
        match decoded.value {
            Some(scenario) if problems.is_empty() => Ok(Self {
                scenario,
                file: document.file,
                text: document.text,
                root: decoded.root,
            }),
            _ => Err(document.problems(problems)),
        }
    }

    /// The file's content as JSON, in the file's order.
    #[must_use]
    pub fn value(&self) -> Value {
        self.root.to_value()
    }
}
