//! What it means that the other side, or the transport, ended a connection.

use super::super::CloseCode;
use crate::machine::{Failure, Outcome};
use crate::streams::Closing;

/// The key under which it is counted.
pub(super) fn cause(why: Closing<'_>) -> &'static str {
    match why {
        Closing::Application { code, .. } => {
            CloseCode::from_number(code).map_or("an unknown code", CloseCode::name)
        }
        Closing::Transport { .. } => "transport error",
        Closing::TimedOut => "idle timeout", // PR-C-05
        Closing::Refused => "refused",
        Closing::Reset => "stateless reset",
        Closing::NotBegun(_) | Closing::Other(_) => "other",
    }
}

/// How the connection went: code 0 is a normal end, all else a failure that `message` explains.
pub(super) fn outcome(why: Closing<'_>, message: impl Into<String>) -> Outcome {
    match why {
        Closing::Application { code: 0, .. } => Outcome::Completed,
        Closing::Application { .. }
        | Closing::Transport { .. }
        | Closing::TimedOut
        | Closing::Refused
        | Closing::Reset
        | Closing::NotBegun(_)
        | Closing::Other(_) => Outcome::Failed(Failure {
            cause: cause(why),
            message: message.into(),
        }),
    }
}
