use crate::mediastream::frame::{ConnectionId, Control, Fragment, Header};
use crate::vocabulary::WordError;

/// A datagram form by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    StartToken,
    Data,
    Fragment,
    Syn,
    SynAck,
    Ack,
    ConnectionId,
}

impl Form {
    const ALL: [Self; 7] = [
        Self::StartToken,
        Self::Data,
        Self::Fragment,
        Self::Syn,
        Self::SynAck,
        Self::Ack,
        Self::ConnectionId,
    ];

    /// The names in the order of [`Self::ALL`]; the same as those of
    /// [`Frame::name`](crate::mediastream::frame::Frame::name).
    pub(super) const NAMES: [&'static str; 7] = [
        "START",
        "data",
        "fragment",
        "SYN",
        "SYN-ACK",
        "ACK",
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
            Self::StartToken => &[],
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
            Self::ConnectionId => &["connection_id", "trailing"],
        }
    }

    /// Where a field of this form stands: offset and length in bytes; without a length it goes to
    /// the end of the datagram. `None` if the form has no such field.
    pub(super) fn place(self, field: &str) -> Option<(usize, Option<usize>)> {
        if !self.fields().contains(&field) {
            return None;
        }
        let place = match (self, field) {
            (_, "sequence_number") => (2, Some(8)),
            (_, "qpc") => (10, Some(8)),
            (_, "qpf") => (18, Some(8)),
            (Self::Fragment, "payload") => (Fragment::HEADER_LENGTH, None),
            (_, "payload") => (Header::LENGTH, None),
            (_, "fragment_offset") => (26, Some(8)),
            (_, "total_length") => (34, Some(8)),
            (_, "version") => (26, Some(1)),
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
