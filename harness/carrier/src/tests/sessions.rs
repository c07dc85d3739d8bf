//! Handshakes without QUIC around them.

use bytes::BytesMut;
use quinn_proto::crypto::Session;
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side};

use super::pair::settings;
use crate::configuration::Configuration;
use crate::tls::Sessions;
use crate::{Security, random};

/// The lengths of all that is said in a handshake.
fn lengths(security: Security) -> Vec<usize> {
    let settings = settings(security);
    let sessions = Sessions::new(security);
    let configuration = Configuration::new(&settings, Side::Client).unwrap();
    let server = sessions.server(&settings).unwrap();
    let client = sessions
        .client(vec![settings.transport.alpn.into()])
        .unwrap();
    let mut server_id = &[0x0f_u8, 0][..];
    let parameters = TransportParameters::read(Side::Client, &mut server_id).unwrap();
    random::drawing_from(&mut configuration.session_generator(), || {
        let mut client = client.start_session(1, "localhost", &parameters).unwrap();
        let mut server = server.start_session(1, &parameters);
        let mut lengths = Vec::new();
        let mut say = |from: &mut dyn Session, to: &mut dyn Session| {
            let mut said = Vec::new();
            let has_keys = from.write_handshake(&mut said).is_some();
            to.read_handshake(&said).unwrap();
            lengths.push(said.len());
            has_keys
        };
        assert!(!say(&mut *client, &mut *server));
        assert!(say(&mut *server, &mut *client));
        assert!(say(&mut *client, &mut *server));
        assert!(say(&mut *server, &mut *client));
        assert!(!client.is_handshaking() && server.is_handshaking());
        assert!(say(&mut *client, &mut *server));
        assert!(!server.is_handshaking());
        assert!(client.transport_parameters().unwrap().is_some());
        lengths
    })
}

/// In packets that are padded it does not show.
#[test]
fn messages_without_cryptography_have_the_lengths_of_those_with_it() {
    assert_eq!(lengths(Security::Plain(1)), lengths(Security::Seeded(1)));
}

#[test]
fn damaged_messages_fail_a_handshake_without_cryptography() {
    let settings = settings(Security::Plain(1));
    let sessions = Sessions::new(Security::Plain(1));
    let mut server_id = &[0x0f_u8, 0][..];
    let parameters = TransportParameters::read(Side::Client, &mut server_id).unwrap();
    let client = sessions
        .client(vec![settings.transport.alpn.into()])
        .unwrap();
    let mut client = client.start_session(1, "localhost", &parameters).unwrap();
    let mut hello = Vec::new();
    client.write_handshake(&mut hello);
    let server = || {
        sessions
            .server(&settings)
            .unwrap()
            .start_session(1, &parameters)
    };
    // In pieces it is the same.
    let mut slow = server();
    let settled = hello
        .chunks(7)
        .map(|piece| slow.read_handshake(piece).unwrap());
    assert_eq!(settled.filter(|is_settled| *is_settled).count(), 1);
    for index in 0..hello.len() {
        let mut damaged = hello.clone();
        damaged[index] ^= 0xff;
        // Nothing panics, whatever comes of it.
        let _ = server().read_handshake(&damaged);
    }
    let error = |bytes: &[u8]| u64::from(server().read_handshake(bytes).unwrap_err().code);
    assert_eq!(error(&[20, 0, 0, 0]), 0x100 + 10);
    assert_eq!(error(&[1, 0, 0, 0]), 0x100 + 50);
    assert_eq!(error(&[1, 1, 0, 0]), 0x100 + 50);
}

#[test]
fn a_packet_with_a_changed_byte_is_dropped_without_cryptography_too() {
    let security = Security::Plain(1);
    let server = Sessions::new(security).server(&settings(security)).unwrap();
    let keys = server.initial_keys(1, &ConnectionId::new(&[7; 8]));
    let keys = keys.ok().unwrap().packet;
    let header = 5;
    for length in [0, 1, 7, 8, 9, 40] {
        let whole = header + length + keys.local.tag_len();
        let mut sealed: Vec<u8> = (0..whole).map(|n| n as u8).collect();
        let text = sealed[header..header + length].to_vec();
        keys.local.encrypt(3, &mut sealed, header);
        for damaged in 0..=whole {
            let mut packet = sealed.clone();
            if let Some(byte) = packet.get_mut(damaged) {
                *byte ^= 0x40;
            }
            let (head, payload) = packet.split_at(header);
            let mut payload = BytesMut::from(payload);
            let opened = keys.remote.decrypt(3, head, &mut payload);
            assert_eq!(opened.is_ok(), damaged == whole, "{length} {damaged}");
            assert!(damaged < whole || payload == text);
        }
    }
}
