//! The reference server and client of proton.

use std::time::Duration;

use ring::digest::{Context, SHA256};
use shakedown_protocol::machine::{Input, Machine, Outcome, Output};
use shakedown_protocol::proton::{Server, ServerSettings, Workload, WorkloadClient};
use shakedown_protocol::streams::ConnectionNumber;

use super::pair::{LATENCY, Pair, client_address, server_address, settings};
use crate::{Carrier, Security, Socket};

const MINUTE: Duration = Duration::from_secs(60);

fn server(security: Security) -> Carrier<Server> {
    let server = Server::new(ServerSettings::default());
    Carrier::server(server, &settings(security)).unwrap()
}

fn client(security: Security) -> Carrier<WorkloadClient> {
    let client = WorkloadClient::new(Workload {
        events: 3,
        commits: 2,
        actions: 2,
        ..Workload::default()
    });
    Carrier::client(client, server_address(), &settings(security)).unwrap()
}

fn pair(security: Security, one_lost_in: Option<usize>) -> Pair<Server, WorkloadClient> {
    let mut pair = Pair::new(server(security));
    pair.one_lost_in = one_lost_in;
    pair.join(client(security));
    pair.run_for(MINUTE);
    pair
}

#[test]
fn a_workload_is_done() {
    for security in [Security::Tls, Security::Seeded(7), Security::Plain(7)] {
        for one_lost_in in [None, Some(7), Some(4)] {
            let pair = pair(security, one_lost_in);
            assert_eq!(pair.clients[0].machine().outcome(), Some(&Ok(())));
            assert!(pair.server.is_idle() && pair.clients[0].is_idle());
            // The close can be lost.
            let ended = pair.ended.iter().map(|(_, outcome)| outcome);
            let completed = ended.filter(|outcome| **outcome == Outcome::Completed);
            assert!(completed.count() == 2 || one_lost_in.is_some());
            let first = ConnectionNumber(0);
            for peer in [server_address(), client_address(0, Socket::MAIN)] {
                assert!(pair.changed.contains(&(first, peer)));
            }
        }
    }
}

#[test]
fn everything_that_is_sent_follows_from_the_seed() {
    for security in [Security::Seeded, Security::Plain] {
        let sent = |seed| pair(security(seed), Some(5)).sent;
        let first = sent(7);
        assert_eq!(sent(7), first);
        assert_ne!(sent(8), first);
    }
}

/// The bytes follow from the versions in `Cargo.lock` too: if one of QUIC or TLS was raised, this is
/// another number, which is to be the same on two machines.
#[test]
fn what_is_sent_is_the_same_in_every_process() {
    let mut digest = Context::new(&SHA256);
    for packet in pair(Security::Seeded(7), Some(5)).sent {
        let words = format!("{:?} {} {} ", packet.at, packet.from, packet.to);
        digest.update(words.as_bytes());
        digest.update(&packet.payload);
    }
    let known = "8e117c8d22a8cd65721f04ca1a8fd4c375e598201d315487d6fbaa61d1d079e5";
    assert_eq!(hex::encode(digest.finish()), known);
}

#[test]
fn packets_without_cryptography_have_the_same_lengths_at_the_same_times() {
    for seed in 0..20 {
        let shape = |security| {
            let sent = pair(security, Some(9)).sent.into_iter();
            let shape = sent.map(|it| (it.at, it.from, it.to, it.payload.len()));
            shape.collect::<Vec<_>>()
        };
        assert_eq!(shape(Security::Plain(seed)), shape(Security::Seeded(seed)));
    }
}

#[test]
fn the_secrets_of_both_sides_are_the_same_and_are_told_once() {
    let secrets = |security| {
        let mut pair = pair(security, None);
        let both = [pair.server.take_secrets(), pair.clients[0].take_secrets()];
        assert_eq!(pair.server.take_secrets(), "");
        both.map(|text| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        })
    };
    let [of_server, of_client] = secrets(Security::Tls);
    assert_eq!(of_server, of_client);
    let labels = of_server.iter().map(|line| line.split(' ').next());
    let labels: Vec<_> = labels.flatten().collect();
    let known = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_TRAFFIC_SECRET_0",
    ];
    assert_eq!(labels, known);
    assert_eq!(secrets(Security::Seeded(3)), secrets(Security::Seeded(3)));
    assert!(secrets(Security::Plain(3)).concat().is_empty());
}

/// As a loop has it that knows datagrams and nothing else.
#[test]
fn a_carrier_with_one_socket_is_a_machine_of_datagrams() {
    let from = client_address(0, Socket::MAIN);
    let mut machines: [(Box<dyn Machine + Send>, _); 2] = [
        (Box::new(server(Security::Plain(1))), server_address()),
        (Box::new(client(Security::Plain(1))), from),
    ];
    let mut now = Duration::ZERO;
    let mut flying = Vec::new();
    let mut ended = 0;
    loop {
        for (machine, address) in &mut machines {
            machine.handle(now, Input::Tick);
            for (_, to, payload) in flying.extract_if(.., |(at, to, _)| *at <= now && to == address)
            {
                let from = if to == from { server_address() } else { from };
                let payload: Vec<u8> = payload;
                machine.handle(
                    now,
                    Input::Datagram {
                        from,
                        payload: &payload,
                    },
                );
            }
            while let Some(output) = machine.poll() {
                match output {
                    Output::Send { to, payload } => flying.push((now + LATENCY, to, payload)),
                    Output::Ended { .. } => ended += 1,
                    Output::Transition { .. } => {}
                }
            }
        }
        let due = machines
            .iter()
            .filter_map(|(machine, _)| machine.deadline());
        let next = flying.iter().map(|(at, ..)| *at).chain(due).min();
        match next {
            Some(next) => now = next,
            None => break,
        }
    }
    assert!(machines[1].0.is_finished());
    assert_eq!(ended, 1, "a client tells its end, a server none");
    assert_eq!(machines[0].0.counters()["ended"]["normal"], 1);
}
