use std::fmt;

use shakedown_wire::quic;

use crate::proton::CloseCode;
use crate::streams::APPLICATION_ERROR;

/// Why a side says that a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proton) enum Code {
    /// By the application, with its code.
    Application(u64),
    Transport(u64),
    /// A stateless reset: the side knows nothing of the connection any more.
    StatelessReset,
}

impl Code {
    /// Whether both are of the application, and not the same.
    #[must_use]
    pub(super) fn differs_from(self, other: Self) -> bool {
        let both = |code| matches!(code, Self::Application(_));
        both(self) && both(other) && self != other
    }

    /// Whether it hides the application's code.
    #[must_use]
    pub(super) const fn is_hidden(self) -> bool {
        matches!(self, Self::Transport(APPLICATION_ERROR))
    }
}

impl From<quic::CloseCode> for Code {
    fn from(code: quic::CloseCode) -> Self {
        match code {
            quic::CloseCode::Application { code } => Self::Application(code),
            quic::CloseCode::Transport { code, .. } => Self::Transport(code),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(code) => match CloseCode::from_number(*code) {
                Some(known) => write!(f, "code {code} ({})", known.name()),
                None => write!(f, "code {code}"),
            },
            Self::StatelessReset => f.write_str("a stateless reset"),
            Self::Transport(code) => write!(f, "QUIC's code {code:#x}"),
        }
    }
}
