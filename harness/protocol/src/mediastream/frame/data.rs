use shakedown_wire::{Form, Start, fields};

use super::Header;

fields! {
    /// A frame of media in one datagram, or one part of a plain split (flag `0x0000`).
    ///
    /// ```text
    ///  0        2                10               18               26
    ///  +--------+----------------+----------------+----------------+---------
    ///  | 0x0000 | SequenceNumber |      QPC       |      QPF       | payload
    ///  +--------+----------------+----------------+----------------+---------
    /// ```
    ///
    /// At least 27 bytes: the payload is never empty (MS-W-09).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Data<'a> {
        /// Number and clock of the frame.
        pub header: Header,
        /// The media, to the end of the datagram.
        pub payload: &'a [u8] = payload "payload",
    }
}

pub(super) const DATA: Form = Form {
    usual: &Header::FIRST,
    ..Form::new("data", Start::U16Le(0x0000), Data::FIELDS)
};

impl Data<'_> {
    /// Shortest datagram of this form, in bytes.
    pub const MIN_LENGTH: usize = 2 + Self::FIXED_LENGTH + 1;
}
