use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::plan::{Plan, Step, What};
use super::rig::{Rig, Stage};
use crate::proton::{
    IDENTIFICATION, Kind, Profile, RESET, SETUP, STARTUP_DELAY, Server, ServerSettings, Words,
};
use crate::streams::{ConnectionNumber, Input, OnStream, Output, StreamId, StreamMachine};

/// Ids and requests that a server may keep for a client that does not read.
const MOST_OWED: usize = 20_000;

/// Plays a plan for the server. The bits of the options are pull, no reset, commits of four minutes,
/// the startup delay, many items, and a wild owner (128).
pub(super) fn run(bytes: &[u8]) {
    let plan = Plan::read(bytes);
    let settings = settings(&plan);
    let mut rig = Rig::new(Server::new(settings.clone()), plan.is_on(128));
    let mut known = Known {
        settings,
        clients: BTreeMap::new(),
    };
    for step in &plan.steps {
        let connection = ConnectionNumber(step.connection.into());
        let stream = StreamId(step.stream.into());
        let code = u64::from(step.number());
        let outputs = match step.what {
            What::Bytes => known.says(&mut rig, connection, stream, step.bytes),
            What::Sense => {
                let bytes = known.sense(connection, stream, step);
                known.says(&mut rig, connection, stream, &bytes)
            }
            What::Wait => rig.wait(step.time()),
            What::Deadline | What::Command => rig.wait_for_deadline(),
            What::Asked => rig.incoming(connection),
            What::Connected => rig.connected(connection),
            What::Opened => rig.on_stream(connection, stream, OnStream::Opened),
            What::Fin => rig.on_stream(connection, stream, OnStream::Fin),
            What::Reset => rig.on_stream(connection, stream, OnStream::Reset(code)),
            What::Stopped => rig.on_stream(connection, stream, OnStream::Stopped(code)),
            What::Written => rig.on_stream(connection, stream, OnStream::Written),
            What::Datagram => rig.datagram(connection, step.bytes),
            What::Closed => rig.closed(connection, step),
            What::Stop => {
                let outputs = rig.give(Input::Stop);
                assert!(rig.machine.is_finished(), "it goes on after a stop");
                outputs
            }
        };
        if !plan.is_on(128) {
            known.check(&mut rig, &outputs);
        }
    }
    rig.check_counters();
    rig.give(Input::Stop);
    assert_eq!(rig.machine.deadline(), None, "it is over and waits");
}

fn settings(plan: &Plan<'_>) -> ServerSettings {
    let when = |bit: u8, time: Duration| match plan.is_on(bit) {
        true => time,
        false => Duration::ZERO,
    };
    ServerSettings {
        profile: match plan.is_on(1) {
            true => Profile::Pull,
            false => Profile::Push,
        },
        resets: !plan.is_on(2),
        commit_delay: when(4, Duration::from_secs(240)),
        startup_delay: when(8, STARTUP_DELAY),
        action_interval: match plan.is_on(16) {
            true => Duration::from_millis(10),
            false => Duration::from_secs(1),
        },
        ..ServerSettings::default()
    }
}

/// What the clients said, and what the server owes them.
struct Known {
    settings: ServerSettings,
    clients: BTreeMap<ConnectionNumber, Client>,
}

#[derive(Default)]
struct Client {
    connected: Option<Duration>,
    streams: BTreeMap<StreamId, Talk>,
    /// Something was written to it.
    is_served: bool,
    /// It said what is wrong, and must be closed.
    is_wrong: bool,
}

#[derive(Default)]
struct Talk {
    kind: Option<Kind>,
    resets: bool,
    words: Words,
    last: u32,
    /// What must be written, and from when on.
    owed: VecDeque<(Duration, Option<u32>)>,
}

impl Known {
    /// Bytes reach the server, if they may.
    fn says(
        &mut self,
        rig: &mut Rig<Server>,
        connection: ConnectionNumber,
        stream: StreamId,
        bytes: &[u8],
    ) -> Vec<Output> {
        let lane = rig.links.get(&connection);
        let lane = lane.and_then(|link| link.streams.get(&stream));
        let may_be = rig.has(connection, Stage::Connected)
            && lane.is_none_or(|lane| !lane.is_silent)
            && rig.machine.reads(connection, stream);
        if !may_be || bytes.is_empty() {
            return Vec::new();
        }
        let client = self.clients.entry(connection).or_default();
        client.says(rig.now, stream, bytes, &self.settings);
        rig.on_stream(connection, stream, OnStream::Bytes(bytes))
    }

    /// What a good client would say there.
    fn sense(
        &mut self,
        connection: ConnectionNumber,
        stream: StreamId,
        step: &Step<'_>,
    ) -> Vec<u8> {
        let client = self.clients.entry(connection).or_default();
        let missing = |kind: &Kind| client.streams.values().all(|one| one.kind != Some(*kind));
        let next = Kind::ALL.into_iter().find(missing);
        match client.streams.get(&stream) {
            Some(Talk {
                kind: Some(kind),
                last,
                ..
            }) => match kind {
                Kind::Event => last
                    .saturating_add(1 + step.number() % 4)
                    .to_le_bytes()
                    .to_vec(),
                Kind::StateCommit | Kind::Action => step.number().to_le_bytes().to_vec(),
            },
            Some(_) | None => vec![next.map_or(RESET, Kind::number)],
        }
    }

    fn check(&mut self, rig: &mut Rig<Server>, outputs: &[Output]) {
        for output in outputs {
            if let Output::Write(connection, ..) = output {
                for (other, client) in &self.clients {
                    let lives = rig
                        .links
                        .get(other)
                        .is_some_and(|link| link.stage != Stage::Over);
                    let both = client.is_served && lives && other != connection;
                    assert!(!both, "PR-C-01: {other:?} and {connection:?} are served");
                }
                self.clients.entry(*connection).or_default().is_served = true;
            }
        }
        for (number, link) in &mut rig.links {
            let client = self.clients.entry(*number).or_default();
            for (id, lane) in &mut link.streams {
                let talk = client.streams.entry(*id).or_default();
                while lane.written.len() >= 4 {
                    let word: Vec<u8> = lane.written.drain(..4).collect();
                    talk.hears(rig.now, &word);
                }
                assert!(talk.owed.len() <= MOST_OWED, "it takes all and keeps it");
                let is_owed = talk.owed.front().is_some_and(|(due, _)| *due <= rig.now);
                let is_free = lane.waiting == 0 && link.stage == Stage::Connected;
                assert!(
                    !(is_owed && is_free),
                    "{id:?} of {number:?}: nothing is written"
                );
            }
            if link.stage != Stage::Connected {
                continue;
            }
            assert!(!client.is_wrong, "{number:?} broke a rule and goes on");
            let since = *client.connected.get_or_insert(rig.now);
            let kinds = client.streams.values().filter(|talk| talk.kind.is_some());
            let is_set_up = kinds.count() == 3 || rig.now < since + SETUP;
            assert!(is_set_up, "PR-S-06: {number:?} goes on");
            let waits = client.streams.is_empty() || client.is_served;
            assert!(waits || rig.now < since + SETUP + IDENTIFICATION || is_set_up);
        }
    }
}

impl Client {
    fn says(&mut self, now: Duration, id: StreamId, bytes: &[u8], settings: &ServerSettings) {
        let missing = |kind: Kind, streams: &BTreeMap<StreamId, Talk>| {
            streams.values().all(|talk| talk.kind != Some(kind))
        };
        let Some((first, rest)) = bytes.split_first() else {
            return;
        };
        let known = self.streams.entry(id).or_default();
        if known.resets {
            self.is_wrong = true;
            return;
        }
        let Some(kind) = known.kind else {
            match Kind::from_number(*first) {
                Some(kind) if missing(kind, &self.streams) => {
                    self.streams.entry(id).or_default().kind = Some(kind);
                }
                None if *first == RESET && settings.resets && id == StreamId::of_client(0) => {
                    self.streams.entry(id).or_default().resets = true;
                }
                Some(_) | None => {
                    self.is_wrong = true;
                    return;
                }
            }
            return self.says(now, id, rest, settings);
        };
        let mut words = Vec::new();
        known.words.take(bytes, |word| words.push(word));
        if kind == Kind::Action && settings.profile == Profile::Push {
            self.is_wrong = true;
            return;
        }
        for word in words {
            match kind {
                Kind::Event if word > known.last => {
                    known.last = word;
                    known.owed.push_back((now, Some(word)));
                }
                Kind::Event => {
                    self.is_wrong = true;
                    return;
                }
                Kind::StateCommit => {
                    let due = now + settings.commit_delay;
                    known.owed.push_back((due, Some(word.wrapping_mul(2))));
                }
                Kind::Action => known.owed.push_back((now, None)),
            }
        }
    }
}

impl Talk {
    /// The server wrote a u32.
    fn hears(&mut self, now: Duration, word: &[u8]) {
        let word = word
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        match self.owed.pop_front() {
            Some((due, owed)) => {
                assert!(due <= now, "{word} is early");
                assert!(owed.is_none_or(|owed| owed == word), "{word} for {owed:?}");
            }
            None => assert_eq!(self.kind, Some(Kind::Action), "{word} for nothing"),
        }
    }
}
