//! The reference of both roles.

mod client;
mod counters;
mod ending;
mod sending;
mod server;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use client::{Client, News, NotNow};
pub use server::Server;
pub use settings::{ClientSettings, Profile, ServerSettings};

use super::CloseCode;
use crate::machine::{Failure, Outcome};

/// Why a connection must be closed, and with which code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Breach {
    code: CloseCode,
    why: String,
}

impl Breach {
    fn new(code: CloseCode, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }

    /// How a connection went that was closed for this.
    fn outcome(&self) -> Outcome {
        match self.code {
            CloseCode::Normal => Outcome::Completed,
            code => Outcome::Failed(Failure {
                cause: code.name(),
                message: self.why.clone(),
            }),
        }
    }

    /// A rule was broken (code 5).
    fn violation(why: impl Into<String>) -> Self {
        Self::new(CloseCode::ProtocolViolation, why)
    }
}
