use std::ops::Range;
use std::time::Duration;

use super::Code;
use super::at::{At, late};
use crate::MonitorSettings;
use crate::monitor::MissedMoment;
use crate::requirement::Role;

/// Time limit of an immediate close (PR-C-03).
const PROMPT: Duration = Duration::from_secs(1);

/// When a side knows of its peer's violation: what is in a captured packet may have been lost on its way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// When it has what the current packet carries.
    ByThisPacket,
    /// When it has these parts of what the peer sent, and what came before them.
    By(Range<u64>),
    /// When the caller reports it: the cause is on another connection.
    Elsewhere,
    Since(Duration),
}

/// A close that a requirement demands of one side.
#[derive(Debug, Clone)]
pub(super) struct ExpectedClose {
    /// The requirement that demands it.
    pub(super) requirement: &'static str,
    pub(super) party: Role,
    /// The packet with the cause.
    pub(super) packet: u64,
    /// Time of the cause, and the delay after which the close is due.
    since: Duration,
    within: Duration,
    /// When the side knows of the cause.
    known: Known,
    /// Permitted application codes; empty for any.
    codes: &'static [u64],
    /// Whether QUIC itself may refuse it.
    refusable: bool,
    why: String,
}

impl ExpectedClose {
    /// An immediate close with any code, caused by the current packet.
    pub(super) const fn new(requirement: &'static str, party: Role, at: At, why: String) -> Self {
        Self {
            requirement,
            party,
            packet: at.packet,
            since: at.time,
            within: Duration::ZERO,
            known: Known::ByThisPacket,
            codes: &[],
            refusable: false,
            why,
        }
    }

    /// The same, due after this time.
    pub(super) fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// The same, for a cause that the side knows by itself.
    pub(super) fn of_its_own(self) -> Self {
        let known = Known::Since(self.since);
        Self { known, ..self }
    }

    /// The same, known when the side has what its peer sent before the part with this number.
    pub(super) fn known_before(self, next: u64) -> Self {
        let known = Known::By(next..next);
        Self { known, ..self }
    }

    /// The same, for a cause on another connection.
    pub(super) fn of_another(self) -> Self {
        let known = Known::Elsewhere;
        Self { known, ..self }
    }

    /// The side knows now, if it did not before.
    pub(super) fn learn(&mut self, now: Duration) {
        if self.known == Known::Elsewhere {
            self.known = Known::Since(now);
        }
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

    /// The packet of this side was read, with which it has sent these parts for the first time.
    pub(super) fn sent(&mut self, by: Role, parts: &Range<u64>) {
        if self.known == Known::ByThisPacket && self.party != by {
            self.known = Known::By(parts.clone());
        }
    }

    /// The side has acknowledged packets of its peer; whether it has some parts, and what came before them,
    /// `is_delivered` tells.
    pub(super) fn acknowledged(
        &mut self,
        is_delivered: impl Fn(&Range<u64>) -> bool,
        now: Duration,
    ) {
        if let Known::By(parts) = &self.known
            && is_delivered(parts)
        {
            self.known = Known::Since(now);
        }
    }

    /// Whether the close is due, if not late.
    pub(super) fn is_begun(&self, now: Duration) -> bool {
        now > self.since + self.within
    }

    /// Whether the side knows what it owes the close for.
    pub(super) fn is_known(&self, now: Duration) -> bool {
        matches!(self.known, Known::Since(since) if since <= now)
    }

    /// Whether a packet of the side at `now` shows that it did not close, where packets and their
    /// acknowledgements take this long.
    pub(super) fn is_overdue(
        &self,
        now: Duration,
        round_trip: Duration,
        settings: &MonitorSettings,
    ) -> bool {
        self.overdue(now, round_trip, settings).is_some()
    }

    /// Since when the close could be late at `now`, and by how much it is.
    pub(super) fn overdue(
        &self,
        now: Duration,
        round_trip: Duration,
        settings: &MonitorSettings,
    ) -> Option<MissedMoment> {
        let Known::Since(known) = self.known else {
            return None;
        };
        let since = (self.since + self.within).max(known);
        let latest = self.since + late(self.within + PROMPT, settings);
        let latest = latest.max(known + late(PROMPT, settings)) + round_trip;
        (now > latest).then(|| MissedMoment {
            since,
            until: now,
            by: now - latest,
        })
    }

    /// Whether this close is the one that is owed.
    pub(super) fn is_met(&self, code: Code) -> bool {
        match code {
            Code::Application(code) => self.codes.is_empty() || self.codes.contains(&code),
            Code::Transport(_) => self.refusable,
            Code::StatelessReset => false,
        }
    }

    /// Whether any code fits.
    pub(super) const fn is_with_any(&self) -> bool {
        self.codes.is_empty()
    }

    /// What was wanted (human-readable).
    pub(super) fn wanted(&self) -> String {
        let codes: Vec<_> = self.codes.iter().map(u64::to_string).collect();
        let codes = match codes.is_empty() {
            true => String::new(),
            false => format!(" with code {}", codes.join(" or ")),
        };
        format!("the connection closed{codes} because {}", self.why)
    }
}
