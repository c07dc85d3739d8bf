//! The bodies of the fuzz targets `capture`, `judged_initiator` and `judged_responder` over every seed and every
//! input that once broke one, and the seeds of captures: beginnings of the field recordings and sessions of
//! the reference.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-engine --test fuzz_seeds` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../protocol/tests/support/conversation.rs"]
mod conversation;
#[path = "../../protocol/tests/support/seeds.rs"]
mod seeds;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use conversation::{conversation, initiator, responder};
use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_capture::{
    DataLink, Endianness, Packets, PcapFileWriter, PcapLayout, Tap, WriterSettings,
};
use shakedown_engine::fuzz;
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::mediastream::fuzz::participants;
use shakedown_protocol::requirement::Role;

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("capture", |bytes| fuzz::capture(&PROTOCOL, bytes));
    replay("judged_initiator", |bytes| {
        fuzz::planned(&PROTOCOL, &|| participants(Role::Initiator, bytes));
    });
    replay("judged_responder", |bytes| {
        fuzz::planned(&PROTOCOL, &|| participants(Role::Responder, bytes));
    });
}

#[test]
#[ignore = "prints a list: make fuzz-coverage"]
#[expect(clippy::print_stdout, reason = "the list is for people")]
fn pairs_of_state_and_frame_that_no_input_reaches() {
    replay("judged_initiator", |bytes| {
        fuzz::planned(&PROTOCOL, &|| participants(Role::Initiator, bytes));
    });
    replay("judged_responder", |bytes| {
        fuzz::planned(&PROTOCOL, &|| participants(Role::Responder, bytes));
    });
    for pair in fuzz::never_reached(&PROTOCOL) {
        println!("never reached: {pair}");
    }
}

#[test]
fn field_recordings_are_read() {
    for name in ["legacy-single", "legacy-split-frames"] {
        fuzz::capture(&PROTOCOL, &std::fs::read(recording(name)).unwrap());
    }
}

#[test]
fn seeds_of_captures_are_beginnings_of_recordings_and_sessions() {
    let mut seeds = Seeds::new();
    for (name, count) in [("legacy-single", 8), ("legacy-split-frames", 2)] {
        for (layout, endianness, nanoseconds) in [
            ("little-us", Endianness::Little, false),
            ("big-ns", Endianness::Big, true),
        ] {
            let bytes = beginning(&recording(name), count, endianness, nanoseconds);
            seeds.insert(format!("{name}-{layout}.pcap"), bytes);
        }
    }
    for (name, mode, options) in [
        ("legacy", "legacy", &[][..]),
        ("3way", "3way", &[]),
        ("3way-optimistic", "3way", &["optimistic_start"]),
    ] {
        seeds.insert(format!("{name}.pcapng"), recorded(mode, options));
    }
    assert_up_to_date("capture", &seeds);
}

fn recording(name: &str) -> std::path::PathBuf {
    Path::new("../../pcaps/field")
        .join(name)
        .with_extension("pcap")
}

/// The first packets of a recording, in another layout.
fn beginning(path: &Path, count: usize, endianness: Endianness, nanoseconds: bool) -> Vec<u8> {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness,
        nanoseconds,
    };
    let mut written = PcapFileWriter::new(Vec::new(), layout).unwrap();
    let mut packets = Packets::open(File::open(path).unwrap()).unwrap();
    for _ in 0..count {
        let packet = packets.next_packet().unwrap().unwrap();
        let wire_length = packet.wire_length as usize;
        written
            .write_packet(packet.time, packet.data, wire_length)
            .unwrap();
    }
    written.into_inner()
}

/// A session of the reference as a capture.
fn recorded(mode: &str, options: &[&str]) -> Vec<u8> {
    let settings = WriterSettings {
        application: "shakedown".to_owned(),
        ..WriterSettings::default()
    };
    let mut tap = Tap::new(Vec::new(), &settings).unwrap();
    for (time, from_responder, payload) in conversation(mode, options) {
        let (source, destination) = match from_responder {
            true => (responder(), initiator()),
            false => (initiator(), responder()),
        };
        let time = Duration::from_secs(1_700_000_000) + time;
        tap.record(time, source, destination, &payload).unwrap();
    }
    tap.into_inner()
}
