//! The scenarios of this repository are in order, and together they cover the specification.

use std::path::Path;

use shakedown_engine::scenario::Library;

fn committed() -> Library {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    Library::read(&[folder]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_committed_scenario_loads() {
    assert!(committed().scenarios().len() >= 60);
}
