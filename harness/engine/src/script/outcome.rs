use std::collections::BTreeSet;
use std::time::Duration;

use crate::event::Event;

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// Every step was played.
    Passed,
    /// The implementation did not do what a step expects.
    Failed(Box<Failure>),
    /// The stimulus could not be applied, or a window was not observed fairly.
    Inconclusive {
        /// Why, in a sentence.
        why: String,
        step: String,
    },
    /// The scenario or the harness is at fault.
    Error {
        /// Why, in a sentence.
        why: String,
        step: String,
    },
}

/// A step that failed, with what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The requirement by which the step is judged.
    pub requirement: String,
    /// The step's path, from 0: `3`, `5.0.1`.
    pub step: String,
    /// The packet, counted from 1; `None` where the lack of one is the failure.
    pub packet: Option<u64>,
    /// The moment, by the driver's clock.
    pub time: Duration,
    /// What the step wanted.
    pub expected: String,
    pub got: String,
    /// The UDP payload that came, if one did.
    pub payload: Option<Vec<u8>>,
    /// The field of it that is wrong, if one is.
    pub field: Option<FieldPlace>,
    /// The slack of the window, if the step failed by time.
    pub slack: Option<Duration>,
    /// By how much it was too early, beyond the tolerance, if that is the failure.
    pub early: Option<Duration>,
    /// When the step began.
    pub since: Duration,
}

impl Failure {
    /// A failure without a packet.
    #[must_use]
    pub fn new(requirement: &str, step: &str, time: Duration, expected: &str, got: &str) -> Self {
        Self {
            requirement: requirement.to_owned(),
            step: step.to_owned(),
            packet: None,
            time,
            expected: expected.to_owned(),
            got: got.to_owned(),
            payload: None,
            field: None,
            slack: None,
            early: None,
            since: time,
        }
    }
}

/// What the steps of a play say of requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgements {
    /// Those that were judged: a step that is judged by them was played, and where the play did not come
    /// to its end, every one of them.
    pub judged: BTreeSet<String>,
    /// Those that only the exit status would show, if it means nothing (`status_tells`).
    pub untold: BTreeSet<String>,
}

/// A field within a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPlace {
    pub name: String,
    /// Offset of its first byte in the UDP payload.
    pub offset: usize,
    /// Its length in bytes.
    pub length: usize,
}

/// A step done, or what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEvent {
    /// The step's path, from 0: `3`, `5.0.1`.
    pub step: String,
    /// Its verb: `expect`.
    pub verb: &'static str,
    /// The moment, by the driver's clock.
    pub time: Duration,
    /// What happened: `got SYN-ACK accept=true connection_id=...`.
    pub text: String,
}

impl StepEvent {
    /// The same as an event of a run.
    #[must_use]
    pub fn event(&self, scenario: &str) -> Event {
        Event::Step {
            scenario: scenario.to_owned(),
            step: self.step.clone(),
            time: self.time.as_secs_f64(),
            text: format!("{}: {}", self.verb, self.text),
        }
    }
}

/// What the end of a process means for people.
pub(crate) fn exit_status(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("exit status {code}"),
        None => "ended by a signal".to_owned(),
    }
}

/// Whether a process that ended so crashed: by a signal, by a shell's status for one (128 plus its
/// number), or by 101, that of a panic in Rust. 255 is what `exit(-1)` leaves, an ordinary
/// failure.
#[must_use]
pub fn is_crash(code: Option<i32>) -> bool {
    code.is_none_or(|code| code == 101 || (129..=192).contains(&code))
}
