use std::io;
use std::path::{Path, PathBuf};

use shakedown_engine::event::Event;

use crate::{Outcome, Record, Sink, file};

/// A report that is one document of a whole run: it is written at the start of a run and replaced at
/// its end.
pub struct Document {
    path: PathBuf,
    /// The document of what is known so far; the path is that of its file.
    render: fn(&Record, &Path) -> io::Result<String>,
}

impl Document {
    /// To a file, by what renders a record.
    pub(crate) const fn new(
        path: PathBuf,
        render: fn(&Record, &Path) -> io::Result<String>,
    ) -> Self {
        Self { path, render }
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        file::replace(&self.path, &(self.render)(record, &self.path)?)
    }
}

impl Sink for Document {
    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn event(&mut self, event: &Event, record: &Record) -> io::Result<()> {
        match event {
            Event::RunStarted { .. } | Event::InteropStarted(_) => self.write(record),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, record: &Record, _so_far: &Outcome) -> io::Result<()> {
        self.write(record)
    }
}
