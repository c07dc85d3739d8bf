use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use shakedown_engine::event::Event;

use crate::Record;

pub trait Sink: Send {
    /// Where it goes, as a message names it: a path, or `standard output`.
    fn target(&self) -> String;

    /// The file that it writes, if it writes one.
    fn file(&self) -> Option<&Path>;

    /// Takes the next event; `record` has it already.
    ///
    /// # Errors
    /// What the writing met. The sink is not called again.
    fn event(&mut self, event: &Event, record: &Record) -> io::Result<()>;

    /// No event comes any more. `so_far` is the outcome of the sinks that were added before.
    ///
    /// # Errors
    /// What the writing met.
    fn finish(&mut self, record: &Record, so_far: &Outcome) -> io::Result<()>;
}

/// What became of the reports.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files that are complete.
    pub files: Vec<PathBuf>,
    /// Reports that could not be written.
    pub failures: Vec<Failure>,
    /// How many of these were reported already.
    pub(crate) reported: usize,
}

impl Outcome {
    /// The failures not reported yet.
    #[must_use]
    pub fn unreported(&self) -> &[Failure] {
        &self.failures[self.reported..]
    }

    /// The program's exit code: a report that could not be written makes 3 of a success, and what
    /// is worse stays.
    #[must_use]
    pub fn exit(&self, exit: u8) -> u8 {
        match exit {
            0 if !self.failures.is_empty() => 3,
            other => other,
        }
    }
}

/// A report that could not be written.
#[derive(Debug)]
pub struct Failure {
    /// Where it should have gone.
    pub target: String,
    /// What the writing met.
    pub error: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write the report {}: {}", self.target, self.error)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Outcome {
    pub(crate) fn fail(&mut self, sink: &dyn Sink, error: io::Error) {
        // A reader of standard output that went away (`| head`) has what it wanted.
        if sink.file().is_some() || error.kind() != io::ErrorKind::BrokenPipe {
            self.failures.push(Failure {
                target: sink.target(),
                error,
            });
        }
    }
}
