//! The passive judge of `proton`: it sees what a capture shows of QUIC connections and judges every
//! requirement that this can show broken, for both sides.
//!
//! A close that one side owes has until its time, the tolerance and, on the path, a second more; a
//! packet of that side after it shows that the connection goes on. From a connection that falls
//! silent something is concluded in a supervised capture only, and data of unreadable packets is
//! in doubt.  A violation is reported once per connection and side and then
//! counted, a doubt once per connection.

mod between;
mod code;
mod connection;
mod due;
mod exchange;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) use code::Code;
use shakedown_wire::quic::{Event, EventKind, protocols};

use super::{ALPN, Kind, U32Reader};
use crate::MonitorSettings;
use crate::monitor::at::{self, At};
use crate::monitor::findings::{self, ObservationSink};
use crate::monitor::{Observation, StreamMonitor, UnjudgedConnection, Unread};
use crate::requirement::Role;
use connection::Connection;

/// Most connections at once; beyond them the oldest is judged as if the capture ended.
const MOST_CONNECTIONS: usize = 1_024;

/// The monitor of `proton`.
#[derive(Debug)]
pub struct Monitor {
    settings: MonitorSettings,
    connections: BTreeMap<u64, Connection>,
    /// Those during which a second one was refused.
    refusing: BTreeSet<u64>,
    unjudged: BTreeMap<UnjudgedConnection, u64>,
}

impl Monitor {
    /// Has seen nothing yet. Of the settings it takes the vantage, the tolerance, and the mode,
    /// which is the profile.
    #[must_use]
    pub fn new(settings: &MonitorSettings) -> Self {
        Self {
            settings: settings.clone(),
            connections: BTreeMap::new(),
            refusing: BTreeSet::new(),
            unjudged: BTreeMap::new(),
        }
    }

    fn begun(&mut self, number: u64, mut new: Connection, emit: ObservationSink<'_>) {
        new.second_of = self.alive(&new);
        if self.connections.len() == MOST_CONNECTIONS {
            self.end_oldest(emit);
        }
        self.connections.insert(number, new);
    }

    /// Bytes of a stream, by its id and who sent them.
    fn bytes(&mut self, number: u64, said: (u64, Role, &[u8]), at: At, emit: ObservationSink<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let (stream, by, bytes) = said;
        let (spoke, id) = (connection.spoke, connection.first_id);
        let served = connection.served;
        connection.bytes(stream, by, bytes, at, &self.settings, emit);
        let first_word = !spoke && connection.spoke;
        let first_id = id.is_none() && connection.first_id.is_some();
        let first_answer = served.is_none() && connection.served.is_some();
        if first_word {
            self.spoke(number, at, emit);
        }
        if first_id {
            self.ids_go_on(number, at, emit);
        }
        if first_answer {
            self.served(number, at);
        }
    }

    /// A side says that a connection is over.
    fn ended(&mut self, number: u64, by: Role, code: Code, at: At, emit: ObservationSink<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let is_first = connection.closed.is_none();
        connection.close(by, code, at, &self.settings, emit);
        if is_first {
            self.closed(number, by, code, at, emit);
        }
    }

    /// The server answers a handshake that it had refused: the client's first packet came again, and what is
    /// there now is another connection.
    fn begun_again(&mut self, number: u64, at: At, emit: ObservationSink<'_>) {
        if let Some(refused) = self.connections.remove(&number) {
            let mut again = Connection::new(refused.client, refused.server, at);
            again.offered = refused.offered;
            self.end(number, refused, emit);
            self.begun(number, again, emit);
        }
    }

    fn end_oldest(&mut self, emit: ObservationSink<'_>) {
        self.harmless();
        if let Some((number, connection)) = self.connections.pop_first() {
            self.end(number, connection, emit);
        }
    }

    fn end(&mut self, number: u64, connection: Connection, emit: ObservationSink<'_>) {
        self.refusing.remove(&number);
        let unjudged = connection.unjudged();
        if let Some(session) = connection.end(&self.settings, emit) {
            if let Some(unjudged) = unjudged {
                *self.unjudged.entry(unjudged).or_default() += 1;
            }
            emit(Observation::Session(session));
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
        if let EventKind::ConnectionOpened { client, server, .. } = event.kind {
            self.begun(number, Connection::new(client, server, at), emit);
            return;
        }
        let settings = &self.settings;
        let connection = self.connections.get_mut(&number);
        let Some(connection) = connection.filter(|connection| !connection.foreign) else {
            return;
        };
        match event.kind {
            EventKind::Packet(packet) => {
                connection.packet(&packet, at, settings, emit);
                self.second(number, packet.by.into(), at, emit);
            }
            EventKind::StreamLost { stream, by, .. } => connection.lost(stream, by.into()),
            EventKind::ConnectionClosed { by, code, .. } => {
                self.ended(number, by.into(), code.into(), at, emit);
            }
            EventKind::StatelessReset { by } => {
                self.ended(number, by.into(), Code::StatelessReset, at, emit);
            }
            EventKind::Unreadable(packet) => connection.not_read(packet.by, packet.why.into()),
            EventKind::Malformed { by, .. } | EventKind::UnknownFrame { by, .. } => {
                connection.not_read(Some(by), Unread::Form);
            }
            EventKind::ServerHandshake { alpn, .. } if connection.is_refused() => {
                self.begun_again(number, at, emit);
                self.agreed(number, alpn, at, emit);
            }
            // What else comes after a close says nothing.
            _ if connection.closed.is_some() => {}
            EventKind::ClientHello { alpn, .. } => {
                let mut offered = alpn.into_iter().flat_map(protocols);
                connection.offered = offered.any(|one| one == ALPN.as_bytes());
            }
            EventKind::ServerHandshake { alpn, .. } => self.agreed(number, alpn, at, emit),
            EventKind::StreamOpened {
                stream,
                by,
                unidirectional,
            } => connection.opened(stream, by.into(), unidirectional, at, emit),
            EventKind::StreamFrame {
                stream,
                by,
                carried,
            } => connection.carries(stream, by.into(), carried),
            EventKind::StreamBytes {
                stream, by, bytes, ..
            } => self.bytes(number, (stream, by.into(), bytes), at, emit),
            EventKind::StreamFin { stream, by, .. } => connection.fin(stream, by.into(), at),
            EventKind::StreamReset { stream, by, .. }
            | EventKind::StopSending { stream, by, .. } => {
                connection.broken(stream, by.into(), at);
            }
            EventKind::DatagramFrame { by, .. } => connection.datagram(by.into(), at, emit),
            EventKind::Flow { by, flow } => connection.flow(by.into(), flow, at),
            EventKind::ConnectionOpened { .. }
            | EventKind::Retry
            | EventKind::VersionNegotiation { .. }
            | EventKind::CipherSuite(_)
            | EventKind::HandshakeDone
            | EventKind::KeyUpdated { .. }
            | EventKind::AddressChanged { .. }
            | EventKind::Forgotten => {}
        }
    }

    fn finish(&mut self, end: Duration, emit: &mut dyn FnMut(Observation)) {
        for connection in self.connections.values_mut() {
            for party in [Role::Initiator, Role::Responder] {
                connection.silent_until(party, end, &self.settings, emit);
            }
        }
        while !self.connections.is_empty() {
            self.end_oldest(emit);
        }
    }

    fn unjudged(&self) -> &BTreeMap<UnjudgedConnection, u64> {
        &self.unjudged
    }
}
