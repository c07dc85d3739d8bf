//! Body of the fuzz target `quic_carrier`.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use quinn_proto::coding::Codec;
use shakedown_protocol::Transport;
use shakedown_protocol::streams::StreamMachine;

use crate::misbehave::varint;
use crate::plain::seal_plain;
use crate::{Carrier, Effect, Security, Settings, Socket};

/// Packets of a run.
const MOST_PACKETS: usize = 400;
/// What each packet takes.
const LATENCY: Duration = Duration::from_millis(5);

/// Numbers at which QUIC and whoever reads it change what they do.
const BOUNDARIES: [u64; 12] = [
    0,
    0x3f,
    0x40,
    0x3fff,
    0x4000,
    (1 << 30) - 1,
    1 << 30,
    (1 << 32) - 1,
    1 << 32,
    (1 << 60) - 1,
    1 << 60,
    (1 << 62) - 1,
];

type Packet = (bool, SocketAddr, Vec<u8>);

/// Takes the bytes as what befalls the packets of a client and a server without cryptography: for
/// each a byte that says what, and of which others are the details. From 8 on, a packet is changed
/// behind its protection. Past the bytes the network is good.
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
    let what = bytes.next().unwrap_or_default() % 16;
    let mut next = || usize::from(bytes.next().unwrap_or_default());
    let place = |next: &mut dyn FnMut() -> usize, end: usize| (next() << 8 | next()) % end.max(1);
    match what % 8 {
        0 if what > 0 => {
            let frame = frame_of_quic(&mut next);
            payload = seal_plain(&payload, |frames| drop(frames.splice(..0, frame)));
            return vec![(from_server, from, payload)];
        }
        3 => return Vec::new(),
        4 => network.push_back((from_server, from, payload.clone())),
        7 => {
            network.push_back((from_server, from, payload));
            return Vec::new();
        }
        _ => {}
    }
    let mut damage = |bytes: &mut Vec<u8>| match what % 8 {
        1 if !bytes.is_empty() => {
            let at = place(&mut next, bytes.len());
            bytes[at] = next() as u8;
        }
        2 => bytes.truncate(place(&mut next, bytes.len())),
        5 => {
            let at = place(&mut next, bytes.len());
            let length = next() % 32;
            let more: Vec<_> = (0..length).map(|_| next() as u8).collect();
            bytes.splice(at..at, more);
        }
        6 if !bytes.is_empty() => {
            let at = place(&mut next, bytes.len());
            let end = (at + 1 + next() % 8).min(bytes.len());
            bytes[at..end].fill_with(|| next() as u8);
        }
        _ => {}
    };
    match what {
        8.. => payload = seal_plain(&payload, damage),
        ..8 => damage(&mut payload),
    }
    vec![(from_server, from, payload)]
}

/// A frame of QUIC: its type, and numbers, some at boundaries.
fn frame_of_quic(next: &mut impl FnMut() -> usize) -> Vec<u8> {
    let mut frame = vec![next() as u8];
    for _ in 0..next() % 5 {
        let number = next();
        let number = BOUNDARIES
            .get(number % 16)
            .map_or(number as u64 / 16, |number| *number);
        varint(number).encode(&mut frame);
    }
    frame
}
