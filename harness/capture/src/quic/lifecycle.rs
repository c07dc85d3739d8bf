//! How connections come and go.

use std::time::Duration;

use shakedown_wire::quic::{At, Event, EventKind, Level, Role, UnreadableReason};

use super::connection::{Connection, Long, Protected, Waiting, unreadable};
use super::decoder::{Decoder, Sink};
use super::header::{Id, VERSION_1};
use super::protect::retry_is_genuine;

/// How long a closed connection is kept after its last packet: some are late, and one that was refused may be begun
/// again.
const KEEP_CLOSED: Duration = Duration::from_secs(60);

impl Decoder {
    /// Reads the first packet of a client. `false` if it is none.
    pub(super) fn open_connection(
        &mut self,
        packet: &Protected<'_>,
        long: Long,
        at: At,
        sink: Sink<'_>,
    ) -> bool {
        let number = self.statistics.connections + 1;
        let mut connection = Connection::new(number, at, long.destination);
        let is_plain = self.secrets.plain.is_some();
        if !is_plain && connection.derive_initial(long.destination).is_none() {
            return false;
        }
        let opened = connection.open(
            packet,
            Role::Client,
            long.number_offset,
            &self.secrets,
            &mut self.buffer,
        );
        let Ok(opened) = opened else {
            return false;
        };
        self.make_room(at.time, sink);
        self.statistics.connections = number;
        let (connections, mut shared) = self.split(sink);
        (shared.sink)(&Event {
            connection: Some(number),
            at,
            kind: EventKind::ConnectionOpened {
                client: at.source,
                server: at.destination,
                version: VERSION_1,
                original_destination_id: long.destination.as_bytes(),
            },
        });
        connection.learn_id(long.destination, Role::Server, shared.index);
        connection.learn_source(long.source, Role::Client, shared.index);
        connection.receive(Level::Initial, Role::Client, &opened, at, &mut shared);
        connections.insert(number, connection);
        true
    }

    /// Forgets connections that are closed, and if need be the one that was silent longest.
    fn make_room(&mut self, now: Duration, sink: Sink<'_>) {
        let most = self.limits.connections.max(1);
        let closed =
            |it: &Connection| it.is_closed && now.saturating_sub(it.last.time) > KEEP_CLOSED;
        let all = self.connections.values();
        let mut gone: Vec<u64> = all.filter(|it| closed(it)).map(|it| it.number).collect();
        if self.connections.len() - gone.len() >= most {
            let all = self.connections.values().filter(|it| !closed(it));
            let oldest = all.min_by_key(|it| (!it.is_closed, it.last.time, it.number));
            gone.extend(oldest.map(|it| it.number));
        }
        let (connections, mut shared) = self.split(sink);
        for number in gone {
            let Some(mut connection) = connections.remove(&number) else {
                continue;
            };
            connection.finish(&mut shared);
            connection.unlearn(shared.index);
            if !connection.is_closed {
                shared.statistics.forgotten += 1;
                (shared.sink)(&Event {
                    connection: Some(number),
                    at: connection.last,
                    kind: EventKind::Forgotten,
                });
            }
        }
    }

    pub(super) fn retry(
        &mut self,
        packet: &[u8],
        destination: Id,
        source: Id,
        at: At,
        sink: Sink<'_>,
    ) {
        self.look_up(None, Some(destination), &at);
        let found = &mut self.candidates;
        self.index.by_path(at.source, at.destination, found);
        let candidates = std::mem::take(&mut self.candidates);
        let (connections, mut shared) = self.split(sink);
        let mut known = None;
        for candidate in &candidates {
            let Some(connection) = connections.get_mut(&candidate.connection) else {
                continue;
            };
            known.get_or_insert(candidate.connection);
            if retry_is_genuine(packet, connection.original.as_bytes()) {
                // The client takes only the first one.
                if !std::mem::replace(&mut connection.retried, true)
                    && connection.derive_initial(source).is_some()
                {
                    shared.statistics.read += 1;
                    connection.learn_id(source, Role::Server, shared.index);
                    (shared.sink)(&Event {
                        connection: Some(candidate.connection),
                        at,
                        kind: EventKind::Retry,
                    });
                }
                self.candidates = candidates;
                return;
            }
        }
        let (why, by) = match known {
            Some(_) => (UnreadableReason::CannotDecrypt, Some(Role::Server)),
            None => (UnreadableReason::UnknownConnection, None),
        };
        unreadable(known, at, by, why, false, &mut shared);
        self.candidates = candidates;
    }

    /// Reads the packets of connections that have learnt something.
    pub(super) fn read_waiting(&mut self, sink: Sink<'_>) {
        while let Some(number) = self.ready.pop() {
            let Some(connection) = self.connections.get_mut(&number) else {
                continue;
            };
            for waiting in connection.take_waiting(&mut self.budget) {
                self.read_again(&waiting, sink);
            }
        }
    }

    fn read_again(&mut self, waiting: &Waiting, sink: Sink<'_>) {
        let packet = Protected {
            level: waiting.level,
            bytes: &waiting.bytes,
            long: waiting.long,
        };
        self.protected(&packet, waiting.at, sink);
    }
}
