//! The bodies of the fuzz targets of what people write, and of machines that meet, over every seed and every input
//! that once broke them. Those of texts are scenarios, descriptions and vectors as they once were.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-engine --test text_fuzz_seeds` writes those of meetings
//! anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../protocol/tests/support/seeds.rs"]
mod seeds;

use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_engine::fuzz;

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("scenario", fuzz::scenario);
    replay("description", fuzz::description);
    replay("vector", fuzz::vector);
    replay("meeting", fuzz::meeting);
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
