use shakedown_wire::{DecodeError, Reader, Writer};

use super::{Header, data::payload, flag};

/// A part of a frame of media with its position (flag `0x0001`).
///
/// ```text
///  0        2 .. 26    26               34            42
///  +--------+----------+----------------+-------------+---------
///  | 0x0001 |  header  | FragmentOffset | TotalLength | payload
///  +--------+----------+----------------+-------------+---------
/// ```
///
/// At least 43 bytes: the payload is never empty (MS-W-09). Whether the part fits into
/// `total_length` is the reassembler's to judge (MS-R-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Number and clock of the frame.
    pub header: Header,
    /// Where the payload begins within the frame, in bytes.
    pub fragment_offset: u64,
    /// Length of the whole frame's payload, in bytes.
    pub total_length: u64,
    /// The media, to the end of the datagram.
    pub payload: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Length of what precedes the payload, in bytes.
    pub const HEADER_LENGTH: usize = Header::LENGTH + 16;
    /// Shortest datagram of this form, in bytes.
    pub const MIN_LENGTH: usize = Self::HEADER_LENGTH + 1;

    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            header: Header::decode(reader)?,
            fragment_offset: reader.u64_le("FragmentOffset")?,
            total_length: reader.u64_le("TotalLength")?,
            payload: payload(reader)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        self.header.encode(flag::FRAGMENT, writer);
        writer.u64_le(self.fragment_offset);
        writer.u64_le(self.total_length);
        writer.bytes(self.payload);
    }
}
