//! The body of the fuzz target of the carrier over every seed and every input that once broke it.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-carrier --test fuzz_seeds` writes the seeds anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../protocol/tests/support/seeds.rs"]
mod seeds;

use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_carrier::fuzz;
use shakedown_protocol::Transport;
use shakedown_protocol::proton::{Server, ServerSettings, TRANSPORT, Workload, WorkloadClient};

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("quic_carrier", |bytes| {
        let server = Server::new(ServerSettings::default());
        let client = WorkloadClient::new(Workload::default());
        let transport = Transport {
            datagrams: true,
            ..TRANSPORT
        };
        fuzz::carrier(transport, server, client, bytes);
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
    // Frames of QUIC behind the protection: a datagram of no bytes, a stream that is stopped, one that is reset.
    for (name, frame) in [
        ("datagram", &[0x31, 1, 32][..]),
        ("stop-sending", &[0x05, 2, 0, 32]),
        ("stop-sending-with-2^60", &[0x05, 2, 0, 10]),
        ("reset", &[0x04, 3, 0, 32, 0]),
    ] {
        for before in [3, 4, 5, 9, 14] {
            let bytes = [&vec![0; before][..], &[8], frame].concat();
            seeds.insert(format!("{name}-after-{before}"), bytes);
        }
    }
    assert_up_to_date("quic_carrier", &seeds);
}
