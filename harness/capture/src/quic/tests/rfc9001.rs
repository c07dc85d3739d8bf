//! The examples of RFC 9001, appendix A.

use std::time::Duration;

use crate::Datagram;
use crate::quic::keys::{Keys, TrafficSecret};
use crate::quic::protect::{open, retry_is_genuine};
use crate::quic::{Decoder, Event, EventKind, Limits, Role, Suite, Unreadable, UnreadableReason};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn client_initial() -> Vec<u8> {
    hex(include_str!("rfc9001/client-initial.hex"))
}

fn server_initial() -> Vec<u8> {
    hex(include_str!("rfc9001/server-initial.hex"))
}

const ORIGINAL: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

#[test]
fn the_client_s_initial_packet_of_a_2_is_opened() {
    let mut keys = Keys::initial(&ORIGINAL, Role::Client).unwrap();
    let mut buffer = Vec::new();
    let opened = open(&mut keys, &client_initial(), 18, 0, &mut buffer).unwrap();
    let mut payload = hex(include_str!("rfc9001/client-payload.hex"));
    payload.resize(1_162, 0);
    assert_eq!(opened.number, 2);
    assert_eq!(&buffer[opened.payload], payload);
    assert!(opened.reserved_clear);
}

#[test]
fn the_server_s_initial_packet_of_a_3_is_opened() {
    let mut keys = Keys::initial(&ORIGINAL, Role::Server).unwrap();
    let mut buffer = Vec::new();
    let opened = open(&mut keys, &server_initial(), 18, 0, &mut buffer).unwrap();
    let payload = hex(include_str!("rfc9001/server-payload.hex"));
    assert_eq!(opened.number, 1);
    assert_eq!(&buffer[opened.payload], payload);
}

#[test]
fn the_retry_of_a_4_is_genuine_for_its_id_alone() {
    let packet = hex(include_str!("rfc9001/retry.hex"));
    assert!(retry_is_genuine(&packet, &ORIGINAL));
    assert!(!retry_is_genuine(&packet, &ORIGINAL[1..]));
    for at in 0..packet.len() {
        let mut other = packet.clone();
        other[at] ^= 1;
        assert!(!retry_is_genuine(&other, &ORIGINAL), "{at}");
    }
}

#[test]
fn the_short_packet_with_chacha20_of_a_5_is_opened() {
    let secret = hex("9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b");
    let secret = TrafficSecret::new(&secret).unwrap();
    let mut keys = Keys::new(Suite::ChaCha20Poly1305, secret).unwrap();
    let packet = hex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
    let mut buffer = Vec::new();
    let opened = open(&mut keys, &packet, 1, 654_360_564, &mut buffer).unwrap();
    assert_eq!(opened.number, 654_360_564);
    assert_eq!(&buffer[..4], [0x42, 0x00, 0xbf, 0xf4]);
    assert_eq!(&buffer[opened.payload], [1]);
    // Its first byte says so, but there are too few bytes for a sample.
    assert!(open(&mut keys, &packet[..20], 1, 0, &mut buffer).is_none());
}

#[test]
fn a_packet_with_any_byte_changed_does_not_open() {
    let packet = server_initial();
    let mut buffer = Vec::new();
    for at in 0..packet.len() {
        let mut other = packet.clone();
        other[at] ^= 0x40;
        let mut keys = Keys::initial(&ORIGINAL, Role::Server).unwrap();
        assert!(
            open(&mut keys, &other, 18, 0, &mut buffer).is_none(),
            "{at}"
        );
    }
}

fn told(datagrams: &[(bool, Vec<u8>)]) -> Vec<String> {
    let mut decoder = Decoder::new(Limits::default());
    let (client, server) = ("10.0.0.1:4000".parse(), "10.0.0.2:443".parse());
    let (client, server) = (client.unwrap(), server.unwrap());
    let mut all = Vec::new();
    let mut tell = |event: &Event<'_>| {
        all.push(match event.kind {
            EventKind::ClientHello {
                alpn,
                server_name,
                parameters,
            } => format!("{alpn:?} {server_name:?} {parameters:?}"),
            EventKind::Unreadable(Unreadable { why, .. }) => format!("{why:?}"),
            kind => format!("{kind:?}"),
        });
    };
    for ((by_client, payload), number) in datagrams.iter().zip(1..) {
        let (source, destination) = if *by_client {
            (client, server)
        } else {
            (server, client)
        };
        decoder.datagram(
            &Datagram {
                number,
                time: Duration::from_millis(number),
                source,
                destination,
                payload,
                length: payload.len(),
            },
            &mut tell,
        );
    }
    decoder.finish(&mut tell);
    all
}

#[test]
fn the_examples_are_the_beginning_of_a_connection() {
    let datagrams = [(true, client_initial()), (false, server_initial())];
    insta::assert_debug_snapshot!(told(&datagrams));
}

#[test]
fn a_retry_changes_the_keys_of_initial_packets() {
    let datagrams = [
        (true, client_initial()),
        (false, hex(include_str!("rfc9001/retry.hex"))),
        (false, hex(include_str!("rfc9001/retry.hex"))),
        // With the old keys, and late.
        (false, server_initial()),
    ];
    let told = told(&datagrams);
    assert_eq!(told.iter().filter(|it| *it == "Retry").count(), 1);
    // The example's client sends number 2, the server acknowledges number 0.
    let acknowledges = "Some(Acknowledged { largest: 0, newest: 1, unseen: true })";
    assert_eq!(
        told.last().unwrap(),
        &told_packet("Server", 1, acknowledges)
    );
}

#[test]
fn a_server_s_packet_before_the_client_s_is_of_no_known_connection() {
    let told = told(&[(false, server_initial()), (true, client_initial())]);
    assert_eq!(
        told[0],
        format!("{:?}", UnreadableReason::UnknownConnection)
    );
    assert_eq!(told.last().unwrap(), &told_packet("Client", 2, "None"));
}

#[test]
fn what_follows_the_packets_of_a_datagram_is_padding() {
    for more in [&[0; 40][..], &[0x45; 40], &[0xc5; 40]] {
        let padded = [&client_initial(), more].concat();
        assert_eq!(told(&[(true, padded)]), told(&[(true, client_initial())]));
    }
}

fn told_packet(by: &str, number: u64, acknowledges: &str) -> String {
    format!(
        "Packet(Packet {{ by: {by}, level: Initial, number: {number}, ack_eliciting: true, \
         acknowledges: {acknowledges} }})"
    )
}
