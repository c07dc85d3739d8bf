use shakedown_wire::{DecodeError, Reader, Writer};

use super::{Header, flag};

/// A frame of media in one datagram, or one part of a plain split (flag `0x0000`).
///
/// ```text
///  0        2                10               18               26
///  +--------+----------------+----------------+----------------+---------
///  | 0x0000 | SequenceNumber |      QPC       |      QPF       | payload
///  +--------+----------------+----------------+----------------+---------
/// ```
///
/// At least 27 bytes: the payload is never empty (MS-W-09).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    /// Number and clock of the frame.
    pub header: Header,
    /// The media, to the end of the datagram.
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// Shortest datagram of this form, in bytes.
    pub const MIN_LENGTH: usize = Header::LENGTH + 1;

    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let header = Header::decode(reader)?;
        let payload = payload(reader)?;
        Ok(Self { header, payload })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        self.header.encode(flag::DATA, writer);
        writer.bytes(self.payload);
    }
}

/// The rest of the datagram, which must hold at least one byte (MS-W-09).
#[inline]
pub(super) fn payload<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let offset = reader.offset();
    match reader.rest() {
        [] => Err(DecodeError::truncated("payload", offset, 1, 0)),
        payload => Ok(payload),
    }
}
