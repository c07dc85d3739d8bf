//! The body of the fuzz target of the carrier over every seed and every input that once broke it.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-carrier --test fuzz_seeds` writes the seeds anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../protocol/tests/support/seeds.rs"]
mod seeds;

use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_carrier::fuzz;
use shakedown_protocol::proton::{Server, ServerSettings, TRANSPORT, Workload, WorkloadClient};

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("quic_carrier", |bytes| {
        let server = Server::new(ServerSettings::default());
        let client = WorkloadClient::new(Workload::default());
        fuzz::carrier(TRANSPORT, server, client, bytes);
    });
}

#[test]
fn seeds_do_one_thing_to_each_of_the_first_packets() {
    let mut seeds = Seeds::from([("nothing".to_owned(), vec![0])]);
    for what in 1..8 {
        for before in [0, 2, 5, 9, 14] {
            let bytes = [&vec![0; before][..], &[what, 0, 40, 3, 7, 1, 1]].concat();
            seeds.insert(format!("{what}-after-{before}"), bytes);
        }
    }
    assert_up_to_date("quic_carrier", &seeds);
}
