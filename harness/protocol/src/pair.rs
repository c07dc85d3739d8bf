//! Interoperability of two implementations, one in each role: what the specification demands of them, and how their
//! traffic shows the outcome.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shakedown_wire::quic::Event;

use crate::requirement::Role;

/// Interoperability of a protocol's endpoints.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    /// The options that change which peers an endpoint of this role and mode (or modes, with commas)
    /// gets along with, or how.
    pub options: fn(role: Role, mode: &str) -> Vec<&'static str>,
    /// Options, with their numbers, that set the workload of an endpoint of this role: those that
    /// it claims are on in every pair.
    pub work: fn(role: Role) -> &'static [&'static str],
    /// The options of an initiator that is served already when one that is set up so asks; `None` if
    /// it asks as the only one.
    pub earlier: fn(initiator: &Offer<'_>) -> Option<&'static [&'static str]>,
    /// What the specification demands of an initiator and a responder.
    pub demand: fn(initiator: &Offer<'_>, responder: &Offer<'_>) -> Demand,
    /// Finds the events of a pair in its traffic.
    pub observer: TrafficObserver,
    /// What the initiator requests, in the plural: `frames`.
    pub unit: &'static str,
    /// How long the initiator's own handshake may take until it gives up or falls back, by the
    /// specification's default timers; without the time for which it waits for media.
    pub handshake_timeout: fn(initiator: &Offer<'_>) -> Duration,
    /// Whether its responses may take longer than the observation.
    pub may_wait: bool,
}

impl Pairs {
    /// The event that a datagram shows, if any, for protocols over datagrams.
    #[must_use]
    pub fn event(&self, initiator: &Offer<'_>, from: Role, payload: &[u8]) -> Option<TrafficEvent> {
        match self.observer {
            TrafficObserver::Datagrams(event) => event(initiator, from, payload),
            TrafficObserver::Streams(_) => None,
        }
    }
}

/// Finds the events of a pair in its traffic; `initiator` is how the initiator was set up.
#[derive(Debug, Clone, Copy)]
pub enum TrafficObserver {
    /// The event that a datagram of the `from` side shows, if any.
    Datagrams(fn(initiator: &Offer<'_>, from: Role, payload: &[u8]) -> Option<TrafficEvent>),
    /// The events in the decrypted connections of a capture.
    Streams(fn(initiator: &Offer<'_>) -> Box<dyn StreamObserver>),
}

/// Finds the events of a pair in its connections.
pub trait StreamObserver {
    /// Number of units that the initiator requests.
    fn wanted(&self) -> u64;

    /// Whether a connection of the capture is one of the observed initiator.
    fn follows(&self, connection: u64) -> bool;

    /// Processes the next event of the capture; `emit` gets the events of the pair.
    fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(TrafficEvent));
}

/// How one side of a pair is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Its mode; several with commas, as in `3way,start3`.
    pub mode: &'a str,
    pub options: &'a [String],
    /// Whether another initiator is served already when it asks.
    pub is_second: bool,
}

impl Offer<'_> {
    /// Whether an option is on, whatever its number.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        let name = |written: &String| written.split('=').next() == Some(option);
        self.options.iter().any(name)
    }

    /// The number of an option; 0 if it is not on.
    #[must_use]
    pub fn number(&self, option: &str) -> u64 {
        let number = |written: &String| {
            written
                .strip_prefix(option)?
                .strip_prefix('=')?
                .parse()
                .ok()
        };
        self.options.iter().find_map(number).unwrap_or(0)
    }
}

/// What the specification demands of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// How it ends where nothing is lost.
    pub end: DemandedEnd,
    /// The requirements from which that follows.
    pub because: &'static [&'static str],
    /// The requirements by which a side may refuse all the same; none if it may not.
    pub may_refuse: &'static [&'static str],
}

/// How a pair has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemandedEnd {
    /// The initiator's own handshake leads to a stream.
    Streams,
    /// That gets no response, and the initiator gets the stream by its fallback.
    FallsBack,
    /// There is no response, and the initiator gives up with an error.
    TimesOut,
    /// The responder ends it with an error.
    Refuses,
    /// The initiator waits for something that the responder need not send, and neither side closes.
    Waits,
    /// The specification does not say.
    NotSaid,
}

impl DemandedEnd {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::FallsBack => "falls back",
            Self::TimesOut => "times out",
            Self::Refuses => "refuses",
            Self::Waits => "waits",
            Self::NotSaid => "not said",
        }
    }
}

/// An event of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficEvent {
    /// The initiator requests a stream in its own mode.
    Requests,
    /// The initiator requests a stream in the older mode, to which it falls back.
    FallsBack,
    /// A side refuses: how (human-readable).
    Refuses(String),
    /// The responder ends the stream with an error: how (human-readable).
    Aborts(String),
    /// The responder grants a stream of this rate and length, as far as it says so.
    Grants {
        /// Frames a second.
        frames_per_second: Option<u32>,
        /// Length of the stream in seconds.
        seconds: Option<u32>,
    },
    /// A unit that the initiator requested, a frame of media for example: its number.
    Received(u64),
}
