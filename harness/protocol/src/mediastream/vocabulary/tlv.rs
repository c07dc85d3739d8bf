//! Extensions as they are written: a list of `{"type": "MaxDatagram", "value": 1400}`,
//! `{"type": "Diagnostic", "value": "text"}` and `{"type": 30583, "hex": ".."}`, or
//! bytes for a block whose meaning is not known.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::bytes::{self, check_length};
use super::given::{bad, number, shown};
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::vocabulary::WordError;

const NAMES: [(&str, u16); 3] = [
    ("MaxDatagram", kind::MAX_DATAGRAM),
    ("MaxReassembly", kind::MAX_REASSEMBLY),
    ("Diagnostic", kind::DIAGNOSTIC),
];

pub(super) fn read(value: &Value) -> Result<Cow<'static, [u8]>, WordError> {
    let Value::Array(list) = value else {
        return bytes::read("tlvs", value);
    };
    let mut block = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let (kind, value) = read_one(&format!("tlvs[{index}]"), entry)?;
        let value = value.as_ref();
        Tlv { kind, value }.encode(&mut block);
        check_length("tlvs", block.len() as u64)?;
    }
    Ok(Cow::Owned(block))
}

/// The block of a frame whose version is ours.
pub(super) fn describe(tlvs: &Tlvs<'_>) -> Value {
    tlvs.iter().map(|tlv| describe_one(&tlv)).collect()
}

/// The block of a frame of another version.
pub(super) fn describe_uninterpreted(tlvs: &Tlvs<'_>) -> Value {
    Value::Object(bytes::describe(tlvs.as_bytes()))
}

fn read_one(field: &str, entry: &Value) -> Result<(u16, Cow<'static, [u8]>), WordError> {
    let unreadable = || {
        let wanted = r#"{"type": .., "value": ..} or {"type": .., "hex": ".."}"#;
        bad(field, format!("must be {wanted}, not {}", shown(entry)))
    };
    let mut rest = entry.as_object().cloned().ok_or_else(unreadable)?;
    let kind = rest.shift_remove("type").ok_or_else(unreadable)?;
    let kind = read_kind(&format!("{field}.type"), &kind)?;
    let value = match rest.shift_remove("value") {
        Some(value) if rest.is_empty() => read_value(&format!("{field}.value"), kind, &value)?,
        None if !rest.is_empty() => bytes::read(field, &Value::Object(rest))?,
        Some(_) | None => return Err(unreadable()),
    };
    if value.len() > usize::from(u16::MAX) {
        let length = value.len();
        let problem = format!("has {length} bytes; a TLV holds 65535 at most");
        return Err(bad(field, problem));
    }
    Ok((kind, value))
}

fn read_kind(field: &str, value: &Value) -> Result<u16, WordError> {
    let Some(name) = value.as_str() else {
        return number(field, value);
    };
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let known = NAMES.map(|(known, _)| known).join(", ");
        bad(
            field,
            format!("must be one of {known}, or a number from 0 to 65535, not {name:?}"),
        )
    })
}

fn read_value(field: &str, kind: u16, value: &Value) -> Result<Cow<'static, [u8]>, WordError> {
    match (kind, value) {
        (kind::MAX_DATAGRAM | kind::MAX_REASSEMBLY, value) => {
            let number: u32 = number(field, value)?;
            Ok(Cow::Owned(number.to_le_bytes().to_vec()))
        }
        (kind::DIAGNOSTIC, Value::String(text)) => Ok(Cow::Owned(text.as_bytes().to_vec())),
        (kind::DIAGNOSTIC, other) => {
            Err(bad(field, format!("must be a text, not {}", shown(other))))
        }
        (other, _) => Err(bad(
            field,
            format!("cannot be written for type {other}, whose form is unknown; write \"hex\""),
        )),
    }
}

fn describe_one(tlv: &Tlv<'_>) -> Value {
    let name = NAMES.iter().find(|(_, kind)| *kind == tlv.kind);
    let value = match tlv.kind {
        kind::DIAGNOSTIC => str::from_utf8(tlv.value).ok().map(Value::from),
        kind::MAX_DATAGRAM | kind::MAX_REASSEMBLY => {
            let bytes = tlv.value.try_into().ok();
            bytes.map(|bytes| Value::from(u32::from_le_bytes(bytes)))
        }
        _ => None,
    };
    let mut object = Map::new();
    let kind = name.map_or(Value::from(tlv.kind), |(name, _)| Value::from(*name));
    object.insert("type".to_owned(), kind);
    match value {
        Some(value) => {
            object.insert("value".to_owned(), value);
        }
        None => object.extend(bytes::describe(tlv.value)),
    }
    Value::Object(object)
}
