use shakedown_wire::{DecodeError, Reader, Writer};

use super::Header;
use super::tlv::{Family, Tlvs};

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
/// for [`Start3::VERSION`] only: of another version nothing but the lengths of the fixed fields is
/// checked, so that a START of it can be answered (MS-S-07).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start3<'a> {
    /// Zero by the rule (MS-W-10), ignored by a receiver (MS-W-11).
    pub header: Header,
    /// Version of the handshake.
    pub version: u8,
    /// Zero by the rule (MS-W-12), ignored by a receiver (MS-W-13).
    pub reserved: u8,
    /// [`Start3::ACK_REQUIRED`], [`Start3::COMPAT_MODE`], [`Start3::BEGIN_IMMEDIATELY`]; all other
    /// bits are reserved.
    pub flags: u16,
    /// The stream, as the Receiver named it; never 0 in a START (MS-S-01).
    pub stream_id: u64,
    /// The Receiver's nonce.
    pub nonce: u64,
    /// The Sender's nonce; 0 until the Sender has chosen one (MS-S-01, MS-S-02).
    pub sender_nonce: u64,
    /// The extensions, to the end of the datagram.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Start3<'a> {
    /// Shortest START, START_ACK and START_CONFIRM, in bytes.
    pub const MIN_LENGTH: usize = Self::TLV_OFFSET;
    /// Shortest ERROR, in bytes.
    pub const MIN_ERROR_LENGTH: usize = Self::TLV_OFFSET + 6;
    /// Where the extensions begin, in bytes.
    pub const TLV_OFFSET: usize = Header::LENGTH + 28;
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
            header: Header {
                sequence_number: 0,
                qpc: 0,
                qpf: 0,
            },
            version: Self::VERSION,
            reserved: 0,
            flags: 0,
            stream_id,
            nonce,
            sender_nonce,
            tlvs: Tlvs::EMPTY,
        }
    }

    /// Whether all bits of `flag` are set.
    #[must_use]
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag == flag
    }

    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>, known: Family) -> Result<Self, DecodeError> {
        let header = Header::decode(reader)?;
        let version = reader.u8("Version")?;
        let reserved = reader.u8("Reserved")?;
        let flags = reader.u16_le("Flags")?;
        let stream_id = reader.u64_le("StreamId")?;
        let nonce = reader.u64_le("Nonce")?;
        let sender_nonce = reader.u64_le("SenderNonce")?;
        let tlvs = if version == Self::VERSION {
            Tlvs::decode(reader, known)?
        } else {
            Tlvs::uninterpreted(reader)
        };
        Ok(Self {
            header,
            version,
            reserved,
            flags,
            stream_id,
            nonce,
            sender_nonce,
            tlvs,
        })
    }

    pub(super) fn encode(&self, flag: u16, writer: &mut Writer<'_>) {
        self.header.encode(flag, writer);
        writer.u8(self.version);
        writer.u8(self.reserved);
        writer.u16_le(self.flags);
        writer.u64_le(self.stream_id);
        writer.u64_le(self.nonce);
        writer.u64_le(self.sender_nonce);
        writer.bytes(self.tlvs.as_bytes());
    }
}
