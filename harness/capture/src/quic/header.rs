//! The parts of packet headers that are not protected: RFC 8999 and RFC 9000, section 17.

use shakedown_wire::{DecodeError, Reader, Rule};

/// The version that is read.
pub(super) const VERSION_1: u32 = 1;
/// Longest connection id of QUIC v1 in bytes.
pub(super) const MAX_ID: usize = 20;

/// A connection id of QUIC v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id {
    length: u8,
    bytes: [u8; MAX_ID],
}

impl Id {
    pub(super) const MIN: Self = Self {
        length: 0,
        bytes: [0; MAX_ID],
    };

    /// `None` if it is too long.
    pub(super) fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_ID];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self {
            length: id.len() as u8,
            bytes,
        })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    pub(super) const fn len(&self) -> usize {
        self.length as usize
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// A kind of packet with a long header and a protected payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LongKind {
    Initial,
    ZeroRtt,
    Handshake,
}

/// The unprotected header of the first packet in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header<'a> {
    /// A packet of QUIC v1 with a packet number and a length.
    Long {
        kind: LongKind,
        destination: Id,
        source: Id,
        /// Offset of the packet number.
        number_offset: usize,
        /// Length of the whole packet in bytes, also where the buffer ends before.
        length: usize,
    },
    Retry {
        destination: Id,
        source: Id,
    },
    /// Fills the datagram. Its ids may be longer than those of QUIC v1.
    VersionNegotiation {
        destination: &'a [u8],
        source: &'a [u8],
        versions: &'a [u8],
    },
    /// A packet of another version, of which nothing more is known.
    OtherVersion {
        version: u32,
    },
    /// A packet whose first field is a connection id of unknown length. It fills the datagram.
    Short,
}

impl<'a> Header<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let first = reader.u8("first byte")?;
        if first & 0x80 == 0 {
            return Ok(Self::Short);
        }
        let version = reader.u32_be("version")?;
        if version != VERSION_1 && version != 0 {
            return Ok(Self::OtherVersion { version });
        }
        let destination = long_id(&mut reader, "destination connection id")?;
        let source = long_id(&mut reader, "source connection id")?;
        if version == 0 {
            return Ok(Self::VersionNegotiation {
                destination,
                source,
                versions: reader.rest(),
            });
        }
        let too_long =
            || DecodeError::invalid("connection id", 5, Rule::Length, "has more than 20 bytes");
        let destination = Id::new(destination).ok_or_else(too_long)?;
        let source = Id::new(source).ok_or_else(too_long)?;
        let kind = match first >> 4 & 3 {
            0 => {
                let length = length(&mut reader, "token length")?;
                reader.bytes("token", length)?;
                LongKind::Initial
            }
            1 => LongKind::ZeroRtt,
            2 => LongKind::Handshake,
            3.. => {
                return Ok(Self::Retry {
                    destination,
                    source,
                });
            }
        };
        let rest = length(&mut reader, "length")?;
        let number_offset = reader.offset();
        Ok(Self::Long {
            kind,
            destination,
            source,
            number_offset,
            length: number_offset.saturating_add(rest),
        })
    }
}

fn long_id<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], DecodeError> {
    let length = reader.u8(field)?;
    reader.bytes(field, length.into())
}

/// A length in bytes; what does not fit into memory is as large as can be.
pub(super) fn length(reader: &mut Reader<'_>, field: &'static str) -> Result<usize, DecodeError> {
    let length = reader.quic_varint(field)?;
    Ok(usize::try_from(length).unwrap_or(usize::MAX))
}
