//! How many 3-way handshakes a second the event loop plays between two reference machines, bare and
//! with a capture and its monitor, and how that compares with the work on their bytes alone.
//!
//! `cargo bench -p shakedown-engine --bench handshakes`. The loop is that of swarm runs.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark measures time, prints, and may fail so"
)]

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shakedown_capture::{Tap, WriteError, WriterSettings};
use shakedown_engine::meeting::{Meeting, Watch};
use shakedown_engine::network::{Impairment, Network};
use shakedown_protocol::machine::Fork;
use shakedown_protocol::mediastream::frame::Frame;
use shakedown_protocol::mediastream::{self, PROTOCOL};
use shakedown_protocol::monitor::{Monitor, Packet};
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
        extra: Vec::new(),
    };
    mediastream::forked_reference(&settings).expect("the reference")
}

/// Nobody looks.
struct Blind {
    initiator: SocketAddr,
    datagrams: u64,
}

impl Watch for Blind {
    type Way = ();
    type Error = Infallible;

    fn sends(&mut self, _: Duration, _: Role, _: SocketAddr, _: &[u8]) -> Result<(), Infallible> {
        self.datagrams += 1;
        Ok(())
    }

    fn arrives(
        &mut self,
        _: Duration,
        to: Role,
        (): (),
        _: &[u8],
    ) -> Result<Option<SocketAddr>, Infallible> {
        Ok(Some(match to {
            Role::Initiator => RESPONDER.into(),
            Role::Responder => self.initiator,
        }))
    }
}

/// A capture and its monitor.
struct Judged {
    initiator: SocketAddr,
    tap: Tap<Vec<u8>>,
    monitor: Box<dyn Monitor>,
    packets: u64,
    said: u64,
}

impl Watch for Judged {
    type Way = ();
    type Error = WriteError;

    fn sends(
        &mut self,
        now: Duration,
        from: Role,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let (source, destination) = match from {
            Role::Initiator => (self.initiator, to),
            Role::Responder => (RESPONDER.into(), to),
        };
        self.packets = self.tap.record(now, source, destination, payload)?;
        let packet = Packet {
            number: self.packets,
            time: now,
            source,
            destination,
            payload,
            length: payload.len(),
        };
        let said = &mut self.said;
        self.monitor.packet(&packet, &mut |_| *said += 1);
        Ok(())
    }

    fn arrives(
        &mut self,
        _: Duration,
        to: Role,
        (): (),
        _: &[u8],
    ) -> Result<Option<SocketAddr>, WriteError> {
        Ok(Some(match to {
            Role::Initiator => RESPONDER.into(),
            Role::Responder => self.initiator,
        }))
    }
}

/// One handshake from `start` on; both machines are new.
fn shake<W: Watch<Way = ()>>(
    machines: &[Box<dyn Fork>; 2],
    watch: W,
) -> Result<Meeting<dyn Fork, W>, W::Error> {
    let mut meeting = Meeting {
        initiator: machines[0].fork(),
        responder: machines[1].fork(),
        network: Network::new(Impairment::default(), PROTOCOL.vocabulary, 1).with_latency(LATENCY),
        watch,
    };
    while let Some(now) = meeting.deadline().filter(|now| *now < DONE) {
        meeting.step(now)?;
    }
    Ok(meeting)
}

fn bare(machines: &[Box<dyn Fork>; 2]) -> u64 {
    let mut datagrams = 0;
    for number in 0..BATCH {
        let watch = Blind {
            initiator: initiator(number),
            datagrams: 0,
        };
        let Ok(meeting) = shake(machines, watch);
        assert_eq!(meeting.responder.tally().succeeded, 1);
        datagrams += meeting.watch.datagrams;
    }
    datagrams
}

fn judged(machines: &[Box<dyn Fork>; 2]) -> Vec<u8> {
    let settings = MonitorSettings::default();
    let mut watch = Judged {
        initiator: initiator(0),
        tap: Tap::new(Vec::new(), &WriterSettings::default()).expect("memory"),
        monitor: mediastream::new_monitor(&settings),
        packets: 0,
        said: 0,
    };
    for number in 0..BATCH {
        watch.initiator = initiator(number);
        let meeting = shake(machines, watch).expect("memory");
        assert_eq!(meeting.responder.tally().succeeded, 1);
        watch = meeting.watch;
    }
    let said = &mut watch.said;
    watch.monitor.finish(DONE, &mut |_| *said += 1);
    watch.tap.into_inner()
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
