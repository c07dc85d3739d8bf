//! Captures made in memory, and what is read from them.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses a part, and may fail so"
)]

pub(crate) mod blocks;

use std::net::SocketAddr;
use std::time::Duration;

use etherparse::PacketBuilder;
use shakedown_capture::{
    Capture, CaptureError, CaptureWriter, DataLink, PcapFileWriter, PcapLayout, Statistics,
    WriterSettings,
};

/// A datagram that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) number: u64,
    pub(crate) time: Duration,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) payload: Vec<u8>,
    pub(crate) length: usize,
}

/// Reads a capture to its end or to its damage. After damage nothing follows.
pub(crate) fn read(file: &[u8]) -> (Vec<Seen>, Statistics, Option<CaptureError>) {
    let mut seen = Vec::new();
    let mut capture = match Capture::open(file) {
        Ok(capture) => capture,
        Err(error) => return (seen, Statistics::default(), Some(error)),
    };
    let error = loop {
        match capture.next_datagram() {
            Ok(None) => break None,
            Ok(Some(datagram)) => seen.push(Seen {
                number: datagram.number,
                time: datagram.time,
                source: datagram.source,
                destination: datagram.destination,
                payload: datagram.payload.to_vec(),
                length: datagram.length,
            }),
            Err(error) => break Some(error),
        }
    };
    assert!(
        matches!(capture.next_datagram(), Ok(None)),
        "the end is the end, and an error is said once"
    );
    (seen, *capture.statistics(), error)
}

/// Time of the packet with this number, from 1, in all captures made here.
pub(crate) fn time(number: u64) -> Duration {
    Duration::new(1_700_000_000, 123_456_000) + Duration::from_millis(number)
}

/// A pcapng capture of these packets, none of them cut.
pub(crate) fn pcapng(link: DataLink, packets: &[Vec<u8>]) -> Vec<u8> {
    let settings = WriterSettings {
        link,
        ..WriterSettings::default()
    };
    let mut writer = CaptureWriter::new(Vec::new(), &settings).expect("memory");
    for (packet, number) in packets.iter().zip(1..) {
        writer
            .write_packet(time(number), packet, packet.len(), &[])
            .expect("memory");
    }
    writer.into_inner()
}

/// A classic capture of these packets, none of them cut.
pub(crate) fn pcap(layout: PcapLayout, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = PcapFileWriter::new(Vec::new(), layout).expect("memory");
    for (packet, number) in packets.iter().zip(1..) {
        writer
            .write_packet(time(number), packet, packet.len())
            .expect("memory");
    }
    writer.into_inner()
}

/// Source and destination of the packets made here, by version of IP.
pub(crate) fn addresses(version: u8) -> (SocketAddr, SocketAddr) {
    let (source, destination) = match version {
        4 => ("192.0.2.1:4444", "192.0.2.2:5555"),
        _ => ("[2001:db8::1]:4444", "[2001:db8::2]:5555"),
    };
    (
        source.parse().expect("an address"),
        destination.parse().expect("an address"),
    )
}

/// An IP packet with a UDP datagram.
pub(crate) fn ip(version: u8, payload: &[u8]) -> Vec<u8> {
    let builder = match addresses(version) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            PacketBuilder::ipv4(source.ip().octets(), destination.ip().octets(), 64)
        }
        (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
            PacketBuilder::ipv6(source.ip().octets(), destination.ip().octets(), 64)
        }
        _ => panic!("mixed versions"),
    };
    let mut packet = Vec::new();
    builder
        .udp(4444, 5555)
        .write(&mut packet, payload)
        .expect("memory");
    packet
}

/// An Ethernet frame around an IP packet.
pub(crate) fn ethernet(ip: &[u8]) -> Vec<u8> {
    let kind = if ip[0] >> 4 == 4 {
        [8, 0]
    } else {
        [0x86, 0xdd]
    };
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &kind, ip].concat()
}
