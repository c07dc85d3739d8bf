//! Bytes as they are written: `{"hex": ".."}`, `{"fill": "00", "length": n}`, and for media
//! `{"pattern": n}`.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{WordError, bad, number, shown};
use crate::{hex, pattern};

/// Longest payload, trailing part or block of TLVs that may be written, in bytes: more than any
/// datagram holds, so that datagrams that are too long can be written too.
const MAX_BYTES: usize = 131_072;

/// From this length on, equal bytes are written as a fill.
const FILL_FROM: usize = 16;

/// Reads a block of bytes.
pub(super) fn read(field: &str, value: &Value) -> Result<Cow<'static, [u8]>, WordError> {
    let parts = value.as_object().map(|object| (object.len(), object));
    match parts {
        Some((1, object)) if object.contains_key("pattern") => {
            let length = length_of(&format!("{field}.pattern"), &object["pattern"])?;
            Ok(Cow::Borrowed(pattern::prefix(length)))
        }
        Some((1, object)) if object.contains_key("hex") => {
            read_hex(&format!("{field}.hex"), &object["hex"]).map(Cow::Owned)
        }
        Some((2, object)) if object.contains_key("fill") && object.contains_key("length") => {
            read_fill(field, object).map(Cow::Owned)
        }
        _ => {
            let wanted = r#"{"hex": ".."}, {"pattern": bytes} or {"fill": "00", "length": bytes}"#;
            Err(bad(
                field,
                format!("must be {wanted}, not {}", shown(value)),
            ))
        }
    }
}

/// Reads a text of hexadecimal digits.
pub(crate) fn read_hex(field: &str, value: &Value) -> Result<Vec<u8>, WordError> {
    let Some(text) = value.as_str() else {
        let problem = format!("must be a text of hexadecimal digits, not {}", shown(value));
        return Err(bad(field, problem));
    };
    let bytes = hex::parse(text).map_err(|problem| bad(field, problem))?;
    check_length(field, bytes.len() as u64)?;
    Ok(bytes)
}

/// Writes media, as the pattern where it is the pattern.
pub(super) fn describe_media(bytes: &[u8]) -> Value {
    match pattern::first_difference(bytes) {
        None => json!({ "pattern": bytes.len() }),
        Some(_) => Value::Object(describe(bytes)),
    }
}

/// Writes a block of bytes.
pub(super) fn describe(bytes: &[u8]) -> Map<String, Value> {
    let mut object = Map::new();
    match bytes {
        [first, rest @ ..] if bytes.len() >= FILL_FROM && rest.iter().all(|b| b == first) => {
            object.insert("fill".to_owned(), ::hex::encode([*first]).into());
            object.insert("length".to_owned(), bytes.len().into());
        }
        _ => {
            object.insert("hex".to_owned(), ::hex::encode(bytes).into());
        }
    }
    object
}

/// Checks a length before anything of that size is made.
pub(super) fn check_length(field: &str, length: u64) -> Result<usize, WordError> {
    match usize::try_from(length) {
        Ok(length) if length <= MAX_BYTES => Ok(length),
        _ => Err(bad(
            field,
            format!("would have {length} bytes; {MAX_BYTES} at most can be written"),
        )),
    }
}

fn read_fill(field: &str, object: &Map<String, Value>) -> Result<Vec<u8>, WordError> {
    let fill = format!("{field}.fill");
    let length = length_of(&format!("{field}.length"), &object["length"])?;
    match read_hex(&fill, &object["fill"])?.as_slice() {
        [byte] => Ok(vec![*byte; length]),
        bytes => Err(bad(
            &fill,
            format!("must be one byte, two digits; has {} bytes", bytes.len()),
        )),
    }
}

fn length_of(field: &str, value: &Value) -> Result<usize, WordError> {
    check_length(field, number(field, value)?)
}
