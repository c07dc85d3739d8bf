//! What a field must be: a value, or an object with one of the keys `not`, `any_of`, `at_least`,
//! `at_most`, `empty`, `present`, `rfc3339`, `starts_with`, `in_any_order`, `is_jwt`. Members of an object and
//! elements of a list may be such themselves; members that are not named may be anything.

use serde_json::{Map, Value};
use shakedown_protocol::vocabulary::Vocabulary;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::token;
use crate::scenario::IS_JWT;

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
        ("rfc3339", Value::Array(bounds)) => is_within(bounds, got),
        ("starts_with", Value::String(start)) => {
            let text = got.and_then(Value::as_str);
            text.is_some_and(|text| text.starts_with(start))
        }
        ("in_any_order", Value::Array(wanted)) => match got {
            Some(Value::Array(got)) => {
                let got: Vec<&Value> = got.iter().collect();
                wanted.len() == got.len() && in_any_order(wanted, &got, canonical)
            }
            Some(_) | None => false,
        },
        (IS_JWT, wanted) => token::check(wanted, got).is_ok(),
        _ => equal(wanted, got, canonical) || got.is_some_and(|got| within(wanted, got, canonical)),
    }
}

/// Whether a text is a time (RFC 3339) not before the first and not after the second of these, both in seconds
/// since 1970.
fn is_within(bounds: &[Value], got: Option<&Value>) -> bool {
    let text = got.and_then(Value::as_str).unwrap_or_default();
    match (OffsetDateTime::parse(text, &Rfc3339), bounds) {
        (Ok(time), [from, to]) => {
            let time = time.unix_timestamp();
            let bounds = from.as_i64().zip(to.as_i64());
            bounds.is_some_and(|(from, to)| (from..=to).contains(&time))
        }
        (_, _) => false,
    }
}

/// Whether each of `wanted` is met by another element of `got`, of which there are as many.
fn in_any_order(
    wanted: &[Value],
    got: &[&Value],
    canonical: &dyn Fn(&Value) -> Option<Value>,
) -> bool {
    let Some((first, rest)) = wanted.split_first() else {
        return true;
    };
    (0..got.len()).any(|place| {
        let mut others = got.to_vec();
        let one = others.swap_remove(place);
        matches(first, Some(one), canonical) && in_any_order(rest, &others, canonical)
    })
}

/// What tells more of what came instead of `wanted` than its bytes: what a token says that is not as it must be.
pub(crate) fn remark(wanted: &Value, got: &Value) -> Option<String> {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => wanted.iter().find_map(|(name, wanted)| {
            let got = got.get(name);
            match single(wanted) {
                Some((IS_JWT, wanted)) => {
                    let why = token::check(wanted, got).err()?;
                    Some(format!("`{name}` {why}"))
                }
                Some(_) | None => remark(wanted, got?),
            }
        }),
        (Value::Array(wanted), Value::Array(got)) => {
            let mut pairs = wanted.iter().zip(got);
            pairs.find_map(|(wanted, got)| remark(wanted, got))
        }
        _ => None,
    }
}

/// The same for people, who need not read the secret of a token.
pub(crate) fn shown(wanted: &Value) -> Value {
    match wanted {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    (IS_JWT, Value::Object(token)) => {
                        let mut token = token.clone();
                        token.remove("secret");
                        shown(&Value::Object(token))
                    }
                    _ => shown(value),
                };
                (name.clone(), value)
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => wanted.clone(),
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
        return super::describe::value(&shown(wanted));
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
        ("rfc3339", Value::Array(bounds)) => {
            let bounds = bounds.iter().filter_map(Value::as_i64);
            let times = bounds.filter_map(|at| OffsetDateTime::from_unix_timestamp(at).ok());
            let times = times.filter_map(|time| time.format(&Rfc3339).ok());
            format!("a time from {}", times.collect::<Vec<_>>().join(" to "))
        }
        ("starts_with", start) => format!("a text that starts with {start}"),
        ("in_any_order", list) => format!("{} in any order", super::describe::value(&shown(list))),
        _ => super::describe::value(&shown(wanted)),
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

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::first("2027-01-15T08:00:00Z", true)]
    #[case::last("2027-01-15T08:01:00Z", true)]
    #[case::another_zone("2027-01-15T10:00:30+02:00", true)]
    #[case::with_a_fraction("2027-01-15T08:00:30.5Z", true)]
    #[case::before("2027-01-15T07:59:59Z", false)]
    #[case::after("2027-01-15T08:01:01Z", false)]
    #[case::without_a_zone("2027-01-15T08:00:30", false)]
    #[case::no_time("soon", false)]
    fn a_time_is_within_its_bounds(#[case] time: &str, #[case] is_within: bool) {
        let wanted = json!({ "rfc3339": [1_800_000_000, 1_800_000_060] });
        assert_eq!(matches(&wanted, Some(&json!(time)), &|_| None), is_within);
        assert!(!matches(&wanted, None, &|_| None));
        let phrase = phrase(&wanted);
        assert_eq!(
            phrase,
            "a time from 2027-01-15T08:00:00Z to 2027-01-15T08:01:00Z"
        );
    }

    #[rstest]
    #[case::as_they_stand(json!([{ "a": 1 }, { "a": 2 }]), true)]
    #[case::the_other_way_round(json!([{ "a": 2, "b": 0 }, { "a": 1 }]), true)]
    #[case::one_twice(json!([{ "a": 1 }, { "a": 1 }]), false)]
    #[case::one_too_many(json!([{ "a": 1 }, { "a": 2 }, { "a": 3 }]), false)]
    #[case::one_too_few(json!([{ "a": 1 }]), false)]
    #[case::no_list(json!({ "a": 1 }), false)]
    fn elements_in_any_order_are_each_met_by_another(#[case] got: Value, #[case] is_met: bool) {
        let wanted = json!({ "in_any_order": [{ "a": { "at_least": 1 } }, { "a": 2 }] });
        assert_eq!(matches(&wanted, Some(&got), &|_| None), is_met);
        assert!(!matches(&wanted, None, &|_| None));
    }

    #[test]
    fn a_text_starts_as_it_must() {
        let wanted = json!({ "starts_with": "https://" });
        let starts = |got: Value| matches(&wanted, Some(&got), &|_| None);
        assert!(starts(json!("https://a")));
        assert!(!starts(json!("http://a")) && !starts(json!(7)));
    }

    #[test]
    fn who_reads_what_was_wanted_does_not_read_the_secret() {
        let wanted =
            json!({ "a": [{ "is_jwt": { "secret": "s3cret", "claims": { "sub": "a" } } }] });
        let phrase = phrase(&wanted);
        assert!(
            phrase.contains("sub") && !phrase.contains("s3cret"),
            "{phrase}"
        );
    }
}
