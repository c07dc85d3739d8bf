//! Faults of the decoder that fuzzing is measured by ([`shakedown_wire::planted`]).

use shakedown_wire::planted::{hangs, panics, wastes};

use super::{Frame, tlv::kind};

/// Each waits for something that a decoder might get wrong.
#[inline]
pub(super) fn after(frame: &Frame<'_>) {
    match frame {
        Frame::Syn(syn) => {
            panics("syn-reserved", || syn.reserved == u16::MAX);
            panics("max-datagram-zero", || syn.max_datagram() == Some(0));
            hangs("syn-flags", || syn.flags == 0x80);
            panics("tlv-empty", || {
                syn.tlvs.get(kind::MAX_DATAGRAM).is_none()
                    && syn.tlvs.iter().any(|tlv| tlv.value.is_empty())
            });
        }
        Frame::Ack(ack) => wastes("ack-tlvs", || ack.tlvs.iter().count() > 1),
        Frame::Start(start) => {
            panics("start-version", || start.version == u8::MAX);
            panics("start-flags", || start.flags == 1 << 15);
        }
        Frame::Error(error) => hangs("error-code", || error.error_code() == Some(u16::MAX)),
        Frame::Fragment(part) => {
            let end = part.fragment_offset.checked_add(part.payload.len() as u64);
            panics("fragment-end", || end.is_none());
            wastes("fragment-total", || part.total_length > 1 << 32);
        }
        Frame::Data(data) => panics("data-last", || data.header.sequence_number == u64::MAX),
        Frame::ConnectionId(id) => panics("id-trailing", || id.trailing.len() > 255),
        Frame::StartToken
        | Frame::JoinToken
        | Frame::SynAck(_)
        | Frame::StartAck(_)
        | Frame::StartConfirm(_) => {}
    }
}
