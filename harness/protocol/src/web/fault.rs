//! What the other side does wrong, and the code that it is ended with (RFC 9114, section 8.1).

use shakedown_wire::{DecodeError, Fault as Wrong, Rule};

use super::code::WebCode;

/// What the other side did that ends a connection or a stream.
#[derive(Debug)]
pub(super) enum Fault {
    Connection(WebCode, String),
    Stream(WebCode, &'static str),
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        let code = match error.fault {
            Wrong::Invalid {
                rule: Rule::Unexpected,
                ..
            } => WebCode::FrameUnexpected,
            Wrong::Invalid {
                rule: Rule::Length, ..
            } => WebCode::ExcessiveLoad,
            Wrong::Invalid { .. } | Wrong::Truncated { .. } => WebCode::FrameError,
        };
        Self::Connection(code, error.to_string())
    }
}

pub(super) fn unexpected(why: &str) -> Fault {
    Fault::Connection(WebCode::FrameUnexpected, why.to_owned())
}

pub(super) fn closed_critical() -> Fault {
    let why = "a stream ended that lasts as long as the connection";
    Fault::Connection(WebCode::ClosedCriticalStream, why.to_owned())
}

pub(super) const fn incomplete() -> Fault {
    Fault::Stream(WebCode::RequestIncomplete, "ends before its HEADERS")
}
