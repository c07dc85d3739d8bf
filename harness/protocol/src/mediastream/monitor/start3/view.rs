//! A frame of the handshake of 3.3 as the monitor reads it.

use super::parameters::Parameters;
use crate::mediastream::frame::tlv::{Tlvs, kind};
use crate::mediastream::frame::{Frame, Start3};
use crate::mediastream::monitor::view::{array_at, u16_at, u64_at};
use crate::monitor::Packet;

/// Which frame of 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mediastream::monitor) enum Kind {
    Start,
    Ack,
    Confirm,
    Error,
}

impl Kind {
    /// The form's name.
    pub(in crate::mediastream::monitor) const fn name(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Ack => "START_ACK",
            Self::Confirm => "START_CONFIRM",
            Self::Error => "ERROR",
        }
    }
}

/// The session of a frame: StreamId and Nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mediastream::monitor) struct Key {
    pub(in crate::mediastream::monitor) stream_id: u64,
    pub(in crate::mediastream::monitor) nonce: u64,
}

/// A frame of 3.3 with as much of it as is there.
#[derive(Debug, Clone, Copy)]
pub(in crate::mediastream::monitor) struct View<'a> {
    /// SequenceNumber, QPC and QPF.
    pub(in crate::mediastream::monitor) header: Option<[u64; 3]>,
    /// Version.
    pub(in crate::mediastream::monitor) version: Option<u8>,
    /// Reserved and Flags.
    pub(in crate::mediastream::monitor) flags: Option<(u8, u16)>,
    /// StreamId and Nonce.
    pub(in crate::mediastream::monitor) key: Option<Key>,
    /// SenderNonce.
    pub(in crate::mediastream::monitor) sender_nonce: Option<u64>,
    /// The parameters that stand in its extensions.
    pub(in crate::mediastream::monitor) parameters: Parameters,
    /// ErrorCode.
    pub(in crate::mediastream::monitor) error_code: Option<u16>,
    /// The datagram.
    pub(in crate::mediastream::monitor) bytes: &'a [u8],
    /// Whether a receiver takes it: whole, its extensions sound.
    pub(in crate::mediastream::monitor) is_well_formed: bool,
    /// Whether the capture lacks a part of it, and what is missing may be sound.
    pub(in crate::mediastream::monitor) is_cut: bool,
}

impl<'a> View<'a> {
    pub(in crate::mediastream::monitor) fn new(packet: &Packet<'a>) -> Self {
        let bytes = packet.payload;
        let header = match (u64_at(bytes, 2), u64_at(bytes, 10), u64_at(bytes, 18)) {
            (Some(sequence), Some(qpc), Some(qpf)) => Some([sequence, qpc, qpf]),
            _ => None,
        };
        let key = u64_at(bytes, 30).zip(u64_at(bytes, 38));
        let tlvs = Tlvs::from_bytes(bytes.get(Start3::TLV_OFFSET..).unwrap_or_default());
        let is_cut = packet.length > bytes.len();
        Self {
            header,
            version: bytes.get(26).copied(),
            flags: bytes.get(27).copied().zip(u16_at(bytes, 28)),
            key: key.map(|(stream_id, nonce)| Key { stream_id, nonce }),
            sender_nonce: array_at(bytes, 46).map(|bytes| u64::from_le_bytes(*bytes)),
            parameters: Parameters::new(&tlvs),
            error_code: tlvs.u16(kind::ERROR_CODE),
            bytes,
            is_well_formed: !is_cut && is_sound(bytes),
            is_cut: is_cut && packet.length >= Start3::MIN_LENGTH,
        }
    }

    /// Whether it speaks our version and a receiver takes it, as far as the capture shows it.
    pub(in crate::mediastream::monitor) fn is_valid(&self) -> bool {
        (self.is_well_formed || self.is_cut) && self.version == Some(Start3::VERSION)
    }

    /// Whether the flag is set.
    pub(in crate::mediastream::monitor) fn has(&self, flag: u16) -> bool {
        self.flags.is_some_and(|(_, flags)| flags & flag != 0)
    }

    /// How many of four marks it bears: zeros in the header, our version, nothing in reserved
    /// places, a StreamId and extensions that make sense.
    pub(in crate::mediastream::monitor) fn marks(&self) -> usize {
        let zeros = self.header == Some([0; 3]);
        let version = self.version == Some(Start3::VERSION);
        let reserved = self
            .flags
            .is_some_and(|(reserved, flags)| reserved == 0 && flags <= 7);
        let body =
            self.key.is_some_and(|key| key.stream_id != 0) && (self.is_well_formed || self.is_cut);
        usize::from(zeros) + usize::from(version) + usize::from(reserved) + usize::from(body)
    }
}

/// Whether the body after the flag is one that a receiver takes, whichever way round the flag was
/// written.
fn is_sound(bytes: &[u8]) -> bool {
    let takes = |bytes: &[u8]| {
        matches!(
            Frame::decode(bytes),
            Ok(Some(
                Frame::Start(_) | Frame::StartAck(_) | Frame::StartConfirm(_) | Frame::Error(_)
            ))
        )
    };
    if takes(bytes) {
        return true;
    }
    let mut swapped = bytes.to_vec();
    if swapped.len() >= Start3::MIN_LENGTH {
        swapped.swap(0, 1);
    }
    takes(&swapped)
}
