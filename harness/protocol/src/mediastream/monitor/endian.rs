//! MS-W-01: integers are little-endian.
//!
//! Broken where a field makes sense big-endian only:
//! - a ProtocolFlag that, with its bytes swapped, is that of a datagram which fits the session:
//!   `01 00` before the body of a SYN, `01 02` before that of an ACK with the assigned id, `10 00`
//!   before an id, `00 01` from a responder before the header of a fragment;
//!   `02 00` before the body of a START, `02 01` from a responder before that of a START_ACK;
//! - a FrameRate or StreamLength of at least 2^24 whose swapped value is small, a BitRate of at least
//!   2^40 whose swapped value is below that;
//! - a SequenceNumber of at least 2^40 whose swapped value is below 2^24;
//! - a QPF of at least 2^40 whose swapped value is between 1 and 2^36;
//! - FragmentOffset or TotalLength of at least 2^40 whose swapped values are below 2^32;
//! - the type and length of an extension that only swapped stay within the datagram.
//!
//! (QPC alone is judged by the clock, `qpc.rs`.) No network swaps bytes, so it is judged at any
//! vantage. What was meant is used from then on, so that one mistake is one finding.

use shakedown_wire::{Reader, Writer};

use super::handshake::Offered;
use super::view::{
    ControlView, Media, PROTOCOL_FLAG, QPF, SEQUENCE, TOTAL_LENGTH, View, field, is_plausible_id,
    view_as,
};
use crate::mediastream::frame::{Control, Fragment, Start3, flag, tlv};
use crate::monitor::{Datagram, Field};
use crate::requirement::Role;

/// Above this no field of a session is plausible.
const IMPLAUSIBLE: u64 = 1 << 40;

/// A datagram of `from` as it was meant, and the field that was written big-endian.
pub(super) fn meant<'a>(
    packet: &Datagram<'a>,
    seen: View<'a>,
    from: Role,
    assigned: &Offered,
) -> (View<'a>, Option<Field>) {
    match swapped_flag(packet, seen, from, assigned) {
        Some(view) => {
            let (view, _) = fields(packet, view);
            (view, Some(PROTOCOL_FLAG))
        }
        None => fields(packet, seen),
    }
}

/// The body of a big-endian SYN, in a datagram whose flag reads as that of a fragment: precise
/// enough to open a session with it.
pub(super) fn is_swapped_syn(packet: &Datagram<'_>) -> bool {
    if packet.payload.first_chunk() != Some(&flag::SYN.to_be_bytes()) {
        return false;
    }
    matches!(view_as(flag::SYN, packet), View::Control(view) if view.marks() == 4)
}

/// The same for a START of 3.3, whose flag reads as that of no form.
pub(super) fn is_swapped_start(packet: &Datagram<'_>) -> bool {
    if packet.payload.first_chunk() != Some(&flag::START.to_be_bytes()) {
        return false;
    }
    matches!(view_as(flag::START, packet), View::Control(view) if view.marks() == 4)
}

fn swapped_flag<'a>(
    packet: &Datagram<'a>,
    seen: View<'a>,
    from: Role,
    assigned: &Offered,
) -> Option<View<'a>> {
    let flag = u16::from_be_bytes(*packet.payload.first_chunk::<2>()?);
    match (flag, from) {
        (flag::SYN, Role::Initiator) if is_swapped_syn(packet) => Some(view_as(flag, packet)),
        (flag::ACK, Role::Initiator) => {
            let view = view_as(flag, packet);
            let View::Control(control) = view else {
                return None;
            };
            let id = control.connection_id()?;
            (control.marks() >= 3 && assigned.contains(&id)).then_some(view)
        }
        (flag::START, Role::Initiator) if is_swapped_start(packet) => Some(view_as(flag, packet)),
        (flag::START_ACK, Role::Responder) => {
            let view = view_as(flag, packet);
            matches!(view, View::Control(body) if body.marks() == 4).then_some(view)
        }
        (flag::CONNECTION_ID, Role::Responder) => match view_as(flag, packet) {
            View::Name(Some(field)) if is_plausible_id(field) && field[0] != 0 => {
                Some(View::Name(Some(field)))
            }
            _ => None,
        },
        (flag::FRAGMENT, Role::Responder) if matches!(seen, View::Control(view) if view.flag() == flag::SYN) =>
        {
            let view = view_as(flag, packet);
            let View::Media(media) = view else {
                return None;
            };
            let is_media = media.sequence? != 0 && media.clock?.1 != 0;
            (is_media && packet.length >= Fragment::MIN_LENGTH).then_some(view)
        }
        _ => None,
    }
}

fn fields<'a>(packet: &Datagram<'a>, seen: View<'a>) -> (View<'a>, Option<Field>) {
    match seen {
        View::Media(mut media) => {
            let field = media_fields(&mut media);
            (View::Media(media), field)
        }
        View::Control(mut control) => {
            let swapped = if control.is_start3() {
                let name = control.parameters.swap_back();
                name.map(|name| field(name, Start3::TLV_OFFSET, 0))
            } else {
                extensions(packet, &mut control)
            };
            (View::Control(control), swapped)
        }
        View::Start | View::Join | View::Name(_) | View::Other => (seen, None),
    }
}

fn media_fields(media: &mut Media<'_>) -> Option<Field> {
    let mut swapped = None;
    if let Some((offset, total)) = media.position
        && is_swapped(total, 1 << 32)
        && offset.swap_bytes() < 1 << 32
    {
        media.position = Some((offset.swap_bytes(), total.swap_bytes()));
        swapped = Some(TOTAL_LENGTH);
    }
    if let Some((qpc, qpf)) = media.clock
        && is_swapped(qpf, 1 << 36)
    {
        media.clock = Some((qpc, qpf.swap_bytes()));
        swapped = Some(QPF);
    }
    if let Some(sequence) = media.sequence
        && is_swapped(sequence, 1 << 24)
    {
        media.sequence = Some(sequence.swap_bytes());
        swapped = Some(SEQUENCE);
    }
    swapped
}

/// Whether a value is implausible as it stands and, swapped, is not zero and below `limit`.
#[inline]
const fn is_swapped(value: u64, limit: u64) -> bool {
    value >= IMPLAUSIBLE && value.swap_bytes() < limit
}

/// Extensions that run past the end as they stand, and swapped fit and are of known types.
fn extensions(packet: &Datagram<'_>, control: &mut ControlView<'_>) -> Option<Field> {
    if control.is_well_formed || control.is_cut {
        return None;
    }
    let bytes = packet.payload.get(Control::TLV_OFFSET..)?;
    let swapped = swap_extensions(bytes)?;
    let mut datagram = packet.payload[..Control::TLV_OFFSET].to_vec();
    Writer::new(&mut datagram).bytes(&swapped);
    let repaired = Datagram {
        payload: &datagram,
        ..*packet
    };
    let View::Control(view) = view_as(flag::SYN, &repaired) else {
        return None;
    };
    if !view.is_well_formed {
        return None;
    }
    control.is_well_formed = true;
    Some(field("TLV Type", Control::TLV_OFFSET, 2))
}

/// The extensions with their types and lengths turned round; `None` unless all are known types.
fn swap_extensions(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut swapped = Vec::with_capacity(bytes.len());
    while reader.remaining() > 0 {
        let kind = reader.u16_le("TLV Type").ok()?.swap_bytes();
        let length = reader.u16_le("TLV Length").ok()?.swap_bytes();
        let value = reader.bytes("TLV Value", usize::from(length)).ok()?;
        let known = matches!(
            kind,
            tlv::kind::MAX_DATAGRAM | tlv::kind::MAX_REASSEMBLY | tlv::kind::DIAGNOSTIC
        );
        if !known {
            return None;
        }
        tlv::Tlv { kind, value }.encode(&mut swapped);
    }
    (!swapped.is_empty()).then_some(swapped)
}
