use shakedown_wire::{DecodeError, Rule, planted};
use wtransport_proto::qpack::Decoder;

use super::Field;

/// What stands before the lines of a section that refers to no dynamic table.
const PREFIX: [u8; 2] = [0, 0];

/// The beginning of a line: a value of the static table's first name, which follows.
const OF_STATIC_NAME: u8 = 0x50;

/// Reads the integers and texts of QPACK (RFC 9204, section 4.1), each of which begins within a byte.
#[derive(Debug)]
pub(super) struct Prefixed<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Prefixed<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// The byte in which the next item begins.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.offset).copied()
    }

    /// An integer in the last `bits` of a byte and, if they are all set, in those that follow.
    ///
    /// # Errors
    /// It is cut, or too large for anything that there is.
    pub(super) fn integer(&mut self, bits: u32) -> Result<usize, DecodeError> {
        let start = self.offset;
        let most = (1_usize << bits) - 1;
        let mut value = usize::from(self.byte(start)?) & most;
        if value < most {
            return Ok(value);
        }
        for power in [0, 7, 14, 21] {
            let byte = self.byte(start)?;
            value += usize::from(byte & 0x7f) << power;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(invalid(start, "has too large a number"))
    }

    /// A text: a length in the last `bits` of a byte, in the bit before them whether it is compressed, its bytes.
    ///
    /// # Errors
    /// It is cut, or is no text.
    pub(super) fn text(&mut self, bits: u32) -> Result<String, DecodeError> {
        let start = self.offset;
        let (is_compressed, bytes) = self.coded(bits)?;
        let mut line = vec![OF_STATIC_NAME];
        write_length(&mut line, is_compressed, bytes.len());
        line.extend_from_slice(bytes);
        let (_, value) = decoded(&line, start)?;
        Ok(value)
    }

    /// Steps over a text.
    ///
    /// # Errors
    /// It is cut.
    pub(super) fn skip_text(&mut self, bits: u32) -> Result<(), DecodeError> {
        self.coded(bits).map(drop)
    }

    /// The line from `start` to here, which refers to the static table or to none.
    ///
    /// # Errors
    /// There is no such entry, or it has no text.
    pub(super) fn line(&self, start: usize) -> Result<Field, DecodeError> {
        let line = self.bytes.get(start..self.offset);
        decoded(line.unwrap_or_default(), start)
    }

    fn coded(&mut self, bits: u32) -> Result<(bool, &'a [u8]), DecodeError> {
        let start = self.offset;
        let is_compressed = self.peek().is_some_and(|first| first & 1 << bits != 0);
        let length = self.integer(bits)?;
        planted::panics("text-beyond", || self.offset + length > self.bytes.len());
        let bytes = self.bytes.get(self.offset..self.offset + length);
        self.offset += length;
        bytes
            .map(|bytes| (is_compressed, bytes))
            .ok_or_else(|| self.cut(start))
    }

    fn byte(&mut self, start: usize) -> Result<u8, DecodeError> {
        let byte = self.peek().ok_or_else(|| self.cut(start))?;
        self.offset += 1;
        Ok(byte)
    }

    fn cut(&self, start: usize) -> DecodeError {
        let have = self.bytes.len() - start.min(self.bytes.len());
        DecodeError::truncated("field section", start, have + 1, have)
    }
}

pub(super) const fn invalid(offset: usize, reason: &'static str) -> DecodeError {
    DecodeError::invalid("field section", offset, Rule::Value, reason)
}

/// The field of a line at `offset`. The library keeps one field of each name, in no order: it is given one line at a
/// time.
pub(super) fn decoded(line: &[u8], offset: usize) -> Result<Field, DecodeError> {
    let alone = [PREFIX.as_slice(), line].concat();
    let fields = Decoder::decode(alone).ok();
    let field = fields.and_then(|fields| fields.into_iter().next());
    field.ok_or_else(|| invalid(offset, "cannot be decoded"))
}

/// A length in seven bits, with a flag before it.
fn write_length(bytes: &mut Vec<u8>, flag: bool, length: usize) {
    let flag = u8::from(flag) << 7;
    let Some(mut rest) = length.checked_sub(0x7f) else {
        return bytes.push(flag | low(length));
    };
    bytes.push(flag | 0x7f);
    while rest > 0x7f {
        bytes.push(0x80 | low(rest));
        rest >>= 7;
    }
    bytes.push(low(rest));
}

/// The last seven bits.
fn low(value: usize) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}
