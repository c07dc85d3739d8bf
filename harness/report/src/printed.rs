//! Formats that are written to standard output once all is known.

use std::io::{self, Write};
use std::path::Path;

use shakedown_engine::event::Event;

use crate::{Outcome, Record, Sink, github, markdown, sarif, tap};

/// A report on standard output that is written at the end, whole.
pub struct Printed<W> {
    out: W,
    render: fn(&Record) -> String,
}

impl<W: Write + Send> Printed<W> {
    /// TAP 14.
    pub const fn tap(out: W) -> Self {
        Self {
            out,
            render: tap::render,
        }
    }

    /// SARIF 2.1.0, of findings.
    pub const fn sarif(out: W) -> Self {
        Self {
            out,
            render: sarif::render,
        }
    }

    /// Annotations of GitHub Actions.
    pub const fn github(out: W) -> Self {
        Self {
            out,
            render: github::render,
        }
    }

    /// The Markdown of `summary.md`.
    pub const fn markdown(out: W) -> Self {
        Self {
            out,
            render: |record| markdown::render(record, Path::new("")),
        }
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
        self.out.write_all((self.render)(record).as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sinks, fixture};

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
        let printed = [tap::render, sarif::render, github::render];
        let mut reports: Vec<_> = printed.iter().map(|render| render(&record)).collect();
        reports.push(markdown::render(&record, Path::new("")));
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
