/// Why a stream is refused or ended, in the ErrorCode of an ERROR frame (u16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum ErrorCode {
    /// The frame breaks the rules of its form (MS-S-07).
    Malformed = 1,
    /// The version is not spoken here (MS-S-07).
    UnsupportedVersion = 2,
    /// The parameters cannot be taken (MS-S-07, MS-S-14).
    InvalidParameters = 3,
    /// There is no room for another stream (MS-S-07).
    ResourcesUnavailable = 4,
    /// A START_ACK for another stream (MS-S-05).
    StreamIdMismatch = 5,
    /// The stream is right, a nonce is not (MS-S-06).
    NonceMismatch = 6,
    /// The state does not expect the frame (MS-S-17).
    UnexpectedFrame = 7,
    /// The answer did not come in time (MS-S-13).
    Timeout = 8,
    /// The stream is there already, with another nonce (MS-S-11).
    DuplicateStreamId = 9,
}

impl ErrorCode {
    /// All codes, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::UnsupportedVersion,
        Self::InvalidParameters,
        Self::ResourcesUnavailable,
        Self::StreamIdMismatch,
        Self::NonceMismatch,
        Self::UnexpectedFrame,
        Self::Timeout,
        Self::DuplicateStreamId,
    ];

    /// The code with this number, if the specification names one.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Its meaning, in the specification's words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedVersion => "unsupported version",
            Self::InvalidParameters => "invalid parameters",
            Self::ResourcesUnavailable => "resources unavailable",
            Self::StreamIdMismatch => "StreamId mismatch",
            Self::NonceMismatch => "nonce mismatch",
            Self::UnexpectedFrame => "unexpected frame",
            Self::Timeout => "timeout",
            Self::DuplicateStreamId => "duplicate StreamId",
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.number(), self.meaning())
    }
}
