//! Streams with arbitrary HTTP/3 frames, settings, field sections and WebTransport capsules.

use serde_json::{Value, json};
use shakedown_protocol::web::{
    CapsuleType, Setting, Settings, encode_fields, frame, frame_type, prefix, stream_type,
};

use super::bytes;
use crate::random::SeededRandom;

/// The largest variable-length integer of QUIC (RFC 9000, section 16).
const MAX_VARINT: u64 = (1 << 62) - 1;
/// Known frame and stream types; boundary values are used, too.
const FRAMES: [u64; 8] = [
    frame_type::DATA,
    frame_type::HEADERS,
    frame_type::CANCEL_PUSH,
    frame_type::SETTINGS,
    frame_type::PUSH_PROMISE,
    frame_type::GOAWAY,
    frame_type::MAX_PUSH_ID,
    frame_type::WEBTRANSPORT_STREAM,
];
const STREAMS: [u64; 5] = [
    stream_type::CONTROL,
    stream_type::PUSH,
    stream_type::QPACK_ENCODER,
    stream_type::QPACK_DECODER,
    stream_type::WEBTRANSPORT,
];
/// Known capsule types, and WT_MAX_DATA (draft-ietf-webtrans-http3, section 9.6).
const CAPSULES: [u64; 4] = [
    CapsuleType::Datagram.number(),
    CapsuleType::CloseSession.number(),
    CapsuleType::DrainSession.number(),
    0x190b_4d3d,
];
/// Known settings, and one of HTTP/2 that HTTP/3 reserves (RFC 9114, section 7.2.4.1).
const SETTINGS: [u64; 8] = [
    Setting::QpackMaxTableCapacity.number(),
    0x02,
    Setting::MaxFieldSectionSize.number(),
    Setting::QpackBlockedStreams.number(),
    Setting::EnableConnectProtocol.number(),
    Setting::H3Datagram.number(),
    Setting::EnableWebTransport.number(),
    Setting::WebTransportMaxSessions.number(),
];
/// Names and values of header fields, valid and not.
const NAMES: [&str; 8] = [
    ":method",
    ":path",
    ":scheme",
    ":authority",
    ":protocol",
    ":status",
    "authorization",
    "Content-Length",
];
const VALUES: [&str; 8] = [
    "GET",
    "CONNECT",
    "/",
    "https",
    "localhost",
    "webtransport",
    "200",
    "",
];

/// Steps that write arbitrary frames: on one of `sessions`, on a new stream of the connection, or on a new connection
/// that has only its control stream.
pub(super) fn steps(random: &mut SeededRandom, sessions: &[String], name: &str) -> Vec<Value> {
    let write = |stream: &str, content: Vec<u8>, fin: bool| {
        let hex = hex::encode(content);
        json!({ "write": { "stream": stream, "hex": hex, "fin": fin } })
    };
    let fin = random.one_in(3);
    match random.below(5) {
        0 | 1 if !sessions.is_empty() => {
            let session = &sessions[random.below(sessions.len() as u32) as usize];
            let content = frame(frame_type::DATA, &capsule(random));
            vec![write(session, content, fin)]
        }
        0..3 => {
            let content = frames(random);
            vec![
                json!({ "open": { "stream": name } }),
                write(name, content, fin),
            ]
        }
        3 => {
            let kind = known_or_varint(random, &STREAMS);
            let content = [
                prefix(kind, known_or_varint(random, &FRAMES)),
                frames(random),
            ]
            .concat();
            vec![
                json!({ "open": { "stream": name, "unidirectional": true } }),
                write(name, content, fin),
            ]
        }
        _ => {
            let control = [
                vec![stream_type::CONTROL as u8],
                settings_frame(random),
                frames(random),
            ];
            let open = |unidirectional: bool, of: &str| json!({ "open": { "stream": of, "connection": name, "unidirectional": unidirectional } });
            let other = format!("{name}_request");
            vec![
                json!({ "connect": { "as": name, "http3": false } }),
                json!({ "expect_connected": { "connection": name, "within": "5s" } }),
                open(true, name),
                write(name, control.concat(), false),
                open(false, &other),
                write(&other, frames(random), fin),
            ]
        }
    }
}

/// One of `known`, or a boundary value.
pub(super) fn known_or_varint(random: &mut SeededRandom, known: &[u64]) -> u64 {
    match random.below(4) {
        0 => varint(random),
        _ => known[random.below(known.len() as u32) as usize],
    }
}

/// A boundary value of QUIC's variable-length integers.
pub(super) fn varint(random: &mut SeededRandom) -> u64 {
    let bounds = [0x3f, 0x3fff, 0x3fff_ffff, u64::from(u32::MAX), MAX_VARINT];
    let bound = bounds[random.below(bounds.len() as u32) as usize];
    match random.below(5) {
        0 | 1 => bound,
        2 => (bound + 1).min(MAX_VARINT),
        3 => bytes::boundary(random, 0) & MAX_VARINT,
        _ => u64::from(random.below(8)),
    }
}

/// One or two frames, some with a wrong length.
fn frames(random: &mut SeededRandom) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..=random.below(2) {
        let mut kind = known_or_varint(random, &FRAMES);
        let content = match random.below(6) {
            0 => Vec::new(),
            1 => encoded_varint(random),
            2 => settings_payload(random),
            3 => capsule(random),
            _ => {
                kind = frame_type::HEADERS;
                field_section(random)
            }
        };
        all.extend(match random.one_in(6) {
            true => [prefix(kind, varint(random)), content].concat(),
            false => frame(kind, &content),
        });
    }
    if random.one_in(6) {
        bytes::mutate(random, &mut all);
    }
    match all.is_empty() {
        true => vec![0],
        false => all,
    }
}

fn encoded_varint(random: &mut SeededRandom) -> Vec<u8> {
    let number = prefix(varint(random), 0);
    number[..number.len() - 1].to_vec()
}

fn settings_frame(random: &mut SeededRandom) -> Vec<u8> {
    frame(frame_type::SETTINGS, &settings_payload(random))
}

fn settings_payload(random: &mut SeededRandom) -> Vec<u8> {
    let count = 1 + random.below(6);
    let one = |_| (known_or_varint(random, &SETTINGS), varint(random));
    Settings::of((0..count).map(one).collect()).encode()
}

fn capsule(random: &mut SeededRandom) -> Vec<u8> {
    let kind = known_or_varint(random, &CAPSULES);
    let content = match random.one_in(3) {
        true => Vec::new(),
        false => bytes::random(random, 40),
    };
    let length = match random.one_in(2) {
        true => varint(random),
        false => content.len() as u64,
    };
    [prefix(kind, length), content].concat()
}

/// A field section (RFC 9204, section 4.5), some truncated or mutated.
fn field_section(random: &mut SeededRandom) -> Vec<u8> {
    let mut one = |known: &[&str]| known[random.below(known.len() as u32) as usize].to_owned();
    let fields: Vec<_> = (0..6).map(|_| (one(&NAMES), one(&VALUES))).collect();
    let count = random.below(fields.len() as u32 + 1) as usize;
    let mut section = encode_fields(&fields[..count]);
    match random.below(4) {
        0 => section.truncate(random.below(section.len() as u32) as usize),
        1 | 2 => bytes::mutate(random, &mut section),
        _ => {}
    }
    section
}
