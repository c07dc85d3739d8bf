//! The body of the fuzz target for QUIC holds for all its seeds and for inputs that once broke it,
//! and the seeds themselves: the examples of RFC 9001, and sessions that are sealed here.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-capture --test fuzz_seeds` writes them anew.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail so"
)]

#[path = "../../protocol/tests/support/seeds.rs"]
mod seeds;

use std::time::Duration;

use proptest::prelude::*;
use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_capture::quic::fuzz::{client_hello, datagrams, key_log, quic_capture};
use shakedown_capture::quic::{Decoder, Event, Limits};
use shakedown_capture::{Capture, Item, Tap, WriterSettings};

const INITIAL: u8 = 0;
const EARLY: u8 = 1;
const HANDSHAKE: u8 = 2;
const TRAFFIC: u8 = 3;
const BY_SERVER: u8 = 4;
const UPDATED: u8 = 8;
const RAW: u8 = 0x20;
const MOVED: u8 = 0x40;
const MORE: u8 = 0x80;

fn record(operation: u8, number: u16, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16;
    [
        &[operation][..],
        &number.to_le_bytes(),
        &length.to_le_bytes(),
        payload,
    ]
    .concat()
}

/// What both ends say until the handshake is done; the server takes early data or not.
fn handshake(early: bool) -> Vec<Vec<u8>> {
    let server_hello = [
        &[6, 0, 44, 2, 0, 0, 40, 3, 3][..],
        &[9; 32],
        &[0, 0x13, 1, 0, 0, 0],
    ]
    .concat();
    let extensions: &[u8] = if early {
        &[0, 42, 0, 0]
    } else {
        &[0, 0x39, 0, 6, 8, 1, 3, 1, 1, 5]
    };
    let length = extensions.len() as u8;
    let encrypted = [
        &[6, 0, length + 6, 8, 0, 0, length + 2, 0, length][..],
        extensions,
    ]
    .concat();
    vec![
        record(INITIAL, 0, &client_hello()),
        record(INITIAL | BY_SERVER | MORE, 0, &server_hello),
        record(HANDSHAKE | BY_SERVER, 0, &encrypted),
        record(HANDSHAKE, 0, &[2, 0, 0, 0, 0]),
        record(TRAFFIC | BY_SERVER, 0, &[0x1e]),
    ]
}

fn sessions() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let with = |early, more: &[Vec<u8>]| [&handshake(early)[..], more].concat();
    let stream = |offset: u8, data: &[u8]| {
        let head = [0x0e, 0, offset, data.len() as u8];
        [&head[..], data].concat()
    };
    vec![
        (
            "streams",
            with(
                false,
                &[
                    record(TRAFFIC, 2, &stream(3, b"def")),
                    record(TRAFFIC, 1, &stream(0, b"abcd")),
                    record(TRAFFIC, 3, &[0x0f, 0, 6, 0]),
                    record(TRAFFIC | BY_SERVER, 1, b"\x0b\x03\x01x\x04\x00\x07\x00"),
                    record(TRAFFIC | BY_SERVER, 2, b"\x05\x04\x07\x30datagram"),
                    record(TRAFFIC, 4, b"\x1d\x05\x02no"),
                ],
            ),
        ),
        (
            "key-updates",
            with(
                false,
                &[
                    record(TRAFFIC, 1, &stream(0, b"ab")),
                    record(TRAFFIC | UPDATED, 3, &stream(4, b"ef")),
                    record(TRAFFIC, 2, &stream(2, b"cd")),
                    record(TRAFFIC | UPDATED << 1, 4, &stream(6, b"gh")),
                    record(TRAFFIC | MOVED | UPDATED << 1, 5, &stream(8, b"ij")),
                ],
            ),
        ),
        (
            "closed-with-two-codes",
            with(
                false,
                &[
                    record(HANDSHAKE | BY_SERVER | MORE, 1, &[0x1c, 0x0c, 0, 0]),
                    record(TRAFFIC | BY_SERVER, 1, b"\x1d\x06\x08occupied"),
                    record(HANDSHAKE | BY_SERVER | MORE, 2, &[0x1c, 0x0c, 0, 0]),
                    record(TRAFFIC | BY_SERVER, 2, b"\x1d\x06\x08occupied"),
                ],
            ),
        ),
        (
            "missing-generation",
            with(
                false,
                &[
                    record(TRAFFIC, 1, &stream(0, b"ab")),
                    record(TRAFFIC | UPDATED << 1, 3, &stream(4, b"ef")),
                    record(TRAFFIC | UPDATED, 2, &stream(2, b"cd")),
                ],
            ),
        ),
        (
            "moves",
            with(
                false,
                &[
                    record(TRAFFIC, 1, &stream(0, b"ab")),
                    record(TRAFFIC | MOVED, 3, &stream(4, b"ef")),
                    // Late, and from where the client was before.
                    record(TRAFFIC, 2, &stream(2, b"cd")),
                    // Tries the old path, and does not go back to it.
                    record(TRAFFIC, 4, &[0x1a, 1, 2, 3, 4, 5, 6, 7, 8]),
                    record(TRAFFIC, 5, &stream(6, b"gh")),
                ],
            ),
        ),
        (
            "early-data",
            with(true, &[record(TRAFFIC, 1, &stream(2, b"late"))])
                .into_iter()
                .flat_map(|it| {
                    let is_first = it[0] == INITIAL;
                    let early = record(EARLY, 0, &stream(0, b"ab"));
                    [Some(it), is_first.then_some(early)]
                })
                .flatten()
                .collect(),
        ),
        (
            "ids",
            with(
                false,
                &[
                    record(
                        TRAFFIC | BY_SERVER,
                        1,
                        &[&[0x18, 1, 0, 8][..], &[0x77; 8], &[0x70; 16]].concat(),
                    ),
                    record(RAW | BY_SERVER, 0, &[&[0x40; 20][..], &[0x70; 16]].concat()),
                    record(RAW, 0, &[0xc0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1]),
                ],
            ),
        ),
        (
            "contradictions",
            with(
                false,
                &[
                    record(TRAFFIC, 1, &stream(2, b"cd")),
                    record(TRAFFIC, 2, &stream(1, b"xx")),
                    record(TRAFFIC, 3, &[0x0b, 8, 1, 0, 0x0f, 8, 5, 1, 0]),
                    record(TRAFFIC, 4, &[0x0a, 3, 1, 0]),
                ],
            ),
        ),
    ]
}

fn pcapng(records: &[u8]) -> Vec<u8> {
    let settings = WriterSettings {
        application: "seeds".to_owned(),
        ..WriterSettings::default()
    };
    let mut tap = Tap::new(Vec::new(), &settings).unwrap();
    tap.record_key_log(key_log().as_bytes()).unwrap();
    for (it, number) in datagrams(records).iter().zip(1..) {
        let time = Duration::from_millis(number);
        tap.record(time, it.source, it.destination, &it.payload)
            .unwrap();
    }
    tap.into_inner()
}

#[test]
fn seeds_are_sessions_as_scripts_and_as_captures() {
    let mut seeds = Seeds::new();
    for (name, records) in sessions() {
        let records = records.concat();
        seeds.insert(format!("{name}.script"), [&[0][..], &records].concat());
        seeds.insert(format!("{name}.late"), [&[1][..], &records].concat());
        seeds.insert(format!("{name}.pcapng"), pcapng(&records));
    }
    let hex = |text: &str| -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        let pairs = (0..digits.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    };
    let examples = [
        record(
            RAW,
            0,
            &hex(include_str!("../src/quic/tests/rfc9001/client-initial.hex")),
        ),
        record(
            RAW | BY_SERVER,
            0,
            &hex(include_str!("../src/quic/tests/rfc9001/server-initial.hex")),
        ),
        record(
            RAW | BY_SERVER,
            0,
            &hex(include_str!("../src/quic/tests/rfc9001/retry.hex")),
        ),
    ];
    seeds.insert("rfc9001.pcapng".to_owned(), pcapng(&examples.concat()));
    assert_up_to_date("quic_capture", &seeds);
}

#[test]
fn sessions_are_read_as_they_were_sealed() {
    for (name, records) in sessions() {
        let mut told = Vec::new();
        let mut tell = |event: &Event<'_>| {
            let kind = format!("{:?}", event.kind);
            told.push(format!("#{} {kind}", event.at.number));
        };
        let file = pcapng(&records.concat());
        let mut decoder = Decoder::new(Limits::default());
        let mut capture = Capture::open(&file[..]).unwrap();
        while let Some(item) = capture.next_item().unwrap() {
            match item {
                Item::KeyLog(key_log) => decoder.add_secrets(key_log, &mut tell),
                Item::Datagram(datagram) => decoder.datagram(&datagram, &mut tell),
            }
        }
        decoder.finish(&mut tell);
        insta::assert_debug_snapshot!(name, told);
    }
}

#[test]
fn the_body_holds_for_all_seeds() {
    replay("quic_capture", quic_capture);
}

proptest! {
    #[test]
    fn the_body_holds_for_any_frames(
        payloads in prop::collection::vec(
            (any::<u8>(), 0_u16..40, prop::collection::vec(0_u8..64, 0..60)),
            0..40,
        ),
        late in any::<bool>(),
    ) {
        let mut script = vec![u8::from(late)];
        script.extend(handshake(true).concat());
        for (operation, number, payload) in &payloads {
            script.extend(record(operation & !RAW | TRAFFIC, number + 1, payload));
        }
        quic_capture(&script);
    }

    #[test]
    fn the_body_holds_for_seeds_with_bytes_changed(
        session in 0_usize..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        as_capture in any::<bool>(),
    ) {
        let records = sessions()[session].1.concat();
        let mut bytes = if as_capture { pcapng(&records) } else { [&[0][..], &records].concat() };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        quic_capture(&bytes);
    }
}

#[test]
fn every_seed_and_every_former_crash_of_files_passes() {
    replay(
        "capture_differential",
        shakedown_capture::fuzz::differential,
    );
    replay("capture_options", shakedown_capture::fuzz::options);
}

#[test]
fn seeds_of_options_are_some_of_each_in_either_order_of_bytes() {
    let option = |is_big: bool, code: u16, value: &[u8]| {
        let length = value.len() as u16;
        let numbers = [code, length].map(|number| match is_big {
            true => number.to_be_bytes(),
            false => number.to_le_bytes(),
        });
        let padding = &[0; 3][..value.len().wrapping_neg() % 4];
        [numbers.as_flattened(), value, padding].concat()
    };
    let mut seeds = Seeds::new();
    for is_big in [false, true] {
        let own = |code: u16, value: &[u8]| option(is_big, code, value);
        let all = [
            ("comment", 2, own(1, b"seen")),
            ("name", 0, own(2, b"lo")),
            ("unit", 0, own(9, &[9])),
            ("unit-of-two", 0, own(9, &[0x94])),
            (
                "offset",
                0,
                [own(9, &[12]), own(14, &[0, 0, 0, 1, 0, 0, 0, 2])].concat(),
            ),
            (
                "several",
                0,
                [own(2, b"any"), own(9, &[6]), own(0, &[])].concat(),
            ),
            ("cut", 0, own(9, &[9])[..3].to_vec()),
        ];
        for (name, of, bytes) in all {
            let order = if is_big { "big" } else { "little" };
            let first = u8::from(is_big) | of;
            seeds.insert(format!("{name}-{order}"), [&[first][..], &bytes].concat());
        }
    }
    assert_up_to_date("capture_options", &seeds);
    // What both readers are compared by are the captures of another target.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/capture");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = files.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    });
    assert_up_to_date("capture_differential", &files.collect());
}
