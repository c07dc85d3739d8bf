use std::time::Duration;

use super::super::deviation::Deviation;
use super::super::timing::{self, START_WAIT};
use super::state::{End, State};
use super::{Initiator, failure};
use crate::mediastream::Mode;
use crate::mediastream::frame::START_TOKEN;

/// What is due by the clock alone.
impl Initiator {
    pub(super) fn run_timers(&mut self, now: Duration) {
        match &mut self.state {
            State::Closed | State::ReadyToStart | State::Over(_) => {}
            State::StartSent(_) => self.on_start_timer(now),
            State::SynSent(_) | State::AwaitingStartAck(..) => self.on_handshake_timer(now),
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

    fn on_handshake_timer(&mut self, now: Duration) {
        let (State::SynSent(asked) | State::AwaitingStartAck(asked, _)) = &mut self.state else {
            return;
        };
        if now < asked.next {
            return;
        }
        let sends = asked.sends;
        if let Some(wait) = timing::wait_after(asked.waits, sends + 1) {
            asked.sends += 1;
            asked.next = now.saturating_add(wait);
            let datagram = asked.datagram.clone();
            self.send(datagram); // MS-H-03, MS-S-08
        } else if self.falls_back() {
            self.counters.handshake_failed("timeout");
            self.send_first_start(now, "no response"); // MS-H-04, MS-S-09
        } else {
            let end = match self.mode {
                Mode::Legacy | Mode::ThreeWay => End::TimedOut,
                Mode::Start3 => End::Failed, // in `start3` it is Closed, whatever closed it
            };
            self.fail(end, failure::no_answer(self.peer, self.mode, sends)); // MS-H-04, MS-S-09
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

    fn falls_back(&self) -> bool {
        let lacks = match self.mode {
            Mode::Legacy | Mode::ThreeWay => Deviation::NoFallback,
            Mode::Start3 => Deviation::NoStartFallback,
        };
        self.settings.fallback && !self.settings.lacks(lacks)
    }

    /// From one START to the next (MS-L-02).
    pub(super) fn start_interval(&self) -> Duration {
        let without = self.settings.without;
        let interval = self.settings.stream.interval() + START_WAIT;
        let near = interval
            .saturating_sub(Duration::from_millis(100))
            .as_millis();
        let others = [
            (Deviation::AskedOnce, 3_600_000),
            (Deviation::AskedEarly, 200),
            (
                Deviation::AskedNear,
                u64::try_from(near).unwrap_or(u64::MAX),
            ),
            (Deviation::AskedAtAnyRate, 520),
            (Deviation::AskedLate, 1_000),
        ];
        without.instead(interval, others)
    }
}
