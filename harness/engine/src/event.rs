//! The event stream of a run or a check, for several sinks.
//!
//! The names here are a contract (`vectors/schema/events.schema.json`); they change only with
//! [`VERSION`].

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shakedown_protocol::monitor::MissedMoment;

use crate::interop::{InteropStarted, InteropSummary, PairEvent};
use crate::iut::Waiver;
use crate::verdict::Verdict;

/// Version of this contract, in `run-started`, `check-finished` and `interop-started`.
pub const VERSION: u32 = 2;

/// How packets are recorded where nothing goes over a wire: `capture` of `run-started`. All times of
/// such a run are virtual.
pub const VIRTUAL: &str =
    "virtual: the reference and the scripted peer in one process, in virtual time";

/// One event. As JSON: an object with a `type`, one a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// A run begins.
    RunStarted {
        /// Version of this contract.
        version: u32,
        /// The implementation's name.
        iut: String,
        /// Random seed.
        seed: u64,
        /// How packets are recorded: `live`, `tap` or `virtual`, and why.
        capture: String,
        /// Scenarios selected.
        scenarios: usize,
        /// What else there is to know before it begins.
        #[serde(default)]
        plan: RunPlan,
    },
    /// A scenario begins.
    ScenarioStarted {
        /// Its id.
        scenario: String,
    },
    /// A step of a scenario is done (`--verbose`).
    Step {
        /// The scenario's id.
        scenario: String,
        /// The step's path, from 0: `3`, `5.0.1`.
        step: String,
        /// Seconds since the scenario began.
        time: f64,
        /// What happened.
        text: String,
    },
    /// A session that was found in a capture (`check`).
    Session(SessionEvent),
    /// A requirement is broken.
    Finding(FindingEvent),
    /// How far a load run is.
    LoadProgress(LoadProgress),
    /// What a load run measured.
    LoadFinished(LoadSummary),
    /// A scenario is judged.
    Verdict(VerdictEvent),
    /// A run is over.
    RunFinished(Summary),
    /// A check is over.
    CheckFinished(CheckSummary),
    /// Implementations are set against each other (`interop`).
    InteropStarted(InteropStarted),
    /// A pair of them begins.
    PairStarted {
        /// Its id.
        pair: String,
    },
    /// A pair is judged. Its findings precede it, with its id as the scenario.
    Pair(PairEvent),
    /// All pairs are judged.
    InteropFinished(InteropSummary),
    /// The last line of a file of events.
    Digest {
        /// The SHA-256 of all lines before, in hexadecimal digits.
        sha256: String,
    },
}

/// What a run is about to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunPlan {
    /// Whether only the reference of this program is tested.
    pub reference: bool,
    /// The implementations under test.
    pub implementations: Vec<PlannedImplementation>,
    /// Scenarios there are, selected or not.
    pub of: usize,
    /// Scenarios that are played at the same time. It is not serialized: results do not depend on
    /// it.
    #[serde(skip)]
    pub jobs: usize,
    /// The part of the selection that this run is: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Digest of the selected scenarios, those of all parts: runs of different scenarios differ in it.
    pub suite: String,
    /// Ids of the scenarios that this run plays.
    #[serde(default)]
    pub selected: Vec<String>,
    /// The words of the call that play a scenario of it as it was played, but for the seed and the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<String>,
    /// Files of scenarios that are not built in, by id.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, String>,
}

/// An implementation under test, and how much of it is tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedImplementation {
    /// Its name.
    pub name: String,
    /// The protocol's id.
    pub protocol: String,
    /// Its role, as the protocol calls it.
    pub side: String,
    /// The modes that it claims.
    pub modes: Vec<String>,
    /// Scenarios selected for it.
    pub scenarios: usize,
    /// How many of them are not played, since they ask for what the description does not claim.
    #[serde(default)]
    pub not_applicable: usize,
    /// How many of them are not played, since they wait for too long.
    #[serde(default)]
    pub too_slow: usize,
    /// How many seconds they take at least, where it is played against one after the other: it lives on, and
    /// would take those of several for each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_turn: Option<u64>,
}

impl PlannedImplementation {
    /// How many of its scenarios are played.
    #[must_use]
    pub const fn played(&self) -> usize {
        let left_out = self.not_applicable.saturating_add(self.too_slow);
        self.scenarios.saturating_sub(left_out)
    }
}

/// A session that was found in a capture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionEvent {
    /// The capture's path.
    pub capture: String,
    /// The protocol's id.
    pub protocol: String,
    /// The mode's name.
    pub mode: String,
    /// The initiator's address.
    pub initiator: String,
    /// The responder's address.
    pub responder: String,
    /// The session's id, if one was seen.
    pub connection_id: Option<String>,
    /// Frames of media seen.
    pub frames: u64,
    /// Datagrams seen, both directions.
    pub datagrams: u64,
    /// Frame numbers that never came, as the network may have it.
    pub missing: u64,
    /// Datagrams that came after a later one.
    pub reordered: u64,
    /// Datagrams that came again.
    pub repeated: u64,
}

/// A requirement broken, with the packet and the moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingEvent {
    /// The requirement's id.
    pub requirement: String,
    /// `MUST`, `SHOULD` or `MAY`.
    pub level: String,
    /// The scenario's id, or the pair's; `None` in a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The capture's path, if one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// The packet, counted from 1; `None` where the lack of one is the finding.
    pub packet: Option<u64>,
    /// Seconds from the first packet of the capture.
    pub time: f64,
    /// What was expected and what was received, as a sentence.
    pub message: String,
    /// What the rule wanted.
    pub expected: String,
    /// What was seen.
    pub got: String,
    /// The step that saw it, if a step did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The UDP payload in hexadecimal (the first 256 bytes), if a packet shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// Offset and length in bytes of the field within the payload, and its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldEvent>,
    /// Why it does not count, if it is waived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
    /// Whether it is advice: it does not count, because its level is below the one asked for (`--level`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advisory: bool,
    /// The moment that was missed, if it is about time: in the capture's time; not serialized.
    #[serde(skip)]
    pub off: Option<MissedMoment>,
}

impl FindingEvent {
    /// Whether it does not count since an earlier run found it, too (`--baseline`).
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.waived.as_deref().is_some_and(Waiver::is_known)
    }

    /// Whether it makes a verdict a failure.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.waived.is_none() && !self.advisory
    }
}

/// A stretch of a datagram's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldEvent {
    /// The field's name.
    pub name: String,
    /// Offset in bytes within the UDP payload.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
}

/// A scenario judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictEvent {
    /// The scenario's id.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where the verdict alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The verdict on each requirement that the scenario names or the monitor judged.
    pub requirements: IndexMap<String, Verdict>,
    /// The capture's path, if one was written.
    pub capture: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What became of the implementation's process, if it had one and there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessEvent>,
}

impl VerdictEvent {
    /// Whether the scenario was not played, since it does not apply.
    #[must_use]
    pub fn was_left_out(&self) -> bool {
        self.verdict == Verdict::NotApplicable && self.capture.is_none()
    }
}

/// What became of an implementation's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessEvent {
    /// `exit status 1`, `killed by signal 6 (SIGABRT)`, `running`.
    pub status: String,
    /// The end of what it printed, both streams.
    pub output: String,
    /// The last packet received, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_packet: Option<u64>,
}

/// A run is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Scenarios by verdict.
    pub counts: IndexMap<String, usize>,
    /// The worst verdict on each requirement.
    pub requirements: IndexMap<String, Verdict>,
    /// The program's exit code.
    pub exit: u8,
    /// Why (human-readable).
    pub message: String,
    /// What fails it although no scenario does: waivers that matched nothing or are past their day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<String>,
    /// What else must be known: packets that were dropped, processes that had to be killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What became of the waivers, where all scenarios were selected: those of all parts, of which a
    /// part knows its own only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverEvent>,
    /// Whether the run was interrupted.
    pub interrupted: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// A waiver, and whether it was needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverEvent {
    /// The implementation's name.
    pub iut: String,
    /// The requirement, and the scenario if it names one: `MS-H-22 in mediastream/3way/responder/x`.
    pub waiver: String,
    /// Whether it matched a finding; `None` where that is not known, because not everything was played.
    pub matched: Option<bool>,
}

/// Why a run fails although no scenario does: a waiver of `iut` is not needed any more.
#[must_use]
pub fn matches_nothing(iut: &str, waiver: &str) -> String {
    format!("{iut}: the waiver of {waiver} matched no finding")
}

/// A check is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckSummary {
    /// Version of this contract.
    pub version: u32,
    /// The capture's path.
    pub capture: String,
    /// Packets read.
    pub packets: u64,
    /// UDP datagrams found.
    pub datagrams: u64,
    /// Sessions found.
    pub sessions: usize,
    /// Findings that count.
    pub findings: usize,
    /// The verdict on each requirement that could be judged or not.
    pub requirements: IndexMap<String, Verdict>,
    /// Why each inconclusive requirement is so, and what was wrong with the file.
    pub notes: Vec<String>,
    /// The program's exit code.
    pub exit: u8,
}

/// How far a load run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadProgress {
    /// The scenario's id.
    pub scenario: String,
    /// Seconds since the first play began.
    pub time: f64,
    /// Plays that are wanted.
    pub plays: u64,
    /// Plays that have begun.
    pub started: u64,
    /// Plays in which every step was played.
    pub completed: u64,
    /// Plays that failed.
    pub failed: u64,
}

/// What a load run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadSummary {
    /// The scenario's id.
    pub scenario: String,
    /// Plays that were wanted.
    pub plays: u64,
    /// Most plays at the same time.
    pub concurrency: u64,
    /// Plays that began.
    pub started: u64,
    /// Plays in which every step was played.
    pub completed: u64,
    /// Plays that failed.
    pub failed: u64,
    /// Plays that were cut off by an interruption or by the end of the implementation.
    pub cut_off: u64,
    /// Why plays failed, the most frequent cause first.
    pub causes: Vec<LoadCause>,
    /// Handshakes done: plays with media, or played to their end.
    pub handshakes: u64,
    /// Handshakes a second, from the first datagram to the end of the last play.
    pub handshakes_per_second: f64,
    /// Handshakes within the best second.
    pub best_second: u64,
    /// From a play's first datagram to its last one before media (the end of its handshake).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_handshake: Option<Latency>,
    /// From a play's first datagram to the first datagram of media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_media: Option<Latency>,
    /// Most memory that the implementation's processes held, in bytes, if they are ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Datagrams to the implementation that the system dropped: it did not read fast enough.
    pub dropped_by_iut: u64,
    /// Datagrams of the implementation that the system dropped: we did not read fast enough.
    pub dropped_by_us: u64,
    /// The course of it, in equal stretches of time.
    pub course: Vec<LoadStretch>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Why plays failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadCause {
    /// The requirement by which the step is judged; empty if the harness is at fault.
    pub requirement: String,
    /// The step's path, from 0.
    pub step: String,
    /// How many plays failed so.
    pub plays: u64,
    /// What the first of them expected.
    pub expected: String,
    /// What the first of them got.
    pub got: String,
}

impl LoadCause {
    /// What happened to the first of them, in a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        match self.expected.is_empty() {
            true => self.got.clone(),
            false => format!("expected {}, got {}", self.expected, self.got),
        }
    }
}

/// How long something took in many plays, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Half of the plays took no longer.
    pub p50: f64,
    /// Nine of ten plays took no longer.
    pub p90: f64,
    /// 99 of 100 plays took no longer.
    pub p99: f64,
    /// None took longer.
    pub max: f64,
}

/// A stretch of time of a load run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadStretch {
    /// Its end, in seconds since the first play began.
    pub time: f64,
    /// Handshakes done within it.
    pub handshakes: u64,
    /// Plays that failed within it.
    pub failed: u64,
    /// Time to handshake of those that were done within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_handshake: Option<Latency>,
    /// Time to first media of the plays whose first media came within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_media: Option<Latency>,
}
