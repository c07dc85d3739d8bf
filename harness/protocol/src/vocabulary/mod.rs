//! How scenarios and vectors name a protocol's frames and fields.
//!
//! A frame is written as its name and a JSON object of its fields. Every protocol implements
//! [`Vocabulary`]; the engine knows no frame by itself.

mod bytes;
mod forms;
mod tlv;

use serde_json::{Map, Value};

pub(crate) use bytes::read_hex;
pub use forms::Forms;
pub(crate) use forms::describe;

/// A frame as scenarios, vectors and reports write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The frame's name: `SYN-ACK`.
    pub frame: &'static str,
    /// Its fields by name, in the order they stand on the wire.
    pub fields: Map<String, Value>,
}

/// A word of a scenario that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// No frame has this name.
    #[error("{protocol} has no frame {name:?}")]
    UnknownFrame {
        protocol: &'static str,
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// The frame has no field of this name.
    #[error("{frame} has no field {name:?}")]
    UnknownField {
        frame: &'static str,
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// The field cannot hold this value.
    #[error("{field} {problem}")]
    BadValue {
        field: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// The frames of one protocol by name.
pub trait Vocabulary: Sync {
    /// The names of all frames.
    fn frames(&self) -> &'static [&'static str];

    /// The names of a frame's fields, in wire order.
    ///
    /// # Errors
    /// [`WordError::UnknownFrame`].
    fn fields(&self, frame: &str) -> Result<&'static [&'static str], WordError>;

    /// Encodes a frame; a field that is not given has the value that the specification demands.
    ///
    /// # Errors
    /// [`WordError`] if a name is unknown or a value does not fit.
    fn encode(&self, frame: &str, fields: &Map<String, Value>) -> Result<Vec<u8>, WordError>;

    /// Encodes a frame that is a datagram by itself, where it differs from one on a stream.
    ///
    /// # Errors
    /// As of [`Self::encode`].
    fn encode_datagram(
        &self,
        frame: &str,
        fields: &Map<String, Value>,
    ) -> Result<Vec<u8>, WordError> {
        self.encode(frame, fields)
    }

    /// Decodes a datagram; `None` if it has no form that the protocol knows in any mode.
    ///
    /// # Errors
    /// [`shakedown_wire::DecodeError`] if it has a form and breaks its rules.
    fn decode(&self, datagram: &[u8]) -> Result<Option<Described>, shakedown_wire::DecodeError>;

    /// Whether a field of a frame is worth showing besides its name and the other fields.
    fn shows(&self, described: &Described, field: &str) -> bool {
        described.fields.get(field).is_some_and(says_something)
    }

    /// Where a field stands in a datagram of this frame: offset and length in bytes.
    fn locate(&self, frame: &str, field: &str, datagram: &[u8]) -> Option<(usize, usize)>;
}

/// Whether a value is not zero or empty.
pub(crate) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_set) => *is_set,
        Value::Object(_) => true,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
    }
}

/// An integer that fits into its field.
pub(crate) trait Number: TryFrom<u64> {
    const MAX: u64;
}

impl Number for u8 {
    const MAX: u64 = Self::MAX as u64;
}
impl Number for u16 {
    const MAX: u64 = Self::MAX as u64;
}
impl Number for u32 {
    const MAX: u64 = Self::MAX as u64;
}
impl Number for u64 {
    const MAX: u64 = Self::MAX;
}

pub(crate) fn number<N: Number>(field: &str, value: &Value) -> Result<N, WordError> {
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    number.ok_or_else(|| {
        let (max, shown) = (N::MAX, shown(value));
        bad(
            field,
            format!("must be an integer from 0 to {max}, not {shown}"),
        )
    })
}

pub(crate) fn bad(field: &str, problem: String) -> WordError {
    WordError::BadValue {
        field: field.to_owned(),
        problem,
    }
}

/// A value in an error message, cut where it is long.
pub(crate) fn shown(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
