//! What QUIC costs without I/O: both sides on one core.
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shakedown_carrier::{Carrier, Effect, Security, Settings, Socket};
use shakedown_protocol::event_loop::{EventLoop, InFlight, Next};
use shakedown_protocol::proton::{Server, ServerSettings, TRANSPORT, Workload, WorkloadClient};
use shakedown_protocol::streams::StreamMachine;

const LATENCY: Duration = Duration::from_millis(1);

fn address(side: usize) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 4000 + side as u16).into()
}

/// Plays a server and a client until both have nothing more to say.
fn play<S: StreamMachine, C: StreamMachine>(
    mut server: Carrier<S>,
    mut client: Carrier<C>,
) -> usize {
    let mut event_loop = EventLoop::new(InFlight::new());
    let mut packets = 0;
    client.tick(Duration::ZERO);
    loop {
        let due = event_loop.now() + LATENCY;
        while let Some(effect) = server.poll() {
            if let Effect::Send { payload, .. } = effect {
                event_loop.network.put(due, (1, payload));
            }
        }
        while let Some(effect) = client.poll() {
            if let Effect::Send { payload, .. } = effect {
                event_loop.network.put(due, (0, payload));
            }
        }
        let next = event_loop.next(&[server.deadline(), client.deadline()]);
        let now = event_loop.now();
        match next {
            Some(Next::Arrival((to, payload))) => {
                packets += 1;
                match to {
                    0 => server.receive(now, Socket::MAIN, address(1), &payload),
                    _ => client.receive(now, Socket::MAIN, address(0), &payload),
                }
            }
            Some(Next::Deadline(0)) => server.tick(now),
            Some(Next::Deadline(_)) => client.tick(now),
            None => return packets,
        }
    }
}

fn run(security: Security, workload: Workload) -> usize {
    let settings = Settings::new(TRANSPORT, security);
    let server = Carrier::server(Server::new(ServerSettings::default()), &settings);
    let client = Carrier::client(WorkloadClient::new(workload), address(0), &settings);
    match (server, client) {
        (Ok(server), Ok(client)) => play(server, client),
        (_, _) => 0,
    }
}

fn workloads(criterion: &mut Criterion) {
    let workloads = [
        ("handshake", Workload::default()),
        (
            "workload",
            Workload {
                events: 3,
                commits: 2,
                actions: 2,
                ..Workload::default()
            },
        ),
    ];
    let securities = [
        ("tls", Security::Tls),
        ("seeded", Security::Seeded(1)),
        ("plain", Security::Plain(1)),
    ];
    for (what, wanted) in workloads {
        let mut group = criterion.benchmark_group(what);
        group.throughput(Throughput::Elements(1));
        for (name, security) in securities {
            group.bench_function(name, |bencher| bencher.iter(|| run(security, wanted)));
        }
    }
}

criterion_group!(benches, workloads);
criterion_main!(benches);
