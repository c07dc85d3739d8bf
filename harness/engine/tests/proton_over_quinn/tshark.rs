//! A second opinion on what a recording says, where tshark is installed.
#![expect(clippy::disallowed_types, reason = "a test may start another program")]

use std::collections::BTreeMap;
use std::process::Command;

use shakedown_protocol::requirement::Role;

use super::healthy::{exchange, reset};
use super::judged::Judged;
use super::network::in_virtual_time;
use super::setup::Setup;

/// The bytes that an end sent on a stream: by the client's port, who, and the stream.
type Streams = BTreeMap<(u16, Role, u64), Vec<u8>>;

const FIELDS: [&str; 6] = [
    "udp.srcport",
    "udp.dstport",
    "quic.stream.stream_id",
    "quic.stream.offset",
    "quic.stream.off",
    "quic.stream_data",
];

const SERVER: &str = "4433";

/// What tshark reads of a capture; `None` where it is not installed.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn by_tshark(capture: &[u8]) -> Option<Streams> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.pcapng");
    std::fs::write(&file, capture).unwrap();
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "separator=|", "-r"]);
    command.arg(file);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let Ok(output) = command.output() else {
        println!("skipped: tshark is not installed");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    let mut streams = Streams::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        take(line, &mut streams);
    }
    Some(streams)
}

/// Puts the stream frames of a packet in their places.
fn take(line: &str, streams: &mut Streams) {
    let fields: Vec<&str> = line.split('|').collect();
    let words = |at: usize| fields[at].split(',').filter(|it| !it.is_empty());
    let (by, port) = match fields[0] {
        SERVER => (Role::Responder, fields[1]),
        port => (Role::Initiator, port),
    };
    let (mut offsets, mut data) = (words(3), words(5));
    for (stream, flag) in words(2).zip(words(4)) {
        // A frame without an offset has no field for it, one without bytes has none for them.
        let offset: usize = match flag {
            "1" | "True" => offsets.next().unwrap().parse().unwrap(),
            _ => 0,
        };
        let bytes = hex(data.next().unwrap_or_default());
        let key = (port.parse().unwrap(), by, stream.parse().unwrap());
        let all = streams.entry(key).or_default();
        all.resize(all.len().max(offset + bytes.len()), 0);
        all[offset..offset + bytes.len()].copy_from_slice(&bytes);
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap())
        .collect()
}

fn tshark_reads_the_same(capture: &[u8]) {
    if let Some(theirs) = by_tshark(capture) {
        let ours = Judged::of(capture, &Default::default()).streams();
        assert!(ours.len() > 4 && ours.values().all(|bytes| !bytes.is_empty()));
        assert_eq!(theirs, ours);
    }
}

#[test]
fn tshark_reads_the_same_bytes_of_a_session() {
    let capture = in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.session().await;
        exchange(&mut pair).await;
        pair.end().await;
        setup.capture()
    });
    tshark_reads_the_same(&capture);
}

#[test]
fn tshark_reads_the_same_bytes_of_a_session_that_is_reset() {
    tshark_reads_the_same(&in_virtual_time(async { reset().await.capture() }));
}
