//! Every committed scenario against the reference in virtual time: it passes, and what happens is
//! what the snapshot under `reports/snapshots/` shows. Look at a change, then accept it with
//! `cargo insta review` or `INSTA_UPDATE=always`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "scenario_snapshots/not_judged.rs"]
mod not_judged;
#[path = "scenario_snapshots/transcript.rs"]
mod transcript;

use std::path::{Path, PathBuf};

use not_judged::not_judged;
use rstest::rstest;
use shakedown_engine::scenario::Loaded;
use shakedown_engine::simulation::{Settings, Simulated, simulate};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::Protocol;

#[rstest]
fn the_reference_passes(
    #[files("../../vectors/mediastream/scenarios/**/*.json")]
    #[files("../../vectors/darktower/scenarios/**/*.json")]
    path: PathBuf,
) {
    let (protocol, loaded) = load(&path);
    let simulated = simulate(protocol, &loaded.scenario, &Settings::default()).unwrap();
    let transcript = transcript::transcript(protocol, &loaded.scenario, &simulated);
    let id = loaded.scenario.id.as_str();
    let (folder, name) = id.rsplit_once('/').unwrap();
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports/snapshots");
    insta::with_settings!({
        snapshot_path => snapshots.join(folder),
        prepend_module_to_snapshot => false,
        omit_expression => true,
        description => loaded.scenario.title.clone(),
    }, {
        insta::assert_snapshot!(name, transcript);
    });
    assert_eq!(
        simulated.composed.verdict.verdict,
        Verdict::Pass,
        "{transcript}"
    );
    let silent = not_judged(protocol, &loaded.scenario, &simulated.composed.verdict);
    assert!(
        silent.is_empty(),
        "listed and judged by nothing: {silent:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_another_capture() {
    let path = "3way/responder/a-syn-flood-harms-no-established-session.json";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/mediastream/scenarios");
    let (protocol, loaded) = load(&folder.join(path));
    let run = |seed| -> Simulated {
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        simulate(protocol, &loaded.scenario, &settings).unwrap()
    };
    let first = run(3);
    assert_eq!(first, run(3));
    assert_ne!(first.capture, run(4).capture);
}

fn load(path: &Path) -> (&'static Protocol, Loaded) {
    let loaded = Loaded::read(path).unwrap_or_else(|problems| panic!("{problems}"));
    let id = loaded.scenario.id.split('/').next().unwrap();
    (shakedown_protocol::protocol(id).unwrap(), loaded)
}
