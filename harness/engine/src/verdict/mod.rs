//! Verdicts and how they add up.
//!
//! [`compose`] brings together what is known of one played scenario, in the simulation and in a
//! real run: what the script saw, what the monitor saw in the capture, what became of the
//! implementation's process, and how far the capture can be trusted.

mod compose;
mod counters;
mod evidence;
mod finding;
mod impaired;
mod missed;
mod sum;

#[cfg(test)]
mod tests;

pub use compose::{Composed, compose};
pub use counters::{Counter, CounterValues, MEMORY_AT_MOST};
pub use evidence::{CaptureEvidence, Evidence, UnexpectedEnd};
pub use finding::{Place, weigh};
pub use impaired::{NetworkEffects, under_impairment};
pub use missed::unless_missed;

use serde::{Deserialize, Serialize};

/// The eight verdicts, from best to worst. The worst of several is their sum, and a verdict never
/// improves once it is worse.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Judged, and nothing was found.
    Pass,
    /// What was found is below the level that was asked for (`--level`).
    Advice,
    /// What was found is a known failure.
    Waived,
    /// Nothing judged it: it shows only in counters that were not read, only by an exit status
    /// that means nothing, the situation did not occur, or the script ended before by advice or a
    /// known failure.
    NotObserved,
    /// The implementation declares that it lacks the mode or the option.
    NotApplicable,
    /// The stimulus could not be applied, or the network interfered.
    Inconclusive,
    /// The harness itself failed.
    Error,
    /// A requirement is broken.
    Fail,
}

impl Verdict {
    /// All verdicts, from best to worst.
    pub const ALL: [Self; 8] = [
        Self::Pass,
        Self::Advice,
        Self::Waived,
        Self::NotObserved,
        Self::NotApplicable,
        Self::Inconclusive,
        Self::Error,
        Self::Fail,
    ];

    /// The verdict's name as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Advice => "advice",
            Self::Waived => "waived",
            Self::NotObserved => "not observed",
            Self::NotApplicable => "not applicable",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
            Self::Fail => "fail",
        }
    }

    /// Whether it was judged and nothing that counts was found.
    #[must_use]
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Pass | Self::Advice | Self::Waived)
    }

    /// The sum of two verdicts on one requirement: where one says nothing, the other.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let is_silent = |verdict| matches!(verdict, Self::NotApplicable | Self::NotObserved);
        match (is_silent(self), is_silent(other)) {
            (true, false) => other,
            (false, true) => self,
            (true, true) => self.min(other),
            (false, false) => self.max(other),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
