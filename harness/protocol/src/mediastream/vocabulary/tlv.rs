//! Extensions as they are written: a list of `{"type": "MaxDatagram", "value": 1400}`,
//! `{"type": "Diagnostic", "value": "text"}` and `{"type": 30583, "hex": ".."}`, or
//! `{"hex": ".."}` for a block whose meaning is not known.

use serde_json::{Value, json};

use super::given::{bad, check_length, hex_object, hex_text, number, shown};
use crate::hex;
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::vocabulary::WordError;

const NAMES: [(&str, u16); 3] = [
    ("MaxDatagram", kind::MAX_DATAGRAM),
    ("MaxReassembly", kind::MAX_REASSEMBLY),
    ("Diagnostic", kind::DIAGNOSTIC),
];

pub(super) fn read(value: &Value) -> Result<Vec<u8>, WordError> {
    let Some(list) = value.as_array() else {
        return hex_object("tlvs", value, "a list of TLVs, or {\"hex\": ..}");
    };
    let mut block = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let (kind, value) = read_one(&format!("tlvs[{index}]"), entry)?;
        let value = value.as_slice();
        Tlv { kind, value }.encode(&mut block);
        check_length("tlvs", block.len() as u64)?;
    }
    Ok(block)
}

/// The block of a frame whose version is ours.
pub(super) fn describe(tlvs: &Tlvs<'_>) -> Value {
    tlvs.iter().map(|tlv| describe_one(&tlv)).collect()
}

/// The block of a frame of another version.
pub(super) fn describe_uninterpreted(tlvs: &Tlvs<'_>) -> Value {
    json!({ "hex": hex::format(tlvs.as_bytes()) })
}

fn read_one(field: &str, entry: &Value) -> Result<(u16, Vec<u8>), WordError> {
    let parts = entry.as_object().and_then(|object| {
        let other = object.iter().find(|(key, _)| key.as_str() != "type")?;
        (object.len() == 2).then_some((object.get("type")?, other.0.as_str(), other.1))
    });
    let Some((name, form, value)) = parts else {
        let wanted = r#"{"type": .., "value": ..} or {"type": .., "hex": ".."}"#;
        return Err(bad(
            field,
            format!("must be {wanted}, not {}", shown(entry)),
        ));
    };
    let kind = read_kind(&format!("{field}.type"), name)?;
    let bytes = match (form, value) {
        ("hex", Value::String(text)) => hex_text(field, text)?,
        ("value", value) => read_value(&format!("{field}.value"), kind, value)?,
        ("hex", other) => {
            let shown = shown(other);
            return Err(bad(
                &format!("{field}.hex"),
                format!("must be a text of hexadecimal digits, not {shown}"),
            ));
        }
        (other, _) => {
            return Err(bad(
                field,
                format!("has no part {other:?}; its parts are type, and value or hex"),
            ));
        }
    };
    if bytes.len() > usize::from(u16::MAX) {
        let length = bytes.len();
        let problem = format!("has {length} bytes; a TLV holds 65535 at most");
        return Err(bad(field, problem));
    }
    Ok((kind, bytes))
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

fn read_value(field: &str, kind: u16, value: &Value) -> Result<Vec<u8>, WordError> {
    match (kind, value) {
        (kind::MAX_DATAGRAM | kind::MAX_REASSEMBLY, value) => {
            number::<u32>(field, value).map(|number| number.to_le_bytes().to_vec())
        }
        (kind::DIAGNOSTIC, Value::String(text)) => Ok(text.as_bytes().to_vec()),
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
    let Some((name, _)) = name else {
        return json!({ "type": tlv.kind, "hex": hex::format(tlv.value) });
    };
    let value = match tlv.kind {
        kind::DIAGNOSTIC => str::from_utf8(tlv.value).ok().map(Value::from),
        _ => tlv
            .value
            .try_into()
            .ok()
            .map(|bytes| Value::from(u32::from_le_bytes(bytes))),
    };
    match value {
        Some(value) => json!({ "type": name, "value": value }),
        None => json!({ "type": name, "hex": hex::format(tlv.value) }),
    }
}
