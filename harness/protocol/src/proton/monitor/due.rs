use std::time::Duration;

use super::Code;
use super::connection::{At, late};
use crate::MonitorSettings;
use crate::requirement::Role;

/// How soon a close follows what it is for (PR-C-03).
const PROMPT: Duration = Duration::from_secs(1);

/// A close that one side owes.
#[derive(Debug, Clone)]
pub(super) struct Due {
    /// The requirement that wants it.
    pub(super) requirement: &'static str,
    /// Who owes it.
    pub(super) party: Role,
    /// The packet that shows why.
    pub(super) packet: u64,
    /// When what was done was seen, and how long after it the close may be due.
    since: Duration,
    within: Duration,
    /// The application codes that fit; none means that every one does.
    codes: &'static [u64],
    /// Whether QUIC itself may refuse what was done.
    refusable: bool,
    /// What was done.
    why: String,
}

impl Due {
    /// A close at once, with any code.
    pub(super) const fn new(requirement: &'static str, party: Role, at: At, why: String) -> Self {
        Self {
            requirement,
            party,
            packet: at.packet,
            since: at.time,
            within: Duration::ZERO,
            codes: &[],
            refusable: false,
            why,
        }
    }

    /// The same, due only when this long has passed.
    pub(super) fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// The same, with one of these codes.
    pub(super) fn with(self, codes: &'static [u64]) -> Self {
        Self { codes, ..self }
    }

    /// The same, or QUIC itself refuses what was done.
    pub(super) fn or_refused(self) -> Self {
        Self {
            refusable: true,
            ..self
        }
    }

    /// Whether a packet of the side at `now` shows that it did not close.
    pub(super) fn is_overdue(&self, now: Duration, settings: &MonitorSettings) -> bool {
        now > self.since + late(self.within + PROMPT, settings)
    }

    /// Whether this close is the one that is owed.
    pub(super) fn is_met(&self, code: Code) -> bool {
        match code {
            Code::Application(code) => self.codes.is_empty() || self.codes.contains(&code),
            Code::Transport(_) => self.refusable || code.is_hidden(),
        }
    }

    /// What was wanted, for people.
    pub(super) fn wanted(&self) -> String {
        let codes: Vec<_> = self.codes.iter().map(u64::to_string).collect();
        let codes = match codes.is_empty() {
            true => String::new(),
            false => format!(" with code {}", codes.join(" or ")),
        };
        format!("the connection closed{codes} because {}", self.why)
    }
}
