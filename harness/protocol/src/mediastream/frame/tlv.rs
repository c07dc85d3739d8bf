//! Extensions of control frames: Type u16, Length u16, Value (specification, section 1).

use shakedown_wire::{DecodeError, Reader};

/// Types of the extensions that SYN and SYN-ACK may carry.
pub mod kind {
    /// MaxDatagram: u32, bytes.
    pub const MAX_DATAGRAM: u16 = 0x0006;
    /// MaxReassembly: u32, bytes.
    pub const MAX_REASSEMBLY: u16 = 0x0007;
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
        std::iter::from_fn(move || next(&mut reader).ok().flatten())
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
        let value = self.get(kind::MAX_DATAGRAM)?;
        value.try_into().ok().map(u32::from_le_bytes)
    }

    /// Reads to the end of the datagram and checks bounds and the lengths of known types.
    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let bytes = reader.clone().rest();
        while next(reader)?.is_some() {}
        Ok(Self(bytes))
    }

    /// Takes the rest of a datagram whose version is not ours.
    pub(super) fn uninterpreted(reader: &mut Reader<'a>) -> Self {
        Self(reader.rest())
    }
}

#[inline]
fn next<'a>(reader: &mut Reader<'a>) -> Result<Option<Tlv<'a>>, DecodeError> {
    if reader.remaining() == 0 {
        return Ok(None);
    }
    let kind = reader.u16_le("TLV Type")?;
    let length = usize::from(reader.u16_le("TLV Length")?);
    let offset = reader.offset();
    let value = reader.bytes("TLV Value", length)?;
    match known_fault(kind, value) {
        None => Ok(Some(Tlv { kind, value })),
        Some((field, reason)) => Err(DecodeError::invalid(field, offset, reason)),
    }
}

/// What is wrong with the length of a type that is known in the handshake of 3.2, if anything.
/// Types of other handshakes are unknown here (MS-W-14); what a value says is not judged.
fn known_fault(kind: u16, value: &[u8]) -> Option<(&'static str, &'static str)> {
    match kind {
        kind::MAX_DATAGRAM if value.len() != 4 => Some(("MaxDatagram", "is not 4 bytes long")),
        kind::MAX_REASSEMBLY if value.len() != 4 => Some(("MaxReassembly", "is not 4 bytes long")),
        kind::DIAGNOSTIC if value.len() > 255 => Some(("Diagnostic", "is longer than 255 bytes")),
        _ => None,
    }
}
