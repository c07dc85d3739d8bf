//! The reference of both roles.

mod client;
mod counters;
mod ending;
mod options;
mod sending;
mod server;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use client::{Client, Errand, News, NotNow, Runner};
pub(super) use options::OPTIONS;
pub use server::Server;
pub use settings::{ClientSettings, Profile, ServerSettings};

use options::Given;

use super::CloseCode;
use crate::ReferenceSettings;
use crate::machine::{Failure, Outcome};
use crate::requirement::Role;
use crate::streams::StreamMachine;

/// A new machine for these settings; the mode is the profile.
///
/// # Errors
/// A sentence for people if the settings do not go together.
pub fn new(settings: &ReferenceSettings) -> Result<Box<dyn StreamMachine + Send>, String> {
    if settings.extra.iter().any(|(name, _)| name == "without") {
        return Err("there are no faulty twins of proton".to_owned());
    }
    let Given { server, errand } = Given::new(settings)?;
    match settings.role {
        Role::Responder => Ok(Box::new(Server::new(server))),
        Role::Initiator => Ok(Box::new(Runner::new(errand))),
    }
}

/// Why a connection must be closed, and with which code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CloseReason {
    code: CloseCode,
    why: String,
}

impl CloseReason {
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
