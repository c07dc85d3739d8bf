//! What is known of one connection, and what is judged of it alone.

mod clock;
mod closing;
mod streams;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::due::Due;
use super::ledger::{Act, Ledger};
use super::talk::{Talk, Word};
use super::{Code, Kind, Words};
use crate::MonitorSettings;
use crate::monitor::Vantage;
use crate::requirement::Role;

/// Most streams that are kept of a connection.
const MOST_STREAMS: usize = 16;

/// What the network and the capture may add to a time, besides the tolerance.
const SLACK: Duration = Duration::from_secs(1);

/// Where something was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) packet: u64,
    pub(super) time: Duration,
}

#[derive(Debug, Clone)]
struct Stream {
    opened: At,
    kind: Option<Kind>,
    /// It said 0xFF.
    resets: bool,
    /// It is wrong as it is; what follows on it is not judged.
    void: bool,
    /// Bytes of the client are missing.
    client_lost: bool,
    client: Words,
    server: Words,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) first: At,
    pub(super) offered: bool,
    /// When the server chose `proton`.
    pub(super) agreed: Option<Duration>,
    /// It is of another protocol.
    pub(super) foreign: bool,
    pub(super) blind: bool,
    pub(super) unreadable: bool,
    pub(super) closed: Option<(Role, Code)>,
    /// Times of the last packets, of the client and the server.
    pub(super) last: [Option<Duration>; 2],
    /// It said 0xFF.
    pub(super) reset: bool,
    /// Its first stream said something, 0xFF or another byte.
    pub(super) spoke: bool,
    /// Another connection was there when it came.
    pub(super) second_of: Option<u64>,
    /// Another connection reset this one.
    pub(super) superseded: bool,
    pub(super) first_id: Option<Word>,
    pub(super) last_id: u32,
    refused_id: Option<u32>,
    streams: BTreeMap<u64, Stream>,
    named: BTreeSet<Kind>,
    incomplete: bool,
    event: Talk,
    commit: Talk,
    action: Talk,
    items: u64,
    asks: bool,
    pub(super) words: u64,
    packets: u64,
    armed: BTreeSet<(&'static str, u64)>,
    pub(super) dues: Vec<Due>,
    pub(super) ledger: Ledger,
}

pub(super) const fn index(role: Role) -> usize {
    match role {
        Role::Initiator => 0,
        Role::Responder => 1,
    }
}

/// `limit`, and what may be added to it before it is broken for sure.
pub(super) fn late(limit: Duration, settings: &MonitorSettings) -> Duration {
    let slack = match settings.vantage {
        Vantage::Sender => SLACK / 20,
        Vantage::Path => SLACK,
    };
    limit + limit.mul_f64(settings.tolerance.clamp(0.0, 1.0)) + slack
}

impl Connection {
    pub(super) fn new(client: SocketAddr, server: SocketAddr, first: At) -> Self {
        Self {
            client,
            server,
            first,
            offered: false,
            agreed: None,
            foreign: false,
            blind: false,
            unreadable: false,
            closed: None,
            last: [None; 2],
            reset: false,
            spoke: false,
            second_of: None,
            superseded: false,
            first_id: None,
            last_id: 0,
            refused_id: None,
            streams: BTreeMap::new(),
            named: BTreeSet::new(),
            incomplete: false,
            event: Talk::default(),
            commit: Talk::default(),
            action: Talk::default(),
            items: 0,
            asks: false,
            words: 0,
            packets: 0,
            armed: BTreeSet::new(),
            dues: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    pub(super) const fn act(&self, party: Role, at: At) -> Act {
        let address = match party {
            Role::Initiator => self.client,
            Role::Responder => self.server,
        };
        Act {
            party,
            address,
            packet: at.packet,
            time: at.time,
        }
    }

    /// The last moment at which either side was heard.
    pub(super) fn heard(&self) -> Option<Duration> {
        self.last.into_iter().flatten().max()
    }

    pub(super) fn owe(&mut self, due: Due) {
        if self.dues.len() < MOST_STREAMS {
            self.dues.push(due);
        }
    }

    pub(super) fn lost(&mut self, id: u64, by: Role) {
        self.incomplete = true;
        self.event.over = true;
        self.commit.over = true;
        self.action.over = true;
        if let (Some(stream), Role::Initiator) = (self.streams.get_mut(&id), by) {
            stream.client_lost = true;
        }
    }
}
