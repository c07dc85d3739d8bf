//! The passive judge of `proton`: it sees what a capture shows of QUIC connections and judges every
//! requirement that this can show broken, for both sides.
//!
//! A close that one side owes has until its time, the tolerance and, on the path, a second more; a
//! packet of that side after it shows that the connection goes on. Nothing is concluded from a
//! connection that falls silent, and what packets that cannot be read may have said is in doubt. A
//! breach is told once a connection and side and then counted, a doubt once a connection.

mod between;
mod connection;
mod due;
mod event;
mod ledger;
mod talk;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use event::{Blind, Code, Event, Numbers, Unread, What};

use super::{Kind, Words};
use crate::MonitorSettings;
use crate::monitor::{Observation, StreamMonitor};
use connection::{At, Connection};
use ledger::Say;

/// Most connections at once; beyond them the oldest is judged as if the capture ended.
const MOST_CONNECTIONS: usize = 1_024;

/// The monitor of `proton`.
#[derive(Debug)]
pub struct Monitor {
    settings: MonitorSettings,
    connections: BTreeMap<u64, Connection>,
    /// Those during which a second one was refused.
    refusing: BTreeSet<u64>,
    blind: BTreeMap<Blind, u64>,
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
            blind: BTreeMap::new(),
        }
    }

    fn end_oldest(&mut self, say: Say<'_>) {
        self.harmless();
        if let Some((number, connection)) = self.connections.pop_first() {
            self.refusing.remove(&number);
            let blind = connection.blind();
            if let Some(session) = connection.end(&self.settings, say) {
                if let Some(blind) = blind {
                    *self.blind.entry(blind).or_default() += 1;
                }
                say(Observation::Session(session));
            }
        }
    }
}

impl StreamMonitor for Monitor {
    fn event(&mut self, event: &Event<'_>, say: &mut dyn FnMut(Observation)) {
        let at = At {
            packet: event.number,
            time: event.time,
        };
        if let What::Opened { client, server } = event.what {
            let mut new = Connection::new(client, server, at);
            new.second_of = self.alive(&new);
            if self.connections.len() == MOST_CONNECTIONS {
                self.end_oldest(say);
            }
            self.connections.insert(event.connection, new);
            return;
        }
        let settings = &self.settings;
        let Some(connection) = self.connections.get_mut(&event.connection) else {
            return;
        };
        if connection.foreign {
            return;
        }
        if let What::Packet { by, numbers } = event.what {
            connection.packet(by, numbers, at, settings, say);
            self.second(event.connection, by, at, say);
            return;
        }
        if let What::Lost { stream, by } = event.what {
            connection.lost(stream, by);
            return;
        }
        if let What::Closed { by, code } = event.what {
            let is_first = connection.closed.is_none();
            connection.close(by, code, at, settings, say);
            if is_first {
                self.closed(event.connection, by, code, at, say);
            }
            return;
        }
        if let What::Unreadable { by, why } = event.what {
            connection.not_read(by, why);
            connection.unreadable |= connection.closed.is_none();
            return;
        }
        if connection.closed.is_some() {
            return;
        }
        match event.what {
            What::Opened { .. }
            | What::Packet { .. }
            | What::Lost { .. }
            | What::Closed { .. }
            | What::Unreadable { .. } => {}
            What::Blocked { by, stream, limit } => connection.blocked(by, stream, limit, at),
            What::Raised { by, stream, limit } => connection.raised(by, stream, limit),
            What::Offered(ours) => connection.offered = ours,
            What::Agreed(alpn) => self.agreed(event.connection, alpn, at, say),
            What::Stream {
                stream,
                by,
                unidirectional,
            } => connection.opened(stream, by, unidirectional, at, say),
            What::Bytes { stream, by, bytes } => {
                let (spoke, id) = (connection.spoke, connection.first_id);
                let served = connection.served;
                connection.bytes(stream, by, bytes, at, settings, say);
                let first_word = !spoke && connection.spoke;
                let first_id = id.is_none() && connection.first_id.is_some();
                let first_answer = served.is_none() && connection.served.is_some();
                if first_word {
                    self.spoke(event.connection, at, say);
                }
                if first_id {
                    self.ids_go_on(event.connection, at, say);
                }
                if first_answer {
                    self.served(event.connection, at);
                }
            }
            What::Fin { stream, by } => connection.fin(stream, by, at),
            What::Broken { stream, by } => connection.broken(stream, by, at),
            What::Datagram { by } => connection.not_admitted(by, at, "a datagram", say),
        }
    }

    fn finish(&mut self, say: &mut dyn FnMut(Observation)) {
        while !self.connections.is_empty() {
            self.end_oldest(say);
        }
    }

    fn blind(&self) -> &BTreeMap<Blind, u64> {
        &self.blind
    }
}
