//! The datagram forms: one file each, all integers little-endian, offsets from the start of the
//! UDP payload (specification, section 1).
//!
//! Decoding borrows the datagram, allocates nothing and keeps every byte that it does not
//! interpret, so that encoding a decoded frame gives the same bytes. A decoder checks what makes a
//! datagram malformed (lengths, NUL of an id, TLV bounds) and nothing that only a session can
//! judge.

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod connection_id;
mod control;
mod data;
mod fragment;
mod header;
pub mod tlv;

pub use connection_id::{ConnectionId, ConnectionIdFrame};
pub use control::Control;
pub use data::Data;
pub use fragment::Fragment;
pub use header::Header;

use shakedown_wire::{DecodeError, Reader, Writer};

/// Largest UDP payload that IPv4 carries, in bytes; no datagram is larger (MS-W-18).
pub const MAX_DATAGRAM: usize = 65_507;

/// The `START` token, a whole datagram of 5 bytes (MS-W-02).
pub const START_TOKEN: &[u8; 5] = b"START";

/// ProtocolFlag, the first two bytes of every datagram but the tokens.
pub mod flag {
    /// Data.
    pub const DATA: u16 = 0x0000;
    /// Data fragment with positions.
    pub const FRAGMENT: u16 = 0x0001;
    /// SYN.
    pub const SYN: u16 = 0x0100;
    /// SYN-ACK.
    pub const SYN_ACK: u16 = 0x0101;
    /// ACK.
    pub const ACK: u16 = 0x0102;
    /// Connection-id.
    pub const CONNECTION_ID: u16 = 0x1000;
}

/// A decoded datagram of any form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The `START` token.
    StartToken,
    /// A whole frame of media, or one part of a plain split.
    Data(Data<'a>),
    /// A part of a frame with its position.
    Fragment(Fragment<'a>),
    /// The initiator asks for a session.
    Syn(Control<'a>),
    /// The responder accepts or rejects.
    SynAck(Control<'a>),
    /// The initiator confirms.
    Ack(Control<'a>),
    /// The responder names the session.
    ConnectionId(ConnectionIdFrame<'a>),
}

impl<'a> Frame<'a> {
    /// Decodes a datagram of any form, whatever the mode; [`Grammar`](super::Grammar) says which
    /// forms a mode knows. `None` if the flag belongs to no form.
    ///
    /// # Errors
    /// [`DecodeError`] if the form is known and the datagram is malformed, or if it is shorter
    /// than a flag.
    #[inline]
    pub fn decode(datagram: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        if datagram == START_TOKEN {
            return Ok(Some(Self::StartToken));
        }
        let mut reader = Reader::new(datagram);
        let frame = match reader.u16_le("ProtocolFlag")? {
            flag::DATA => Self::Data(Data::decode(&mut reader)?),
            flag::FRAGMENT => Self::Fragment(Fragment::decode(&mut reader)?),
            // The body is decoded in one place for all three, so that it is compiled into this one.
            kind @ flag::SYN..=flag::ACK => {
                let control = Control::decode(&mut reader)?;
                match kind {
                    flag::SYN => Self::Syn(control),
                    flag::SYN_ACK => Self::SynAck(control),
                    _ => Self::Ack(control),
                }
            }
            flag::CONNECTION_ID => Self::ConnectionId(ConnectionIdFrame::decode(&mut reader)?),
            _ => return Ok(None),
        };
        Ok(Some(frame))
    }

    /// Appends the datagram to `buffer`.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let mut writer = Writer::new(buffer);
        match self {
            Self::StartToken => writer.bytes(START_TOKEN),
            Self::Data(data) => data.encode(&mut writer),
            Self::Fragment(fragment) => fragment.encode(&mut writer),
            Self::Syn(control) => control.encode(flag::SYN, &mut writer),
            Self::SynAck(control) => control.encode(flag::SYN_ACK, &mut writer),
            Self::Ack(control) => control.encode(flag::ACK, &mut writer),
            Self::ConnectionId(frame) => frame.encode(&mut writer),
        }
    }

    /// The datagram as a new vector.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.encode(&mut buffer);
        buffer
    }

    /// The form's name as scenarios and reports spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StartToken => "START",
            Self::Data(_) => "data",
            Self::Fragment(_) => "fragment",
            Self::Syn(_) => "SYN",
            Self::SynAck(_) => "SYN-ACK",
            Self::Ack(_) => "ACK",
            Self::ConnectionId(_) => "connection-id",
        }
    }
}
