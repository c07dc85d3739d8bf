//! Mutations of bytes and boundary values.

use crate::random::SeededRandom;

/// Most bytes that one mutation adds.
const MAX_INSERTED: u32 = 300;

/// A boundary value: 0, 1, the limits of common widths and their neighbours, or a neighbour of `near`.
pub(super) fn boundary(random: &mut SeededRandom, near: u64) -> u64 {
    let power = || [4, 5, 6, 7, 8, 10, 12, 15, 16, 24, 31, 32, 48, 53, 63];
    let widths = power();
    let width = widths[random.below(widths.len() as u32) as usize];
    match random.below(10) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => near.wrapping_add(1),
        4 => near.wrapping_sub(1),
        5 => near.wrapping_mul(2),
        6 => (1 << width) - 1,
        7 => 1 << width,
        8 => (1 << width) + 1,
        _ => near ^ (1 << random.below(64)),
    }
}

/// 1 to `most` random bytes, or as many equal ones.
pub(super) fn random(random: &mut SeededRandom, most: u32) -> Vec<u8> {
    let length = 1 + random.below(most.max(1));
    let fill = random.one_in(3).then(|| byte(random));
    (0..length)
        .map(|_| fill.unwrap_or_else(|| random.below(256) as u8))
        .collect()
}

/// A Protocol Buffers tag with a varint value, both at boundaries.
pub(super) fn protobuf_field(random: &mut SeededRandom) -> Vec<u8> {
    let mut content = Vec::new();
    for near in [8 * 1_000, 1] {
        let mut number = boundary(random, near) >> [0, 32, 48][random.below(3) as usize];
        while number > 0x7f {
            content.push(number as u8 | 0x80);
            number >>= 7;
        }
        content.push(number as u8);
    }
    content
}

/// Mutates bytes in one place: flip, truncate, extend, insert, remove, repeat, overwrite.
pub(super) fn mutate(random: &mut SeededRandom, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.extend(self::random(random, MAX_INSERTED));
        return;
    }
    let place = random.below(bytes.len() as u32) as usize;
    match random.below(8) {
        0 => bytes[place] ^= 1 << random.below(8),
        1 => bytes[place] = byte(random),
        2 => bytes.truncate(place),
        3 => bytes.extend(self::random(random, MAX_INSERTED)),
        4 => {
            let more = self::random(random, 16);
            bytes.splice(place..place, more);
        }
        5 => {
            let end = (place + 1 + random.below(8) as usize).min(bytes.len());
            bytes.drain(place..end);
        }
        6 => {
            let end = (place + 1 + random.below(32) as usize).min(bytes.len());
            let again = bytes[place..end].to_vec();
            bytes.splice(end..end, again);
        }
        _ => {
            let width = [2, 4, 8][random.below(3) as usize];
            let end = (place + width).min(bytes.len());
            let number = number(random, end - place);
            bytes[place..end].copy_from_slice(&number);
        }
    }
}

/// A boundary value of `width` bytes, in either byte order.
pub(super) fn number(random: &mut SeededRandom, width: usize) -> Vec<u8> {
    let number = boundary(random, u64::from(random.clone().below(256)));
    let mut bytes: Vec<u8> = number
        .to_le_bytes()
        .into_iter()
        .cycle()
        .take(width)
        .collect();
    if random.one_in(2) {
        bytes.reverse();
    }
    bytes
}

fn byte(random: &mut SeededRandom) -> u8 {
    const BOUNDS: [u8; 10] = [0, 1, 0x0a, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff];
    BOUNDS[random.below(BOUNDS.len() as u32) as usize]
}
