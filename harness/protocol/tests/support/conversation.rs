//! A short session of the two reference machines, as the packets between them.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::machine::{Input, Machine, Output};
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
        extra: Vec::new(),
    };
    let mut asks = mediastream::new_reference(&settings(Role::Initiator)).unwrap();
    let mut serves = mediastream::new_reference(&settings(Role::Responder)).unwrap();
    let mut packets: Vec<Sent> = Vec::new();
    let mut delivered = 0;
    let mut now = Duration::ZERO;
    loop {
        asks.handle(now, Input::Tick);
        serves.handle(now, Input::Tick);
        collect(asks.as_mut(), now, false, &mut packets);
        collect(serves.as_mut(), now, true, &mut packets);
        let arrival = packets.get(delivered).map(|(sent, _, _)| *sent + DELAY);
        let next = [asks.deadline(), serves.deadline(), arrival]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else {
            assert!(asks.is_finished(), "the session is over");
            return packets;
        };
        now = now.max(next);
        while let Some((sent, from_responder, payload)) = packets.get(delivered).cloned() {
            if sent + DELAY > now {
                break;
            }
            delivered += 1;
            let (to, from): (&mut dyn Machine, _) = match from_responder {
                true => (asks.as_mut(), responder()),
                false => (serves.as_mut(), initiator()),
            };
            to.handle(
                now,
                Input::Datagram {
                    from,
                    payload: &payload,
                },
            );
        }
    }
}

fn collect(
    machine: &mut dyn Machine,
    now: Duration,
    from_responder: bool,
    packets: &mut Vec<Sent>,
) {
    while let Some(output) = machine.poll() {
        if let Output::Send { payload, .. } = output {
            packets.push((now, from_responder, payload));
        }
    }
}
