//! How far a conversation came, as the protocol's monitor sees it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_engine::script::fingerprint;
use shakedown_protocol::monitor::{Datagram, Monitor, Observation};
use shakedown_protocol::{MonitorSettings, Protocol, ProtocolMonitor};

/// A monitor of a conversation of datagrams.
pub(super) struct Seen {
    monitor: Box<dyn Monitor>,
    number: u64,
    said: BTreeSet<u64>,
}

impl Seen {
    /// The monitor of a protocol in this mode; `None` over streams, which only the script decrypts.
    pub(super) fn of(protocol: &Protocol, mode: &str) -> Option<Self> {
        let settings = MonitorSettings {
            mode: Some(mode.to_owned()),
            ..MonitorSettings::default()
        };
        match (protocol.monitor)(&settings) {
            ProtocolMonitor::Packets(monitor) => Some(Self {
                monitor,
                number: 0,
                said: BTreeSet::new(),
            }),
            ProtocolMonitor::Streams(_) => None,
        }
    }

    /// A datagram that was sent or came.
    pub(super) fn datagram(
        &mut self,
        time: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        self.number += 1;
        let datagram = Datagram {
            number: self.number,
            time,
            source,
            destination,
            payload,
            length: payload.len(),
        };
        let said = &mut self.said;
        self.monitor
            .datagram(&datagram, &mut |what| hear(said, &what));
    }

    /// All that could be judged by the end, and what was broken: a number for each.
    pub(super) fn finish(mut self, now: Duration) -> BTreeSet<u64> {
        let said = &mut self.said;
        self.monitor.finish(now, &mut |what| hear(said, &what));
        self.said
    }
}

fn hear(said: &mut BTreeSet<u64>, what: &Observation) {
    match what {
        Observation::Finding(finding) | Observation::Inconclusive(finding) => {
            let words = format!("{} broken by {:?}", finding.requirement, finding.party);
            said.insert(fingerprint(&words));
        }
        Observation::Session(session) => {
            let judged = session.judged.ids();
            said.extend(judged.map(|id| fingerprint(&format!("{} {id}", session.mode))));
        }
    }
}
