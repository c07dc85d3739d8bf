use shakedown_wire::{DecodeError, Reader, Writer};

/// The 26-byte header that data and control frames share.
///
/// ```text
///  0        2                10               18               26
///  +--------+----------------+----------------+----------------+
///  |  flag  | SequenceNumber |      QPC       |      QPF       |
///  +--------+----------------+----------------+----------------+
/// ```
///
/// In control frames the three fields SHOULD be zero (MS-W-10) and MUST be ignored (MS-W-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Header {
    /// Number of the frame of media, from 1 (MS-D-01).
    pub sequence_number: u64,
    /// The sender's clock when it made the frame, in ticks.
    pub qpc: u64,
    /// The clock's ticks per second; never 0 in data (MS-D-04).
    pub qpf: u64,
}

impl Header {
    /// Length of the flag and the three fields, in bytes.
    pub const LENGTH: usize = 26;

    /// Reads the three fields; the flag is read already.
    #[inline]
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            sequence_number: reader.u64_le("SequenceNumber")?,
            qpc: reader.u64_le("QPC")?,
            qpf: reader.u64_le("QPF")?,
        })
    }

    pub(super) fn encode(&self, flag: u16, writer: &mut Writer<'_>) {
        writer.u16_le(flag);
        writer.u64_le(self.sequence_number);
        writer.u64_le(self.qpc);
        writer.u64_le(self.qpf);
    }
}
