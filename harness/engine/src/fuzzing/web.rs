//! What is said of HTTP/3 and WebTransport themselves, on streams of which every byte is chosen.

use serde_json::{Value, json};
use shakedown_protocol::web::{
    CapsuleType, Setting, Settings, frame, frame_type, prefix, stream_type,
};

use super::bytes;
use crate::random::SeededRandom;

/// The largest number of QUIC.
const LARGEST: u64 = (1 << 62) - 1;
/// Types of frames, of streams, and of capsules; other numbers are drawn, too.
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
/// Those that are known, and WT_MAX_DATA (draft-ietf-webtrans-http3, section 9.6).
const CAPSULES: [u64; 4] = [
    CapsuleType::Datagram.number(),
    CapsuleType::CloseSession.number(),
    CapsuleType::DrainSession.number(),
    0x190b_4d3d,
];
/// Those that are known, and one that HTTP/2 has and HTTP/3 has not (RFC 9114, section 7.2.4.1).
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
/// Header fields: usual ones, and odd ones.
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

/// Steps that say something odd: on a session of these, on streams of a connection that speaks HTTP/3 otherwise as
/// it should, or on one on which nothing else is said.
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
            let kind = among(random, &STREAMS);
            let content = [prefix(kind, among(random, &FRAMES)), frames(random)].concat();
            vec![
                json!({ "open": { "stream": name, "unidirectional": true } }),
                write(name, content, fin),
            ]
        }
        _ => {
            let control = [
                vec![stream_type::CONTROL as u8],
                settings(random),
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

/// A number of QUIC: one of these, or one at a boundary.
pub(super) fn among(random: &mut SeededRandom, known: &[u64]) -> u64 {
    match random.below(4) {
        0 => number(random),
        _ => known[random.below(known.len() as u32) as usize],
    }
}

/// A number of QUIC at a boundary.
pub(super) fn number(random: &mut SeededRandom) -> u64 {
    let bounds = [0x3f, 0x3fff, 0x3fff_ffff, u64::from(u32::MAX), LARGEST];
    let bound = bounds[random.below(bounds.len() as u32) as usize];
    match random.below(5) {
        0 | 1 => bound,
        2 => (bound + 1).min(LARGEST),
        3 => bytes::boundary(random, 0) & LARGEST,
        _ => u64::from(random.below(8)),
    }
}

/// Some frames in a row, the last of them perhaps of another length than it says.
fn frames(random: &mut SeededRandom) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..=random.below(2) {
        let mut kind = among(random, &FRAMES);
        let content = match random.below(6) {
            0 => Vec::new(),
            1 => number_of(random),
            2 => settings_of(random),
            3 => capsule(random),
            _ => {
                kind = frame_type::HEADERS;
                field_section(random)
            }
        };
        all.extend(match random.one_in(6) {
            true => [prefix(kind, number(random)), content].concat(),
            false => frame(kind, &content),
        });
    }
    if random.one_in(6) {
        bytes::damage(random, &mut all);
    }
    match all.is_empty() {
        true => vec![0],
        false => all,
    }
}

fn number_of(random: &mut SeededRandom) -> Vec<u8> {
    let number = prefix(number(random), 0);
    number[..number.len() - 1].to_vec()
}

fn settings(random: &mut SeededRandom) -> Vec<u8> {
    frame(frame_type::SETTINGS, &settings_of(random))
}

fn settings_of(random: &mut SeededRandom) -> Vec<u8> {
    let count = 1 + random.below(6);
    let one = |_| (among(random, &SETTINGS), number(random));
    Settings::of((0..count).map(one).collect()).encode()
}

fn capsule(random: &mut SeededRandom) -> Vec<u8> {
    let kind = among(random, &CAPSULES);
    let content = match random.one_in(3) {
        true => Vec::new(),
        false => bytes::any(random, 40),
    };
    let length = match random.one_in(2) {
        true => number(random),
        false => content.len() as u64,
    };
    [prefix(kind, length), content].concat()
}

/// Header fields by the static table and in letters (RFC 9204, section 4.5), perhaps cut or damaged.
fn field_section(random: &mut SeededRandom) -> Vec<u8> {
    let mut section = match random.one_in(6) {
        true => number_of(random),
        false => vec![0, 0],
    };
    for _ in 0..=random.below(6) {
        match random.below(4) {
            0 => integer(random, &mut section, 0xc0, 6),
            1 => {
                integer(random, &mut section, 0x50, 4);
                text(random, &mut section, 0x00, 7, &VALUES);
            }
            2 => section.extend(bytes::any(random, 4)),
            _ => {
                text(random, &mut section, 0x20, 3, &NAMES);
                text(random, &mut section, 0x00, 7, &VALUES);
            }
        }
    }
    match random.below(4) {
        0 => section.truncate(random.below(section.len() as u32) as usize),
        1 => bytes::damage(random, &mut section),
        _ => {}
    }
    section
}

/// An index of the static table, or one beyond it.
fn integer(random: &mut SeededRandom, section: &mut Vec<u8>, pattern: u8, bits: u32) {
    let index = match random.one_in(8) {
        true => number(random),
        false => u64::from(random.below(99)),
    };
    prefixed(section, pattern, bits, index);
}

fn text(random: &mut SeededRandom, section: &mut Vec<u8>, pattern: u8, bits: u32, known: &[&str]) {
    let text = known[random.below(known.len() as u32) as usize];
    let length = match random.one_in(12) {
        true => number(random),
        false => text.len() as u64,
    };
    prefixed(section, pattern, bits, length);
    section.extend(text.bytes());
}

/// An integer in the last `bits` of a byte and in those that follow (RFC 7541, section 5.1).
fn prefixed(section: &mut Vec<u8>, pattern: u8, bits: u32, value: u64) {
    let most = (1_u64 << bits) - 1;
    if value < most {
        section.push(pattern | value as u8);
        return;
    }
    section.push(pattern | most as u8);
    let mut rest = value - most;
    while rest > 0x7f {
        section.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    section.push(rest as u8);
}
