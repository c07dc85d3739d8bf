//! Features of a conversation that the protocol's monitor reports.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_engine::script::fingerprint;
use shakedown_protocol::monitor::{Datagram, Monitor, Observation};
use shakedown_protocol::{MonitorSettings, Protocol, ProtocolMonitor};

/// A monitor that watches one conversation over datagrams.
pub(super) struct MonitorCoverage {
    monitor: Box<dyn Monitor>,
    number: u64,
    features: BTreeSet<u64>,
}

impl MonitorCoverage {
    /// `None` for protocols over streams, which only the script decrypts.
    pub(super) fn of(protocol: &Protocol, mode: &str) -> Option<Self> {
        let settings = MonitorSettings {
            mode: Some(mode.to_owned()),
            ..MonitorSettings::default()
        };
        match (protocol.monitor)(&settings) {
            ProtocolMonitor::Packets(monitor) => Some(Self {
                monitor,
                number: 0,
                features: BTreeSet::new(),
            }),
            ProtocolMonitor::Streams(_) => None,
        }
    }

    /// A datagram that was sent or received.
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
        let features = &mut self.features;
        self.monitor
            .datagram(&datagram, &mut |seen| observe(features, &seen));
    }

    /// A number for each requirement that was judged, and for each that was violated.
    pub(super) fn finish(mut self, now: Duration) -> BTreeSet<u64> {
        let features = &mut self.features;
        self.monitor
            .finish(now, &mut |seen| observe(features, &seen));
        self.features
    }
}

fn observe(features: &mut BTreeSet<u64>, observation: &Observation) {
    match observation {
        Observation::Finding(finding) | Observation::Inconclusive(finding) => {
            let violation = format!("{} violated by {:?}", finding.requirement, finding.party);
            features.insert(fingerprint(&violation));
        }
        Observation::Session(session) => {
            let judged = session.judged.ids();
            features.extend(judged.map(|id| fingerprint(&format!("{} {id}", session.mode))));
        }
    }
}
