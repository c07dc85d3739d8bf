use shakedown_wire::{DefaultValue, Form, Start, fields};

use super::Header;

fields! {
    /// A part of a frame of media with its position (flag `0x0001`).
    ///
    /// ```text
    ///  0        2 .. 26    26               34            42
    ///  +--------+----------+----------------+-------------+---------
    ///  | 0x0001 |  header  | FragmentOffset | TotalLength | payload
    ///  +--------+----------+----------------+-------------+---------
    /// ```
    ///
    /// At least 43 bytes: the payload is never empty (MS-W-09). Whether the part fits into
    /// `total_length` is the reassembler's to judge (MS-R-01).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Fragment<'a> {
        /// Number and clock of the frame.
        pub header: Header,
        /// Where the payload begins within the frame, in bytes.
        pub fragment_offset: u64 = u64_le "FragmentOffset",
        /// Length of the whole frame's payload, in bytes.
        pub total_length: u64 = u64_le "TotalLength",
        /// The media, to the end of the datagram.
        pub payload: &'a [u8] = payload "payload",
    }
}

pub(super) const FRAGMENT: Form = Form {
    usual: &[
        Header::FIRST[0],
        Header::FIRST[1],
        ("total_length", DefaultValue::PayloadLength),
    ],
    ..Form::new("fragment", Start::U16Le(0x0001), Fragment::FIELDS)
};

impl Fragment<'_> {
    /// Length of what precedes the payload, in bytes.
    pub const HEADER_LENGTH: usize = 2 + Self::FIXED_LENGTH;
    /// Shortest datagram of this form, in bytes.
    pub const MIN_LENGTH: usize = Self::HEADER_LENGTH + 1;
}
