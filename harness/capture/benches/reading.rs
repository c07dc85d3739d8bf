//! How fast a capture of media is read, and how that compares with the bare libraries.
//!
//! `cargo bench -p shakedown-capture` prints packets a second of both and their ratio.

#![allow(
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark measures time, prints, and may fail so"
)]

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::{SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use shakedown_capture::{
    Capture, DataLink, Endianness, Packets, PcapFileWriter, PcapLayout, Tap, WriterSettings,
};

/// Packets of the file: 100 MB, more than any cache.
const PACKETS: u64 = 100_000;
/// Bytes of a UDP payload.
const PAYLOAD: usize = 1_000;

fn pcapng() -> Vec<u8> {
    let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).expect("memory");
    let source: SocketAddr = "127.0.0.1:4444".parse().expect("an address");
    let destination: SocketAddr = "127.0.0.1:5555".parse().expect("an address");
    let mut payload = vec![0; PAYLOAD];
    for number in 0..PACKETS {
        payload[..8].copy_from_slice(&number.to_le_bytes());
        let time = Duration::from_micros(number * 20_000);
        tap.record(time, source, destination, &payload)
            .expect("memory");
    }
    tap.into_inner()
}

fn pcap(pcapng: &[u8]) -> Vec<u8> {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness: Endianness::Little,
        nanoseconds: true,
    };
    let mut writer = PcapFileWriter::new(Vec::new(), layout).expect("memory");
    let mut packets = Packets::open(pcapng).expect("a capture");
    while let Some(packet) = packets.next_packet().expect("undamaged") {
        writer
            .write_packet(packet.time, packet.data, packet.wire_length as usize)
            .expect("memory");
    }
    writer.into_inner()
}

fn ours(file: &[u8]) -> u64 {
    let mut capture = Capture::open(file).expect("a capture");
    let mut bytes = 0;
    while let Some(datagram) = capture.next_datagram().expect("undamaged") {
        bytes += black_box(datagram).length as u64;
    }
    bytes
}

fn bare_pcapng(file: &[u8]) -> u64 {
    let mut reader = PcapNgReader::new(file).expect("a capture");
    let mut bytes = 0;
    while let Some(block) = reader.next_block() {
        if let (Block::EnhancedPacket(packet), _) = block.expect("undamaged") {
            bytes += sliced(&packet.data);
        }
    }
    bytes
}

fn bare_pcap(file: &[u8]) -> u64 {
    let mut reader = PcapReader::new(file).expect("a capture");
    let mut bytes = 0;
    while let Some(packet) = reader.next_packet() {
        bytes += sliced(packet.expect("undamaged").data());
    }
    bytes
}

fn sliced(packet: &[u8]) -> u64 {
    match SlicedPacket::from_ethernet(packet)
        .expect("well-formed")
        .transport
    {
        Some(TransportSlice::Udp(udp)) => black_box(udp).payload().len() as u64,
        _ => 0,
    }
}

/// The best of several rounds of both, one after the other so that both meet the same machine.
fn ratio(name: &str, file: &[u8], bare: fn(&[u8]) -> u64) {
    assert_eq!(ours(file), bare(file));
    let time = |read: fn(&[u8]) -> u64| {
        let start = Instant::now();
        black_box(read(file));
        start.elapsed()
    };
    let (mut best, mut best_bare) = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        best = best.min(time(ours));
        best_bare = best_bare.min(time(bare));
    }
    let rate = |time: Duration| PACKETS as f64 / time.as_secs_f64() / 1e6;
    eprintln!(
        "{name}: {:.1} M packets/s; bare pcap-file and etherparse: {:.1} M packets/s; ratio {:.2}",
        rate(best),
        rate(best_bare),
        rate(best) / rate(best_bare)
    );
}

fn reading(criterion: &mut Criterion) {
    let modern = pcapng();
    let classic = pcap(&modern);
    ratio("pcapng", &modern, bare_pcapng);
    ratio("pcap", &classic, bare_pcap);
    let mut group = criterion.benchmark_group("reading media of 1000 bytes");
    group
        .throughput(Throughput::Elements(PACKETS))
        .sample_size(20);
    group.bench_function("pcapng", |bencher| bencher.iter(|| ours(&modern)));
    group.bench_function("pcapng, bare", |bencher| {
        bencher.iter(|| bare_pcapng(&modern))
    });
    group.bench_function("pcap", |bencher| bencher.iter(|| ours(&classic)));
    group.bench_function("pcap, bare", |bencher| bencher.iter(|| bare_pcap(&classic)));
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
