use std::time::Duration;

use super::Code;
use crate::requirement::Role;

/// A close that one side owes.
#[derive(Debug, Clone)]
pub(super) struct Due {
    /// The requirement that wants it.
    pub(super) requirement: &'static str,
    /// Who owes it.
    pub(super) party: Role,
    /// The packet that shows why.
    pub(super) packet: u64,
    /// After this moment a packet of that side shows that it did not close.
    pub(super) until: Duration,
    /// The application codes that fit; none means that every one does.
    pub(super) codes: &'static [u64],
    /// Whether QUIC itself may refuse what was done.
    pub(super) refusable: bool,
    /// What was done.
    pub(super) why: String,
}

impl Due {
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
