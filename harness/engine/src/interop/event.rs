//! Events about pairs of implementations. The names are part of the contract of
//! [`crate::event`].

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shakedown_protocol::pair::DemandedEnd;

use crate::event::ProcessEvent;

/// Implementations are set against each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InteropStarted {
    /// Version of this contract.
    pub version: u32,
    /// The protocol's id.
    pub protocol: String,
    /// Random seed.
    pub seed: u64,
    /// What the network between them does, as it was asked for; nothing if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impair: Option<String>,
    /// The responders, each in every setup, in the order of tables.
    pub responders: Vec<SideEvent>,
    /// The initiators, the same.
    pub initiators: Vec<SideEvent>,
    /// Pairs that are to be judged.
    pub pairs: usize,
}

/// One side of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SideEvent {
    /// The implementation's name.
    pub name: String,
    /// Its mode.
    pub mode: String,
    /// The options that are on.
    pub options: Vec<String>,
}

impl SideEvent {
    /// How it is set up, as tables say it: `3way+start3, allow_legacy_start`.
    #[must_use]
    pub fn setup(&self) -> String {
        let mode = self.mode.replace(',', "+");
        let words = std::iter::once(mode).chain(self.options.iter().cloned());
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Something that either side may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Sides<T> {
    /// The initiator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<T>,
    /// The responder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<T>,
}

impl<T> Default for Sides<T> {
    fn default() -> Self {
        Self {
            initiator: None,
            responder: None,
        }
    }
}

/// Paths of captures, each at the edge of one side: what it sent as it left, and what reached it.
pub type Captures = Sides<String>;

/// How a pair ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PairOutcome {
    /// The initiator got all that it came for, by its own handshake.
    Streams,
    /// It got the whole stream after it fell back to the older way.
    FallsBack,
    /// A side refused, and there was no stream.
    Refuses,
    /// Nothing came, and the initiator gave up.
    TimesOut,
    /// A stream began and did not come to its end.
    BreaksOff,
    /// Nothing came, and the initiator did not give up in all the time that it was given.
    Hangs,
    /// Not everything came in the time that was watched, and the initiator may wait longer.
    Waits,
    /// The traffic cannot be decrypted.
    NotObserved,
    /// A process died, or ended before the stream did.
    Dies,
    /// An implementation could not be started, did not become ready, or never sent anything.
    NotStarted,
    /// It was cut off before it ended.
    CutOff,
}

impl PairOutcome {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::FallsBack => "falls back",
            Self::Refuses => "refuses",
            Self::TimesOut => "times out",
            Self::BreaksOff => "breaks off",
            Self::Hangs => "hangs",
            Self::Waits => "waits",
            Self::NotObserved => "not observed",
            Self::Dies => "dies",
            Self::NotStarted => "not started",
            Self::CutOff => "cut off",
        }
    }

    /// The outcome that the specification demands, if it says.
    #[must_use]
    pub const fn demanded(demanded: DemandedEnd) -> Option<Self> {
        match demanded {
            DemandedEnd::Streams => Some(Self::Streams),
            DemandedEnd::FallsBack => Some(Self::FallsBack),
            DemandedEnd::TimesOut => Some(Self::TimesOut),
            DemandedEnd::Refuses => Some(Self::Refuses),
            DemandedEnd::Waits => Some(Self::Waits),
            DemandedEnd::NotSaid => None,
        }
    }
}

/// Whether a pair ended as the specification demands, from the best to the worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It did, and nothing was found about either side.
    AsDemanded,
    /// The specification leaves it open.
    LeftOpen,
    /// It did not, and the losses that were asked for explain it.
    Excused,
    /// It could not be observed fairly.
    Inconclusive,
    /// The harness failed, or an implementation cannot be started as its description says.
    Error,
    /// A side broke a requirement; how it ended is no reason to complain.
    Breaks,
    /// It did not.
    NotAsDemanded,
}

impl Standing {
    /// All of them, from the best to the worst.
    pub const ALL: [Self; 7] = [
        Self::AsDemanded,
        Self::LeftOpen,
        Self::Excused,
        Self::Inconclusive,
        Self::Error,
        Self::Breaks,
        Self::NotAsDemanded,
    ];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsDemanded => "as demanded",
            Self::LeftOpen => "left open",
            Self::Excused => "excused by loss",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
            Self::Breaks => "breaks a requirement",
            Self::NotAsDemanded => "not as demanded",
        }
    }

    /// Whether it is no reason to complain.
    #[must_use]
    pub const fn is_fine(self) -> bool {
        match self {
            Self::AsDemanded | Self::LeftOpen | Self::Excused => true,
            Self::Inconclusive | Self::Error | Self::Breaks | Self::NotAsDemanded => false,
        }
    }
}

/// A pair judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairEvent {
    /// Its id: `server/3way.allow_legacy_start/player/legacy`.
    pub pair: String,
    /// The responder.
    pub responder: SideEvent,
    /// The initiator.
    pub initiator: SideEvent,
    /// How it ended.
    pub outcome: PairOutcome,
    /// Whether that is what the specification demands.
    pub standing: Standing,
    /// What it demands; nothing if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demanded: Option<PairOutcome>,
    /// The requirements from which that follows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// What was seen, in a sentence.
    pub seen: String,
    /// Requirements that a side broke, of findings that count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// What else there is to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The captures that were written.
    #[serde(default)]
    pub captures: Captures,
    /// What became of the processes that were started, where there is something to say.
    #[serde(default)]
    pub processes: Sides<ProcessEvent>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// All pairs were judged, or as many as there was time for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InteropSummary {
    /// Pairs by standing.
    pub counts: IndexMap<String, usize>,
    /// The program's exit code.
    pub exit: u8,
    /// Why (human-readable).
    pub message: String,
    /// What else must be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}
