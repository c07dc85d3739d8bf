//! A connection: its keys, its packet numbers, and what it is waiting for.

use std::collections::VecDeque;
use std::net::SocketAddr;

use shakedown_wire::quic::{
    At, CloseCode, Event, EventKind, Level, Role, Unreadable, UnreadableReason,
};

use super::assembler::{Assembler, Budget, Share};
use super::header::Id;
use super::index::{Candidate, Index, Token};
use super::keys::{Keys, Suite};
use super::protect::{self, Opened};
use super::secrets::{Label, Secrets};
use super::space::Space;
use super::statistics::QuicStatistics;
use super::streams::{Context, Streams};
use super::tls::Messages;

/// Most connection ids of each end that are kept.
const MAX_IDS: usize = 64;
/// Most tokens for stateless reset that are kept.
const MAX_TOKENS: usize = 64;
/// Most pairs of addresses that are kept.
const MAX_PATHS: usize = 16;
/// Most packets that wait for their keys.
const MAX_WAITING: usize = 128;

/// What all connections of a decoder have in common.
pub(super) struct Shared<'s> {
    pub(super) secrets: &'s Secrets,
    pub(super) budget: &'s mut Budget,
    pub(super) index: &'s mut Index,
    pub(super) statistics: &'s mut QuicStatistics,
    /// Working memory: the packet that was opened last.
    pub(super) buffer: &'s mut Vec<u8>,
    pub(super) sink: &'s mut dyn FnMut(&Event<'_>),
}

/// A packet with protection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protected<'p> {
    pub(super) level: Level,
    pub(super) bytes: &'p [u8],
    /// Of a long header: the ids, and where the packet number is.
    pub(super) long: Option<Long>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Long {
    pub(super) destination: Id,
    pub(super) source: Id,
    pub(super) number_offset: usize,
}

/// A packet that waits for its keys.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) at: At,
    pub(super) level: Level,
    pub(super) bytes: Vec<u8>,
    pub(super) long: Option<Long>,
    pub(super) why: UnreadableReason,
    pub(super) candidate: Candidate,
}

/// Whether the server takes early data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Early {
    Unknown,
    Accepted,
    Rejected,
}

/// One direction of a CRYPTO stream.
#[derive(Debug, Default)]
pub(super) struct Crypto {
    pub(super) assembler: Assembler,
    pub(super) messages: Messages,
    /// The stream contradicts itself, or too much of it is missing.
    pub(super) lost: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) last: At,
    /// Of both ends, where they sent from last.
    pub(super) addresses: [SocketAddr; 2],
    /// The Destination Connection ID of the client's first packet.
    pub(super) original: Id,
    pub(super) retried: bool,
    /// Of both ends, the latest last: there are new ones after a Retry.
    initial: Vec<[Keys; 2]>,
    early_keys: Vec<Keys>,
    handshake_keys: [Vec<Keys>; 2],
    traffic_keys: [Vec<Keys>; 2],
    pub(super) random: Option<[u8; 32]>,
    pub(super) suite: Option<u16>,
    pub(super) early: Early,
    /// Of both ends: Initial, Handshake, application data.
    spaces: [[Space; 3]; 2],
    /// Of both ends: Initial, Handshake.
    pub(super) crypto: [[Crypto; 2]; 2],
    pub(super) streams: Streams,
    pub(super) share: Share,
    pub(super) waiting: Vec<Waiting>,
    /// Length of the ids that each end gives out.
    id_lengths: [Option<usize>; 2],
    ids: [VecDeque<Id>; 2],
    tokens: VecDeque<Token>,
    paths: VecDeque<(SocketAddr, SocketAddr)>,
    /// The closes that were reported for each end.
    pub(super) closed: [Vec<CloseCode>; 2],
    pub(super) is_closed: bool,
}

impl Connection {
    pub(super) fn new(number: u64, at: At, original: Id) -> Self {
        Self {
            number,
            last: at,
            addresses: [at.source, at.destination],
            original,
            retried: false,
            initial: Vec::new(),
            early_keys: Vec::new(),
            handshake_keys: Default::default(),
            traffic_keys: Default::default(),
            random: None,
            suite: None,
            early: Early::Unknown,
            spaces: Default::default(),
            crypto: Default::default(),
            streams: Streams::default(),
            share: Share::default(),
            waiting: Vec::new(),
            id_lengths: [None; 2],
            ids: Default::default(),
            tokens: VecDeque::new(),
            paths: VecDeque::new(),
            closed: Default::default(),
            is_closed: false,
        }
    }

    /// Derives the keys of Initial packets to this id. `None` never happens: they can be derived from any.
    pub(super) fn derive_initial(&mut self, id: Id) -> Option<()> {
        let keys = |sender| Keys::initial(id.as_bytes(), sender);
        self.initial
            .push([keys(Role::Client)?, keys(Role::Server)?]);
        Some(())
    }

    /// Length of the ids in the packets to an end, if one was seen.
    pub(super) fn id_length(&self, receiver: Role) -> Option<usize> {
        self.id_lengths[receiver.index()]
    }

    /// Opens a packet into the shared buffer.
    ///
    /// # Errors
    /// [`UnreadableReason`] it cannot be read; it may be read later if keys or the handshake are missing.
    pub(super) fn open(
        &mut self,
        packet: &Protected<'_>,
        sender: Role,
        number_offset: usize,
        secrets: &Secrets,
        buffer: &mut Vec<u8>,
    ) -> Result<Opened, UnreadableReason> {
        let level = packet.level;
        let expected = self.space(level, sender).expected();
        if let Some(plain) = secrets.plain {
            let opened = protect::open_plain(plain, packet.bytes, number_offset, expected, buffer);
            return opened.ok_or(UnreadableReason::CannotDecrypt);
        }
        let mut open =
            |keys: &mut Keys| protect::open(keys, packet.bytes, number_offset, expected, buffer);
        if level == Level::Initial {
            let mut latest_first = self.initial.iter_mut().rev();
            let opened = latest_first.find_map(|keys| open(&mut keys[sender.index()]));
            return opened.ok_or(UnreadableReason::CannotDecrypt);
        }
        let keys = self.keys(level, sender, secrets)?;
        for index in 0..keys.len() {
            if let Some(opened) = open(&mut keys[index]) {
                keys.swap(0, index);
                keys.truncate(1);
                return Ok(opened);
            }
        }
        Err(UnreadableReason::CannotDecrypt)
    }

    /// The keys of an end; several where the suite is not known yet.
    fn keys(
        &mut self,
        level: Level,
        sender: Role,
        secrets: &Secrets,
    ) -> Result<&mut Vec<Keys>, UnreadableReason> {
        let end = sender.index();
        let (keys, label) = match (level, sender) {
            (Level::ZeroRtt, Role::Client) => match self.early {
                Early::Unknown => return Err(self.missing(secrets, Label::ClientEarly)),
                Early::Rejected => return Err(UnreadableReason::EarlyDataRejected),
                Early::Accepted => (&mut self.early_keys, Label::ClientEarly),
            },
            (Level::Initial | Level::ZeroRtt, _) => return Err(UnreadableReason::CannotDecrypt),
            (Level::Handshake, Role::Client) => {
                (&mut self.handshake_keys[end], Label::ClientHandshake)
            }
            (Level::Handshake, Role::Server) => {
                (&mut self.handshake_keys[end], Label::ServerHandshake)
            }
            (Level::OneRtt, Role::Client) => (&mut self.traffic_keys[end], Label::ClientTraffic),
            (Level::OneRtt, Role::Server) => (&mut self.traffic_keys[end], Label::ServerTraffic),
        };
        if !keys.is_empty() {
            return Ok(keys);
        }
        let random = self.random.ok_or(UnreadableReason::NoHandshake)?;
        let known = match self.suite {
            Some(code) => {
                Some(Suite::from_code(code).ok_or(UnreadableReason::UnsupportedSuite(code))?)
            }
            None => None,
        };
        let secret = secrets
            .get(&random, label)
            .ok_or(UnreadableReason::NoSecrets)?;
        // Without the ServerHello the suite is found by trying. Early data may have another one.
        let known = known.filter(|_| level != Level::ZeroRtt);
        let suites = secret.suites().iter().copied();
        *keys = suites
            .filter(|suite| known.is_none_or(|known| known == *suite))
            .filter_map(|suite| Keys::new(suite, secret))
            .collect();
        if keys.is_empty() {
            return Err(UnreadableReason::NoSecrets);
        }
        Ok(keys)
    }

    /// Why early data has to wait: what it needs first is its secret, then the server's answer,
    /// which takes the server's secret.
    fn missing(&self, secrets: &Secrets, label: Label) -> UnreadableReason {
        let has = |label| {
            self.random
                .is_some_and(|random| secrets.get(&random, label).is_some())
        };
        if self.random.is_some() && !(has(label) && has(Label::ServerHandshake)) {
            UnreadableReason::NoSecrets
        } else {
            UnreadableReason::NoHandshake
        }
    }

    pub(super) fn space(&mut self, level: Level, sender: Role) -> &mut Space {
        let space = match level {
            Level::Initial => 0,
            Level::Handshake => 1,
            Level::ZeroRtt | Level::OneRtt => 2,
        };
        &mut self.spaces[sender.index()][space]
    }

    /// Learns an id that an end gives out.
    pub(super) fn learn_id(&mut self, id: Id, owner: Role, index: &mut Index) {
        let ids = &mut self.ids[owner.index()];
        if !index.add_id(id, self.number, owner) {
            return;
        }
        ids.push_back(id);
        if ids.len() > MAX_IDS
            && let Some(oldest) = ids.pop_front()
        {
            index.remove_id(oldest, self.number, owner);
        }
    }

    /// Learns the id that an end calls itself by in long headers.
    pub(super) fn learn_source(&mut self, id: Id, owner: Role, index: &mut Index) {
        self.id_lengths[owner.index()].get_or_insert(id.len());
        self.learn_id(id, owner, index);
    }

    pub(super) fn learn_token(&mut self, token: Token, owner: Role, index: &mut Index) {
        if self.tokens.contains(&token) {
            return;
        }
        index.add_token(token, self.number, owner);
        self.tokens.push_back(token);
        if self.tokens.len() > MAX_TOKENS
            && let Some(oldest) = self.tokens.pop_front()
        {
            index.remove_token(&oldest, self.number);
        }
    }

    /// Learns the addresses of the client and of the server.
    pub(super) fn learn_path(&mut self, client: SocketAddr, server: SocketAddr, index: &mut Index) {
        if self.paths.contains(&(client, server)) {
            return;
        }
        index.add_path(client, server, self.number, Role::Server);
        self.paths.push_back((client, server));
        if self.paths.len() > MAX_PATHS
            && let Some((client, server)) = self.paths.pop_front()
        {
            index.remove_path(client, server, self.number, Role::Server);
        }
    }

    /// Takes it out of the index.
    pub(super) fn unlearn(&self, index: &mut Index) {
        for owner in [Role::Client, Role::Server] {
            for id in &self.ids[owner.index()] {
                index.remove_id(*id, self.number, owner);
            }
        }
        for token in &self.tokens {
            index.remove_token(token, self.number);
        }
        for (client, server) in &self.paths {
            index.remove_path(*client, *server, self.number, Role::Server);
        }
        if let Some(random) = self.random {
            index.remove_random(random, self.number);
        }
    }

    /// Keeps a packet until its keys are there. Beyond the limit it is reported as unreadable.
    pub(super) fn wait(
        &mut self,
        packet: &Protected<'_>,
        at: At,
        candidate: Candidate,
        why: UnreadableReason,
        shared: &mut Shared<'_>,
    ) {
        let cost = packet.bytes.len() + size_of::<Waiting>();
        if self.waiting.len() >= MAX_WAITING || !shared.budget.take(&mut self.share, cost) {
            let by = Some(candidate.receiver.peer());
            unreadable(Some(self.number), at, by, why, false, shared);
            return;
        }
        self.waiting.push(Waiting {
            at,
            level: packet.level,
            bytes: packet.bytes.to_vec(),
            long: packet.long,
            why,
            candidate,
        });
    }

    /// The packets that wait, which then wait no more.
    pub(super) fn take_waiting(&mut self, budget: &mut Budget) -> Vec<Waiting> {
        let waiting = std::mem::take(&mut self.waiting);
        for it in &waiting {
            budget.give_back(&mut self.share, it.bytes.len() + size_of::<Waiting>());
        }
        waiting
    }

    /// Reports what remains open at the end of its packets.
    pub(super) fn finish(&mut self, shared: &mut Shared<'_>) {
        for it in self.take_waiting(shared.budget) {
            let by = Some(it.candidate.receiver.peer());
            unreadable(Some(self.number), it.at, by, it.why, false, shared);
        }
        let (connection, at) = (Some(self.number), self.last);
        let sink = &mut *shared.sink;
        self.streams.finish(&mut Context {
            budget: shared.budget,
            share: &mut self.share,
            tell: &mut |kind| {
                sink(&Event {
                    connection,
                    at,
                    kind,
                });
            },
        });
        for crypto in self.crypto.iter_mut().flatten() {
            crypto.assembler.clear(shared.budget, &mut self.share);
        }
    }
}

/// Counts and reports an unreadable packet.
pub(super) fn unreadable(
    connection: Option<u64>,
    at: At,
    by: Option<Role>,
    why: UnreadableReason,
    may_be_stateless_reset: bool,
    shared: &mut Shared<'_>,
) {
    shared.statistics.count(why);
    (shared.sink)(&Event {
        connection,
        at,
        kind: EventKind::Unreadable(Unreadable {
            why,
            by,
            may_be_stateless_reset,
        }),
    });
}
