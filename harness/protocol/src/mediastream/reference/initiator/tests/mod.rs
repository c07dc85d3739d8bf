//! The initiator by itself: what it sends in each state, and how it ends.

mod rules;
mod sequence_vectors;
mod sequences;
mod start3;
mod start3_sequences;

use super::super::settings::tests::settings;
use super::*;
use crate::mediastream::frame::{ConnectionIdFrame, Control, Data, Header};
use crate::mediastream::pattern;

/// An initiator, the time, and what it said.
struct Fixture {
    initiator: Initiator,
    now: Duration,
    outcome: Option<Outcome>,
}

impl Fixture {
    /// One that has sent its first datagram at time 0.
    fn new(mode: &str, options: &[&str], extra: &[(&str, &str)]) -> Self {
        let mut fixture = Self {
            initiator: Initiator::new(
                settings(mode, options, extra),
                mode.parse().unwrap(),
                peer(),
            ),
            now: Duration::ZERO,
            outcome: None,
        };
        fixture.initiator.handle(fixture.now, Input::Tick);
        fixture
    }

    /// What it answers at once.
    fn receive(&mut self, payload: &[u8]) -> Vec<Vec<u8>> {
        self.receive_from(peer(), payload)
    }

    fn receive_from(&mut self, from: SocketAddr, payload: &[u8]) -> Vec<Vec<u8>> {
        let input = Input::Datagram { from, payload };
        self.initiator.handle(self.now, input);
        self.sent()
    }

    /// Lets time pass; what is sent meanwhile, with the time.
    fn pass(&mut self, time: Duration) -> Vec<(Duration, Vec<u8>)> {
        let end = self.now + time;
        let mut all = Vec::new();
        while let Some(due) = self.initiator.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.initiator.handle(self.now, Input::Tick);
            let now = self.now;
            all.extend(self.sent().into_iter().map(|payload| (now, payload)));
        }
        self.now = end;
        all
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(output) = self.initiator.poll() {
            match output {
                Output::Send { to, payload } => {
                    assert_eq!(to, peer());
                    sent.push(payload);
                }
                Output::Ended { outcome, .. } => {
                    assert_eq!(self.outcome, None, "it ends once");
                    self.outcome = Some(outcome);
                }
                Output::Transition { from, to, .. } => assert_ne!(from, to),
            }
        }
        sent
    }

    fn state(&self) -> &'static str {
        self.initiator.state()
    }

    fn frames(&self) -> u64 {
        self.initiator.done.count()
    }

    fn invalid(&self, cause: &str) -> u64 {
        let causes = &self.initiator.counters.validation_errors;
        causes.get(cause).copied().unwrap_or(0)
    }

    /// The key and the sentence of its failure.
    fn failure(&self) -> (&'static str, &str) {
        match &self.outcome {
            Some(Outcome::Failed(failure)) => (failure.cause, &failure.message),
            other => panic!("{other:?}"),
        }
    }
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4444))
}

fn id(text: &str) -> ConnectionId {
    ConnectionId::from_text(text.as_bytes()).unwrap()
}

fn syn_ack(text: &str) -> Vec<u8> {
    syn_ack_with(text, |control| control.flags = Control::ACCEPT)
}

fn syn_ack_with(text: &str, change: impl FnOnce(&mut Control<'_>)) -> Vec<u8> {
    let id = id(text);
    let mut control = Control::new(id.as_bytes());
    change(&mut control);
    Frame::SynAck(control).to_vec()
}

fn ack(text: &str) -> Vec<u8> {
    Frame::Ack(Control::new(id(text).as_bytes())).to_vec()
}

fn named(text: &str) -> Vec<u8> {
    Frame::ConnectionId(ConnectionIdFrame::new(id(text).as_bytes(), &[])).to_vec()
}

fn data(number: u64) -> Vec<u8> {
    let header = Header {
        sequence_number: number,
        qpc: 0,
        qpf: 1,
    };
    let payload = pattern::prefix(974);
    Frame::Data(Data { header, payload }).to_vec()
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
