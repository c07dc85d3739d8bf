use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{bytes, form::Form, tlv};
use crate::mediastream::frame::{ConnectionId, Header};
use crate::mediastream::pattern;
use crate::vocabulary::{Number, WordError};

pub(super) use crate::vocabulary::{bad, number, shown};

/// Length of the payload where none is given: with the header, a datagram of 1,000 bytes.
const PAYLOAD_LENGTH: usize = 974;

/// The fields that somebody wrote for a frame, and what the others are.
pub(super) struct Given<'a> {
    form: Form,
    fields: &'a Map<String, Value>,
}

impl<'a> Given<'a> {
    /// Checks the names.
    pub(super) fn new(form: Form, fields: &'a Map<String, Value>) -> Result<Self, WordError> {
        let known = form.fields();
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Self { form, fields }),
            Some(name) => Err(WordError::UnknownField {
                frame: form.name(),
                name: name.clone(),
                known: known.to_vec(),
            }),
        }
    }

    /// An integer, or `default` where none is given.
    pub(super) fn number<N: Number>(&self, field: &str, default: N) -> Result<N, WordError> {
        let value = self.fields.get(field);
        value.map_or(Ok(default), |value| number(field, value))
    }

    /// Number and clock of a datagram of media.
    pub(super) fn media_header(&self) -> Result<Header, WordError> {
        self.header(Header {
            sequence_number: 1,
            qpc: 0,
            qpf: 10_000_000,
        })
    }

    /// The header of a control frame, which is zero by the rule (MS-W-10).
    pub(super) fn control_header(&self) -> Result<Header, WordError> {
        self.header(Header::default())
    }

    fn header(&self, default: Header) -> Result<Header, WordError> {
        Ok(Header {
            sequence_number: self.number("sequence_number", default.sequence_number)?,
            qpc: self.number("qpc", default.qpc)?,
            qpf: self.number("qpf", default.qpf)?,
        })
    }

    /// Flags, with the names of single bits as another way to write them.
    pub(super) fn flags<N: Number>(&self) -> Result<N, WordError> {
        let mut named = 0_u64;
        for bit in self.form.bits() {
            let is_set = match self.fields.get(bit.name) {
                None => continue,
                Some(Value::Bool(is_set)) => *is_set,
                Some(other) => {
                    let problem = format!("must be true or false, not {}", shown(other));
                    return Err(bad(bit.name, problem));
                }
            };
            let mask: u64 = bit.mask.into();
            named |= if is_set { mask } else { 0 };
            if let Some(flags) = self.fields.get("flags").and_then(Value::as_u64)
                && (flags & mask != 0) != is_set
            {
                let number = mask.trailing_zeros();
                let problem = format!(
                    "is {is_set}, but bit {number} of flags {flags} says otherwise; give only one"
                );
                return Err(bad(bit.name, problem));
            }
        }
        let named = N::try_from(named).ok();
        match (self.fields.get("flags"), named) {
            (None, Some(named)) => Ok(named),
            (Some(flags), _) => number("flags", flags),
            (None, None) => Err(bad("flags", "does not hold these bits".to_owned())),
        }
    }

    /// An ERROR has no sense without its code.
    pub(super) fn error_code(&self) -> Result<(), WordError> {
        let is_given = ["error_code", "tlvs"]
            .iter()
            .any(|name| self.fields.contains_key(*name));
        match is_given {
            true => Ok(()),
            false => Err(bad(
                "error_code",
                "must be given: a number such as 1".to_owned(),
            )),
        }
    }

    /// The id as it stands on the wire; 37 zero bytes where none is given.
    pub(super) fn connection_id(&self) -> Result<[u8; ConnectionId::LENGTH], WordError> {
        match self.fields.get("connection_id") {
            None => Ok([0; ConnectionId::LENGTH]),
            Some(Value::String(text)) => match ConnectionId::from_text(text.as_bytes()) {
                Some(id) => Ok(*id.as_bytes()),
                None => Err(id_text_error(text)),
            },
            Some(Value::Object(object)) if object.len() == 1 && object.contains_key("hex") => {
                let bytes = bytes::read_hex("connection_id.hex", &object["hex"])?;
                bytes.try_into().map_err(|bytes: Vec<u8>| {
                    let length = bytes.len();
                    bad("connection_id", format!("has {length} bytes; needs 37"))
                })
            }
            Some(other) => Err(bad(
                "connection_id",
                format!(
                    "must be a text, or {{\"hex\": 37 bytes}}, not {}",
                    shown(other)
                ),
            )),
        }
    }

    /// The media; 974 bytes of the pattern where none are given.
    pub(super) fn payload(&self) -> Result<Cow<'static, [u8]>, WordError> {
        match self.fields.get("payload") {
            None => Ok(Cow::Borrowed(pattern::prefix(PAYLOAD_LENGTH))),
            Some(value) => bytes::read("payload", value),
        }
    }

    /// The block of extensions; empty where none are given. An extension that is written as a
    /// field of its own comes after the list, unless it stands there.
    pub(super) fn tlvs(&self) -> Result<Cow<'static, [u8]>, WordError> {
        let mut block = match self.fields.get("tlvs") {
            None => Cow::default(),
            Some(value) => tlv::read(value)?,
        };
        for field in self.form.fields() {
            let value = self.fields.get(*field);
            if let (Some(value), Some(kind)) = (value, tlv::kind_of(field)) {
                tlv::add(&mut block, field, kind, value)?;
            }
        }
        Ok(block)
    }

    /// Bytes after the id; empty where none are given.
    pub(super) fn trailing(&self) -> Result<Cow<'static, [u8]>, WordError> {
        let value = self.fields.get("trailing");
        value.map_or(Ok(Cow::default()), |value| bytes::read("trailing", value))
    }
}

fn id_text_error(text: &str) -> WordError {
    let problem = if text.contains('\0') {
        "is a text with a NUL in it; write {\"hex\": 37 bytes} for such an id".to_owned()
    } else {
        let (length, max) = (text.len(), ConnectionId::MAX_TEXT);
        format!(
            "has {length} bytes; a text has {max} at most, as its field of 37 ends with a NUL \
             (write {{\"hex\": 37 bytes}} for anything else)"
        )
    };
    bad("connection_id", problem)
}
