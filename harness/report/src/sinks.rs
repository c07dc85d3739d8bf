use std::path::Path;

use shakedown_engine::event::Event;

use crate::sink::{Failure, Outcome, Sink};
use crate::{DOCUMENTS, Document, JsonLines, Record};

/// Several reports of one stream of events.
#[derive(Default)]
pub struct Sinks {
    record: Record,
    open: Vec<Box<dyn Sink>>,
    outcome: Outcome,
}

impl Sinks {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a report. Add the terminal last: it lists the files that were written.
    pub fn add(&mut self, sink: impl Sink + 'static) {
        self.open.push(Box::new(sink));
    }

    /// Adds `events.jsonl` and the documents of a run in `directory`, which is made if need be.
    ///
    /// # Errors
    /// [`Failure`] if there is no such directory and none can be made.
    pub fn add_directory(&mut self, directory: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(directory).map_err(|error| Failure {
            target: format!("directory {}", directory.display()),
            error,
        })?;
        self.add(JsonLines::to_file(directory.join("events.jsonl")));
        for (file, render) in DOCUMENTS {
            self.add(Document::new(directory.join(file), *render));
        }
        Ok(())
    }

    /// Hands an event to every report.
    pub fn event(&mut self, event: &Event) {
        self.record.add(event);
        let Self {
            record,
            open,
            outcome,
        } = self;
        open.retain_mut(|sink| match sink.event(event, record) {
            Ok(()) => true,
            Err(error) => {
                outcome.fail(sink.as_ref(), error);
                false
            }
        });
    }

    /// All events so far.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The reports that could not be written, each reported once.
    pub fn new_failures(&mut self) -> &[Failure] {
        let reported = std::mem::replace(&mut self.outcome.reported, self.outcome.failures.len());
        &self.outcome.failures[reported..]
    }

    /// Completes every report, in the order in which they were added.
    #[must_use]
    pub fn finish(mut self) -> Outcome {
        for mut sink in self.open {
            match sink.finish(&self.record, &self.outcome) {
                Ok(()) => self
                    .outcome
                    .files
                    .extend(sink.file().map(Path::to_path_buf)),
                Err(error) => self.outcome.fail(sink.as_ref(), error),
            }
        }
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Scripted {
        name: &'static str,
        fails_at: Option<usize>,
        kind: io::ErrorKind,
        calls: usize,
        seen: Arc<Mutex<Vec<String>>>,
    }

    impl Scripted {
        fn call(&mut self, what: &str) -> io::Result<()> {
            let call = self.calls;
            self.calls += 1;
            if self.fails_at == Some(call) {
                return Err(self.kind.into());
            }
            self.seen
                .lock()
                .unwrap()
                .push(format!("{} {what}", self.name));
            Ok(())
        }
    }

    impl Sink for Scripted {
        fn target(&self) -> String {
            self.name.to_owned()
        }

        fn file(&self) -> Option<&Path> {
            (self.kind != io::ErrorKind::BrokenPipe).then_some(Path::new(self.name))
        }

        fn event(&mut self, _: &Event, _: &Record) -> io::Result<()> {
            self.call("event")
        }

        fn finish(&mut self, _: &Record, so_far: &Outcome) -> io::Result<()> {
            self.call(&format!("finish after {}", so_far.files.len()))
        }
    }

    fn event() -> Event {
        Event::ScenarioStarted {
            scenario: "a".to_owned(),
        }
    }

    fn run(sinks: [(&'static str, Option<usize>, io::ErrorKind); 2]) -> (Outcome, Vec<String>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut all = Sinks::new();
        for (name, fails_at, kind) in sinks {
            all.add(Scripted {
                name,
                fails_at,
                kind,
                calls: 0,
                seen: Arc::clone(&seen),
            });
        }
        all.event(&event());
        all.event(&event());
        let outcome = all.finish();
        let seen = seen.lock().unwrap().clone();
        (outcome, seen)
    }

    #[test]
    fn a_sink_that_fails_is_told_once_and_the_others_go_on() {
        let full = io::ErrorKind::StorageFull;
        let (outcome, seen) = run([("first", Some(0), full), ("second", None, full)]);
        assert_eq!(
            seen,
            ["second event", "second event", "second finish after 0"]
        );
        assert_eq!(outcome.files, [Path::new("second")]);
        let failures: Vec<String> = outcome.failures.iter().map(ToString::to_string).collect();
        assert_eq!(
            failures,
            ["cannot write the report first: no storage space"]
        );
        assert_eq!(
            [0, 1, 2, 3, 130].map(|exit| outcome.exit(exit)),
            [3, 1, 2, 3, 130]
        );
    }

    #[test]
    fn a_sink_may_fail_at_its_end() {
        let full = io::ErrorKind::StorageFull;
        let (outcome, _) = run([("first", Some(2), full), ("second", None, full)]);
        assert_eq!(outcome.failures.len(), 1);
        assert_eq!(outcome.files, [Path::new("second")]);
    }

    #[test]
    fn a_reader_of_standard_output_that_goes_away_is_no_failure() {
        let pipe = io::ErrorKind::BrokenPipe;
        let (outcome, seen) = run([("first", Some(1), pipe), ("second", None, pipe)]);
        assert!(outcome.failures.is_empty());
        assert_eq!(outcome.exit(0), 0);
        assert_eq!(
            seen,
            [
                "first event",
                "second event",
                "second event",
                "second finish after 0"
            ]
        );
    }
}
