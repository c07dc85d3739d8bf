use shakedown_wire::{Form, Start, Tlvs, fields};

use super::{ConnectionId, Header, connection_id::has_nul, tlv};

fields! {
    /// SYN, SYN-ACK or ACK (flags `0x0100` to `0x0102`).
    ///
    /// ```text
    ///  0      2 .. 26    26        27      28         30             67
    ///  +------+----------+---------+-------+----------+--------------+------
    ///  | flag |  header  | Version | Flags | Reserved | ConnectionId | TLVs
    ///  +------+----------+---------+-------+----------+--------------+------
    ///                       u8        u8       u16        37 bytes
    /// ```
    ///
    /// At least 67 bytes. The layout after Version is known for [`Control::VERSION`] only: of
    /// another version nothing but the lengths of the fixed fields is checked, so that a SYN of it
    /// can be answered (MS-W-15).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Control<'a> {
        /// Zero by the rule (MS-W-10), ignored by a receiver (MS-W-11).
        pub header: Header,
        /// Version of the handshake.
        pub version: u8 = u8 "Version",
        /// Bit 0 of a SYN-ACK is Accept; all others are reserved.
        pub flags: u8 = u8 "Flags",
        /// Zero by the rule (MS-W-12), ignored by a receiver (MS-W-13).
        pub reserved: u16 = u16_le "Reserved",
        connection_id: &'a [u8; ConnectionId::LENGTH] = text<37> "ConnectionId"
            [version != Self::VERSION || has_nul(connection_id), Terminator "has no NUL in its 37 bytes"],
        /// The extensions, to the end of the datagram.
        pub tlvs: Tlvs<'a> = tlvs "TLVs" (version == Self::VERSION),
    }
}

pub(super) const SYN: Form = form("SYN", 0x0100);
pub(super) const SYN_ACK: Form = Form {
    bits: &[("accept", Control::ACCEPT as u16)],
    ..form("SYN-ACK", 0x0101)
};
pub(super) const ACK: Form = form("ACK", 0x0102);

const fn form(name: &'static str, flag: u16) -> Form {
    Form {
        version: Some(Control::VERSION),
        extensions: tlv::ALL,
        family: tlv::HANDSHAKE,
        ..Form::new(name, Start::U16Le(flag), Control::FIELDS)
    }
}

impl<'a> Control<'a> {
    /// Shortest datagram of this form, in bytes.
    pub const MIN_LENGTH: usize = Self::TLV_OFFSET;
    /// Where the extensions begin, in bytes.
    pub const TLV_OFFSET: usize = 2 + Self::FIXED_LENGTH;
    /// The version that is spoken here.
    pub const VERSION: u8 = 1;
    /// Bit 0 of Flags: Accept, in a SYN-ACK.
    pub const ACCEPT: u8 = 1;

    /// A control frame by the rules, without extensions.
    #[must_use]
    pub const fn new(connection_id: &'a [u8; ConnectionId::LENGTH]) -> Self {
        Self {
            header: Header::ZERO,
            version: Self::VERSION,
            flags: 0,
            reserved: 0,
            connection_id,
            tlvs: Tlvs::EMPTY,
        }
    }

    /// The id that is wished, assigned or confirmed.
    #[inline]
    #[must_use]
    pub const fn connection_id(&self) -> ConnectionId {
        ConnectionId::from_bytes(*self.connection_id)
    }

    /// MaxDatagram in bytes, if it is there.
    #[must_use]
    pub fn max_datagram(&self) -> Option<u32> {
        self.tlvs.u32(tlv::kind::MAX_DATAGRAM)
    }

    /// Whether the Accept bit is set; means something in a SYN-ACK only.
    #[must_use]
    pub const fn accepts(&self) -> bool {
        self.flags & Self::ACCEPT != 0
    }
}
