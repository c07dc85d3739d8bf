use super::token;
use serde_json::{Number, Value, json};
use shakedown_protocol::hex;

/// The name of the time of day in whole seconds since 1970 at which a step begins.
pub(crate) const NOW: &str = "now";
/// The key of texts that are put together: `{"join": ["Bearer ", "$token"]}`.
pub(crate) const JOIN: &str = "join";
/// The key of a JSON Web Token: see [`token`](super::token).
pub(crate) const JWT: &str = "jwt";
/// The key of a number that is added up: `{"sum": ["$rate", 1]}`.
pub(crate) const SUM: &str = "sum";
/// The key of a text less its last character: `{"shorter": "$id"}`.
pub(crate) const SHORTER: &str = "shorter";
/// The key of a text with small letters for large ones and the reverse: `{"other_case": "$id"}`.
pub(crate) const OTHER_CASE: &str = "other_case";

/// The key of a text with a space more, and the most bytes it may have: `{"longer": ["$id", 36]}`.
pub(crate) const LONGER: &str = "longer";
/// The key of a text that fills so many bytes, without a NUL: `{"filled": ["$id", 37]}`.
pub(crate) const FILLED: &str = "filled";

/// The key of what a JSON Web Token claims: `{"claim": ["$token", "jti"]}`.
pub(crate) const CLAIM: &str = "claim";

/// What `{"sum": [..]}`, `{"join": [..]}`, `{"jwt": ..}`, `{"claim": [..]}`, `{"shorter": ..}`,
/// `{"other_case": ..}`, `{"longer": [..]}` and `{"filled": [..]}` stand for once their names are replaced.
/// `None` if the value is no such object.
///
/// # Errors
/// A human-readable error: what is added is no list of integers, the sum is none that a field can hold, or
/// what is to be changed is no text.
pub(crate) fn computed(value: &Value) -> Option<Result<Value, String>> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (key, argument) = object.iter().next()?;
    match key.as_str() {
        SUM => Some(added(argument)),
        JOIN => Some(joined(argument)),
        JWT => Some(token::made(argument)),
        CLAIM => Some(token::claim(argument)),
        SHORTER => Some(changed(SHORTER, argument, less_its_last)),
        OTHER_CASE => Some(changed(OTHER_CASE, argument, in_other_case)),
        LONGER => Some(longer(argument)),
        FILLED => Some(filled(argument)),
        _ => None,
    }
}

/// Another text than this one, or than the one that ends at the first NUL of these bytes.
fn changed(key: &str, value: &Value, change: impl Fn(&[u8]) -> Vec<u8>) -> Result<Value, String> {
    let wrong = || format!("`{key}` takes a text");
    if let Value::String(text) = value {
        let text = String::from_utf8(another(text.as_bytes(), change));
        return text.map(Value::String).map_err(|_| wrong());
    }
    let bytes = of_hex(key, value).ok_or_else(wrong)??;
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut text = another(text, change);
    text.resize(bytes.len(), 0);
    Ok(json!({ "hex": ::hex::encode(text) }))
}

/// The bytes of `{"hex": ..}`.
fn of_hex(key: &str, value: &Value) -> Option<Result<Vec<u8>, String>> {
    let hex = value.get("hex")?.as_str()?;
    Some(hex::parse(hex).map_err(|problem| format!("`{key}`: the text {problem}")))
}

/// A text with a space more; where that is more than the limit, with another last character.
fn longer(argument: &Value) -> Result<Value, String> {
    let wrong = || format!("`{LONGER}` takes a text and the most bytes that it may have");
    let (text, most) = with_length(argument).ok_or_else(wrong)?;
    changed(LONGER, text, |text| match (text.len() as u64) < most {
        true => [text, b" "].concat(),
        false => text.to_vec(),
    })
}

/// A text with bytes behind it up to a length.
fn filled(argument: &Value) -> Result<Value, String> {
    let wrong = || format!("`{FILLED}` takes a text and how many bytes it is to have, up to 64");
    let (text, length) = with_length(argument).ok_or_else(wrong)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= 64);
    let length = length.ok_or_else(wrong)?;
    let bytes = match text {
        Value::String(text) => text.as_bytes().to_vec(),
        other => of_hex(FILLED, other).ok_or_else(wrong)??,
    };
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut text = text.to_vec();
    text.resize(length, b'7');
    Ok(json!({ "hex": ::hex::encode(text) }))
}

fn with_length(argument: &Value) -> Option<(&Value, u64)> {
    match argument.as_array()?.as_slice() {
        [text, length] => Some((text, length.as_u64()?)),
        _ => None,
    }
}

/// What `change` makes of a text; where that is the same, the text with another last character.
fn another(text: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut changed = change(text);
    if changed == text {
        changed = less_its_last(text);
        changed.push(if text.ends_with(b"7") { b'8' } else { b'7' });
    }
    changed
}

fn joined(parts: &Value) -> Result<Value, String> {
    let wrong = || "`join` takes a list of texts and numbers".to_owned();
    let parts = parts.as_array().ok_or_else(wrong)?;
    let text = parts.iter().map(|part| match part {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(wrong()),
    });
    text.collect::<Result<String, _>>().map(Value::String)
}

fn less_its_last(text: &[u8]) -> Vec<u8> {
    let is_first = |byte: &u8| byte & 0xC0 != 0x80;
    let end = text.iter().rposition(is_first).unwrap_or_default();
    text.get(..end).unwrap_or_default().to_vec()
}

fn in_other_case(text: &[u8]) -> Vec<u8> {
    let other = |byte: &u8| match byte.is_ascii_lowercase() {
        true => byte.to_ascii_uppercase(),
        false => byte.to_ascii_lowercase(),
    };
    text.iter().map(other).collect()
}

/// A sum; above the largest number of 64 bits it begins anew at 1, so that an id or a nonce has a successor
/// whatever it is, and never 0, which often means none.
fn added(terms: &Value) -> Result<Value, String> {
    let integer = |term: &Value| {
        let unsigned = term.as_u64().map(i128::from);
        unsigned.or_else(|| term.as_i64().map(i128::from))
    };
    let terms = terms.as_array().filter(|terms| !terms.is_empty());
    let integers = terms.and_then(|terms| terms.iter().map(integer).collect::<Option<Vec<_>>>());
    let integers = integers.ok_or("`sum` takes a list of integers")?;
    let total = integers.into_iter().try_fold(0, i128::checked_add);
    let total = total.map(|total| match total.checked_sub(i128::from(u64::MAX)) {
        Some(above @ 1..) => above,
        _ => total,
    });
    let total = total.and_then(|total| u64::try_from(total).ok());
    total
        .map(|total| Value::Number(Number::from(total)))
        .ok_or_else(|| "the sum does not fit into 64 bits without a sign".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_added_and_taken_off() {
        assert_eq!(computed(&json!({ "sum": [50, 1] })), Some(Ok(json!(51))));
        assert_eq!(computed(&json!({ "sum": [50, -1] })), Some(Ok(json!(49))));
        assert_eq!(
            computed(&json!({ "sum": [u64::MAX, -1] })),
            Some(Ok(json!(u64::MAX - 1)))
        );
    }

    #[test]
    fn after_the_largest_number_comes_1() {
        for (terms, sum) in [
            (json!([u64::MAX, 0]), u64::MAX),
            (json!([u64::MAX, 1]), 1),
            (json!([u64::MAX, 3]), 3),
        ] {
            assert_eq!(computed(&json!({ "sum": terms })), Some(Ok(json!(sum))));
        }
    }

    #[test]
    fn what_is_no_sum_of_integers_is_an_error() {
        for value in [
            json!([]),
            json!(1),
            json!(["1"]),
            json!([1.5]),
            json!([1, null]),
        ] {
            let error = computed(&json!({ "sum": value })).unwrap().unwrap_err();
            assert_eq!(error, "`sum` takes a list of integers");
        }
        for value in [json!([1, -2]), json!([u64::MAX, u64::MAX, 1])] {
            let error = computed(&json!({ "sum": value })).unwrap().unwrap_err();
            assert!(error.contains("does not fit"), "{error}");
        }
    }

    #[test]
    fn other_objects_are_left_alone() {
        assert_eq!(computed(&json!({ "hex": "00" })), None);
        assert_eq!(computed(&json!({ "sum": [1], "hex": "00" })), None);
        assert_eq!(computed(&json!(["sum"])), None);
    }

    #[test]
    fn a_text_that_is_changed_is_another_one_as_long_as_its_bytes() {
        for (value, shorter, other_case) in [
            (json!("aB-1"), json!("aB-"), json!("Ab-1")),
            (json!("12-7"), json!("12-"), json!("12-8")),
            (json!("é"), json!(""), json!("7")),
            (json!(""), json!("7"), json!("7")),
            (
                json!({ "hex": "61620063" }),
                json!({ "hex": "61000000" }),
                json!({ "hex": "41420000" }),
            ),
        ] {
            let got = computed(&json!({ "shorter": value })).unwrap();
            assert_eq!(got, Ok(shorter), "{value}");
            let got = computed(&json!({ "other_case": value })).unwrap();
            assert_eq!(got, Ok(other_case), "{value}");
        }
        let error = computed(&json!({ "shorter": 7 })).unwrap().unwrap_err();
        assert_eq!(error, "`shorter` takes a text");
    }

    #[test]
    fn a_longer_text_has_a_space_more_where_there_is_room() {
        for (value, longer) in [
            (json!(["ab", 3]), json!("ab ")),
            (json!(["ab", 2]), json!("a7")),
            (
                json!([{ "hex": "61620000" }, 3]),
                json!({ "hex": "61622000" }),
            ),
        ] {
            let got = computed(&json!({ "longer": value })).unwrap();
            assert_eq!(got, Ok(longer), "{value}");
        }
        for wrong in [json!("ab"), json!(["ab"]), json!(["ab", "c"])] {
            let error = computed(&json!({ "longer": wrong })).unwrap().unwrap_err();
            let told = "`longer` takes a text and the most bytes that it may have";
            assert_eq!(error, told, "{wrong}");
        }
    }

    #[test]
    fn a_filled_text_has_no_nul() {
        for (value, filled) in [
            (json!(["ab", 4]), "61623737"),
            (json!([{ "hex": "61620000" }, 4]), "61623737"),
            (json!(["abcd", 4]), "61626364"),
        ] {
            let got = computed(&json!({ "filled": value })).unwrap();
            assert_eq!(got, Ok(json!({ "hex": filled })), "{value}");
        }
        for wrong in [json!("ab"), json!([7, 4]), json!(["ab", 65])] {
            let error = computed(&json!({ "filled": wrong })).unwrap().unwrap_err();
            let told = "`filled` takes a text and how many bytes it is to have, up to 64";
            assert_eq!(error, told, "{wrong}");
        }
    }
}
