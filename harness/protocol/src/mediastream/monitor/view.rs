//! A datagram as the monitor reads it: leniently, so that a broken one still shows what it was
//! meant to be.

use super::parameters::Parameters;
use crate::mediastream::frame::tlv::{Tlvs, kind};
use crate::mediastream::frame::{
    ConnectionId, Control, Fragment, Frame, Header, JOIN_TOKEN, START_TOKEN, Start3, flag,
};
use crate::monitor::{Field, Packet};

pub(super) const PROTOCOL_FLAG: Field = field("ProtocolFlag", 0, 2);
pub(super) const SEQUENCE: Field = field("SequenceNumber", 2, 8);
pub(super) const QPC: Field = field("QPC", 10, 8);
pub(super) const QPF: Field = field("QPF", 18, 8);
pub(super) const FRAGMENT_OFFSET: Field = field("FragmentOffset", 26, 8);
pub(super) const TOTAL_LENGTH: Field = field("TotalLength", 34, 8);
pub(super) const CONNECTION_ID: Field = field("ConnectionId", 30, ConnectionId::LENGTH);
pub(super) const STREAM_ID: Field = field("StreamId", 30, 8);
pub(super) const NONCE: Field = field("Nonce", 38, 8);
pub(super) const SENDER_NONCE: Field = field("SenderNonce", 46, 8);

pub(super) const fn field(name: &'static str, offset: usize, length: usize) -> Field {
    Field {
        name,
        offset,
        length,
    }
}

/// A datagram by its flag.
#[derive(Debug, Clone, Copy)]
pub(super) enum View<'a> {
    /// The `START` token.
    Start,
    /// The `JOIN` token.
    Join,
    /// Data or a fragment.
    Media(Media<'a>),
    /// A frame of a handshake.
    Control(ControlView<'a>),
    /// Connection-id.
    Name(Option<&'a [u8; ConnectionId::LENGTH]>),
    /// None of these.
    Other,
}

/// Which frame of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Syn,
    SynAck,
    Ack,
    Start,
    StartAck,
    StartConfirm,
    Error,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::SynAck => "SYN-ACK",
            Self::Ack => "ACK",
            Self::Start => "START",
            Self::StartAck => "START_ACK",
            Self::StartConfirm => "START_CONFIRM",
            Self::Error => "ERROR",
        }
    }

    /// Whether it is one of 3.3.
    pub(super) const fn is_start3(self) -> bool {
        !matches!(self, Self::Syn | Self::SynAck | Self::Ack)
    }

    pub(super) const fn min_length(self) -> usize {
        if self.is_start3() {
            Start3::MIN_LENGTH
        } else {
            Control::MIN_LENGTH
        }
    }
}

/// A data datagram with at least its SequenceNumber; what lies beyond a cut is zero or missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Media<'a> {
    /// SequenceNumber, if it is there.
    pub(super) sequence: Option<u64>,
    /// QPC and QPF, if they are there.
    pub(super) clock: Option<(u64, u64)>,
    /// Whether the form has positions.
    pub(super) is_fragment: bool,
    /// FragmentOffset and TotalLength, if they are there.
    pub(super) position: Option<(u64, u64)>,
    /// The payload as far as it was captured.
    pub(super) payload: &'a [u8],
    /// Length of the payload on the wire, in bytes; `None` if not even the headers fit.
    pub(super) payload_length: Option<usize>,
    /// Length of the datagram on the wire, in bytes.
    pub(super) length: usize,
}

impl Media<'_> {
    /// Length of what precedes the payload, in bytes.
    pub(super) const fn header_length(&self) -> usize {
        if self.is_fragment {
            Fragment::HEADER_LENGTH
        } else {
            Header::LENGTH
        }
    }
}

/// The session of a frame of 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Key {
    pub(super) stream_id: u64,
    pub(super) nonce: u64,
}

/// A frame of a handshake with as much of it as is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct ControlView<'a> {
    pub(super) kind: Kind,
    pub(super) bytes: &'a [u8],
    /// SequenceNumber, QPC and QPF.
    pub(super) header: Option<[u64; 3]>,
    pub(super) version: Option<u8>,
    /// Flags and Reserved; either is one byte long in one of the handshakes.
    pub(super) flags: Option<(u16, u16)>,
    /// The id field of 3.2.
    pub(super) id: Option<&'a [u8; ConnectionId::LENGTH]>,
    pub(super) key: Option<Key>,
    pub(super) sender_nonce: Option<u64>,
    /// Those that stand in extensions of 3.3.
    pub(super) parameters: Parameters,
    pub(super) error_code: Option<u16>,
    /// Whether a receiver takes it: whole, its id terminated, its extensions sound.
    pub(super) is_well_formed: bool,
    /// Whether the capture lacks a part of it, and what is missing may be sound.
    pub(super) is_cut: bool,
}

impl<'a> ControlView<'a> {
    fn new(kind: Kind, packet: &Packet<'a>) -> Self {
        let bytes = packet.payload;
        let header = match (u64_at(bytes, 2), u64_at(bytes, 10), u64_at(bytes, 18)) {
            (Some(sequence), Some(qpc), Some(qpf)) => Some([sequence, qpc, qpf]),
            _ => None,
        };
        let is_cut = packet.length > bytes.len();
        let view = Self {
            kind,
            bytes,
            header,
            version: bytes.get(26).copied(),
            flags: None,
            id: None,
            key: None,
            sender_nonce: None,
            parameters: Parameters::default(),
            error_code: None,
            is_well_formed: !is_cut && is_sound(kind, bytes),
            is_cut: is_cut && packet.length >= kind.min_length(),
        };
        let octet = bytes.get(27).map(|octet| u16::from(*octet));
        let (octet, short) = (octet, u16_at(bytes, 28));
        if !kind.is_start3() {
            return Self {
                flags: octet.zip(short),
                id: array_at(bytes, 30),
                ..view
            };
        }
        let tlvs = Tlvs::from_bytes(bytes.get(Start3::TLV_OFFSET..).unwrap_or_default());
        let key = u64_at(bytes, 30).zip(u64_at(bytes, 38));
        Self {
            flags: short.zip(octet),
            key: key.map(|(stream_id, nonce)| Key { stream_id, nonce }),
            sender_nonce: u64_at(bytes, 46),
            parameters: Parameters::new(&tlvs),
            error_code: tlvs.u16(kind::ERROR_CODE),
            ..view
        }
    }

    /// The id, whether it is terminated or not.
    pub(super) fn connection_id(&self) -> Option<ConnectionId> {
        self.id.map(|bytes| ConnectionId::from_bytes(*bytes))
    }

    /// Whether it speaks our version of the handshake.
    pub(super) fn is_ours(&self) -> bool {
        self.version == Some(Control::VERSION)
    }

    /// Whether it speaks our version and a receiver takes it.
    pub(super) fn is_valid(&self) -> bool {
        self.is_ours() && self.is_well_formed
    }

    /// The same, as far as the capture shows it.
    pub(super) fn may_be_valid(&self) -> bool {
        self.is_ours() && (self.is_well_formed || self.is_cut)
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags.is_some_and(|(flags, _)| flags & flag != 0)
    }

    /// Whether Accept is set.
    pub(super) fn accepts(&self) -> bool {
        self.has(Control::ACCEPT.into())
    }

    /// How many of four marks it bears: zeros in the header, our version, nothing in reserved places,
    /// a terminated and printable (or empty) id; in 3.3 a StreamId and extensions that make sense.
    pub(super) fn marks(&self) -> usize {
        let known = if self.kind.is_start3() { 7 } else { 1 };
        let reserved = self
            .flags
            .is_some_and(|(flags, rest)| flags <= known && rest == 0);
        let body = match self.key {
            Some(key) => key.stream_id != 0 && (self.is_well_formed || self.is_cut),
            None => self.id.is_some_and(is_plausible_id),
        };
        let marks = [self.header == Some([0; 3]), self.is_ours(), reserved, body];
        marks.into_iter().filter(|mark| *mark).count()
    }
}

/// Whether the field looks like an id: printable text and a NUL, or nothing but zeros.
pub(super) fn is_plausible_id(field: &[u8; ConnectionId::LENGTH]) -> bool {
    let id = ConnectionId::from_bytes(*field);
    let text = id.text();
    let printable = text.iter().all(|byte| (0x20..0x7f).contains(byte));
    id.is_terminated() && printable && (!text.is_empty() || field.iter().all(|byte| *byte == 0))
}

/// Reads a datagram by its flag, little-endian.
#[inline]
pub(super) fn view<'a>(packet: &Packet<'a>) -> View<'a> {
    if packet.payload == START_TOKEN && packet.length == START_TOKEN.len() {
        return View::Start;
    }
    if packet.payload == JOIN_TOKEN && packet.length == JOIN_TOKEN.len() {
        return View::Join;
    }
    match u16_at(packet.payload, 0) {
        Some(flag) => view_as(flag, packet),
        None => View::Other,
    }
}

/// Reads a datagram as the form that `flag` names, whatever its own flag says.
#[inline]
pub(super) fn view_as<'a>(flag: u16, packet: &Packet<'a>) -> View<'a> {
    match flag {
        flag::DATA => View::Media(media(packet, false)),
        flag::FRAGMENT => View::Media(media(packet, true)),
        flag::SYN => View::Control(ControlView::new(Kind::Syn, packet)),
        flag::SYN_ACK => View::Control(ControlView::new(Kind::SynAck, packet)),
        flag::ACK => View::Control(ControlView::new(Kind::Ack, packet)),
        flag::CONNECTION_ID => View::Name(array_at(packet.payload, 2)),
        flag::START => View::Control(ControlView::new(Kind::Start, packet)),
        flag::START_ACK => View::Control(ControlView::new(Kind::StartAck, packet)),
        flag::START_CONFIRM => View::Control(ControlView::new(Kind::StartConfirm, packet)),
        flag::ERROR => View::Control(ControlView::new(Kind::Error, packet)),
        _ => View::Other,
    }
}

#[inline]
fn media<'a>(packet: &Packet<'a>, is_fragment: bool) -> Media<'a> {
    let bytes = packet.payload;
    let header = if is_fragment {
        Fragment::HEADER_LENGTH
    } else {
        Header::LENGTH
    };
    Media {
        sequence: u64_at(bytes, 2),
        clock: u64_at(bytes, 10).zip(u64_at(bytes, 18)),
        is_fragment,
        position: if is_fragment {
            u64_at(bytes, 26).zip(u64_at(bytes, 34))
        } else {
            None
        },
        payload: bytes.get(header..).unwrap_or_default(),
        payload_length: packet.length.checked_sub(header),
        length: packet.length,
    }
}

/// Whether the body after the flag is one that a receiver takes. The flag itself may have been written
/// big-endian, and is not looked at.
fn is_sound(kind: Kind, bytes: &[u8]) -> bool {
    let flag = match kind {
        Kind::Syn => flag::SYN,
        Kind::SynAck => flag::SYN_ACK,
        Kind::Ack => flag::ACK,
        Kind::Start => flag::START,
        Kind::StartAck => flag::START_ACK,
        Kind::StartConfirm => flag::START_CONFIRM,
        Kind::Error => flag::ERROR,
    };
    if u16_at(bytes, 0) == Some(flag) {
        return matches!(Frame::decode(bytes), Ok(Some(_)));
    }
    let mut meant = bytes.to_vec();
    meant.splice(..bytes.len().min(2), flag.to_le_bytes());
    matches!(Frame::decode(&meant), Ok(Some(_)))
}

#[inline]
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<&[u8; N]> {
    bytes.get(offset..)?.first_chunk()
}

#[inline]
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(|bytes| u16::from_le_bytes(*bytes))
}

#[inline]
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(|bytes| u64::from_le_bytes(*bytes))
}
