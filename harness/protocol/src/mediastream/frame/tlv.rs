//! Extensions of control frames: Type u16, Length u16, Value (specification, section 1).

use shakedown_wire::{Extension, Kind};

pub use shakedown_wire::{Tlv, Tlvs};

/// SYN, SYN-ACK and ACK.
pub(super) const HANDSHAKE: u8 = 1;
/// START, START_ACK and START_CONFIRM.
pub(super) const START3: u8 = 2;
pub(super) const ERROR: u8 = 4;

macro_rules! extensions {
    ($($(#[$doc:meta])* $constant:ident = $kind:literal $name:literal $key:literal $value:expr,
        known to $known:expr, field of $field:expr;)+) => {
        /// Types of the extensions.
        pub mod kind {
            $($(#[$doc])* pub const $constant: u16 = $kind;)+
        }

        /// All types. Those that a frame does not know are ignored in it (MS-W-14).
        pub(super) const ALL: &[Extension] = &[$(Extension {
            kind: $kind,
            name: $name,
            key: $key,
            value: $value,
            known: $known,
            field: $field,
        }),+];
    };
}

extensions! {
    /// FrameRate: frames per second.
    FRAME_RATE = 0x0001 "FrameRate" "frame_rate" Kind::U32Le,
        known to START3 | ERROR, field of START3;
    /// BitRate: bits per second.
    BIT_RATE = 0x0002 "BitRate" "bit_rate" Kind::U64Le,
        known to START3 | ERROR, field of START3;
    /// BufferDepth: milliseconds.
    BUFFER_DEPTH = 0x0003 "BufferDepth" "buffer_depth" Kind::U32Le,
        known to START3 | ERROR, field of START3;
    CODEC_HINT = 0x0004 "CodecHint" "codec_hint" Kind::Utf8(1, 64, "is not 1 to 64 bytes long"),
        known to START3 | ERROR, field of START3;
    /// StreamLength: seconds.
    STREAM_LENGTH = 0x0005 "StreamLength" "stream_length" Kind::U32Le,
        known to START3 | ERROR, field of START3;
    /// MaxDatagram: bytes.
    MAX_DATAGRAM = 0x0006 "MaxDatagram" "max_datagram" Kind::U32Le,
        known to HANDSHAKE | START3 | ERROR, field of START3;
    /// MaxReassembly: bytes.
    MAX_REASSEMBLY = 0x0007 "MaxReassembly" "max_reassembly" Kind::U32Le,
        known to HANDSHAKE | ERROR, field of 0;
    /// ErrorCode: see [`ErrorCode`](super::super::ErrorCode).
    ERROR_CODE = 0x0010 "ErrorCode" "error_code" Kind::U16Le,
        known to ERROR, field of ERROR;
    /// Diagnostic: why (human-readable).
    DIAGNOSTIC = 0x0011 "Diagnostic" "diagnostic" Kind::Utf8(0, 255, "is longer than 255 bytes"),
        known to HANDSHAKE | ERROR, field of ERROR;
}
