use shakedown_wire::{DefaultValue, Form, Start, fields};

fields! {
    /// The beginning of a media stream.
    ///
    /// ```text
    ///  0      4         5            6           22       26         32
    ///  +------+---------+------------+-----------+--------+----------+
    ///  | DART | Version | StreamType | StreamId  | Codec  | Reserved |
    ///  +------+---------+------------+-----------+--------+----------+
    ///            u8          u8        UUID        FourCC
    /// ```
    ///
    /// 32 bytes. Reserved bytes are read as ignored (DT-M-05).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct StreamHeader<'a> {
        /// 1.
        pub version: u8 = u8 "Version" [version == 1, Value "must be 1"],
        /// 0 for audio, 1 for video.
        pub stream_type: u8 = u8 "StreamType" [stream_type <= 1, Value "must be 0 or 1"],
        /// Names the stream, in each of its frames too.
        pub stream_id: &'a [u8; 16] = uuid "StreamId",
        /// FourCC.
        pub codec: &'a [u8; 4] = bytes<4> "Codec",
        /// Nobody reads them.
        pub reserved: &'a [u8; 6] = bytes<6> "Reserved",
    }
}

pub(in crate::darktower) const STREAM_HEADER: Form = Form {
    version: Some(1),
    usual: &[
        (
            "stream_type",
            DefaultValue::Needed("0 for audio, 1 for video"),
        ),
        ("stream_id", DefaultValue::Needed("a UUID")),
    ],
    ..Form::new("STREAM-HEADER", Start::Bytes(b"DART"), StreamHeader::FIELDS)
};

impl StreamHeader<'_> {
    /// Its length, in bytes.
    pub const LENGTH: usize = STREAM_HEADER.start.length() + Self::FIXED_LENGTH;
}
