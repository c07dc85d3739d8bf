//! The passive judge of `darktower`: it sees what a capture shows of QUIC connections and judges every
//! requirement that this can show broken, for both sides.
//!
//! Which service a connection is of follows from what is said on it: authentication and media are a Media
//! Handler's, messages on a bidirectional stream a Meeting Controller's, a request for the information of a
//! meeting the Global Controller's. Who came first is told by the numbers of packets, and where one may be
//! missing it is in doubt. A side that something was broken off by, or closed by the other, owes no orderly end.

mod connection;
mod judge;
mod media;
mod moments;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use shakedown_wire::quic::{Event, EventKind, protocols};

use crate::MonitorSettings;
use crate::monitor::at::At;
use crate::monitor::findings::ObservationSink;
use crate::monitor::{Observation, StreamMonitor, UnjudgedConnection, Unread};
use crate::requirement::Role;
use crate::web::ALPN;
use connection::{Agreed, Connection};

/// Most connections at once; beyond them the oldest is judged as if the capture ended.
const MOST_CONNECTIONS: usize = 256;

/// The monitor of `darktower`.
#[derive(Debug)]
pub struct Monitor {
    settings: MonitorSettings,
    connections: BTreeMap<u64, Connection>,
    unjudged: BTreeMap<UnjudgedConnection, u64>,
}

impl Monitor {
    /// Has seen nothing yet. Of the settings it takes the vantage, the tolerance, the mode, and whether the
    /// capture is supervised.
    #[must_use]
    pub fn new(settings: &MonitorSettings) -> Self {
        Self {
            settings: settings.clone(),
            connections: BTreeMap::new(),
            unjudged: BTreeMap::new(),
        }
    }

    fn end_oldest(&mut self, emit: ObservationSink<'_>) {
        if let Some((_, connection)) = self.connections.pop_first() {
            let unjudged = connection.unjudged();
            if let Some(session) = connection.end(&self.settings, emit) {
                if let Some(unjudged) = unjudged {
                    *self.unjudged.entry(unjudged).or_default() += 1;
                }
                emit(Observation::Session(session));
            }
        }
    }
}

impl StreamMonitor for Monitor {
    fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Observation)) {
        let Some(number) = event.connection else {
            return;
        };
        let at = At {
            packet: event.at.number,
            time: event.at.time,
        };
        let settings = &self.settings;
        if let EventKind::ConnectionOpened { client, server, .. } = event.kind {
            if self.connections.len() == MOST_CONNECTIONS {
                self.end_oldest(emit);
            }
            let new = Connection::new(client, server, at);
            self.connections.insert(number, new);
            return;
        }
        let connection = self.connections.get_mut(&number);
        let Some(connection) = connection.filter(|connection| !connection.is_foreign()) else {
            return;
        };
        match event.kind {
            EventKind::Packet(packet) => connection.packet(&packet, at, settings, emit),
            EventKind::Unreadable(packet) => connection.not_read(packet.by, packet.why.into()),
            EventKind::Malformed { by, .. } | EventKind::UnknownFrame { by, .. } => {
                connection.not_read(Some(by), Unread::Form);
            }
            // What else comes after a close says nothing.
            _ if connection.is_closed => {}
            EventKind::ClientHello {
                alpn, parameters, ..
            } => {
                let mut offered = alpn.into_iter().flat_map(protocols);
                connection.offered = offered.any(|one| one == ALPN.as_bytes());
                connection.client_timeout = parameters.and_then(|these| these.max_idle_timeout);
            }
            EventKind::ServerHandshake { alpn, parameters } => {
                connection.parameters = parameters.map(|these| (at, these.clone()));
                connection.agreed = Some(match alpn {
                    Some(alpn) if alpn == ALPN.as_bytes() => Agreed::Http3,
                    None if connection.offered => Agreed::Nothing(at),
                    Some(_) | None => Agreed::Other,
                });
            }
            EventKind::StreamOpened { stream, .. } => connection.opened(stream, at),
            EventKind::StreamBytes {
                stream, by, bytes, ..
            } => connection.bytes(stream, by.into(), bytes, at, emit),
            EventKind::StreamFin { stream, by, .. } => connection.fin(stream, by.into(), at, emit),
            EventKind::StreamReset { stream, by, .. } => {
                connection.broken(stream, by.into(), true, at);
            }
            EventKind::StopSending { stream, by, .. } => {
                connection.broken(stream, by.into(), false, at);
            }
            EventKind::StreamLost { stream, by, .. } => connection.lost(stream, by.into()),
            EventKind::DatagramFrame { by, bytes } => {
                connection.datagram(by.into(), bytes, at, emit);
            }
            EventKind::ConnectionClosed { by, code, .. } => {
                if by.peer() == Role::Initiator.into() {
                    connection.silent_until(at.time, settings, emit);
                }
                connection.closes(by.into(), Some(code), at);
            }
            EventKind::StatelessReset { by } => connection.closes(by.into(), None, at),
            EventKind::ConnectionOpened { .. }
            | EventKind::Retry
            | EventKind::VersionNegotiation { .. }
            | EventKind::CipherSuite(_)
            | EventKind::HandshakeDone
            | EventKind::KeyUpdated { .. }
            | EventKind::AddressChanged { .. }
            | EventKind::StreamFrame { .. }
            | EventKind::Flow { .. }
            | EventKind::Forgotten => {}
        }
    }

    fn finish(&mut self, end: Duration, emit: &mut dyn FnMut(Observation)) {
        for connection in self.connections.values_mut() {
            connection.silent_until(end, &self.settings, emit);
        }
        while !self.connections.is_empty() {
            self.end_oldest(emit);
        }
    }

    fn unjudged(&self) -> &BTreeMap<UnjudgedConnection, u64> {
        &self.unjudged
    }
}
