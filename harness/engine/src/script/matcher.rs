//! What a field must be: a value, or an object with one of the keys `not`, `any_of`, `at_least`,
//! `at_most`, `empty`, `present`. Members of an object and elements of a list may be such themselves; members that
//! are not named may be anything.

use serde_json::{Map, Value};
use shakedown_protocol::vocabulary::Vocabulary;

/// Decides whether `got`, a field's value (`None` if the frame does not have it), is what
/// `wanted` says. Bindings are resolved already.
pub(crate) fn matches(
    wanted: &Value,
    got: Option<&Value>,
    canonical: &dyn Fn(&Value) -> Option<Value>,
) -> bool {
    let Some((key, argument)) = single(wanted) else {
        return equal(wanted, got, canonical)
            || got.is_some_and(|got| within(wanted, got, canonical));
    };
    match (key, argument) {
        ("not", value) => !matches(value, got, canonical),
        ("any_of", Value::Array(values)) => {
            values.iter().any(|value| matches(value, got, canonical))
        }
        ("at_least", Value::Number(bound)) => number(got) >= bound.as_f64() && got.is_some(),
        ("at_most", Value::Number(bound)) => {
            number(got).is_some_and(|got| Some(got) <= bound.as_f64())
        }
        ("empty", Value::Bool(wanted)) => is_empty(got) == *wanted,
        ("present", Value::Bool(wanted)) => got.is_some_and(|got| !got.is_null()) == *wanted,
        _ => equal(wanted, got, canonical) || got.is_some_and(|got| within(wanted, got, canonical)),
    }
}

/// Whether each member of `wanted` is met by the member of `got` of its name, each element by that in its
/// place.
fn within(wanted: &Value, got: &Value, canonical: &dyn Fn(&Value) -> Option<Value>) -> bool {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => wanted
            .iter()
            .all(|(name, wanted)| matches(wanted, got.get(name), canonical)),
        (Value::Array(wanted), Value::Array(got)) => {
            let mut pairs = wanted.iter().zip(got);
            wanted.len() == got.len()
                && pairs.all(|(wanted, got)| matches(wanted, Some(got), canonical))
        }
        _ => false,
    }
}

/// The field's value as the vocabulary writes it back, if it can be sent at all.
pub(crate) fn canonical(
    vocabulary: &dyn Vocabulary,
    frame: &str,
    field: &str,
    value: &Value,
) -> Option<Value> {
    let fields = Map::from_iter([(field.to_owned(), value.clone())]);
    let datagram = vocabulary.encode(frame, &fields).ok()?;
    let described = vocabulary.decode(&datagram).ok()??;
    described.fields.get(field).cloned()
}

/// What is wanted, in words.
pub(crate) fn phrase(wanted: &Value) -> String {
    let Some((key, argument)) = single(wanted) else {
        return super::describe::value(wanted);
    };
    match (key, argument) {
        ("not", value) => format!("not {}", phrase(value)),
        ("any_of", Value::Array(values)) => {
            let values: Vec<_> = values.iter().map(phrase).collect();
            format!("one of {}", values.join(", "))
        }
        ("at_least", bound) => format!("at least {bound}"),
        ("at_most", bound) => format!("at most {bound}"),
        ("empty", Value::Bool(true)) => "empty".to_owned(),
        ("empty", Value::Bool(false)) => "not empty".to_owned(),
        ("present", Value::Bool(true)) => "present".to_owned(),
        ("present", Value::Bool(false)) => "absent".to_owned(),
        _ => super::describe::value(wanted),
    }
}

fn equal(wanted: &Value, got: Option<&Value>, canonical: &dyn Fn(&Value) -> Option<Value>) -> bool {
    match got {
        None => wanted.is_null(),
        Some(got) => wanted == got || canonical(wanted).as_ref() == Some(got),
    }
}

fn single(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object()?;
    let (key, argument) = object.iter().next()?;
    (object.len() == 1).then_some((key.as_str(), argument))
}

fn number(value: Option<&Value>) -> Option<f64> {
    value?.as_f64()
}

/// Whether a value has no content: missing, `null`, `""`, `[]`, `{}`, or bytes of length 0.
fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => match fields.get("hex").or_else(|| fields.get("pattern")) {
            Some(Value::String(hex)) => hex.is_empty(),
            Some(Value::Number(length)) => length.as_u64() == Some(0),
            Some(_) | None => fields.is_empty(),
        },
        Some(Value::Bool(_) | Value::Number(_)) => false,
    }
}
