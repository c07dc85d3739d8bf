use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::scenario::Counted;
use crate::scenario::matcher;

/// How many of the numbers that there are a message names.
const NAMED: usize = 8;

/// By what name the most that memory may grow is found among the counters, and asked for by scenarios.
pub const MEMORY_AT_MOST: &str = "$memory";

/// What an implementation counted, by the names of the specification. What is not in it was not looked at.
pub type CounterValues = BTreeMap<String, Counter>;

/// What is known of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counter {
    Is(u64),
    /// It could not be read, for this reason: what it would show is not observed.
    Unseen(String),
    /// It was to be read and could not be: what it would show is inconclusive.
    Unreadable(String),
}

impl Counter {
    /// The counter `name`, at its place in what an implementation gave.
    #[must_use]
    pub fn read(name: &str, places: &IndexMap<String, String>, json: &Value) -> Self {
        let Some(pointer) = places.get(name) else {
            return Self::Unseen(format!("[observe] names no {name}"));
        };
        match json.pointer(pointer).map(|value| (value, sum(value))) {
            Some((_, Some(number))) => Self::Is(number),
            Some((value, None)) => {
                let mut shown = value.to_string();
                shown.truncate(shown.floor_char_boundary(60));
                Self::Unreadable(format!(
                    "{name} is to be at {pointer:?}, and there is {shown}: no whole number, nor an object \
                     of whole numbers"
                ))
            }
            None => Self::Unreadable(format!(
                "{name} is to be at {pointer:?}, and nothing is there; numbers are at {}",
                numbers(json)
            )),
        }
    }
}

impl Counted {
    /// What is known of its counter.
    pub(super) fn of<'a>(&self, counters: &'a CounterValues) -> Option<&'a Counter> {
        counters.get(&self.counter)
    }

    /// Whether this is what was wanted.
    #[must_use]
    pub fn is_met(&self, counters: &CounterValues) -> bool {
        match self.of(counters) {
            Some(Counter::Is(number)) => {
                let wanted = self.wanted(counters);
                matcher::matches(&wanted, Some(&Value::from(*number)), &|_| None)
            }
            Some(Counter::Unseen(_) | Counter::Unreadable(_)) | None => false,
        }
    }

    /// What it must be, with the number that the description gives.
    fn wanted(&self, counters: &CounterValues) -> Value {
        match (&self.is["at_most"], counters.get(MEMORY_AT_MOST)) {
            (Value::String(name), Some(Counter::Is(most))) if name == MEMORY_AT_MOST => {
                json!({ "at_most": most })
            }
            _ => self.is.clone(),
        }
    }

    /// What was wanted, in words.
    pub(super) fn phrase(&self, counters: &CounterValues) -> String {
        format!(
            "to have counted {}: {}",
            self.counter,
            matcher::phrase(&self.wanted(counters), &Value::to_string)
        )
    }
}

/// A whole number, or the sum of an object of them.
fn sum(value: &Value) -> Option<u64> {
    match value {
        Value::Object(members) => members
            .values()
            .try_fold(0, |sum: u64, one| sum.checked_add(one.as_u64()?)),
        value => value.as_u64(),
    }
}

/// The pointers to the first numbers of what there is.
fn numbers(json: &Value) -> String {
    let mut found = Vec::new();
    let mut left = vec![(String::new(), json)];
    while let Some((pointer, value)) = left.pop() {
        match value {
            Value::Number(_) => found.push(format!("{pointer:?}")),
            Value::Object(members) => left.extend(members.iter().rev().map(|(key, value)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                (format!("{pointer}/{key}"), value)
            })),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => {}
        }
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    match (found.is_empty(), more) {
        (true, _) => "no place".to_owned(),
        (false, 0) => found.join(", "),
        (false, more) => format!("{} and {more} more", found.join(", ")),
    }
}
