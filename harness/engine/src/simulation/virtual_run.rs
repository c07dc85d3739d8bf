use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::{MAX_PAYLOAD_IPV4, Tap, WriteError, WriterSettings};
use shakedown_carrier::Security;
use shakedown_protocol::Protocol;
use shakedown_protocol::event_loop::{EventLoop, Next};
use shakedown_protocol::machine::Input as ToMachine;
use shakedown_protocol::requirement::Role;

use crate::network::{Arrival, FaultLog, LOST, Network};
use crate::scenario::Scenario;
use crate::script::{
    Action, Budget, Environment, Input, Script, ScriptOutcome, SocketId, human_time,
};
use crate::verdict::{NetworkEffects, UnexpectedEnd};

use super::record::RunRecord;
use super::reference::{EPOCH, ReferenceProcess};
use super::{Settings, SimulationError};

/// From sending to arriving, each way.
pub const LATENCY: Duration = Duration::from_micros(100);
/// From the last thing that the reference does to the end of its process.
const EXIT_DELAY: Duration = Duration::from_millis(1);
/// How long a restart takes.
const RESTART_DELAY: Duration = Duration::from_millis(10);
/// How long a process that is asked to end may take.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Virtual time after which a scenario is given up.
const LIMIT: Duration = Duration::from_secs(3_600);
/// Events after which a scenario is given up.
const MAX_EVENTS: u64 = 10_000_000;
/// Most bytes that are sent: what is recorded and what is on its way is kept in memory.
const MOST_SENT: usize = 64 << 20;
/// What a datagram has besides its payload.
const HEADERS: usize = 64;

/// The scripted peer's first port; the others follow, up to all that are not the reference's.
const PEER_PORT: u16 = 10_000;
const PEER_PORTS: usize = 40_000;
const LOCALHOST: [u8; 4] = [127, 0, 0, 1];
const OTHER_ADDRESS: [u8; 4] = [127, 0, 0, 2];

/// Both sides, the network between them, and the tap.
pub(super) struct VirtualRun<'s> {
    protocol: &'static Protocol,
    scenario: &'s Scenario,
    settings: &'s Settings,
    script: Script,
    reference: ReferenceProcess,
    event_loop: EventLoop<Network<Route>>,
    /// Of a network that leaves something to chance.
    fault_log: Option<FaultLog>,
    /// The tap is at the reference's edge of a network that does harm, else at the scripted peer.
    at_reference: bool,
    agenda: BTreeMap<(Duration, u64), ScheduledEvent>,
    scheduled: u64,
    /// Bytes that were sent.
    sent: usize,
    /// Those that are open.
    sockets: BTreeMap<SocketId, SocketAddr>,
    /// Those that are open or were.
    addresses: BTreeMap<SocketAddr, SocketId>,
    tap: Tap<Vec<u8>>,
    first_packet: Option<Duration>,
    last_to_reference: Option<u64>,
    comments: BTreeMap<u64, Vec<String>>,
    unexpected_end: Option<UnexpectedEnd>,
    /// When its process ended by itself.
    exited: Option<Duration>,
    /// Whether it was asked to end, to be started again.
    is_stopping: bool,
    /// When the reference was stopped, or was gone already, to be started again.
    stopped: Vec<Duration>,
    key_log: String,
}

/// Where a datagram goes.
#[derive(Clone)]
enum Route {
    /// To the reference as it was started so often.
    ToReference {
        start: u16,
        from: SocketAddr,
        to: SocketAddr,
    },
    /// To the scripted peer; it was recorded as this packet if it was by now.
    ToPeer {
        from: SocketAddr,
        to: SocketAddr,
        packet: Option<u64>,
    },
}

/// Something that happens at a time.
enum ScheduledEvent {
    Exit {
        code: i32,
    },
    /// The process that was asked to end has had its time.
    Kill,
    /// The process is started again.
    Restart,
}

impl<'s> VirtualRun<'s> {
    pub(super) fn new(
        protocol: &'static Protocol,
        scenario: &'s Scenario,
        settings: &'s Settings,
    ) -> Result<Self, SimulationError> {
        let reference = ReferenceProcess::new(scenario.iut.role);
        let is_responder = scenario.iut.role == Role::Responder;
        let environment = Environment {
            protocol,
            timing: settings.timing,
            stream: settings.stream_of(scenario),
            exit: settings.exit,
            iut: is_responder.then(|| reference.address()),
            seed: settings.seed,
            epoch: EPOCH,
            values: settings.values.clone(),
            security: Security::Seeded(settings.seed),
            budget: Budget::for_scripts(1),
        };
        let tap = WriterSettings {
            application: "shakedown simulation".to_owned(),
            comment: Some(format!("{}: {}", scenario.id, scenario.title)),
            ..WriterSettings::default()
        };
        let impair = settings.impair_of(scenario);
        let script = match impair {
            Some(impair) => Script::through(scenario, environment, impair),
            None => Script::new(scenario, environment),
        };
        let impair = impair.cloned().unwrap_or_default();
        let mut run = Self {
            protocol,
            scenario,
            settings,
            script,
            reference,
            at_reference: !impair.is_ideal(),
            fault_log: FaultLog::of(&impair),
            event_loop: EventLoop::new(
                Network::new(impair, protocol.on_the_wire(), settings.seed).with_latency(LATENCY),
            ),
            agenda: BTreeMap::new(),
            scheduled: 0,
            sent: 0,
            sockets: BTreeMap::new(),
            addresses: BTreeMap::new(),
            tap: Tap::new(Vec::new(), &tap)?,
            first_packet: None,
            last_to_reference: None,
            comments: BTreeMap::new(),
            unexpected_end: None,
            exited: None,
            is_stopping: false,
            stopped: Vec::new(),
            key_log: String::new(),
        };
        run.open(SocketId::MAIN, false);
        Ok(run)
    }

    /// Plays to the end.
    pub(super) fn play(mut self) -> Result<RunRecord, SimulationError> {
        self.start()?;
        self.input(Input::Begin)?;
        while self.script.outcome().is_none() {
            if let Some(why) = self.next()? {
                let step = self.script.events().last().map(|event| event.step.clone());
                let step = step.unwrap_or_default();
                return Ok(self.record_of(ScriptOutcome::Error { why, step }));
            }
        }
        // Comments are left and, over QUIC, closes.
        self.execute_outputs()?;
        let outcome = self.script.outcome().cloned();
        let outcome = outcome.unwrap_or(ScriptOutcome::Passed);
        Ok(self.record_of(outcome))
    }

    /// Processes the next event: an arrival, then the agenda, then the reference's deadline, then
    /// the script's. A sentence if the scenario must be aborted.
    fn next(&mut self) -> Result<Option<String>, SimulationError> {
        let deadlines = [
            self.agenda.first_key_value().map(|((at, _), _)| *at),
            self.reference.deadline(),
            self.script.deadline(),
        ];
        let Some(next) = self.event_loop.next_at(&deadlines) else {
            return Ok(Some("nothing is left to happen".to_owned()));
        };
        if next > LIMIT {
            return Ok(Some(format!("it takes more than {}", human_time(LIMIT))));
        }
        if self.event_loop.events() > MAX_EVENTS {
            return Ok(Some(format!("more than {MAX_EVENTS} events")));
        }
        match self.event_loop.next(&deadlines) {
            Some(Next::Arrival(arrival)) => self.arrive(arrival)?,
            Some(Next::Deadline(0)) => {
                if let Some((_, event)) = self.agenda.pop_first() {
                    self.take_place(event)?;
                }
            }
            Some(Next::Deadline(1)) => self.drive(ToMachine::Tick)?,
            Some(Next::Deadline(_)) | None => self.input(Input::Tick)?,
        }
        Ok(None)
    }

    fn arrive(&mut self, arrival: Arrival<Route>) -> Result<(), SimulationError> {
        let payload = &arrival.payload;
        match arrival.tag {
            Route::ToReference { start, from, to } => {
                if self.at_reference {
                    self.last_to_reference = self.record(from, to, payload)?;
                }
                match start == self.reference.starts() {
                    true => self.drive(ToMachine::Datagram { from, payload }),
                    false => Ok(()),
                }
            }
            Route::ToPeer { from, to, packet } => {
                // There was no process.
                let Some(socket) = self.addresses.get(&to).copied() else {
                    return Ok(());
                };
                let packet = match self.at_reference {
                    true => packet,
                    false => match self.record(from, to, payload)? {
                        Some(packet) => Some(packet),
                        None => return Ok(()),
                    },
                };
                // It was on the wire; a closed socket gets nothing.
                if !self.sockets.contains_key(&socket) {
                    return Ok(());
                }
                self.input(Input::Datagram {
                    socket,
                    from,
                    payload,
                    packet,
                })
            }
        }
    }

    fn take_place(&mut self, event: ScheduledEvent) -> Result<(), SimulationError> {
        match event {
            ScheduledEvent::Exit { code } => {
                self.exited = Some(self.event_loop.now());
                if self.scenario.iut.role == Role::Responder {
                    self.unexpected_end.get_or_insert(UnexpectedEnd {
                        time: self.event_loop.now(),
                        got: format!("exit status {code}"),
                        packet: self.last_to_reference,
                    });
                }
                self.input(Input::Exited { code: Some(code) })
            }
            ScheduledEvent::Kill => {
                self.end_to_restart();
                Ok(())
            }
            ScheduledEvent::Restart => {
                self.start()?;
                self.input(Input::Restarted)
            }
        }
    }

    /// The reference is gone, by itself or now, and is started again.
    fn end_to_restart(&mut self) {
        self.is_stopping = false;
        self.reference.kill();
        let gone = self.exited.take();
        self.stopped.push(gone.unwrap_or(self.event_loop.now()));
        self.agenda
            .retain(|_, event| matches!(event, ScheduledEvent::Restart));
        self.later(RESTART_DELAY, ScheduledEvent::Restart);
    }

    fn start(&mut self) -> Result<(), SimulationError> {
        let peer = self.sockets.get(&SocketId::MAIN).copied();
        let now = self.event_loop.now();
        self.reference
            .start(now, self.protocol, self.scenario, self.settings, peer)
            .map_err(SimulationError::Reference)?;
        self.drive(ToMachine::Tick)
    }

    /// Gives the reference an input and does what it wants.
    fn drive(&mut self, input: ToMachine<'_>) -> Result<(), SimulationError> {
        let from = self.reference.address();
        let (sends, exit) = self.reference.handle(self.event_loop.now(), input);
        for (to, payload) in sends {
            let is_seen = self.at_reference && self.addresses.contains_key(&to);
            let packet = match is_seen {
                true => self.record(from, to, &payload)?,
                false => None,
            };
            let route = Route::ToPeer { from, to, packet };
            self.pass(self.scenario.iut.role, route, payload)?;
        }
        if self.is_stopping && exit.is_some() {
            self.end_to_restart();
        } else if let Some(code) = exit {
            self.later(EXIT_DELAY, ScheduledEvent::Exit { code });
        }
        Ok(())
    }

    /// Gives the script an input and does what it wants.
    fn input(&mut self, input: Input<'_>) -> Result<(), SimulationError> {
        self.script.handle(self.event_loop.now(), input);
        self.execute_outputs()
    }

    fn execute_outputs(&mut self) -> Result<(), SimulationError> {
        while let Some(action) = self.script.poll() {
            match action {
                Action::Open {
                    socket,
                    other_address,
                } => self.open(socket, other_address),
                Action::Close { socket } => {
                    self.sockets.remove(&socket);
                }
                Action::Send {
                    tag,
                    socket,
                    to,
                    payload,
                } => self.send(tag, socket, to, payload)?,
                Action::RestartIut { kill } => {
                    self.is_stopping = true;
                    match kill || !self.reference.is_alive() {
                        true => self.end_to_restart(),
                        false => {
                            self.later(STOP_GRACE, ScheduledEvent::Kill);
                            self.drive(ToMachine::Stop)?;
                        }
                    }
                }
                Action::Comment { packet, text } => {
                    self.comments.entry(packet).or_default().push(text);
                }
                Action::Secrets(lines) => self.key_log.push_str(&lines),
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        tag: u64,
        socket: SocketId,
        to: Option<SocketAddr>,
        payload: Vec<u8>,
    ) -> Result<(), SimulationError> {
        let own = self.reference.address();
        let Some(from) = self.sockets.get(&socket).copied() else {
            self.script.handle(
                self.event_loop.now(),
                Input::Refused {
                    why: "the socket is not open",
                },
            );
            return Ok(());
        };
        let to = to.unwrap_or(own);
        let is_sendable = payload.len() <= MAX_PAYLOAD_IPV4;
        let packet = match is_sendable && !self.at_reference {
            true => self.record(from, to, &payload)?,
            false => None,
        };
        if !is_sendable {
            let length = payload.len();
            let why = &format!("a datagram of {length} bytes is longer than {MAX_PAYLOAD_IPV4}");
            self.script
                .handle(self.event_loop.now(), Input::Refused { why });
            return Ok(());
        }
        if to == own {
            self.last_to_reference = packet.or(self.last_to_reference);
            let start = self.reference.starts();
            let route = Route::ToReference { start, from, to };
            self.pass(self.scenario.iut.role.peer(), route, payload)?;
        }
        self.script
            .handle(self.event_loop.now(), Input::Sent { tag, packet });
        Ok(())
    }

    /// Hands the network what a side sends.
    fn pass(&mut self, from: Role, route: Route, payload: Vec<u8>) -> Result<(), SimulationError> {
        self.sent += payload.len() + HEADERS;
        if self.sent > MOST_SENT {
            return Err(SimulationError::TooMuch(MOST_SENT));
        }
        let vocabulary = self.protocol.on_the_wire();
        let fault_log = &mut self.fault_log;
        let named = fault_log
            .as_mut()
            .and_then(|fault_log| fault_log.count(vocabulary, from, &payload));
        let packet = match route {
            Route::ToPeer { packet, .. } => packet,
            Route::ToReference { .. } => None,
        };
        let fate = self
            .event_loop
            .network
            .send(self.event_loop.now(), from, route, payload);
        if let (Some(fault_log), Some(named)) = (fault_log, named) {
            fault_log.note(from, named, fate);
        }
        if let Some(packet) = packet.filter(|_| fate.lost.is_some()) {
            self.comments
                .entry(packet)
                .or_default()
                .push(LOST.to_owned());
        }
        Ok(())
    }

    fn open(&mut self, socket: SocketId, other_address: bool) {
        let ip = if other_address {
            OTHER_ADDRESS
        } else {
            LOCALHOST
        };
        let port = u16::try_from(socket.0 % PEER_PORTS).unwrap_or_default();
        let address = SocketAddr::from((ip, PEER_PORT.saturating_add(port)));
        self.sockets.insert(socket, address);
        self.addresses.insert(address, socket);
    }

    /// Records a packet; `None` if it is larger than one can be.
    fn record(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<Option<u64>, WriteError> {
        match self.tap.record(self.event_loop.now(), from, to, payload) {
            Ok(packet) => {
                self.first_packet.get_or_insert(self.event_loop.now());
                Ok(Some(packet))
            }
            Err(WriteError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn later(&mut self, delay: Duration, event: ScheduledEvent) {
        self.scheduled += 1;
        let at = self.event_loop.now() + delay;
        self.agenda.insert((at, self.scheduled), event);
    }

    fn record_of(self, outcome: ScriptOutcome) -> RunRecord {
        RunRecord {
            key_log: self.key_log,
            outcome,
            judgements: self.script.judgements(),
            counters: self.reference.counters(),
            events: self.script.events().to_vec(),
            ignored: self.script.ignored().clone(),
            bindings: self.script.bindings().clone(),
            capture: self.tap.into_inner(),
            comments: self.comments,
            first_packet: self.first_packet.unwrap_or_default(),
            end: self.event_loop.now(),
            unexpected_end: self.unexpected_end,
            watched_until: self.exited.unwrap_or(self.event_loop.now()),
            stopped: self.stopped,
            own: self.addresses.into_keys().collect(),
            missed: self.event_loop.network.missed().cloned().collect(),
            happened: self.fault_log.map(FaultLog::into_faults),
            effects: NetworkEffects {
                stimuli: self
                    .event_loop
                    .network
                    .counts(self.scenario.iut.role.peer()),
                answers: self.event_loop.network.counts(self.scenario.iut.role),
            },
        }
    }
}
