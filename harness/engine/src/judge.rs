//! The judge of captures: one pass through a capture, feeding the monitors of all protocols, with
//! QUIC decrypted.
//!
//! Memory is bounded by what the monitors keep of sessions that live, whatever the length of the
//! capture; observations are passed on at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::{Capture, CaptureError, Datagram, Item, Statistics};
use shakedown_protocol::monitor::{Finding, Monitor, Observation, UnjudgedConnection};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{MonitorSettings, Protocol, ProtocolMonitor};

use crate::quic::Quic;

/// How many of the newest datagrams are at hand when a finding names one.
const RECENT: usize = 64;

/// How much of each of them, in bytes.
const HEAD: usize = 256;

/// An observation of a monitor, with its context.
#[derive(Debug)]
pub struct MonitorReport<'a> {
    /// The protocol of the monitor.
    pub protocol: &'static Protocol,
    pub observation: Observation,
    /// The beginning of the UDP payload that a finding names: all of it if it is the newest, 256
    /// bytes of one of the 63 before, else nothing.
    /// Nor is there one of a packet of QUIC, which is encrypted.
    pub payload: Option<&'a [u8]>,
    /// Time of the capture's first datagram.
    pub start: Duration,
}

/// What was read of a capture.
#[derive(Debug)]
pub struct JudgedCapture {
    pub statistics: Statistics,
    /// Where the capture is damaged, if it is; everything before was judged.
    pub damage: Option<CaptureError>,
    /// Time of the first datagram, if there is one.
    pub start: Option<Duration>,
    /// Sessions over QUIC that could not be judged because a side could not be read, and how many.
    pub unjudged: BTreeMap<UnjudgedConnection, u64>,
}

/// Feeds a capture to the monitors of `protocols`; their observations go to `report`. QUIC is read
/// with the secrets of the capture and those of `key_log`, lines in the format of `SSLKEYLOGFILE`, if
/// one of the protocols is carried by it.
///
/// # Errors
/// [`CaptureError`] if `source` is no capture or its header cannot be read. Damage further on is no
/// error: what was readable is judged, and [`JudgedCapture::damage`] says where it ended.
pub fn judge<R: Read>(
    source: R,
    protocols: &[&'static Protocol],
    settings: &MonitorSettings,
    key_log: &[u8],
    report: &mut dyn FnMut(MonitorReport<'_>),
) -> Result<JudgedCapture, CaptureError> {
    let mut capture = Capture::open(source)?;
    let mut monitors = Vec::new();
    let mut over_quic = Vec::new();
    for protocol in protocols {
        match (protocol.monitor)(&settings_of(settings, protocol)) {
            ProtocolMonitor::Packets(monitor) => monitors.push((*protocol, monitor)),
            ProtocolMonitor::Streams(monitor) => over_quic.push((*protocol, monitor)),
        }
    }
    let mut quic = (!over_quic.is_empty()).then(|| Quic::new(over_quic, key_log));
    let mut recent = Recent::default();
    let mut start = None;
    let mut end = settings.watched_until.unwrap_or_default();
    let mut stops = settings.stopped.iter().copied().peekable();
    let damage = loop {
        let datagram = match capture.next_item() {
            Ok(Some(Item::Datagram(datagram))) => datagram,
            Ok(Some(Item::KeyLog(key_log))) => {
                if let Some(quic) = &mut quic {
                    quic.key_log(key_log, &mut encrypted(start.unwrap_or_default(), report));
                }
                continue;
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        let start = *start.get_or_insert(datagram.time);
        // A process that is stopped owes nothing.
        while let Some(stopped) = stops.next_if(|stopped| *stopped < datagram.time) {
            each(
                &mut monitors,
                start,
                &recent,
                report,
                None,
                |monitor, emit| {
                    monitor.finish(stopped, emit);
                },
            );
        }
        end = end.max(datagram.time);
        recent.keep(&datagram);
        each(
            &mut monitors,
            start,
            &recent,
            report,
            Some(&datagram),
            |monitor, emit| {
                monitor.datagram(&datagram, emit);
            },
        );
        if let Some(quic) = &mut quic {
            quic.datagram(&datagram, &mut encrypted(start, report));
        }
    };
    let begin = start.unwrap_or_default();
    end = stops.next().unwrap_or(end);
    each(
        &mut monitors,
        begin,
        &recent,
        report,
        None,
        |monitor, emit| {
            monitor.finish(end, emit);
        },
    );
    let unjudged = quic.map(|quic| quic.finish(end, &mut encrypted(begin, report)));
    Ok(JudgedCapture {
        statistics: *capture.statistics(),
        damage,
        start,
        unjudged: unjudged.unwrap_or_default(),
    })
}

/// Reports without packets: those of QUIC are encrypted.
fn encrypted(
    start: Duration,
    report: &mut dyn FnMut(MonitorReport<'_>),
) -> impl FnMut(&'static Protocol, Observation) {
    move |protocol, observation| {
        report(MonitorReport {
            protocol,
            observation,
            payload: None,
            start,
        });
    }
}

/// The settings for the monitor of one protocol: a mode of another one says nothing of its sessions.
fn settings_of(settings: &MonitorSettings, protocol: &Protocol) -> MonitorSettings {
    let is_own = |mode: &String| mode.split(',').all(|mode| protocol.modes.contains(&mode));
    MonitorSettings {
        mode: settings.mode.clone().filter(is_own),
        ..settings.clone()
    }
}

/// Whether an observation is about the implementation under test, which plays `role`: what the
/// scripted peer did is not judged, whatever role it seemed to play. `own` are its addresses.
#[must_use]
pub fn is_of_iut(observation: &Observation, role: Role, own: &BTreeSet<SocketAddr>) -> bool {
    let address = match observation {
        Observation::Finding(finding) | Observation::Inconclusive(finding) => finding.address,
        Observation::Session(session) => match role {
            Role::Initiator => session.initiator,
            Role::Responder => session.responder,
        },
    };
    !own.contains(&address)
}

type Monitors = Vec<(&'static Protocol, Box<dyn Monitor>)>;

/// Shows something to each monitor and hands on what it says, with the bytes that are at hand.
fn each(
    monitors: &mut Monitors,
    start: Duration,
    recent: &Recent,
    report: &mut dyn FnMut(MonitorReport<'_>),
    newest: Option<&Datagram<'_>>,
    show: impl Fn(&mut dyn Monitor, &mut dyn FnMut(Observation)),
) {
    for (protocol, monitor) in monitors {
        let mut emit = |observation: Observation| {
            let payload = bytes_of(&observation, newest, recent);
            report(MonitorReport {
                protocol,
                observation,
                payload,
                start,
            });
        };
        show(monitor.as_mut(), &mut emit);
    }
}

/// The bytes that an observation names, as far as they are at hand.
fn bytes_of<'a>(
    observation: &Observation,
    newest: Option<&Datagram<'a>>,
    recent: &'a Recent,
) -> Option<&'a [u8]> {
    let number = named(observation).and_then(|finding| finding.packet)?;
    match newest {
        Some(newest) if newest.number == number => Some(newest.payload),
        Some(_) | None => recent.find(number),
    }
}

fn named(observation: &Observation) -> Option<&Finding> {
    match observation {
        Observation::Finding(finding) | Observation::Inconclusive(finding) => Some(finding),
        Observation::Session(_) => None,
    }
}

/// The beginnings of the newest datagrams.
struct Recent {
    heads: Box<[Head; RECENT]>,
    next: usize,
}

#[derive(Clone, Copy)]
struct Head {
    number: u64,
    length: usize,
    bytes: [u8; HEAD],
}

impl Default for Recent {
    fn default() -> Self {
        let empty = Head {
            number: 0,
            length: 0,
            bytes: [0; HEAD],
        };
        Self {
            heads: Box::new([empty; RECENT]),
            next: 0,
        }
    }
}

impl Recent {
    #[inline]
    fn keep(&mut self, datagram: &Datagram<'_>) {
        let head = &mut self.heads[self.next % RECENT];
        self.next = self.next.wrapping_add(1);
        head.number = datagram.number;
        head.length = datagram.payload.len().min(HEAD);
        head.bytes[..head.length].copy_from_slice(&datagram.payload[..head.length]);
    }

    fn find(&self, number: u64) -> Option<&[u8]> {
        let head = self
            .heads
            .iter()
            .find(|head| head.number == number && number != 0)?;
        Some(&head.bytes[..head.length])
    }
}

#[cfg(test)]
mod tests {
    use shakedown_capture::{Tap, WriterSettings};
    use shakedown_protocol::mediastream::PROTOCOL;
    use shakedown_protocol::monitor::Vantage;

    use super::*;

    /// What is found of a SYN, the SYN-ACK that answers it, and a START to the next process 5 s later.
    fn found(stopped: u64) -> Vec<&'static str> {
        let [initiator, responder] = [50_000, 4_444].map(|port| ([127, 0, 0, 1], port).into());
        let frame = |name| {
            PROTOCOL
                .vocabulary
                .encode(name, &serde_json::Map::new())
                .unwrap()
        };
        let accepts = serde_json::json!({ "accept": true, "connection_id": "one" });
        let accepts = accepts.as_object().unwrap();
        let syn_ack = PROTOCOL.vocabulary.encode("SYN-ACK", accepts).unwrap();
        let settings = WriterSettings {
            application: "a test".to_owned(),
            ..WriterSettings::default()
        };
        let mut tap = Tap::new(Vec::new(), &settings).unwrap();
        for (at, from, to, payload) in [
            (0, initiator, responder, frame("SYN")),
            (1, responder, initiator, syn_ack),
            (5_000, initiator, responder, frame("START token")),
        ] {
            let _ = tap
                .record(Duration::from_millis(at), from, to, &payload)
                .unwrap();
        }
        let settings = MonitorSettings {
            vantage: Vantage::Sender,
            supervised: true,
            stopped: vec![Duration::from_millis(stopped)],
            ..MonitorSettings::default()
        };
        let mut found = Vec::new();
        let capture = tap.into_inner();
        judge(&*capture, &[&PROTOCOL], &settings, &[], &mut |said| {
            if let Observation::Finding(finding) = said.observation
                && finding.party == Role::Responder
            {
                found.push(finding.requirement);
            }
        })
        .unwrap();
        found
    }

    #[test]
    fn a_process_is_judged_until_it_is_stopped_and_no_longer() {
        assert_eq!(found(900), ["MS-H-18"]);
        assert_eq!(found(500), [""; 0]);
    }
}
