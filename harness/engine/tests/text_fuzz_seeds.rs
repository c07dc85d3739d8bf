//! The bodies of the fuzz targets of what people write, and of machines that meet, over every seed and every input
//! that once broke them. The seeds are files that are there.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-engine --test text_fuzz_seeds` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../protocol/tests/support/seeds.rs"]
mod seeds;

use std::fs;
use std::path::{Path, PathBuf};

use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_engine::fuzz;

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("scenario", fuzz::scenario);
    replay("description", fuzz::description);
    replay("vector", fuzz::vector);
    replay("meeting", fuzz::meeting);
}

/// The files below a folder whose names end so, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path, ending)),
            false if path.to_str().unwrap().ends_with(ending) => all.push(path),
            false => {}
        }
    }
    all.sort();
    all
}

/// Every so many-th of them, named by their numbers.
fn some_of(files: Vec<PathBuf>, each: usize) -> Seeds {
    let chosen = files.into_iter().step_by(each);
    chosen
        .enumerate()
        .map(|(number, path)| (format!("{number:03}"), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn seeds_are_files_that_are_there() {
    let vectors = Path::new("../../vectors");
    let of = |folder: &str, ending: &str| {
        let protocols = ["mediastream", "proton", "darktower"];
        let folders = protocols.map(|protocol| vectors.join(protocol).join(folder));
        folders
            .iter()
            .flat_map(|folder| files(folder, ending))
            .collect::<Vec<_>>()
    };
    assert_up_to_date("scenario", &some_of(of("scenarios", ".json"), 12));
    assert_up_to_date("vector", &some_of(of("frames", ".json"), 8));
    assert_up_to_date("description", &some_of(files(vectors, ".toml"), 1));
}

#[test]
fn seeds_of_meetings_are_some_of_each_protocol() {
    let mut seeds = Seeds::new();
    for protocol in 0..3 {
        for step in [0, 1, 7, 85, 131] {
            let drawn = (0..160_u32).map(|place| (place * step) as u8);
            let bytes = [protocol].into_iter().chain(drawn).collect();
            seeds.insert(format!("{protocol}-{step}"), bytes);
        }
    }
    assert_up_to_date("meeting", &seeds);
}
