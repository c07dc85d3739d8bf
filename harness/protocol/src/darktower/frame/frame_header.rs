use shakedown_wire::{DecodeError, DefaultValue, Field, Form, Kind, Reader, Rule, Start, fields};

/// Most bytes of a frame's payload (DT-M-09).
pub const MAX_PAYLOAD: u32 = 1 << 20;

fields! {
    /// What stands before the payload of a frame of media.
    ///
    /// ```text
    ///  0         1           2          18          26               34              38      40         46
    ///  +---------+-----------+----------+-----------+----------------+---------------+-------+----------+---------
    ///  | Version | FrameType | StreamId | Timestamp | SequenceNumber | PayloadLength | Flags | Reserved | payload
    ///  +---------+-----------+----------+-----------+----------------+---------------+-------+----------+---------
    ///     u8         u8        UUID         u64            u64             u32          u16
    /// ```
    ///
    /// 46 bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FrameHeader<'a> {
        /// 1.
        pub version: u8 = u8 "Version" [version == 1, Value "must be 1"],
        /// 0 for audio, 1 for a key frame of video, 2 for a delta.
        pub frame_type: u8 = u8 "FrameType" [frame_type <= 2, Value "must be 0, 1 or 2"],
        /// That of the stream header.
        pub stream_id: &'a [u8; 16] = uuid "StreamId",
        /// Microseconds since the epoch.
        pub timestamp: u64 = u64_be "Timestamp",
        pub sequence_number: u64 = u64_be "SequenceNumber",
        /// Bytes of the payload.
        pub payload_length: u32 = u32_be "PayloadLength"
            [payload_length <= MAX_PAYLOAD, Length "is above 1 MiB"],
        /// Bit 0: the frame ends here; bit 1: it may be discarded.
        pub flags: u16 = u16_be "Flags",
        /// Nobody reads them.
        pub reserved: &'a [u8; 6] = bytes<6> "Reserved",
    }
}

pub(in crate::darktower) const FRAME: Form = Form {
    version: Some(1),
    usual: &[
        ("stream_id", DefaultValue::Needed("a UUID")),
        ("payload_length", DefaultValue::PayloadLength),
    ],
    bits: &[("end_of_frame", 1), ("discardable", 2)],
    ..Form::new(
        "FRAME",
        Start::Bytes(&[]),
        &[
            Field {
                name: "header",
                key: "header",
                kind: Kind::Group(FrameHeader::FIELDS),
            },
            Field {
                name: "payload",
                key: "payload",
                kind: Kind::Payload,
            },
        ],
    )
};

impl FrameHeader<'_> {
    /// Its length, in bytes.
    pub const LENGTH: usize = Self::FIXED_LENGTH;

    /// A frame that is all of these bytes (DT-M-14): its header and its payload.
    ///
    /// # Errors
    /// The header breaks a rule, or the payload is shorter or longer than it says.
    pub fn whole(bytes: &[u8]) -> Result<(FrameHeader<'_>, &[u8]), DecodeError> {
        let mut reader = Reader::new(bytes);
        let header = FrameHeader::decode(&mut reader, &FRAME)?;
        let payload = reader.bytes("payload", header.payload_length as usize)?;
        match reader.remaining() {
            0 => Ok((header, payload)),
            _ => {
                let reason = "bytes stand behind the payload";
                let offset = reader.offset();
                Err(DecodeError::invalid(
                    "payload",
                    offset,
                    Rule::Length,
                    reason,
                ))
            }
        }
    }
}
