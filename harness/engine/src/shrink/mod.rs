//! Test-case reduction: a failing scenario is made as small as possible while it still violates
//! the same requirement.
//!
//! [`shrink`] is delta debugging over the scenario's JSON: it leaves out steps, first many at once and
//! then one by one, together with what cannot stand without them; then it takes steps out of
//! `repeat` and `either`, leaves out faults, fields, patches and whatever else may be missing, and
//! lowers counts and shortens waits. Each candidate passes the checks of [`Loaded::parse`] before
//! it is judged, and none is judged twice. First of all random impairments become the exact faults
//! that they caused, so that faults can be left out one by one. When a whole round changes nothing
//! the result is minimal: without any one of its steps it does not fail so any more, or is no
//! scenario.
//!
//! The caller runs the candidates: [`simulate`](crate::simulation::simulate), or a
//! process. [`Failure`] says what both mean by "the same".

mod counts;
mod failure;
mod members;
mod random;
mod steps;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use crate::document::Problems;
use crate::network::Fault;
use crate::scenario::{Loaded, Scenario, to_text};

pub use failure::Failure;

/// How a candidate was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateVerdict {
    /// It fails the requirement that the scenario fails.
    Same,
    /// It fails, but not so; what it fails instead.
    Other(String),
    /// It does not fail.
    Passes,
    /// No result, and why. It is never a failure.
    CannotTell(String),
}

/// The input of the reduction.
#[derive(Debug, Clone, Copy)]
pub struct Reduction<'a> {
    pub loaded: &'a Loaded,
    /// The file that the result is for; its name is the result's id.
    pub file: &'a str,
    /// Most candidates that are judged.
    pub tries: u32,
    /// What the scenario's network did when it failed, as exact faults, if it has random ones.
    pub happened: Option<&'a [Fault]>,
}

/// How large a scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Steps, those within others included.
    pub steps: usize,
    /// Exact faults of the network, and ways in which it is random.
    pub faults: usize,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub tries: u32,
    /// The smallest that was found.
    pub size: Size,
}

/// Why there were no further candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// There is no smaller one that fails so.
    Minimal,
    /// As many as were allowed were judged.
    Tries,
    /// The caller wanted no more.
    Stopped,
}

#[derive(Debug, Clone)]
pub struct Shrunk {
    pub scenario: Scenario,
    pub text: String,
    /// How large the original is.
    pub before: Size,
    /// How large it is.
    pub after: Size,
    pub tries: u32,
    /// Why it was the last.
    pub finished: StopReason,
}

/// Why a scenario cannot be shrunk.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// It does not fit the file that the result is for.
    #[error("{0}")]
    File(Problems),
    /// It does not fail.
    #[error("it does not fail")]
    Passes,
    /// It fails another requirement than the one that was asked for.
    #[error("it fails {0}")]
    Other(String),
    /// It has no result.
    #[error("{0}")]
    CannotTell(String),
}

/// Shrinks a scenario. `judge` is asked about each candidate, first about the scenario itself;
/// `report` gets the progress after each and may stop, which keeps the smallest found so far.
///
/// The same scenario and answers give the same result, byte for byte.
///
/// # Errors
/// [`ShrinkError`] if the scenario itself does not fail.
pub fn shrink(
    reduction: &Reduction<'_>,
    judge: &mut dyn FnMut(&Scenario) -> CandidateVerdict,
    report: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Shrunk, ShrinkError> {
    let original = reduction.renamed();
    let text = to_text(&original);
    let loaded = Loaded::parse(reduction.file, &text).map_err(ShrinkError::File)?;
    match judge(&loaded.scenario) {
        CandidateVerdict::Same => {}
        CandidateVerdict::Other(other) => return Err(ShrinkError::Other(other)),
        CandidateVerdict::Passes => return Err(ShrinkError::Passes),
        CandidateVerdict::CannotTell(why) => return Err(ShrinkError::CannotTell(why)),
    }
    let before = tree::size(&original);
    let mut search = Search {
        file: reduction.file,
        most: reduction.tries,
        smallest: loaded.scenario,
        current: original,
        seen: BTreeSet::from([text]),
        tries: 1,
        finished: None,
        judge,
        report,
    };
    search.report_progress();
    if let Some(happened) = reduction.happened {
        search.replace_random_faults(happened);
    }
    while search.finished.is_none() && search.round() {}
    Ok(Shrunk {
        text: to_text(&search.current),
        before,
        after: tree::size(&search.current),
        scenario: search.smallest,
        tries: search.tries,
        finished: search.finished.unwrap_or(StopReason::Minimal),
    })
}

impl Reduction<'_> {
    /// The scenario as it would stand in the file of the result.
    fn renamed(&self) -> Value {
        let mut value = self.loaded.value();
        let id = &self.loaded.scenario.id;
        let steps = match tree::size(&value).steps {
            1 => "1 step".to_owned(),
            steps => format!("{steps} steps"),
        };
        let comment = format!("Shrunk from {id}, which has {steps}.");
        let name = Path::new(self.file).file_stem().unwrap_or_default();
        let folder = id.rsplit_once('/').map_or("", |(folder, _)| folder);
        let id = format!("{folder}/{}", name.to_string_lossy());
        if let Some(members) = value.as_object_mut() {
            members.insert("id".to_owned(), Value::String(id));
            let place = members.keys().position(|key| key == "title");
            members.shift_remove("comment");
            let place = place.map_or(0, |place| place + 1).min(members.len());
            members.shift_insert(place, "comment".to_owned(), Value::String(comment));
        }
        value
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// The candidate is the smallest now.
    Taken,
    /// It is a scenario, and does not fail so or was not judged.
    Refused,
    /// It is no scenario.
    Invalid,
}

/// The search for the smallest.
struct Search<'a> {
    file: &'a str,
    most: u32,
    /// The smallest scenario that fails so, as JSON.
    current: Value,
    /// The same as it was loaded.
    smallest: Scenario,
    /// The texts of all that were judged.
    seen: BTreeSet<String>,
    tries: u32,
    finished: Option<StopReason>,
    judge: &'a mut dyn FnMut(&Scenario) -> CandidateVerdict,
    report: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
}

impl Search<'_> {
    /// Tries everything once; whether something could be left out.
    fn round(&mut self) -> bool {
        let before = self.current.clone();
        self.fewer_steps();
        self.flatter_steps();
        self.fewer_elements();
        self.fewer_members();
        self.lower_counts();
        self.shorter_waits();
        self.current != before
    }

    /// Takes a candidate if it still fails so.
    fn attempt(&mut self, candidate: Value) -> Attempt {
        if self.finished.is_some() {
            return Attempt::Refused;
        }
        let text = to_text(&candidate);
        if self.seen.contains(&text) {
            return Attempt::Refused;
        }
        let Ok(loaded) = Loaded::parse(self.file, &text) else {
            return Attempt::Invalid;
        };
        if self.tries >= self.most {
            self.finished = Some(StopReason::Tries);
            return Attempt::Refused;
        }
        self.seen.insert(text);
        let judged = (self.judge)(&loaded.scenario);
        self.tries += 1;
        let attempt = match judged {
            CandidateVerdict::Same => {
                self.current = candidate;
                self.smallest = loaded.scenario;
                Attempt::Taken
            }
            CandidateVerdict::Other(_)
            | CandidateVerdict::Passes
            | CandidateVerdict::CannotTell(_) => Attempt::Refused,
        };
        self.report_progress();
        attempt
    }

    /// Whether a candidate was taken.
    fn takes(&mut self, candidate: Value) -> bool {
        self.attempt(candidate) == Attempt::Taken
    }

    fn report_progress(&mut self) {
        let progress = Progress {
            tries: self.tries,
            size: tree::size(&self.current),
        };
        if (self.report)(&progress).is_break() {
            self.finished = Some(StopReason::Stopped);
        }
    }
}
