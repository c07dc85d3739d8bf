//! Frames that the Media Handler forwards, beside the same bytes on bare streams of the same QUIC: what HTTP/3,
//! WebTransport and reading frames cost. All sides are on one core, without sockets.
//!
//! An element is a frame at a subscriber.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use shakedown_carrier::{Carrier, Effect, Security, Settings, Socket};
use shakedown_protocol::darktower::reference::{
    self, Client, ClientSettings, MediaKind, Server, ServerSettings, Service,
};
use shakedown_protocol::event_loop::{EventLoop, InFlight, Next};
use shakedown_protocol::streams::{
    ConnectionNumber, Input, Output, StreamId, StreamMachine, StreamUpdate,
};

const LATENCY: Duration = Duration::from_micros(100);
/// From frame to frame, in virtual time: no subscriber falls behind.
const INTERVAL: Duration = Duration::from_micros(500);
const FRAMES: u32 = 1_000;
const PAYLOAD: u32 = 1_000;
/// A frame with its header.
const FRAME: usize = 46 + PAYLOAD as usize;
/// The stream that a sender or a copy is on.
const STREAM: StreamId = StreamId(2);
const COPY: StreamId = StreamId(3);
const CONNECTION: ConnectionNumber = ConnectionNumber(0);

type Machine = Box<dyn StreamMachine>;

fn address(side: usize) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 4000 + side as u16).into()
}

/// The server is 0. The last client sends, and is begun once all others are quiet.
fn play(mut sides: Vec<Carrier<Machine>>) -> Vec<Value> {
    let mut event_loop = EventLoop::new(InFlight::new());
    let (sender, mut begun) = (sides.len() - 1, false);
    for side in &mut sides[..sender] {
        side.tick(Duration::ZERO);
    }
    loop {
        let due = event_loop.now() + LATENCY;
        for (from, side) in sides.iter_mut().enumerate() {
            while let Some(effect) = side.poll() {
                if let Effect::Send { to, payload, .. } = effect {
                    let to = usize::from(to.port() - 4000);
                    event_loop.network.put(due, (from, to, payload));
                }
            }
        }
        let mut deadlines: Vec<_> = sides.iter().map(Carrier::deadline).collect();
        if !begun {
            deadlines[sender] = Some(Duration::from_millis(500));
        }
        let is_over = sides[1..]
            .iter()
            .all(|side| side.machine().is_finished() && side.is_idle());
        let next = event_loop.next(&deadlines).filter(|_| !is_over);
        let now = event_loop.now();
        assert!(now < Duration::from_secs(60), "a frame did not arrive");
        match next {
            Some(Next::Arrival((from, to, payload))) => {
                sides[to].receive(now, Socket::MAIN, address(from), &payload);
            }
            Some(Next::Deadline(side)) => {
                begun |= side == sender;
                sides[side].tick(now);
            }
            None => return sides.iter().map(|side| side.machine().counters()).collect(),
        }
    }
}

/// One server, clients that receive, and one that sends.
fn parties(server: Machine, clients: Vec<Machine>) -> Vec<Carrier<Machine>> {
    let settings = |seed| Settings::new(reference::TRANSPORT, Security::Seeded(seed));
    let mut sides: Vec<_> = Carrier::server(server, &settings(0)).into_iter().collect();
    for (seed, client) in (1..).zip(clients) {
        sides.extend(Carrier::client(client, address(0), &settings(seed)));
    }
    sides
}

fn handler(subscribers: usize) -> usize {
    let services = vec![Service::Handler];
    let server = Server::new(ServerSettings {
        services: services.clone(),
        ..ServerSettings::default()
    });
    let client = |n: usize| ClientSettings {
        services: services.clone(),
        user: format!("user {n}"),
        authority: address(0).to_string(),
        frames: FRAMES,
        payload: PAYLOAD,
        interval: INTERVAL,
        seed: n as u64,
        ..ClientSettings::default()
    };
    let receives = |n| ClientSettings {
        receives: FRAMES,
        ..client(n)
    };
    let sends = ClientSettings {
        publishes: Some(MediaKind::Audio),
        ..client(subscribers)
    };
    let all = (0..subscribers).map(receives).chain([sends]);
    let clients = all.map(|settings| Box::new(Client::new(settings)) as Machine);
    let sides = parties(Box::new(server), clients.collect());
    let counters = play(sides);
    let got = counters.iter().map(|it| it["frames_received"].as_u64());
    got.flatten().sum::<u64>() as usize
}

fn bare(subscribers: usize) -> usize {
    let all = (0..subscribers)
        .map(|_| Bare::Receiver { bytes: 0 })
        .chain([Bare::Sender { frames: 0 }]);
    let clients = all.map(Peer::boxed).collect();
    let copies = Bare::Copies { to: Vec::new() };
    let sides = parties(Peer::boxed(copies), clients);
    let counters = play(sides);
    let got = counters.iter().map(|it| it["bytes"].as_u64());
    got.flatten().sum::<u64>() as usize / FRAME
}

/// One side of bare streams.
struct Peer {
    what: Bare,
    outputs: VecDeque<Output>,
    is_over: bool,
    has_begun: bool,
}

enum Bare {
    /// Sends what comes on each connection to all others.
    Copies {
        to: Vec<ConnectionNumber>,
    },
    Sender {
        frames: u32,
    },
    Receiver {
        bytes: usize,
    },
}

impl Peer {
    fn boxed(what: Bare) -> Machine {
        Box::new(Self {
            what,
            outputs: VecDeque::new(),
            is_over: false,
            has_begun: false,
        })
    }

    fn close(&mut self) {
        self.is_over = true;
        self.outputs.push_back(Output::Close {
            connection: CONNECTION,
            code: 0,
            reason: String::new(),
        });
    }
}

impl StreamMachine for Peer {
    fn handle(&mut self, _: Duration, input: Input<'_>) {
        let outputs = &mut self.outputs;
        let is_server = matches!(self.what, Bare::Copies { .. });
        if !is_server && !std::mem::replace(&mut self.has_begun, true) {
            outputs.push_back(Output::Connect(CONNECTION));
        }
        let frame = || Output::Write(CONNECTION, STREAM, vec![7; FRAME]);
        match (&mut self.what, input) {
            (Bare::Copies { .. }, Input::Incoming { connection, .. }) => {
                outputs.push_back(Output::Admit(connection));
            }
            (Bare::Copies { to }, Input::Connected { connection }) => to.push(connection),
            (
                Bare::Copies { to },
                Input::Stream {
                    connection,
                    stream: STREAM,
                    what,
                },
            ) => {
                for to in to.iter().filter(|to| **to != connection) {
                    match what {
                        StreamUpdate::Opened => outputs.push_back(Output::Open(*to, COPY)),
                        StreamUpdate::Bytes(bytes) => {
                            outputs.push_back(Output::Write(*to, COPY, bytes.to_vec()));
                        }
                        StreamUpdate::Fin => outputs.push_back(Output::Fin(*to, COPY)),
                        StreamUpdate::Reset(_)
                        | StreamUpdate::Stopped(_)
                        | StreamUpdate::Written => {}
                    }
                }
            }
            (Bare::Sender { .. }, Input::Connected { .. }) => {
                outputs.extend([Output::Open(CONNECTION, STREAM), frame()]);
            }
            (
                Bare::Sender { frames },
                Input::Stream {
                    what: StreamUpdate::Written,
                    ..
                },
            ) => {
                *frames += 1;
                outputs.push_back(match *frames < FRAMES {
                    true => frame(),
                    false => Output::Fin(CONNECTION, STREAM),
                });
            }
            (Bare::Sender { .. }, Input::Delivered { .. }) => self.close(),
            (Bare::Receiver { bytes }, Input::Stream { what, .. }) => match what {
                StreamUpdate::Bytes(came) => *bytes += came.len(),
                StreamUpdate::Fin => self.close(),
                _ => {}
            },
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        true
    }

    fn is_finished(&self) -> bool {
        self.is_over
    }

    fn counters(&self) -> Value {
        match self.what {
            Bare::Receiver { bytes } => json!({ "bytes": bytes }),
            Bare::Copies { .. } | Bare::Sender { .. } => json!({}),
        }
    }
}

fn forwarding(criterion: &mut Criterion) {
    for subscribers in [1, 8] {
        let copies = subscribers * FRAMES as usize;
        let mut group = criterion.benchmark_group(format!("frames forwarded to {subscribers}"));
        group
            .throughput(Throughput::Elements(copies as u64))
            .sample_size(10);
        for (name, run) in [
            ("Media Handler", handler as fn(usize) -> usize),
            ("bare streams", bare),
        ] {
            assert_eq!(run(subscribers), copies, "{name}");
            group.bench_function(name, |bencher| bencher.iter(|| run(subscribers)));
        }
        group.finish();
    }
}

criterion_group!(benches, forwarding);
criterion_main!(benches);
