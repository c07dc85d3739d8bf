use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::Fault;

/// Version of the event format.
pub const VERSION: u32 = 1;

/// An event of a fuzzing run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FuzzEvent {
    FuzzStarted {
        version: u32,
        iut: String,
        protocol: String,
        seed: u64,
        jobs: usize,
        /// Scenarios that are mutated.
        scenarios: usize,
        /// Conversations that were in the corpus folder.
        resumed: usize,
    },
    FuzzProgress(FuzzCounts),
    /// A fault was observed and is not reproduced yet.
    FuzzSuspicion {
        #[serde(flatten)]
        fault: Fault,
        #[serde(flatten)]
        position: FuzzPosition,
    },
    FuzzFinding(Box<FuzzFinding>),
    FuzzFinished(FuzzSummary),
}

/// Counters of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct FuzzCounts {
    pub seconds: f64,
    /// Conversations executed.
    pub inputs: u64,
    pub inputs_per_second: f64,
    /// Datagrams sent.
    pub datagrams: u64,
    pub datagrams_per_second: f64,
    /// Distinct behaviours.
    pub behaviours: usize,
    /// Conversations in the corpus.
    pub corpus: usize,
    /// Conversations that others added to the corpus folder.
    pub imported: usize,
    /// Processes started.
    pub starts: u64,
    /// Scenarios played to check that a process still serves.
    pub checks: u64,
    pub findings: usize,
}

/// Position in the run at which a fault was first observed.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct FuzzPosition {
    /// Conversations executed before.
    pub inputs: u64,
    /// Datagrams sent before.
    pub datagrams: u64,
    pub seconds: f64,
}

/// A fault with the conversations that show it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FuzzFinding {
    #[serde(flatten)]
    pub fault: Fault,
    /// Whether it was reproduced with a fresh process.
    pub confirmed: bool,
    /// The conversations that show it, in order.
    pub files: Vec<PathBuf>,
    /// Capture of the last conversation.
    pub capture: Option<PathBuf>,
    #[serde(flatten)]
    pub position: FuzzPosition,
    /// Steps of the last conversation, one per line.
    pub steps: Vec<String>,
}

/// The result of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FuzzSummary {
    #[serde(flatten)]
    pub counts: FuzzCounts,
    /// Faults that could not be reproduced, in sentences.
    pub notes: Vec<String>,
    pub interrupted: bool,
    pub exit: u8,
    pub message: String,
}
