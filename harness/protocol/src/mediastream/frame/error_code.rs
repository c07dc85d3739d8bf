shakedown_wire::codes! {
    /// Why a stream is refused or ended, in the ErrorCode of an ERROR frame.
    pub enum ErrorCode: u16 {
        /// The frame breaks the rules of its form (MS-S-07).
        Malformed = 1 "malformed",
        /// The version is not spoken here (MS-S-07).
        UnsupportedVersion = 2 "unsupported version",
        /// The parameters cannot be taken (MS-S-07, MS-S-14).
        InvalidParameters = 3 "invalid parameters",
        /// There is no room for another stream (MS-S-07).
        ResourcesUnavailable = 4 "resources unavailable",
        /// A START_ACK for another stream (MS-S-05).
        StreamIdMismatch = 5 "StreamId mismatch",
        /// The stream is right, a nonce is not (MS-S-06).
        NonceMismatch = 6 "nonce mismatch",
        /// The state does not expect the frame (MS-S-17).
        UnexpectedFrame = 7 "unexpected frame",
        /// The answer did not come in time (MS-S-13).
        Timeout = 8 "timeout",
        /// The stream is there already, with another nonce (MS-S-11).
        DuplicateStreamId = 9 "duplicate StreamId",
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.number(), self.name())
    }
}
