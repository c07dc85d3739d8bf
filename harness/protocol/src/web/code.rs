//! Codes of errors in HTTP/3, and how it carries those of WebTransport.

use std::ops::RangeInclusive;

shakedown_wire::codes! {
    /// Why HTTP/3 ends a connection or a stream (RFC 9114, section 8.1; RFC 9204, section 6;
    /// draft-ietf-webtrans-http3, section 8.5).
    pub enum WebCode: u64 {
        DatagramError = 0x33 "H3_DATAGRAM_ERROR",
        NoError = 0x100 "H3_NO_ERROR",
        GeneralProtocolError = 0x101 "H3_GENERAL_PROTOCOL_ERROR",
        InternalError = 0x102 "H3_INTERNAL_ERROR",
        StreamCreationError = 0x103 "H3_STREAM_CREATION_ERROR",
        ClosedCriticalStream = 0x104 "H3_CLOSED_CRITICAL_STREAM",
        FrameUnexpected = 0x105 "H3_FRAME_UNEXPECTED",
        FrameError = 0x106 "H3_FRAME_ERROR",
        ExcessiveLoad = 0x107 "H3_EXCESSIVE_LOAD",
        IdError = 0x108 "H3_ID_ERROR",
        SettingsError = 0x109 "H3_SETTINGS_ERROR",
        MissingSettings = 0x10a "H3_MISSING_SETTINGS",
        RequestRejected = 0x10b "H3_REQUEST_REJECTED",
        RequestCancelled = 0x10c "H3_REQUEST_CANCELLED",
        RequestIncomplete = 0x10d "H3_REQUEST_INCOMPLETE",
        MessageError = 0x10e "H3_MESSAGE_ERROR",
        ConnectError = 0x10f "H3_CONNECT_ERROR",
        VersionFallback = 0x110 "H3_VERSION_FALLBACK",
        DecompressionFailed = 0x200 "QPACK_DECOMPRESSION_FAILED",
        EncoderStreamError = 0x201 "QPACK_ENCODER_STREAM_ERROR",
        DecoderStreamError = 0x202 "QPACK_DECODER_STREAM_ERROR",
        SessionGone = 0x170d_7b68 "WEBTRANSPORT_SESSION_GONE",
        BufferedStreamRejected = 0x3994_bd84 "WEBTRANSPORT_BUFFERED_STREAM_REJECTED",
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
