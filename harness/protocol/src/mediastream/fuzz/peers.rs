use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::datagrams;
use super::input::{Event, FuzzInput};
use crate::exploration::{ExploredMachine, Participant, Participants, Traffic};
use crate::machine::{Input, Machine, Output, Tally};
use crate::mediastream::exploration::convergence;
use crate::mediastream::frame::{ConnectionId, Control, Frame, Start3};
use crate::mediastream::{PROTOCOL, new_reference};
use crate::monitor::Vantage;
use crate::requirement::Role;
use crate::{MonitorSettings, ReferenceSettings, StreamParameters, Tolerance};

/// Peers that a plan can distinguish.
const PEERS: u8 = 3;

/// The addresses of the responder, and of the first initiator.
const RESPONDER: ([u8; 4], u16) = ([192, 0, 2, 1], PROTOCOL.port);
const INITIATOR: ([u8; 4], u16) = ([192, 0, 2, 2], 50_000);

/// What each thing that a peer does takes: answers come before the next one.
const STEP: Duration = Duration::from_micros(1);

/// From one frame of the stream to the next.
const FRAME: Duration = Duration::from_millis(20);

/// Outputs that one input may lead to: a late tick sends a whole stream to each of the peers.
const MOST_OUTPUTS: usize = 10_000;

const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 400_000,
    frames_per_second: 50,
    seconds: 1,
};

/// Takes the bytes as a plan for the reference in this role and its peers. The bits of the options are 3way,
/// the options of the role, and start3 (16). Of a responder in `legacy` two of them are slots, for clients that
/// receive (4) and for those that send (8).
#[must_use]
pub fn participants(role: Role, bytes: &[u8]) -> Participants {
    let plan = FuzzInput::read(bytes);
    let (mode, options) = settings(role, plan.options);
    let mut peers = Peer::all(role, mode);
    let mut now = Duration::ZERO;
    for event in plan.events {
        now += STEP;
        let (peer, act) = match event {
            Event::Datagram { peer, payload } => (peer, Act::Say(payload.to_vec())),
            Event::Answer { peer, choice } => (peer, Act::Answer(choice)),
            Event::Wait(time) => {
                now += time;
                continue;
            }
            Event::Deadline => {
                now += FRAME;
                continue;
            }
            Event::Stop => break,
        };
        peers[usize::from(peer % PEERS)].plan.push_back((now, act));
    }
    let mut peers = peers.into_iter().map(Peer::participant);
    let slots = match (role, mode) {
        (Role::Responder, "legacy") => slots(plan.options),
        (Role::Responder | Role::Initiator, _) => Vec::new(),
    };
    let reference = reference(role, mode, options, slots);
    let (server, clients) = match role {
        Role::Responder => (reference, peers.collect()),
        Role::Initiator => {
            let first = peers.next();
            let server = first.unwrap_or_else(|| unreachable!("there are {PEERS} peers"));
            (server, [reference].into_iter().chain(peers).collect())
        }
    };
    Participants {
        setting: format!("{role}, {mode}"),
        pair: None,
        facts: None,
        server,
        clients,
        quiet: Some(now),
        idle_check: None,
        ends: Some(now + STEP),
        unending: convergence(mode),
        delay: [Duration::ZERO; 2],
    }
}

fn settings(role: Role, bits: u8) -> (&'static str, Vec<String>) {
    let (three_way, start3) = (bits & 1 != 0, bits & 16 != 0);
    let mode = match (role, three_way, start3) {
        (_, false, false) => "legacy",
        (_, true, false) => "3way",
        (Role::Responder, true, true) => "3way,start3",
        (Role::Initiator, _, true) | (Role::Responder, false, true) => "start3",
    };
    let any = three_way || start3;
    let known = match role {
        Role::Responder => [
            ("allow_legacy_start", any && bits & 2 != 0),
            ("optimistic_start", three_way && bits & 4 != 0),
            ("begin_immediately", start3 && bits & 8 != 0),
        ]
        .to_vec(),
        Role::Initiator => [("fallback", any && bits & 2 != 0)].to_vec(),
    };
    let on = known.into_iter().filter(|(_, is_on)| *is_on);
    (mode, on.map(|(name, _)| name.to_owned()).collect())
}

fn slots(bits: u8) -> Vec<(String, String)> {
    let named = [("slots", bits & 4), ("upload_slots", bits & 8)];
    let some = named.into_iter().filter(|(_, bit)| *bit != 0);
    some.map(|(name, _)| (name.to_owned(), "2".to_owned()))
        .collect()
}

fn reference(
    role: Role,
    mode: &str,
    options: Vec<String>,
    extra: Vec<(String, String)>,
) -> Participant {
    // With slots it counts in another way.
    let is_counted = extra.is_empty();
    let machine = new_reference(&ReferenceSettings {
        role,
        mode: mode.to_owned(),
        options: options.clone(),
        stream: STREAM,
        peer: (role == Role::Initiator).then(|| RESPONDER.into()),
        seed: 1,
        epoch: Duration::ZERO,
        extra,
    });
    Participant {
        machine: ExploredMachine::Datagrams(Box::new(CheckedMachine {
            machine: machine.unwrap_or_else(|problem| unreachable!("{problem}")),
            traffic: is_counted.then(Traffic::default),
            outputs: 0,
            was_finished: false,
            ticked: None,
        })),
        judged_by: Some(MonitorSettings {
            vantage: Vantage::Sender,
            tolerance: Tolerance::new(0.25),
            stream: Some(STREAM),
            max_datagram: Some(1_400),
            options: Some(options),
            mode: Some(mode.to_owned()),
            ..MonitorSettings::default()
        }),
    }
}

/// A machine, and its invariants under any input.
struct CheckedMachine {
    machine: Box<dyn Machine>,
    /// Datagrams in both directions, where the machine counts them.
    traffic: Option<Traffic>,
    /// The result of the last input.
    outputs: usize,
    was_finished: bool,
    /// The time of its last tick, if that was the last input.
    ticked: Option<Duration>,
}

impl Machine for CheckedMachine {
    fn role(&self) -> Role {
        self.machine.role()
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.outputs = 0;
        self.was_finished = self.machine.is_finished();
        self.ticked = matches!(input, Input::Tick).then_some(now);
        if let (Input::Datagram { payload, .. }, Some(traffic)) = (input, &mut self.traffic) {
            traffic.received.add(payload);
        }
        self.machine.handle(now, input);
    }

    fn poll(&mut self) -> Option<Output> {
        let Some(output) = self.machine.poll() else {
            let due = self.machine.deadline();
            let is_later = |ticked| due.is_none_or(|due| due > ticked);
            assert!(
                self.ticked.is_none_or(is_later),
                "told the time, it wants to be told so again: {due:?}"
            );
            let traffic = self.traffic.as_ref();
            assert_eq!(
                traffic.and_then(|traffic| traffic.differ(&self.machine.tally())),
                None
            );
            assert!(!self.was_finished || due.is_none(), "it is over");
            return None;
        };
        self.outputs += 1;
        assert!(self.outputs <= MOST_OUTPUTS, "one input, too many outputs");
        assert!(!self.was_finished, "it is over, and wants {output:?}");
        if let (Output::Send { payload, .. }, Some(traffic)) = (&output, &mut self.traffic) {
            traffic.sent.add(payload);
        }
        Some(output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    fn is_finished(&self) -> bool {
        self.machine.is_finished()
    }

    fn counters(&self) -> serde_json::Value {
        self.machine.counters()
    }

    fn tally(&self) -> Tally {
        self.machine.tally()
    }
}

/// A peer that does what its plan says, at its times.
#[derive(Debug)]
struct Peer {
    role: Role,
    /// The address of the reference.
    reference: SocketAddr,
    speaks_start3: bool,
    plan: VecDeque<(Duration, Act)>,
    /// The response to the last handshake frame that the reference sent.
    reply: Arc<Mutex<Vec<u8>>>,
    wants: VecDeque<Output>,
}

#[derive(Debug)]
enum Act {
    Say(Vec<u8>),
    /// One of the datagrams that make sense.
    Answer(u8),
}

impl Peer {
    /// The peers of a reference in this role.
    fn all(role: Role, mode: &str) -> [Self; PEERS as usize] {
        let nobody = Control::new(ConnectionId::EMPTY.as_bytes());
        let first = match role {
            Role::Responder => Frame::Ack(nobody),
            Role::Initiator => Frame::SynAck(nobody),
        };
        let reply = Arc::new(Mutex::new(first.to_vec()));
        std::array::from_fn(|place| Self {
            role: match place {
                0 => role.peer(),
                _ => Role::Initiator,
            },
            reference: match role {
                Role::Responder => RESPONDER.into(),
                Role::Initiator => INITIATOR.into(),
            },
            speaks_start3: mode.contains("start3"),
            plan: VecDeque::new(),
            reply: Arc::clone(&reply),
            wants: VecDeque::new(),
        })
    }

    fn participant(self) -> Participant {
        Participant {
            machine: ExploredMachine::Datagrams(Box::new(self)),
            judged_by: None,
        }
    }

    fn says(&self, act: Act) -> Vec<u8> {
        match act {
            Act::Say(payload) => payload,
            Act::Answer(0) => {
                let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner);
                reply.clone()
            }
            Act::Answer(choice) if self.speaks_start3 => datagrams::start3_datagram(choice),
            Act::Answer(choice) => datagrams::datagram(choice),
        }
    }
}

impl Machine for Peer {
    fn role(&self) -> Role {
        self.role
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if let Input::Datagram { payload, .. } = input
            && let Ok(Some(frame)) = Frame::decode(payload)
            && let Some(reply) = reply(&frame)
        {
            *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
        }
        while let Some((_, act)) = self.plan.pop_front_if(|(at, _)| *at <= now) {
            let (to, payload) = (self.reference, self.says(act));
            self.wants.push_back(Output::Send { to, payload });
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.wants.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        self.plan.front().map(|(at, _)| *at)
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// What takes a handshake further: acceptance of all that is asked, and its confirmation.
fn reply(frame: &Frame<'_>) -> Option<Vec<u8>> {
    let reply = match frame {
        Frame::Syn(syn) => {
            let id = syn.connection_id();
            let mut control = Control::new(id.as_bytes());
            control.flags = Control::ACCEPT;
            return Some(Frame::SynAck(control).to_vec());
        }
        Frame::SynAck(syn_ack) => {
            let id = syn_ack.connection_id();
            return Some(Frame::Ack(Control::new(id.as_bytes())).to_vec());
        }
        Frame::Start(start) => {
            let mut body = Start3::new(start.stream_id, start.nonce, 7);
            body.tlvs = start.tlvs;
            Frame::StartAck(body)
        }
        Frame::StartAck(ack) => {
            let body = Start3::new(ack.stream_id, ack.nonce, ack.sender_nonce);
            Frame::StartConfirm(body)
        }
        Frame::StartToken
        | Frame::JoinToken
        | Frame::Data(_)
        | Frame::Fragment(_)
        | Frame::Ack(_)
        | Frame::StartConfirm(_)
        | Frame::Error(_)
        | Frame::ConnectionId(_) => return None,
    };
    Some(reply.to_vec())
}
