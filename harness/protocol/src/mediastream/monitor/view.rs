//! A datagram as the monitor reads it: leniently, so that a broken one still shows what it was
//! meant to be.

use super::start3;
use crate::mediastream::frame::{
    ConnectionId, Control, Fragment, Frame, Header, JOIN_TOKEN, START_TOKEN, flag,
};
use crate::monitor::Packet;

/// A datagram by its flag.
#[derive(Debug, Clone, Copy)]
pub(super) enum View<'a> {
    /// The `START` token.
    Start,
    /// Data or a fragment.
    Media(Media<'a>),
    /// SYN, SYN-ACK or ACK.
    Control(Kind, ControlView<'a>),
    /// The `JOIN` token.
    Join,
    /// START, START_ACK, START_CONFIRM or ERROR.
    Start3(start3::Kind, start3::View<'a>),
    /// Connection-id.
    Name(Option<&'a [u8; ConnectionId::LENGTH]>),
    /// None of these.
    Other,
}

/// Which control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Syn,
    SynAck,
    Ack,
}

impl Kind {
    /// The form's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::SynAck => "SYN-ACK",
            Self::Ack => "ACK",
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

/// A control frame with as much of it as is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct ControlView<'a> {
    /// SequenceNumber, QPC and QPF.
    pub(super) header: Option<[u64; 3]>,
    /// Version.
    pub(super) version: Option<u8>,
    /// Flags and Reserved.
    pub(super) flags: Option<(u8, u16)>,
    /// The id field.
    pub(super) id: Option<&'a [u8; ConnectionId::LENGTH]>,
    /// Whether a receiver takes it: whole, terminated, its extensions sound.
    pub(super) is_well_formed: bool,
    /// Whether the capture lacks a part of it, and what is missing may be sound.
    pub(super) is_cut: bool,
}

impl ControlView<'_> {
    /// The id, whether it is terminated or not.
    pub(super) fn connection_id(&self) -> Option<ConnectionId> {
        self.id.map(|bytes| ConnectionId::from_bytes(*bytes))
    }

    /// Whether it speaks our version of the handshake and a receiver takes it.
    pub(super) fn is_valid(&self) -> bool {
        self.is_well_formed && self.version == Some(Control::VERSION)
    }

    /// Whether Accept is set.
    pub(super) fn accepts(&self) -> bool {
        self.flags
            .is_some_and(|(flags, _)| flags & Control::ACCEPT != 0)
    }

    /// How many of four marks of a control frame it bears: zeros in the header, our version,
    /// nothing in reserved places, a terminated and printable (or empty) id.
    pub(super) fn marks(&self) -> usize {
        let zeros = self.header == Some([0; 3]);
        let version = self.version == Some(Control::VERSION);
        let reserved = self
            .flags
            .is_some_and(|(flags, reserved)| flags <= 1 && reserved == 0);
        let id = self.id.is_some_and(is_plausible_id);
        usize::from(zeros) + usize::from(version) + usize::from(reserved) + usize::from(id)
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
        flag::SYN => View::Control(Kind::Syn, control(packet)),
        flag::SYN_ACK => View::Control(Kind::SynAck, control(packet)),
        flag::ACK => View::Control(Kind::Ack, control(packet)),
        flag::CONNECTION_ID => View::Name(array_at(packet.payload, 2)),
        flag::START => View::Start3(start3::Kind::Start, start3::View::new(packet)),
        flag::START_ACK => View::Start3(start3::Kind::Ack, start3::View::new(packet)),
        flag::START_CONFIRM => View::Start3(start3::Kind::Confirm, start3::View::new(packet)),
        flag::ERROR => View::Start3(start3::Kind::Error, start3::View::new(packet)),
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

fn control<'a>(packet: &Packet<'a>) -> ControlView<'a> {
    let bytes = packet.payload;
    let header = match (u64_at(bytes, 2), u64_at(bytes, 10), u64_at(bytes, 18)) {
        (Some(sequence), Some(qpc), Some(qpf)) => Some([sequence, qpc, qpf]),
        _ => None,
    };
    let is_cut = packet.length > bytes.len();
    ControlView {
        header,
        version: bytes.get(26).copied(),
        flags: bytes.get(27).copied().zip(u16_at(bytes, 28)),
        id: array_at(bytes, 30),
        is_well_formed: !is_cut && is_sound(bytes),
        is_cut: is_cut && packet.length >= Control::MIN_LENGTH,
    }
}

/// Whether the body after the flag is that of a control frame that a receiver takes. The flag
/// itself is not looked at: it may have been written big-endian.
fn is_sound(bytes: &[u8]) -> bool {
    match Frame::decode(bytes) {
        Ok(Some(Frame::Syn(_) | Frame::SynAck(_) | Frame::Ack(_))) => true,
        Ok(_) => bytes.len() >= Control::MIN_LENGTH,
        Err(_) => false,
    }
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
