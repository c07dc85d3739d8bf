pub(super) mod answer;
mod session;
mod start3;
#[cfg(test)]
mod tests;
mod twin;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_wire::planted;

use super::carry::{self, SMALLEST_LIMIT};
use super::counters::Counters;
use super::deviation::{Deviation, Repeated};
use super::outputs::Outputs;
use super::random::Random;
use super::settings::Settings;
use super::timers::Timers;
use crate::machine::{Failure, Input, Machine, Outcome, Output, Tally};
use crate::mediastream::Grammar;
use crate::mediastream::frame::{Control, ErrorCode, Frame};
use crate::requirement::Role;

use session::{HalfOpen, Overdue, Request, Session, Unconfirmed};

/// Why a session closes that went well.
const OVER: &str = "the stream is over";

/// Supplies streams to many peers, distinguished by their addresses.
///
/// Each peer has at most one [`Session`] and one timer; look-up and timers are O(log n). The
/// number of sessions and of half-open ones is bounded, and a session that ended leaves nothing.
#[derive(Debug, Clone, Hash)]
pub(super) struct Responder {
    settings: Settings,
    grammar: Grammar,
    random: Random,
    sessions: BTreeMap<SocketAddr, Session>,
    half_open: usize,
    /// What went to tuples whose sessions ended unconfirmed. Those are bounded by number and age, and so is
    /// this.
    unconfirmed: BTreeMap<SocketAddr, Unconfirmed>,
    timers: Timers,
    outputs: Outputs,
    counters: Counters,
    stopped: bool,
}

impl Responder {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            grammar: Grammar::new(settings.modes, settings.allow_legacy_start),
            random: Random::new(settings.seed),
            sessions: BTreeMap::new(),
            half_open: 0,
            unconfirmed: BTreeMap::new(),
            timers: Timers::default(),
            outputs: Outputs::default(),
            counters: Counters::default(),
            stopped: false,
            settings,
        }
    }

    /// Sessions that there are, half-open ones among them.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Whether `peer` has a session, a half-open one among them.
    pub(super) fn has_session(&self, peer: SocketAddr) -> bool {
        self.sessions.contains_key(&peer)
    }

    /// Sessions that wait for their ACK or START_CONFIRM.
    pub(super) const fn half_open(&self) -> usize {
        self.half_open
    }

    fn receive(&mut self, now: Duration, from: SocketAddr, payload: &[u8]) {
        self.counters.received(payload);
        match self.grammar.classify(payload) {
            Err(rejection) => {
                self.counters.rejected(&rejection); // MS-W-17, MS-H-20, MS-L-06
                self.on_malformed(now, from, payload, &rejection);
                if self.settings.lacks(Deviation::ManyEnd)
                    && self.counters.validation_errors.values().sum::<u64>() > 50
                {
                    self.close(from, "too many", &failed("twin", "too many"));
                }
            }
            Ok(Frame::StartToken) => self.on_start(now, from),
            Ok(Frame::Syn(syn)) => self.on_syn(now, from, &syn),
            Ok(Frame::Ack(ack)) => self.on_ack(now, from, &ack),
            Ok(Frame::Start(start)) => self.on_start3(now, from, &start),
            Ok(Frame::StartConfirm(confirm)) => self.on_start_confirm(now, from, &confirm),
            Ok(Frame::Error(error)) => self.on_error(from, &error),
            Ok(
                frame @ (Frame::SynAck(_)
                | Frame::Data(_)
                | Frame::Fragment(_)
                | Frame::JoinToken
                | Frame::StartAck(_)
                | Frame::ConnectionId(_)),
            ) => self.counters.unexpected(frame.name()),
        }
    }

    /// The START token: a stream at once, unless the tuple has one (MS-L-04, MS-H-21).
    fn on_start(&mut self, now: Duration, from: SocketAddr) {
        match self.sessions.get(&from) {
            Some(session) if session.half_open.is_none() => self.counters.unexpected("START token"),
            Some(session) if session.stream.is_some() => {
                let spent = session.unconfirmed();
                self.confirm(now, from, "START confirms what streams already");
                // A START that is forged confirms as much: what went out before it counts on (MS-H-22).
                self.unconfirmed.extend(spent.map(|spent| (from, spent)));
            }
            Some(_) => {
                self.close(from, "START takes the place of a handshake", &replaced());
                self.serve_start(now, from);
            }
            None => self.serve_start(now, from),
        }
    }

    fn serve_start(&mut self, now: Duration, from: SocketAddr) {
        self.counters.handshakes.attempted += 1;
        if self.sessions.len() >= self.settings.max_sessions {
            self.counters.resource_rejections += 1;
            self.counters.handshake_failed("session_limit");
            return;
        }
        self.counters.handshakes.succeeded += 1;
        let mut session = self.new_session(now, Request::Start, self.settings.max_datagram);
        session.begin(now, None, self.settings.without);
        self.outputs
            .transition(from, "Listen", session.state(), "START");
        self.send(from, answer::connection_id(&session.id)); // MS-L-03
        self.insert(from, session);
    }

    fn on_syn(&mut self, now: Duration, from: SocketAddr, syn: &Control<'_>) {
        if syn.version != Control::VERSION {
            self.counters.invalid("foreign_version");
            self.send(from, answer::reject_version()); // MS-W-15
            return;
        }
        let request = Request::Syn(syn.connection_id());
        match self.sessions.get(&from) {
            Some(session) if session.request == request => {
                self.disturb_timers(now, from, Deviation::SynSetsTimers, Deviation::SynCounts);
                self.answer_again(from); // MS-H-08
            }
            Some(_) | None => self.serve_syn(now, from, request, syn),
        }
    }

    /// A SYN that asks for a new session, on a tuple with another session or with none.
    fn serve_syn(&mut self, now: Duration, from: SocketAddr, request: Request, syn: &Control<'_>) {
        self.counters.handshakes.attempted += 1;
        let limit = match self.admit(from, syn) {
            Ok(limit) => limit,
            Err((cause, why)) => {
                self.counters.handshake_failed(cause);
                self.send(from, answer::reject(why)); // MS-H-05
                return;
            }
        };
        self.end_namesake(from, &request);
        let old = self.sessions.get(&from).cloned();
        planted::panics("second-syn", || old.is_some());
        if old.is_some() {
            self.close(from, "a SYN with another wished id", &replaced()); // MS-H-23
        }
        let mut session = self.new_session(now, request, limit);
        session.half_open = Some(HalfOpen::new(now, Repeated::SynAck, &self.settings));
        if self.settings.optimistic_start || self.settings.lacks(Deviation::MediaBeforeAck) {
            let before = self.unconfirmed(now, from);
            session.begin(now, before, self.settings.without);
        }
        if let Some(old) = old {
            session.inherit(old, &self.settings);
        }
        self.outputs
            .transition(from, "Listen", session.state(), "SYN");
        self.insert(from, session);
        self.answer_again(from);
    }

    /// What went to the tuple in earlier sessions that nothing confirmed, as far as it counts still (MS-H-22).
    fn unconfirmed(&mut self, now: Duration, peer: SocketAddr) -> Option<Unconfirmed> {
        self.unconfirmed.retain(|_, spent| !spent.is_past(now));
        let spent = self.unconfirmed.get(&peer).copied();
        spent.filter(|_| !self.settings.lacks(Deviation::UnconfirmedPerSyn))
    }

    /// Whether a new session can be taken, and the largest datagram that its peer takes.
    fn admit(
        &mut self,
        from: SocketAddr,
        syn: &Control<'_>,
    ) -> Result<usize, (&'static str, &'static str)> {
        let wanted = syn.max_datagram().unwrap_or(u32::MAX);
        let limit = self
            .settings
            .max_datagram
            .min(usize::try_from(wanted).unwrap_or(usize::MAX));
        if limit < SMALLEST_LIMIT {
            return Err(("max_datagram", "MaxDatagram is too small"));
        }
        self.room_for(from)?;
        Ok(limit)
    }

    /// Whether a half-open session of this tuple has room, in the place of the one that it has or
    /// in a new one (MS-H-19).
    fn room_for(&mut self, from: SocketAddr) -> Result<(), (&'static str, &'static str)> {
        let present = self.sessions.get(&from);
        if present.is_none() && self.taken() >= self.settings.max_sessions {
            self.counters.resource_rejections += 1;
            return Err(("session_limit", "too many sessions"));
        }
        let has_slot = present.is_some_and(|session| session.half_open.is_some());
        if !has_slot && self.half_open >= self.settings.max_half_open {
            self.counters.resource_rejections += 1;
            return Err(("half_open_limit", "too many half-open sessions"));
        }
        Ok(())
    }

    /// The session's SYN-ACK or START_ACK, as often as it takes.
    fn answer_again(&mut self, peer: SocketAddr) {
        let Some(session) = self.sessions.get(&peer) else {
            return;
        };
        if let Some(handshake) = session.start3() {
            let start_ack = handshake.start_ack.clone();
            self.send(peer, start_ack); // MS-S-11
            return;
        }
        let id = session.id;
        let names_itself = self.settings.optimistic_start && !session.is_over();
        self.send(peer, answer::accept(&id));
        if names_itself {
            self.send(peer, answer::connection_id(&id)); // MS-H-16
        }
    }

    fn on_ack(&mut self, now: Duration, from: SocketAddr, ack: &Control<'_>) {
        if ack.version != Control::VERSION {
            self.counters.invalid("foreign_version"); // MS-W-16
            return;
        }
        match self.sessions.get(&from) {
            Some(session) if session.half_open.is_none() || session.start3().is_some() => {
                self.counters.unexpected("ACK");
            }
            Some(session) if session.id == ack.connection_id() => {
                self.confirm(now, from, "ACK with the assigned id");
            }
            Some(_) => {
                self.counters.invalid("foreign_connection_id"); // MS-H-12
                self.stop_repeating(now, from);
            }
            None => {
                self.stopped |= planted::strikes("ack-of-nobody", || ack.reserved > 0);
                self.counters.unexpected("ACK"); // MS-H-13
                self.move_stream(from, ack.connection_id());
            }
        }
    }

    /// The peer of a half-open session is who it says to be.
    fn confirm(&mut self, now: Duration, peer: SocketAddr, why: &'static str) {
        let Some(mut session) = self.take(peer) else {
            return;
        };
        let before = session.state();
        let was_streaming = session.stream.is_some();
        session.confirm(now, self.settings.without);
        self.unconfirmed.remove(&peer);
        self.counters.handshakes.succeeded += 1;
        self.outputs.transition(peer, before, session.state(), why);
        if !was_streaming && session.start3().is_none() {
            self.send(peer, answer::connection_id(&session.id));
        }
        let is_over = session.is_over();
        self.insert(peer, session);
        if is_over {
            self.close(peer, OVER, &Outcome::Completed);
        }
    }

    /// Does what is due by `now`, in the order in which it became due.
    fn run_timers(&mut self, now: Duration) {
        while let Some(peer) = self.timers.take_due(now) {
            let Some(mut session) = self.take(peer) else {
                continue;
            };
            let overdue = match &mut session.half_open {
                Some(half_open) => half_open.overdue(now, &self.settings),
                None => Overdue::Nothing,
            };
            if overdue != Overdue::Drop {
                self.send_frame(now, peer, &mut session);
            }
            let is_over = session.is_over() && session.half_open.is_none();
            self.insert(peer, session);
            match overdue {
                Overdue::Repeat => self.answer_again(peer), // MS-H-18, MS-S-13
                Overdue::Drop => self.give_up(peer),
                Overdue::Nothing if is_over => {
                    self.close(peer, OVER, &Outcome::Completed); // MS-D-07
                }
                Overdue::Nothing => {}
            }
        }
    }

    /// The peer never confirmed (MS-H-18, MS-S-13).
    fn give_up(&mut self, peer: SocketAddr) {
        if self.streams_on(peer) {
            return;
        }
        if self
            .sessions
            .get(&peer)
            .is_some_and(|session| session.start3().is_some())
        {
            let (cause, why) = ("timeout", "no START_CONFIRM came");
            self.fail_with_error(peer, ErrorCode::Timeout, cause, why);
        } else {
            self.close(peer, "no ACK came", &failed("timeout", "no ACK came"));
        }
    }

    fn send_frame(&mut self, now: Duration, peer: SocketAddr, session: &mut Session) {
        let before = session.state();
        let Some(number) = session.take_frame(now) else {
            return;
        };
        if number == 1 {
            let waited = now.saturating_sub(session.asked);
            self.counters.time_to_first_media.add(waited);
        }
        if before != session.state() {
            self.outputs
                .transition(peer, before, session.state(), "the first frame");
        }
        self.counters.frames += 1;
        let bytes = usize::try_from(session.media.frame_bytes()).unwrap_or(usize::MAX);
        let datagrams = carry::datagrams(self.settings.carry, number, now, bytes, session.limit);
        if self.settings.lacks(Deviation::PartsReversed) {
            let datagrams: Vec<_> = datagrams.collect();
            self.send_all(peer, datagrams.into_iter().rev());
        } else {
            self.send_all(peer, datagrams);
        }
        self.accept_on(peer, session, number);
    }

    fn new_session(&mut self, now: Duration, request: Request, limit: usize) -> Session {
        Session {
            id: self.random.connection_id(),
            request,
            media: self.settings.stream,
            limit: limit + usize::from(self.settings.lacks(Deviation::OneByteMore)), // MS-W-18
            asked: now,
            half_open: None,
            stream: None,
            has_objected: false,
            armed: None,
        }
    }

    fn insert(&mut self, peer: SocketAddr, mut session: Session) {
        session.armed = session.deadline();
        self.timers.change(peer, None, session.armed);
        self.half_open += usize::from(session.half_open.is_some());
        self.sessions.insert(peer, session);
    }

    fn take(&mut self, peer: SocketAddr) -> Option<Session> {
        let session = self.sessions.remove(&peer)?;
        self.timers.change(peer, session.armed, None);
        self.half_open -= usize::from(session.half_open.is_some());
        Some(session)
    }

    fn close(&mut self, peer: SocketAddr, why: &'static str, outcome: &Outcome) {
        if let Some(session) = self.take(peer) {
            if let Some(spent) = session.unconfirmed() {
                self.unconfirmed.insert(peer, spent);
            }
            if let (Some(_), Outcome::Failed(failure)) = (&session.half_open, outcome) {
                self.counters.handshake_failed(failure.cause);
            }
            self.outputs
                .transition(peer, session.state(), "Closed", why);
            let outcome = outcome.clone();
            self.outputs.end(peer, outcome);
        }
    }

    fn send_all(&mut self, to: SocketAddr, datagrams: impl Iterator<Item = Vec<u8>>) {
        for datagram in datagrams {
            self.send(to, datagram);
        }
    }

    fn send(&mut self, to: SocketAddr, payload: Vec<u8>) {
        let without = self.settings.without;
        for payload in without.sent(to, payload, &|| self.known(to)) {
            self.counters.sent(&payload);
            self.outputs.send(to, payload);
        }
    }

    fn stop(&mut self) {
        let why = "the responder was stopped";
        while let Some((peer, _)) = self.sessions.first_key_value() {
            self.close(*peer, why, &failed("stopped", why));
        }
        self.timers.clear();
        self.stopped = true;
    }
}

impl Machine for Responder {
    fn role(&self) -> Role {
        Role::Responder
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.stopped {
            return;
        }
        self.run_timers(now);
        match input {
            Input::Datagram { from, payload } => {
                let without = self.settings.without;
                match without.taken(from, payload, &|| self.known(from)) {
                    None => self.receive(now, from, payload),
                    Some(taken) => self.receive_as_twin(now, from, taken),
                }
            }
            Input::Tick => {}
            Input::Stop => self.stop(),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    fn deadline(&self) -> Option<Duration> {
        self.timers.first()
    }

    fn is_finished(&self) -> bool {
        self.stopped
    }

    fn counters(&self) -> serde_json::Value {
        let mut json = self.settings.without.counted(&self.counters);
        json["role"] = Role::Responder.name().into();
        json["mode"] = self.settings.modes.to_string().into();
        json["sessions"] = self.sessions().into();
        json["half_open"] = self.half_open().into();
        json
    }

    fn tally(&self) -> Tally {
        self.counters.tally(self.half_open(), self.sessions())
    }
}

fn replaced() -> Outcome {
    failed("replaced", "the peer began anew")
}

fn failed(cause: &'static str, message: &str) -> Outcome {
    let message = message.into();
    Outcome::Failed(Failure { cause, message })
}
