//! What the vectors of all protocols have in common.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use shakedown_wire::{DecodeError, Fault};

/// The largest integer that every reader of JSON keeps (RFC 8259, section 6).
const LARGEST_EXACT: u64 = (1 << 53) - 1;

/// Why bytes are malformed. Offsets and lengths are in bytes.
#[derive(Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Malformed {
    /// The bytes end within the field.
    Truncated {
        /// The field's name in the specification.
        field: String,
        /// Where it begins.
        offset: usize,
        /// Its length.
        need: usize,
        /// Bytes from the offset to the end.
        have: usize,
    },
    /// The field is there and breaks a rule.
    Invalid {
        /// The field's name in the specification.
        field: String,
        /// Where it begins.
        offset: usize,
        /// Code of the rule.
        reason: Reason,
    },
}

/// What a rule is about that bytes break.
#[derive(Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Reason(
    #[schemars(regex(pattern = "^(length|value|terminator|utf8|missing|repeated|unexpected)$"))]
    String,
);

impl From<DecodeError> for Malformed {
    fn from(error: DecodeError) -> Self {
        let (field, offset) = (error.field.to_owned(), error.offset);
        match error.fault {
            Fault::Truncated { need, have } => Self::Truncated {
                field,
                offset,
                need,
                have,
            },
            Fault::Invalid { rule, .. } => Self::Invalid {
                field,
                offset,
                reason: Reason(rule.code().to_owned()),
            },
        }
    }
}

/// The same value as vectors write it: an integer that not every reader keeps is a string.
pub(crate) fn portable(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number > LARGEST_EXACT) => {
            Value::String(number.to_string())
        }
        Value::Array(items) => items.into_iter().map(portable).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members.map(|(key, value)| (key, portable(value))).collect()
        }
        value => value,
    }
}

/// The same value as frames are encoded from.
pub(crate) fn exact(value: &Value) -> Value {
    match value {
        Value::String(digits) => match digits.parse::<u64>() {
            Ok(number) if number > LARGEST_EXACT => number.into(),
            Ok(_) | Err(_) => value.clone(),
        },
        Value::Array(items) => items.iter().map(exact).collect(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(key, value)| (key.clone(), exact(value)))
                .collect()
        }
        value => value.clone(),
    }
}
