//! Bytes as vectors write them.

use schemars::JsonSchema;
use serde::Deserialize;
use shakedown_protocol::hex;
use shakedown_protocol::mediastream::pattern;

/// Bytes: digits, or several pieces in a row.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Pieces {
    /// Hexadecimal digits; spaces are allowed.
    One(String),
    /// Pieces in a row.
    Many(Vec<Piece>),
}

/// A stretch of bytes; long ones are written short.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Piece {
    /// Hexadecimal digits; spaces are allowed.
    Hex(String),
    /// As many bytes of the counter pattern (MS-D-11).
    Pattern { pattern: usize },
    /// One byte many times.
    Fill { fill: String, length: usize },
}

impl Pieces {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::One(digits) => hex::parse(digits).unwrap(),
            Self::Many(pieces) => pieces.iter().flat_map(Piece::bytes).collect(),
        }
    }
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Hex(digits) => hex::parse(digits).unwrap(),
            Self::Pattern { pattern } => pattern::prefix(*pattern).to_vec(),
            Self::Fill { fill, length } => hex::parse(fill).unwrap().repeat(*length),
        }
    }
}
