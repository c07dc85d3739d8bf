use std::time::Duration;

use serde::{Deserialize, Serialize};
use shakedown_protocol::requirement::Role;

use super::file_form;

/// What the network does to datagrams. By default nothing: they arrive at once, in order, once.
///
/// On a command line it is a list with commas, in a scenario an object.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impairment {
    /// Whose datagrams are impaired; both sides' if not given. Exact faults have a side of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "file_form::role_schema")]
    pub from: Option<Role>,
    /// Share of the datagrams that are lost, from 0 to 1.
    #[serde(default, skip_serializing_if = "file_form::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub loss: f64,
    /// Share that arrives twice.
    #[serde(default, skip_serializing_if = "file_form::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub duplicate: f64,
    /// Share that is overtaken by the next datagram of its direction; at most every other one is.
    #[serde(default, skip_serializing_if = "file_form::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub reorder: f64,
    /// Share of which one bit is flipped under a checksum that is right.
    #[serde(default, skip_serializing_if = "file_form::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub corrupt: f64,
    /// Share that is damaged under a checksum that is then wrong: it never arrives.
    #[serde(default, skip_serializing_if = "file_form::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub checksum: f64,
    /// How long a datagram takes: anything between two times, evenly distributed. Order is kept.
    #[serde(default, skip_serializing_if = "file_form::is_default")]
    pub delay: Delay,
    /// Up to how much longer it may take, evenly distributed. Order is not kept.
    #[serde(
        default,
        with = "file_form::time",
        skip_serializing_if = "Duration::is_zero"
    )]
    #[schemars(schema_with = "file_form::time_schema")]
    pub jitter: Duration,
    /// Bytes of UDP payload a second that one direction carries; what comes faster waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub rate: Option<u64>,
    /// Times in which everything is lost: begin and end, counted from the first datagram.
    #[serde(
        default,
        with = "file_form::outages",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "file_form::outages_schema")]
    pub outage: Vec<(Duration, Duration)>,
    /// Exact faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<file_form::FaultForm>")]
    pub faults: Vec<Fault>,
    /// Random seed; that of the run if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// How long datagrams take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    pub least: Duration,
    pub most: Duration,
}

/// An exact fault: what happens to one datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "file_form::FaultForm", into = "file_form::FaultForm")]
pub struct Fault {
    pub frame: String,
    /// Which of its kind, from 1, as they are sent, over all sessions. A datagram that does not
    /// decode is of no kind.
    pub nth: u32,
    /// Who sends it, where both sides may; only that side's are counted then.
    pub from: Option<Role>,
    /// What happens to it.
    pub kind: FaultKind,
}

/// What happens to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    Drop,
    Duplicate,
    /// It arrives so much later.
    Delay(Duration),
    /// It arrives after this many later ones of its direction.
    Reorder(u32),
    /// One bit of it, counted from the first byte's lowest, is flipped. Past the end it is counted
    /// from the first byte again.
    Corrupt(u32),
}

impl FaultKind {
    /// The key under which files and command lines write it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Delay(_) => "delay",
            Self::Reorder(_) => "reorder",
            Self::Corrupt(_) => "corrupt",
        }
    }
}
