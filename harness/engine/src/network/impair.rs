use std::time::Duration;

use serde::{Deserialize, Serialize};
use shakedown_protocol::requirement::Role;

use super::words;

/// What the network does to datagrams. By default nothing: they arrive at once, in order, once.
///
/// On a command line it is a list with commas, in a scenario an object.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impair {
    /// Whose datagrams suffer; both sides' if not given. Exact faults have a side of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::role_schema")]
    pub from: Option<Role>,
    /// Share of the datagrams that are lost, from 0 to 1.
    #[serde(default, skip_serializing_if = "words::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub loss: f64,
    /// Share that arrives twice.
    #[serde(default, skip_serializing_if = "words::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub duplicate: f64,
    /// Share that is overtaken by the next datagram of its direction; at most every other one is.
    #[serde(default, skip_serializing_if = "words::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub reorder: f64,
    /// Share of which one bit is flipped under a checksum that is right.
    #[serde(default, skip_serializing_if = "words::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub corrupt: f64,
    /// Share that is damaged under a checksum that is then wrong: it never arrives.
    #[serde(default, skip_serializing_if = "words::is_zero")]
    #[schemars(range(min = 0, max = 1))]
    pub checksum: f64,
    /// How long a datagram takes: anything between two times, each with the same chance. Later ones do
    /// not overtake earlier ones by this.
    #[serde(default, skip_serializing_if = "words::is_default")]
    pub delay: Delay,
    /// Up to how much longer it may take, each time with the same chance. Later ones overtake
    /// earlier ones by this.
    #[serde(
        default,
        with = "words::time",
        skip_serializing_if = "Duration::is_zero"
    )]
    #[schemars(schema_with = "words::time_schema")]
    pub jitter: Duration,
    /// Bytes of UDP payload a second that one direction carries; what comes faster waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub rate: Option<u64>,
    /// Stretches of time in which everything is lost: begin and end, from the first datagram on.
    #[serde(default, with = "words::cuts", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "words::cuts_schema")]
    pub cut: Vec<(Duration, Duration)>,
    /// Exact faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<words::FaultInWords>")]
    pub faults: Vec<Fault>,
    /// Seed of everything random; that of the run if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// How long datagrams take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    /// The shortest time.
    pub least: Duration,
    /// The longest time.
    pub most: Duration,
}

/// Something that happens to one datagram: `the second SYN-ACK is lost`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "words::FaultInWords", into = "words::FaultInWords")]
pub struct Fault {
    /// The frame's name.
    pub frame: String,
    /// Which of its kind, from 1, as they are sent, over all sessions. A datagram that does not
    /// decode is of no kind.
    pub nth: u32,
    /// Who sends it, where both sides may; only that side's are counted then.
    pub from: Option<Role>,
    /// What happens to it.
    pub mishap: Mishap,
}

/// What happens to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It never arrives.
    Lost,
    /// It arrives twice.
    Twice,
    /// It arrives so much later.
    Late(Duration),
    /// It arrives after so many later ones of its direction.
    After(u32),
    /// One bit of it, counted from the first byte's lowest, is flipped. Past the end it is counted
    /// from the first byte again.
    Flipped(u32),
}

impl Mishap {
    /// The key under which files and command lines write it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Lost => "lose",
            Self::Twice => "twice",
            Self::Late(_) => "late",
            Self::After(_) => "after",
            Self::Flipped(_) => "flip",
        }
    }
}
