//! Golden captures of protocols over QUIC: every committed scenario against the reference in virtual
//! time is the conversation that lies in `pcaps/golden/`. TLS makes other bytes each time, so it is
//! not the bytes of the packets that are compared, but what they say once they are decrypted, who
//! says it and when. `make golden` writes those anew that say something else.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rstest::rstest;
use shakedown_capture::quic::{CloseCode, Decoder, Event, EventKind, Level, Limits, protocols};
use shakedown_capture::{
    Capture, CaptureWriter, Item, Packets, WriterSettings, annotate_with_key_log,
};
use shakedown_engine::scenario::Loaded;
use shakedown_engine::simulation::{Reporting, Settings};
use shakedown_engine::verdict::Verdict;
use shakedown_net::run::simulate_over_streams;

/// Of packets that say nothing (acknowledgements, probes, what keeps a connection alive) one of so
/// many is kept: whoever reads the capture has to follow their numbers.
const ONE_OF: u32 = 32;

#[rstest]
fn the_conversation_is_the_golden_one(
    #[files("../../vectors/proton/scenarios/**/*.json")] path: PathBuf,
) {
    let (id, capture) = capture(&path);
    let golden = golden().join(format!("{id}.pcapng"));
    let now = conversation(&capture);
    assert!(!now.is_empty(), "nothing was said");
    let kept = std::fs::read(&golden);
    let is_same = kept.as_ref().is_ok_and(|kept| conversation(kept) == now);
    if is_written() {
        if !is_same {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, &capture).unwrap();
        }
        return;
    }
    let shown = golden.display();
    let kept = kept.unwrap_or_else(|error| {
        panic!("{shown}: {error}; a new scenario's is written by `make golden`")
    });
    let kept = conversation(&kept);
    let first = kept.iter().zip(&now).position(|(a, b)| a != b);
    let first = first.unwrap_or(kept.len().min(now.len()));
    assert!(
        is_same,
        "{shown}: {} lines are kept and {} were said now, and they differ from line {first} on; \
         look why, then accept it with `make golden`\nkept: {:?}\nnow:  {:?}",
        kept.len(),
        now.len(),
        kept.get(first),
        now.get(first),
    );
}

/// Whether the files are to be written, not compared.
fn is_written() -> bool {
    std::env::var("GOLDEN_UPDATE").is_ok_and(|update| update == "always")
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden")
}

/// A scenario's id, and its capture in short.
fn capture(path: &Path) -> (String, Vec<u8>) {
    let loaded = Loaded::read(path).unwrap_or_else(|problems| panic!("{problems}"));
    let scenario = &loaded.scenario;
    let protocol = shakedown_protocol::protocol(scenario.id.split('/').next().unwrap()).unwrap();
    let (settings, reporting) = (Settings::default(), Reporting::default());
    let simulated = simulate_over_streams(protocol, scenario, &settings, reporting).unwrap();
    let verdict = &simulated.composed.verdict;
    assert_eq!(verdict.verdict, Verdict::Pass, "{:#?}", simulated.composed);
    let about = WriterSettings {
        application: "shakedown simulation".to_owned(),
        comment: Some(format!("{}: {}", scenario.id, scenario.title)),
        ..WriterSettings::default()
    };
    (scenario.id.clone(), shortened(&simulated.capture, &about))
}

/// The capture without most of the packets that say nothing.
fn shortened(capture: &[u8], about: &WriterSettings) -> Vec<u8> {
    let mut telling = BTreeSet::new();
    let key_log = hear(capture, &mut |event| {
        if line(event).is_some() || is_of_handshake(event) {
            telling.insert(event.at.number);
        }
    });
    let mut packets = Packets::open(capture).unwrap();
    let mut writer = CaptureWriter::new(Vec::new(), about).unwrap();
    let mut comments = BTreeMap::new();
    let mut silent = 0_u32;
    while let Some(packet) = packets.next_packet().unwrap() {
        let own: Vec<String> = packet
            .comments()
            .iter()
            .map(|it| (*it).to_string())
            .collect();
        if !telling.contains(&packet.number) && own.is_empty() {
            silent += 1;
            if !silent.is_multiple_of(ONE_OF) {
                continue;
            }
        }
        let written = writer.write_packet(packet.time, packet.data, packet.data.len(), &[]);
        comments.insert(written.unwrap(), own);
    }
    let mut copy = Vec::new();
    annotate_with_key_log(&writer.into_inner()[..], &mut copy, &comments, &key_log).unwrap();
    copy
}

/// What was said, a line for each thing.
fn conversation(capture: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    hear(capture, &mut |event| {
        lines.extend(line(event).map(|line| {
            format!(
                "{:.3} {} {line}",
                event.at.time.as_secs_f64(),
                event.connection.unwrap_or(0)
            )
        }));
    });
    lines
}

/// Reads a capture; its key log is the result.
fn hear(capture: &[u8], tell: &mut dyn FnMut(&Event<'_>)) -> Vec<u8> {
    let mut decoder = Decoder::new(Limits::default());
    let mut all = Vec::new();
    let mut capture = Capture::open(capture).unwrap();
    while let Some(item) = capture.next_item().unwrap() {
        match item {
            Item::KeyLog(key_log) => {
                all.extend_from_slice(key_log);
                decoder.add_secrets(key_log, tell);
            }
            Item::Datagram(datagram) => decoder.datagram(&datagram, tell),
        }
    }
    decoder.finish(tell);
    all
}

fn is_of_handshake(event: &Event<'_>) -> bool {
    matches!(
        event.kind,
        EventKind::Packet {
            level: Level::Initial | Level::ZeroRtt | Level::Handshake,
            ..
        }
    )
}

/// An event in a line; `None` for one that is QUIC's own affair.
fn line(event: &Event<'_>) -> Option<String> {
    Some(match event.kind {
        EventKind::ConnectionOpened { client, server, .. } => format!("{client} to {server}"),
        EventKind::ClientHello { alpn, .. } => {
            let names = alpn.into_iter().flat_map(protocols);
            let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
            format!("client offers {names:?}")
        }
        EventKind::ServerHandshake { alpn, .. } => {
            format!("server takes {:?}", alpn.map(String::from_utf8_lossy))
        }
        EventKind::StreamOpened { stream, by, .. } => format!("{by} opens {stream}"),
        EventKind::StreamBytes {
            stream, by, bytes, ..
        } => format!("{by} on {stream} {bytes:02x?}"),
        EventKind::StreamFin { stream, by, .. } => format!("{by} ends {stream}"),
        EventKind::StreamReset {
            stream, by, code, ..
        } => format!("{by} resets {stream} {code}"),
        EventKind::StopSending { stream, by, code } => format!("{by} stops {stream} {code}"),
        EventKind::DatagramFrame { by, bytes } => format!("{by} datagram {bytes:02x?}"),
        EventKind::ConnectionClosed { by, code, reason } => {
            let reason = String::from_utf8_lossy(reason);
            match code {
                CloseCode::Application { code } => format!("{by} closes {code} {reason}"),
                CloseCode::Transport { code, .. } => format!("{by} closes QUIC {code} {reason}"),
            }
        }
        EventKind::StatelessReset { by } => format!("{by} knows it no more"),
        EventKind::StreamLost { stream, by, .. } => format!("{by} on {stream} is lost"),
        EventKind::Malformed { by, .. } | EventKind::UnknownFrame { by, .. } => {
            format!("{by} is malformed")
        }
        EventKind::Unreadable(_) | EventKind::Forgotten => "unreadable".to_owned(),
        EventKind::Retry
        | EventKind::VersionNegotiation { .. }
        | EventKind::CipherSuite(_)
        | EventKind::HandshakeDone
        | EventKind::KeyUpdated { .. }
        | EventKind::AddressChanged { .. }
        | EventKind::Flow { .. }
        | EventKind::Packet { .. } => return None,
    })
}
