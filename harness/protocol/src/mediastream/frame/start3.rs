use shakedown_wire::{DefaultValue, Form, Start, Tlvs, fields};

use super::{Header, tlv};

fields! {
    /// START, START_ACK, START_CONFIRM or ERROR (flags `0x0200` to `0x0202` and `0x02FF`).
    ///
    /// ```text
    ///  0      2 .. 26    26        27         28      30         38      46            54
    ///  +------+----------+---------+----------+-------+----------+-------+-------------+------
    ///  | flag |  header  | Version | Reserved | Flags | StreamId | Nonce | SenderNonce | TLVs
    ///  +------+----------+---------+----------+-------+----------+-------+-------------+------
    ///                       u8         u8        u16      u64       u64        u64
    /// ```
    ///
    /// At least 54 bytes, an ERROR 60: its ErrorCode is mandatory. The layout after Version is known
    /// for [`Start3::VERSION`] only: of another version nothing but the lengths of the fixed fields
    /// is checked, so that a START of it can be answered (MS-S-07).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Start3<'a> {
        /// Zero by the rule (MS-W-10), ignored by a receiver (MS-W-11).
        pub header: Header,
        /// Version of the handshake.
        pub version: u8 = u8 "Version",
        /// Zero by the rule (MS-W-12), ignored by a receiver (MS-W-13).
        pub reserved: u8 = u8 "Reserved",
        /// [`Start3::ACK_REQUIRED`], [`Start3::COMPAT_MODE`], [`Start3::BEGIN_IMMEDIATELY`]; all
        /// other bits are reserved.
        pub flags: u16 = u16_le "Flags",
        /// The stream, as the Receiver named it; never 0 in a START (MS-S-01).
        pub stream_id: u64 = u64_le "StreamId",
        pub nonce: u64 = u64_le "Nonce",
        /// The Sender's nonce; 0 until the Sender has chosen one (MS-S-01, MS-S-02).
        pub sender_nonce: u64 = u64_le "SenderNonce",
        /// The extensions, to the end of the datagram.
        pub tlvs: Tlvs<'a> = tlvs "TLVs" (version == Self::VERSION),
    }
}

pub(super) const START: Form = form("START", 0x0200, &ASKED);
pub(super) const START_ACK: Form = form("START_ACK", 0x0201, &NAMED);
pub(super) const START_CONFIRM: Form = form("START_CONFIRM", 0x0202, &NAMED);
pub(super) const ERROR: Form = Form {
    family: tlv::ERROR,
    needed: Some(tlv::kind::ERROR_CODE),
    ..form("ERROR", 0x02FF, &ASKED)
};

type Numbers = [(&'static str, DefaultValue)];

/// The stream and the nonce where nothing else is given.
const ASKED: [(&str, DefaultValue); 2] = [
    ("stream_id", DefaultValue::Number(1)),
    ("nonce", DefaultValue::Number(1)),
];

/// The same once the Sender has chosen its own.
const NAMED: [(&str, DefaultValue); 3] = [
    ASKED[0],
    ASKED[1],
    ("sender_nonce", DefaultValue::Number(1)),
];

const fn form(name: &'static str, flag: u16, usual: &'static Numbers) -> Form {
    Form {
        version: Some(Start3::VERSION),
        usual,
        bits: &[
            ("ack_required", Start3::ACK_REQUIRED),
            ("compat_mode", Start3::COMPAT_MODE),
            ("begin_immediately", Start3::BEGIN_IMMEDIATELY),
        ],
        extensions: tlv::ALL,
        family: tlv::START3,
        ..Form::new(name, Start::U16Le(flag), Start3::FIELDS)
    }
}

impl Start3<'_> {
    /// Shortest START, START_ACK and START_CONFIRM, in bytes.
    pub const MIN_LENGTH: usize = Self::TLV_OFFSET;
    /// Where the extensions begin, in bytes.
    pub const TLV_OFFSET: usize = 2 + Self::FIXED_LENGTH;
    /// The version that is spoken here.
    pub const VERSION: u8 = 1;
    /// Bit 0 of Flags: an answer is wanted.
    pub const ACK_REQUIRED: u16 = 1;
    /// Bit 1 of Flags: the one-way behaviour is accepted too (MS-S-10).
    pub const COMPAT_MODE: u16 = 1 << 1;
    /// Bit 2 of Flags, in a START_ACK: media does not wait for START_CONFIRM (MS-S-04).
    pub const BEGIN_IMMEDIATELY: u16 = 1 << 2;

    /// A frame by the rules, without extensions.
    #[must_use]
    pub const fn new(stream_id: u64, nonce: u64, sender_nonce: u64) -> Self {
        Self {
            header: Header::ZERO,
            version: Self::VERSION,
            reserved: 0,
            flags: 0,
            stream_id,
            nonce,
            sender_nonce,
            tlvs: Tlvs::EMPTY,
        }
    }

    /// ErrorCode, if it is there.
    #[must_use]
    pub fn error_code(&self) -> Option<u16> {
        self.tlvs.u16(tlv::kind::ERROR_CODE)
    }

    /// Whether all bits of `flag` are set.
    #[must_use]
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag == flag
    }
}
