use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::sign::Sign;

/// Version of the events, whose names and fields are a contract.
pub const VERSION: u32 = 1;

/// What is told while an implementation is fuzzed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FuzzEvent {
    FuzzStarted {
        version: u32,
        iut: String,
        protocol: String,
        seed: u64,
        jobs: usize,
        /// Scenarios from which conversations are grown.
        scenarios: usize,
        /// Conversations that the folder of the corpus had.
        resumed: usize,
    },
    FuzzProgress(FuzzCounts),
    /// Something showed; whether it shows again is to be seen.
    FuzzSuspicion {
        #[serde(flatten)]
        sign: Sign,
        #[serde(flatten)]
        when: FuzzMoment,
    },
    FuzzFinding(Box<FuzzFinding>),
    FuzzFinished(FuzzSummary),
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct FuzzCounts {
    pub seconds: f64,
    /// Conversations that were had.
    pub inputs: u64,
    pub inputs_per_second: f64,
    /// Datagrams that were sent in them and after them.
    pub datagrams: u64,
    pub datagrams_per_second: f64,
    /// Things that the implementation did that differ.
    pub behaviours: usize,
    /// Conversations from which others are grown.
    pub corpus: usize,
    /// Those of them that others put into the folder of the corpus.
    pub heard: usize,
    /// Processes that were started for conversations.
    pub starts: u64,
    /// Scenarios that were played as they are, to see whether a process still serves.
    pub checks: u64,
    pub findings: usize,
}

/// When something was first seen.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct FuzzMoment {
    /// Conversations that were had before.
    pub inputs: u64,
    /// Datagrams that were sent in them.
    pub datagrams: u64,
    pub seconds: f64,
}

/// Something that an implementation did not outlive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FuzzFinding {
    #[serde(flatten)]
    pub sign: Sign,
    /// Whether it was seen again with a fresh process.
    pub confirmed: bool,
    /// The conversations that show it, in their order.
    pub files: Vec<PathBuf>,
    /// What went over the wire in the last of them.
    pub capture: Option<PathBuf>,
    #[serde(flatten)]
    pub when: FuzzMoment,
    /// The last conversation in words, a step a line.
    pub steps: Vec<String>,
}

/// How it ended.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FuzzSummary {
    #[serde(flatten)]
    pub counts: FuzzCounts,
    /// What was seen and could not be seen again, in sentences.
    pub notes: Vec<String>,
    pub interrupted: bool,
    pub exit: u8,
    pub message: String,
}
