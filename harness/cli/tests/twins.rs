//! A sample of the twins over sockets: what catches a twin in virtual time catches its process, too.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the program is tested as a process, many at a time, and a test fails by panicking"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

/// At a time: nearly all that they do is wait.
const JOBS: usize = 8;

/// Every kind of fault is among them: bytes, ids, numbers, waits, counts, answers, states.
const SAMPLE: [&str; 30] = [
    "MS-W-01",
    "MS-W-02",
    "MS-W-05",
    "MS-W-10",
    "MS-W-12",
    "MS-W-15/served",
    "MS-W-17",
    "MS-L-02",
    "MS-L-04/ends",
    "MS-L-05/status",
    "MS-H-03/four",
    "MS-H-04/fallback",
    "MS-H-06/nul",
    "MS-H-08/silent",
    "MS-H-09/near",
    "MS-H-10/on",
    "MS-H-12/empty",
    "MS-H-15",
    "MS-H-18/two",
    "MS-H-23/same",
    "MS-S-02/sender",
    "MS-S-03/swapped",
    "MS-S-06/code",
    "MS-S-10/always",
    "MS-S-13/silent",
    "MS-S-16/nonce",
    "MS-D-01/gap",
    "MS-D-04",
    "MS-D-07",
    "MS-D-11/swapped",
];

fn shakedown(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(arguments)
        .args(["--format", "json"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    assert!(
        !lines.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    lines
}

/// Plays a twin that was caught as a process: whether it is caught again, and what is wrong if it passes.
/// Neither, where the machine was too busy to tell.
fn play(folder: &TempDir, index: usize, twin: &Value) -> (bool, Option<String>) {
    let word = |key: &str| twin[key].as_str().unwrap();
    let (name, role) = (word("name"), word("role"));
    let source = format!("../../vectors/mediastream/reference-{role}.toml");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let healthy = std::fs::read_to_string(source).unwrap();
    let words = "\"mediastream\",";
    let faulty = healthy.replace(words, &format!("{words} \"--without\", \"{name}\","));
    assert_ne!(healthy, faulty);
    let folder = folder.path().join(index.to_string());
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("twin.toml"), faulty).unwrap();
    let events = shakedown(
        &folder,
        &[
            "run",
            word("scenario"),
            "--iut",
            "twin.toml",
            "--level",
            "may",
        ],
    );
    let is_found = events
        .iter()
        .any(|event| event["type"] == "finding" && event["requirement"] == word("requirement"));
    let passes = events
        .iter()
        .any(|event| event["type"] == "verdict" && event["verdict"] == "pass");
    let escapes = format!("{name} ({role}) passes {}", word("scenario"));
    (is_found, passes.then_some(escapes))
}

#[test]
fn what_catches_a_twin_in_virtual_time_catches_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = shakedown(folder.path(), &[&["twins"], &SAMPLE[..]].concat());
    lines.retain(|line| SAMPLE.iter().any(|name| line["name"] == *name));
    assert!(lines.len() >= SAMPLE.len());
    let rest = Mutex::new(lines.iter().enumerate());
    let ends = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let next = rest.lock().unwrap().next();
                    let Some((index, twin)) = next else {
                        break;
                    };
                    let end = play(&folder, index, twin);
                    ends.lock().unwrap().push(end);
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    let wrong: Vec<_> = ends
        .iter()
        .filter_map(|(_, wrong)| wrong.as_ref())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let caught = ends.iter().filter(|(is_found, _)| *is_found).count();
    assert!(
        2 * caught > ends.len(),
        "{caught} of {} are caught",
        ends.len()
    );
}
