//! What a field must be: a value, or a [`Matcher`]. Members of an object and elements of a list may be matchers
//! themselves; members that are not named may be anything.

use std::cmp::Ordering;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::signed::Wanted;

/// The key of [`Matcher::IsJwt`].
const IS_JWT: &str = "is_jwt";

/// What a value is compared with that is written as an object with one key. In a scenario that was loaded, numbers
/// may still be names or [computed](super::computed).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Matcher<'a> {
    Not(&'a Value),
    AnyOf(&'a [Value]),
    AtLeast(&'a Value),
    AtMost(&'a Value),
    /// Whether a value has no content: it is missing, `null`, `""`, `[]`, `{}`, or bytes of length 0.
    Empty(bool),
    /// Whether there is a value other than `null`.
    Present(bool),
    /// A time (RFC 3339) not before the first and not after the second of these, in seconds since 1970.
    Rfc3339(&'a Value, &'a Value),
    StartsWith(&'a str),
    /// A list with as many elements, each of which meets another one of these.
    InAnyOrder(&'a [Value]),
    IsJwt(&'a Value),
}

impl<'a> Matcher<'a> {
    /// The key of the matcher that a value is, and the matcher, or what it would take instead of what stands there;
    /// `None` if the value is no object whose one key is that of a matcher.
    pub(crate) fn read(value: &'a Value) -> Option<(&'a str, Result<Self, &'static str>)> {
        let object = value.as_object().filter(|object| object.len() == 1)?;
        let (key, argument) = object.iter().next()?;
        let matcher = match (key.as_str(), argument) {
            ("not", argument) => Ok(Self::Not(argument)),
            ("any_of", Value::Array(values)) if !values.is_empty() => Ok(Self::AnyOf(values)),
            ("any_of", _) => Err("a list of values"),
            ("at_least", bound) if is_bound(bound) => Ok(Self::AtLeast(bound)),
            ("at_most", bound) if is_bound(bound) => Ok(Self::AtMost(bound)),
            ("at_least" | "at_most", _) => Err("a number"),
            ("empty", Value::Bool(is_so)) => Ok(Self::Empty(*is_so)),
            ("present", Value::Bool(is_so)) => Ok(Self::Present(*is_so)),
            ("empty" | "present", _) => Err("true or false"),
            ("rfc3339", times) => match times.as_array().map(Vec::as_slice) {
                Some([from, to]) if is_bound(from) && is_bound(to) => Ok(Self::Rfc3339(from, to)),
                Some(_) | None => Err("a list of two times in seconds since 1970"),
            },
            ("starts_with", Value::String(start)) => Ok(Self::StartsWith(start)),
            ("starts_with", _) => Err("a text"),
            ("in_any_order", Value::Array(values)) => Ok(Self::InAnyOrder(values)),
            ("in_any_order", _) => Err("a list"),
            (IS_JWT, wanted) => Ok(Self::IsJwt(wanted)),
            _ => return None,
        };
        Some((key, matcher))
    }

    fn is_met(self, got: Option<&Value>, canonical: Canonical<'_>) -> bool {
        match self {
            Self::Not(value) => !matches(value, got, canonical),
            Self::AnyOf(values) => values.iter().any(|value| matches(value, got, canonical)),
            Self::AtLeast(bound) => compare(got, bound).is_some_and(Ordering::is_ge),
            Self::AtMost(bound) => compare(got, bound).is_some_and(Ordering::is_le),
            Self::Empty(is_so) => is_empty(got) == is_so,
            Self::Present(is_so) => got.is_some_and(|got| !got.is_null()) == is_so,
            Self::Rfc3339(from, to) => got.and_then(seconds).is_some_and(|time| {
                let bounds = from.as_i64().zip(to.as_i64());
                bounds.is_some_and(|(from, to)| (from..=to).contains(&time))
            }),
            Self::StartsWith(start) => {
                let text = got.and_then(Value::as_str);
                text.is_some_and(|text| text.starts_with(start))
            }
            Self::InAnyOrder(wanted) => got.and_then(Value::as_array).is_some_and(|got| {
                let got: Vec<&Value> = got.iter().collect();
                wanted.len() == got.len() && in_any_order(wanted, &got, canonical)
            }),
            Self::IsJwt(wanted) => is_jwt(wanted, got).is_ok(),
        }
    }

    fn phrase(self, plain: &dyn Fn(&Value) -> String) -> String {
        match self {
            Self::Not(value) => match Self::read(value) {
                Some((_, Ok(Self::AnyOf(values)))) => {
                    let values: Vec<_> = values.iter().map(|value| phrase(value, plain)).collect();
                    format!("neither {}", values.join(" nor "))
                }
                Some(_) | None => format!("not {}", phrase(value, plain)),
            },
            Self::AnyOf(values) => {
                let values: Vec<_> = values.iter().map(|value| phrase(value, plain)).collect();
                values.join(" or ")
            }
            Self::AtLeast(bound) => format!("at least {}", plain(bound)),
            Self::AtMost(bound) => format!("at most {}", plain(bound)),
            Self::Empty(true) => "empty".to_owned(),
            Self::Empty(false) => "not empty".to_owned(),
            Self::Present(true) => "present".to_owned(),
            Self::Present(false) => "absent".to_owned(),
            Self::Rfc3339(from, to) => format!("a time from {} to {}", date(from), date(to)),
            Self::StartsWith(start) => format!("a text that starts with {start:?}"),
            Self::InAnyOrder(values) => {
                format!(
                    "{} in any order",
                    plain(&values.iter().map(shown).collect())
                )
            }
            Self::IsJwt(wanted) => {
                let token = shown(&json!({ IS_JWT: wanted }));
                format!("a JSON Web Token with {}", plain(&token[IS_JWT]))
            }
        }
    }
}

/// What a vocabulary writes a value back as.
type Canonical<'a> = &'a dyn Fn(&Value) -> Option<Value>;

/// Decides whether `got`, a field's value (`None` if the frame does not have it), is what
/// `wanted` says. Bindings are resolved already.
pub(crate) fn matches(wanted: &Value, got: Option<&Value>, canonical: Canonical<'_>) -> bool {
    match Matcher::read(wanted) {
        Some((_, Ok(matcher))) => matcher.is_met(got, canonical),
        Some((_, Err(_))) | None => {
            equal(wanted, got, canonical) || got.is_some_and(|got| within(wanted, got, canonical))
        }
    }
}

/// What is wanted, in words; `plain` writes values.
pub(crate) fn phrase(wanted: &Value, plain: &dyn Fn(&Value) -> String) -> String {
    match Matcher::read(wanted) {
        Some((_, Ok(matcher))) => matcher.phrase(plain),
        Some((_, Err(_))) | None => plain(&shown(wanted)),
    }
}

/// What the bytes of a value that does not match `wanted` do not show: what is wrong with its tokens.
pub(crate) fn remark(wanted: &Value, got: &Value) -> Option<String> {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => wanted.iter().find_map(|(name, wanted)| {
            let got = got.get(name);
            match Matcher::read(wanted) {
                Some((_, Ok(Matcher::IsJwt(wanted)))) => {
                    let problem = is_jwt(wanted, got).err()?;
                    Some(format!("`{name}` {problem}"))
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

/// Whether a value is a token as it must be.
///
/// # Errors
/// What it is instead, to be read after its name.
fn is_jwt(wanted: &Value, got: Option<&Value>) -> Result<(), String> {
    let wanted = Wanted::read(wanted)?;
    let claims = wanted.claims_of(got.and_then(Value::as_str).unwrap_or_default())?;
    let mut members = wanted.claims.iter();
    match members.all(|(name, wanted)| matches(wanted, claims.get(name), &|_| None)) {
        true => Ok(()),
        false => Err(format!("says {claims}")),
    }
}

/// A human-readable value or matcher, without the secret of a token.
fn shown(wanted: &Value) -> Value {
    match wanted {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let mut value = shown(value);
                if let (IS_JWT, Value::Object(token)) = (name.as_str(), &mut value) {
                    token.remove("secret");
                }
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
fn within(wanted: &Value, got: &Value, canonical: Canonical<'_>) -> bool {
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

/// Whether each of `wanted` is met by another element of `got`, of which there are as many.
fn in_any_order(wanted: &[Value], got: &[&Value], canonical: Canonical<'_>) -> bool {
    let Some((first, rest)) = wanted.split_first() else {
        return true;
    };
    (0..got.len()).any(|place| {
        let mut others = got.to_vec();
        let one = others.swap_remove(place);
        matches(first, Some(one), canonical) && in_any_order(rest, &others, canonical)
    })
}

fn equal(wanted: &Value, got: Option<&Value>, canonical: Canonical<'_>) -> bool {
    match got {
        None => wanted.is_null(),
        Some(got) => wanted == got || canonical(wanted).as_ref() == Some(got),
    }
}

/// Whether a value is a number, or may stand for one: a name or something computed.
fn is_bound(value: &Value) -> bool {
    value.is_number()
        || value.is_object()
        || value.as_str().is_some_and(|text| text.starts_with('$'))
}

/// How two numbers compare: exactly, if both are whole.
fn compare(got: Option<&Value>, bound: &Value) -> Option<Ordering> {
    let (got, bound) = (got?.as_number()?, bound.as_number()?);
    match (got.as_i128(), bound.as_i128()) {
        (Some(got), Some(bound)) => Some(got.cmp(&bound)),
        (_, _) => got.as_f64()?.partial_cmp(&bound.as_f64()?),
    }
}

/// A time (RFC 3339) in whole seconds since 1970.
fn seconds(value: &Value) -> Option<i64> {
    let time = OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()?;
    Some(time.unix_timestamp())
}

/// Seconds since 1970 as a time (RFC 3339); as a number, if out of range.
fn date(seconds: &Value) -> String {
    let time = seconds.as_i64().map(OffsetDateTime::from_unix_timestamp);
    let text = time.and_then(|time| time.ok()?.format(&Rfc3339).ok());
    text.unwrap_or_else(|| seconds.to_string())
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
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::first("2027-01-15T08:00:00Z", true)]
    #[case::last("2027-01-15T08:01:00Z", true)]
    #[case::another_zone("2027-01-15T10:00:30+02:00", true)]
    #[case::with_a_fraction("2027-01-15T08:00:30.5Z", true)]
    #[case::with_a_long_fraction("2027-01-15T08:00:30.123456789123Z", true)]
    #[case::in_small_letters("2027-01-15t08:00:30z", true)]
    #[case::of_an_unknown_zone("2027-01-15T08:00:30-00:00", true)]
    #[case::on_the_day_before("2027-01-14T20:30:30.5-11:30", true)]
    #[case::before("2027-01-15T07:59:59Z", false)]
    #[case::before_in_its_zone("2027-01-15T08:00:30+00:01", false)]
    #[case::after("2027-01-15T08:01:01Z", false)]
    #[case::without_a_zone("2027-01-15T08:00:30", false)]
    #[case::no_time("soon", false)]
    fn a_time_is_within_its_bounds(#[case] time: &str, #[case] is_within: bool) {
        let wanted = json!({ "rfc3339": [1_800_000_000, 1_800_000_060] });
        assert_eq!(matches(&wanted, Some(&json!(time)), &|_| None), is_within);
        assert!(!matches(&wanted, None, &|_| None));
        let phrase = phrase(&wanted, &Value::to_string);
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
        let phrase = phrase(&wanted, &Value::to_string);
        assert!(
            phrase.contains("sub") && !phrase.contains("s3cret"),
            "{phrase}"
        );
    }

    fn token(algorithm: Algorithm, secret: &str, claims: &Value) -> Value {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(algorithm), claims, &key);
        json!(token.unwrap())
    }

    fn checked(got: &Value) -> Result<(), String> {
        let claims = json!({ "sub": "a", "exp": { "at_least": 1_300 }, "jti": { "empty": false } });
        let wanted = json!({ "secret": "s", "claims": claims, "lasts": [285, 315] });
        is_jwt(&wanted, Some(got))
    }

    fn right() -> Value {
        json!({ "sub": "a", "iat": 1_000, "exp": 1_300, "jti": "1", "more": true })
    }

    #[test]
    fn a_token_is_met_by_its_signature_its_claims_and_its_time() {
        let token = token(Algorithm::HS256, "s", &right());
        assert_eq!(checked(&token), Ok(()));
    }

    #[rstest]
    #[case::another_user("sub", json!("b"))]
    #[case::no_name("jti", Value::Null)]
    #[case::an_empty_name("jti", json!(""))]
    #[case::too_early("exp", json!(1_299))]
    #[case::too_short("iat", json!(1_016))]
    #[case::too_long("exp", json!(1_316))]
    #[case::no_beginning("iat", Value::Null)]
    fn a_claim_that_is_not_as_it_must_be_is_told(#[case] claim: &str, #[case] value: Value) {
        let mut claims = right();
        claims[claim] = value;
        let why = checked(&token(Algorithm::HS256, "s", &claims)).unwrap_err();
        assert!(why.starts_with("says {") && why.contains("more"), "{why}");
    }

    #[rstest]
    #[case::another_secret(token(Algorithm::HS256, "t", &right()), "another secret")]
    #[case::another_algorithm(token(Algorithm::HS512, "s", &right()), "not signed with HS256")]
    #[case::no_token(json!("a.b.c"), "no token")]
    #[case::no_text(json!(7), "no token")]
    fn what_is_no_token_of_the_secret_says_why(#[case] got: Value, #[case] why: &str) {
        let told = checked(&got).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}
