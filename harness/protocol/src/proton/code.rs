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
