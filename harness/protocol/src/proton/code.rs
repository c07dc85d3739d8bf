shakedown_wire::codes! {
    /// Why a connection was closed: the application's close codes of specification section 1.
    pub enum CloseCode: u64 {
        Normal = 0 "normal",
        /// A stream did not say rightly which it is.
        IdentificationFailed = 1 "stream identification failed",
        /// A stream could not be accepted.
        AcceptFailed = 2 "stream accept failed",
        /// The streams were not set up in time.
        SetupTimeout = 3 "set-up timeout",
        /// A send, a receive or an answer took too long.
        OperationTimeout = 4 "operation timeout",
        /// The other side broke a rule.
        ProtocolViolation = 5 "protocol violation",
        /// There is a connection already.
        AlreadyConnected = 6 "already connected",
        /// The client reset the connection from another one.
        ResetByClient = 7 "reset by client",
    }
}

impl CloseCode {
    /// Whether a side closes with it because the other one was late (PR-S-05, PR-S-06, PR-T-01, PR-T-04, PR-T-05,
    /// PR-R-02).
    pub(super) const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::SetupTimeout | Self::OperationTimeout | Self::AlreadyConnected
        )
    }
}
