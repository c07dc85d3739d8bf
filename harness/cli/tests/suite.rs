//! The main job: the whole suite against the reference, as processes over real sockets.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use shakedown_engine::scenario::Library;
use shakedown_engine::simulation::{Settings, simulate};

/// Seconds that the suite may take.
const LIMIT: f64 = 60.0;

#[test]
fn the_reference_passes_the_whole_suite_in_time_and_as_in_the_simulation() {
    let out = tempfile::tempdir().expect("a folder can be made");
    let run = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["run", "--format", "json", "--seed", "1", "--out"])
        .arg(out.path())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&run.stdout);
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let end = events.last().expect("an end");
    assert_eq!(run.status.code(), Some(0), "{end:#}");
    assert!(
        end["seconds"].as_f64().is_some_and(|s| s < LIMIT),
        "{}",
        end["seconds"]
    );
    let real: BTreeMap<&str, &str> = events
        .iter()
        .filter(|event| event["type"] == "verdict")
        .filter_map(|event| Some((event["scenario"].as_str()?, event["verdict"].as_str()?)))
        .collect();
    assert_eq!(
        real,
        simulated()
            .iter()
            .map(|(id, v)| (id.as_str(), v.as_str()))
            .collect()
    );
    for id in real.keys() {
        let capture = out.path().join("captures").join(format!("{id}.pcapng"));
        assert!(capture.exists(), "{}", capture.display());
    }
}

/// The verdict on each scenario in virtual time.
fn simulated() -> BTreeMap<String, String> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let library = Library::read(&[vectors]).expect("the committed scenarios load");
    let protocol = shakedown_protocol::protocol("mediastream").expect("a protocol");
    let verdicts = library.scenarios().iter().map(|loaded| {
        let scenario = &loaded.scenario;
        let simulated = simulate(protocol, scenario, &Settings::default()).expect("a simulation");
        let verdict = serde_json::to_value(simulated.composed.verdict.verdict).expect("JSON");
        (
            scenario.id.clone(),
            verdict.as_str().unwrap_or_default().to_owned(),
        )
    });
    verdicts.collect()
}
