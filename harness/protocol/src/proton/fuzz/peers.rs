use std::collections::VecDeque;
use std::time::Duration;

use super::input::{FuzzInput, Step, StepKind};
use crate::MonitorSettings;
use crate::exploration::{Explored, ExploredMachine, Participant, Participants};
use crate::monitor::Vantage;
use crate::proton::exploration::{self, Command, OwnedClient, UNENDING, judged_by, reference};
use crate::proton::{
    Client, ClientSettings, CloseCode, Deviations, Kind, Profile, RESET, Server, ServerSettings,
    TRANSPORT,
};
use crate::requirement::Role;
use crate::streams::{
    Approach, ConnectionNumber, Fault, Input, OnStream, Output, StreamId, StreamMachine,
};

/// Peers of a server.
const PEERS: usize = 3;

/// When a plan is over at the latest.
const LIMIT: Duration = Duration::from_secs(660);

/// What an owner or a peer waits after its last step.
const AFTER: Duration = Duration::from_secs(10);

/// Takes the bytes as a plan for a reference and its peers. The bits of the options are: the reference is
/// the client, pull, no reset (of a client: its ids are near the last one), commits of four minutes, small
/// windows, a capture on the path, a slow network, and a profile that the monitor knows.
#[must_use]
pub fn participants(bytes: &[u8]) -> Participants {
    let plan = FuzzInput::read(bytes);
    let profile = match plan.is_on(2) {
        true => Profile::Pull,
        false => Profile::Push,
    };
    let (steps, ends) = timed(&plan.steps);
    let vantage = match plan.is_on(32) {
        true => Vantage::Path,
        false => Vantage::Sender,
    };
    let judged_by = judged_by(vantage, plan.is_on(128).then_some(profile));
    let (server, clients) = match plan.is_on(1) {
        false => of_server(&plan, profile, steps, &judged_by),
        true => of_client(&plan, profile, steps, &judged_by),
    };
    Participants {
        setting: String::new(),
        pair: None,
        facts: None,
        delay: match plan.is_on(64) {
            true => [Duration::ZERO, Duration::from_millis(150)],
            false => [Duration::ZERO; 2],
        },
        server,
        clients,
        quiet: Some(ends),
        rest: None,
        ends: Some(ends),
        unending: UNENDING,
    }
}

type Steps<'a> = Vec<(Duration, Step<'a>)>;

/// The steps that somebody does, with their times, and when all is over.
fn timed<'a>(steps: &[Step<'a>]) -> (Steps<'a>, Duration) {
    let mut now = Duration::ZERO;
    let mut timed = Vec::new();
    for step in steps {
        if now > LIMIT {
            break;
        }
        match step.what {
            StepKind::Wait => now += step.time(),
            StepKind::Deadline => now += Duration::from_secs(1),
            _ => timed.push((now, *step)),
        }
    }
    (timed, now.min(LIMIT) + AFTER)
}

fn of_server(
    plan: &FuzzInput<'_>,
    profile: Profile,
    steps: Steps<'_>,
    judged_by: &MonitorSettings,
) -> (Participant, Vec<Participant>) {
    let server = Server::new(ServerSettings {
        profile,
        resets: !plan.is_on(4),
        commit_delay: match plan.is_on(8) {
            true => Duration::from_secs(240),
            false => Duration::ZERO,
        },
        ..ServerSettings::default()
    });
    let window = plan.is_on(16).then_some(32);
    let mut peers: Vec<_> = (0..PEERS)
        .map(|_| Peer::new(Role::Initiator, window))
        .collect();
    for (at, step) in steps {
        peers[usize::from(step.connection) % PEERS].plans(at, &step);
    }
    let peers = peers.into_iter().map(Peer::participant);
    let without = Deviations::default();
    let server = reference(Role::Responder, server, &CloseCode::ALL, without, judged_by);
    (server, peers.collect())
}

fn of_client(
    plan: &FuzzInput<'_>,
    profile: Profile,
    steps: Steps<'_>,
    judged_by: &MonitorSettings,
) -> (Participant, Vec<Participant>) {
    let settings = ClientSettings {
        profile,
        first_event: match plan.is_on(4) {
            true => u32::MAX - 3,
            false => 1,
        },
    };
    let mut commands = exploration::Schedule::new();
    let mut peer = Peer::new(Role::Responder, None);
    for (at, step) in steps {
        match step.what {
            StepKind::Command => commands.push_back((at, command(&step))),
            _ => peer.plans(at, &step),
        }
    }
    let window = plan.is_on(16).then_some(32);
    let client = OwnedClient::new(Client::new(settings), window, commands);
    let without = Deviations::default();
    let client = reference(Role::Initiator, client, &CloseCode::ALL, without, judged_by);
    (peer.participant(), vec![client])
}

fn command(step: &Step<'_>) -> Command {
    match step.stream % 6 {
        0 => Command::Connect { resets: false },
        1 => Command::Connect { resets: true },
        2 => Command::Event,
        3 => Command::Commit(step.number()),
        4 => Command::Read,
        _ => Command::Close,
    }
}

/// A peer that does what its plan says, at its times.
#[derive(Debug)]
struct Peer {
    role: Role,
    window: Option<u32>,
    plan: VecDeque<(Duration, OwnStep)>,
    wants: VecDeque<Output>,
    /// The connection that is meant.
    connection: Option<ConnectionNumber>,
    connections: u64,
    /// Whether its handshake is not done: before that nothing can be done on it.
    is_connecting: bool,
    refuses: bool,
    reads_nothing: bool,
    is_silent: bool,
    /// Discriminators that it said on this connection, and its last id.
    kinds: usize,
    last: u32,
    /// Words that it got on streams, to be answered.
    heard: VecDeque<(StreamId, Vec<u8>)>,
}

/// A step with its bytes.
#[derive(Debug)]
struct OwnStep {
    what: StepKind,
    stream: StreamId,
    number: u32,
    code: u64,
    bytes: Vec<u8>,
}

impl Peer {
    fn new(role: Role, window: Option<u32>) -> Self {
        Self {
            role,
            window,
            plan: VecDeque::new(),
            wants: VecDeque::new(),
            connection: None,
            connections: 0,
            is_connecting: false,
            refuses: false,
            reads_nothing: false,
            is_silent: false,
            kinds: 0,
            last: 0,
            heard: VecDeque::new(),
        }
    }

    fn participant(self) -> Participant {
        Participant {
            machine: ExploredMachine::Streams(Box::new(self), TRANSPORT),
            judged_by: None,
        }
    }

    fn plans(&mut self, at: Duration, step: &Step<'_>) {
        let step = OwnStep {
            what: step.what,
            stream: StreamId(step.stream.into()),
            number: step.number(),
            code: step.code(),
            bytes: step.bytes.to_vec(),
        };
        self.plan.push_back((at, step));
    }

    fn does(&mut self, step: OwnStep) {
        let (id, code, bytes) = (step.stream, step.code, step.bytes);
        match (step.what, self.role) {
            (StepKind::Opened, _) => self.wants(|connection| Output::Open(connection, id)),
            (StepKind::Bytes, _) => self.wants(|connection| Output::Write(connection, id, bytes)),
            (StepKind::Fin, _) => self.wants(|connection| Output::Fin(connection, id)),
            (StepKind::Reset, _) => self.wants(|connection| Output::Reset(connection, id, code)),
            (StepKind::Stopped, _) => {
                self.wants(|connection| Output::StopSending(connection, id, code));
            }
            (StepKind::Datagram, _) => self.wants(|connection| Output::Datagram(connection, bytes)),
            (StepKind::Closed, _) => self.wants(|connection| Output::Close {
                connection,
                code,
                reason: String::new(),
            }),
            (StepKind::Written, _) => self.reads_nothing = !self.reads_nothing,
            (StepKind::Stop, _) => {
                self.is_silent = !self.is_silent;
                let is_silent = self.is_silent;
                self.wants(|connection| Output::Misbehave(connection, Fault::Silent(is_silent)));
            }
            (StepKind::Asked | StepKind::Connected, Role::Initiator) => self.connects(),
            (StepKind::Sense, Role::Initiator) => self.speaks(id, step.number, bytes.len()),
            (StepKind::Command, Role::Initiator) => self.resets(),
            (StepKind::Asked, Role::Responder) => self.refuses = !self.refuses,
            // It answers what it heard, rightly for events if it is no more than one.
            (StepKind::Sense, Role::Responder) => {
                if let Some((id, bytes)) = self.heard.pop_front() {
                    self.wants(|connection| Output::Write(connection, id, bytes));
                }
            }
            (StepKind::Connected | StepKind::Command, Role::Responder)
            | (StepKind::Wait | StepKind::Deadline, _) => {}
        }
    }

    fn connects(&mut self) {
        let connection = ConnectionNumber(self.connections);
        self.connections += 1;
        self.connection = Some(connection);
        self.is_connecting = true;
        self.kinds = 0;
        self.last = 0;
        let window = self.window;
        self.wants.push_back(Output::ConnectBy(
            connection,
            Approach {
                window,
                ..Approach::default()
            },
        ));
    }

    fn resets(&mut self) {
        let first = StreamId(0);
        self.wants(|connection| Output::Open(connection, first));
        self.wants(|connection| Output::Write(connection, first, vec![RESET]));
        self.wants(|connection| Output::Fin(connection, first));
    }

    /// The next discriminator on a stream that it opens, or a word on one that it has: one above the last, or the
    /// number where all its bytes are given.
    fn speaks(&mut self, id: StreamId, number: u32, length: usize) {
        if let Some(kind) = Kind::ALL.get(self.kinds) {
            self.kinds += 1;
            let byte = vec![kind.number()];
            self.wants(|connection| Output::Open(connection, id));
            self.wants(|connection| Output::Write(connection, id, byte));
            return;
        }
        self.last = match length {
            0..4 => self.last.saturating_add(1 + number % 3),
            4.. => number,
        };
        let word = self.last.to_le_bytes().to_vec();
        self.wants(|connection| Output::Write(connection, id, word));
    }

    fn wants(&mut self, output: impl FnOnce(ConnectionNumber) -> Output) {
        let connection = self.connection;
        self.wants.extend(connection.map(output));
    }
}

impl StreamMachine for Peer {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Incoming { connection, .. } => {
                self.wants.push_back(match self.refuses {
                    true => Output::Refuse(connection),
                    false => Output::Admit(connection),
                });
                self.connection = Some(connection);
                self.is_connecting = !self.refuses;
            }
            Input::Connected { connection } | Input::Closed { connection, .. }
                if self.connection == Some(connection) =>
            {
                self.is_connecting = false;
            }
            Input::Stream {
                stream,
                what: OnStream::Bytes(bytes),
                ..
            } => {
                // Without the discriminators.
                if bytes.len() > 1 && self.heard.len() < 1_000 {
                    self.heard.push_back((stream, bytes.to_vec()));
                }
            }
            Input::Connected { .. }
            | Input::Stream { .. }
            | Input::Datagram { .. }
            | Input::Closed { .. }
            | Input::Tick
            | Input::Delivered { .. }
            | Input::Stop => {}
        }
        while !self.is_connecting
            && let Some((_, step)) = self.plan.pop_front_if(|(at, _)| *at <= now)
        {
            self.does(step);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.wants.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let next = self.plan.front().filter(|_| !self.is_connecting);
        next.map(|(at, _)| *at)
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        !self.reads_nothing
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

impl Explored for Peer {}
