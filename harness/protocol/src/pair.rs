//! What happens between two implementations of a protocol, one in each role: what the
//! specification demands of them, and how the wire shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::requirement::Role;

/// What a protocol says of a pair of its endpoints.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    /// The options that change which peers an endpoint of this role and mode (or modes, with commas)
    /// gets along with, or how.
    pub options: fn(role: Role, mode: &str) -> Vec<&'static str>,
    /// What the specification demands of an initiator and a responder.
    pub demand: fn(initiator: &Offer<'_>, responder: &Offer<'_>) -> Demand,
    /// What a datagram of the `from` side tells of the pair; `initiator` is how the initiator was set
    /// up. `None` if it tells nothing.
    pub sign: fn(initiator: &Offer<'_>, from: Role, payload: &[u8]) -> Option<Sign>,
    /// How long the initiator's own handshake may take until it gives up or falls back, by the
    /// specification's default timers; without the time for which it waits for media.
    pub patience: fn(initiator: &Offer<'_>) -> Duration,
}

/// How one side of a pair is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Its mode; several with commas, as in `3way,start3`.
    pub mode: &'a str,
    /// The options that are on.
    pub options: &'a [String],
}

impl Offer<'_> {
    /// Whether an option is on, whatever its number.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        let name = |written: &String| written.split('=').next() == Some(option);
        self.options.iter().any(name)
    }
}

/// What the specification demands of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// How it ends where nothing is lost.
    pub end: Demanded,
    /// The requirements from which that follows.
    pub because: &'static [&'static str],
    /// The requirements by which a side may refuse all the same; none if it may not.
    pub may_refuse: &'static [&'static str],
}

/// How a pair has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demanded {
    /// The initiator's own handshake leads to a stream.
    Streams,
    /// Nobody answers that, and the initiator gets the stream in the older way.
    FallsBack,
    /// Nobody answers, and the initiator gives up with an error.
    TimesOut,
    /// The specification does not say.
    NotSaid,
}

impl Demanded {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::FallsBack => "falls back",
            Self::TimesOut => "times out",
            Self::NotSaid => "not said",
        }
    }
}

/// What one datagram tells of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// The initiator asks in its own way.
    Asks,
    /// The initiator asks in the older way, to which it falls back.
    FallsBack,
    /// A side refuses: how, for people.
    Refuses(String),
    /// The responder grants a stream of this rate and length, as far as it says so.
    Grants {
        /// Frames a second.
        frames_per_second: Option<u32>,
        /// Length of the stream in seconds.
        seconds: Option<u32>,
    },
    /// Media: the frame's number.
    Media(u64),
}
