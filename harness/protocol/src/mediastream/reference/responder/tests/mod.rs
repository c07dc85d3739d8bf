//! The responder by itself: what it answers in each state, its timers and its bounds.

mod bounds;
mod one_tuple;
mod rules;
mod sequences;
mod start3;
mod start3_sequences;

use super::super::settings::tests::settings;
use super::super::timing::UNCONFIRMED_BYTES;
use super::*;
use crate::mediastream::frame::tlv::{Tlv, kind};
use crate::mediastream::frame::{ConnectionId, ConnectionIdFrame, Data, Header, START_TOKEN};

/// A responder, the time, and what it sent.
struct Fixture {
    responder: Responder,
    now: Duration,
}

impl Fixture {
    fn new(mode: &str, options: &[&str], extra: &[(&str, &str)]) -> Self {
        Self {
            responder: Responder::new(settings(mode, options, extra)),
            now: Duration::ZERO,
        }
    }

    /// What it answers at once.
    fn receive(&mut self, from: SocketAddr, payload: &[u8]) -> Vec<Vec<u8>> {
        let input = Input::Datagram { from, payload };
        self.responder.handle(self.now, input);
        self.sent()
    }

    /// Lets time pass; what is sent meanwhile, with the time.
    fn pass(&mut self, time: Duration) -> Vec<(Duration, Vec<u8>)> {
        let end = self.now + time;
        let mut all = Vec::new();
        while let Some(due) = self.responder.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.responder.handle(self.now, Input::Tick);
            let now = self.now;
            all.extend(self.sent().into_iter().map(|payload| (now, payload)));
        }
        self.now = end;
        all
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        let outputs = std::iter::from_fn(|| self.responder.poll());
        outputs
            .filter_map(|output| match output {
                Output::Send { payload, .. } => Some(payload),
                Output::Transition { .. } | Output::Ended { .. } => None,
            })
            .collect()
    }

    fn state(&self, peer: SocketAddr) -> &'static str {
        let session = self.responder.sessions.get(&peer);
        session.map_or("Listen", Session::state)
    }

    fn id(&self, peer: SocketAddr) -> ConnectionId {
        self.responder.sessions[&peer].id
    }

    fn counter(&self, name: &str, cause: &str) -> u64 {
        let counters = self.responder.counters();
        counters
            .pointer(name)
            .and_then(|causes| causes[cause].as_u64())
            .unwrap_or(0)
    }
}

fn peer(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], n))
}

const A: u16 = 50_000;

fn id(text: &str) -> ConnectionId {
    ConnectionId::from_text(text.as_bytes()).unwrap()
}

fn syn(wish: &str) -> Vec<u8> {
    Frame::Syn(Control::new(id(wish).as_bytes())).to_vec()
}

fn syn_with(change: impl FnOnce(&mut Control<'_>)) -> Vec<u8> {
    let wish = id("wish");
    let mut control = Control::new(wish.as_bytes());
    change(&mut control);
    Frame::Syn(control).to_vec()
}

/// A SYN whose sender takes datagrams of up to so many bytes.
fn syn_that_takes(max_datagram: u32) -> Vec<u8> {
    let mut datagram = syn("wish");
    let value = &max_datagram.to_le_bytes();
    let kind = kind::MAX_DATAGRAM;
    Tlv { kind, value }.encode(&mut datagram);
    datagram
}

fn ack(id: &ConnectionId) -> Vec<u8> {
    Frame::Ack(Control::new(id.as_bytes())).to_vec()
}

fn decoded(datagram: &[u8]) -> Frame<'_> {
    Frame::decode(datagram).unwrap().unwrap()
}

fn names(datagrams: &[Vec<u8>]) -> Vec<&'static str> {
    datagrams
        .iter()
        .map(|datagram| decoded(datagram).name())
        .collect()
}

fn control(datagram: &[u8]) -> Control<'_> {
    match decoded(datagram) {
        Frame::Syn(control) | Frame::SynAck(control) | Frame::Ack(control) => control,
        other => panic!("{other:?}"),
    }
}

fn numbers(sent: &[(Duration, Vec<u8>)]) -> Vec<u64> {
    let frames = sent
        .iter()
        .filter_map(|(_, datagram)| match decoded(datagram) {
            Frame::Data(Data { header, .. }) => Some(header.sequence_number),
            _ => None,
        });
    frames.collect()
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Puts a tuple into a state.
fn bench_in(state: &str) -> Fixture {
    let options: &[&str] = match state {
        "optimistic" => &["allow_legacy_start", "optimistic_start"],
        _ => &["allow_legacy_start"],
    };
    let mut fixture = Fixture::new("3way", options, &[]);
    match state {
        "Listen" => {}
        "SynAckSent" | "optimistic" => drop(fixture.receive(peer(A), &syn("first"))),
        "Established" | "Streaming" => {
            fixture.receive(peer(A), &syn("first"));
            let id = fixture.id(peer(A));
            fixture.receive(peer(A), &ack(&id));
        }
        "legacy" => drop(fixture.receive(peer(A), START_TOKEN)),
        other => panic!("{other}"),
    }
    if ["optimistic", "Streaming", "legacy"].contains(&state) {
        fixture.pass(millis(60));
    }
    fixture
}

fn input(name: &str, fixture: &Fixture) -> Vec<u8> {
    let assigned = fixture
        .responder
        .sessions
        .get(&peer(A))
        .map(|session| session.id);
    let header = Header {
        sequence_number: 1,
        qpc: 0,
        qpf: 1,
    };
    match name {
        "START" => START_TOKEN.to_vec(),
        "long START" => b"STARTS".to_vec(),
        "same SYN" => syn("first"),
        "other SYN" => syn("second"),
        "foreign SYN" => syn_with(|syn| syn.version = 2),
        "ACK" => ack(&assigned.unwrap_or(id("none"))),
        "other ACK" => ack(&id("another")),
        "foreign ACK" => {
            let assigned = assigned.unwrap_or(id("none"));
            let mut control = Control::new(assigned.as_bytes());
            control.version = 2;
            Frame::Ack(control).to_vec()
        }
        "SYN-ACK" => answer::accept(&id("stray")),
        "connection-id" => answer::connection_id(&id("stray")),
        "data" => Frame::Data(Data {
            header,
            payload: &[0],
        })
        .to_vec(),
        "garbage" => vec![0xff; 1_000],
        "empty" => Vec::new(),
        "huge" => vec![0; 65_507],
        other => panic!("{other}"),
    }
}
