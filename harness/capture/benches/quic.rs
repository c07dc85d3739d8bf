//! How fast packets of QUIC are read, and how that compares with opening as many bytes with ring's
//! AEAD alone.
//!
//! `cargo bench -p shakedown-capture --bench quic` prints packets a second of both and their ratio.

#![allow(
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark measures time, prints, and may fail so"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use shakedown_capture::Datagram;
use shakedown_capture::quic::fuzz::{Sent, client_hello, datagrams, key_log};
use shakedown_capture::quic::{Decoder, EventKind, Limits};

const PACKETS: u16 = 40_000;
/// Bytes of a stream in a packet: with headers and tag about as many as a datagram has on a path of
/// 1,280 bytes.
const PAYLOAD: usize = 1_180;
const HEADER: usize = 13;

/// A connection with one stream, each packet with the next bytes of it.
fn connection() -> Vec<Sent> {
    let record = |operation: u8, number: u16, payload: &[u8]| {
        let length = payload.len() as u16;
        let head = [
            &[operation][..],
            &number.to_le_bytes(),
            &length.to_le_bytes(),
        ]
        .concat();
        [&head, payload].concat()
    };
    // The server says in a long header how it is called.
    let mut records = [record(0, 0, &client_hello()), record(4, 0, &[1])].concat();
    for number in 0..PACKETS {
        let offset = (u32::from(number) * PAYLOAD as u32) | 0x8000_0000;
        let frame = [&[0x0c, 0][..], &offset.to_be_bytes(), &[0x5a; PAYLOAD]].concat();
        records.extend(record(3, number, &frame));
    }
    datagrams(&records)
}

fn ours(datagrams: &[Sent], key_log: &[u8]) -> u64 {
    let mut decoder = Decoder::new(Limits::default());
    let mut bytes = 0;
    let mut tell = |event: &shakedown_capture::quic::Event<'_>| {
        if let EventKind::StreamBytes { bytes: more, .. } = event.kind {
            bytes += black_box(more).len() as u64;
        }
    };
    decoder.add_secrets(key_log, &mut tell);
    for (it, number) in datagrams.iter().zip(1..) {
        let datagram = Datagram {
            number,
            time: Duration::from_micros(number),
            source: it.source,
            destination: it.destination,
            payload: &it.payload,
            length: it.payload.len(),
        };
        decoder.datagram(&datagram, &mut tell);
    }
    decoder.finish(&mut tell);
    bytes
}

/// Packets of the same sizes, sealed and nothing else.
fn sealed(key: &LessSafeKey, datagrams: &[Sent]) -> Vec<Vec<u8>> {
    let seal = |it: &Sent| {
        let (header, payload) = it.payload.split_at(HEADER);
        let mut sealed = payload[..payload.len() - 16].to_vec();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        key.seal_in_place_append_tag(nonce, Aad::from(header), &mut sealed)
            .expect("sealed");
        [header, &sealed].concat()
    };
    datagrams.iter().map(seal).collect()
}

fn bare(key: &LessSafeKey, packets: &[Vec<u8>]) -> u64 {
    let mut buffer = Vec::new();
    let mut bytes = 0;
    for packet in packets {
        buffer.clear();
        buffer.extend_from_slice(packet);
        let (header, sealed) = buffer.split_at_mut(HEADER);
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened = key.open_in_place(nonce, Aad::from(&*header), sealed);
        bytes += black_box(opened.expect("opened")).len() as u64;
    }
    bytes
}

fn reading(criterion: &mut Criterion) {
    let datagrams = connection();
    let key_log = key_log();
    let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("a key");
    let key = LessSafeKey::new(key);
    let packets = sealed(&key, &datagrams);
    assert_eq!(
        ours(&datagrams, key_log.as_bytes()),
        u64::from(PACKETS) * PAYLOAD as u64
    );
    let (mut best, mut best_bare) = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        let start = Instant::now();
        black_box(ours(&datagrams, key_log.as_bytes()));
        best = best.min(start.elapsed());
        let start = Instant::now();
        black_box(bare(&key, &packets));
        best_bare = best_bare.min(start.elapsed());
    }
    let rate = |time: Duration| f64::from(PACKETS) / time.as_secs_f64() / 1e6;
    eprintln!(
        "quic: {:.2} M packets/s; bare AEAD: {:.2} M packets/s; ratio {:.2}",
        rate(best),
        rate(best_bare),
        rate(best) / rate(best_bare)
    );
    let mut group = criterion.benchmark_group("reading QUIC packets of 1180 bytes");
    group
        .throughput(Throughput::Elements(u64::from(PACKETS)))
        .sample_size(20);
    group.bench_function("decoder", |bencher| {
        bencher.iter(|| ours(&datagrams, key_log.as_bytes()));
    });
    group.bench_function("bare AEAD", |bencher| {
        bencher.iter(|| bare(&key, &packets));
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
