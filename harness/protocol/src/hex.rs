//! Bytes as people write them in scenarios and vectors: pairs of hexadecimal digits.

/// The bytes that `text` spells. Either case will do, and white space may stand anywhere between
/// two digit pairs.
///
/// # Errors
/// What is wrong and where, for people: a character that is no digit, or half a byte.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (position, character) in text.chars().enumerate() {
        let digit = match character.to_digit(16) {
            Some(digit) => digit as u8,
            None if character.is_whitespace() && high.is_none() => continue,
            None => {
                return Err(format!(
                    "has {character:?} at character {}, where a hexadecimal digit must stand",
                    position + 1
                ));
            }
        };
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err("ends in the middle of a byte; every byte takes two digits".to_owned()),
    }
}

/// `bytes` as lower-case digits without spaces.
#[must_use]
pub fn format(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digits = |byte: &u8| {
        let byte = usize::from(*byte);
        [DIGITS[byte >> 4], DIGITS[byte & 15]]
    };
    bytes.iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&format(&bytes)), Ok(bytes));
        assert_eq!(format(&[0x0a, 0xf0]), "0af0");
    }

    #[test]
    fn spaces_and_upper_case_are_read() {
        assert_eq!(parse(" 53 54\n4A4b "), Ok(vec![0x53, 0x54, 0x4a, 0x4b]));
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn a_wrong_character_and_half_a_byte_are_named() {
        assert_eq!(
            parse("00 0g").unwrap_err(),
            "has 'g' at character 5, where a hexadecimal digit must stand"
        );
        assert_eq!(
            parse("0 0").unwrap_err(),
            "has ' ' at character 2, where a hexadecimal digit must stand"
        );
        assert_eq!(
            parse("00f").unwrap_err(),
            "ends in the middle of a byte; every byte takes two digits"
        );
    }
}
