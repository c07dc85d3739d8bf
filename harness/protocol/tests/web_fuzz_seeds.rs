//! The bodies of the fuzz targets of HTTP/3, WebTransport and protobuf over every seed and every input that once
//! broke them. The seeds are what two ends say to each other, and every message as it is without more.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-protocol --test web_fuzz_seeds` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/seeds.rs"]
mod seeds;

use seeds::{Seeds, assert_up_to_date, replay};
use serde_json::Map;
use shakedown_protocol::darktower::{Envelope, VOCABULARY, fuzz as darktower};
use shakedown_protocol::streams::{ConnectionNumber, Output, StreamId, StreamUpdate};
use shakedown_protocol::vocabulary::Vocabulary as _;
use shakedown_protocol::web::{SessionClose, Settings, Web, WebEvent, frame, frame_type, fuzz};

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("web_endpoint", fuzz::endpoint);
    replay("http3_frames", fuzz::frames);
    replay("protobuf", darktower::protobuf);
}

/// What one end wants of QUIC, as what happens to the other, and as a record of a script.
fn pass(from: &mut Web, to: &mut Web, opened: &mut Vec<StreamId>, script: &mut Vec<u8>) {
    let mut record = |what: u8, stream: StreamId, content: &[u8]| {
        for piece in content
            .chunks(255)
            .chain(content.is_empty().then_some(content))
        {
            script.extend([what, stream.0 as u8, piece.len() as u8]);
            script.extend(piece);
        }
    };
    while let Some(output) = from.poll_output() {
        match output {
            Output::Open(_, stream) => opened.push(stream),
            Output::Write(_, stream, bytes) => {
                if let Some(place) = opened.iter().position(|open| *open == stream) {
                    opened.remove(place);
                    record(0, stream, &[]);
                    to.on_stream(stream, StreamUpdate::Opened);
                }
                record(11, stream, &bytes);
                to.on_stream(stream, StreamUpdate::Bytes(&bytes));
            }
            Output::Fin(_, stream) => {
                record(1, stream, &[]);
                to.on_stream(stream, StreamUpdate::Fin);
            }
            Output::Datagram(_, bytes) => {
                record(5, StreamId(0), &bytes);
                to.on_datagram(&bytes);
            }
            _ => {}
        }
    }
}

#[test]
fn seeds_of_an_end_are_what_the_other_end_says() {
    let number = ConnectionNumber(0);
    let (mut client, mut server) = (Web::client(number), Web::server(number));
    let (mut by_client, mut by_server) = (vec![0], vec![1]);
    let mut opened = [Vec::new(), Vec::new()];
    client.connected();
    server.connected();
    let asked = client.connect("a", "/", &[]);
    for round in 0..4 {
        // The client of a script asks, too.
        let own: &[u8] = if round == 0 { &[6, 0, 0] } else { &[] };
        by_server.extend(own);
        pass(&mut client, &mut server, &mut opened[0], &mut by_client);
        pass(&mut server, &mut client, &mut opened[1], &mut by_server);
        while let Some(event) = server.poll_event() {
            if let WebEvent::SessionRequested { session, .. } = event {
                server.accept(session);
                by_client.extend([7, 0, 0]);
            }
        }
        if round == 1 {
            let stream = client.open(asked, false);
            client.write(stream, b"hello".to_vec());
            client.datagram(asked, b"now");
        }
        if round == 2 {
            client.close(asked, &SessionClose::default());
        }
    }
    let seeds = Seeds::from([
        ("of-client".to_owned(), by_client),
        ("of-server".to_owned(), by_server),
    ]);
    assert_up_to_date("web_endpoint", &seeds);
}

#[test]
fn seeds_of_frames_are_one_of_each_type() {
    let settings = Settings::web_transport(16).encode();
    let grease = frame(0x21, b"abc");
    let all = [
        ("data", frame(frame_type::DATA, b"body")),
        ("headers", frame(frame_type::HEADERS, b"\0\0\xd1\xc1")),
        ("settings", frame(frame_type::SETTINGS, &settings)),
        ("empty", frame(frame_type::DATA, b"")),
        ("unknown", grease.clone()),
        (
            "of-a-session",
            vec![0x40, frame_type::WEBTRANSPORT_STREAM as u8, 0],
        ),
        ("cut", frame(frame_type::HEADERS, &[7; 300])[..200].to_vec()),
        ("long", frame(frame_type::DATA, &[7; 5_000])),
    ];
    let several: Vec<u8> = all
        .iter()
        .take(5)
        .flat_map(|(_, bytes)| bytes.clone())
        .collect();
    let mut seeds: Seeds = all
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect();
    seeds.insert("several".to_owned(), several);
    assert_up_to_date("http3_frames", &seeds);
}

#[test]
fn seeds_of_messages_are_each_of_them_in_its_envelope() {
    let envelopes = [
        Envelope::Client,
        Envelope::Server,
        Envelope::MediaAuth,
        Envelope::MediaAuthResult,
    ];
    let mut seeds = Seeds::new();
    for name in VOCABULARY.frames() {
        let Ok(bytes) = VOCABULARY.encode(name, &Map::new()) else {
            continue;
        };
        let body = bytes.get(4..).unwrap_or_default();
        for (envelope, kind) in envelopes.into_iter().zip(0_u8..) {
            let is_it = envelope
                .decode(body, 0)
                .is_ok_and(|read| read.frame == *name);
            if is_it {
                let unknown = [0xf8, 0x3e, 7];
                let bytes = [&[kind][..], body, &unknown].concat();
                seeds.insert(format!("{name}-{kind}"), bytes);
            }
        }
    }
    assert!(seeds.len() > 10, "{}", seeds.len());
    assert_up_to_date("protobuf", &seeds);
}
