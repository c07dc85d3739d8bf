use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::due::Due;
use super::ledger::{Act, Ledger, Say};
use super::talk::{Talk, Word};
use super::{Code, Kind, Words};
use crate::monitor::{NetworkCounts, Session, Vantage};
use crate::proton::{IDENTIFICATION, OPERATION, RESET, SETUP};
use crate::requirement::Role;
use crate::{MonitorSettings, proton};

/// How soon a close follows what it is for (PR-C-03).
const PROMPT: Duration = Duration::from_secs(1);

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

    #[expect(clippy::too_many_arguments, reason = "each says another thing")]
    pub(super) fn owe(
        &mut self,
        requirement: &'static str,
        party: Role,
        at: At,
        limit: Duration,
        codes: &'static [u64],
        refusable: bool,
        why: String,
        settings: &MonitorSettings,
    ) {
        if self.dues.len() < MOST_STREAMS {
            self.dues.push(Due {
                requirement,
                party,
                packet: at.packet,
                until: at.time + late(limit + PROMPT, settings),
                codes,
                refusable,
                why,
            });
        }
    }

    pub(super) fn opened(
        &mut self,
        stream: u64,
        by: Role,
        unidirectional: bool,
        at: At,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) {
        if unidirectional {
            self.not_admitted(by, at, "a unidirectional stream", settings, say);
            return;
        }
        if by == Role::Responder {
            let act = self.act(by, at);
            let expected = "streams opened by the client alone";
            let got = format!("stream {stream} opened by the server");
            self.ledger.doubt("PR-S-01", act, expected, got, say);
            return;
        }
        let ordinary = self.streams.values().filter(|one| !one.resets).count();
        let surplus = ordinary >= 3;
        if self.streams.len() < MOST_STREAMS {
            let new = Stream {
                opened: at,
                kind: None,
                resets: false,
                void: surplus,
                client_lost: false,
                client: Words::default(),
                server: Words::default(),
            };
            self.streams.insert(stream, new);
        }
        if surplus {
            // PR-S-01, PR-S-04
            let act = self.act(by, at);
            let got = format!("stream {stream} as the fourth");
            self.ledger
                .breach("PR-S-01", act, "three streams", got, say);
            let why = "there is a fourth stream".to_owned();
            let peer = Role::Responder;
            self.owe(
                "PR-S-04",
                peer,
                at,
                Duration::ZERO,
                &[1],
                true,
                why,
                settings,
            );
        }
    }

    /// PR-S-07
    pub(super) fn not_admitted(
        &mut self,
        by: Role,
        at: At,
        what: &str,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) {
        let act = self.act(by, at);
        let expected = "bidirectional streams alone";
        self.ledger.breach("PR-S-07", act, expected, what, say);
        let why = format!("{what} came");
        let peer = by.peer();
        self.owe(
            "PR-S-07",
            peer,
            at,
            Duration::ZERO,
            &[5],
            true,
            why,
            settings,
        );
    }

    pub(super) fn bytes(
        &mut self,
        id: u64,
        by: Role,
        bytes: &[u8],
        at: At,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) {
        let rest = match by {
            Role::Initiator => self.name(id, bytes, at, settings, say),
            Role::Responder => bytes,
        };
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.void) else {
            return;
        };
        let Some(kind) = stream.kind else {
            return;
        };
        if rest.is_empty() {
            return;
        }
        let mut words = Vec::new();
        match by {
            Role::Initiator => stream.client.take(rest, |word| words.push(word)),
            Role::Responder => stream.server.take(rest, |word| words.push(word)),
        }
        if (kind, by) == (Kind::Action, Role::Initiator) {
            self.asked_for_items(at, settings);
        }
        self.words += words.len() as u64;
        for value in words {
            let word = Word {
                value,
                packet: at.packet,
                time: at.time,
            };
            match (kind, by) {
                (Kind::Event, Role::Initiator) => self.id(word, settings, say),
                (Kind::Event, Role::Responder) => self.ack(word, settings, say),
                (Kind::StateCommit, Role::Initiator) => {
                    let _ = self.commit.ask(word);
                }
                (Kind::StateCommit, Role::Responder) => {
                    let _ = self.commit.answer(word);
                    self.ledger.judge("PR-K-01");
                }
                (Kind::Action, Role::Initiator) => {
                    let _ = self.action.ask(word);
                }
                (Kind::Action, Role::Responder) => {
                    self.items += 1;
                    let _ = self.action.answer(word);
                    self.ledger.judge("PR-A-01");
                }
            }
        }
    }

    /// Takes the byte that says what a stream is; gives what follows it.
    fn name<'b>(
        &mut self,
        id: u64,
        bytes: &'b [u8],
        at: At,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) -> &'b [u8] {
        let Some(stream) = self.streams.get_mut(&id) else {
            return &[];
        };
        if stream.void || stream.kind.is_some() {
            return bytes;
        }
        let Some((&byte, rest)) = bytes.split_first() else {
            return bytes;
        };
        if id == 0 {
            self.spoke = true;
        }
        if stream.resets {
            // What follows 0xFF on its stream is left open; the byte of a kind may.
            let kind = Kind::from_discriminator(byte);
            stream.kind = kind.filter(|kind| self.named.insert(*kind));
            stream.void = stream.kind.is_none();
            return rest;
        }
        if byte == RESET && id == 0 {
            stream.resets = true;
            self.reset = true;
            return self.name_after_reset(id, rest, at, settings, say);
        }
        match Kind::from_discriminator(byte) {
            Some(kind) if self.named.insert(kind) => {
                stream.kind = Some(kind);
                if self.named.len() == 3 {
                    self.ledger.judge("PR-S-01");
                }
                return rest;
            }
            known => {
                stream.void = true;
                let (requirement, why) = match known {
                    Some(kind) => (
                        "PR-S-04",
                        format!("there is a second {} stream", kind.name()),
                    ),
                    None => ("PR-S-03", format!("{byte:#04x} names no stream")),
                };
                let act = self.act(Role::Initiator, at);
                let expected = "one stream of each kind: 1, 2 and 3";
                let got = format!("{byte:#04x} as the first byte of stream {id}");
                self.ledger.breach("PR-S-01", act, expected, got, say);
                let server = Role::Responder;
                let refusable = requirement == "PR-S-04";
                self.owe(
                    requirement,
                    server,
                    at,
                    Duration::ZERO,
                    &[1],
                    refusable,
                    why,
                    settings,
                );
            }
        }
        rest
    }

    fn name_after_reset<'b>(
        &mut self,
        id: u64,
        rest: &'b [u8],
        at: At,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) -> &'b [u8] {
        match rest.is_empty() {
            true => rest,
            false => self.name(id, rest, at, settings, say),
        }
    }

    /// PR-E-02, PR-E-04, PR-E-05
    fn id(&mut self, word: Word, settings: &MonitorSettings, say: Say<'_>) {
        if self.refused_id.is_some() {
            return;
        }
        let at = At {
            packet: word.packet,
            time: word.time,
        };
        let (id, last) = (word.value, self.last_id);
        self.first_id = self.first_id.or(Some(word));
        self.ledger.judge("PR-E-04");
        if id > last {
            self.last_id = id;
            if let Some((asked, answer)) = self.event.ask(word) {
                let of = |due: &Due| due.requirement == "PR-E-03" && due.packet == answer.packet;
                self.dues.retain(|due| !of(due));
                self.compare(asked, answer, settings, say);
            }
            return;
        }
        self.refused_id = Some(id);
        let act = self.act(Role::Initiator, at);
        let requirement = match last {
            u32::MAX => "PR-E-05",
            _ => "PR-E-04",
        };
        let expected = match last {
            u32::MAX => "no id after the largest one".to_owned(),
            _ => format!("an id above {last}"),
        };
        self.ledger
            .breach(requirement, act, expected, format!("{id}"), say);
        let why = format!("id {id} is not above {last}");
        let server = Role::Responder;
        self.owe(
            "PR-E-02",
            server,
            at,
            Duration::ZERO,
            &[5],
            false,
            why,
            settings,
        );
    }

    fn ack(&mut self, word: Word, settings: &MonitorSettings, say: Say<'_>) {
        let at = At {
            packet: word.packet,
            time: word.time,
        };
        if self.event.asked.is_empty() && self.refused_id == Some(word.value) {
            let act = self.act(Role::Responder, at);
            let got = format!("an ack of {}", word.value);
            self.ledger.breach(
                "PR-E-02",
                act,
                "no ack of an id that does not rise",
                got,
                say,
            );
            self.event.over = true;
            return;
        }
        if let Some((asked, answer)) = self.event.answer(word) {
            self.compare(asked, answer, settings, say);
        } else if !self.event.over {
            let why = format!("an ack of {} came, and no id waits", word.value);
            self.wrong_ack(at, why, settings);
        }
    }

    /// PR-E-01
    fn compare(&mut self, asked: Word, answer: Word, settings: &MonitorSettings, say: Say<'_>) {
        self.ledger.judge("PR-E-01");
        if asked.value == answer.value {
            return;
        }
        let at = At {
            packet: answer.packet,
            time: answer.time,
        };
        let act = self.act(Role::Responder, at);
        let (expected, got) = (
            format!("an ack of {}", asked.value),
            answer.value.to_string(),
        );
        self.ledger.breach("PR-E-01", act, expected, got, say);
        self.event.over = true;
        let why = format!("the ack of {} says {}", asked.value, answer.value);
        self.wrong_ack(at, why, settings);
    }

    /// PR-E-03
    fn wrong_ack(&mut self, at: At, why: String, settings: &MonitorSettings) {
        let client = Role::Initiator;
        self.owe(
            "PR-E-03",
            client,
            at,
            Duration::ZERO,
            &[5],
            false,
            why,
            settings,
        );
    }

    /// PR-A-02: the profile is what was told, or push if two items came before any request.
    fn asked_for_items(&mut self, at: At, settings: &MonitorSettings) {
        if self.mode(settings) == "push" && !self.asks {
            let why = "the client sends on the Action stream of profile push".to_owned();
            let server = Role::Responder;
            self.owe(
                "PR-A-02",
                server,
                at,
                Duration::ZERO,
                &[5],
                false,
                why,
                settings,
            );
        }
        self.asks = true;
    }

    pub(super) fn mode(&self, settings: &MonitorSettings) -> &'static str {
        match settings.mode.as_deref() {
            Some("push") => "push",
            Some("pull") => "pull",
            Some(_) | None if self.asks => "pull",
            Some(_) | None if self.items >= 2 => "push",
            Some(_) | None => "unknown",
        }
    }

    /// PR-S-08, PR-A-03
    pub(super) fn fin(&mut self, id: u64, by: Role, at: At, settings: &MonitorSettings) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if stream.void || stream.resets {
            return;
        }
        let pending = match by {
            Role::Initiator => stream.client.pending(),
            Role::Responder => stream.server.pending(),
        };
        let (requirement, codes): (_, &'static [u64]) = match (stream.kind, by, pending) {
            (Some(Kind::Action), Role::Responder, 1..) => ("PR-A-03", &[5]),
            (Some(_), Role::Initiator, 0) => ("PR-S-08", &[0]),
            (Some(_), _, 1..) => ("PR-S-08", &[5]),
            (Some(_), Role::Responder, 0) | (None, _, _) => ("PR-S-08", &[]),
        };
        let name = stream.kind.map_or("unnamed", Kind::name);
        let why = match pending {
            0 => format!("the {name} stream ended"),
            _ => format!("the {name} stream ended in the middle of a u32"),
        };
        let peer = by.peer();
        self.owe(
            requirement,
            peer,
            at,
            Duration::ZERO,
            codes,
            false,
            why,
            settings,
        );
    }

    /// PR-S-08
    pub(super) fn broken(&mut self, id: u64, by: Role, at: At, settings: &MonitorSettings) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if !stream.void && !stream.resets {
            let why = format!(
                "the {by} broke off stream {id}",
                by = proton::SPECIFICATION.side(by)
            );
            let peer = by.peer();
            self.owe(
                "PR-S-08",
                peer,
                at,
                Duration::ZERO,
                &[],
                false,
                why,
                settings,
            );
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

    /// A packet of a side, and with it what its time shows.
    pub(super) fn packet(&mut self, by: Role, at: At, settings: &MonitorSettings, say: Say<'_>) {
        self.packets += 1;
        let last = &mut self.last[index(by)];
        *last = (*last).max(Some(at.time));
        if self.closed.is_some() {
            return;
        }
        self.arm(at.time, settings);
        let overdue = |due: &Due| due.party == by && at.time > due.until;
        let broken: Vec<_> = self
            .dues
            .iter()
            .filter(|due| overdue(due))
            .cloned()
            .collect();
        self.dues.retain(|due| !overdue(due));
        let act = self.act(by, at);
        for due in broken {
            let got = format!("it goes on after packet {}", due.packet);
            if self.unreadable || self.incomplete {
                self.ledger
                    .doubt(due.requirement, act, due.wanted(), got, say);
            } else {
                self.ledger
                    .breach(due.requirement, act, due.wanted(), got, say);
            }
        }
        self.vanished(by, at, settings, say);
    }

    /// PR-C-05: the idle timer begins again with the first packet that is sent after one that came,
    /// which keep-alive sends a second later.
    fn vanished(&mut self, by: Role, at: At, settings: &MonitorSettings, say: Say<'_>) {
        let gone = proton::IDLE_TIMEOUT + proton::KEEP_ALIVE;
        let [Some(client), Some(_)] = self.last else {
            return;
        };
        if by == Role::Responder && at.time > client + late(gone, settings) && !self.unreadable {
            let act = self.act(by, at);
            let silent = at.time.saturating_sub(client).as_secs_f64();
            let got = format!("a packet {silent:.1} s after the client's last one");
            let expected = "a client that is silent given up after 5 s";
            self.ledger.breach("PR-C-05", act, expected, got, say);
        }
    }

    /// What is owed because time has passed: PR-S-05, PR-S-06, PR-T-01.
    fn arm(&mut self, now: Duration, settings: &MonitorSettings) {
        let mut owed = Vec::new();
        for (id, stream) in &self.streams {
            let waits = stream.kind.is_none() && !stream.resets && !stream.void;
            if waits && !stream.client_lost && now > stream.opened.time + IDENTIFICATION {
                let why = format!("stream {id} did not say within 1 s which it is");
                owed.push((
                    "PR-S-05",
                    Role::Responder,
                    stream.opened,
                    IDENTIFICATION,
                    why,
                ));
            }
        }
        if let Some(agreed) = self.agreed
            && self.named.len() < 3
            && !self.incomplete
            && now > agreed + SETUP
        {
            let at = At {
                packet: self.first.packet,
                time: agreed,
            };
            let why = "three streams were not there within 5 s".to_owned();
            owed.push(("PR-S-06", Role::Responder, at, SETUP, why));
        }
        for (talk, what) in [(&self.event, "event"), (&self.commit, "commit")] {
            if let Some(word) = talk.asked.front().filter(|_| !talk.over)
                && now > word.time + OPERATION
            {
                let at = At {
                    packet: word.packet,
                    time: word.time,
                };
                let why = format!("{what} {} had no answer within 5 min", word.value);
                owed.push(("PR-T-01", Role::Initiator, at, OPERATION, why));
            }
        }
        for (requirement, party, at, limit, why) in owed {
            if self.armed.len() < MOST_STREAMS && self.armed.insert((requirement, at.packet)) {
                let codes: &'static [u64] = match requirement {
                    "PR-T-01" => &[4],
                    _ => &[3],
                };
                self.owe(requirement, party, at, limit, codes, false, why, settings);
            }
        }
    }

    pub(super) fn close(
        &mut self,
        by: Role,
        code: Code,
        at: At,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) {
        if self.closed.is_some() {
            return;
        }
        self.arm(at.time, settings);
        self.closed = Some((by, code));
        let dues = std::mem::take(&mut self.dues);
        let mine: Vec<_> = dues.iter().filter(|due| due.party == by).collect();
        let act = self.act(by, at);
        if mine.iter().any(|due| due.is_met(code)) {
            for due in mine {
                self.ledger.judge(due.requirement);
            }
            self.ledger.judge("PR-C-03");
            return;
        }
        let Code::Application(number) = code else {
            return;
        };
        if let Some(due) = mine.first() {
            let others =
                (number == 7 && self.superseded) || (number == 6 && self.second_of.is_some());
            let timed = number == 4 && self.waits();
            if others || timed {
                return;
            }
            // A client may end at any time, before it has seen what is wrong.
            if self.incomplete || self.unreadable || (by == Role::Initiator && number == 0) {
                self.ledger
                    .doubt(due.requirement, act, due.wanted(), code.to_string(), say);
            } else {
                self.ledger
                    .breach(due.requirement, act, due.wanted(), code.to_string(), say);
            }
        } else if number > 7 {
            let expected = "a close code from 0 to 7";
            self.ledger
                .breach("PR-C-03", act, expected, code.to_string(), say);
        } else if self.is_unexplained(by, number) {
            let expected = "what the code is for, before it";
            self.ledger
                .doubt("PR-C-03", act, expected, code.to_string(), say);
        }
    }

    fn waits(&self) -> bool {
        [&self.event, &self.commit, &self.action]
            .iter()
            .any(|talk| !talk.asked.is_empty())
    }

    /// Whether nothing that was seen is a reason for this code.
    fn is_unexplained(&self, by: Role, number: u64) -> bool {
        match (by, number) {
            (_, 1 | 3) => self.named.len() == 3,
            (_, 4) => !self.waits() && self.named.len() == 3,
            (_, 5) => !self.asks,
            (Role::Responder, 6) => self.second_of.is_none(),
            (Role::Responder, 7) => !self.superseded,
            (_, _) => false,
        }
    }

    /// What shows only at the end, and what the session was.
    pub(super) fn end(mut self, settings: &MonitorSettings, say: Say<'_>) -> Option<Session> {
        if self.foreign || !(self.offered || self.agreed.is_some()) {
            return None;
        }
        if self.blind && self.agreed.is_none() {
            let act = self.act(Role::Initiator, self.first);
            for requirement in ["PR-C-06", "PR-E-04", "PR-S-01"] {
                let (expected, got) = ("its secrets", "no secrets in the capture");
                self.ledger.doubt(requirement, act, expected, got, say);
            }
        }
        self.surplus("PR-E-01", &self.event.clone(), "an ack for each id", say);
        self.surplus(
            "PR-K-01",
            &self.commit.clone(),
            "an answer for each request",
            say,
        );
        if self.asks && settings.mode.as_deref() == Some("pull") {
            self.surplus(
                "PR-A-01",
                &self.action.clone(),
                "an item for each request",
                say,
            );
        }
        Some(Session {
            protocol: "proton",
            mode: self.mode(settings),
            initiator: self.client,
            responder: self.server,
            connection_id: None,
            frames: self.words,
            datagrams: self.packets,
            first_packet: self.first.packet,
            network: NetworkCounts::default(),
            judged: self.ledger.judged(),
            more_breaches: self.ledger.more,
        })
    }

    /// PR-E-01, PR-K-01, PR-A-01: an answer to nothing.
    fn surplus(&mut self, requirement: &'static str, talk: &Talk, expected: &str, say: Say<'_>) {
        let Some(word) = talk.early.front().filter(|_| !talk.over) else {
            return;
        };
        let at = At {
            packet: word.packet,
            time: word.time,
        };
        let act = self.act(Role::Responder, at);
        let got = format!("{} beyond them", word.value);
        if self.incomplete || self.unreadable {
            self.ledger.doubt(requirement, act, expected, got, say);
        } else {
            self.ledger.breach(requirement, act, expected, got, say);
        }
    }
}
