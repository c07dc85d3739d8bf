//! Codes of RESET_STREAM, and how WebTransport carries them in HTTP/3.

use std::ops::RangeInclusive;

use shakedown_wire::{DecodeError, Fault, Rule};

shakedown_wire::codes! {
    /// Why a media stream was broken off (specification, section 3).
    pub enum StreamCode: u32 {
        Graceful = 0 "graceful",
        InvalidFormat = 1 "invalid stream format",
        AuthenticationFailed = 2 "authentication failed",
        QuotaExceeded = 3 "quota exceeded",
        InternalError = 4 "internal error",
    }
}

impl StreamCode {
    /// The code for a stream that cannot be read so: too long a payload is too much (DT-M-09), all else is
    /// a wrong format (DT-M-05).
    #[must_use]
    pub const fn of(error: &DecodeError) -> Self {
        match error.fault {
            Fault::Invalid {
                rule: Rule::Length, ..
            } => Self::QuotaExceeded,
            Fault::Invalid { .. } | Fault::Truncated { .. } => Self::InvalidFormat,
        }
    }
}

/// The codes of HTTP/3 that carry those of a WebTransport session (draft-ietf-webtrans-http3, section
/// 4.4).
pub const SESSION_CODES: RangeInclusive<u64> = 0x52e4_a40f_a8db..=0x52e5_ac98_3162;

/// From so many codes on, HTTP/3 reserves one (RFC 9114, section 8.1).
const RESERVED_EVERY: u64 = 0x1e;

/// The code of HTTP/3 that carries this one of a WebTransport session.
#[must_use]
pub const fn to_http3(code: u32) -> u64 {
    let code = code as u64;
    *SESSION_CODES.start() + code + code / RESERVED_EVERY
}

/// The code of a WebTransport session that this one of HTTP/3 carries; `None` if it carries none.
#[must_use]
pub fn from_http3(code: u64) -> Option<u32> {
    let place = code.checked_sub(*SESSION_CODES.start())?;
    let number = u32::try_from(place - place / (RESERVED_EVERY + 1)).ok()?;
    (to_http3(number) == code).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_the_first_and_the_last_code() {
        assert_eq!(to_http3(0), *SESSION_CODES.start());
        assert_eq!(to_http3(u32::MAX), *SESSION_CODES.end());
        assert_eq!(from_http3(*SESSION_CODES.start() - 1), None);
        assert_eq!(from_http3(*SESSION_CODES.end() + 1), None);
        assert_eq!(from_http3(u64::MAX), None);
    }

    #[test]
    fn codes_go_there_and_back_and_reserved_ones_carry_none() {
        let start = *SESSION_CODES.start();
        let carried: Vec<_> = (start..start + 100).filter_map(from_http3).collect();
        assert_eq!(carried, Vec::from_iter(0..97));
        for code in start..start + 100 {
            let is_reserved = (code - 0x21) % 0x1f == 0;
            assert_eq!(from_http3(code).is_none(), is_reserved, "{code:#x}");
        }
    }
}
