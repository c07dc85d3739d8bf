//! A datagram as the monitor reads it: leniently, so that a broken one still shows what it was
//! meant to be.

use shakedown_wire::{Form, Start};

use super::parameters::Parameters;
use crate::mediastream::frame::tlv::{Tlvs, kind};
use crate::mediastream::frame::{
    ConnectionId, Control, FORMS, Fragment, Frame, Header, JOIN_TOKEN, START_TOKEN, Start3, flag,
};
use crate::monitor::{Datagram, Field};

pub(super) const PROTOCOL_FLAG: Field = field("ProtocolFlag", 0, 2);
pub(super) const SEQUENCE: Field = field("SequenceNumber", 2, 8);
pub(super) const QPC: Field = field("QPC", 10, 8);
pub(super) const QPF: Field = field("QPF", 18, 8);
pub(super) const FRAGMENT_OFFSET: Field = field("FragmentOffset", 26, 8);
pub(super) const TOTAL_LENGTH: Field = field("TotalLength", 34, 8);

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
    Name(Option<&'a [u8; ConnectionId::LENGTH]>),
    Other,
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
    form: &'static Form,
    pub(super) bytes: &'a [u8],
    /// Those that stand in extensions of 3.3.
    pub(super) parameters: Parameters,
    /// Whether a receiver takes it: whole, its id terminated, its extensions sound.
    pub(super) is_well_formed: bool,
    /// Whether the capture lacks a part of it, and what is missing may be sound.
    pub(super) is_cut: bool,
}

impl<'a> ControlView<'a> {
    /// `packet` as a frame with this flag, if a handshake has one.
    fn new(flag: u16, packet: &Datagram<'a>) -> Option<Self> {
        let form = form(flag).filter(|form| form.version.is_some())?;
        let is_cut = packet.length > packet.payload.len();
        let mut view = Self {
            form,
            bytes: packet.payload,
            parameters: Parameters::default(),
            is_well_formed: !is_cut && is_sound(flag, packet.payload),
            is_cut,
        };
        view.is_cut &= packet.length >= view.min_length();
        if view.is_start3() {
            view.parameters = Parameters::new(&view.tlvs());
        }
        Some(view)
    }

    /// Its ProtocolFlag, as it was meant.
    pub(super) const fn flag(&self) -> u16 {
        self.form.flag()
    }

    pub(super) const fn name(&self) -> &'static str {
        self.form.name
    }

    /// Whether it is one of 3.3.
    pub(super) const fn is_start3(&self) -> bool {
        self.flag() >= flag::START
    }

    pub(super) const fn min_length(&self) -> usize {
        if self.is_start3() {
            Start3::MIN_LENGTH
        } else {
            Control::MIN_LENGTH
        }
    }

    /// Where the field of this name stands, if the form has it.
    pub(super) fn field(&self, name: &str) -> Option<Field> {
        let (known, offset) = self.form.places().find(|(field, _)| field.name == name)?;
        Some(field(known.name, offset, known.kind.width().unwrap_or(0)))
    }

    /// The number in the field of this name, if it is there.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let field = self.field(name).filter(|field| field.length > 0)?;
        let bytes = self
            .bytes
            .get(field.offset..field.offset + field.length)?
            .iter()
            .rev();
        Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The id, whether it is terminated or not.
    pub(super) fn connection_id(&self) -> Option<ConnectionId> {
        let offset = self.field("ConnectionId")?.offset;
        array_at(self.bytes, offset).map(|bytes| ConnectionId::from_bytes(*bytes))
    }

    pub(super) fn key(&self) -> Option<Key> {
        let (stream_id, nonce) = (self.number("StreamId")?, self.number("Nonce")?);
        Some(Key { stream_id, nonce })
    }

    pub(super) fn error_code(&self) -> Option<u16> {
        self.tlvs().u16(kind::ERROR_CODE)
    }

    /// Whether it speaks our version of the handshake.
    pub(super) fn is_ours(&self) -> bool {
        self.number("Version") == self.form.version.map(u64::from)
    }

    /// Whether it speaks our version and a receiver takes it.
    pub(super) fn is_valid(&self) -> bool {
        self.is_ours() && self.is_well_formed
    }

    /// The same, as far as the capture shows it.
    pub(super) fn may_be_valid(&self) -> bool {
        self.is_ours() && (self.is_well_formed || self.is_cut)
    }

    /// Whether who reads it little-endian, as everybody must, takes it for what it was meant to be.
    pub(super) fn is_read_as_meant(&self) -> bool {
        u16_at(self.bytes, 0) == Some(self.flag()) && is_sound(self.flag(), self.bytes)
    }

    pub(super) fn has(&self, bit: u16) -> bool {
        let flags = self.number("Flags");
        flags.is_some_and(|flags| flags & u64::from(bit) != 0)
    }

    /// Whether Accept is set.
    pub(super) fn accepts(&self) -> bool {
        self.has(Control::ACCEPT.into())
    }

    /// Whether SequenceNumber, QPC and QPF are there, and zero.
    pub(super) fn has_no_header(&self) -> bool {
        let header = self.bytes.get(2..Header::LENGTH);
        header.is_some_and(|header| header.iter().all(|byte| *byte == 0))
    }

    /// How many of four marks it bears: zeros in the header, our version, nothing in reserved places,
    /// a terminated and printable (or empty) id; in 3.3 a StreamId and extensions that make sense.
    pub(super) fn marks(&self) -> usize {
        let known = if self.is_start3() { 7 } else { 1 };
        let is_known = self.number("Flags").is_some_and(|flags| flags <= known);
        let body = match self.key() {
            Some(key) => key.stream_id != 0 && (self.is_well_formed || self.is_cut),
            None => self
                .connection_id()
                .is_some_and(|id| is_plausible_id(id.as_bytes())),
        };
        let reserved = is_known && self.number("Reserved") == Some(0);
        let marks = [self.has_no_header(), self.is_ours(), reserved, body];
        marks.into_iter().filter(|mark| *mark).count()
    }

    fn tlvs(&self) -> Tlvs<'a> {
        Tlvs::from_bytes(self.bytes.get(self.min_length()..).unwrap_or_default())
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
pub(super) fn view<'a>(packet: &Datagram<'a>) -> View<'a> {
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
pub(super) fn view_as<'a>(flag: u16, packet: &Datagram<'a>) -> View<'a> {
    match flag {
        flag::DATA => View::Media(media(packet, false)),
        flag::FRAGMENT => View::Media(media(packet, true)),
        flag::CONNECTION_ID => View::Name(array_at(packet.payload, 2)),
        _ => ControlView::new(flag, packet).map_or(View::Other, View::Control),
    }
}

#[inline]
fn media<'a>(packet: &Datagram<'a>, is_fragment: bool) -> Media<'a> {
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
fn is_sound(flag: u16, bytes: &[u8]) -> bool {
    if u16_at(bytes, 0) == Some(flag) {
        return matches!(Frame::decode(bytes), Ok(Some(_)));
    }
    let mut meant = bytes.to_vec();
    meant.splice(..bytes.len().min(2), flag.to_le_bytes());
    matches!(Frame::decode(&meant), Ok(Some(_)))
}

fn form(flag: u16) -> Option<&'static Form> {
    let mut forms = FORMS.iter().copied();
    forms.find(|form| form.start == Start::U16Le(flag))
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
