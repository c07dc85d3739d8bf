//! Conversations in a few lines, and what the monitor says of them.

mod before_ack;
mod errors;
mod handshake;
mod healthy;
mod incomplete;
mod late;
mod media;
mod memory;
mod naming;
mod pace;
mod start3;
mod starts;
mod upload;

use std::net::SocketAddr;
use std::time::Duration;

use crate::mediastream::frame::{ConnectionId, Control, Data, Fragment, Frame, Header};
use crate::mediastream::pattern;
use crate::monitor::{Datagram, Observation, Session, Vantage};
use crate::{MonitorSettings, StreamParameters};

pub(super) const INITIATOR: &str = "127.0.0.1:50000";
pub(super) const RESPONDER: &str = "127.0.0.1:4444";

/// Ticks a second of the sender's clock in these tests.
const QPF: u64 = 10_000_000;

/// What is streamed in these tests: 20 frames of 1,000 bytes, one each 20 ms.
pub(super) const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 400_000,
    frames_per_second: 50,
    seconds: 1,
};

/// One datagram of a conversation.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// Milliseconds from the start.
    pub(super) time: f64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// How much of it the capture keeps.
    pub(super) kept: usize,
}

/// A conversation; each step comes after the one before.
#[derive(Debug, Clone)]
pub(super) struct Talk {
    pub(super) sent: Vec<Sent>,
    pub(super) now: f64,
    pub(super) initiator: SocketAddr,
    pub(super) responder: SocketAddr,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self {
            sent: Vec::new(),
            now: 1_000.0,
            initiator: INITIATOR.parse().unwrap(),
            responder: RESPONDER.parse().unwrap(),
        }
    }

    /// A whole legacy session of `frames` frames.
    pub(super) fn legacy(frames: u64) -> Self {
        Self::new()
            .start()
            .after(1.0)
            .name("one")
            .frames(1..=frames)
    }

    /// A whole 3way session of `frames` frames.
    pub(super) fn three_way(frames: u64) -> Self {
        Self::new().greet("one").frames(1..=frames)
    }

    /// SYN, SYN-ACK, ACK, connection-id.
    pub(super) fn greet(self, id: &str) -> Self {
        let wished = format!("wish-{id}");
        self.syn(&wished)
            .after(1.0)
            .syn_ack(id)
            .after(1.0)
            .ack(id)
            .after(1.0)
            .name(id)
    }

    pub(super) fn after(mut self, millis: f64) -> Self {
        self.now += millis;
        self
    }

    pub(super) fn from(mut self, initiator: &str) -> Self {
        self.initiator = initiator.parse().unwrap();
        self
    }

    pub(super) fn with(mut self, responder: &str) -> Self {
        self.responder = responder.parse().unwrap();
        self
    }

    /// Any datagram of the initiator.
    pub(super) fn ask(self, bytes: &[u8]) -> Self {
        let (from, to) = (self.initiator, self.responder);
        self.send(from, to, bytes)
    }

    /// Any datagram of the responder.
    pub(super) fn answer(self, bytes: &[u8]) -> Self {
        let (from, to) = (self.responder, self.initiator);
        self.send(from, to, bytes)
    }

    fn send(mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Self {
        self.sent.push(Sent {
            time: self.now,
            from,
            to,
            bytes: bytes.to_vec(),
            kept: usize::MAX,
        });
        self
    }

    pub(super) fn start(self) -> Self {
        self.ask(b"START")
    }

    pub(super) fn syn(self, wished: &str) -> Self {
        self.ask(&Frame::Syn(Control::new(&id(wished))).to_vec())
    }

    pub(super) fn syn_ack(self, assigned: &str) -> Self {
        self.answer(&accepting(assigned))
    }

    pub(super) fn reject(self) -> Self {
        self.answer(&Frame::SynAck(Control::new(&[0; 37])).to_vec())
    }

    pub(super) fn ack(self, assigned: &str) -> Self {
        self.ask(&Frame::Ack(Control::new(&id(assigned))).to_vec())
    }

    pub(super) fn name(self, text: &str) -> Self {
        let mut bytes = vec![0x00, 0x10];
        bytes.extend_from_slice(&id(text));
        self.answer(&bytes)
    }

    /// Frames of 1,000 bytes, each 20 ms after what was before.
    pub(super) fn frames(mut self, numbers: impl IntoIterator<Item = u64>) -> Self {
        for number in numbers {
            self = self.after(20.0).data(number, 974);
        }
        self
    }

    /// One data datagram at once, with `payload` bytes of the pattern.
    pub(super) fn data(self, number: u64, payload: usize) -> Self {
        let header = self.header(number);
        self.answer(&data(header, pattern::prefix(payload)))
    }

    /// One fragment at once.
    pub(super) fn fragment(self, number: u64, offset: u64, payload: usize, total: u64) -> Self {
        let fragment = Fragment {
            header: self.header(number),
            fragment_offset: offset,
            total_length: total,
            payload: pattern::prefix(payload),
        };
        self.answer(&Frame::Fragment(fragment).to_vec())
    }

    pub(super) fn header(&self, number: u64) -> Header {
        Header {
            sequence_number: number,
            qpc: 8_276_280_605 + (self.now * 1e4) as u64,
            qpf: QPF,
        }
    }

    /// Something else in the same capture, to show that it goes on.
    pub(super) fn elsewhere(mut self) -> Self {
        let from = "127.0.0.1:53".parse().unwrap();
        let to = "127.0.0.1:40000".parse().unwrap();
        self.sent.push(Sent {
            time: self.now,
            from,
            to,
            bytes: b"\x12\x34\x81\x80 some answer".to_vec(),
            kept: usize::MAX,
        });
        self
    }

    /// Changes the datagrams that are data of frame `number`.
    pub(super) fn on_frame(mut self, number: u64, change: impl Fn(&mut Vec<u8>)) -> Self {
        for sent in &mut self.sent {
            if is_frame(&sent.bytes, number) {
                change(&mut sent.bytes);
            }
        }
        self
    }

    /// Position of the first datagram of frame `number`.
    pub(super) fn position(&self, number: u64) -> usize {
        let found = self
            .sent
            .iter()
            .position(|sent| is_frame(&sent.bytes, number));
        found.expect("the frame is there")
    }

    /// Swaps what is sent at two places; the times stay.
    pub(super) fn swap(mut self, one: usize, other: usize) -> Self {
        self.sent.swap(one, other);
        let time = self.sent[one].time;
        self.sent[one].time = self.sent[other].time;
        self.sent[other].time = time;
        self
    }

    /// Changes the datagram at a place.
    pub(super) fn on(mut self, place: usize, change: impl Fn(&mut Vec<u8>)) -> Self {
        change(&mut self.sent[place].bytes);
        self
    }

    pub(super) fn without(mut self, place: usize) -> Self {
        self.sent.remove(place);
        self
    }

    /// The capture keeps so many bytes of each datagram.
    pub(super) fn cut(mut self, kept: usize) -> Self {
        for sent in &mut self.sent {
            sent.kept = kept;
        }
        self
    }
}

fn is_frame(bytes: &[u8], number: u64) -> bool {
    bytes.len() >= 26 && bytes[1] == 0 && bytes[0] <= 1 && bytes[2..10] == number.to_le_bytes()
}

pub(super) fn data(header: Header, payload: &[u8]) -> Vec<u8> {
    Frame::Data(Data { header, payload }).to_vec()
}

pub(super) fn id(text: &str) -> [u8; 37] {
    *ConnectionId::from_text(text.as_bytes()).unwrap().as_bytes()
}

pub(super) fn accepting(assigned: &str) -> Vec<u8> {
    let id = id(assigned);
    let mut control = Control::new(&id);
    control.flags = Control::ACCEPT;
    Frame::SynAck(control).to_vec()
}

/// What the monitor said.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) findings: Vec<&'static str>,
    pub(super) doubts: Vec<&'static str>,
    pub(super) sessions: Vec<Session>,
    pub(super) all: Vec<Observation>,
}

pub(super) fn at(vantage: Vantage) -> MonitorSettings {
    MonitorSettings {
        vantage,
        ..MonitorSettings::default()
    }
}

/// Settings of a run: at the sender, the stream known, supervised.
pub(super) fn supervised(mode: &str) -> MonitorSettings {
    MonitorSettings {
        vantage: Vantage::Sender,
        stream: Some(STREAM),
        mode: Some(mode.to_owned()),
        options: Some(Vec::new()),
        supervised: true,
        ..MonitorSettings::default()
    }
}

pub(super) fn judge(talk: &Talk, settings: &MonitorSettings) -> Heard {
    let mut monitor = super::new(settings);
    let mut heard = Heard::default();
    let mut emit = |observation| heard.all.push(observation);
    let mut end = Duration::ZERO;
    for (index, sent) in talk.sent.iter().enumerate() {
        end = Duration::from_secs_f64(sent.time / 1e3);
        let packet = Datagram {
            number: index as u64 + 1,
            time: end,
            source: sent.from,
            destination: sent.to,
            payload: &sent.bytes[..sent.kept.min(sent.bytes.len())],
            length: sent.bytes.len(),
        };
        monitor.datagram(&packet, &mut emit);
    }
    monitor.finish(end, &mut emit);
    for observation in &heard.all {
        match observation {
            Observation::Finding(finding) => heard.findings.push(finding.requirement),
            Observation::Inconclusive(finding) => heard.doubts.push(finding.requirement),
            Observation::Session(session) => heard.sessions.push(session.clone()),
        }
    }
    heard
}

/// Nothing is found from either vantage, nor doubted.
pub(super) fn assert_healthy(talk: &Talk) -> Heard {
    let path = judge(talk, &at(Vantage::Path));
    assert_eq!(
        (&path.findings, &path.doubts),
        (&vec![], &vec![]),
        "{:#?}",
        path.all
    );
    let sender = judge(talk, &at(Vantage::Sender));
    assert_eq!(
        (&sender.findings, &sender.doubts),
        (&vec![], &vec![]),
        "{:#?}",
        sender.all
    );
    sender
}

/// Exactly these findings from any vantage.
pub(super) fn assert_broken(talk: &Talk, findings: &[&str]) {
    for vantage in [Vantage::Sender, Vantage::Path] {
        let heard = judge(talk, &at(vantage));
        assert_eq!(heard.findings, findings, "{vantage:?} {:#?}", heard.all);
    }
}

/// Exactly this finding at the sender, and a doubt of it elsewhere.
pub(super) fn assert_broken_at_sender(talk: &Talk, requirement: &str) {
    let sender = judge(talk, &at(Vantage::Sender));
    assert_eq!(sender.findings, [requirement], "{:#?}", sender.all);
    assert!(sender.doubts.is_empty(), "{:#?}", sender.all);
    let path = judge(talk, &at(Vantage::Path));
    assert!(path.findings.is_empty(), "{:#?}", path.all);
    assert_eq!(path.doubts, [requirement], "{:#?}", path.all);
}
