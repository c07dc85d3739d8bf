//! Body of the fuzz target `quic_carrier`.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use shakedown_protocol::Transport;
use shakedown_protocol::streams::StreamMachine;

use crate::{Carrier, Effect, Security, Settings, Socket};

/// Packets of a run.
const MOST_PACKETS: usize = 400;
/// What each packet takes.
const LATENCY: Duration = Duration::from_millis(5);

type Packet = (bool, SocketAddr, Vec<u8>);

/// Takes the bytes as what befalls the packets of a client and a server without cryptography: for
/// each a byte that says what, and of which others are the details. Past the bytes the network is good.
///
/// # Panics
/// If either reports more than it received.
pub fn carrier<S: StreamMachine, C: StreamMachine>(
    transport: Transport,
    server: S,
    client: C,
    bytes: &[u8],
) {
    let settings = Settings::new(transport, Security::Plain(1));
    let addresses = [443, 40_000].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let [at_server, at_client] = addresses;
    let server = Carrier::server(server, &settings);
    let client = Carrier::client(client, at_server, &settings);
    let (Ok(mut server), Ok(mut client)) = (server, client) else {
        return;
    };
    let mut bytes = bytes.iter().copied();
    let mut network = VecDeque::new();
    let (mut now, mut packets) = (Duration::ZERO, 0);
    server.tick(now);
    client.tick(now);
    while packets < MOST_PACKETS {
        collect(&mut server, true, at_server, &mut network);
        collect(&mut client, false, at_client, &mut network);
        let Some(packet) = network.pop_front() else {
            let due = [server.deadline(), client.deadline()]
                .into_iter()
                .flatten()
                .min();
            let Some(due) = due else {
                break;
            };
            now = now.max(due);
            server.tick(now);
            client.tick(now);
            packets += 1;
            continue;
        };
        now += LATENCY;
        for (from_server, from, payload) in befallen(packet, &mut bytes, &mut network) {
            packets += 1;
            match from_server {
                true => client.receive(now, Socket::MAIN, from, &payload),
                false => server.receive(now, Socket::MAIN, from, &payload),
            }
        }
    }
}

fn collect<M: StreamMachine>(
    carrier: &mut Carrier<M>,
    is_server: bool,
    own: SocketAddr,
    network: &mut VecDeque<Packet>,
) {
    while let Some(effect) = carrier.poll() {
        if let Effect::Send { payload, .. } = effect {
            network.push_back((is_server, own, payload));
        }
    }
}

/// The packets that arrive of one.
fn befallen(
    (from_server, from, mut payload): Packet,
    bytes: &mut impl Iterator<Item = u8>,
    network: &mut VecDeque<Packet>,
) -> Vec<Packet> {
    let what = bytes.next().unwrap_or_default();
    let mut next = || usize::from(bytes.next().unwrap_or_default());
    let place = |next: &mut dyn FnMut() -> usize, end: usize| (next() << 8 | next()) % end.max(1);
    match what % 8 {
        1 => {
            let at = place(&mut next, payload.len());
            payload[at] = next() as u8;
        }
        2 => payload.truncate(place(&mut next, payload.len())),
        3 => return Vec::new(),
        4 => network.push_back((from_server, from, payload.clone())),
        5 => {
            let at = place(&mut next, payload.len());
            let length = next() % 32;
            let more: Vec<_> = (0..length).map(|_| next() as u8).collect();
            payload.splice(at..at, more);
        }
        6 => {
            let at = place(&mut next, payload.len());
            let end = (at + 1 + next() % 8).min(payload.len());
            payload[at..end].fill_with(|| next() as u8);
        }
        7 => {
            network.push_back((from_server, from, payload));
            return Vec::new();
        }
        _ => {}
    }
    vec![(from_server, from, payload)]
}
