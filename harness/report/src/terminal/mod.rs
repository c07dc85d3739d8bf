//! The terminal: progress while a run goes on, then the report.

mod closing;
mod finding;
mod interop;
mod load;
mod parts;
mod progress;
mod report;
pub(crate) mod style;
mod tables;

use std::io::{self, Write};
use std::path::Path;

use shakedown_engine::event::Event;

pub use progress::Progress;

use crate::{Outcome, Record, Sink};

/// Widths, in columns, between which the report is readable.
const WIDTHS: std::ops::RangeInclusive<usize> = 76..=100;

/// Progress and the terminal report.
///
/// The report carries colours as ANSI sequences: give it an `anstream` stream, which drops them
/// where there is no terminal or `NO_COLOR` is set.
pub struct Terminal {
    progress: Progress,
    out: Box<dyn Write + Send>,
    width: usize,
    detail: Detail,
}

/// Verbosity of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What did not pass, and what it comes to.
    Least,
    Usual,
    /// The scenarios, too, that do not apply.
    Most,
}

impl Terminal {
    /// The report goes to `out`, in lines of at most `width` columns (held between
    /// 76 and 100; paths are never broken).
    #[must_use]
    pub fn new(progress: Progress, out: impl Write + Send + 'static, width: usize) -> Self {
        Self {
            progress,
            out: Box::new(out),
            width: width.clamp(*WIDTHS.start(), *WIDTHS.end()),
            detail: Detail::Usual,
        }
    }

    /// The same with this verbosity.
    #[must_use]
    pub fn with(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }
}

impl Sink for Terminal {
    fn target(&self) -> String {
        "standard output".to_owned()
    }

    fn file(&self) -> Option<&Path> {
        None
    }

    fn event(&mut self, event: &Event, record: &Record) -> io::Result<()> {
        self.progress.event(event, record);
        Ok(())
    }

    fn finish(&mut self, record: &Record, so_far: &Outcome) -> io::Result<()> {
        self.progress.finish();
        let report = report::render(record, so_far, (self.width, self.detail));
        self.out.write_all(report.as_bytes())?;
        self.out.flush()
    }
}
