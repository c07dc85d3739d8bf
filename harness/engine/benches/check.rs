//! How fast a capture of media is judged, and how that compares with a bare read of the same bytes
//! by pcap-file and etherparse.
//!
//! `cargo bench -p shakedown-engine` prints packets a second of both and their ratio.

#![allow(
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark measures time, prints, and may fail so"
)]

#[path = "../tests/large_files/generator.rs"]
mod generator;

use std::hint::black_box;
use std::io::Read;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::{SlicedPacket, TransportSlice};
use generator::Generator;
use pcap_file::pcap::PcapReader;
use shakedown_engine::judge::judge;
use shakedown_protocol::{MonitorSettings, PROTOCOLS};

/// Packets of the file: 100 MB, more than any cache.
const PACKETS: u64 = 100_000;

fn file(streams: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let mut generator = Generator::new(PACKETS, streams);
    generator.read_to_end(&mut file).expect("memory");
    file
}

fn judged(file: &[u8]) -> u64 {
    let mut said = 0_u64;
    let judged = judge(
        file,
        &PROTOCOLS,
        &MonitorSettings::default(),
        b"",
        &mut |_| said += 1,
    );
    black_box(said);
    judged.expect("a capture").statistics.packets
}

fn bare(file: &[u8]) -> u64 {
    let mut reader = PcapReader::new(file).expect("a capture");
    let mut packets = 0;
    while let Some(packet) = reader.next_packet() {
        let packet = packet.expect("undamaged");
        let sliced = SlicedPacket::from_ethernet(packet.data()).expect("well-formed");
        if let Some(TransportSlice::Udp(udp)) = sliced.transport {
            black_box(udp.payload());
        }
        packets += 1;
    }
    packets
}

/// The best of several rounds of both, one after the other so that both meet the same machine.
fn ratio(name: &str, file: &[u8]) {
    assert_eq!(judged(file), bare(file));
    let time = |read: fn(&[u8]) -> u64| {
        let start = Instant::now();
        black_box(read(file));
        start.elapsed()
    };
    let (mut best, mut best_bare) = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        best = best.min(time(judged));
        best_bare = best_bare.min(time(bare));
    }
    let rate = |time: Duration| PACKETS as f64 / time.as_secs_f64() / 1e6;
    eprintln!(
        "{name}: {:.2} M packets/s judged; bare pcap-file and etherparse: {:.2} M packets/s; ratio {:.2}",
        rate(best),
        rate(best_bare),
        rate(best) / rate(best_bare)
    );
}

fn benchmarks(criterion: &mut Criterion) {
    for (name, streams) in [("one stream", 1), ("a thousand streams", 1_000)] {
        let file = file(streams);
        ratio(name, &file);
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .throughput(Throughput::Elements(PACKETS));
        group.bench_function("judged", |bencher| {
            bencher.iter(|| judged(black_box(&file)))
        });
        group.bench_function("bare", |bencher| bencher.iter(|| bare(black_box(&file))));
        group.finish();
    }
}

criterion_group!(all, benchmarks);
criterion_main!(all);
