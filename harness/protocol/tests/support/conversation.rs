//! A short session of the two reference machines, as the packets between them.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::event_loop::{EventLoop, InFlight, Next};
use shakedown_protocol::machine::{Input, Output};
use shakedown_protocol::mediastream;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{ReferenceSettings, StreamParameters};

/// One packet: when, whether the responder sent it, and what.
pub(crate) type Sent = (Duration, bool, Vec<u8>);

/// What the network takes from one side to the other.
const DELAY: Duration = Duration::from_millis(2);

pub(crate) fn initiator() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5000))
}

pub(crate) fn responder() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 4444))
}

/// All packets of a session of 20 frames of 100 bytes, 50 ms apart.
pub(crate) fn conversation(mode: &str, options: &[&str]) -> Vec<Sent> {
    let settings = |role| ReferenceSettings {
        role,
        mode: mode.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        stream: StreamParameters {
            bits_per_second: 16_000,
            frames_per_second: 20,
            seconds: 1,
        },
        peer: Some(responder()),
        seed: 7,
        epoch: Duration::ZERO,
        extra: Vec::new(),
    };
    let mut asks = mediastream::new_reference(&settings(Role::Initiator)).unwrap();
    let mut serves = mediastream::new_reference(&settings(Role::Responder)).unwrap();
    let mut event_loop = EventLoop::new(InFlight::new());
    let mut packets: Vec<Sent> = Vec::new();
    asks.handle(Duration::ZERO, Input::Tick);
    loop {
        for (machine, from_responder) in [(asks.as_mut(), false), (serves.as_mut(), true)] {
            while let Some(output) = machine.poll() {
                let Output::Send { payload, .. } = output else {
                    continue;
                };
                let packet = (event_loop.now(), from_responder, payload);
                packets.push(packet.clone());
                event_loop.network.put(packet.0 + DELAY, packet);
            }
        }
        let next = event_loop.next(&[asks.deadline(), serves.deadline()]);
        let now = event_loop.now();
        match next {
            Some(Next::Arrival((_, from_responder, payload))) => {
                let payload = payload.as_slice();
                if from_responder {
                    let from = responder();
                    asks.handle(now, Input::Datagram { from, payload });
                } else {
                    let from = initiator();
                    serves.handle(now, Input::Datagram { from, payload });
                }
            }
            Some(Next::Deadline(0)) => asks.handle(now, Input::Tick),
            Some(Next::Deadline(_)) => serves.handle(now, Input::Tick),
            None => {
                assert!(asks.is_finished(), "the session is over");
                return packets;
            }
        }
    }
}
