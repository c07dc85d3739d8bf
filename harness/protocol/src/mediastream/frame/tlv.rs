//! Extensions of control frames: Type u16, Length u16, Value (specification, section 1).

use shakedown_wire::{DecodeError, Reader};

/// Types of the extensions.
pub mod kind {
    /// FrameRate: u32, frames per second.
    pub const FRAME_RATE: u16 = 0x0001;
    /// BitRate: u64, bits per second.
    pub const BIT_RATE: u16 = 0x0002;
    /// BufferDepth: u32, milliseconds.
    pub const BUFFER_DEPTH: u16 = 0x0003;
    /// CodecHint: UTF-8, 1 to 64 bytes.
    pub const CODEC_HINT: u16 = 0x0004;
    /// StreamLength: u32, seconds.
    pub const STREAM_LENGTH: u16 = 0x0005;
    /// MaxDatagram: u32, bytes.
    pub const MAX_DATAGRAM: u16 = 0x0006;
    /// MaxReassembly: u32, bytes.
    pub const MAX_REASSEMBLY: u16 = 0x0007;
    /// ErrorCode: u16.
    pub const ERROR_CODE: u16 = 0x0010;
    /// Diagnostic: UTF-8, up to 255 bytes.
    pub const DIAGNOSTIC: u16 = 0x0011;
}

/// One extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What it is; unknown types are ignored (MS-W-14).
    pub kind: u16,
    /// Its value, as many bytes as Length says.
    pub value: &'a [u8],
}

impl Tlv<'_> {
    /// Appends it to `buffer`. A value longer than a u16 can say is cut.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let length = u16::try_from(self.value.len()).unwrap_or(u16::MAX);
        buffer.extend_from_slice(&self.kind.to_le_bytes());
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&self.value[..usize::from(length)]);
    }
}

/// The extensions of one frame, checked when the frame was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    /// None.
    pub const EMPTY: Self = Self(&[]);

    /// Takes `bytes` as they are; iteration stops where they stop making sense.
    #[must_use]
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The extensions in the order they stand.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || next(&mut reader).ok().flatten().map(|(_, tlv)| tlv))
    }

    /// The first extension of this type; later ones do not count.
    #[must_use]
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.iter()
            .find(|tlv| tlv.kind == kind)
            .map(|tlv| tlv.value)
    }

    /// MaxDatagram in bytes, if it is there.
    #[must_use]
    pub fn max_datagram(&self) -> Option<u32> {
        self.u32(kind::MAX_DATAGRAM)
    }

    /// ErrorCode, if it is there.
    #[must_use]
    pub fn error_code(&self) -> Option<u16> {
        let value = self.get(kind::ERROR_CODE)?;
        value.try_into().ok().map(u16::from_le_bytes)
    }

    /// The first extension of this type as a u32, if it is there and has 4 bytes.
    #[must_use]
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.get(kind)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// The first extension of this type as a u64, if it is there and has 8 bytes.
    #[must_use]
    pub fn u64(&self, kind: u16) -> Option<u64> {
        self.get(kind)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// Reads to the end of the datagram and checks bounds and the lengths of the types that the
    /// family of frames knows.
    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>, known: Family) -> Result<Self, DecodeError> {
        let bytes = reader.clone().rest();
        while let Some((offset, tlv)) = next(reader)? {
            if let Some((field, reason)) = known.fault(&tlv) {
                return Err(DecodeError::invalid(field, offset, reason));
            }
        }
        Ok(Self(bytes))
    }

    /// Takes the rest of a datagram whose version is not ours.
    pub(super) fn uninterpreted(reader: &mut Reader<'a>) -> Self {
        Self(reader.rest())
    }
}

/// The frames that know the same extensions. A type of another family is unknown (MS-W-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// SYN, SYN-ACK and ACK.
    Handshake,
    /// START, START_ACK and START_CONFIRM.
    Start3,
    /// ERROR.
    Error,
}

impl Family {
    /// What is wrong with the length of a type that is known here, if anything. What a value says
    /// is not judged.
    fn fault(self, tlv: &Tlv<'_>) -> Option<(&'static str, &'static str)> {
        const FOUR: &str = "is not 4 bytes long";
        let is_start3 = self != Self::Handshake;
        let (field, lengths, reason) = match tlv.kind {
            kind::MAX_DATAGRAM => ("MaxDatagram", 4..=4, FOUR),
            kind::FRAME_RATE if is_start3 => ("FrameRate", 4..=4, FOUR),
            kind::BIT_RATE if is_start3 => ("BitRate", 8..=8, "is not 8 bytes long"),
            kind::BUFFER_DEPTH if is_start3 => ("BufferDepth", 4..=4, FOUR),
            kind::CODEC_HINT if is_start3 => ("CodecHint", 1..=64, "is not 1 to 64 bytes long"),
            kind::STREAM_LENGTH if is_start3 => ("StreamLength", 4..=4, FOUR),
            kind::MAX_REASSEMBLY if !is_start3 => ("MaxReassembly", 4..=4, FOUR),
            kind::ERROR_CODE if self == Self::Error => ("ErrorCode", 2..=2, "is not 2 bytes long"),
            kind::DIAGNOSTIC if self != Self::Start3 => {
                ("Diagnostic", 0..=255, "is longer than 255 bytes")
            }
            _ => return None,
        };
        (!lengths.contains(&tlv.value.len())).then_some((field, reason))
    }
}

/// The next extension and the offset of its value.
#[inline]
fn next<'a>(reader: &mut Reader<'a>) -> Result<Option<(usize, Tlv<'a>)>, DecodeError> {
    if reader.remaining() == 0 {
        return Ok(None);
    }
    let kind = reader.u16_le("TLV Type")?;
    let length = usize::from(reader.u16_le("TLV Length")?);
    let offset = reader.offset();
    let value = reader.bytes("TLV Value", length)?;
    Ok(Some((offset, Tlv { kind, value })))
}
