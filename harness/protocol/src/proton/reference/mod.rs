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

use std::time::Duration;

use super::CloseCode;
use crate::ReferenceSettings;
use crate::machine::{Failure, Outcome};
use crate::requirement::Role;
use crate::streams::StreamMachine;

/// A new machine for these settings; the mode is the profile.
///
/// # Errors
/// A sentence for people if the settings do not go together.
pub(super) fn new(settings: &ReferenceSettings) -> Result<Box<dyn StreamMachine + Send>, String> {
    let profile: Profile = settings.mode.parse()?;
    let number = |name: &str| {
        let written = settings.options.iter().find_map(|one| {
            let (known, number) = one.split_once('=')?;
            (known == name).then_some(number)
        });
        written
            .map(str::parse)
            .transpose()
            .map_err(|_| format!("`{name}` needs a number"))
    };
    match settings.role {
        Role::Responder => Ok(Box::new(Server::new(ServerSettings {
            profile,
            resets: settings.options.iter().any(|option| option == "resets"),
            commit_delay: Duration::from_secs(number("commit_delay")?.unwrap_or_default()),
            ..ServerSettings::default()
        }))),
        Role::Initiator => Err("the client does not act on its own".to_owned()),
    }
}

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
