//! Media as it is written: `{"pattern": n}`, `{"hex": ".."}` or `{"fill": "00", "length": n}`.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::given::{bad, check_length, hex_text, number, shown};
use crate::hex;
use crate::mediastream::pattern;
use crate::vocabulary::WordError;

/// Length of the payload where none is given: with the header, a datagram of 1,000 bytes.
const DEFAULT_LENGTH: usize = 974;

/// From this length on, equal bytes are written as a fill.
const FILL_FROM: usize = 16;

pub(super) fn read(value: Option<&Value>) -> Result<Cow<'static, [u8]>, WordError> {
    let Some(value) = value else {
        return Ok(Cow::Borrowed(pattern::prefix(DEFAULT_LENGTH)));
    };
    let object = value.as_object().ok_or_else(|| unreadable(value))?;
    match (object.len(), object.get("pattern"), object.get("hex")) {
        (1, Some(length), None) => {
            let length = length_of("payload.pattern", length)?;
            return Ok(Cow::Borrowed(pattern::prefix(length)));
        }
        (1, None, Some(Value::String(text))) => {
            return Ok(Cow::Owned(hex_text("payload", text)?));
        }
        _ => {}
    }
    match (object.len(), object.get("fill"), object.get("length")) {
        (2, Some(Value::String(fill)), Some(length)) => {
            let length = length_of("payload.length", length)?;
            match hex_text("payload.fill", fill)?.as_slice() {
                [byte] => Ok(Cow::Owned(vec![*byte; length])),
                bytes => Err(bad(
                    "payload.fill",
                    format!("must be one byte, two digits; has {} bytes", bytes.len()),
                )),
            }
        }
        _ => Err(unreadable(value)),
    }
}

pub(super) fn describe(payload: &[u8]) -> Value {
    if pattern::first_difference(payload).is_none() {
        return json!({ "pattern": payload.len() });
    }
    match payload {
        [first, rest @ ..] if payload.len() >= FILL_FROM && rest.iter().all(|b| b == first) => {
            json!({ "fill": hex::format(&[*first]), "length": payload.len() })
        }
        _ => json!({ "hex": hex::format(payload) }),
    }
}

fn length_of(field: &str, value: &Value) -> Result<usize, WordError> {
    check_length(field, number(field, value)?)
}

fn unreadable(value: &Value) -> WordError {
    let wanted = r#"{"pattern": bytes}, {"hex": ".."} or {"fill": "00", "length": bytes}"#;
    bad("payload", format!("must be {wanted}, not {}", shown(value)))
}
