//! Header fields, compressed by QPACK (RFC 9204).

use shakedown_wire::DecodeError;
use wtransport_proto::qpack::Encoder;

use super::dynamic_table::DynamicTable;
use super::prefixed::{Prefixed, invalid};

/// A header field: name and value.
pub type Field = (String, String);

/// The section with these fields, in this order, by the static table alone.
#[must_use]
pub fn encode(fields: &[Field]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, value)| (name, value));
    Encoder::encode(fields).into_vec()
}

/// The fields of a section by the static table alone, in their order.
///
/// # Errors
/// It is cut, refers to a dynamic table, or a field is no text.
pub(crate) fn decode_static(section: &[u8]) -> Result<Vec<Field>, DecodeError> {
    let fields = decode(section, &DynamicTable::default())?;
    fields.ok_or_else(|| invalid(0, "refers to a dynamic table"))
}

/// The fields of a section, in their order; `None` if it refers to entries that the dynamic table does not have yet,
/// or no more.
///
/// # Errors
/// It is cut, refers to a table that there cannot be, or a field is no text.
pub(crate) fn decode(
    section: &[u8],
    table: &DynamicTable,
) -> Result<Option<Vec<Field>>, DecodeError> {
    let mut lines = Prefixed::new(section);
    let required = table.required(lines.integer(8)?)?;
    let is_behind = lines.peek().is_some_and(|sign| sign & 0x80 != 0);
    let delta = lines.integer(7)?;
    let base = match is_behind {
        true => required.checked_sub(delta + 1),
        false => Some(required + delta),
    };
    let base = base.ok_or_else(|| invalid(1, "has a base below 0"))?;
    if required > table.inserted() {
        return Ok(None);
    }
    let mut fields = Vec::new();
    while let Some(first) = lines.peek() {
        let start = lines.offset();
        // The forms of lines differ in how many zeros they begin with (RFC 9204, section 4.5).
        let form = first.leading_zeros();
        let is_static = match form {
            0 => first & 0x40 != 0,
            1 => first & 0x10 != 0,
            form => form == 2,
        };
        if is_static {
            match form {
                0 => drop(lines.integer(6)?),
                1 => {
                    lines.integer(4)?;
                    lines.skip_text(7)?;
                }
                _ => {
                    lines.skip_text(3)?;
                    lines.skip_text(7)?;
                }
            }
            fields.push(lines.line(start)?);
            continue;
        }
        if required == 0 {
            return Err(invalid(start, "refers to a dynamic table"));
        }
        let (entry, has_value) = match form {
            0 => (base.checked_sub(lines.integer(6)? + 1), false),
            1 => (base.checked_sub(lines.integer(4)? + 1), true),
            3 => (Some(base + lines.integer(4)?), false),
            _ => (Some(base + lines.integer(3)?), true),
        };
        let value = has_value.then(|| lines.text(7)).transpose()?;
        let Some((name, known)) = entry.and_then(|entry| table.entry(entry)) else {
            return Ok(None);
        };
        fields.push((name.clone(), value.unwrap_or_else(|| known.clone())));
    }
    Ok(Some(fields))
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
        assert_eq!(decode_static(&encode(&said)), Ok(said));
    }

    #[test]
    fn the_example_of_rfc_9204_appendix_b_1_is_read() {
        let section = hex::decode("0000510b2f696e6465782e68746d6c").unwrap();
        assert_eq!(
            decode_static(&section),
            Ok(fields(&[(":path", "/index.html")]))
        );
    }

    #[rstest]
    #[case(&[1, 0, 0x80], 0, "refers to a dynamic table")]
    #[case(&[0, 0, 0x80], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0x40, 0], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0x10], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0x00], 2, "refers to a dynamic table")]
    #[case(&[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2, "has too large a number")]
    #[case(&[0, 0, 0xff, 0x7f], 2, "cannot be decoded")]
    fn a_section_that_cannot_be_read_is_an_error_with_its_place(
        #[case] section: &[u8],
        #[case] offset: usize,
        #[case] reason: &'static str,
    ) {
        assert_eq!(decode_static(section), Err(invalid(offset, reason)));
    }

    #[rstest]
    #[case(&[], 0)]
    #[case(&[0], 1)]
    #[case(&[0, 0, 0x51], 3)]
    #[case(&[0, 0, 0x51, 0x0b, 0x2f], 3)]
    #[case(&[0, 0, 0x22, b'a'], 2)]
    fn a_section_that_is_cut_is_an_error_with_its_place(
        #[case] section: &[u8],
        #[case] offset: usize,
    ) {
        let have = section.len() - offset;
        let cut = DecodeError::truncated("field section", offset, have + 1, have);
        assert_eq!(decode_static(section), Err(cut));
    }
}
