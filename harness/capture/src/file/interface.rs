//! What a pcapng file says of its sections and interfaces, reduced to what reading needs.
//!
//! Names, filters and addresses are left out before the parser sees a description: they may be in
//! any encoding, and a file of a gigabyte of descriptions must not become a gigabyte of memory.

use std::time::Duration;

use pcap_file::Endianness;
use shakedown_wire::planted;

use super::block::integer;
use crate::CaptureError;

/// Option `if_tsresol`: the unit of an interface's times.
const TIME_RESOLUTION: u32 = 9;
/// Option `if_tsoffset`: seconds to add to an interface's times.
const TIME_OFFSET: u32 = 14;
/// Seconds that no clock shows: some 34,000 years. It keeps sums of times from overflowing.
const MAX_SECONDS: u64 = 1 << 40;

/// How an interface counts time, as far as the parser cannot do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The parser does all.
    Parsed,
    /// A unit below the nanosecond, which the parser refuses. It was configured for nanoseconds.
    Finer {
        /// Nanoseconds are the parser's value, times this, ...
        times: u64,
        /// ... divided by this.
        over: u64,
        offset: i64,
    },
}

impl Clock {
    /// The time of a packet from what the parser made of it.
    #[inline]
    pub(super) fn time(self, parsed: Duration, at: u64) -> Result<Duration, CaptureError> {
        let time = match self {
            Self::Parsed => Some(parsed),
            Self::Finer {
                times,
                over,
                offset,
            } => {
                let nanoseconds = parsed.as_nanos() * u128::from(times) / u128::from(over);
                let time = Duration::from_nanos_u128(nanoseconds);
                let seconds = Duration::from_secs(offset.unsigned_abs());
                if offset < 0 {
                    time.checked_sub(seconds)
                } else {
                    time.checked_add(seconds)
                }
            }
        };
        time.filter(|time| time.as_secs() < MAX_SECONDS)
            .ok_or_else(|| {
                CaptureError::damaged(
                    at,
                    "a packet whose time lies outside the years 1970 to 34000",
                    "times count from 1970 in the unit that its interface declares",
                )
            })
    }
}

/// Writes a section header again with its byte order and version, and nothing else.
pub(super) fn section(
    block: &[u8],
    order: Endianness,
    offset: u64,
) -> Result<Vec<u8>, CaptureError> {
    let major = integer(&block[12..14], order);
    if major != 1 {
        return Err(CaptureError::damaged(
            offset + 12,
            format!("a section of version {major} of the format"),
            "1.0 is the version that everyone writes",
        ));
    }
    let mut description = block[..24].to_vec();
    finish(&mut description, order);
    Ok(description)
}

/// Writes an interface description again with its link type, snapshot length and the options on
/// time, and nothing else.
pub(super) fn describe(
    block: &[u8],
    order: Endianness,
    offset: u64,
) -> Result<(Clock, Vec<u8>), CaptureError> {
    if block.len() < 20 {
        return Err(CaptureError::damaged(
            offset + 4,
            format!("an interface description of {} bytes", block.len()),
            "the shortest has 20 bytes",
        ));
    }
    let mut clock = Clock::Parsed;
    let mut resolution = None;
    let mut seconds = None;
    let mut at = 16;
    let end = block.len() - 4;
    while at + 4 <= end {
        let code = integer(&block[at..at + 2], order);
        let length = integer(&block[at + 2..at + 4], order) as usize;
        if code == 0 {
            break;
        }
        let Some(value) = block[..end].get(at + 4..at + 4 + length) else {
            return Err(CaptureError::damaged(
                offset + at as u64,
                format!("option {code} of {length} bytes runs past the end of its block"),
                format!("{} bytes are left", end - at - 4),
            ));
        };
        if code == TIME_RESOLUTION && resolution.is_none() {
            let Some(value) = value.first() else {
                return Err(bad_resolution(offset + at as u64, "is empty".into()));
            };
            resolution = Some(*value);
            clock = finer(*value, offset + at as u64)?;
        } else if code == TIME_OFFSET && seconds.is_none() && length == 8 {
            let high = integer(&value[..4], order);
            let low = integer(&value[4..], order);
            let (high, low) = match order {
                Endianness::Big => (high, low),
                Endianness::Little => (low, high),
            };
            seconds = Some((u64::from(high) << 32 | u64::from(low)).cast_signed());
        }
        at += 4 + length.next_multiple_of(4);
    }
    // The reserved field is not for readers to look at.
    let mut description = [&block[..10], &[0, 0], &block[12..16]].concat();
    if let Clock::Finer { offset, .. } = &mut clock {
        *offset = seconds.take().unwrap_or(0);
        resolution = Some(9);
    }
    if let Some(resolution) = resolution {
        option(&mut description, order, TIME_RESOLUTION, &[resolution]);
    }
    if let Some(seconds) = seconds {
        let value = match order {
            Endianness::Big => seconds.to_be_bytes(),
            Endianness::Little => seconds.to_le_bytes(),
        };
        option(&mut description, order, TIME_OFFSET, &value);
    }
    finish(&mut description, order);
    Ok((clock, description))
}

/// The clock for a value of `if_tsresol`: a power of ten, or of two if the highest bit is set.
fn finer(value: u8, at: u64) -> Result<Clock, CaptureError> {
    planted::panics("time-resolution", || value == u8::MAX);
    let exponent = u32::from(value & 0x7f);
    let fraction = |times, over| Clock::Finer {
        times,
        over,
        offset: 0,
    };
    match (value & 0x80 != 0, exponent) {
        (false, 0..=9) | (true, 0..=29) => Ok(Clock::Parsed),
        (false, 10..=19) => Ok(fraction(1, 10_u64.pow(exponent - 9))),
        (true, 30..=63) => Ok(fraction(1_000_000_000, 1 << exponent)),
        _ => Err(bad_resolution(at, format!("is {value:#04x}"))),
    }
}

fn bad_resolution(at: u64, is: String) -> CaptureError {
    CaptureError::damaged(
        at,
        format!("the option if_tsresol {is}"),
        "it is one byte: the exponent of 1/10 up to 19, or of 1/2 up to 63 with the highest bit set",
    )
}

pub(super) fn option(into: &mut Vec<u8>, order: Endianness, code: u32, value: &[u8]) {
    for number in [code as u16, value.len() as u16] {
        into.extend(match order {
            Endianness::Big => number.to_be_bytes(),
            Endianness::Little => number.to_le_bytes(),
        });
    }
    into.extend(value);
    into.resize(into.len().next_multiple_of(4), 0);
}

/// Sets the length at both ends of a block.
fn finish(block: &mut Vec<u8>, order: Endianness) {
    let length = block.len() as u32 + 4;
    let bytes = match order {
        Endianness::Big => length.to_be_bytes(),
        Endianness::Little => length.to_le_bytes(),
    };
    block[4..8].copy_from_slice(&bytes);
    block.extend(bytes);
}
