/// Why a connection was closed: the application's close codes of specification section 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseCode {
    /// 0: a normal end.
    Normal,
    /// 1: a stream did not say rightly which it is.
    IdentificationFailed,
    /// 2: a stream could not be accepted.
    AcceptFailed,
    /// 3: the streams were not set up in time.
    SetupTimeout,
    /// 4: a send, a receive or an answer took too long.
    OperationTimeout,
    /// 5: the other side broke a rule.
    ProtocolViolation,
    /// 6: there is a connection already.
    AlreadyConnected,
    /// 7: the client reset the connection from another one.
    ResetByClient,
}

impl CloseCode {
    /// All codes, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Normal,
        Self::IdentificationFailed,
        Self::AcceptFailed,
        Self::SetupTimeout,
        Self::OperationTimeout,
        Self::ProtocolViolation,
        Self::AlreadyConnected,
        Self::ResetByClient,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// The code with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The specification's words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::IdentificationFailed => "stream identification failed",
            Self::AcceptFailed => "stream accept failed",
            Self::SetupTimeout => "set-up timeout",
            Self::OperationTimeout => "operation timeout",
            Self::ProtocolViolation => "protocol violation",
            Self::AlreadyConnected => "already connected",
            Self::ResetByClient => "reset by client",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_the_number_of_the_specification() {
        let numbers: Vec<_> = CloseCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_number(code.number()), Some(code));
        }
        assert_eq!(CloseCode::from_number(8), None);
    }
}
