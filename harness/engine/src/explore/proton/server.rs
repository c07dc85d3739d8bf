use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shakedown_protocol::proton::{
    CloseCode, IDENTIFICATION, Kind, OPERATION, Profile, RESET, SETUP, ServerSettings, Words,
};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{ConnectionNumber, Input, OnStream, Output, StreamId};

use super::judge::Found;

const SERVER: Role = Role::Responder;

/// What is known of the server.
#[derive(Debug)]
pub(super) struct ServerSide {
    settings: ServerSettings,
    connections: BTreeMap<ConnectionNumber, Served>,
    /// The last connection on which it sent something.
    served: Option<ConnectionNumber>,
    /// Whether a cable was ever pulled: then what should come may come late.
    pub(super) is_disturbed: bool,
    pub(super) counts: Counts,
}

/// What the counters must say.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) connections: u64,
    pub(super) refused: u64,
    pub(super) closed: u64,
    pub(super) ended: u64,
    pub(super) ids: u64,
    pub(super) requests: u64,
    pub(super) answers: u64,
    pub(super) items: u64,
}

/// One connection.
#[derive(Debug, Default)]
struct Served {
    connected: Option<Duration>,
    /// When it was admitted another one was there.
    is_second: bool,
    /// Its first byte was 0xFF.
    resets: bool,
    /// Another one reset it.
    is_reset: bool,
    /// It was closed by this side, or is lost.
    is_closed: bool,
    /// When it was lost: what was due then may be done before the machine takes note.
    lost: Option<Duration>,
    is_ended: bool,
    streams: BTreeMap<StreamId, Talk>,
    /// When the last item was sent, or the stream was there.
    last_item: Option<Duration>,
}

/// One stream.
#[derive(Debug)]
struct Talk {
    opened: Duration,
    kind: Option<Kind>,
    resets: bool,
    heard: Words,
    said: Words,
    /// What was asked and not answered.
    asked: VecDeque<(Duration, u32)>,
    /// Since when a write is not taken.
    writes: Option<Duration>,
}

impl ServerSide {
    pub(super) fn new(settings: ServerSettings) -> Self {
        Self {
            settings,
            connections: BTreeMap::new(),
            served: None,
            is_disturbed: false,
            counts: Counts::default(),
        }
    }

    pub(super) fn input(&mut self, now: Duration, input: &Input<'_>, found: &mut Found) {
        self.look(now, found);
        match *input {
            Input::Incoming { connection, .. } => {
                let there = self.connections.values();
                let is_second = there.filter(|one| one.has_the_place()).count() > 0
                    || now < self.settings.startup_delay;
                let new = Served {
                    is_second,
                    ..Served::default()
                };
                self.connections.insert(connection, new);
            }
            Input::Connected { connection } => {
                if let Some(one) = self.connections.get_mut(&connection) {
                    one.connected = Some(now);
                    self.counts.connections += 1;
                }
            }
            Input::Stream {
                connection,
                stream,
                what,
            } => self.on_stream(now, connection, stream, what),
            Input::Closed { connection, .. } => {
                self.counts.ended += 1;
                if let Some(one) = self.connections.get_mut(&connection) {
                    one.is_closed = true;
                    one.lost = Some(now);
                }
            }
            Input::Datagram { .. } | Input::Tick | Input::Stop => {}
        }
    }

    fn on_stream(
        &mut self,
        now: Duration,
        connection: ConnectionNumber,
        id: StreamId,
        what: OnStream<'_>,
    ) {
        let Some(one) = self.connections.get_mut(&connection) else {
            return;
        };
        let stream = one.streams.entry(id).or_insert_with(|| Talk {
            opened: now,
            kind: None,
            resets: false,
            heard: Words::default(),
            said: Words::default(),
            asked: VecDeque::new(),
            writes: None,
        });
        let mut bytes = match what {
            OnStream::Bytes(bytes) => bytes,
            OnStream::Written => {
                stream.writes = None;
                if stream.kind == Some(Kind::Action) {
                    one.last_item = Some(now);
                }
                return;
            }
            OnStream::Opened | OnStream::Fin | OnStream::Reset(_) | OnStream::Stopped(_) => return,
        };
        if let (None, false, Some((first, rest))) =
            (stream.kind, stream.resets, bytes.split_first())
        {
            stream.kind = Kind::from_number(*first);
            stream.resets = *first == RESET;
            if stream.kind == Some(Kind::Action) {
                one.last_item = Some(now);
            }
            bytes = rest;
        }
        let is_reset = stream.resets && one.is_second && !one.resets;
        one.resets |= stream.resets;
        if one.is_second && !one.resets {
            return; // It is about to be closed for this.
        }
        let before = stream.asked.len();
        let asked = &mut stream.asked;
        stream
            .heard
            .take(bytes, |word| asked.push_back((now, word)));
        let new = (stream.asked.len() - before) as u64;
        match stream.kind {
            Some(Kind::Event) => self.counts.ids += new,
            Some(Kind::StateCommit) => self.counts.requests += new,
            Some(Kind::Action) | None => {}
        }
        if is_reset {
            let others = self.connections.iter_mut();
            let others =
                others.filter(|(number, other)| **number != connection && other.has_the_place());
            for (_, other) in others {
                other.is_reset = true;
            }
        }
    }

    pub(super) fn output(&mut self, now: Duration, output: &Output, found: &mut Found) {
        match output {
            Output::Admit(_)
            | Output::Connect(_)
            | Output::ConnectBy(..)
            | Output::Open(..)
            | Output::Fin(..)
            | Output::Reset(..)
            | Output::StopSending(..)
            | Output::Datagram(..)
            | Output::Misbehave(..)
            | Output::AdmitBy(..)
            | Output::Transition { .. } => {}
            Output::Refuse(connection) => {
                self.counts.refused += 1;
                self.connections.remove(connection);
                self.refuses(now, found);
            }
            Output::Write(connection, stream, bytes) => {
                self.writes(now, *connection, *stream, bytes, found);
            }
            Output::Close {
                connection, code, ..
            } => {
                self.counts.closed += 1;
                self.closes(now, *connection, *code, found);
            }
            Output::Ended { connection, .. } => {
                let Some(one) = self.connections.get_mut(connection) else {
                    return;
                };
                if one.is_ended {
                    found.add("PR-R-03", SERVER, now, "a connection ends twice");
                }
                if !one.is_closed {
                    found.add("PR-R-03", SERVER, now, "a connection ends that goes on");
                }
                one.is_ended = true;
            }
        }
    }

    /// A connection may be refused in its handshake where there is one already, and none that may
    /// still reset it, or while the server waits after its start.
    fn refuses(&self, now: Duration, found: &mut Found) {
        let there = || self.connections.values().filter(|one| !one.is_ended);
        let has_client = there().any(Served::has_the_place);
        let has_second = there().any(|one| !one.has_the_place());
        if now < self.settings.startup_delay {
            return;
        }
        if !has_client {
            let property = "it refuses a connection, and has no other";
            found.add("PR-C-02", SERVER, now, property);
        } else if self.settings.resets && !has_second {
            let property = "it refuses a connection that may be one that resets";
            found.add("PR-R-01", SERVER, now, property);
        }
    }

    fn closes(&mut self, now: Duration, number: ConnectionNumber, code: u64, found: &mut Found) {
        let is_disturbed = self.is_disturbed;
        let Some(one) = self.connections.get_mut(&number) else {
            return;
        };
        if one.is_closed && one.lost != Some(now) {
            found.add(
                "PR-R-03",
                SERVER,
                now,
                "it closes a connection that is over",
            );
        }
        one.is_closed = true;
        let resets = self.settings.resets;
        let waits = |stream: &Talk| stream.writes.is_some_and(|since| since + OPERATION <= now);
        let has_reason = match CloseCode::from_number(code) {
            // 0xFF means nothing to a server without reset.
            Some(CloseCode::IdentificationFailed) => !resets && one.resets,
            Some(CloseCode::SetupTimeout) => is_disturbed,
            Some(CloseCode::OperationTimeout) => one.streams.values().any(waits),
            Some(CloseCode::AlreadyConnected) => one.is_second && !one.resets,
            Some(CloseCode::ResetByClient) => one.is_reset,
            Some(CloseCode::Normal | CloseCode::AcceptFailed | CloseCode::ProtocolViolation)
            | None => false,
        };
        if !has_reason {
            let property =
                format!("it closes with code {code} a connection on which nothing is wrong");
            found.add("PR-C-03", SERVER, now, property);
        }
    }

    fn writes(
        &mut self,
        now: Duration,
        number: ConnectionNumber,
        id: StreamId,
        bytes: &[u8],
        found: &mut Found,
    ) {
        let before = self.served.filter(|before| *before != number);
        let before = before.and_then(|before| self.connections.get(&before));
        if before.is_some_and(|before| !before.is_ended) {
            found.add("PR-C-01", SERVER, now, "two connections are served");
        }
        self.served = Some(number);
        let profile = self.settings.profile;
        let Some(one) = self.connections.get_mut(&number) else {
            return;
        };
        if one.is_ended || (one.is_closed && one.lost != Some(now)) {
            found.add(
                "PR-R-03",
                SERVER,
                now,
                "it writes on a connection that is over",
            );
            return;
        }
        let Some(stream) = one.streams.get_mut(&id) else {
            return;
        };
        stream.writes.get_or_insert(now);
        let mut said = Vec::new();
        stream.said.take(bytes, |word| said.push(word));
        for word in said {
            match stream.kind {
                Some(Kind::Event) => {
                    let due = stream.asked.pop_front().map(|(_, id)| id);
                    if due != Some(word) {
                        let property = format!("it acks {word} where {due:?} is due");
                        found.add("PR-E-01", SERVER, now, property);
                    }
                }
                Some(Kind::StateCommit) => {
                    self.counts.answers += 1;
                    let due = stream.asked.pop_front();
                    let due = due.map(|(_, request)| request.wrapping_mul(2));
                    if due != Some(word) {
                        let property = format!("it answers {word} where {due:?} is due");
                        found.add("PR-K-01", SERVER, now, property);
                    }
                }
                Some(Kind::Action) => {
                    self.counts.items += 1;
                    one.last_item = Some(now);
                    if profile == Profile::Pull && stream.asked.pop_front().is_none() {
                        let property = format!("item {word} was not asked for");
                        found.add("PR-A-01", SERVER, now, property);
                    }
                }
                None => {
                    let property = "it writes on a stream that did not say which it is";
                    found.add("PR-C-03", SERVER, now, property);
                }
            }
        }
    }

    /// Whether nothing that must have happened by now has not.
    pub(super) fn look(&self, now: Duration, found: &mut Found) {
        for one in self.connections.values().filter(|one| !one.is_ended) {
            one.look(now, &self.settings, found);
        }
    }

    /// Connections that are closed and did not end.
    pub(super) fn finish(&self, now: Duration, found: &mut Found) {
        if self.connections.values().any(|one| !one.is_ended) {
            found.add("PR-C-02", SERVER, now, "something is left of a connection");
        }
    }
}

impl Served {
    /// Whether it is the one connection, and not one that may become it.
    const fn has_the_place(&self) -> bool {
        !self.is_ended && (!self.is_second || self.resets)
    }

    fn look(&self, now: Duration, settings: &ServerSettings, found: &mut Found) {
        let over = |since: Option<Duration>, limit: Duration| {
            since.is_some_and(|since| since.saturating_add(limit) < now)
        };
        let mut broken = |requirement: &str, property: &str| {
            found.add(requirement, SERVER, now, property);
        };
        if self.is_closed {
            return broken("PR-R-03", "a connection that is over does not end");
        }
        let waits = self.is_second && !self.resets;
        if waits && over(self.connected, IDENTIFICATION) {
            return broken("PR-R-02", "a second connection is not closed after 1 s");
        }
        if self.is_reset {
            return broken("PR-R-01", "a connection that was reset goes on");
        }
        if waits {
            return;
        }
        let kinds = self.streams.values().filter(|stream| stream.kind.is_some());
        if kinds.count() < 3 && over(self.connected, SETUP) {
            broken("PR-S-06", "fewer than three streams after 5 s");
        }
        for stream in self.streams.values() {
            let is_unknown = stream.kind.is_none() && !stream.resets;
            if is_unknown && over(Some(stream.opened), IDENTIFICATION) {
                broken("PR-S-05", "a stream without a first byte after 1 s");
            }
            if over(stream.writes, OPERATION) {
                broken("PR-T-04", "a write is not taken after 5 minutes");
            }
            let asked = stream.asked.front().map(|(at, _)| *at);
            let is_free = stream.writes.is_none();
            match stream.kind.filter(|_| is_free) {
                Some(Kind::Event) if over(asked, Duration::ZERO) => {
                    broken("PR-E-01", "an event is not acked");
                }
                Some(Kind::StateCommit) if over(asked, settings.commit_delay) => {
                    broken("PR-T-02", "a request is not answered when it is due");
                }
                Some(Kind::Action) => match settings.profile {
                    Profile::Pull if over(asked, Duration::ZERO) => {
                        broken("PR-A-01", "a request for an item is not answered");
                    }
                    Profile::Push if over(self.last_item, settings.action_interval * 2) => {
                        broken("PR-A-01", "items do not flow");
                    }
                    Profile::Pull | Profile::Push => {}
                },
                Some(Kind::Event | Kind::StateCommit) | None => {}
            }
        }
    }
}
