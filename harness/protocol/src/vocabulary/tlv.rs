//! Extensions as they are written: a list of `{"type": "MaxDatagram", "value": 1400}`,
//! `{"type": "Diagnostic", "value": "text"}` and `{"type": 30583, "hex": ".."}`, or
//! bytes for a block whose meaning is not known.

use std::borrow::Cow;

use serde_json::{Map, Value};

use shakedown_wire::{Extension, Form, Kind, Tlv, Tlvs};

use super::bytes::{self, check_length};
use super::{WordError, bad, number, shown};

/// The extensions that the form has fields for, by the name of the field; of each the first.
pub(super) fn fields(form: &Form, tlvs: Tlvs<'_>) -> impl Iterator<Item = (&'static str, Value)> {
    form.extension_fields().filter_map(move |extension| {
        let value = describe_value(extension, tlvs.get(extension.kind)?)?;
        Some((extension.key, value))
    })
}

/// Adds the extension that is written as a field of its own. One that stands in the block already
/// must say the same.
pub(super) fn add(
    block: &mut Cow<'static, [u8]>,
    extension: &Extension,
    value: &Value,
) -> Result<(), WordError> {
    let (field, kind) = (extension.key, extension.kind);
    let written = read_value(field, extension, value)?;
    match Tlvs::from_bytes(block).get(kind) {
        Some(there) if there == written => Ok(()),
        Some(_) => Err(bad(field, "contradicts `tlvs`; give only one".to_owned())),
        None => {
            let value = &written;
            Tlv { kind, value }.encode(block.to_mut());
            check_length(field, block.len() as u64)?;
            Ok(())
        }
    }
}

pub(super) fn read(
    form: &Form,
    field: &str,
    value: &Value,
) -> Result<Cow<'static, [u8]>, WordError> {
    let Value::Array(list) = value else {
        return bytes::read(field, value);
    };
    let mut block = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let (kind, value) = read_one(form, &format!("{field}[{index}]"), entry)?;
        let value = value.as_ref();
        Tlv { kind, value }.encode(&mut block);
        check_length(field, block.len() as u64)?;
    }
    Ok(Cow::Owned(block))
}

fn read_one(
    form: &Form,
    field: &str,
    entry: &Value,
) -> Result<(u16, Cow<'static, [u8]>), WordError> {
    let unreadable = || {
        let wanted = r#"{"type": .., "value": ..} or {"type": .., "hex": ".."}"#;
        bad(field, format!("must be {wanted}, not {}", shown(entry)))
    };
    let mut rest = entry.as_object().cloned().ok_or_else(unreadable)?;
    let kind = rest.shift_remove("type").ok_or_else(unreadable)?;
    let kind = read_kind(form, &format!("{field}.type"), &kind)?;
    let value = match rest.shift_remove("value") {
        Some(value) if rest.is_empty() => {
            let field = format!("{field}.value");
            let extension = form.extension(kind).ok_or_else(|| {
                let problem = format!(
                    "cannot be written for type {kind}, whose form is unknown; write \"hex\""
                );
                bad(&field, problem)
            })?;
            Cow::Owned(read_value(&field, extension, &value)?)
        }
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

fn read_kind(form: &Form, field: &str, value: &Value) -> Result<u16, WordError> {
    let Some(name) = value.as_str() else {
        return number(field, value);
    };
    let found = form.extensions.iter().find(|known| known.name == name);
    found.map(|known| known.kind).ok_or_else(|| {
        let known: Vec<_> = form.extensions.iter().map(|known| known.name).collect();
        let known = known.join(", ");
        bad(
            field,
            format!("must be one of {known}, or a number from 0 to 65535, not {name:?}"),
        )
    })
}

fn read_value(field: &str, extension: &Extension, value: &Value) -> Result<Vec<u8>, WordError> {
    match (extension.value, value) {
        (Kind::U16Le, value) => Ok(number::<u16>(field, value)?.to_le_bytes().to_vec()),
        (Kind::U32Le, value) => Ok(number::<u32>(field, value)?.to_le_bytes().to_vec()),
        (Kind::U64Le, value) => Ok(number::<u64>(field, value)?.to_le_bytes().to_vec()),
        (_, Value::String(text)) => Ok(text.as_bytes().to_vec()),
        (_, other) => Err(bad(field, format!("must be a text, not {}", shown(other)))),
    }
}

/// The list of a block whose version is ours.
pub(super) fn describe(form: &Form, tlvs: &Tlvs<'_>) -> Value {
    tlvs.iter().map(|tlv| describe_one(form, &tlv)).collect()
}

fn describe_one(form: &Form, tlv: &Tlv<'_>) -> Value {
    let mut object = Map::new();
    let known = form.extension(tlv.kind);
    let kind = known.map_or(Value::from(tlv.kind), |known| Value::from(known.name));
    object.insert("type".to_owned(), kind);
    match known.and_then(|known| describe_value(known, tlv.value)) {
        Some(value) => {
            object.insert("value".to_owned(), value);
        }
        None => object.extend(bytes::describe(tlv.value)),
    }
    Value::Object(object)
}

/// The value, if it has the length of its type.
fn describe_value(extension: &Extension, value: &[u8]) -> Option<Value> {
    match extension.value {
        Kind::U16Le => value.try_into().ok().map(|b| u16::from_le_bytes(b).into()),
        Kind::U32Le => value.try_into().ok().map(|b| u32::from_le_bytes(b).into()),
        Kind::U64Le => value.try_into().ok().map(|b| u64::from_le_bytes(b).into()),
        _ => str::from_utf8(value).ok().map(Value::from),
    }
}
