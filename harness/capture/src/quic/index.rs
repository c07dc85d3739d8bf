//! Which connections a packet may be of: by connection id, by addresses, by reset token.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use shakedown_wire::quic::Role;

use super::header::{Id, MAX_ID};

/// Most connections that are tried for a packet.
const MAX_CANDIDATES: usize = 8;

/// A connection that a packet may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) connection: u64,
    /// The end that the packet goes to.
    pub(super) receiver: Role,
    /// Length of the packet's Destination Connection ID, if one was recognised.
    pub(super) id_length: Option<usize>,
}

/// Bytes that identify a stateless reset.
pub(super) type Token = [u8; 16];

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Ids with the end that gave them out, which is the one that packets with it go to.
    ids: BTreeSet<(Id, u64, Role)>,
    /// How many ids have each length.
    lengths: [usize; MAX_ID + 1],
    /// Source and destination, and the end at the destination.
    paths: BTreeSet<(SocketAddr, SocketAddr, u64, Role)>,
    tokens: BTreeMap<Token, (u64, Role)>,
    /// By the client's random.
    randoms: BTreeSet<([u8; 32], u64)>,
}

impl Index {
    /// `false` if it is known already.
    pub(super) fn add_id(&mut self, id: Id, connection: u64, role: Role) -> bool {
        let new = self.ids.insert((id, connection, role));
        self.lengths[id.len()] += usize::from(new);
        new
    }

    pub(super) fn remove_id(&mut self, id: Id, connection: u64, role: Role) {
        if self.ids.remove(&(id, connection, role)) {
            self.lengths[id.len()] -= 1;
        }
    }

    pub(super) fn add_path(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        connection: u64,
        receiver: Role,
    ) {
        self.paths
            .insert((source, destination, connection, receiver));
        self.paths
            .insert((destination, source, connection, receiver.peer()));
    }

    pub(super) fn remove_path(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        connection: u64,
        receiver: Role,
    ) {
        self.paths
            .remove(&(source, destination, connection, receiver));
        self.paths
            .remove(&(destination, source, connection, receiver.peer()));
    }

    pub(super) fn add_token(&mut self, token: Token, connection: u64, by: Role) {
        self.tokens.entry(token).or_insert((connection, by));
    }

    pub(super) fn remove_token(&mut self, token: &Token, connection: u64) {
        if self.tokens.get(token).is_some_and(|it| it.0 == connection) {
            self.tokens.remove(token);
        }
    }

    pub(super) fn add_random(&mut self, random: [u8; 32], connection: u64) {
        self.randoms.insert((random, connection));
    }

    pub(super) fn remove_random(&mut self, random: [u8; 32], connection: u64) {
        self.randoms.remove(&(random, connection));
    }

    /// Connections that begin with this random of the client.
    pub(super) fn by_random(&self, random: [u8; 32]) -> impl Iterator<Item = u64> {
        let range = (random, 0)..=(random, u64::MAX);
        let found = self.randoms.range(range).take(MAX_CANDIDATES);
        found.map(|(_, connection)| *connection)
    }

    /// The connection and the end that gave out the token at the end of a datagram.
    pub(super) fn token(&self, datagram: &[u8]) -> Option<(u64, Role)> {
        self.tokens.get(datagram.last_chunk::<16>()?).copied()
    }

    /// Connections with this id; those between the same addresses come first.
    pub(super) fn by_id(
        &self,
        id: Id,
        source: SocketAddr,
        destination: SocketAddr,
        found: &mut Vec<Candidate>,
    ) {
        let from = found.len();
        let range = (id, 0, Role::Client)..=(id, u64::MAX, Role::Server);
        for (_, connection, role) in self.ids.range(range).take(MAX_CANDIDATES) {
            add(*connection, *role, Some(id.len()), found);
        }
        if found.len() - from > 1 {
            found[from..].sort_by_key(|it| {
                let path = (source, destination, it.connection, it.receiver);
                !self.paths.contains(&path)
            });
        }
    }

    /// Connections with an id that a packet with a short header may begin with, longest first.
    pub(super) fn by_short_header(
        &self,
        packet: &[u8],
        source: SocketAddr,
        destination: SocketAddr,
        found: &mut Vec<Candidate>,
    ) {
        for length in (1..=MAX_ID).rev().filter(|it| self.lengths[*it] > 0) {
            if found.len() >= MAX_CANDIDATES {
                return;
            }
            if let Some(id) = packet.get(1..=length).and_then(Id::new) {
                self.by_id(id, source, destination, found);
            }
        }
    }

    /// Connections between these addresses, the latest first.
    pub(super) fn by_path(
        &self,
        source: SocketAddr,
        destination: SocketAddr,
        found: &mut Vec<Candidate>,
    ) {
        let range =
            (source, destination, 0, Role::Client)..=(source, destination, u64::MAX, Role::Server);
        for (_, _, connection, role) in self.paths.range(range).rev().take(MAX_CANDIDATES) {
            add(*connection, *role, None, found);
        }
    }

    /// Connections without ids that an end of a changed address may go on with, the latest first.
    pub(super) fn by_empty_id(&self, found: &mut Vec<Candidate>) {
        let range = (Id::MIN, 0, Role::Client)..=(Id::MIN, u64::MAX, Role::Server);
        for (_, connection, role) in self.ids.range(range).rev().take(MAX_CANDIDATES) {
            add(*connection, *role, Some(0), found);
        }
    }
}

fn add(connection: u64, receiver: Role, id_length: Option<usize>, found: &mut Vec<Candidate>) {
    let known = |it: &Candidate| it.connection == connection && it.receiver == receiver;
    if !found.iter().any(known) {
        found.push(Candidate {
            connection,
            receiver,
            id_length,
        });
    }
}
