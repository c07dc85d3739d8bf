//! How scenarios and vectors name a protocol's frames and fields.
//!
//! A frame is written as its name and a JSON object of its fields. Every protocol implements
//! [`Vocabulary`]; the engine knows no frame by itself.

use serde_json::{Map, Value};

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
        /// The protocol's id.
        protocol: &'static str,
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// The frame has no field of this name.
    #[error("{frame} has no field {name:?}")]
    UnknownField {
        /// The frame.
        frame: &'static str,
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// The field cannot hold this value.
    #[error("{field} {problem}")]
    BadValue {
        /// The field.
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

    /// Decodes a datagram; `None` if it has no form that the protocol knows in any mode.
    ///
    /// # Errors
    /// [`shakedown_wire::DecodeError`] if it has a form and breaks its rules.
    fn decode(&self, datagram: &[u8]) -> Result<Option<Described>, shakedown_wire::DecodeError>;

    /// Where a field stands in a datagram of this frame: offset and length in bytes.
    fn locate(&self, frame: &str, field: &str, datagram: &[u8]) -> Option<(usize, usize)>;
}
