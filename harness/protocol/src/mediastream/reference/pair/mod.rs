//! An initiator and a responder on a tiny virtual link.

mod forked;
mod interoperability;
mod judged;
mod start3;
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use super::initiator::Initiator;
use super::responder::Responder;
use super::settings::Settings;
use crate::event_loop::{EventLoop, InFlight, Next};
use crate::machine::{Input, Machine, Outcome, Output};

/// Time that a datagram takes, if its fate is nothing else.
pub(super) const LATENCY: Duration = Duration::from_millis(5);

/// Decides for each datagram, counted from 0, after which times it arrives; never, if there are
/// none.
type ArrivalTimes = Box<dyn FnMut(usize, &Datagram) -> Vec<Duration>>;

/// Both machines, and what flies between them.
pub(super) struct Pair {
    pub(super) initiator: Initiator,
    pub(super) responder: Responder,
    /// Everything that was sent, in order.
    pub(super) sent: Vec<Datagram>,
    /// Everything that arrived, in order, with the time of its arrival.
    pub(super) arrived: Vec<Datagram>,
    /// How each side's sessions ended.
    pub(super) initiator_outcome: Option<Outcome>,
    pub(super) responder_outcomes: Vec<Outcome>,
    event_loop: EventLoop<InFlight<Datagram>>,
    arrival_times: ArrivalTimes,
}

/// A datagram on its way.
#[derive(Debug, Clone)]
pub(super) struct Datagram {
    pub(super) at: Duration,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: Vec<u8>,
}

pub(super) fn responder_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4444))
}

pub(super) fn initiator_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 50_000))
}

impl Pair {
    pub(super) fn new(responder: Settings, initiator: Settings) -> Self {
        let mode = initiator.modes.only().unwrap();
        Self {
            initiator: Initiator::new(initiator, mode, responder_address()),
            responder: Responder::new(responder),
            sent: Vec::new(),
            arrived: Vec::new(),
            initiator_outcome: None,
            responder_outcomes: Vec::new(),
            event_loop: EventLoop::new(InFlight::new()),
            arrival_times: Box::new(|_, _| vec![LATENCY]),
        }
    }

    pub(super) fn with_arrival_times(
        mut self,
        arrival_times: impl FnMut(usize, &Datagram) -> Vec<Duration> + 'static,
    ) -> Self {
        self.arrival_times = Box::new(arrival_times);
        self
    }

    pub(super) const fn now(&self) -> Duration {
        self.event_loop.now()
    }

    /// Goes on to what happens next; false if nothing will.
    pub(super) fn step(&mut self) -> bool {
        let deadlines = [self.initiator.deadline(), self.responder.deadline()];
        let next = self.event_loop.next(&deadlines);
        let now = self.now();
        match next {
            Some(Next::Arrival(mut datagram)) => {
                datagram.at = now;
                let (from, payload) = (datagram.from, datagram.payload.as_slice());
                let input = Input::Datagram { from, payload };
                if datagram.to == responder_address() {
                    self.responder.handle(now, input);
                } else {
                    self.initiator.handle(now, input);
                }
                self.arrived.push(datagram);
            }
            Some(Next::Deadline(0)) => self.initiator.handle(now, Input::Tick),
            Some(Next::Deadline(_)) => self.responder.handle(now, Input::Tick),
            None => return false,
        }
        self.collect();
        true
    }

    /// Runs until nothing more happens.
    pub(super) fn run(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 1_000_000, "it never ends");
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.initiator.poll() {
            match output {
                Output::Send { to, payload } => self.launch(initiator_address(), to, payload),
                Output::Ended { outcome, .. } => self.initiator_outcome = Some(outcome),
                Output::Transition { .. } => {}
            }
        }
        while let Some(output) = self.responder.poll() {
            match output {
                Output::Send { to, payload } => self.launch(responder_address(), to, payload),
                Output::Ended { outcome, .. } => self.responder_outcomes.push(outcome),
                Output::Transition { .. } => {}
            }
        }
    }

    fn launch(&mut self, from: SocketAddr, to: SocketAddr, payload: Vec<u8>) {
        let at = self.now();
        let datagram = Datagram {
            at,
            from,
            to,
            payload,
        };
        for delay in (self.arrival_times)(self.sent.len(), &datagram) {
            self.event_loop.network.put(at + delay, datagram.clone());
        }
        self.sent.push(datagram);
    }
}
