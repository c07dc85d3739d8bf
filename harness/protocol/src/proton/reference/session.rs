mod deadlines;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shakedown_wire::planted;

use super::super::{CloseCode, Kind, RESET, U32Reader};
use super::CloseReason;
use super::counters::Counters;
use super::deviation::{Deviation, Deviations};
use super::settings::{Profile, ServerSettings};
use crate::sending::Sending;
use crate::streams::{ConnectionNumber, Output, StreamId, StreamUpdate};

/// StateCommit requests that may wait for their answers; past that the oldest is answered at once. What is not read
/// waits too, and its answer is due from when it was sent.
const MOST_COMMITS: usize = 1_024;

/// A server's side of one connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: ConnectionNumber,
    without: Deviations,
    /// When the handshake was done, if it was.
    connected: Option<Duration>,
    streams: BTreeMap<StreamId, Stream>,
    last_event: u32,
    /// Answers and when they are due, in the order of their requests.
    commits: VecDeque<(Duration, u32)>,
    next_item: u32,
    /// In push, when the next item is due.
    item_due: Option<Duration>,
}

#[derive(Debug)]
struct Stream {
    opened: Duration,
    purpose: Purpose,
    words: U32Reader,
    /// Since when a u32 has been incomplete.
    incomplete: Option<Duration>,
    sending: Sending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// It did not say yet.
    Unknown,
    /// It reset the connection before this one.
    Reset,
    Of(Kind),
}

/// Where a session's doings go.
pub(super) struct Context<'a> {
    pub(super) settings: &'a ServerSettings,
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) counters: &'a mut Counters,
}

impl Session {
    pub(super) fn new(
        connection: ConnectionNumber,
        settings: &ServerSettings,
        without: Deviations,
    ) -> Self {
        Self {
            connection,
            without,
            connected: None,
            streams: BTreeMap::new(),
            last_event: 0,
            commits: VecDeque::new(),
            next_item: settings.first_action,
            item_due: None,
        }
    }

    /// The handshake is done.
    pub(super) fn connect(&mut self, now: Duration) {
        self.connected.get_or_insert(now);
    }

    /// Whether a StateCommit request is being worked on.
    pub(super) fn works(&self) -> bool {
        !self.commits.is_empty()
    }

    /// Goes on where another session is, as only a faulty twin does.
    pub(super) const fn take_over(&mut self, old: &Self) {
        self.last_event = old.last_event;
    }

    /// A second connection comes, which only a faulty twin's session minds.
    pub(super) fn another_comes(&mut self) {
        if self.without.has(Deviation::SecondClearsIds) {
            self.last_event = 0;
        }
        if self.without.has(Deviation::SecondDropsCommits) {
            self.commits.clear();
        }
    }

    /// Its state in words.
    pub(super) fn state(&self) -> &'static str {
        match (self.connected, self.has_all()) {
            (None, _) => "Connecting",
            (Some(_), false) => "Identifying",
            (Some(_), true) => "Serving",
        }
    }

    fn has_all(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.of(kind).is_some())
    }

    fn of(&self, kind: Kind) -> Option<StreamId> {
        let mut streams = self.streams.iter();
        let found = streams.find(|(_, stream)| stream.purpose == Purpose::Of(kind));
        found.map(|(id, _)| *id)
    }

    /// Takes what happened on a stream. A breach must close the connection.
    pub(super) fn on_stream(
        &mut self,
        now: Duration,
        id: StreamId,
        what: StreamUpdate<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        if !self.streams.contains_key(&id) {
            self.open(now, id)?;
        }
        match what {
            StreamUpdate::Opened => Ok(()),
            StreamUpdate::Bytes(bytes) => self.read(now, id, bytes, context),
            StreamUpdate::Fin => self.fin(id),
            StreamUpdate::Reset(code) => self.broken_off(id, "reset", code),
            StreamUpdate::Stopped(code) => self.broken_off(id, "stopped reading", code),
            StreamUpdate::Written => {
                self.written(now, id, context);
                Ok(())
            }
        }
    }

    fn open(&mut self, now: Duration, id: StreamId) -> Result<(), CloseReason> {
        if !id.is_bidirectional() {
            return match self.without.has(Deviation::Unidirectional) {
                true => Ok(()),
                false => Err(CloseReason::violation("a unidirectional stream")), // PR-S-07
            };
        }
        let ordinary = |stream: &&Stream| stream.purpose != Purpose::Reset;
        if self.streams.values().filter(ordinary).count() >= Kind::ALL.len()
            && !self.without.has(Deviation::SecondOfAKind)
        {
            // PR-S-04
            return Err(CloseReason::new(
                CloseCode::IdentificationFailed,
                "a fourth stream",
            ));
        }
        let stream = Stream {
            opened: now,
            purpose: Purpose::Unknown,
            words: U32Reader::default(),
            incomplete: None,
            sending: Sending::default(),
        };
        self.streams.insert(id, stream);
        Ok(())
    }

    fn read(
        &mut self,
        now: Duration,
        id: StreamId,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        let Some((first, rest)) = bytes.split_first() else {
            return Ok(());
        };
        let purpose = self.streams.get(&id).map(|stream| stream.purpose);
        match purpose {
            None => Ok(()),
            Some(Purpose::Unknown) => {
                self.identify(now, id, *first, context)?;
                self.read(now, id, rest, context)
            }
            Some(Purpose::Reset) => {
                planted::panics("bytes-after-reset", || rest.is_empty());
                Err(CloseReason::violation("bytes after the reset"))
            }
            Some(Purpose::Of(kind)) => self.take(now, id, kind, bytes, context),
        }
    }

    /// The first byte of a stream says which it is.
    fn identify(
        &mut self,
        now: Duration,
        id: StreamId,
        byte: u8,
        context: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        let failed = |why: String| CloseReason::new(CloseCode::IdentificationFailed, why);
        let may_reset = context.settings.resets
            && (id == StreamId::of_client(0) || self.without.has(Deviation::ResetAnywhere));
        let purpose = match Kind::from_number(byte) {
            // PR-S-04
            Some(kind)
                if self.of(kind).is_some() && !self.without.has(Deviation::SecondOfAKind) =>
            {
                return Err(failed(format!("a second {} stream", kind.name())));
            }
            Some(kind)
                if self.without.has(Deviation::InOneOrder)
                    && Kind::ALL.into_iter().find(|next| self.of(*next).is_none())
                        != Some(kind) =>
            {
                return Err(failed(format!("{} is not the next stream", kind.name())));
            }
            Some(kind) => Purpose::Of(kind),
            None if self.without.has(Deviation::UnknownIgnored) => Purpose::Unknown,
            None if byte == RESET && may_reset => Purpose::Reset,
            None => return Err(failed(format!("a stream of kind 0x{byte:02X}"))), // PR-S-03
        };
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.purpose = purpose;
        }
        match purpose {
            // So that the client may open three more.
            Purpose::Reset => context.outputs.push_back(Output::Fin(self.connection, id)),
            Purpose::Of(Kind::Action)
                if context.settings.profile == Profile::Push
                    && !self.without.has(Deviation::NoItems) =>
            {
                self.item_due = Some(now.saturating_add(context.settings.action_interval)); // PR-A-01
            }
            Purpose::Unknown | Purpose::Of(_) => {}
        }
        Ok(())
    }

    /// Takes bytes of an identified stream.
    fn take(
        &mut self,
        now: Duration,
        id: StreamId,
        kind: Kind,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        if kind == Kind::Action && context.settings.profile == Profile::Push {
            return match self.without.has(Deviation::ItemsAskedFor) {
                true => Ok(()),
                false => Err(CloseReason::violation("bytes on the Action stream")), // PR-A-02
            };
        }
        let restarts = self.without.has(Deviation::RestRestarts);
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        let mut numbers = Vec::new();
        stream.words.take(bytes, |number| numbers.push(number));
        stream.incomplete = match (stream.words.pending(), numbers.is_empty()) {
            (0, _) => None,
            (_, true) if !restarts => stream.incomplete.or(Some(now)),
            (_, true | false) => Some(now),
        };
        for number in numbers {
            match kind {
                Kind::Event => self.event(now, id, number, context)?,
                Kind::StateCommit => {
                    let due = now.saturating_add(context.settings.commit_delay);
                    let answers = match number {
                        _ if self.without.has(Deviation::NoAnswers) => 0,
                        0 if self.without.has(Deviation::NoAnswerToZero) => 0,
                        u32::MAX if self.without.has(Deviation::AnsweredTwice) => 2,
                        _ => 1,
                    };
                    let answer = match self.without.has(Deviation::DoublesStop) {
                        true => number.saturating_mul(2),
                        false if self.without.has(Deviation::NotDoubled) => number,
                        false => number.wrapping_mul(2),
                    };
                    let answers = std::iter::repeat_n((due, answer), answers);
                    self.commits.extend(answers);
                    if self.commits.len() > MOST_COMMITS
                        && let Some((due, _)) = self.commits.front_mut()
                    {
                        *due = now;
                        self.answer(now, context);
                    }
                }
                Kind::Action => {
                    self.item(now, id, context);
                    if self.without.has(Deviation::NoItems) {
                        self.item(now, id, context);
                    }
                }
            }
        }
        self.answer(now, context);
        Ok(())
    }

    fn event(
        &mut self,
        now: Duration,
        stream: StreamId,
        id: u32,
        context: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        if id <= self.last_event && !self.takes_fallen(id) {
            if self.without.has(Deviation::AckThenClose) {
                self.send(now, stream, id, context);
            }
            let why = format!("event {id} after {}", self.last_event);
            return Err(CloseReason::violation(why)); // PR-E-02
        }
        planted::panics("event-last", || id == u32::MAX);
        self.last_event = id;
        context.counters.events += 1;
        let ack = match self.without.has(Deviation::AckOfTheCount) {
            true => context.counters.events as u32,
            false if self.without.has(Deviation::NextAck) => id.wrapping_add(1),
            false => id,
        };
        self.send(now, stream, ack, context); // PR-E-01
        Ok(())
    }

    /// Whether a faulty twin takes an id that does not rise.
    const fn takes_fallen(&self, id: u32) -> bool {
        self.without.has(Deviation::AnyId)
            || (self.without.has(Deviation::SameId) && id == self.last_event && id > 0)
            || (self.without.has(Deviation::IdsWrap) && self.last_event == u32::MAX)
    }

    fn item(&mut self, now: Duration, stream: StreamId, context: &mut Context<'_>) {
        let item = self.next_item;
        self.next_item = item.wrapping_add(1);
        context.counters.actions += 1;
        self.send(now, stream, item, context);
    }

    /// Answers the StateCommit requests that are due, in order (PR-K-01).
    fn answer(&mut self, now: Duration, context: &mut Context<'_>) {
        let Some(stream) = self.of(Kind::StateCommit) else {
            return;
        };
        while let Some((_, answer)) = self.commits.pop_front_if(|(due, _)| *due <= now) {
            context.counters.commits += 1;
            self.send(now, stream, answer, context);
        }
    }

    fn send(&mut self, now: Duration, id: StreamId, number: u32, context: &mut Context<'_>) {
        let stream = self.streams.get_mut(&id);
        let bytes = stream.and_then(|stream| {
            let bytes = stream.sending.send(now, &number.to_le_bytes());
            let most = &mut context.counters.most_waiting;
            *most = (*most).max(stream.sending.waiting());
            bytes
        });
        self.write(id, bytes, context);
    }

    fn written(&mut self, now: Duration, id: StreamId, context: &mut Context<'_>) {
        let stream = self.streams.get_mut(&id);
        let bytes = stream.and_then(|stream| stream.sending.written(now));
        self.write(id, bytes, context);
    }

    fn write(&self, id: StreamId, bytes: Option<Vec<u8>>, context: &mut Context<'_>) {
        let write = bytes.map(|bytes| Output::Write(self.connection, id, bytes));
        context.outputs.extend(write);
    }

    /// A FIN at a message boundary is a normal end, any other a violation (PR-S-08).
    fn fin(&self, id: StreamId) -> Result<(), CloseReason> {
        let Some(stream) = self.streams.get(&id) else {
            return Ok(());
        };
        planted::hangs("word-cut", || stream.words.pending() == 3);
        match (stream.purpose, stream.words.pending()) {
            (Purpose::Reset, _) => Ok(()),
            _ if self.without.has(Deviation::FinIgnored) => Ok(()),
            (Purpose::Of(kind), 0) if self.without.has(Deviation::FinIsViolation) => {
                let why = format!("the client ended the {} stream", kind.name());
                Err(CloseReason::violation(why))
            }
            (Purpose::Unknown, _) => Err(CloseReason::new(
                CloseCode::IdentificationFailed,
                "a stream that ends before it says which it is",
            )),
            (Purpose::Of(kind), 0) => {
                let why = format!("the client ended the {} stream", kind.name());
                Err(CloseReason::new(CloseCode::Normal, why))
            }
            (Purpose::Of(Kind::Action), _) if self.without.has(Deviation::CutRequest) => Err(
                CloseReason::new(CloseCode::Normal, "the client ended the Action stream"),
            ),
            (Purpose::Of(kind), 1..) => {
                let why = format!("the {} stream ends in the middle of a u32", kind.name());
                Err(CloseReason::violation(why))
            }
        }
    }

    fn broken_off(&self, id: StreamId, how: &str, code: u64) -> Result<(), CloseReason> {
        planted::panics("code-large", || code > u64::from(u32::MAX));
        let purpose = self.streams.get(&id).map(|stream| stream.purpose);
        match purpose {
            None | Some(Purpose::Reset) => Ok(()),
            _ if self.without.has(Deviation::BrokenOffIgnored) => Ok(()),
            Some(Purpose::Unknown) => Err(CloseReason::new(
                CloseCode::IdentificationFailed,
                format!("a stream that was {how} with code {code} before it said which it is"),
            )),
            // PR-S-08
            Some(Purpose::Of(kind)) => Err(CloseReason::violation(format!(
                "the {} stream was {how} with code {code}",
                kind.name()
            ))),
        }
    }

    /// Does what is due at `now`.
    pub(super) fn tick(
        &mut self,
        now: Duration,
        context: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        if self.setup_deadline().is_some_and(|due| due <= now) {
            // PR-S-05, PR-S-06
            let why = match self.has_all() {
                false => "the three streams did not say in time which they are",
                true => "a stream did not say in time which it is",
            };
            return Err(CloseReason::new(CloseCode::SetupTimeout, why));
        }
        if self.operation_deadline().is_some_and(|due| due <= now) {
            let why = "the client did not read or send the rest within 5 minutes";
            return Err(CloseReason::new(CloseCode::OperationTimeout, why)); // PR-T-04
        }
        self.answer(now, context);
        if self.item_due.is_some_and(|due| due <= now) {
            self.push(now, context);
        }
        Ok(())
    }

    /// Sends the next item, unless the last one is not taken yet.
    fn push(&mut self, now: Duration, context: &mut Context<'_>) {
        let Some(id) = self.of(Kind::Action) else {
            return;
        };
        self.item_due = Some(now.saturating_add(context.settings.action_interval));
        let is_idle = |stream: &Stream| stream.sending.is_idle();
        if self.streams.get(&id).is_some_and(is_idle) {
            self.item(now, id, context);
        }
    }

    /// Whether it takes more bytes of this stream now.
    pub(super) fn reads(&self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get(&id) else {
            return true;
        };
        let waits = stream.purpose == Purpose::Of(Kind::Event)
            && self.works()
            && self.without.has(Deviation::EventsWait);
        let is_full = stream.sending.is_full() && !self.without.has(Deviation::UnreadUnbounded);
        !is_full && !waits
    }
}
