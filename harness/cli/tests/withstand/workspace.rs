//! A program that misbehaves, and a run against it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use shakedown_capture::Capture;
use tempfile::TempDir;

/// Longer than anything here takes; what takes longer hangs.
pub(super) const BOUND: Duration = Duration::from_secs(60);

pub(super) const SHAKEDOWN: &str = env!("CARGO_BIN_EXE_shakedown");

/// A folder with an IUT description, a scenario and the reports.
pub(super) struct Workspace {
    pub(super) folder: TempDir,
}

/// What a run left behind.
pub(super) struct Outcome {
    pub(super) exit: Option<i32>,
    pub(super) events: Vec<Value>,
    pub(super) errors: String,
}

impl Workspace {
    /// A legacy responder, started by `start`, the lines of the table of that name.
    pub(super) fn new(start: &str, address: &str) -> Self {
        let workspace = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        };
        let description = format!(
            "name = \"troublemaker\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
             modes = [\"legacy\"]\n[start]\n{start}\n[reach]\naddress = \"{address}\"\n\
             [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 1\n"
        );
        workspace.write("iut.toml", &description);
        workspace
    }

    /// Started by a script of /bin/sh.
    pub(super) fn shell(script: &str) -> Self {
        let script = script.replace("MISBEHAVE", misbehave().to_str().expect("a path of text"));
        let start = format!("command = [\"/bin/sh\", \"-c\", '''{script}''']");
        Self::new(&start, "127.0.0.1:{port}")
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Puts something in the place of a word of the description.
    pub(super) fn put(&self, word: &str, what: impl std::fmt::Display) {
        let text = std::fs::read_to_string(self.path("iut.toml")).expect("the description");
        self.write("iut.toml", &text.replace(word, &what.to_string()));
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A scenario of this name with these steps.
    pub(super) fn scenario(&self, name: &str, steps: &str) -> PathBuf {
        let text = format!(
            "{{ \"id\": \"mediastream/legacy/responder/{name}\", \"title\": \"A test\",\n\
             \"requirements\": [\"MS-W-17\"],\n\
             \"iut\": {{ \"role\": \"responder\", \"mode\": \"legacy\" }},\n\"steps\": [{steps}] }}"
        );
        self.write(&format!("{name}.json"), &text)
    }

    pub(super) fn command(&self, scenarios: &[&Path]) -> Command {
        let mut command = Command::new(SHAKEDOWN);
        command
            .args(["run", "--level", "may", "--retries", "2"])
            .args(scenarios)
            .args(["--format", "json", "--capture", "tap"])
            .arg("--iut")
            .arg(self.path("iut.toml"))
            .arg("--out")
            .arg(self.path("out"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs scenarios; the reports must be readable.
    pub(super) fn run(&self, scenarios: &[&Path]) -> Outcome {
        let child = self.command(scenarios).spawn().expect("the program starts");
        finish(child, Vec::new())
    }

    /// The events in the folder of the reports: each line is an object. The last is their digest.
    pub(super) fn reported(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("out/events.jsonl")).expect("events");
        let events = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let mut events: Vec<Value> = events.collect();
        assert_eq!(events.pop().expect("a digest")["type"], "digest");
        events
    }

    /// Waits until a scenario's capture has so many datagrams, while it is still played.
    pub(super) fn wait_for_datagrams(&self, name: &str, count: usize) {
        let start = Instant::now();
        while self.read(name).unwrap_or_default() < count {
            assert!(start.elapsed() < BOUND, "{name} does not come so far");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn capture(&self, name: &str) -> PathBuf {
        self.path(&format!(
            "out/captures/mediastream/legacy/responder/{name}.pcapng"
        ))
    }

    /// Datagrams in a scenario's capture.
    pub(super) fn datagrams(&self, name: &str) -> usize {
        self.read(name).expect("a readable capture")
    }

    pub(super) fn read(&self, name: &str) -> Result<usize, String> {
        let file = File::open(self.capture(name)).map_err(|error| error.to_string())?;
        let mut capture = Capture::open(file).map_err(|error| error.to_string())?;
        let mut count = 0;
        loop {
            match capture.next_datagram() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return Ok(count),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Outcome {
    pub(super) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["type"] == kind)
    }

    pub(super) fn message(&self) -> &str {
        let end = self.of("run-finished").last();
        end.and_then(|end| end["message"].as_str())
            .unwrap_or_default()
    }

    pub(super) fn verdict(&self, name: &str) -> &Value {
        let mut verdicts = self.of("verdict");
        let found = verdicts.find(|verdict| {
            verdict["scenario"]
                .as_str()
                .is_some_and(|id| id.ends_with(name))
        });
        found.unwrap_or_else(|| panic!("no verdict on {name}: {:?} {}", self.events, self.errors))
    }
}

/// Waits for the program's end, but not for ever. `events` came before.
pub(super) fn finish(mut child: Child, mut events: Vec<Value>) -> Outcome {
    let out = child.stdout.take();
    let err = child.stderr.take();
    let read_events = std::thread::spawn(move || match out {
        Some(out) => BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .map(|line| serde_json::from_str(&line).expect("a line of JSON"))
            .collect(),
        None => Vec::<Value>::new(),
    });
    let read_errors = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut err) = err {
            let _ = err.read_to_string(&mut text);
        }
        text
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the program can be waited for") {
            break status;
        }
        if start.elapsed() > BOUND {
            let _ = child.kill();
            panic!("the program hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    events.extend(read_events.join().expect("the reader of events"));
    Outcome {
        exit: status.code(),
        events,
        errors: read_errors.join().expect("the reader of errors"),
    }
}

/// The example of that name, which is built with the tests.
pub(super) fn misbehave() -> PathBuf {
    let path = Path::new(SHAKEDOWN)
        .with_file_name("examples")
        .join("misbehave");
    assert!(
        path.exists(),
        "build it first: cargo build --package shakedown-cli --examples"
    );
    path
}
