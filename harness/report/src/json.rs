use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use shakedown_engine::event::Event;

use crate::Record;
use crate::sink::{Outcome, Sink};

/// JSON lines: one event a line, flushed at once, so that an interrupted run leaves whole lines.
pub struct JsonLines {
    path: Option<PathBuf>,
    out: Option<Box<dyn Write + Send>>,
}

impl JsonLines {
    /// To a file, which is made at the first event.
    #[must_use]
    pub const fn to_file(path: PathBuf) -> Self {
        Self {
            path: Some(path),
            out: None,
        }
    }

    /// To standard output, or what stands for it.
    #[must_use]
    pub fn to_output(out: impl Write + Send + 'static) -> Self {
        Self {
            path: None,
            out: Some(Box::new(out)),
        }
    }

    fn out(&mut self) -> io::Result<&mut (dyn Write + Send)> {
        if self.out.is_none() {
            let path = self.path.as_deref().unwrap_or(Path::new(""));
            self.out = Some(Box::new(BufWriter::new(File::create(path)?)));
        }
        match &mut self.out {
            Some(out) => Ok(out.as_mut()),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Sink for JsonLines {
    fn target(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "standard output".to_owned(),
        }
    }

    fn file(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn event(&mut self, event: &Event, _record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let out = self.out()?;
        out.write_all(&line)?;
        out.flush()
    }

    fn finish(&mut self, _record: &Record, _so_far: &Outcome) -> io::Result<()> {
        self.out()?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sinks, fixture};

    #[test]
    fn every_event_is_a_line_that_reads_back_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let mut sinks = Sinks::new();
        sinks.add(JsonLines::to_file(path.clone()));
        let mut events = fixture::run();
        events.extend(fixture::check());
        events.extend(fixture::hostile());
        for (number, event) in events.iter().enumerate() {
            sinks.event(event);
            // Nothing waits in a buffer: an interruption here would lose nothing.
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), number + 1);
        }
        assert_eq!(sinks.finish().files, std::slice::from_ref(&path));
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<Event> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(read, events);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn the_names_of_the_contract() {
        let lines: Vec<String> = [fixture::run(), fixture::check()]
            .concat()
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
