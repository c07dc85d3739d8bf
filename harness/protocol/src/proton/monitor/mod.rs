//! The passive judge of `proton`: it sees what a capture shows of QUIC connections and judges every
//! requirement that this can show broken, for both sides.
//!
//! A close that one side owes has until its time, the tolerance and, on the path, a second more; a
//! packet of that side after it shows that the connection goes on. Nothing is concluded from a
//! connection that falls silent, and what packets that cannot be read may have said is in doubt. A
//! breach is told once a connection and side and then counted, a doubt once a connection.

mod connection;
mod due;
mod event;
mod ledger;
mod talk;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use event::{Code, Event, What};

use super::{CloseCode, IDENTIFICATION, IDLE_TIMEOUT, Kind, STARTUP_DELAY, Words};
use crate::MonitorSettings;
use crate::monitor::Observation;
use crate::requirement::Role;
use connection::{At, Connection, late};
use due::Due;
use ledger::Say;

/// Most connections at once; beyond them the oldest is judged as if the capture ended.
const MOST_CONNECTIONS: usize = 1_024;

/// The monitor of `proton`.
#[derive(Debug)]
pub struct Monitor {
    settings: MonitorSettings,
    connections: BTreeMap<u64, Connection>,
    blind: u64,
}

impl Monitor {
    /// Has seen nothing yet. Of the settings it takes the vantage, the tolerance, and the mode,
    /// which is the profile.
    #[must_use]
    pub fn new(settings: &MonitorSettings) -> Self {
        Self {
            settings: settings.clone(),
            connections: BTreeMap::new(),
            blind: 0,
        }
    }

    /// Sees the next event. What it has to say goes to `say`.
    pub fn event(&mut self, event: &Event<'_>, say: &mut dyn FnMut(Observation)) {
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
        if let What::Packet { by } = event.what {
            connection.packet(by, at, settings, say);
            self.second(event.connection, by, at, say);
            return;
        }
        if let What::Lost { stream, by } = event.what {
            connection.lost(stream, by);
            return;
        }
        if connection.closed.is_some() {
            return;
        }
        match event.what {
            What::Opened { .. } | What::Packet { .. } | What::Lost { .. } => {}
            What::Offered(ours) => connection.offered = ours,
            What::Agreed(alpn) => self.agreed(event.connection, alpn, at, say),
            What::Stream {
                stream,
                by,
                unidirectional,
            } => connection.opened(stream, by, unidirectional, at, say),
            What::Bytes { stream, by, bytes } => {
                let (spoke, id) = (connection.spoke, connection.first_id);
                connection.bytes(stream, by, bytes, at, settings, say);
                let first_word = !spoke && connection.spoke;
                let first_id = id.is_none() && connection.first_id.is_some();
                if first_word {
                    self.spoke(event.connection, at, say);
                }
                if first_id {
                    self.ids_go_on(event.connection, at, say);
                }
            }
            What::Fin { stream, by } => connection.fin(stream, by, at),
            What::Broken { stream, by } => connection.broken(stream, by, at),
            What::Datagram { by } => connection.not_admitted(by, at, "a datagram", say),
            What::Closed { by, code } => {
                connection.close(by, code, at, say);
                self.closed(event.connection, by, code, at, say);
            }
            What::Unreadable { no_secrets, .. } => {
                connection.unreadable = true;
                connection.blind |= no_secrets;
            }
        }
    }

    /// The capture is over; connections are judged.
    pub fn finish(&mut self, say: &mut dyn FnMut(Observation)) {
        while !self.connections.is_empty() {
            self.end_oldest(say);
        }
    }

    /// Connections of which nothing could be judged, because their secrets are not in the capture.
    #[must_use]
    pub const fn without_secrets(&self) -> u64 {
        self.blind
    }

    fn end_oldest(&mut self, say: Say<'_>) {
        if let Some((_, connection)) = self.connections.pop_first() {
            let blind = connection.blind && connection.agreed.is_none();
            if let Some(session) = connection.end(&self.settings, say) {
                self.blind += u64::from(blind);
                say(Observation::Session(session));
            }
        }
    }

    /// The connection that the same server has when this one comes.
    fn alive(&self, new: &Connection) -> Option<u64> {
        let lives = |old: &Connection| {
            let heard = old.heard().map(|heard| heard + IDLE_TIMEOUT);
            old.server == new.server
                && old.closed.is_none()
                && old.agreed.is_some()
                && heard.is_some_and(|until| until > new.first.time)
        };
        let mut all = self.connections.iter().rev();
        all.find(|(_, old)| lives(old)).map(|(number, _)| *number)
    }

    /// PR-C-07
    fn agreed(&mut self, number: u64, alpn: Option<&[u8]>, at: At, say: Say<'_>) {
        let known = |server| {
            let mut all = self.connections.values();
            all.any(|other| other.server == server && other.agreed.is_some())
        };
        let is_known = self
            .connections
            .get(&number)
            .is_some_and(|one| known(one.server));
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if alpn == Some(super::ALPN.as_bytes()) {
            connection.agreed = Some(at.time);
            return;
        }
        if alpn.is_none() && is_known {
            let act = connection.act(Role::Responder, at);
            let expected = "the handshake to fail without the protocol proton";
            let got = "a handshake that goes on with none";
            connection.ledger.breach("PR-C-07", act, expected, got, say);
        }
        connection.foreign = true;
    }

    /// The first byte of a connection is there: PR-R-01, PR-C-06.
    fn spoke(&mut self, number: u64, at: At, say: Say<'_>) {
        let Some(new) = self.connections.get(&number) else {
            return;
        };
        let (reset, old, opened) = (new.reset, new.second_of, new.first);
        let (client, server) = (new.client, new.server);
        if reset {
            let old = old.and_then(|old| self.connections.get_mut(&old));
            if let Some(old) = old.filter(|old| old.closed.is_none()) {
                old.superseded = true;
                let why = "another connection reset this one".to_owned();
                let (party, limit) = (Role::Responder, IDENTIFICATION);
                old.owe(Due::new("PR-R-01", party, at, why).within(limit).with(&[7]));
            }
            return;
        }
        let soon = STARTUP_DELAY.mul_f64(1.0 - self.settings.tolerance.clamp(0.0, 1.0));
        let silence = super::KEEP_ALIVE * 2;
        let lost = self.connections.values().find_map(|old| {
            let heard = old.heard()?;
            let gone = old.closed.is_none() && old.agreed.is_some() && !old.unreadable;
            let same = old.server == server && old.client.ip() == client.ip();
            let between = opened.time.checked_sub(heard)?;
            (gone && same && between > silence).then_some(between)
        });
        let Some(new) = self.connections.get_mut(&number) else {
            return;
        };
        if let Some(between) = lost {
            new.ledger.judge("PR-C-06");
            if between < soon {
                let act = new.act(Role::Initiator, opened);
                let got = format!("a new connection after {:.1} s", between.as_secs_f64());
                let expected = "10 s, or a reset, after a lost connection";
                new.ledger.breach("PR-C-06", act, expected, got, say);
            }
        }
    }

    /// PR-E-04: the same socket is most often the same process.
    fn ids_go_on(&mut self, number: u64, at: At, say: Say<'_>) {
        let supervised = self.settings.supervised;
        let before = |client| {
            let earlier = self.connections.range(..number);
            let same = earlier.filter(|(_, old)| old.client == client);
            same.map(|(_, old)| old.last_id).max()
        };
        let last = self
            .connections
            .get(&number)
            .and_then(|new| before(new.client));
        let Some((new, last)) = self.connections.get_mut(&number).zip(last) else {
            return;
        };
        let Some(first) = new.first_id.filter(|first| first.value <= last) else {
            return;
        };
        let act = new.act(Role::Initiator, at);
        let expected = format!("an id above {last}, the last one of the connection before");
        let got = first.value.to_string();
        if supervised {
            new.ledger.breach("PR-E-04", act, expected, got, say);
        } else {
            new.ledger.doubt("PR-E-04", act, expected, got, say);
        }
    }

    /// PR-C-01, PR-R-02: a second connection that is still served, and the first one too.
    fn second(&mut self, number: u64, by: Role, at: At, say: Say<'_>) {
        let Some(new) = self.connections.get(&number) else {
            return;
        };
        let (Some(old), Some(agreed)) = (new.second_of, new.agreed) else {
            return;
        };
        let served = by == Role::Responder && new.closed.is_none() && !new.reset;
        let until = agreed + late(IDENTIFICATION * 2, &self.settings);
        if !served || at.time <= until {
            return;
        }
        let since = agreed + IDENTIFICATION;
        let Some(old) = self.connections.get(&old) else {
            return;
        };
        let lives = |heard: &Option<_>| heard.is_some_and(|heard| heard > since);
        let both = old.closed.is_none() && old.last.iter().all(lives) && !old.unreadable;
        let Some(new) = self.connections.get_mut(&number).filter(|_| both) else {
            return;
        };
        let act = new.act(by, at);
        let got = "two connections that are both served";
        for (requirement, expected) in [
            ("PR-C-01", "one connection at a time"),
            (
                "PR-R-02",
                "the second connection closed with code 6 within 1 s",
            ),
        ] {
            if new.unreadable {
                new.ledger.doubt(requirement, act, expected, got, say);
            } else {
                new.ledger.breach(requirement, act, expected, got, say);
            }
        }
        new.second_of = None;
    }

    /// PR-C-01, PR-R-01, PR-R-02: what the end of one connection says of another.
    fn closed(&mut self, number: u64, by: Role, code: Code, at: At, say: Say<'_>) {
        let refused = code == Code::Application(CloseCode::AlreadyConnected.number());
        if by != Role::Responder || !refused {
            return;
        }
        let second_of = self.connections.get(&number).and_then(|one| one.second_of);
        if let Some(old) = second_of.and_then(|old| self.connections.get_mut(&old)) {
            // A server without reset refuses the second connection whatever it says.
            old.dues.retain(|due| due.requirement != "PR-R-01");
        }
        let seconds = |one: &&Connection| one.second_of == Some(number) && one.closed.is_none();
        let has_second = self.connections.values().any(|one| seconds(&one));
        let Some(one) = self.connections.get_mut(&number) else {
            return;
        };
        if second_of.is_some() {
            one.ledger.judge("PR-C-01");
            one.ledger.judge("PR-R-02");
        } else if has_second {
            let act = one.act(by, at);
            let expected = "the first connection unharmed by the second";
            one.ledger
                .breach("PR-C-01", act, expected, code.to_string(), say);
        }
    }
}
