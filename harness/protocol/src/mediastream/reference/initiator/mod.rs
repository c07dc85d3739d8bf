mod early;
mod failure;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::counters::Counters;
use super::random::Random;
use super::receive::{Numbers, Part, Receiver};
use super::settings::Settings;
use super::timing::{self, SENDS, START_WAIT};
use crate::machine::{Failure, Input, Machine, Outcome, Output};
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::mediastream::frame::{ConnectionId, Control, Frame, START_TOKEN};
use crate::mediastream::{Grammar, Mode};
use crate::requirement::Role;

use early::Early;
use state::{End, Session, StartSent, State, SynSent};

/// Asks one responder for one stream, takes it, and says how it went.
#[derive(Debug)]
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
    outputs: VecDeque<Output>,
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
            state: State::Closed,
            named: None,
            receiver: Receiver::new(frames, settings.frame_bytes(), settings.verify),
            done: Numbers::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            settings,
        }
    }

    /// Its state in the specification's words.
    pub(super) const fn state(&self) -> &'static str {
        self.state.name()
    }

    /// Sends the first datagram (MS-L-01, MS-H-01).
    fn begin(&mut self, now: Duration) {
        match self.mode {
            Mode::Start3 => todo!("start3"),
            Mode::Legacy => self.send_first_start(now, "it begins"),
            Mode::ThreeWay => {
                self.counters.handshakes.attempted += 1;
                let syn = self.new_syn();
                self.send(syn.clone());
                let sent = SynSent {
                    asked: now,
                    syn,
                    sends: 1,
                    next: now.saturating_add(timing::wait_after(1)),
                    early: Early::default(),
                };
                self.enter(State::SynSent(sent), "it begins");
            }
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

    /// A SYN with a fresh wish (MS-H-02).
    fn new_syn(&mut self) -> Vec<u8> {
        let wish = self.random.connection_id();
        let mut tlvs = Vec::new();
        if self.settings.tells_max_datagram {
            let bytes = u32::try_from(self.settings.max_datagram).unwrap_or(u32::MAX);
            let value = &bytes.to_le_bytes();
            let kind = kind::MAX_DATAGRAM;
            Tlv { kind, value }.encode(&mut tlvs);
        }
        let mut control = Control::new(wish.as_bytes());
        control.tlvs = Tlvs::from_bytes(&tlvs);
        Frame::Syn(control).to_vec()
    }

    fn receive(&mut self, now: Duration, from: SocketAddr, payload: &[u8]) {
        self.counters.received(payload);
        if from != self.peer {
            self.counters.invalid("foreign_source"); // MS-H-14
            return;
        }
        match self.grammar.classify(payload) {
            Err(rejection) => self.counters.rejected(&rejection), // MS-W-17
            Ok(Frame::Data(data)) => self.on_media(now, &data.into(), payload),
            Ok(Frame::Fragment(fragment)) => self.on_media(now, &fragment.into(), payload),
            Ok(Frame::ConnectionId(frame)) => self.on_connection_id(now, frame.connection_id()),
            Ok(Frame::SynAck(syn_ack)) => self.on_syn_ack(now, &syn_ack),
            Ok(
                frame @ (Frame::StartToken
                | Frame::JoinToken
                | Frame::Syn(_)
                | Frame::Ack(_)
                | Frame::Start(_)
                | Frame::StartAck(_)
                | Frame::StartConfirm(_)
                | Frame::Error(_)),
            ) => {
                self.counters.unexpected(frame.name());
            }
        }
    }

    fn on_syn_ack(&mut self, now: Duration, syn_ack: &Control<'_>) {
        if syn_ack.version != Control::VERSION {
            self.counters.invalid("foreign_version"); // MS-W-16
            return;
        }
        match &mut self.state {
            State::SynSent(sent) if syn_ack.accepts() => {
                if syn_ack.connection_id().is_empty() {
                    self.counters.invalid("empty_connection_id"); // MS-H-06
                    return;
                }
                let asked = sent.asked;
                let early = std::mem::take(&mut sent.early);
                self.establish(now, asked, syn_ack.connection_id(), early);
            }
            State::SynSent(_) => {
                let failure = failure::rejected(self.peer, syn_ack.tlvs.get(kind::DIAGNOSTIC));
                self.fail(End::Rejected, failure); // MS-H-10
            }
            State::Session(session) => match &session.assigned {
                Some((id, ack)) if syn_ack.accepts() && *id == syn_ack.connection_id() => {
                    session.contact = now;
                    let ack = ack.clone();
                    self.send(ack); // MS-H-11
                }
                Some(_) | None => self.counters.unexpected("SYN-ACK"), // MS-H-14
            },
            State::Closed | State::StartSent(_) | State::Over(_) => {
                self.counters.unexpected("SYN-ACK"); // MS-H-14
            }
        }
    }

    /// The handshake is done: ACK, then what came too early (MS-H-09, MS-H-17).
    fn establish(&mut self, now: Duration, asked: Duration, id: ConnectionId, mut early: Early) {
        let ack = Frame::Ack(Control::new(id.as_bytes())).to_vec();
        self.send(ack.clone());
        self.named = Some(id);
        self.receiver.flush(); // MS-D-09
        self.begin_session(now, asked, Some((id, ack)), "SYN-ACK");
        for (is_ours, datagram) in early.take(id) {
            match self.grammar.classify(&datagram) {
                Ok(Frame::Data(data)) if is_ours => self.take_media(now, &data.into()),
                Ok(Frame::Fragment(part)) if is_ours => self.take_media(now, &part.into()),
                Ok(_) | Err(_) => self.counters.invalid("other_session"), // MS-D-10
            }
        }
    }

    fn begin_session(
        &mut self,
        now: Duration,
        asked: Duration,
        assigned: Option<(ConnectionId, Vec<u8>)>,
        why: &'static str,
    ) {
        self.counters.handshakes.succeeded += 1;
        let session = Session {
            asked,
            assigned,
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
                self.begin_session(now, asked, None, "connection-id");
            }
            State::SynSent(sent) => sent.early.name(id),
            State::Session(session) => {
                session.contact = now;
                let is_legacy = session.assigned.is_none();
                if self.named.is_some_and(|named| named != id) {
                    self.receiver.flush(); // MS-D-09
                    if is_legacy {
                        self.done.clear(); // MS-D-10
                        session.last_seen = None;
                    }
                }
            }
            State::Closed | State::Over(_) => {
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
                self.begin_session(now, asked, None, "media");
                self.take_media(now, part);
            }
            State::SynSent(sent) => {
                if !sent.early.keep(self.named, datagram) {
                    self.counters.resource_rejections += 1;
                }
            }
            State::Session(session) => match &session.assigned {
                Some((id, _)) if self.named != Some(*id) => {
                    self.counters.invalid("other_session"); // MS-D-10, MS-H-17
                }
                Some(_) | None => self.take_media(now, part),
            },
            State::Closed | State::Over(_) => self.counters.unexpected("data"),
        }
    }

    /// Takes media of this session.
    fn take_media(&mut self, now: Duration, part: &Part<'_>) {
        let State::Session(session) = &mut self.state else {
            self.counters.unexpected("data");
            return;
        };
        session.contact = now;
        let is_first = session.first_media.is_none();
        if is_first {
            session.first_media = Some(now);
            let waited = now.saturating_sub(session.asked);
            self.counters.time_to_first_media.add(waited);
            self.transition("Established", "Streaming", "the first media");
        }
        if let Some(frame) = self.receiver.receive(now, part, &mut self.counters) {
            self.done.insert(frame.header.sequence_number);
        }
        if self.done.count() == self.settings.stream.frames() {
            self.finish();
            return;
        }
        if self.receiver.has_seen_the_last()
            && let State::Session(session) = &mut self.state
        {
            session.last_seen.get_or_insert(now);
        }
    }

    /// All frames are there.
    fn finish(&mut self) {
        match self.receiver.damaged() {
            0 => self.end(End::Completed, "all frames are there", Outcome::Completed),
            damaged => self.fail(End::Failed, failure::damaged(self.peer, damaged)),
        }
    }

    fn run_timers(&mut self, now: Duration) {
        match &mut self.state {
            State::Closed | State::Over(_) => {}
            State::StartSent(_) => self.on_start_timer(now),
            State::SynSent(_) => self.on_syn_timer(now),
            State::Session(_) => {
                self.receiver.expire(now, &mut self.counters);
                self.on_session_timer(now);
            }
        }
    }

    fn on_start_timer(&mut self, now: Duration) {
        let (period, interval) = (self.settings.buffer_period, self.start_interval());
        let State::StartSent(sent) = &mut self.state else {
            return;
        };
        if now >= sent.asked.saturating_add(period) {
            let failure = failure::no_answer_to_start(self.peer, sent.sends, period);
            self.fail(End::TimedOut, failure); // MS-L-05
        } else if now >= sent.next {
            sent.sends += 1;
            sent.next = now.saturating_add(interval);
            self.send(START_TOKEN.to_vec()); // MS-L-02
        }
    }

    fn on_syn_timer(&mut self, now: Duration) {
        let State::SynSent(sent) = &mut self.state else {
            return;
        };
        if now < sent.next {
            return;
        }
        if sent.sends < SENDS {
            sent.sends += 1;
            sent.next = now.saturating_add(timing::wait_after(sent.sends));
            let syn = sent.syn.clone();
            self.send(syn); // MS-H-03
        } else if self.settings.fallback {
            self.counters.handshake_failed("timeout");
            self.send_first_start(now, "no SYN-ACK came"); // MS-H-04
        } else {
            self.fail(End::TimedOut, failure::no_answer_to_syn(self.peer)); // MS-H-04
        }
    }

    fn on_session_timer(&mut self, now: Duration) {
        let State::Session(session) = &self.state else {
            return;
        };
        if now < session.deadline(&self.settings) {
            return;
        }
        let frames = self.settings.stream.frames();
        let (peer, period) = (self.peer, self.settings.buffer_period);
        let failure = if session.first_media.is_none() {
            failure::no_media(peer, period)
        } else if now >= session.contact.saturating_add(period) {
            failure::lost_contact(peer, period, frames, &self.done)
        } else {
            failure::incomplete(peer, frames, &self.done)
        };
        self.fail(End::Failed, failure);
    }

    /// From one START to the next (MS-L-02).
    fn start_interval(&self) -> Duration {
        self.settings.stream.interval() + START_WAIT
    }

    fn fail(&mut self, end: End, failure: Failure) {
        if matches!(self.state, State::StartSent(_) | State::SynSent(_)) {
            self.counters.handshake_failed(failure.cause);
        }
        self.end(end, failure.cause, Outcome::Failed(failure));
    }

    fn end(&mut self, end: End, why: &'static str, outcome: Outcome) {
        self.enter(State::Over(end), why);
        let peer = self.peer;
        self.outputs.push_back(Output::Ended { peer, outcome });
    }

    fn enter(&mut self, state: State, why: &'static str) {
        let from = self.state.name();
        self.state = state;
        self.transition(from, self.state.name(), why);
    }

    fn transition(&mut self, from: &'static str, to: &'static str, why: &'static str) {
        self.outputs.push_back(Output::Transition {
            peer: self.peer,
            from,
            to,
            why,
        });
    }

    fn send(&mut self, payload: Vec<u8>) {
        self.counters.sent(&payload);
        let to = self.peer;
        self.outputs.push_back(Output::Send { to, payload });
    }
}

impl Machine for Initiator {
    fn role(&self) -> Role {
        Role::Initiator
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.run_timers(now);
        match input {
            Input::Datagram { from, payload } => self.receive(now, from, payload),
            Input::Tick => {
                if matches!(self.state, State::Closed) {
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
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Closed => Some(Duration::ZERO),
            State::StartSent(sent) => Some(
                sent.next
                    .min(sent.asked.saturating_add(self.settings.buffer_period)),
            ),
            State::SynSent(sent) => Some(sent.next),
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
        let mut json = self.counters.to_json();
        json["role"] = Role::Initiator.name().into();
        json["mode"] = self.mode.name().into();
        json["state"] = self.state().into();
        json
    }
}
