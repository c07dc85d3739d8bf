//! Header protection, packet numbers, and opening packets: RFC 9001, section 5.

use std::ops::Range;

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

use super::keys::{Generation, Keys, Opener};

/// Bytes of the tag at the end of each packet.
pub(super) const TAG: usize = 16;
/// The sample for header protection lies after a packet number of full length.
const SAMPLE_OFFSET: usize = 4;

/// A packet without its protection.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its full packet number.
    pub(super) number: u64,
    /// Number of key updates so far, if this packet shows a new one.
    pub(super) updated: Option<u64>,
    /// Whether the reserved bits are zero, as they have to be.
    pub(super) reserved_clear: bool,
    /// Where its payload lies in the buffer.
    pub(super) payload: Range<usize>,
}

/// Opens a packet. `expected` is the number after the largest one seen in its space; `buffer` is
/// working memory. `None` if no key fits, or if the packet is too short to have been one.
pub(super) fn open(
    keys: &mut Keys,
    packet: &[u8],
    number_offset: usize,
    expected: u64,
    buffer: &mut Vec<u8>,
) -> Option<Opened> {
    let sample = packet.get(number_offset + SAMPLE_OFFSET..)?.get(..TAG)?;
    let mask = keys.header.new_mask(sample).ok()?;
    let long = packet[0] & 0x80 != 0;
    let first = packet[0] ^ (mask[0] & if long { 0x0f } else { 0x1f });
    let number_length = usize::from(first & 3) + 1;
    let header_length = number_offset + number_length;
    if packet.len() < header_length + TAG {
        return None;
    }
    buffer.clear();
    buffer.extend_from_slice(packet);
    buffer[0] = first;
    let mut truncated = 0;
    for (byte, mask) in buffer[number_offset..header_length]
        .iter_mut()
        .zip(&mask[1..])
    {
        *byte ^= mask;
        truncated = truncated << 8 | u64::from(*byte);
    }
    let phase = !long && first & 0x04 != 0;
    let reserved_clear = first & if long { 0x0c } else { 0x18 } == 0;
    let mut spoilt = false;
    for number in numbers(expected, truncated, number_length) {
        for generation in generations(keys, long, phase, number) {
            if spoilt {
                buffer.truncate(header_length);
                buffer.extend_from_slice(&packet[header_length..]);
            }
            spoilt = true;
            let Some(opener) = keys.opener(generation) else {
                continue;
            };
            let Some(length) = open_with(opener, number, buffer, header_length) else {
                continue;
            };
            let updated = keys.opened(generation, number);
            return Some(Opened {
                number,
                updated,
                reserved_clear,
                payload: header_length..header_length + length,
            });
        }
    }
    None
}

/// Whether a packet without protection is whole: its number, its header, and the payload with the tag. The result
/// is the length of the payload; `None` if it is damaged.
pub type OpenPlain = fn(number: u64, header: &[u8], sealed: &[u8]) -> Option<usize>;

/// Opens a packet that has no protection, as [`open`] does with others.
pub(super) fn open_plain(
    plain: OpenPlain,
    packet: &[u8],
    number_offset: usize,
    expected: u64,
    buffer: &mut Vec<u8>,
) -> Option<Opened> {
    let first = *packet.first()?;
    let number_length = usize::from(first & 3) + 1;
    let header_length = number_offset + number_length;
    let (header, sealed) = packet.split_at_checked(header_length)?;
    let truncated = header[number_offset..]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mut numbers = numbers(expected, truncated, number_length);
    let (number, length) =
        numbers.find_map(|number| Some((number, plain(number, header, sealed)?)))?;
    buffer.clear();
    buffer.extend_from_slice(packet);
    Some(Opened {
        number,
        updated: None,
        reserved_clear: first & if first & 0x80 != 0 { 0x0c } else { 0x18 } == 0,
        payload: header_length..header_length + length,
    })
}

/// Only packets with a short header have a key phase.
fn generations(
    keys: &Keys,
    long: bool,
    phase: bool,
    number: u64,
) -> impl Iterator<Item = Generation> + use<> {
    let all = if long {
        [Some(Generation::Current), None, None]
    } else {
        keys.candidates(phase, number)
    };
    all.into_iter().flatten()
}

/// Gives the length of the payload.
fn open_with(
    opener: &Opener,
    number: u64,
    packet: &mut [u8],
    header_length: usize,
) -> Option<usize> {
    let mut nonce = opener.iv;
    for (byte, number) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
        *byte ^= number;
    }
    let nonce = Nonce::assume_unique_for_key(nonce);
    let (header, sealed) = packet.split_at_mut_checked(header_length)?;
    let opened = opener.key.open_in_place(nonce, Aad::from(&*header), sealed);
    opened.ok().map(|payload| payload.len())
}

/// The full packet number nearest to the expected one (RFC 9000, appendix A.3), then its
/// neighbours: what the receiver had seen before may be missing in the capture.
fn numbers(expected: u64, truncated: u64, length: usize) -> impl Iterator<Item = u64> {
    const LIMIT: u64 = 1 << 62;
    let window = 1_u64 << (8 * length);
    let half = window / 2;
    let same = (expected & !(window - 1)) | truncated;
    let nearest = if same + half <= expected && same + window < LIMIT {
        same + window
    } else if same > expected + half && same >= window {
        same - window
    } else {
        same
    };
    let up = nearest.checked_add(window);
    let down = nearest.checked_sub(window);
    let all = std::iter::once(nearest).chain(up).chain(down);
    all.filter(|number| *number < LIMIT)
}

/// Whether the integrity tag of a Retry is right for the Destination Connection ID of the packet
/// that it answers (RFC 9001, section 5.8).
pub(super) fn retry_is_genuine(packet: &[u8], original: &[u8]) -> bool {
    const KEY: [u8; 16] = [
        0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8,
        0x4e,
    ];
    const NONCE: [u8; 12] = [
        0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
    ];
    let Some((retry, tag)) = packet.split_last_chunk::<TAG>() else {
        return false;
    };
    let Ok(key) = UnboundKey::new(&aead::AES_128_GCM, &KEY) else {
        return false;
    };
    let Ok(length) = u8::try_from(original.len()) else {
        return false;
    };
    let pseudo = [&[length][..], original, retry].concat();
    let mut tag = *tag;
    LessSafeKey::new(key)
        .open_in_place(
            Nonce::assume_unique_for_key(NONCE),
            Aad::from(pseudo),
            &mut tag,
        )
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn packet_numbers_are_completed_as_rfc_9000_appendix_a_3_shows() {
        let nearest = |expected, truncated, length| numbers(expected, truncated, length).next();
        assert_eq!(nearest(0xa82f_30eb, 0x9b32, 2), Some(0xa82f_9b32));
        assert_eq!(nearest(0, 0xff, 1), Some(0xff));
        assert_eq!(nearest(0x1_00, 0xff, 1), Some(0xff));
        assert_eq!(nearest(0x1_ff, 0x01, 1), Some(0x2_01));
    }

    #[test]
    fn completed_packet_numbers_stay_within_62_bits() {
        let top = (1 << 62) - 1;
        assert!(numbers(top, 0, 1).all(|number| number <= top));
        assert!(numbers(top + 1, 0xff_ffff, 4).all(|number| number <= top));
        assert_eq!(numbers(0, 0, 4).count(), 2);
    }
}
