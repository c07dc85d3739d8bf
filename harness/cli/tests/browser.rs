//! Chromium speaks darktower by the page of this project: with the reference, and as a client under test.
#![allow(
    clippy::disallowed_types,
    clippy::panic,
    clippy::unwrap_used,
    reason = "programs are run as processes, and a test fails by panicking"
)]

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{send, shakedown, verdicts};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A program that ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        send(&self.0, Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// A browser without a window.
struct Browser {
    console: Lines<BufReader<ChildStderr>>,
    // Ended before its profile goes.
    _running: Running,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn open(address: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let program = std::env::var("BROWSER").unwrap_or_else(|_| "chromium".to_owned());
        let mut child = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--enable-logging=stderr"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(address)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let console = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            console,
            _running: Running(child),
            _profile: profile,
        }
    }

    /// Reads the page's console up to a line that begins so; what each of the lines before says of frames.
    fn until(&mut self, end: &str, frames: &str) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        for line in self.console.by_ref() {
            let line = line.unwrap();
            let Some((_, said)) = line.split_once("CONSOLE") else {
                continue;
            };
            let said = said.split_once('"').map_or(said, |(_, said)| said);
            if said.starts_with(end) {
                return found;
            }
            if let Some(frame) = said.strip_prefix(frames) {
                let frame = frame.rsplit_once("\", source").unwrap().0;
                let frame: Value = serde_json::from_str(frame).unwrap();
                let digest = frame["sha256"].as_str().unwrap().to_owned();
                found.push((frame["number"].as_u64().unwrap(), digest));
            }
        }
        panic!("the browser ended before {end:?}");
    }
}

#[test]
#[ignore = "make test-browser: it needs Chromium"]
fn what_one_page_publishes_another_receives_byte_for_byte() {
    let mut server = shakedown(&["serve", "darktower", "--listen", "127.0.0.1:0"])
        .args(["--page", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let _server = Running(server);
    let page = lines.next().unwrap().unwrap();
    let page = page.strip_prefix("page at ").unwrap();
    assert!(lines.next().unwrap().unwrap().starts_with("listening on "));
    for kind in ["audio", "video", "datagrams"] {
        let mut receiver = Browser::open(&format!("{page}?auto&stay"));
        receiver.until("media AUTHENTICATING -> READY", "<- FRAME ");
        let mut sender = Browser::open(&format!("{page}?auto&publish={kind}&frames=150"));
        let sent = sender.until("signaling DISCONNECTING -> DISCONNECTED", "-> FRAME ");
        let received = receiver.until("<- ParticipantLeft", "<- FRAME ");
        assert_eq!(sent.len(), 150);
        // Who subscribes while frames flow may miss the first of them, and datagrams may be lost.
        let first = received.first().unwrap().0;
        let rest: Vec<_> = sent
            .into_iter()
            .filter(|(number, _)| *number >= first)
            .collect();
        assert!(first <= 130, "{received:?}");
        assert_eq!(received, rest, "{kind}");
    }
}

#[test]
#[ignore = "make test-browser: it needs Chromium"]
fn the_page_passes_all_that_it_claims_as_a_client_under_test() {
    let folder = tempfile::tempdir().unwrap();
    let output = shakedown(&["run", "--jobs", "3", "--format", "json", "--iut"])
        .arg(Path::new(ROOT).join("docs/examples/browser.toml"))
        .arg("--out")
        .arg(folder.path().join("out"))
        .output()
        .unwrap();
    let verdicts = verdicts(&output);
    let (passed, others): (Vec<_>, Vec<_>) = verdicts
        .into_iter()
        .filter(|event| event["verdict"] != "not-applicable")
        .partition(|event| event["verdict"] == "pass");
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(output.status.code(), Some(0));
    assert!(passed.len() >= 11, "{passed:?}");
}

#[test]
#[ignore = "make test-browser: it needs Chromium"]
fn the_page_is_served_by_services_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(ROOT);
    let output = shakedown(&["interop", "--format", "json", "--jobs", "3"])
        .arg(root.join("vectors/darktower/reference-server.toml"))
        .arg(root.join("docs/examples/browser.toml"))
        .arg("--out")
        .arg(folder.path().join("out"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let events = String::from_utf8(output.stdout).unwrap();
    let pairs = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let pairs: Vec<Value> = pairs
        .filter(|event: &Value| event["type"] == "pair")
        .collect();
    for pair in &pairs {
        let offered = pair["responder"]["mode"].as_str().unwrap().split(',');
        let is_offered = offered
            .into_iter()
            .any(|one| pair["initiator"]["mode"] == one);
        let expected = if is_offered { "streams" } else { "refuses" };
        assert_eq!(pair["outcome"], expected, "{pair}");
    }
    assert_eq!(pairs.len(), 12);
}
