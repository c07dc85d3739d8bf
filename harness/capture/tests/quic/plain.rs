//! Packets without protection.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use shakedown_capture::Datagram;
use shakedown_capture::quic::{Decoder, EventKind, Level, Limits};

const TAG: &[u8] = b"tag";
const SERVER_ID: [u8; 8] = [7; 8];

fn open(_number: u64, _header: &[u8], sealed: &[u8]) -> Option<usize> {
    sealed.strip_suffix(TAG).map(<[u8]>::len)
}

fn initial(destination: [u8; 8]) -> Vec<u8> {
    let rest = [&[0, 1][..], TAG].concat();
    let ids = [&[0xC0, 0, 0, 0, 1, 8][..], &destination, &[1, 9]].concat();
    [
        &ids[..],
        &[0, u8::try_from(rest.len()).expect("short")],
        &rest,
    ]
    .concat()
}

/// What a decoder reads of these datagrams: connections and levels.
fn read(datagrams: &[Vec<u8>]) -> Vec<(Option<u64>, Level)> {
    let mut decoder = Decoder::plain(Limits::default(), open);
    let mut packets = Vec::new();
    for (payload, number) in datagrams.iter().zip(1..) {
        let datagram = Datagram {
            number,
            time: Duration::from_millis(number),
            source: SocketAddr::from((Ipv4Addr::LOCALHOST, 5_000)),
            destination: SocketAddr::from((Ipv4Addr::LOCALHOST, 4_433)),
            payload,
            length: payload.len(),
        };
        decoder.datagram(&datagram, &mut |event| {
            if let EventKind::Packet(packet) = &event.kind {
                packets.push((event.connection, packet.level));
            }
        });
    }
    packets
}

#[test]
fn a_greased_packet_behind_another_is_no_padding() {
    let short = [&[0][..], &SERVER_ID, &[0, 1], TAG].concat();
    let datagram = [initial(SERVER_ID), short].concat();
    let one = Some(1);
    assert_eq!(
        read(&[datagram]),
        [(one, Level::Initial), (one, Level::OneRtt)]
    );
}

#[test]
fn a_connection_between_the_same_addresses_is_another_one() {
    let (first, second) = (initial(SERVER_ID), initial([8; 8]));
    let levels = read(&[first, second]);
    assert_eq!(
        levels,
        [(Some(1), Level::Initial), (Some(2), Level::Initial)]
    );
}

#[test]
fn a_damaged_packet_is_not_read() {
    let mut damaged = initial(SERVER_ID);
    damaged.pop();
    assert_eq!(read(&[damaged]), []);
}
