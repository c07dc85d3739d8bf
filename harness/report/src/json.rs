use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use shakedown_engine::event::Event;

use crate::Record;
use crate::sink::{Outcome, Sink};
use crate::text::acts;

/// JSON lines: one event a line, flushed at once, so that an interrupted run leaves whole lines.
pub struct JsonLines {
    path: Option<PathBuf>,
    out: Option<Box<dyn Write + Send>>,
    /// Which file it writes, by the system's number.
    inode: u64,
    /// Of what a file holds so far.
    digest: Context,
}

impl JsonLines {
    /// To a file, which is made at the first event. It ends with a digest, by which a reader sees that
    /// it was changed.
    #[must_use]
    pub fn to_file(path: PathBuf) -> Self {
        Self {
            path: Some(path),
            out: None,
            inode: 0,
            digest: Context::new(&SHA256),
        }
    }

    /// To standard output, or what stands for it.
    #[must_use]
    pub fn to_output(out: impl Write + Send + 'static) -> Self {
        Self {
            path: None,
            out: Some(Box::new(out)),
            inode: 0,
            digest: Context::new(&SHA256),
        }
    }

    fn out(&mut self) -> io::Result<&mut (dyn Write + Send)> {
        if self.out.is_none() {
            let path = self.path.as_deref().unwrap_or(Path::new(""));
            let file = File::create(path)?;
            self.inode = file.metadata()?.ino();
            self.out = Some(Box::new(BufWriter::new(file)));
        } else if let Some(path) = &self.path
            && !fs::metadata(path).is_ok_and(|found| found.ino() == self.inode)
        {
            let why = "it was removed while it was written";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
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
        let line = line(event)?;
        self.digest.update(line.as_bytes());
        let out = self.out()?;
        out.write_all(line.as_bytes())?;
        out.flush()
    }

    fn finish(&mut self, record: &Record, _so_far: &Outcome) -> io::Result<()> {
        match &self.path {
            Some(_) => {
                let sha256 = hex::encode(self.digest.clone().finish());
                self.event(&Event::Digest { sha256 }, record)
            }
            None => self.out()?.flush(),
        }
    }
}

/// An event as a line in which nothing acts on a terminal: such characters, which stand in strings alone, are
/// escaped.
fn line(event: &Event) -> io::Result<String> {
    let json = serde_json::to_string(event)?;
    let mut line = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        match acts(c) {
            true => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                line.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
            false => line.push(c),
        }
    }
    line.push('\n');
    Ok(line)
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
        let mut read: Vec<Event> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(matches!(read.pop(), Some(Event::Digest { .. })));
        assert_eq!(read, events);
        assert!(!text.chars().any(acts));
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
