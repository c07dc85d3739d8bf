//! How many 3-way handshakes a second the event loop plays between two reference machines, bare and
//! with a capture and its monitor, and how that compares with the work on their bytes alone.
//!
//! `cargo bench -p shakedown-engine --bench handshakes`. The loop is that of swarm runs.

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
use shakedown_capture::{Datagram, Tap, WriterSettings};
use shakedown_engine::network::{Impairment, Network};
use shakedown_protocol::event_loop::{EventLoop, Next};
use shakedown_protocol::machine::{Fork, Input, Output};
use shakedown_protocol::mediastream::frame::Frame;
use shakedown_protocol::mediastream::{self, PROTOCOL};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{MonitorSettings, ReferenceSettings, StreamParameters};

/// Handshakes of one capture.
const BATCH: u64 = 1_000;
const LATENCY: Duration = Duration::from_micros(100);
/// After SYN, SYN-ACK and ACK, and before the first media.
const DONE: Duration = Duration::from_millis(1);

const RESPONDER: ([u8; 4], u16) = ([192, 0, 2, 1], 4_444);

fn initiator(number: u64) -> SocketAddr {
    let number = u32::try_from(number % 60_000).unwrap_or(0);
    let port = u16::try_from(5_000 + number).unwrap_or(5_000);
    SocketAddr::from(([192, 0, 2, 2], port))
}

const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 400_000,
    frames_per_second: 50,
    seconds: 2,
};

fn machine(role: Role) -> Box<dyn Fork> {
    let settings = ReferenceSettings {
        role,
        mode: "3way".to_owned(),
        options: Vec::new(),
        stream: STREAM,
        peer: (role == Role::Initiator).then(|| RESPONDER.into()),
        seed: 1,
        epoch: Duration::ZERO,
        extra: Vec::new(),
    };
    mediastream::forked_reference(&settings).expect("the reference")
}

/// What sees each datagram that is sent: when, from where, to where, and its payload.
trait See: FnMut(Duration, SocketAddr, SocketAddr, &[u8]) {}
impl<F: FnMut(Duration, SocketAddr, SocketAddr, &[u8])> See for F {}

/// One handshake; both machines are new.
fn shake(machines: &[Box<dyn Fork>; 2], initiator: SocketAddr, see: &mut impl See) {
    let network = Network::new(Impairment::default(), PROTOCOL.vocabulary, 1);
    let mut event_loop = EventLoop::new(network.with_latency(LATENCY));
    let mut machines = [machines[0].fork(), machines[1].fork()];
    let sides = [Role::Initiator, Role::Responder];
    let addresses = [initiator, RESPONDER.into()];
    loop {
        let deadlines = machines.each_ref().map(|machine| machine.deadline());
        let next = event_loop.next(&deadlines);
        let now = event_loop.now();
        let (side, arrived) = match next {
            _ if now >= DONE => break,
            Some(Next::Arrival(arrival)) => {
                let side = usize::from(arrival.from == Role::Initiator);
                (side, Some(arrival.payload))
            }
            Some(Next::Deadline(side)) => (side, None),
            None => break,
        };
        let input = match &arrived {
            Some(payload) => Input::Datagram {
                from: addresses[1 - side],
                payload,
            },
            None => Input::Tick,
        };
        machines[side].handle(now, input);
        while let Some(output) = machines[side].poll() {
            if let Output::Send { to, payload } = output {
                see(now, addresses[side], to, &payload);
                event_loop.network.send(now, sides[side], (), payload);
            }
        }
    }
    assert_eq!(machines[1].tally().succeeded, 1);
}

fn bare(machines: &[Box<dyn Fork>; 2]) -> u64 {
    let mut datagrams = 0;
    for number in 0..BATCH {
        let mut see = |_, _, _, _: &[u8]| datagrams += 1;
        shake(machines, initiator(number), &mut see);
    }
    datagrams
}

fn judged(machines: &[Box<dyn Fork>; 2]) -> Vec<u8> {
    let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).expect("memory");
    let mut monitor = mediastream::new_monitor(&MonitorSettings::default());
    let mut said = 0;
    let mut see = |time, source, destination, payload: &[u8]| {
        let number = tap.record(time, source, destination, payload);
        let datagram = Datagram {
            number: number.expect("memory"),
            time,
            source,
            destination,
            payload,
            length: payload.len(),
        };
        monitor.datagram(&datagram, &mut |_| said += 1);
    };
    for number in 0..BATCH {
        shake(machines, initiator(number), &mut see);
    }
    monitor.finish(DONE, &mut |_| said += 1);
    black_box(said);
    tap.into_inner()
}

/// The datagrams of a handshake, each decoded as often as it arrives, and encoded.
fn frames(datagrams: &[Vec<u8>]) -> usize {
    let mut bytes = 0;
    for _ in 0..BATCH {
        for datagram in datagrams {
            if let Ok(Some(frame)) = Frame::decode(black_box(datagram)) {
                bytes += black_box(frame.to_vec()).len();
            }
        }
    }
    bytes
}

fn handshakes(criterion: &mut Criterion) {
    let machines = [machine(Role::Initiator), machine(Role::Responder)];
    let datagrams = ["SYN", "SYN-ACK", "ACK"].map(|frame| {
        let fields = serde_json::Map::new();
        PROTOCOL.vocabulary.encode(frame, &fields).expect("a frame")
    });
    let mut group = criterion.benchmark_group("3-way handshakes");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("bare", |bencher| bencher.iter(|| bare(&machines)));
    group.bench_function("with capture and monitor", |bencher| {
        bencher.iter(|| judged(&machines));
    });
    group.bench_function("decoded and encoded alone", |bencher| {
        bencher.iter(|| frames(&datagrams));
    });
    group.finish();
    let rate = |work: &dyn Fn()| {
        let rounds = 200;
        let begin = Instant::now();
        for _ in 0..rounds {
            work();
        }
        (rounds * BATCH) as f64 / begin.elapsed().as_secs_f64()
    };
    let alone = rate(&|| {
        black_box(frames(&datagrams));
    });
    let bare = rate(&|| {
        black_box(bare(&machines));
    });
    let judged = rate(&|| {
        black_box(judged(&machines));
    });
    eprintln!("handshakes a second: {bare:.0} bare, {judged:.0} with capture and monitor");
    eprintln!(
        "bytes alone: {alone:.0}, {:.1} times as many as bare",
        alone / bare
    );
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
