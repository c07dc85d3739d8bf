//! Mutations of the values of a step, by their JSON type and member name.

use serde_json::{Value, json};

use super::bytes;
use crate::random::SeededRandom;
use crate::shrink::tree::within;

/// Members that are references or times.
const NAMES: [&str; 11] = [
    "stream",
    "connection",
    "request",
    "session",
    "from",
    "as",
    "frame",
    "name",
    "within",
    "after",
    "apart",
];
/// Members that are repetition counts, and the largest count.
const COUNTS: [&str; 2] = ["times", "frames"];
const MAX_COUNT: u64 = 40;
/// Members that are lengths in bytes, and the largest length.
const LENGTHS: [&str; 3] = ["length", "pattern", "pad_to"];
const MAX_LENGTH: u64 = 65_507;
/// Lengths of strings at common buffer sizes.
const STRING_LENGTHS: [usize; 8] = [1, 37, 63, 64, 255, 256, 1_024, 8_192];

/// Mutates one value of `own`, the arguments of a step.
pub(super) fn mutate(random: &mut SeededRandom, own: &mut Value) {
    let mut places = Vec::new();
    collect(own, "", "", &mut places);
    if places.is_empty() {
        return;
    }
    let (place, key) = places.swap_remove(random.below(places.len() as u32) as usize);
    if let Some(value) = own.pointer_mut(&place) {
        let mutated = mutated(random, &key, value);
        *value = mutated;
    }
}

/// JSON pointers and member names of the values that may be mutated.
fn collect(value: &Value, place: &str, key: &str, places: &mut Vec<(String, String)>) {
    if NAMES.contains(&key) && value.is_string() {
        return;
    }
    if !place.is_empty() && !value.is_null() {
        places.push((place.to_owned(), key.to_owned()));
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &within(place, &index.to_string()), key, places);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                collect(member, &within(place, name), name, places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mutated(random: &mut SeededRandom, key: &str, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(is) => Value::Bool(!is),
        Value::Number(number) if COUNTS.contains(&key) => {
            let bound = bytes::boundary(random, number.as_u64().unwrap_or(1));
            (1 + bound % MAX_COUNT).into()
        }
        Value::Number(number) if LENGTHS.contains(&key) => {
            (bytes::boundary(random, number.as_u64().unwrap_or(1)) % MAX_LENGTH).into()
        }
        Value::Number(number) => {
            let number = bytes::boundary(random, number.as_u64().unwrap_or(1));
            // Most fields are narrower than 64 bits.
            let width = [8, 16, 32, 63][random.below(4) as usize];
            match random.one_in(3) {
                true => number.into(),
                false => (number & ((1 << width) - 1)).into(),
            }
        }
        Value::String(text) if text.starts_with('$') => mutated_reference(random, text),
        Value::String(text) => match hex::decode(text.replace(' ', "")) {
            Ok(mut content) if key == "hex" || key == "append" || !content.is_empty() => {
                bytes::mutate(random, &mut content);
                hex::encode(content).into()
            }
            Ok(_) | Err(_) => mutated_string(random, text).into(),
        },
        Value::Array(items) => {
            let mut items = items.clone();
            reorder(random, &mut items);
            items.into()
        }
        Value::Object(members) => {
            let mut members = members.clone();
            let gone = random.below(members.len().max(1) as u32) as usize;
            if let Some(name) = members.keys().nth(gone).cloned() {
                members.shift_remove(&name);
            }
            members.into()
        }
    }
}

/// Replaces a reference to a named value.
fn mutated_reference(random: &mut SeededRandom, text: &str) -> Value {
    match random.below(5) {
        0 => json!({ "shorter": text }),
        1 => json!({ "other_case": text }),
        2 => json!({ "sum": [text, 1] }),
        3 => bytes::boundary(random, 1).into(),
        _ => mutated_string(random, "").into(),
    }
}

fn mutated_string(random: &mut SeededRandom, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let place = random.below(letters.len().max(1) as u32) as usize;
    const ODD: [&str; 8] = [
        "\0",
        "\u{e9}",
        "%s%n",
        "../",
        "\r\n",
        "\"",
        "-1",
        "\u{1f600}",
    ];
    match random.below(5) {
        0 => return String::new(),
        1 => {
            let length = STRING_LENGTHS[random.below(STRING_LENGTHS.len() as u32) as usize];
            let filling = if text.is_empty() { "a" } else { text };
            return filling.chars().cycle().take(length).collect();
        }
        2 if !letters.is_empty() => drop(letters.remove(place)),
        3 if !letters.is_empty() => {
            let again = letters[place];
            letters.insert(place, again);
        }
        _ => {
            let odd = ODD[random.below(ODD.len() as u32) as usize];
            let at = place.min(letters.len());
            letters.splice(at..at, odd.chars());
        }
    }
    letters.into_iter().collect()
}

/// Drops, repeats or swaps an element.
pub(super) fn reorder(random: &mut SeededRandom, items: &mut Vec<Value>) {
    if items.is_empty() {
        return;
    }
    let count = items.len() as u32;
    let place = random.below(count) as usize;
    match random.below(3) {
        0 => drop(items.remove(place)),
        1 => {
            let again = items[place].clone();
            let at = random.below(count + 1) as usize;
            items.insert(at, again);
        }
        _ => items.swap(place, random.below(count) as usize),
    }
}
