use std::net::SocketAddr;
use std::time::Duration;

use super::datagrams;
use super::input::{Event, FuzzInput};
use crate::fuzz::Audit;
use crate::mediastream::{self, PROTOCOL};
use crate::monitor::{Datagram, Vantage};
use crate::{MonitorSettings, StreamParameters, Tolerance};

/// Most observations about one packet; the end may give as many for each packet.
const MOST_OBSERVATIONS: usize = 200;

/// Plays a plan as a capture. The bits of its options are: taken at the sender, supervised, mode
/// known, stream and limits known, packets cut, 3way, start3.
///
/// A peer's index names source and destination: its lowest bit the direction, the next two the
/// initiator, the next one the responder.
pub(super) fn run(bytes: &[u8]) {
    let plan = FuzzInput::read(bytes);
    let settings = settings(plan.options);
    let mut monitor = mediastream::new_monitor(&settings);
    let mut audit = Audit::new(&PROTOCOL, MOST_OBSERVATIONS);
    let mut number = 0;
    let mut time = Duration::from_secs(1_700_000_000);

    for event in plan.events {
        let (peer, payload) = match event {
            Event::Datagram { peer, payload } => (peer, payload.to_vec()),
            Event::Answer { peer, choice } => match plan.options & 64 {
                0 => (peer, datagrams::datagram(choice)),
                _ => (peer, datagrams::start3_datagram(choice)),
            },
            Event::Wait(span) => {
                time += span;
                continue;
            }
            Event::Deadline => {
                time += Duration::from_millis(20);
                continue;
            }
            Event::Stop => break,
        };
        number += 1;
        let (source, destination) = tuple(peer);
        let captured = match plan.options & 16 {
            0 => payload.len(),
            _ => payload.len().min(40),
        };
        let datagram = Datagram {
            number,
            time,
            source,
            destination,
            payload: &payload[..captured],
            length: payload.len(),
        };
        audit.begin(number, Some(payload.len()));
        monitor.datagram(&datagram, &mut |said| audit.hear(&said));
    }
    audit.end();
    monitor.finish(time, &mut |said| audit.hear(&said));
}

fn settings(options: u8) -> MonitorSettings {
    let is_on = |bit: u8| options & bit != 0;
    let stream = StreamParameters {
        bits_per_second: 400_000,
        frames_per_second: 50,
        seconds: 2,
    };
    MonitorSettings {
        vantage: if is_on(1) {
            Vantage::Sender
        } else {
            Vantage::Path
        },
        tolerance: Tolerance::new(0.25),
        stream: is_on(8).then_some(stream),
        max_datagram: is_on(8).then_some(1_400),
        options: is_on(8).then(Vec::new),
        mode: is_on(4).then(|| {
            match (is_on(32), is_on(64)) {
                (false, false) => "legacy",
                (true, false) => "3way",
                (false, true) => "start3",
                (true, true) => "3way,start3",
            }
            .to_owned()
        }),
        supervised: is_on(2),
        buffer_period: None,
        watched_until: None,
        stopped: Vec::new(),
    }
}

fn tuple(peer: u8) -> (SocketAddr, SocketAddr) {
    let address = |host| SocketAddr::from(([192, 0, 2, 1], 4444 + u16::from(host)));
    let initiator = address(1 + (peer >> 1 & 3));
    let responder = address(100 + (peer >> 3 & 1));
    match peer & 1 {
        0 => (initiator, responder),
        _ => (responder, initiator),
    }
}
