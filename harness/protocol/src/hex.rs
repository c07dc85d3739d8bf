//! Bytes as people write them in scenarios and vectors: pairs of hexadecimal digits.

/// The bytes that `text` spells. Either case will do, and white space does not count.
///
/// # Errors
/// What is wrong and where, for people: a character that is no digit, or half a byte.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let is_wrong = |c: char| !(c.is_ascii_hexdigit() || c.is_whitespace());
    let mut numbered = text.chars().enumerate();
    if let Some((position, character)) = numbered.find(|(_, c)| is_wrong(*c)) {
        return Err(format!(
            "has {character:?} at character {}, where a hexadecimal digit must stand",
            position + 1
        ));
    }
    let digits: String = text.split_whitespace().collect();
    hex::decode(digits)
        .map_err(|_| "ends in the middle of a byte; every byte takes two digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&hex::encode(&bytes)), Ok(bytes));
    }

    #[test]
    fn spaces_and_upper_case_are_read() {
        assert_eq!(parse(" 53 54\n4A4b "), Ok(vec![0x53, 0x54, 0x4a, 0x4b]));
        assert_eq!(parse("5 354"), Ok(vec![0x53, 0x54]));
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn a_wrong_character_and_half_a_byte_are_named() {
        assert_eq!(
            parse("00 0g").unwrap_err(),
            "has 'g' at character 5, where a hexadecimal digit must stand"
        );
        assert_eq!(
            parse("00f").unwrap_err(),
            "ends in the middle of a byte; every byte takes two digits"
        );
    }
}
