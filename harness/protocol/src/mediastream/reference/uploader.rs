use std::net::SocketAddr;
use std::time::Duration;

use super::carry;
use super::counters::Counters;
use super::deviation::{Deviation, Known, Passing};
use super::outputs::Outputs;
use super::pacing::Schedule;
use super::settings::Settings;
use super::timing::START_WAIT;
use crate::machine::{Failure, Input, Machine, Outcome, Output};
use crate::mediastream::frame::{Frame, JOIN_TOKEN};
use crate::mediastream::{Grammar, Mode};
use crate::requirement::Role;

/// Asks a server to take a stream (MS-X-01), sends it, and says how it went.
#[derive(Debug)]
pub(super) struct Uploader {
    settings: Settings,
    grammar: Grammar,
    peer: SocketAddr,
    state: State,
    outputs: Outputs,
    counters: Counters,
}

#[derive(Debug)]
enum State {
    /// Nothing was sent yet.
    Closed,
    /// JOIN was sent; the connection-id is awaited.
    JoinSent(JoinSent),
    /// The server takes the stream: Established before the first frame, Streaming after it.
    Sending(Schedule),
    /// It is over; whether in time.
    Over { timed_out: bool },
}

#[derive(Debug)]
struct JoinSent {
    asked: Duration,
    sends: u32,
    next: Duration,
}

impl State {
    const fn name(&self) -> &'static str {
        match self {
            Self::Closed | Self::Over { timed_out: false } => "Closed",
            Self::JoinSent(_) => "JoinSent",
            Self::Sending(schedule) if schedule.has_begun() => "Streaming",
            Self::Sending(_) => "Established",
            Self::Over { timed_out: true } => "TimedOut",
        }
    }
}

impl Uploader {
    pub(super) fn new(settings: Settings, peer: SocketAddr) -> Self {
        Self {
            grammar: Grammar::new(Mode::Legacy, false),
            peer,
            state: State::Closed,
            outputs: Outputs::default(),
            counters: Counters::default(),
            settings,
        }
    }

    fn begin(&mut self, now: Duration) {
        self.counters.handshakes.attempted += 1;
        self.send(JOIN_TOKEN.to_vec());
        let sent = JoinSent {
            asked: now,
            sends: 1,
            next: now.saturating_add(self.join_interval()),
        };
        self.enter(State::JoinSent(sent), "it begins");
    }

    /// From one JOIN to the next: as for START (MS-L-02).
    fn join_interval(&self) -> Duration {
        self.settings.stream.interval() + START_WAIT
    }

    fn receive(&mut self, now: Duration, from: SocketAddr, payload: &[u8]) {
        self.counters.received(payload);
        if from != self.peer {
            self.counters.invalid("foreign_source");
            return;
        }
        match self.grammar.classify(payload) {
            Err(rejection) => self.counters.rejected(&rejection), // MS-W-17
            Ok(frame @ Frame::ConnectionId(_)) => match self.state {
                State::JoinSent(_) => {
                    self.counters.handshakes.succeeded += 1;
                    let schedule = Schedule::new(now, &self.settings.stream, self.settings.without); // MS-D-12
                    self.enter(State::Sending(schedule), "connection-id");
                }
                State::Sending(_) if self.settings.lacks(Deviation::UploadAnew) => {
                    let schedule = Schedule::new(now, &self.settings.stream, self.settings.without);
                    self.enter(State::Sending(schedule), "connection-id");
                }
                State::Closed | State::Sending(_) | State::Over { .. } => {
                    self.counters.unexpected(frame.name());
                }
            },
            Ok(
                frame @ (Frame::StartToken
                | Frame::JoinToken
                | Frame::Data(_)
                | Frame::Fragment(_)
                | Frame::Syn(_)
                | Frame::SynAck(_)
                | Frame::Ack(_)
                | Frame::Start(_)
                | Frame::StartAck(_)
                | Frame::StartConfirm(_)
                | Frame::Error(_)),
            ) => self.counters.unexpected(frame.name()),
        }
    }

    fn run_timers(&mut self, now: Duration) {
        match &self.state {
            State::Closed | State::Over { .. } => {}
            State::JoinSent(_) => self.on_join_timer(now),
            State::Sending(_) => self.send_frames(now),
        }
    }

    fn on_join_timer(&mut self, now: Duration) {
        let (period, interval) = (self.settings.buffer_period, self.join_interval());
        let State::JoinSent(sent) = &mut self.state else {
            return;
        };
        if now >= sent.asked.saturating_add(period) {
            let (peer, sends) = (self.peer, sent.sends);
            self.counters.handshake_failed("timeout");
            let message =
                format!("{peer} did not answer: JOIN was sent {sends} times in {period:?}");
            self.end(true, "timeout", failed("timeout", message)); // MS-L-05
        } else if now >= sent.next {
            sent.sends += 1;
            sent.next = now.saturating_add(interval);
            self.send(JOIN_TOKEN.to_vec()); // MS-L-02
        }
    }

    fn send_frames(&mut self, now: Duration) {
        let (bytes, limit) = (self.settings.frame_bytes(), self.settings.max_datagram);
        while let State::Sending(schedule) = &mut self.state {
            let had_begun = schedule.has_begun();
            let Some(number) = schedule.take(now) else {
                return;
            };
            let is_last = schedule.due().is_none();
            if !had_begun {
                self.transition("Established", "the first frame");
            }
            self.counters.frames += 1;
            for datagram in carry::datagrams(self.settings.carry, number, now, bytes, limit) {
                self.send(datagram);
            }
            if is_last {
                self.end(false, "the stream is over", Outcome::Completed); // MS-D-07
            }
        }
    }

    fn end(&mut self, timed_out: bool, why: &'static str, outcome: Outcome) {
        self.enter(State::Over { timed_out }, why);
        let peer = self.peer;
        self.outputs.end(peer, outcome);
    }

    fn enter(&mut self, state: State, why: &'static str) {
        let from = self.state.name();
        self.state = state;
        self.transition(from, why);
    }

    fn transition(&mut self, from: &'static str, why: &'static str) {
        self.outputs
            .transition(self.peer, from, self.state.name(), why);
    }

    fn send(&mut self, payload: Vec<u8>) {
        let to = self.peer;
        for payload in self.settings.without.sent(to, payload, &|| self.known()) {
            self.counters.sent(&payload);
            self.outputs.send(to, payload);
        }
    }

    /// What it knows of itself.
    fn known(&self) -> Known {
        Known {
            uploads: true,
            ..Known::nothing(self.grammar, self.settings.stream.frames())
        }
    }

    fn receive_as_twin(&mut self, now: Duration, taken: Passing) {
        for answer in taken.before {
            self.send(answer);
        }
        match taken.ends {
            Some(_) => self.stop(),
            None if taken.is_lost => self.counters.received(&taken.bytes),
            None => self.receive(now, taken.peer, &taken.bytes),
        }
    }

    fn stop(&mut self) {
        if !self.is_finished() {
            let outcome = failed("stopped", "the uploader was stopped".into());
            self.end(false, "stopped", outcome);
        }
    }
}

impl Machine for Uploader {
    fn role(&self) -> Role {
        Role::Initiator
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.run_timers(now);
        match input {
            Input::Datagram { from, payload } => {
                let without = self.settings.without;
                match without.taken(from, payload, &|| self.known()) {
                    None => self.receive(now, from, payload),
                    Some(taken) => self.receive_as_twin(now, taken),
                }
            }
            Input::Tick => {
                if matches!(self.state, State::Closed) {
                    self.begin(now);
                }
            }
            Input::Stop => self.stop(),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Closed => Some(Duration::ZERO),
            State::JoinSent(sent) => Some(
                sent.next
                    .min(sent.asked.saturating_add(self.settings.buffer_period)),
            ),
            State::Sending(schedule) => schedule.due(),
            State::Over { .. } => None,
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    fn counters(&self) -> serde_json::Value {
        let mut json = self.settings.without.counted(&self.counters);
        json["role"] = Role::Initiator.name().into();
        json["mode"] = Mode::Legacy.name().into();
        json["state"] = self.state.name().into();
        json
    }
}

const fn failed(cause: &'static str, message: String) -> Outcome {
    Outcome::Failed(Failure { cause, message })
}
