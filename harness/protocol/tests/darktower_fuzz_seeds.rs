//! The body of the fuzz target `darktower_streams` over every seed and every input that once broke it.
//! The seeds are the frame vectors, whole and byte by byte.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-protocol --test darktower_fuzz_seeds` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/seeds.rs"]
mod seeds;

use std::path::Path;

use seeds::{Seeds, assert_up_to_date, replay};
use serde_json::Value;
use shakedown_protocol::darktower::fuzz;
use shakedown_protocol::hex;

/// The largest vectors say no more than small ones do, and are slow to mutate.
const LARGEST: usize = 4_096;

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("darktower_streams", fuzz::streams);
}

#[test]
fn seeds_are_the_frame_vectors() {
    let kinds = [
        "ClientMessage",
        "ServerMessage",
        "MediaAuth",
        "MediaAuthResult",
        "media",
    ];
    let mut seeds = Seeds::new();
    let folders = Path::new("../../vectors/darktower/frames")
        .read_dir()
        .unwrap();
    let folders = folders.map(|folder| folder.unwrap().path());
    for folder in folders.filter(|folder| folder.is_dir()) {
        for file in folder.read_dir().unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let vector: Value = serde_json::from_str(&text).unwrap();
            let pieces = match &vector["hex"] {
                Value::Array(pieces) => pieces.iter().filter_map(Value::as_str).collect(),
                digits => digits.as_str().unwrap().to_owned(),
            };
            let kind = kinds.iter().position(|kind| vector["stream"] == *kind);
            let (kind, cut) = (u8::try_from(kind.unwrap()).unwrap(), 1);
            let bytes = [vec![kind, cut], hex::parse(&pieces).unwrap()].concat();
            let name = vector["id"].as_str().unwrap().replace('/', "-");
            if bytes.len() <= LARGEST {
                seeds.insert(name, bytes);
            }
        }
    }
    assert_up_to_date("darktower_streams", &seeds);
}
