use super::tlv;
use crate::mediastream::frame::{ConnectionId, Control, Fragment, Header, Start3};
use crate::vocabulary::WordError;

/// A datagram form by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    StartToken,
    JoinToken,
    Data,
    Fragment,
    Syn,
    SynAck,
    Ack,
    Start,
    StartAck,
    StartConfirm,
    Error,
    ConnectionId,
}

/// Another way to write a bit of Flags.
pub(super) struct Bit {
    pub(super) name: &'static str,
    pub(super) mask: u16,
}

const ACCEPT: [Bit; 1] = [Bit {
    name: "accept",
    mask: Control::ACCEPT as u16,
}];

const START3_BITS: [Bit; 3] = [
    Bit {
        name: "ack_required",
        mask: Start3::ACK_REQUIRED,
    },
    Bit {
        name: "compat_mode",
        mask: Start3::COMPAT_MODE,
    },
    Bit {
        name: "begin_immediately",
        mask: Start3::BEGIN_IMMEDIATELY,
    },
];

impl Form {
    const ALL: [Self; 12] = [
        Self::StartToken,
        Self::JoinToken,
        Self::Data,
        Self::Fragment,
        Self::Syn,
        Self::SynAck,
        Self::Ack,
        Self::Start,
        Self::StartAck,
        Self::StartConfirm,
        Self::Error,
        Self::ConnectionId,
    ];

    /// The names in the order of [`Self::ALL`]; the same as those of
    /// [`Frame::name`](crate::mediastream::frame::Frame::name).
    pub(super) const NAMES: [&'static str; 12] = [
        "START token",
        "JOIN token",
        "data",
        "fragment",
        "SYN",
        "SYN-ACK",
        "ACK",
        "START",
        "START_ACK",
        "START_CONFIRM",
        "ERROR",
        "connection-id",
    ];

    pub(super) fn named(name: &str) -> Result<Self, WordError> {
        let index = Self::NAMES.iter().position(|known| *known == name);
        match index {
            Some(index) => Ok(Self::ALL[index]),
            None => Err(WordError::UnknownFrame {
                protocol: "mediastream",
                name: name.to_owned(),
                known: Self::NAMES.to_vec(),
            }),
        }
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The names of its fields, in the order they stand on the wire.
    pub(super) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::StartToken | Self::JoinToken => &[],
            Self::Data => &["sequence_number", "qpc", "qpf", "payload"],
            Self::Fragment => &[
                "sequence_number",
                "qpc",
                "qpf",
                "fragment_offset",
                "total_length",
                "payload",
            ],
            Self::Syn | Self::Ack => &[
                "sequence_number",
                "qpc",
                "qpf",
                "version",
                "flags",
                "reserved",
                "connection_id",
                "tlvs",
            ],
            Self::SynAck => &[
                "sequence_number",
                "qpc",
                "qpf",
                "version",
                "flags",
                "accept",
                "reserved",
                "connection_id",
                "tlvs",
            ],
            Self::Start | Self::StartAck | Self::StartConfirm => &[
                "sequence_number",
                "qpc",
                "qpf",
                "version",
                "reserved",
                "flags",
                "ack_required",
                "compat_mode",
                "begin_immediately",
                "stream_id",
                "nonce",
                "sender_nonce",
                "tlvs",
                "frame_rate",
                "bit_rate",
                "buffer_depth",
                "codec_hint",
                "stream_length",
                "max_datagram",
            ],
            Self::Error => &[
                "sequence_number",
                "qpc",
                "qpf",
                "version",
                "reserved",
                "flags",
                "ack_required",
                "compat_mode",
                "begin_immediately",
                "stream_id",
                "nonce",
                "sender_nonce",
                "tlvs",
                "error_code",
                "diagnostic",
            ],
            Self::ConnectionId => &["connection_id", "trailing"],
        }
    }

    /// The bits of Flags that have names of their own.
    pub(super) const fn bits(self) -> &'static [Bit] {
        match self {
            Self::SynAck => &ACCEPT,
            Self::Start | Self::StartAck | Self::StartConfirm | Self::Error => &START3_BITS,
            Self::StartToken
            | Self::JoinToken
            | Self::Data
            | Self::Fragment
            | Self::Syn
            | Self::Ack
            | Self::ConnectionId => &[],
        }
    }

    /// Whether it has the body of the handshake of 3.3.
    const fn is_start3(self) -> bool {
        matches!(
            self,
            Self::Start | Self::StartAck | Self::StartConfirm | Self::Error
        )
    }

    /// Where a field stands in this datagram: offset and length in bytes. `None` if the form has no
    /// such field or the datagram does not reach to it.
    pub(super) fn place(self, field: &str, datagram: &[u8]) -> Option<(usize, usize)> {
        if !self.fields().contains(&field) {
            return None;
        }
        let (offset, length) = match self.fixed_place(field) {
            Some(place) => place,
            None => {
                let block = datagram.get(Start3::TLV_OFFSET..)?;
                let (offset, length) = tlv::place(field, block)?;
                (Start3::TLV_OFFSET + offset, Some(length))
            }
        };
        let there = datagram.len().checked_sub(offset)?;
        Some((offset, length.map_or(there, |length| length.min(there))))
    }

    /// Offset and length; without a length it goes to the end of the datagram.
    fn fixed_place(self, field: &str) -> Option<(usize, Option<usize>)> {
        let start3 = self.is_start3();
        let place = match (self, field) {
            (_, "sequence_number") => (2, Some(8)),
            (_, "qpc") => (10, Some(8)),
            (_, "qpf") => (18, Some(8)),
            (Self::Fragment, "payload") => (Fragment::HEADER_LENGTH, None),
            (_, "payload") => (Header::LENGTH, None),
            (_, "fragment_offset") => (26, Some(8)),
            (_, "total_length") => (34, Some(8)),
            (_, "version") => (26, Some(1)),
            (_, "reserved") if start3 => (27, Some(1)),
            (_, "flags" | "ack_required" | "compat_mode" | "begin_immediately") if start3 => {
                (28, Some(2))
            }
            (_, "stream_id") => (30, Some(8)),
            (_, "nonce") => (38, Some(8)),
            (_, "sender_nonce") => (46, Some(8)),
            (_, "tlvs") if start3 => (Start3::TLV_OFFSET, None),
            (_, "flags" | "accept") => (27, Some(1)),
            (_, "reserved") => (28, Some(2)),
            (Self::ConnectionId, "connection_id") => (2, Some(ConnectionId::LENGTH)),
            (_, "connection_id") => (30, Some(ConnectionId::LENGTH)),
            (_, "tlvs") => (Control::TLV_OFFSET, None),
            (_, "trailing") => (2 + ConnectionId::LENGTH, None),
            (_, _) => return None,
        };
        Some(place)
    }
}
