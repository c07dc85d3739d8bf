use std::time::Duration;

use serde_json::Value;

use super::Search;
use super::tree::{self, STEPS};
use crate::scenario::Span;

/// Members that count something.
const COUNTS: [&str; 3] = ["times", "frames", "pad_to"];

/// Lengths of time that people write, in milliseconds.
const NICE: [u64; 12] = [
    1, 10, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
];

impl Search<'_> {
    /// Lowers how often, how many and how long, down to what just fails.
    pub(super) fn lower_counts(&mut self) {
        for place in leaves(&self.current, &COUNTS) {
            let count = self.current.pointer(&place).and_then(Value::as_u64);
            let Some(count) = count.filter(|count| *count > 1) else {
                continue;
            };
            // The first power of 2 that is enough, then between it and the one before.
            let (mut too_low, mut enough) = (0, count);
            let mut power = 1;
            while power < enough {
                match self.sets(&place, power.into()) {
                    true => enough = power,
                    false => {
                        too_low = power;
                        power = power.saturating_mul(2);
                    }
                }
            }
            while enough - too_low > 1 {
                let between = too_low + (enough - too_low) / 2;
                match self.sets(&place, between.into()) {
                    true => enough = between,
                    false => too_low = between,
                }
            }
        }
    }

    /// Shortens waits and silences to the shortest time of a few.
    pub(super) fn shorter_waits(&mut self) {
        for place in leaves(&self.current, &["for"]) {
            let text = self.current.pointer(&place).and_then(Value::as_str);
            let span: Option<Span> = text.and_then(|text| text.parse().ok());
            // One that depends on the stream says what it is for.
            let Some(length) = span.and_then(|span| span.as_fixed()) else {
                continue;
            };
            let nice = NICE.into_iter().map(Duration::from_millis);
            for shorter in nice.take_while(|nice| *nice < length) {
                let text = Span::fixed(shorter).to_string();
                if self.sets(&place, text.into()) {
                    break;
                }
            }
        }
    }

    fn sets(&mut self, place: &str, value: Value) -> bool {
        let mut candidate = self.current.clone();
        match candidate.pointer_mut(place) {
            Some(old) => *old = value,
            None => return false,
        }
        self.takes(candidate)
    }
}

/// The places of all members of these names in the steps, none of them within `fields`.
fn leaves(scenario: &Value, names: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    if let Some(steps) = scenario.pointer(STEPS) {
        collect(steps, STEPS, names, &mut places);
    }
    places
}

fn collect(value: &Value, place: &str, names: &[&str], places: &mut Vec<String>) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                collect(
                    element,
                    &tree::within(place, &index.to_string()),
                    names,
                    places,
                );
            }
        }
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| *name != "fields") {
                let place = tree::within(place, name);
                collect(value, &place, names, places);
                if names.contains(&name.as_str()) {
                    places.push(place);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
