use std::time::Duration;

use shakedown_protocol::streams::Closing;

use super::web::NO_SESSION_CODE;

/// Characters of a reason that are kept.
const MOST_OF_REASON: usize = 100;

/// When something happened, and the last packet of the capture then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Duration,
    pub(crate) packet: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    Application {
        code: u64,
        reason: String,
    },
    Transport {
        code: u64,
        reason: String,
    },
    TimedOut,
    Refused,
    Reset,
    Other(String),
    /// The scripted peer closed or refused it itself.
    ByScript,
}

/// How the implementation ended its sending on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    Fin,
    Reset(u64),
    /// By ending its session. What came on the stream in the same packet is not known.
    OfSession,
}

impl StreamEnd {
    /// The code of RESET_STREAM.
    pub(crate) const fn code(self) -> Option<u64> {
        match self {
            Self::Reset(code) => Some(code),
            Self::Fin | Self::OfSession => None,
        }
    }

    /// What the stream did: `ended (FIN)`.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Fin => "ended (FIN)".to_owned(),
            Self::Reset(code) => with_code("broken off (RESET_STREAM)", code),
            Self::OfSession => "ended with its session".to_owned(),
        }
    }
}

/// What was done with a code: `broken off (RESET_STREAM) with code 3`.
pub(crate) fn with_code(what: &str, code: u64) -> String {
    match code {
        NO_SESSION_CODE => format!("{what} with a code that is none of a session"),
        code => format!("{what} with code {code}"),
    }
}

impl From<Closing<'_>> for ConnectionEnd {
    fn from(closing: Closing<'_>) -> Self {
        let text = |reason: &[u8]| {
            let text = String::from_utf8_lossy(reason);
            text.chars().take(MOST_OF_REASON).collect::<String>()
        };
        match closing {
            Closing::Application { code, reason } => Self::Application {
                code,
                reason: text(reason),
            },
            Closing::Transport { code, reason } => Self::Transport {
                code,
                reason: text(reason),
            },
            Closing::TimedOut => Self::TimedOut,
            Closing::Refused => Self::Refused,
            Closing::Reset => Self::Reset,
            Closing::NotBegun(why) | Closing::Other(why) => Self::Other(text(why.as_bytes())),
        }
    }
}
