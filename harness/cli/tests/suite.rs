//! The main job: the whole suite against the reference, as processes over real sockets, and the same
//! in virtual time.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use shakedown_engine::event::{Event, Summary, VerdictEvent};
use shakedown_engine::scenario::{Library, Selection};
use shakedown_engine::verdict::Verdict;
use support::strict_run;

/// What is run: the scenarios over datagrams.
const SUITE: &str = "mediastream/*";

/// Seconds that the suite may take: on two processors that are free it takes a third of that, on ones
/// that others use too, as in CI, longer than a minute.
const LIMIT: f64 = 300.0;

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
    let all = scenarios();
    let ids = all.keys().collect::<Vec<_>>();
    for run in [&real, &in_virtual_time] {
        assert_eq!(run.verdicts.keys().collect::<Vec<_>>(), ids);
    }
    let mut differences = Vec::new();
    for (id, requirements) in &all {
        let (real, other) = (&real.verdicts[id], &in_virtual_time.verdicts[id]);
        if real.verdict != other.verdict {
            differences.push(format!("{id}: {} and {}", real.verdict, other.verdict));
        }
        for (requirement, verdict) in &real.requirements {
            let also = other.requirements.get(requirement);
            // What the monitor judges besides depends on what came up: on a busy machine, a frame
            // that is sent again.
            if also != Some(verdict) && (also.is_some() || requirements.contains(requirement)) {
                differences.push(format!("{requirement} of {id}: {verdict} and {also:?}"));
            }
        }
    }
    assert_eq!(differences, [""; 0], "over sockets and in virtual time");
}

/// What a run told.
struct Run {
    verdicts: BTreeMap<String, VerdictEvent>,
    end: Summary,
}

/// Runs the suite with these arguments; it has to pass.
fn run(arguments: &[&str], out: &Path) -> Run {
    let run = strict_run(out, arguments).arg(SUITE).output();
    let run = run.expect("the program starts");
    let mut verdicts = BTreeMap::new();
    let mut end = None;
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(&run.stdout).lines() {
        let event = serde_json::from_str(line).expect("an event");
        if let Event::Finding(_) = event {
            found.push(line.to_owned());
        } else if let Event::Verdict(verdict) = event {
            if verdict.verdict != Verdict::Pass {
                found.push(line.to_owned());
            }
            verdicts.insert(verdict.scenario.clone(), verdict);
        } else if let Event::RunFinished(summary) = event {
            end = Some(summary);
        }
    }
    let end = end.expect("an end");
    let (found, notes) = (found.join("\n"), &end.notes);
    assert_eq!(run.status.code(), Some(0), "{found}\n{notes:#?}");
    Run { verdicts, end }
}

/// The requirements that each scenario of the repository names.
fn scenarios() -> BTreeMap<String, Vec<String>> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let library = Library::read(&[vectors]).expect("the committed scenarios load");
    let selection = Selection {
        names: vec![SUITE.to_owned()],
        ..Selection::default()
    };
    let selected = library.select(&selection).expect("there are some");
    let scenarios = selected.iter().map(|loaded| {
        let scenario = &loaded.scenario;
        (scenario.id.clone(), scenario.requirements.clone())
    });
    scenarios.collect()
}
