use shakedown_wire::{DefaultValue, fields};

fields! {
    /// The 26-byte header that data and control frames share.
    ///
    /// ```text
    ///  0        2                10               18               26
    ///  +--------+----------------+----------------+----------------+
    ///  |  flag  | SequenceNumber |      QPC       |      QPF       |
    ///  +--------+----------------+----------------+----------------+
    /// ```
    ///
    /// In control frames the three fields SHOULD be zero (MS-W-10) and MUST be ignored (MS-W-11).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Header {
        /// Number of the frame of media, from 1 (MS-D-01).
        pub sequence_number: u64 = u64_le "SequenceNumber",
        /// The sender's clock when it made the frame, in ticks.
        pub qpc: u64 = u64_le "QPC",
        /// The clock's ticks per second; never 0 in data (MS-D-04).
        pub qpf: u64 = u64_le "QPF",
    }
}

impl Header {
    /// Length of the flag and the three fields, in bytes.
    pub const LENGTH: usize = 2 + Self::FIXED_LENGTH;

    /// All zero, as in a control frame.
    pub(super) const ZERO: Self = Self {
        sequence_number: 0,
        qpc: 0,
        qpf: 0,
    };

    /// Of media, where nothing else is given: the first frame, by a clock of 10 MHz.
    pub(super) const FIRST: [(&'static str, DefaultValue); 2] = [
        ("sequence_number", DefaultValue::Number(1)),
        ("qpf", DefaultValue::Number(10_000_000)),
    ];
}
