//! Header fields, compressed by QPACK's static table (RFC 9204).

use shakedown_wire::{DecodeError, Rule, planted};
use wtransport_proto::qpack::{Decoder, Encoder};

/// A header field: name and value.
pub type Field = (String, String);

/// What stands before the lines of a section that refers to no dynamic table.
const PREFIX: [u8; 2] = [0, 0];

/// The section with these fields, in this order.
#[must_use]
pub fn encode(fields: &[Field]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, value)| (name, value));
    Encoder::encode(fields).into_vec()
}

/// The fields of a section, in their order.
///
/// # Errors
/// It is cut, refers to a dynamic table, or a field is no text.
pub(crate) fn decode(section: &[u8]) -> Result<Vec<Field>, DecodeError> {
    let mut lines = Lines { section, offset: 0 };
    if lines.integer(8)? != 0 {
        return Err(invalid(0, "refers to a dynamic table"));
    }
    lines.integer(7)?;
    let mut fields = Vec::new();
    while let Some((offset, line)) = lines.next()? {
        // The library keeps one field of each name, in no order: it is given one line at a time.
        let alone = [PREFIX.as_slice(), line].concat();
        let field = Decoder::decode(alone).map_err(|_| invalid(offset, "cannot be decoded"))?;
        fields.extend(field);
    }
    Ok(fields)
}

const fn invalid(offset: usize, reason: &'static str) -> DecodeError {
    DecodeError::invalid("field section", offset, Rule::Value, reason)
}

/// Finds where each line ends (RFC 9204, section 4.5).
struct Lines<'a> {
    section: &'a [u8],
    offset: usize,
}

impl<'a> Lines<'a> {
    /// The next line and its offset.
    fn next(&mut self) -> Result<Option<(usize, &'a [u8])>, DecodeError> {
        let start = self.offset;
        let Some(first) = self.section.get(start) else {
            return Ok(None);
        };
        let is_static = match first.leading_zeros() {
            0 => {
                self.integer(6)?;
                first & 0x40 != 0
            }
            1 => {
                self.integer(4)?;
                self.text(7)?;
                first & 0x10 != 0
            }
            2 => {
                self.text(3)?;
                self.text(7)?;
                true
            }
            3.. => false,
        };
        match (is_static, self.section.get(start..self.offset)) {
            (true, Some(line)) => Ok(Some((start, line))),
            (true, None) => Err(invalid(start, "is cut")),
            (false, _) => Err(invalid(start, "refers to a dynamic table")),
        }
    }

    /// An integer in the last `bits` of a byte and, if they are all set, in those that follow.
    fn integer(&mut self, bits: u32) -> Result<usize, DecodeError> {
        let start = self.offset;
        let mut bytes = self.section.get(start..).unwrap_or_default().iter();
        let most = (1_usize << bits) - 1;
        let first = bytes.next().ok_or_else(|| invalid(start, "is cut"))?;
        let mut value = usize::from(*first) & most;
        self.offset += 1;
        if value < most {
            return Ok(value);
        }
        // Longer ones are lengths that nothing has.
        for power in [0, 7, 14, 21] {
            let byte = bytes.next().ok_or_else(|| invalid(start, "is cut"))?;
            self.offset += 1;
            value += usize::from(byte & 0x7f) << power;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(invalid(start, "has too large a number"))
    }

    fn text(&mut self, bits: u32) -> Result<(), DecodeError> {
        let length = self.integer(bits)?;
        planted::panics("text-beyond", || self.offset + length > self.section.len());
        self.offset += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn fields(all: &[(&str, &str)]) -> Vec<Field> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter().map(owned).collect()
    }

    #[test]
    fn fields_keep_their_order_and_their_repetitions() {
        let said = fields(&[
            (":status", "200"),
            ("x-a", "1"),
            ("accept", "*/*"),
            ("x-a", "2"),
            ("content-type", &"a".repeat(300)),
            ("x-a", "1"),
        ]);
        assert_eq!(decode(&encode(&said)), Ok(said));
    }

    #[test]
    fn the_example_of_rfc_9204_appendix_b_1_is_read() {
        let section = hex::decode("0000510b2f696e6465782e68746d6c").unwrap();
        assert_eq!(decode(&section), Ok(fields(&[(":path", "/index.html")])));
    }

    #[rstest]
    #[case(&[], 0, "is cut")]
    #[case(&[0], 1, "is cut")]
    #[case(&[1, 0, 0x80], 0, "refers to a dynamic table")]
    #[case(&[0, 0, 0x80], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0x40, 0], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0x10], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0x00], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0x51, 0x0b, 0x2f], 2, "is cut")]
    #[case(&[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2, "has too large a number")]
    #[case(&[0, 0, 0xff, 0x7f], 2, "cannot be decoded")]
    fn a_section_that_cannot_be_read_is_an_error_with_its_place(
        #[case] section: &[u8],
        #[case] offset: usize,
        #[case] reason: &'static str,
    ) {
        assert_eq!(decode(section), Err(invalid(offset, reason)));
    }
}
