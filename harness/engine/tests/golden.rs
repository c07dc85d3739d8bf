//! Golden captures: every committed scenario against the reference in virtual time writes the bytes
//! that lie in `pcaps/golden/`. `make golden` writes them anew; look at `git diff --stat` and, with
//! `shakedown dissect`, at what changed before you commit it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rstest::rstest;
use shakedown_capture::{
    Capture, CaptureWriter, Item, Packets, WriteError, WriterSettings, annotate_with_key_log,
};
use shakedown_engine::scenario::Loaded;
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::StreamParameters;

/// Bytes of a packet that are kept, headers included: all of every control frame. The UDP checksum
/// stands for the rest. Packets of QUIC can be read whole only, and are kept so.
const SNAPSHOT: usize = 256;

/// Most bytes of a file: of a flood its beginning is kept.
const LIMIT: u64 = 64 << 10;

/// What the reference streams where the scenario says nothing: 50 frames of 32 bytes, few and small
/// and yet enough for every scenario.
const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 6_400,
    frames_per_second: 25,
    seconds: 2,
};

#[rstest]
fn the_capture_is_the_golden_one(#[files("../../vectors/*/scenarios/**/*.json")] path: PathBuf) {
    let (id, capture) = capture(&path);
    let golden = golden().join(format!("{id}.pcapng"));
    if is_written() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, &capture).unwrap();
        return;
    }
    let shown = golden.display();
    let kept = std::fs::read(&golden).unwrap_or_else(|error| {
        panic!("{shown}: {error}; a new scenario's is written by `make golden`")
    });
    let first = kept.iter().zip(&capture).position(|(a, b)| a != b);
    let lengths = (kept.len(), capture.len());
    let first = first.or((lengths.0 != lengths.1).then_some(lengths.0.min(lengths.1)));
    assert_eq!(
        first, None,
        "{shown}: {} bytes are kept and {} were written now, and they differ from this offset on; \
         look why, then accept it with `make golden`",
        lengths.0, lengths.1
    );
}

#[test]
fn every_golden_capture_is_that_of_a_scenario() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let mut scenarios = BTreeSet::new();
    for protocol in shakedown_protocol::PROTOCOLS {
        let folder = vectors.join(protocol.id).join("scenarios");
        let below = match folder.exists() {
            true => files(&folder),
            false => Vec::new(),
        };
        let ids = below.iter().map(|path| path.strip_prefix(&folder).unwrap());
        let ids = ids.map(|path| Path::new(protocol.id).join(path).with_extension("pcapng"));
        scenarios.extend(ids);
    }
    for path in files(&golden()) {
        let name = path.strip_prefix(golden()).unwrap();
        if name == Path::new("README.md") || scenarios.contains(name) {
            continue;
        }
        assert!(
            is_written(),
            "{} is of no scenario; `make golden` removes it",
            path.display()
        );
        std::fs::remove_file(&path).unwrap();
    }
}

/// Whether the files are to be written, not compared.
fn is_written() -> bool {
    std::env::var("GOLDEN_UPDATE").is_ok_and(|update| update == "always")
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// A scenario's id, and its capture in short.
fn capture(path: &Path) -> (String, Vec<u8>) {
    let loaded = Loaded::read(path).unwrap_or_else(|problems| panic!("{problems}"));
    let scenario = &loaded.scenario;
    let protocol = shakedown_protocol::protocol(scenario.id.split('/').next().unwrap()).unwrap();
    let settings = Settings {
        stream: STREAM,
        ..Settings::default()
    };
    let simulated = simulate(protocol, scenario, &settings).unwrap();
    let verdict = &simulated.composed.verdict;
    assert_eq!(verdict.verdict, Verdict::Pass, "{:#?}", simulated.composed);
    let about = WriterSettings {
        application: "shakedown simulation".to_owned(),
        comment: Some(format!("{}: {}", scenario.id, scenario.title)),
        limit: LIMIT,
        ..WriterSettings::default()
    };
    (scenario.id.clone(), shortened(&simulated.capture, &about))
}

/// The capture with long packets cut and, if it is too long, without its end.
fn shortened(capture: &[u8], about: &WriterSettings) -> Vec<u8> {
    let key_log = key_log(capture);
    let most = match key_log.is_empty() {
        true => SNAPSHOT,
        false => usize::MAX,
    };
    let mut packets = Packets::open(capture).unwrap();
    let mut writer = CaptureWriter::new(Vec::new(), about).unwrap();
    while let Some(packet) = packets.next_packet().unwrap() {
        let comments = packet.comments();
        let comments: Vec<&str> = comments.iter().map(AsRef::as_ref).collect();
        let data = &packet.data[..packet.data.len().min(most)];
        match writer.write_packet(packet.time, data, packet.data.len(), &comments) {
            Ok(_) => {}
            Err(WriteError::Full { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let mut whole = Vec::new();
    let short = writer.into_inner();
    annotate_with_key_log(&*short, &mut whole, &BTreeMap::new(), &key_log).unwrap();
    whole
}

/// The secrets that a capture has of TLS sessions.
fn key_log(capture: &[u8]) -> Vec<u8> {
    let mut capture = Capture::open(capture).unwrap();
    let mut all = Vec::new();
    while let Some(item) = capture.next_item().unwrap() {
        if let Item::KeyLog(key_log) = item {
            all.extend_from_slice(key_log);
        }
    }
    all
}
