mod early;
mod failure;
mod start3;
mod state;
#[cfg(test)]
mod tests;
mod three_way;
mod timers;

use std::net::SocketAddr;
use std::time::Duration;

use super::counters::Counters;
use super::deviation::{Deviation, Known, Passing};
use super::outputs::Outputs;
use super::random::Random;
use super::receive::{Numbers, Part, Receiver};
use super::settings::Settings;
use crate::machine::{Failure, Input, Machine, Outcome, Output, Tally};
use crate::mediastream::frame::{ConnectionId, Frame, START_TOKEN};
use crate::mediastream::{Grammar, Mode};
use crate::requirement::Role;

use early::Early;
use state::{Agreed, End, Session, StartSent, State};

/// Asks one responder for one stream, takes it, and says how it went.
#[derive(Debug, Clone, Hash)]
pub(super) struct Initiator {
    settings: Settings,
    mode: Mode,
    grammar: Grammar,
    random: Random,
    peer: SocketAddr,
    state: State,
    /// The id that media of the tuple bears now, as the last connection-id datagram or the
    /// handshake says.
    named: Option<ConnectionId>,
    receiver: Receiver,
    /// Frames of this session that were complete once, whatever was flushed since.
    done: Numbers,
    /// Whether an unexpected frame was answered by an ERROR already (MS-S-17).
    objected: bool,
    outputs: Outputs,
    counters: Counters,
}

impl Initiator {
    pub(super) fn new(settings: Settings, mode: Mode, peer: SocketAddr) -> Self {
        let frames = settings.stream.frames();
        Self {
            mode,
            grammar: Grammar::new(mode, false),
            random: Random::new(settings.seed),
            peer,
            state: match mode {
                Mode::Legacy | Mode::ThreeWay => State::Closed,
                Mode::Start3 => State::ReadyToStart,
            },
            named: None,
            receiver: Receiver::new(frames, settings.frame_bytes(), settings.verify),
            done: Numbers::default(),
            objected: false,
            outputs: Outputs::default(),
            counters: Counters::default(),
            settings,
        }
    }

    /// Its state in the specification's words.
    pub(super) const fn state(&self) -> &'static str {
        self.state.name()
    }

    /// Sends the first datagram (MS-L-01, MS-H-01, MS-S-01).
    fn begin(&mut self, now: Duration) {
        match self.mode {
            Mode::Legacy => self.send_first_start(now, "it begins"),
            Mode::ThreeWay => self.begin_three_way(now),
            Mode::Start3 => self.begin_start3(now),
        }
    }

    fn send_first_start(&mut self, now: Duration, why: &'static str) {
        self.counters.handshakes.attempted += 1;
        self.grammar = Grammar::new(Mode::Legacy, true);
        self.named = None;
        self.receiver.flush(); // MS-D-09
        self.send(START_TOKEN.to_vec());
        let sent = StartSent {
            asked: now,
            sends: 1,
            next: now.saturating_add(self.start_interval()),
        };
        self.enter(State::StartSent(sent), why);
    }

    fn receive(&mut self, now: Duration, from: SocketAddr, payload: &[u8]) {
        self.counters.received(payload);
        if from != self.peer {
            self.counters.invalid("foreign_source"); // MS-H-14, MS-S-20
            return;
        }
        match self.grammar.classify(payload) {
            Err(rejection) => self.counters.rejected(&rejection), // MS-W-17
            Ok(Frame::Data(data)) => self.on_media(now, &data.into(), payload),
            Ok(Frame::Fragment(fragment)) => self.on_media(now, &fragment.into(), payload),
            Ok(Frame::ConnectionId(frame)) => self.on_connection_id(now, frame.connection_id()),
            Ok(Frame::SynAck(syn_ack)) => self.on_syn_ack(now, &syn_ack),
            Ok(Frame::StartAck(body)) => self.on_start_ack(now, &body),
            Ok(Frame::Error(body)) => self.on_error(now, &body),
            Ok(frame @ (Frame::Start(body) | Frame::StartConfirm(body))) => {
                self.on_senders_frame(frame.name(), &body);
            }
            Ok(frame @ (Frame::StartToken | Frame::JoinToken | Frame::Syn(_) | Frame::Ack(_))) => {
                self.counters.unexpected(frame.name());
            }
        }
    }

    fn begin_session(&mut self, now: Duration, asked: Duration, agreed: Agreed, why: &'static str) {
        self.counters.handshakes.succeeded += 1;
        let session = Session {
            asked,
            agreed,
            contact: now,
            first_media: None,
            begun: now,
            last_seen: None,
        };
        self.enter(State::Session(session), why);
    }

    fn on_connection_id(&mut self, now: Duration, id: ConnectionId) {
        match &mut self.state {
            State::StartSent(sent) => {
                let asked = sent.asked;
                self.begin_session(now, asked, Agreed::Nothing, "connection-id");
            }
            State::SynSent(asked) | State::AwaitingStartAck(asked, _) => {
                asked.early.name(id);
                if self.settings.lacks(Deviation::NamePutsSynOff) {
                    asked.next = now.saturating_add(Duration::from_millis(500));
                }
            }
            State::Session(session) => {
                session.contact = now;
                let is_legacy = matches!(session.agreed, Agreed::Nothing);
                let mut is_any_new = self.settings.lacks(Deviation::SameIdNew);
                if let Agreed::Id(own, _) = &mut session.agreed
                    && self.settings.lacks(Deviation::TupleRenames)
                {
                    is_any_new |= *own != id;
                    *own = id;
                }
                if self.named.is_some_and(|named| named != id || is_any_new) {
                    self.receiver.flush(); // MS-D-09
                    if is_legacy || is_any_new {
                        self.done.clear(); // MS-D-10
                        session.last_seen = None;
                    }
                }
            }
            State::Closed | State::ReadyToStart | State::Over(_) => {
                self.counters.unexpected("connection-id");
                return;
            }
        }
        self.named = Some(id);
    }

    fn on_media(&mut self, now: Duration, part: &Part<'_>, datagram: &[u8]) {
        match &mut self.state {
            State::StartSent(sent) => {
                let asked = sent.asked;
                self.begin_session(now, asked, Agreed::Nothing, "media");
                self.take_media(now, part);
            }
            State::SynSent(asked) | State::AwaitingStartAck(asked, _) => {
                if !asked.early.keep(self.named, datagram) {
                    self.counters.resource_rejections += 1;
                }
            }
            State::Session(session) => match &session.agreed {
                Agreed::Id(id, _) if self.named != Some(*id) => {
                    self.counters.invalid("other_session"); // MS-D-10, MS-H-17
                }
                Agreed::Id(..) | Agreed::Nothing | Agreed::Stream(_) => self.take_media(now, part),
            },
            State::Closed | State::ReadyToStart | State::Over(_) => {
                self.counters.unexpected("data")
            }
        }
    }

    /// Takes what came before the session: what bears no id or `id` is of it.
    fn take_early(&mut self, now: Duration, mut early: Early, id: Option<ConnectionId>) {
        for (is_ours, datagram) in early.take(id) {
            match self.grammar.classify(&datagram) {
                Ok(Frame::Data(data)) if is_ours => self.take_media(now, &data.into()),
                Ok(Frame::Fragment(part)) if is_ours => self.take_media(now, &part.into()),
                Ok(_) | Err(_) => self.counters.invalid("other_session"), // MS-D-10
            }
        }
    }

    /// Takes media of this session.
    fn take_media(&mut self, now: Duration, part: &Part<'_>) {
        let State::Session(session) = &mut self.state else {
            self.counters.unexpected("data");
            return;
        };
        if !self.settings.lacks(Deviation::GivesUpAmidst) {
            session.contact = now;
        }
        let before = session.name();
        if session.first_media.is_none() {
            session.first_media = Some(now);
            let waited = now.saturating_sub(session.asked);
            self.counters.time_to_first_media.add(waited);
            self.transition(before, "Streaming", "the first media");
        }
        if let Some(frame) = self.receiver.receive(now, part, &mut self.counters) {
            self.done.insert(frame.header.sequence_number);
        }
        let is_enough = self.settings.lacks(Deviation::FirstMediaIsEnough)
            || self.settings.lacks(Deviation::DuplicatesCount)
                && self.done.count() + self.counters.duplicates >= self.settings.stream.frames();
        if is_enough || self.done.count() == self.settings.stream.frames() {
            self.finish();
            return;
        }
        if self.receiver.has_seen_the_last()
            && let State::Session(session) = &mut self.state
        {
            session.last_seen.get_or_insert(now);
        }
    }

    /// A twin takes the frames of a session that was answered again for those of another.
    fn forget(&mut self, twin: Deviation) {
        if self.settings.lacks(twin) {
            self.receiver.flush();
            self.done.clear();
        }
    }

    /// All frames are there.
    fn finish(&mut self) {
        match self.receiver.damaged() {
            0 => self.end(End::Completed, "all frames are there", Outcome::Completed),
            damaged => self.fail(End::Failed, failure::damaged(self.peer, damaged)),
        }
    }

    fn fail(&mut self, end: End, failure: Failure) {
        if self.state.is_handshake() {
            self.counters.handshake_failed(failure.cause);
        }
        let (cause, without) = (failure.cause, self.settings.without);
        self.end(end, cause, without.outcome(self.mode, failure));
    }

    fn end(&mut self, end: End, why: &'static str, outcome: Outcome) {
        self.enter(State::Over(end), why);
        let peer = self.peer;
        self.outputs.end(peer, outcome);
    }

    fn enter(&mut self, state: State, why: &'static str) {
        let from = self.state.name();
        self.state = state;
        self.transition(from, self.state.name(), why);
    }

    fn transition(&mut self, from: &'static str, to: &'static str, why: &'static str) {
        self.outputs.transition(self.peer, from, to, why);
    }

    fn send(&mut self, payload: Vec<u8>) {
        let to = self.peer;
        for payload in self.settings.without.sent(to, payload, &|| self.known(to)) {
            self.counters.sent(&payload);
            self.outputs.send(to, payload);
        }
    }

    /// What it knows of the session with `peer`.
    fn known(&self, peer: SocketAddr) -> Known {
        let none = Known::nothing(self.grammar, self.settings.stream.frames());
        if peer != self.peer {
            let other = Some((self.peer, self.state.identity()));
            return Known { other, ..none };
        }
        Known {
            session: !matches!(self.state, State::Over(_)),
            pending: self.state.is_handshake(),
            sends: self.state.sends(),
            identity: self.state.identity(),
            id: self.state.id(),
            sent: self.counters.sent_datagrams,
            ..none
        }
    }

    fn receive_as_twin(&mut self, now: Duration, taken: Passing) {
        for answer in taken.before {
            self.send(answer);
        }
        match taken.ends {
            Some(_) => self.fail(End::Failed, failure::stopped()),
            None if taken.is_lost => self.counters.received(&taken.bytes),
            None => self.receive(now, taken.peer, &taken.bytes),
        }
    }
}

impl Machine for Initiator {
    fn role(&self) -> Role {
        Role::Initiator
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.run_timers(now);
        match input {
            Input::Datagram { from, payload } => {
                let without = self.settings.without;
                match without.taken(from, payload, &|| self.known(from)) {
                    None => self.receive(now, from, payload),
                    Some(taken) => self.receive_as_twin(now, taken),
                }
            }
            Input::Tick => {
                if matches!(self.state, State::Closed | State::ReadyToStart) {
                    self.begin(now);
                }
            }
            Input::Stop => {
                if !self.is_finished() {
                    self.fail(End::Failed, failure::stopped());
                }
            }
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Closed | State::ReadyToStart => Some(Duration::ZERO),
            State::StartSent(sent) => Some(
                sent.next
                    .min(sent.asked.saturating_add(self.settings.buffer_period)),
            ),
            State::SynSent(asked) | State::AwaitingStartAck(asked, _) => Some(asked.next),
            State::Session(session) => {
                let lost = session.deadline(&self.settings);
                Some(self.receiver.deadline().map_or(lost, |due| due.min(lost)))
            }
            State::Over(_) => None,
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    fn counters(&self) -> serde_json::Value {
        let mut json = self.settings.without.counted(&self.counters);
        json["role"] = Role::Initiator.name().into();
        json["mode"] = self.mode.name().into();
        json["state"] = self.state().into();
        json
    }

    fn tally(&self) -> Tally {
        let is_open = self.state.is_handshake();
        let has_session = matches!(self.state, State::Session(_));
        self.counters
            .tally(is_open.into(), (is_open || has_session).into())
    }
}
