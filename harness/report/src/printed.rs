//! Formats that are written to standard output once the run is over.

use std::io::{self, Write};
use std::path::Path;

use shakedown_engine::event::Event;

use crate::{Outcome, Record, Sink};

/// An output format; [`FORMATS`](crate::FORMATS) lists them.
#[derive(Debug)]
pub struct Format {
    /// As `--format` spells it.
    pub name: &'static str,
    pub about: &'static str,
    pub(crate) render: fn(&Record) -> String,
}

/// A report that is written as a whole when the run is over.
pub struct Printed<W> {
    out: W,
    format: &'static Format,
}

impl<W: Write + Send> Printed<W> {
    /// Writes this format to `out`.
    pub const fn new(format: &'static Format, out: W) -> Self {
        Self { out, format }
    }
}

impl<W: Write + Send> Sink for Printed<W> {
    fn target(&self) -> String {
        "standard output".to_owned()
    }

    fn file(&self) -> Option<&Path> {
        None
    }

    fn event(&mut self, _: &Event, _: &Record) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, record: &Record, _: &Outcome) -> io::Result<()> {
        self.out
            .write_all((self.format.render)(record).as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use crate::{FORMATS, Sinks, fixture};

    /// Whether a character acts on a terminal.
    fn acts(c: char) -> bool {
        (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)
    }

    #[test]
    fn what_an_implementation_prints_acts_in_no_report() {
        let hostile = fixture::hostile();
        let record = fixture::record(hostile.clone());
        let process = record
            .verdicts
            .values()
            .find_map(|one| one.process.as_ref());
        assert!(
            process.unwrap().output.contains(acts),
            "the fixture tries nothing"
        );
        let mut reports: Vec<_> = FORMATS.iter().map(|f| (f.render)(&record)).collect();
        let directory = tempfile::tempdir().unwrap();
        let mut sinks = Sinks::new();
        sinks.add_directory(directory.path()).unwrap();
        hostile.iter().for_each(|event| sinks.event(event));
        for file in sinks.finish().files {
            reports.push(std::fs::read_to_string(file).unwrap());
        }
        assert_eq!(reports.len(), 8);
        for report in reports {
            assert_eq!(report.chars().find(|c| acts(*c)), None, "{report}");
        }
    }
}
