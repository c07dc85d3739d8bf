use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use shakedown_wire::quic::{
    self, Acknowledged, At, Carried, CloseCode, Event, EventKind, Flow, Level, Lost, Packet,
    Unreadable, UnreadableReason,
};

use super::input::{FuzzInput, Step, StepKind};
use crate::fuzz::Audit;
use crate::monitor::{StreamMonitor as _, Vantage};
use crate::proton::monitor::Monitor;
use crate::proton::{ALPN, PROTOCOL};
use crate::{MonitorSettings, Tolerance};

const CLIENT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 50_000));
const SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 4_433));

/// Most observations about one event; the end may give as many for each.
const MOST_OBSERVATIONS: usize = 64;

/// Plays a plan as a capture to the monitor of proton.
pub(super) fn run(bytes: &[u8]) {
    let plan = FuzzInput::read(bytes);
    let mut monitor = Monitor::new(&settings(&plan));
    let mut audit = Audit::new(&PROTOCOL, MOST_OBSERVATIONS);
    let end = play(&plan, ALPN, &mut |event| {
        audit.begin(event.at.number, None);
        monitor.event(event, &mut |said| audit.hear(&said));
    });
    audit.end();
    monitor.finish(end, &mut |said| audit.hear(&said));
}

/// Shows a plan as a capture, and gives the time at which it ends. `alpn` is what the clients offer. The bits
/// of the options are: taken at the sender, supervised, pull known, push known, no tolerance. Of a step's
/// connection the highest bit says whether the server did it, the next one whether another packet shows it.
pub(crate) fn play(plan: &FuzzInput<'_>, alpn: &str, show: &mut dyn FnMut(&Event<'_>)) -> Duration {
    let length = [alpn.len() as u8];
    let offer = [&length, alpn.as_bytes()].concat();
    let mut time = Duration::from_secs(1_700_000_000);
    let mut number = 1;
    for step in &plan.steps {
        number += u64::from(step.connection & 64 == 0);
        if matches!(step.what, StepKind::Wait) {
            time += step.time();
        }
        let by = match step.connection & 128 {
            0 => quic::Role::Client,
            _ => quic::Role::Server,
        };
        let at = At {
            number,
            time,
            source: CLIENT,
            destination: SERVER,
        };
        let connection = Some(u64::from(step.connection & 63));
        for kind in events(step, by, number, &offer).into_iter().flatten() {
            show(&Event {
                connection,
                at,
                kind,
            });
        }
    }
    time
}

pub(crate) fn settings(plan: &FuzzInput<'_>) -> MonitorSettings {
    MonitorSettings {
        vantage: match plan.is_on(1) {
            true => Vantage::Sender,
            false => Vantage::Path,
        },
        supervised: plan.is_on(2),
        buffer_period: None,
        watched_until: None,
        stopped: Vec::new(),
        mode: match (plan.is_on(4), plan.is_on(8)) {
            (true, _) => Some("pull".to_owned()),
            (false, true) => Some("push".to_owned()),
            (false, false) => None,
        },
        tolerance: match plan.is_on(16) {
            true => Tolerance::new(0.0),
            false => Tolerance::default(),
        },
        ..MonitorSettings::default()
    }
}

/// What a step shows, and the packet that shows it. `offer` is a list of ALPN with one protocol.
fn events<'a>(
    step: &Step<'a>,
    by: quic::Role,
    number: u64,
    offer: &'a [u8],
) -> [Option<EventKind<'a>>; 3] {
    let stream = u64::from(step.stream);
    let code = u64::from(step.number());
    let bytes = step.bytes;
    let is_odd = step.stream & 1 == 1;
    let kind = match step.what {
        StepKind::Bytes | StepKind::Sense if bytes.is_empty() => None,
        StepKind::Bytes | StepKind::Sense => Some(EventKind::StreamBytes {
            stream,
            by,
            offset: 0,
            bytes,
        }),
        StepKind::Wait => None,
        StepKind::Deadline => Some(EventKind::StreamLost {
            stream,
            by,
            offset: 0,
            why: Lost::Missing,
        }),
        StepKind::Asked => Some(EventKind::ConnectionOpened {
            client: SocketAddr::new(CLIENT.ip(), 50_000 + u16::from(step.stream >> 1)),
            server: SERVER,
            version: 1,
            original_destination_id: &[],
        }),
        StepKind::Command => Some(EventKind::ClientHello {
            alpn: is_odd.then_some(offer),
            server_name: None,
            parameters: None,
        }),
        StepKind::Connected => Some(EventKind::ServerHandshake {
            alpn: match step.stream {
                0..128 => offer.get(1..),
                128..192 => None,
                192.. => Some(bytes),
            },
            parameters: None,
        }),
        StepKind::Opened => Some(EventKind::StreamOpened {
            stream,
            by,
            unidirectional: stream & 2 == 2,
        }),
        StepKind::Fin => Some(EventKind::StreamFin {
            stream,
            by,
            final_size: 0,
        }),
        StepKind::Reset => Some(EventKind::StreamReset {
            stream,
            by,
            code,
            final_size: 0,
        }),
        StepKind::Stopped => Some(EventKind::StopSending { stream, by, code }),
        StepKind::Written => Some(EventKind::Flow {
            by,
            flow: match (step.stream & 2, is_odd) {
                (0, false) => Flow::MaxStreamData {
                    stream,
                    maximum: code,
                },
                (0, true) => Flow::MaxData(code),
                (_, false) => Flow::StreamDataBlocked {
                    stream,
                    limit: code,
                },
                (_, true) => Flow::DataBlocked(code),
            },
        }),
        StepKind::Datagram => Some(EventKind::DatagramFrame { by, bytes }),
        StepKind::Closed => Some(EventKind::ConnectionClosed {
            by,
            code: match is_odd {
                true => CloseCode::Transport {
                    code,
                    frame_type: 0,
                },
                false => CloseCode::Application { code },
            },
            reason: &[],
        }),
        StepKind::Stop => Some(EventKind::Unreadable(Unreadable {
            by: (step.stream & 2 == 0).then_some(by),
            why: match is_odd {
                true => UnreadableReason::NoSecrets,
                false => UnreadableReason::CannotDecrypt,
            },
            may_be_stateless_reset: false,
        })),
    };
    let length = bytes.len() as u64;
    let carried = match step.what {
        StepKind::Opened | StepKind::Bytes | StepKind::Sense | StepKind::Fin => {
            Some(Carried::Bytes {
                offset: code,
                length,
                fin: matches!(step.what, StepKind::Fin),
            })
        }
        StepKind::Reset => Some(Carried::Reset),
        StepKind::Stopped => Some(Carried::Stop),
        _ => None,
    };
    let frame = carried.map(|carried| EventKind::StreamFrame {
        stream,
        by,
        carried,
    });
    let unseen = step.stream & 8 == 8;
    let largest = number.checked_sub(1 + u64::from(step.stream >> 4));
    let packet = Packet {
        by,
        level: match matches!(step.what, StepKind::Asked | StepKind::Connected) {
            true => Level::Initial,
            false => Level::OneRtt,
        },
        number,
        ack_eliciting: step.stream & 4 == 0,
        acknowledges: largest.map(|largest| Acknowledged {
            largest,
            newest: u64::MAX,
            unseen,
        }),
    };
    [frame, kind, Some(EventKind::Packet(packet))]
}
