use std::net::SocketAddr;
use std::time::Duration;

use super::plan::{Event, Plan};
use super::rig::address;
use super::talk;
use crate::machine::{Input, Machine, Output};
use crate::mediastream;
use crate::mediastream::frame::{ConnectionId, Control, Frame, Start3};
use crate::monitor::{Monitor, Observation, Packet, Vantage};
use crate::requirement::Role;
use crate::{MonitorSettings, ReferenceSettings, StreamParameters, Tolerance};

/// Peers that a plan can tell apart.
const PEERS: u8 = 3;

const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 400_000,
    frames_per_second: 50,
    seconds: 1,
};

/// Plays a plan for the reference in this role while the monitor looks on: whatever the peers do,
/// the reference never breaks a requirement. The clock is kept as a good owner keeps it, so that
/// no timer is late. The bits of the options are 3way, the options of the role, and start3 (16).
pub(super) fn run(role: Role, bytes: &[u8]) {
    let plan = Plan::read(bytes);
    let (mode, options) = settings(role, plan.options);
    let mut machine = JudgedMachine::new(role, mode, options);
    machine.turn(Input::Tick);
    for event in plan.events {
        match event {
            Event::Datagram { peer, payload } => machine.arrives(peer, payload),
            Event::Answer { peer, choice } => {
                let payload = machine.answer(choice);
                machine.arrives(peer, &payload);
            }
            Event::Wait(time) => machine.pass(time),
            Event::Deadline => machine.pass_to_deadline(),
            Event::Stop => break,
        }
    }
    machine.close();
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

struct JudgedMachine {
    role: Role,
    machine: Box<dyn Machine>,
    monitor: Box<dyn Monitor>,
    now: Duration,
    packets: u64,
    speaks_start3: bool,
    /// The answer to the last handshake frame that the machine sent.
    reply: Vec<u8>,
    /// What the capture held last, for whoever reads the message.
    recent: Vec<String>,
}

impl JudgedMachine {
    fn new(role: Role, mode: &str, options: Vec<String>) -> Self {
        let machine = mediastream::new_reference(&ReferenceSettings {
            role,
            mode: mode.to_owned(),
            options: options.clone(),
            stream: STREAM,
            peer: Some(address(0)),
            seed: 1,
            extra: Vec::new(),
        });
        let monitor = mediastream::new_monitor(&MonitorSettings {
            vantage: Vantage::Sender,
            tolerance: Tolerance::new(0.25),
            stream: Some(STREAM),
            max_datagram: Some(1_400),
            options: Some(options),
            mode: Some(mode.to_owned()),
            supervised: false,
            buffer_period: None,
            watched_until: None,
        });
        Self {
            role,
            machine: machine.unwrap_or_else(|problem| unreachable!("{problem}")),
            monitor,
            now: Duration::from_secs(1),
            packets: 0,
            speaks_start3: mode.contains("start3"),
            reply: match role {
                Role::Responder => Frame::Ack(Control::new(ConnectionId::EMPTY.as_bytes())),
                Role::Initiator => Frame::SynAck(Control::new(ConnectionId::EMPTY.as_bytes())),
            }
            .to_vec(),
            recent: Vec::new(),
        }
    }

    fn arrives(&mut self, peer: u8, payload: &[u8]) {
        let from = address(peer % PEERS);
        self.record(from, own(), payload);
        self.turn(Input::Datagram { from, payload });
    }

    /// Time goes on, with a tick at each deadline.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self
            .machine
            .deadline()
            .is_some_and(|deadline| deadline <= until)
        {
            self.pass_to_deadline();
        }
        self.now = until;
        self.turn(Input::Tick);
    }

    fn pass_to_deadline(&mut self) {
        if let Some(deadline) = self.machine.deadline() {
            self.now = self.now.max(deadline);
            self.turn(Input::Tick);
        }
    }

    fn turn(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.poll() {
            let Output::Send { to, payload } = output else {
                continue;
            };
            if let Ok(Some(frame)) = Frame::decode(&payload)
                && let Some(reply) = reply(&frame)
            {
                self.reply = reply;
            }
            self.record(own(), to, &payload);
        }
    }

    fn record(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        self.packets += 1;
        let packet = Packet {
            number: self.packets,
            time: self.now,
            source,
            destination,
            payload,
            length: payload.len(),
        };
        if self.recent.len() == 40 {
            self.recent.remove(0);
        }
        let frame = Frame::decode(payload).map(|frame| frame.map(|frame| frame.name()));
        self.recent.push(format!(
            "{} {:?} {source} > {destination} {} bytes {frame:?}",
            self.packets,
            self.now,
            payload.len()
        ));
        let (role, recent) = (self.role, &self.recent);
        self.monitor
            .packet(&packet, &mut |said| accept(role, recent, &said));
    }

    fn close(mut self) {
        let (role, recent) = (self.role, &self.recent);
        self.monitor
            .finish(self.now, &mut |said| accept(role, recent, &said));
    }

    /// One of the datagrams that make sense now.
    fn answer(&self, choice: u8) -> Vec<u8> {
        match choice {
            0 => self.reply.clone(),
            _ if self.speaks_start3 => talk::start3_datagram(choice),
            _ => talk::datagram(choice),
        }
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

/// The address of the machine.
fn own() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 9_000))
}

/// What the peers do wrong is theirs; the reference does nothing wrong.
fn accept(role: Role, recent: &[String], said: &Observation) {
    if let Observation::Finding(finding) = said
        && finding.address == own()
        && finding.party == role
    {
        unreachable!(
            "the {role} breaks a rule: {finding:#?}\n{}",
            recent.join("\n")
        );
    }
}
