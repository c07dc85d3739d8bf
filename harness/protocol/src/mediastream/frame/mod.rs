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
mod error_code;
mod fragment;
mod header;
mod start3;
pub mod tlv;

pub use connection_id::{ConnectionId, ConnectionIdFrame};
pub use control::Control;
pub use data::Data;
pub use error_code::ErrorCode;
pub use fragment::Fragment;
pub use header::Header;
pub use start3::Start3;

use shakedown_wire::{DecodeError, Reader, Writer};

use tlv::Family;

/// Largest UDP payload that IPv4 carries, in bytes; no datagram is larger (MS-W-18).
pub const MAX_DATAGRAM: usize = 65_507;

/// The `START` token, a whole datagram of 5 bytes (MS-W-02).
pub const START_TOKEN: &[u8; 5] = b"START";

/// The `JOIN` token, a whole datagram of 4 bytes (MS-X-01).
pub const JOIN_TOKEN: &[u8; 4] = b"JOIN";

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
    /// START of the handshake of 3.3.
    pub const START: u16 = 0x0200;
    /// START_ACK.
    pub const START_ACK: u16 = 0x0201;
    /// START_CONFIRM.
    pub const START_CONFIRM: u16 = 0x0202;
    /// ERROR.
    pub const ERROR: u16 = 0x02FF;
    /// Connection-id.
    pub const CONNECTION_ID: u16 = 0x1000;
}

/// A decoded datagram of any form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The `START` token.
    StartToken,
    /// The `JOIN` token: the client wants to send.
    JoinToken,
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
    /// The Receiver asks for a stream.
    Start(Start3<'a>),
    /// The Sender accepts.
    StartAck(Start3<'a>),
    /// The Receiver confirms.
    StartConfirm(Start3<'a>),
    /// Either side refuses or ends the stream.
    Error(Start3<'a>),
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
        if datagram == JOIN_TOKEN {
            return Ok(Some(Self::JoinToken));
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
            kind @ flag::START..=flag::START_CONFIRM => {
                let body = Start3::decode(&mut reader, Family::Start3)?;
                match kind {
                    flag::START => Self::Start(body),
                    flag::START_ACK => Self::StartAck(body),
                    _ => Self::StartConfirm(body),
                }
            }
            flag::ERROR => Self::Error(decode_error(&mut reader)?),
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
            Self::JoinToken => writer.bytes(JOIN_TOKEN),
            Self::Data(data) => data.encode(&mut writer),
            Self::Fragment(fragment) => fragment.encode(&mut writer),
            Self::Syn(control) => control.encode(flag::SYN, &mut writer),
            Self::SynAck(control) => control.encode(flag::SYN_ACK, &mut writer),
            Self::Ack(control) => control.encode(flag::ACK, &mut writer),
            Self::Start(body) => body.encode(flag::START, &mut writer),
            Self::StartAck(body) => body.encode(flag::START_ACK, &mut writer),
            Self::StartConfirm(body) => body.encode(flag::START_CONFIRM, &mut writer),
            Self::Error(body) => body.encode(flag::ERROR, &mut writer),
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
            Self::StartToken => "START token",
            Self::JoinToken => "JOIN token",
            Self::Data(_) => "data",
            Self::Fragment(_) => "fragment",
            Self::Syn(_) => "SYN",
            Self::SynAck(_) => "SYN-ACK",
            Self::Ack(_) => "ACK",
            Self::Start(_) => "START",
            Self::StartAck(_) => "START_ACK",
            Self::StartConfirm(_) => "START_CONFIRM",
            Self::Error(_) => "ERROR",
            Self::ConnectionId(_) => "connection-id",
        }
    }
}

/// An ERROR of our version without its ErrorCode is malformed.
fn decode_error<'a>(reader: &mut Reader<'a>) -> Result<Start3<'a>, DecodeError> {
    let body = Start3::decode(reader, Family::Error)?;
    let have = reader.offset() - Start3::TLV_OFFSET;
    let need = Start3::MIN_ERROR_LENGTH - Start3::TLV_OFFSET;
    if have < need {
        let offset = Start3::TLV_OFFSET;
        return Err(DecodeError::truncated("ErrorCode", offset, need, have));
    }
    if body.version == Start3::VERSION && body.tlvs.error_code().is_none() {
        let offset = Start3::TLV_OFFSET;
        return Err(DecodeError::invalid("ErrorCode", offset, "is missing"));
    }
    Ok(body)
}
