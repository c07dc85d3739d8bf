use std::path::PathBuf;

use serde::Serialize;

use super::sign::Sign;

/// Version of the events, whose names and fields are a contract.
pub const VERSION: u32 = 1;

/// What is told while an implementation is fuzzed.
#[derive(Debug, Clone, Serialize)]
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
    FuzzFinding(Box<FuzzFinding>),
    FuzzFinished(FuzzSummary),
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct FuzzCounts {
    pub seconds: f64,
    /// Conversations that were had.
    pub inputs: u64,
    pub inputs_per_second: f64,
    /// Things that the implementation did that differ.
    pub behaviours: usize,
    /// Conversations from which others are grown.
    pub corpus: usize,
    /// Processes that were started for conversations.
    pub starts: u64,
    /// Scenarios that were played as they are, to see whether a process still serves.
    pub checks: u64,
    pub findings: usize,
}

/// Something that an implementation did not outlive.
#[derive(Debug, Clone, Serialize)]
pub struct FuzzFinding {
    #[serde(flatten)]
    pub sign: Sign,
    /// Whether it was seen again with a fresh process.
    pub confirmed: bool,
    /// The conversations that show it, in their order.
    pub files: Vec<PathBuf>,
    /// What went over the wire in the last of them.
    pub capture: Option<PathBuf>,
    /// Conversations that were had before it was seen.
    pub inputs: u64,
    pub seconds: f64,
    /// The last conversation in words, a step a line.
    pub steps: Vec<String>,
}

/// How it ended.
#[derive(Debug, Clone, Serialize)]
pub struct FuzzSummary {
    #[serde(flatten)]
    pub counts: FuzzCounts,
    /// What was seen and could not be seen again, in sentences.
    pub notes: Vec<String>,
    pub interrupted: bool,
    pub exit: u8,
    pub message: String,
}
