//! The payload that is verified: u16 little-endian 0, 1, 2 ... 65535, 0 ..., starting at 0 in
//! every datagram (MS-D-11).

/// One period of the pattern, in bytes.
const PERIOD: usize = 2 * 65_536;

static PATTERN: [u8; PERIOD] = period();

const fn period() -> [u8; PERIOD] {
    let mut bytes = [0; PERIOD];
    let mut n = 0;
    while n < PERIOD / 2 {
        let [low, high] = (n as u16).to_le_bytes();
        bytes[2 * n] = low;
        bytes[2 * n + 1] = high;
        n += 1;
    }
    bytes
}

/// The first `length` bytes of the pattern; at most one period, which is longer than any datagram.
#[must_use]
pub fn prefix(length: usize) -> &'static [u8] {
    &PATTERN[..length.min(PERIOD)]
}

/// Offset of the first byte of `payload` that is not the pattern's.
#[must_use]
pub fn first_difference(payload: &[u8]) -> Option<usize> {
    let expected = prefix(payload.len());
    if payload == expected {
        return None;
    }
    let differs = payload
        .iter()
        .zip(expected)
        .position(|(got, want)| got != want);
    Some(differs.unwrap_or(expected.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_counts_little_endian_from_zero_and_wraps() {
        assert_eq!(prefix(6), [0, 0, 1, 0, 2, 0]);
        assert_eq!(prefix(PERIOD)[PERIOD - 2..], [0xff, 0xff]);
    }

    #[test]
    fn the_first_differing_byte_is_found() {
        let mut payload = prefix(974).to_vec();
        assert_eq!(first_difference(&payload), None);
        payload[601] ^= 0x10;
        assert_eq!(first_difference(&payload), Some(601));
    }
}
