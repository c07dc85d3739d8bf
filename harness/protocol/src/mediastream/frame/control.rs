use shakedown_wire::{DecodeError, Reader, Writer};

use super::tlv::{Family, Tlvs};
use super::{ConnectionId, Header, connection_id::id_field};

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
/// At least 67 bytes. The layout after Version is known for [`Control::VERSION`] only: of another
/// version nothing but the lengths of the fixed fields is checked, so that a SYN of it can be
/// answered (MS-W-15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control<'a> {
    /// Zero by the rule (MS-W-10), ignored by a receiver (MS-W-11).
    pub header: Header,
    /// Version of the handshake.
    pub version: u8,
    /// Bit 0 of a SYN-ACK is Accept; all others are reserved.
    pub flags: u8,
    /// Zero by the rule (MS-W-12), ignored by a receiver (MS-W-13).
    pub reserved: u16,
    field: &'a [u8; ConnectionId::LENGTH],
    /// The extensions, to the end of the datagram.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Control<'a> {
    /// Shortest datagram of this form, in bytes.
    pub const MIN_LENGTH: usize = Self::TLV_OFFSET;
    /// Where the extensions begin, in bytes.
    pub const TLV_OFFSET: usize = Header::LENGTH + 4 + ConnectionId::LENGTH;
    /// The version that is spoken here.
    pub const VERSION: u8 = 1;
    /// Bit 0 of Flags: Accept, in a SYN-ACK.
    pub const ACCEPT: u8 = 1;

    /// A control frame by the rules, without extensions.
    #[must_use]
    pub const fn new(field: &'a [u8; ConnectionId::LENGTH]) -> Self {
        Self {
            header: Header {
                sequence_number: 0,
                qpc: 0,
                qpf: 0,
            },
            version: Self::VERSION,
            flags: 0,
            reserved: 0,
            field,
            tlvs: Tlvs::EMPTY,
        }
    }

    /// The id that is wished, assigned or confirmed.
    #[inline]
    #[must_use]
    pub const fn connection_id(&self) -> ConnectionId {
        ConnectionId::from_bytes(*self.field)
    }

    /// Whether the Accept bit is set; means something in a SYN-ACK only.
    #[must_use]
    pub const fn accepts(&self) -> bool {
        self.flags & Self::ACCEPT != 0
    }

    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let header = Header::decode(reader)?;
        let version = reader.u8("Version")?;
        let flags = reader.u8("Flags")?;
        let reserved = reader.u16_le("Reserved")?;
        let (field, tlvs) = if version == Self::VERSION {
            (id_field(reader)?, Tlvs::decode(reader, Family::Handshake)?)
        } else {
            (reader.array("ConnectionId")?, Tlvs::uninterpreted(reader))
        };
        Ok(Self {
            header,
            version,
            flags,
            reserved,
            field,
            tlvs,
        })
    }

    pub(super) fn encode(&self, flag: u16, writer: &mut Writer<'_>) {
        self.header.encode(flag, writer);
        writer.u8(self.version);
        writer.u8(self.flags);
        writer.u16_le(self.reserved);
        writer.bytes(self.field);
        writer.bytes(self.tlvs.as_bytes());
    }
}
