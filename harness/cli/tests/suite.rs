//! The main job: the whole suite against the reference, as processes over real sockets, and the same
//! in virtual time.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use shakedown_engine::event::{Event, Summary, VerdictEvent};
use shakedown_engine::scenario::Library;

/// Seconds that the suite may take.
const LIMIT: f64 = 60.0;

#[test]
fn the_reference_passes_the_whole_suite_in_time_and_as_in_virtual_time() {
    let out = tempfile::tempdir().expect("a folder can be made");
    let real = run(&[], out.path());
    assert!(real.end.seconds < LIMIT, "{}", real.end.seconds);
    for id in real.verdicts.keys() {
        let capture = out.path().join("captures").join(format!("{id}.pcapng"));
        assert!(capture.exists(), "{}", capture.display());
    }
    let out = tempfile::tempdir().expect("a folder can be made");
    let in_virtual_time = run(&["--virtual"], out.path());
    let ids = |of: &Run| of.verdicts.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(&real), ids(&in_virtual_time));
    let all = scenarios();
    assert_eq!(ids(&real), all.keys().cloned().collect::<Vec<_>>());
    for (id, requirements) in &all {
        let (real, other) = (&real.verdicts[id], &in_virtual_time.verdicts[id]);
        assert_eq!(real.verdict, other.verdict, "{id}");
        for (requirement, verdict) in &real.requirements {
            let also = other.requirements.get(requirement);
            // What the monitor judges besides depends on what came up: on a busy machine, a frame
            // that is sent again.
            if also.is_some() || requirements.contains(requirement) {
                assert_eq!(also, Some(verdict), "{requirement} of {id}");
            }
        }
    }
}

/// What a run told.
struct Run {
    verdicts: BTreeMap<String, VerdictEvent>,
    end: Summary,
}

/// Runs the suite with these arguments; it has to pass.
fn run(arguments: &[&str], out: &Path) -> Run {
    let run = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["run", "--format", "json", "--seed", "1", "--out"])
        .arg(out)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let mut verdicts = BTreeMap::new();
    let mut end = None;
    for line in String::from_utf8_lossy(&run.stdout).lines() {
        let event = serde_json::from_str(line).expect("an event");
        if let Event::Verdict(verdict) = event {
            verdicts.insert(verdict.scenario.clone(), verdict);
        } else if let Event::RunFinished(summary) = event {
            end = Some(summary);
        }
    }
    let end = end.expect("an end");
    assert_eq!(run.status.code(), Some(0), "{end:#?}");
    Run { verdicts, end }
}

/// The requirements that each scenario of the repository names.
fn scenarios() -> BTreeMap<String, Vec<String>> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let library = Library::read(&[vectors]).expect("the committed scenarios load");
    let scenarios = library.scenarios().iter().map(|loaded| {
        let scenario = &loaded.scenario;
        (scenario.id.clone(), scenario.requirements.clone())
    });
    scenarios.collect()
}
