use std::io;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use shakedown_engine::document::{placeless, read_file};
use shakedown_engine::event::{Event, VERSION};

/// The most events that are read, of all runs together, in bytes: those of 20,000 scenarios.
const MOST_BYTES: usize = 32 << 20;

/// Events of a run or a check, read back from its `events.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The events. Captures that lie beside the file are named as they lie now.
    pub events: Vec<Event>,
    /// What was wrong with the file, where the rest of it could be read.
    pub notes: Vec<String>,
}

/// Why events cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read {}: {error}{}", path.display(), hint(error))]
    Unreadable {
        path: PathBuf,
        /// What the reading met.
        error: io::Error,
    },
    /// There are more events than are read at once.
    #[error(
        "{}: the events are larger than {} KiB{}",
        path.display(),
        MOST_BYTES / 1024,
        if *is_first { "" } else { " with those of the runs before; report fewer runs at once" }
    )]
    TooLarge {
        path: PathBuf,
        /// Whether no run stood before it.
        is_first: bool,
    },
    /// A line is no event.
    #[error("{}:{line}:{}: this is no event: {}", path.display(), error.column(), placeless(error))]
    NoEvent {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// The digest at its end is not that of its lines, or was taken away.
    #[error(
        "{}: these are not the events as a run wrote them: the digest at their end is missing or is of other \
         lines; give the run's own events.jsonl",
        path.display()
    )]
    Changed { path: PathBuf },
    /// The events were written by another version of this program.
    #[error(
        "{}: the events have version {version}; this program reads version {VERSION}",
        path.display()
    )]
    OtherVersion {
        path: PathBuf,
        /// The version in the file.
        version: u32,
    },
}

impl Replay {
    /// Reads several runs, each as [`Replay::read`] does, with their paths. Memory is bounded for all of them
    /// together.
    ///
    /// # Errors
    /// [`ReplayError`] of the first that cannot be read.
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, Self)>, ReplayError> {
        let mut room = MOST_BYTES;
        let read = |path: &PathBuf| {
            let replay = Self::read_within(path, &mut room)?;
            Ok((path.display().to_string(), replay))
        };
        paths.iter().map(read).collect()
    }

    /// Reads `events.jsonl` of a directory of reports, or a file of events by its own name. A last
    /// line that was cut off (by a full disk, or a kill) is left out and noted.
    ///
    /// # Errors
    /// [`ReplayError`], with the file and the line.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        Self::read_within(path, &mut MOST_BYTES.clone())
    }

    /// The same of a file that is not larger than `room`, which is smaller then.
    fn read_within(path: &Path, room: &mut usize) -> Result<Self, ReplayError> {
        let file = match path.is_dir() {
            true => path.join("events.jsonl"),
            false => path.to_path_buf(),
        };
        let bytes = read_file(&file, *room).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => ReplayError::TooLarge {
                path: file.clone(),
                is_first: *room == MOST_BYTES,
            },
            _ => ReplayError::Unreadable {
                path: file.clone(),
                error,
            },
        })?;
        *room -= bytes.len();
        let directory = file.parent().unwrap_or(Path::new(""));
        let mut replay = Self {
            events: Vec::new(),
            notes: Vec::new(),
        };
        let mut before = 0;
        let mut is_whole = false;
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let line_number = index + 1;
            match serde_json::from_str::<Event>(&String::from_utf8_lossy(line)) {
                Ok(Event::Digest { sha256 }) => {
                    let is_last = before + line.len() == bytes.len();
                    let real = hex::encode(digest(&SHA256, &bytes[..before]));
                    is_whole = is_last && sha256 == real;
                }
                Ok(event) => replay.events.push(relocated(event, directory)),
                Err(_) if !line.ends_with(b"\n") => {
                    let place = file.display();
                    let note = format!("{place}:{line_number}: the last line is cut off");
                    replay.notes.push(note);
                }
                Err(error) => {
                    return Err(ReplayError::NoEvent {
                        path: file,
                        line: line_number,
                        error,
                    });
                }
            }
            before += line.len();
        }
        // What was cut off while it was written has neither an end nor a digest.
        if !is_whole && replay.events.iter().any(is_end) {
            return Err(ReplayError::Changed { path: file });
        }
        match replay
            .events
            .iter()
            .filter_map(version)
            .find(|v| *v != VERSION)
        {
            Some(version) => Err(ReplayError::OtherVersion {
                path: file,
                version,
            }),
            None => Ok(replay),
        }
    }
}

/// What would be right where there is no such file.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; give the directory of a run, such as reports/latest",
        _ => "",
    }
}

/// Whether an event is the last of its file.
const fn is_end(event: &Event) -> bool {
    matches!(
        event,
        Event::RunFinished(_) | Event::CheckFinished(_) | Event::InteropFinished(_)
    )
}

const fn version(event: &Event) -> Option<u32> {
    match event {
        Event::RunStarted { version, .. } => Some(*version),
        Event::CheckFinished(check) => Some(check.version),
        Event::InteropStarted(started) => Some(started.version),
        Event::ScenarioStarted { .. }
        | Event::Step { .. }
        | Event::Session(_)
        | Event::Finding(_)
        | Event::LoadProgress(_)
        | Event::LoadFinished(_)
        | Event::Verdict(_)
        | Event::RunFinished(_)
        | Event::PairStarted { .. }
        | Event::Pair(_)
        | Event::InteropFinished(_)
        | Event::Digest { .. } => None,
    }
}

/// Names captures as they lie now, where the reports were moved (from one machine to another).
fn relocated(mut event: Event, directory: &Path) -> Event {
    let captures = match &mut event {
        Event::Finding(finding) => [finding.capture.as_mut(), None],
        Event::Verdict(verdict) => [verdict.capture.as_mut(), None],
        Event::Pair(pair) => {
            let captures = &mut pair.captures;
            [captures.initiator.as_mut(), captures.responder.as_mut()]
        }
        Event::RunStarted { .. }
        | Event::ScenarioStarted { .. }
        | Event::Step { .. }
        | Event::Session(_)
        | Event::LoadProgress(_)
        | Event::LoadFinished(_)
        | Event::RunFinished(_)
        | Event::CheckFinished(_)
        | Event::InteropStarted(_)
        | Event::PairStarted { .. }
        | Event::InteropFinished(_)
        | Event::Digest { .. } => [None, None],
    };
    for capture in captures.into_iter().flatten() {
        if let Some(at) = capture.rfind("captures/") {
            let here = directory.join(&capture[at..]);
            if here.is_file() {
                *capture = here.display().to_string();
            }
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;
    use crate::{Sinks, fixture};

    fn written(events: &[Event]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let mut sinks = Sinks::new();
        sinks.add_directory(directory.path()).unwrap();
        for event in events {
            sinks.event(event);
        }
        assert!(sinks.finish().failures.is_empty());
        directory
    }

    #[test]
    fn a_directory_of_reports_reads_back() {
        let events = fixture::run();
        let directory = written(&events);
        let replay = Replay::read(directory.path()).unwrap();
        assert_eq!(replay.events, events);
        assert!(replay.notes.is_empty());
        let file = directory.path().join("events.jsonl");
        assert_eq!(Replay::read(&file).unwrap(), replay);
    }

    #[rstest]
    #[case::in_a_verdict(|text: String| text.replacen("\"verdict\":\"fail\"", "\"verdict\":\"pass\"", 1))]
    #[case::behind_its_end(|text: String| text + "{\"type\":\"scenario-started\",\"scenario\":\"a\"}\n")]
    #[case::without_its_digest(|text: String| text.replace("{\"type\":\"digest\"", ""))]
    fn a_file_that_was_changed_is_refused(#[case] change: fn(String) -> String) {
        let directory = written(&fixture::run());
        let file = directory.path().join("events.jsonl");
        let mut text = change(fs::read_to_string(&file).unwrap());
        let last = text.trim_end().rfind('\n').unwrap();
        if !text[last..].contains("\"type\"") {
            text.truncate(last + 1);
        }
        fs::write(&file, text).unwrap();
        let error = Replay::read(directory.path()).unwrap_err();
        assert!(matches!(error, ReplayError::Changed { .. }), "{error}");
    }

    #[test]
    fn a_last_line_that_is_cut_off_is_noted_and_the_rest_is_read() {
        let directory = written(&fixture::interrupted());
        let file = directory.path().join("events.jsonl");
        let text = fs::read_to_string(&file).unwrap();
        let last = text.trim_end().rfind('\n').unwrap();
        fs::write(&file, &text[..last - 20]).unwrap();
        let replay = Replay::read(&file).unwrap();
        assert_eq!(replay.events.len(), fixture::interrupted().len() - 1);
        let note = format!("{}:5: the last line is cut off", file.display());
        assert_eq!(replay.notes, [note]);
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("events.jsonl");
        fs::write(
            &file,
            "{\"type\":\"scenario-started\",\"scenario\":\"a\"}\n{}\n",
        )
        .unwrap();
        let error = Replay::read(directory.path()).unwrap_err().to_string();
        let start = format!(
            "{}:2:2: this is no event: missing field `type`",
            file.display()
        );
        assert_eq!(error, start);
    }

    #[test]
    fn several_runs_are_read_up_to_a_bound_for_all_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let half = directory.path().join("half.jsonl");
        let line = "{\"type\":\"scenario-started\",\"scenario\":\"".to_owned();
        let line = line + &"a".repeat(1 << 20) + "\"}\n";
        let lines = MOST_BYTES / 2 / line.len();
        fs::write(&half, line.repeat(lines)).unwrap();
        let both = [half.clone(), half.clone()];
        assert_eq!(Replay::read_all(&both).unwrap().len(), 2);
        let three = [half.clone(), half.clone(), half];
        let error = Replay::read_all(&three).unwrap_err().to_string();
        assert!(
            error.ends_with("with those of the runs before; report fewer runs at once"),
            "{error}"
        );
        assert!(
            error.contains("half.jsonl: the events are larger than 32768 KiB"),
            "{error}"
        );
    }

    #[test]
    fn events_of_another_version_are_refused() {
        let mut events = fixture::interrupted();
        if let Some(Event::RunStarted { version, .. }) = events.first_mut() {
            *version = VERSION + 1;
        }
        let directory = written(&events);
        let error = Replay::read(directory.path()).unwrap_err();
        assert!(
            matches!(error, ReplayError::OtherVersion { version, .. } if version == VERSION + 1)
        );
    }

    #[test]
    fn a_capture_that_was_moved_with_its_reports_is_found() {
        let events = fixture::run();
        let directory = written(&events);
        let lost_ack = "captures/mediastream/3way/responder/lost-ack.pcapng";
        let capture = directory.path().join(lost_ack);
        fs::create_dir_all(capture.parent().unwrap()).unwrap();
        fs::write(&capture, "").unwrap();
        let replay = Replay::read(directory.path()).unwrap();
        let named: Vec<String> = replay
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Finding(finding) => finding.capture.clone(),
                _ => None,
            })
            .collect();
        assert_eq!(named[0], capture.display().to_string());
        assert!(named[1].starts_with("reports/latest/captures/"));
    }
}
