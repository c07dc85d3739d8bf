//! The reference of both roles.

mod client;
mod counters;
mod deviation;
mod ending;
mod options;
mod server;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientEvent, NotReady, REFUSED, TIMED_OUT, Workload, WorkloadClient};
pub use deviation::Deviations;
pub(super) use deviation::TWINS;
pub(super) use options::OPTIONS;
pub use server::Server;
pub use settings::{ClientSettings, Profile, ServerSettings};

use deviation::Deviation;
use options::Given;

use super::CloseCode;
use crate::machine::{Failure, Outcome};
use crate::requirement::Role;
use crate::streams::StreamMachine;
use crate::{ReferenceSettings, Transport};

/// A new machine for these settings, and what it asks of QUIC; the mode is the profile.
///
/// # Errors
/// A human-readable error if the settings do not go together.
pub fn new(
    settings: &ReferenceSettings,
) -> Result<(Box<dyn StreamMachine + Send>, Transport), String> {
    let Given {
        server,
        workload,
        without,
    } = Given::new(settings)?;
    let machine: Box<dyn StreamMachine + Send> = match settings.role {
        Role::Responder => Box::new(Server::new(server).without(without)),
        Role::Initiator => Box::new(WorkloadClient::new(workload).without(without)),
    };
    Ok((machine, without.transport()))
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

    /// The code with which a connection is closed for this.
    const fn number(&self, without: Deviations) -> u64 {
        match self.code {
            CloseCode::ProtocolViolation
            | CloseCode::OperationTimeout
            | CloseCode::SetupTimeout
                if without.has(Deviation::OtherCode) =>
            {
                CloseCode::AcceptFailed.number()
            }
            code => code.number(),
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
