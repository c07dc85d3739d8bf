//! Frames by name, from their tables.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use shakedown_wire::{DecodeError, DefaultValue, Field, Form, Kind, Reader, Tlvs, Writer};
use uuid::Uuid;

use super::{
    Described, Number, Vocabulary, WordError, bad, bytes, number, says_something, shown, tlv,
};
use crate::pattern;

/// Length of the payload where none is given: with a header of 26, a datagram of 1,000 bytes.
const PAYLOAD_LENGTH: usize = 974;

/// The frames of a protocol by the tables of its [`Form`]s.
pub struct Forms {
    protocol: &'static str,
    forms: &'static [&'static Form],
    form_of: fn(&[u8]) -> Result<Option<&'static Form>, DecodeError>,
    shows: fn(&Described, &str) -> bool,
    names: OnceLock<Names>,
}

/// The names of all frames and, in the same order, of the fields of each.
struct Names {
    frames: &'static [&'static str],
    fields: Vec<&'static [&'static str]>,
}

impl Forms {
    /// Those of the protocol with this id. `form_of` decodes a datagram and says which form it has:
    /// none, or an error if it has one and breaks its rules.
    #[must_use]
    pub const fn new(
        protocol: &'static str,
        forms: &'static [&'static Form],
        form_of: fn(&[u8]) -> Result<Option<&'static Form>, DecodeError>,
    ) -> Self {
        Self {
            protocol,
            forms,
            form_of,
            shows: |described, field| described.fields.get(field).is_some_and(says_something),
            names: OnceLock::new(),
        }
    }

    /// The same with a custom filter of displayed fields.
    #[must_use]
    pub const fn telling(mut self, shows: fn(&Described, &str) -> bool) -> Self {
        self.shows = shows;
        self
    }

    /// They are made once and last as long as the program.
    fn names(&self) -> &Names {
        self.names.get_or_init(|| Names {
            frames: self
                .forms
                .iter()
                .map(|form| form.name)
                .collect::<Vec<_>>()
                .leak(),
            fields: self
                .forms
                .iter()
                .map(|form| &*form.keys().collect::<Vec<_>>().leak())
                .collect(),
        })
    }

    fn place(&self, frame: &str) -> Result<usize, WordError> {
        let found = self.forms.iter().position(|form| form.name == frame);
        found.ok_or_else(|| WordError::UnknownFrame {
            protocol: self.protocol,
            name: frame.to_owned(),
            known: self.frames().to_vec(),
        })
    }
}

impl Vocabulary for Forms {
    fn shows(&self, described: &Described, field: &str) -> bool {
        (self.shows)(described, field)
    }

    fn frames(&self) -> &'static [&'static str] {
        self.names().frames
    }

    fn fields(&self, frame: &str) -> Result<&'static [&'static str], WordError> {
        self.place(frame).map(|place| self.names().fields[place])
    }

    fn encode(&self, frame: &str, fields: &Map<String, Value>) -> Result<Vec<u8>, WordError> {
        let form = self.forms[self.place(frame)?];
        let known = self.fields(frame)?;
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Given { form, fields }.encode(),
            Some(name) => Err(WordError::UnknownField {
                frame: form.name,
                name: name.clone(),
                known: known.to_vec(),
            }),
        }
    }

    fn decode(&self, datagram: &[u8]) -> Result<Option<Described>, DecodeError> {
        let form = (self.form_of)(datagram)?;
        Ok(form.map(|form| describe(form, datagram)))
    }

    fn locate(&self, frame: &str, field: &str, datagram: &[u8]) -> Option<(usize, usize)> {
        let form = self.forms[self.place(frame).ok()?];
        form.places().find_map(|(it, offset)| {
            let is_bit = || it.key == "flags" && form.bits.iter().any(|(name, _)| *name == field);
            let there = datagram.len().checked_sub(offset)?;
            if it.key == field || is_bit() {
                return Some((
                    offset,
                    it.kind.width().map_or(there, |width| width.min(there)),
                ));
            }
            let extension = matches!(it.kind, Kind::Tlvs).then(|| form.extension_fields());
            let wanted = extension?.find(|extension| extension.key == field)?;
            let mut block = Tlvs::from_bytes(&datagram[offset..]).places();
            let (start, tlv) = block.find(|(_, tlv)| tlv.kind == wanted.kind)?;
            Some((offset + start, tlv.value.len()))
        })
    }
}

/// Writes a frame that was decoded, as far as it is there, so that reading it again gives the same
/// bytes.
pub(crate) fn describe(form: &Form, datagram: &[u8]) -> Described {
    let mut fields = Map::new();
    let mut is_ours = true;
    let mut reader = Reader::new(datagram.get(form.start.length()..).unwrap_or_default());
    for (field, _) in form.places() {
        let value = match field.kind {
            Kind::U8 => reader.u8(field.name).map(Value::from),
            Kind::Named(names) => reader.u8(field.name).map(|byte| name_of(byte, names)),
            Kind::U16Le => reader.u16_le(field.name).map(Value::from),
            Kind::U32Le => reader.u32_le(field.name).map(Value::from),
            Kind::U64Le => reader.u64_le(field.name).map(Value::from),
            Kind::U16Be => reader.u16_be(field.name).map(Value::from),
            Kind::U32Be => reader.u32_be(field.name).map(Value::from),
            Kind::U64Be => reader.u64_be(field.name).map(Value::from),
            Kind::Uuid => reader.array(field.name).map(describe_uuid),
            Kind::Bytes(length) => reader.bytes(field.name, length).map(describe_bytes),
            Kind::Text(length) => reader.bytes(field.name, length).map(describe_text),
            Kind::Payload => Ok(bytes::describe_media(reader.rest())),
            Kind::Tlvs if is_ours => Ok(tlv::describe(form, &rest_of(&reader))),
            Kind::Trailing if reader.remaining() == 0 => break,
            Kind::Tlvs | Kind::Trailing => Ok(bytes::describe(reader.rest()).into()),
            Kind::Group(_) | Kind::Utf8(..) => break,
        };
        let Ok(value) = value else {
            break;
        };
        let number = value.as_u64().unwrap_or_default();
        fields.insert(field.key.to_owned(), value);
        match field.key {
            "version" => is_ours = form.version.map(u64::from) == Some(number),
            "flags" => {
                let bits = form.bits.iter();
                let bits = bits.map(|(name, mask)| (*name, number & u64::from(*mask) != 0));
                fields.extend(bits.map(|(name, is_set)| (name.to_owned(), is_set.into())));
            }
            "tlvs" if is_ours => {
                let extensions = tlv::fields(form, rest_of(&reader));
                fields.extend(extensions.map(|(key, value)| (key.to_owned(), value)));
            }
            _ => {}
        }
    }
    Described {
        frame: form.name,
        fields,
    }
}

fn rest_of<'a>(reader: &Reader<'a>) -> Tlvs<'a> {
    Tlvs::from_bytes(reader.clone().rest())
}

fn name_of(byte: u8, names: &[(&str, u8)]) -> Value {
    let name = names.iter().find(|(_, value)| *value == byte);
    name.map_or(byte.into(), |(name, _)| (*name).into())
}

fn describe_uuid(bytes: &[u8; 16]) -> Value {
    Uuid::from_bytes(*bytes).hyphenated().to_string().into()
}

/// A text where all bytes are printable ASCII.
fn describe_bytes(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => text.into(),
        Ok(_) | Err(_) => json!({ "hex": hex::encode(bytes) }),
    }
}

/// A text where the text gives back all bytes.
fn describe_text(bytes: &[u8]) -> Value {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (text, padding) = bytes.split_at(end);
    match str::from_utf8(text) {
        Ok(text) if !padding.is_empty() && padding.iter().all(|byte| *byte == 0) => text.into(),
        _ => json!({ "hex": hex::encode(bytes) }),
    }
}

/// The fields given for a frame.
struct Given<'a> {
    form: &'static Form,
    fields: &'a Map<String, Value>,
}

impl Given<'_> {
    fn encode(&self) -> Result<Vec<u8>, WordError> {
        self.check_needed()?;
        let mut datagram = Vec::new();
        let mut writer = Writer::new(&mut datagram);
        self.form.start.write(&mut writer);
        for (field, _) in self.form.places() {
            match field.kind {
                Kind::U8 => writer.u8(self.number(field)?),
                Kind::Named(names) => writer.u8(self.named(field, names)?),
                Kind::U16Le => writer.u16_le(self.number(field)?),
                Kind::U32Le => writer.u32_le(self.number(field)?),
                Kind::U64Le => writer.u64_le(self.number(field)?),
                Kind::U16Be => writer.u16_be(self.number(field)?),
                Kind::U32Be => writer.u32_be(self.number(field)?),
                Kind::U64Be => writer.u64_be(self.number(field)?),
                Kind::Uuid => writer.bytes(&self.uuid(field)?),
                Kind::Bytes(length) => writer.bytes(&self.exact(field, length)?),
                Kind::Text(length) => writer.bytes(&self.text(field, length)?),
                Kind::Payload => writer.bytes(&self.payload(field.key)?),
                Kind::Trailing => writer.bytes(&self.bytes(field)?),
                Kind::Tlvs => writer.bytes(&self.tlvs(field)?),
                Kind::Group(_) | Kind::Utf8(..) => {}
            }
        }
        Ok(datagram)
    }

    /// A frame has no sense without the extension that it needs.
    fn check_needed(&self) -> Result<(), WordError> {
        let needed = self.form.needed.and_then(|kind| self.form.extension(kind));
        match needed {
            Some(needed) if !self.has(needed.key) && !self.has("tlvs") => {
                Err(missing(needed.key, "a number such as 1"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    fn number<N: Number>(&self, field: &Field) -> Result<N, WordError> {
        match self.fields.get(field.key) {
            _ if field.key == "flags" => self.flags(),
            Some(value) => number(field.key, value),
            None => number(field.key, &self.usual(field.key)?.into()),
        }
    }

    /// The value of a field that is not given.
    fn usual(&self, key: &str) -> Result<u64, WordError> {
        let usual = self.form.usual.iter().find(|(name, _)| *name == key);
        match usual.map(|(_, usual)| usual) {
            Some(DefaultValue::Number(number)) => Ok(*number),
            Some(DefaultValue::PayloadLength) => Ok(self.payload("payload")?.len() as u64),
            Some(DefaultValue::Needed(example)) => Err(missing(key, example)),
            None if key == "version" => Ok(self.form.version.unwrap_or_default().into()),
            None => Ok(0),
        }
    }

    /// Flags, with the names of single bits as another way to write them.
    fn flags<N: Number>(&self) -> Result<N, WordError> {
        let written = self.fields.get("flags");
        let mut named = 0_u64;
        for (name, mask) in self.form.bits {
            let is_set = match self.fields.get(*name) {
                None => continue,
                Some(Value::Bool(is_set)) => *is_set,
                Some(other) => {
                    let problem = format!("must be true or false, not {}", shown(other));
                    return Err(bad(name, problem));
                }
            };
            let mask = u64::from(*mask);
            named |= if is_set { mask } else { 0 };
            if let Some(flags) = written.and_then(Value::as_u64)
                && (flags & mask != 0) != is_set
            {
                let number = mask.trailing_zeros();
                let problem = format!(
                    "is {is_set}, but bit {number} of flags {flags} differs; give only one"
                );
                return Err(bad(name, problem));
            }
        }
        number("flags", written.unwrap_or(&named.into()))
    }

    /// A number, or the name that it has.
    fn named(&self, field: &Field, names: &[(&str, u8)]) -> Result<u8, WordError> {
        let Some(value) = self.fields.get(field.key) else {
            let usual = self.usual(field.key)?;
            return number(field.key, &usual.into());
        };
        let known = names.iter().find(|(name, _)| value.as_str() == Some(name));
        let byte = value.as_u64().and_then(|byte| u8::try_from(byte).ok());
        known.map(|(_, byte)| *byte).or(byte).ok_or_else(|| {
            let names: Vec<_> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
            let (names, shown) = (names.join(", "), shown(value));
            let problem = format!("must be {names}, or an integer from 0 to 255, not {shown}");
            bad(field.key, problem)
        })
    }

    /// A UUID in any of its forms; nil where none is given.
    fn uuid(&self, field: &Field) -> Result<[u8; 16], WordError> {
        let Some(value) = self.fields.get(field.key) else {
            return Ok([0; 16]);
        };
        let uuid = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
        let uuid =
            uuid.ok_or_else(|| bad(field.key, format!("must be a UUID, not {}", shown(value))));
        uuid.map(Uuid::into_bytes)
    }

    /// A fixed number of bytes, as ASCII or hexadecimal digits; zeros by default.
    fn exact(&self, field: &Field, length: usize) -> Result<Vec<u8>, WordError> {
        match self.fields.get(field.key) {
            None => Ok(vec![0; length]),
            Some(Value::String(text)) if text.len() == length => Ok(text.as_bytes().to_vec()),
            Some(Value::Object(object)) if object.len() == 1 && object.contains_key("hex") => {
                Self::hex(field, &object["hex"], length)
            }
            Some(other) => {
                let shown = shown(other);
                let problem = format!(
                    "must be a text of {length} bytes, or {{\"hex\": {length} bytes}}, not {shown}"
                );
                Err(bad(field.key, problem))
            }
        }
    }

    fn hex(field: &Field, digits: &Value, length: usize) -> Result<Vec<u8>, WordError> {
        let bytes = bytes::read_hex(&format!("{}.hex", field.key), digits)?;
        match bytes.len() {
            there if there == length => Ok(bytes),
            there => Err(bad(field.key, format!("has {there} bytes; needs {length}"))),
        }
    }

    /// A text and the NULs after it; nothing but NULs where none is given.
    fn text(&self, field: &Field, length: usize) -> Result<Vec<u8>, WordError> {
        match self.fields.get(field.key) {
            None => Ok(vec![0; length]),
            Some(Value::String(text)) if text.len() < length && !text.contains('\0') => {
                let mut bytes = text.as_bytes().to_vec();
                bytes.resize(length, 0);
                Ok(bytes)
            }
            Some(Value::String(text)) => Err(bad(field.key, text_fault(text, length))),
            Some(Value::Object(object)) if object.len() == 1 && object.contains_key("hex") => {
                Self::hex(field, &object["hex"], length)
            }
            Some(other) => {
                let shown = shown(other);
                let problem =
                    format!("must be a text, or {{\"hex\": {length} bytes}}, not {shown}");
                Err(bad(field.key, problem))
            }
        }
    }

    /// The media; of the pattern where none are given.
    fn payload(&self, key: &str) -> Result<Cow<'static, [u8]>, WordError> {
        match self.fields.get(key) {
            None => Ok(Cow::Borrowed(pattern::prefix(PAYLOAD_LENGTH))),
            Some(value) => bytes::read(key, value),
        }
    }

    /// Bytes as they are; none where none are given.
    fn bytes(&self, field: &Field) -> Result<Cow<'static, [u8]>, WordError> {
        let value = self.fields.get(field.key);
        value.map_or(Ok(Cow::default()), |value| bytes::read(field.key, value))
    }

    /// The block of extensions; empty where none are given. An extension that is written as a
    /// field of its own comes after the list, unless it stands there.
    fn tlvs(&self, field: &Field) -> Result<Cow<'static, [u8]>, WordError> {
        let mut block = match self.fields.get(field.key) {
            None => Cow::default(),
            Some(value) => tlv::read(self.form, field.key, value)?,
        };
        for extension in self.form.extension_fields() {
            if let Some(value) = self.fields.get(extension.key) {
                tlv::add(&mut block, extension, value)?;
            }
        }
        Ok(block)
    }
}

fn missing(key: &str, example: &str) -> WordError {
    bad(key, format!("must be given: {example}"))
}

fn text_fault(text: &str, length: usize) -> String {
    if text.contains('\0') {
        return format!(
            "is a text with a NUL in it; write {{\"hex\": {length} bytes}} for such an id"
        );
    }
    let (there, most) = (text.len(), length - 1);
    format!(
        "has {there} bytes; a text has {most} at most, as its field of {length} ends with a NUL \
         (write {{\"hex\": {length} bytes}} for anything else)"
    )
}
