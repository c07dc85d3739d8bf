use std::io;
use std::path::{Path, PathBuf};

use shakedown_engine::event::Event;

use crate::sink::{Outcome, Sink};
use crate::{Record, file};

/// What renders the document of what is known so far, if there is any; the path is that of its file, and
/// the outcome is that of the reports before it.
pub(crate) type Render = fn(&Record, &Path, &Outcome) -> io::Result<Option<String>>;

/// A report that is one document of a whole run: it is written at the start of a run and replaced at
/// its end.
pub struct Document {
    path: PathBuf,
    render: Render,
    is_written: bool,
}

impl Document {
    /// To a file, by what renders a record.
    pub(crate) const fn new(path: PathBuf, render: Render) -> Self {
        Self {
            path,
            render,
            is_written: false,
        }
    }

    fn write(&mut self, record: &Record, so_far: &Outcome) -> io::Result<()> {
        if let Some(text) = (self.render)(record, &self.path, so_far)? {
            file::replace(&self.path, &text)?;
            self.is_written = true;
        }
        Ok(())
    }
}

impl Sink for Document {
    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn file(&self) -> Option<&Path> {
        self.is_written.then_some(&self.path)
    }

    fn event(&mut self, event: &Event, record: &Record) -> io::Result<()> {
        match event {
            Event::RunStarted { .. } | Event::InteropStarted(_) => {
                self.write(record, &Outcome::default())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, record: &Record, so_far: &Outcome) -> io::Result<()> {
        self.write(record, so_far)
    }
}
