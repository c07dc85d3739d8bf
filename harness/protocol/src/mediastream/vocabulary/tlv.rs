//! Extensions as they are written: a list of `{"type": "MaxDatagram", "value": 1400}`,
//! `{"type": "Diagnostic", "value": "text"}` and `{"type": 30583, "hex": ".."}`, or
//! bytes for a block whose meaning is not known.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::bytes::{self, check_length};
use super::given::{bad, number, shown};
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::vocabulary::WordError;

/// A type by its name in lists, its name as a field, and what its value is.
struct Known {
    name: &'static str,
    field: &'static str,
    kind: u16,
    value: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    U16,
    U32,
    U64,
    Text,
}

const KNOWN: [Known; 9] = [
    known("FrameRate", "frame_rate", kind::FRAME_RATE, Shape::U32),
    known("BitRate", "bit_rate", kind::BIT_RATE, Shape::U64),
    known(
        "BufferDepth",
        "buffer_depth",
        kind::BUFFER_DEPTH,
        Shape::U32,
    ),
    known("CodecHint", "codec_hint", kind::CODEC_HINT, Shape::Text),
    known(
        "StreamLength",
        "stream_length",
        kind::STREAM_LENGTH,
        Shape::U32,
    ),
    known(
        "MaxDatagram",
        "max_datagram",
        kind::MAX_DATAGRAM,
        Shape::U32,
    ),
    known(
        "MaxReassembly",
        "max_reassembly",
        kind::MAX_REASSEMBLY,
        Shape::U32,
    ),
    known("ErrorCode", "error_code", kind::ERROR_CODE, Shape::U16),
    known("Diagnostic", "diagnostic", kind::DIAGNOSTIC, Shape::Text),
];

const fn known(name: &'static str, field: &'static str, kind: u16, value: Shape) -> Known {
    Known {
        name,
        field,
        kind,
        value,
    }
}

impl Known {
    fn of_kind(kind: u16) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.kind == kind)
    }
}

/// The type that a field of this name stands for.
pub(super) fn kind_of(field: &str) -> Option<u16> {
    KNOWN
        .iter()
        .find(|known| known.field == field)
        .map(|known| known.kind)
}

/// Where the value of the extension that this field stands for is in a block: offset and length.
pub(super) fn place(field: &str, block: &[u8]) -> Option<(usize, usize)> {
    let kind = kind_of(field)?;
    let mut offset = 0;
    for tlv in Tlvs::from_bytes(block).iter() {
        if tlv.kind == kind {
            return Some((offset + 4, tlv.value.len()));
        }
        offset += 4 + tlv.value.len();
    }
    None
}

/// The extensions that the form has fields for, by the name of the field; of each the first.
pub(super) fn fields(
    tlvs: &Tlvs<'_>,
    form: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, Value)> {
    form.iter().filter_map(|field| {
        let kind = kind_of(field)?;
        let value = tlvs.get(kind)?;
        describe_value(&Tlv { kind, value }).map(|value| (*field, value))
    })
}

/// Adds the extension that is written as a field of its own. One that stands in the block already
/// must say the same.
pub(super) fn add(
    block: &mut Cow<'static, [u8]>,
    field: &str,
    kind: u16,
    value: &Value,
) -> Result<(), WordError> {
    let written = read_value(field, kind, value)?;
    match Tlvs::from_bytes(block).get(kind) {
        Some(there) if there == written.as_ref() => Ok(()),
        Some(_) => Err(bad(
            field,
            "is not what `tlvs` says; give only one".to_owned(),
        )),
        None => {
            let value = written.as_ref();
            Tlv { kind, value }.encode(block.to_mut());
            check_length(field, block.len() as u64)?;
            Ok(())
        }
    }
}

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
    let found = KNOWN.iter().find(|known| known.name == name);
    found.map(|known| known.kind).ok_or_else(|| {
        let known = KNOWN.each_ref().map(|known| known.name).join(", ");
        bad(
            field,
            format!("must be one of {known}, or a number from 0 to 65535, not {name:?}"),
        )
    })
}

fn read_value(field: &str, kind: u16, value: &Value) -> Result<Cow<'static, [u8]>, WordError> {
    let Some(known) = Known::of_kind(kind) else {
        let problem =
            format!("cannot be written for type {kind}, whose form is unknown; write \"hex\"");
        return Err(bad(field, problem));
    };
    let bytes = match (known.value, value) {
        (Shape::U16, value) => number::<u16>(field, value)?.to_le_bytes().to_vec(),
        (Shape::U32, value) => number::<u32>(field, value)?.to_le_bytes().to_vec(),
        (Shape::U64, value) => number::<u64>(field, value)?.to_le_bytes().to_vec(),
        (Shape::Text, Value::String(text)) => text.as_bytes().to_vec(),
        (Shape::Text, other) => {
            return Err(bad(field, format!("must be a text, not {}", shown(other))));
        }
    };
    Ok(Cow::Owned(bytes))
}

fn describe_one(tlv: &Tlv<'_>) -> Value {
    let mut object = Map::new();
    let known = Known::of_kind(tlv.kind);
    let kind = known.map_or(Value::from(tlv.kind), |known| Value::from(known.name));
    object.insert("type".to_owned(), kind);
    match describe_value(tlv) {
        Some(value) => {
            object.insert("value".to_owned(), value);
        }
        None => object.extend(bytes::describe(tlv.value)),
    }
    Value::Object(object)
}

/// The value of a known type, if it has the length of the type.
fn describe_value(tlv: &Tlv<'_>) -> Option<Value> {
    let value = tlv.value;
    match Known::of_kind(tlv.kind)?.value {
        Shape::U16 => value.try_into().ok().map(|b| u16::from_le_bytes(b).into()),
        Shape::U32 => value.try_into().ok().map(|b| u32::from_le_bytes(b).into()),
        Shape::U64 => value.try_into().ok().map(|b| u64::from_le_bytes(b).into()),
        Shape::Text => str::from_utf8(value).ok().map(Value::from),
    }
}
