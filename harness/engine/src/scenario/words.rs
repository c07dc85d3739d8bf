//! Scenarios as text, for `explain`.

use serde_json::{Map, Value};

use super::{CLAIM, FILLED, LONGER, MAIN, OTHER_CASE, SHORTER, SUM, Scenario, Span, Step};
use crate::document::Pointer;
use crate::scenario::matcher;

/// A step in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep it is within others; 0 for the scenario's own steps.
    pub depth: usize,
    /// The step's path, from 0; empty for the titles of branches.
    pub path: String,
    /// What is done or waited for.
    pub text: String,
}

impl Scenario {
    /// What the network does and the steps in words, in the file's order.
    #[must_use]
    pub fn in_words(&self) -> Vec<Line> {
        let network = self.impair.iter().map(|impair| Line {
            depth: 0,
            path: String::new(),
            text: format!("the network does: {impair}"),
        });
        let mut lines = network.collect();
        list(&self.steps, "", 0, &mut lines);
        lines
    }
}

fn list(steps: &[Step], prefix: &str, depth: usize, lines: &mut Vec<Line>) {
    for (index, step) in steps.iter().enumerate() {
        let path = format!("{prefix}{index}");
        let demand = step.form().demand();
        let requirement = demand.and_then(|demand| demand.requirement);
        lines.push(Line {
            depth,
            path: path.clone(),
            text: step.form().in_words() + &judged(requirement),
        });
        for (index, inner) in step.form().inner(&Pointer::root()).iter().enumerate() {
            let Some(title) = inner.title else {
                list(inner.steps, &format!("{path}."), depth + 1, lines);
                continue;
            };
            lines.push(Line {
                depth: depth + 1,
                path: String::new(),
                text: format!("{title}:"),
            });
            list(inner.steps, &format!("{path}.{index}."), depth + 2, lines);
        }
    }
}

/// What fields are or must be, with the word before them; nothing if there are none.
pub(crate) fn with_fields(fields: &Map<String, Value>) -> String {
    let one = |(name, value): (&String, &Value)| format!("{name} {}", wanted(value));
    match fields.is_empty() {
        true => String::new(),
        false => format!(
            " with {}",
            fields.iter().map(one).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// A value or matcher in words.
pub(crate) fn wanted(value: &Value) -> String {
    matcher::phrase(value, &plain)
}

fn plain(value: &Value) -> String {
    let single = value.as_object().filter(|object| object.len() == 1);
    let computed = single.and_then(|object| object.iter().next());
    match computed.map(|(key, argument)| (key.as_str(), argument)) {
        Some((SUM, Value::Array(terms))) => {
            let terms: Vec<_> = terms.iter().map(plain).collect();
            terms.join(" + ")
        }
        Some((SHORTER, text)) => format!("{} less its last character", plain(text)),
        Some((LONGER, Value::Array(of))) => {
            let text = of.first().map(plain).unwrap_or_default();
            format!("{text} with a space more")
        }
        Some((FILLED, Value::Array(of))) => {
            let text = of.first().map(plain).unwrap_or_default();
            format!("{text} without a NUL")
        }
        Some((CLAIM, Value::Array(of))) => {
            let of: Vec<_> = of.iter().rev().map(plain).collect();
            of.join(" of ")
        }
        Some((OTHER_CASE, text)) => format!("{} in the other case", plain(text)),
        Some(_) | None => match value {
            Value::String(text) if text.starts_with('$') => text.clone(),
            other => short(&other.to_string()),
        },
    }
}

pub(crate) fn window(after: Option<&Span>, within: &Span) -> String {
    after.map_or_else(
        || format!(" within {within}"),
        |after| format!(" after {after} to {within}"),
    )
}

pub(crate) fn passing(frames: &[String]) -> String {
    match frames {
        [] => String::new(),
        frames => format!(", letting {} pass", frames.join(" and ")),
    }
}

pub(crate) fn judged(requirement: Option<&str>) -> String {
    requirement.map(|id| format!(" [{id}]")).unwrap_or_default()
}

pub(crate) fn from(socket: Option<&str>) -> String {
    match socket {
        None => String::new(),
        Some("fresh") => " from a new port".to_owned(),
        Some(name) => format!(" from `{name}`"),
    }
}

pub(crate) fn at(socket: Option<&str>) -> String {
    socket
        .map(|name| format!(" at `{name}`"))
        .unwrap_or_default()
}

/// The number of the first frame of media.
pub(crate) fn first(number: Option<u64>) -> String {
    number.map_or_else(String::new, |first| format!(" from number {first} on"))
}

pub(crate) fn times(times: u32) -> String {
    format!(", {times} times")
}

/// Most characters of bytes or a text that are shown: of more the beginning will do.
const MOST: usize = 48;

/// Bytes in hexadecimal, the first of many and how many there are.
pub(crate) fn bytes(hex: &str) -> String {
    match begins(hex) {
        None => hex.to_owned(),
        Some(begin) => {
            let digits = hex.chars().filter(char::is_ascii_hexdigit).count();
            format!("{begin}... ({} bytes)", digits / 2)
        }
    }
}

/// A text, the beginning of a long one and its length.
fn short(text: &str) -> String {
    match begins(text) {
        None => text.to_owned(),
        Some(begin) => format!("{begin}... ({} characters)", text.chars().count()),
    }
}

fn begins(text: &str) -> Option<&str> {
    let (end, _) = text.char_indices().nth(MOST)?;
    text.get(..end)
}

pub(crate) fn named(connection: &str) -> String {
    match connection {
        MAIN => String::new(),
        name => format!(" `{name}`"),
    }
}

/// `the connection`, or by its name if it is not `main`.
pub(crate) fn the_connection(name: &str) -> String {
    format!("the connection{}", named(name))
}

pub(crate) fn of(connection: &str) -> String {
    match connection {
        MAIN => String::new(),
        name => format!(" of `{name}`"),
    }
}

pub(crate) fn content(hex: Option<&str>, numbers: Option<&[Value]>) -> String {
    match (hex, numbers) {
        (Some(hex), _) => format!("the bytes {}", bytes(hex)),
        (None, Some(numbers)) => {
            let numbers: Vec<_> = numbers.iter().map(wanted).collect();
            numbers.join(", ")
        }
        (None, None) => "nothing".to_owned(),
    }
}
