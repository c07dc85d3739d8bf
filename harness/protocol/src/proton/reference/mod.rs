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

pub use client::{Client, Errand, News, NotNow, Runner};
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
pub(super) fn new(settings: &ReferenceSettings) -> Result<Box<dyn StreamMachine>, String> {
    let profile: Profile = settings.mode.parse()?;
    if settings.extra.iter().any(|(name, _)| name == "without") {
        return Err("there are no faulty twins of proton".to_owned());
    }
    let number = |name: &str| {
        let written = settings.options.iter().find_map(|one| {
            let (known, number) = one.split_once('=')?;
            (known == name).then_some(number)
        });
        written
            .map(str::parse::<u32>)
            .transpose()
            .map_err(|_| format!("`{name}` needs a number"))
    };
    let is_on = |name: &str| settings.options.iter().any(|option| option == name);
    match settings.role {
        Role::Responder => Ok(Box::new(Server::new(ServerSettings {
            profile,
            resets: is_on("resets"),
            commit_delay: Duration::from_secs(number("commit_delay")?.unwrap_or(0).into()),
            ..ServerSettings::default()
        }))),
        Role::Initiator => Ok(Box::new(Runner::new(Errand {
            client: ClientSettings {
                profile,
                first_event: number("first_event")?.unwrap_or(1),
            },
            events: number("events")?.unwrap_or(0),
            commits: number("commits")?.unwrap_or(0),
            actions: number("actions")?.unwrap_or(0),
            stays: is_on("stay"),
            again: is_on("again"),
            resets: is_on("reset"),
        }))),
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
