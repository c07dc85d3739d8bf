use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_capture::WriterSettings;
use shakedown_engine::iut::Exit;
use shakedown_engine::network::Fault;
use shakedown_engine::script::{Environment, ScriptOutcome, StepEvent, human_time};
use shakedown_engine::simulation::SimulationError;
use shakedown_engine::verdict::Death;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, ReferenceSettings};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::Play;
use super::process::Process;
use super::record::{Record, Recorded};
use super::scripted::Scripted;
use crate::clock::Clock;
use crate::quic::tls::Secrets;
use crate::quic::virtual_network::VirtualNetwork;
use crate::quic::{Endpoints, Host};

/// Virtual time after which a scenario is given up.
const LIMIT: Duration = Duration::from_secs(3_600);
/// From the end of a process to its next start.
const RESTART_DELAY: Duration = Duration::from_millis(10);
/// Starts that are tried, so long apart, while the old process still has its port.
const TRIES: u32 = 1_000;

/// Where a server listens, whichever side it is.
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4_433);

/// Both sides, the network between them, and the record of it.
pub(super) struct World<'s> {
    play: Play<'s>,
    mode: String,
    clock: Clock,
    network: VirtualNetwork,
    about: WriterSettings,
    record: Arc<Record>,
    secrets: Secrets,
    script: Scripted,
    peer: Host,
    /// Makes the endpoints of the reference.
    endpoints: Endpoints,
    reference: Reference,
    starts: u64,
    comments: BTreeMap<u64, Vec<String>>,
    death: Option<Death>,
}

/// What the reference does.
enum Reference {
    Runs(Box<Process>),
    /// It was told to stop, and says goodbye.
    Stops(JoinHandle<()>),
    /// It starts at that time; it was tried so often.
    Starts(Instant, u32),
    Gone,
}

/// What happened to the reference.
enum Turn {
    /// Nothing that matters to others.
    Usual,
    Ended(i32),
    Stopped,
    Due(u32),
}

/// A scenario that was played.
pub(super) struct Played {
    pub(super) outcome: ScriptOutcome,
    pub(super) events: Vec<StepEvent>,
    pub(super) ignored: IndexMap<String, u64>,
    pub(super) bindings: IndexMap<String, Value>,
    pub(super) recorded: Recorded,
    pub(super) key_log: String,
    pub(super) comments: BTreeMap<u64, Vec<String>>,
    pub(super) mode: String,
    pub(super) end: Duration,
    pub(super) death: Option<Death>,
    /// The addresses of the scripted peer.
    pub(super) own: BTreeSet<SocketAddr>,
    /// Exact faults of the network whose datagram was not sent.
    pub(super) missed: Vec<Fault>,
}

impl<'s> World<'s> {
    /// To be called in the runtime.
    pub(super) fn new(play: Play<'s>) -> Result<Self, SimulationError> {
        let Play {
            protocol,
            over,
            scenario,
            settings,
        } = play;
        let role = scenario.iut.role;
        let impair = settings.impair_of(scenario);
        let environment = Environment {
            protocol,
            tolerance: settings.tolerance,
            stream: settings.stream_of(scenario),
            buffer_period: settings.buffer_period,
            exit: Exit::default(),
            iut: (role == Role::Responder).then_some(SERVER),
            seed: settings.seed,
        };
        let about = WriterSettings {
            application: "shakedown simulation".to_owned(),
            comment: Some(format!("{}: {}", scenario.id, scenario.title)),
            ..WriterSettings::default()
        };
        let clock = Clock::start_virtual();
        let record = Arc::new(Record::new(clock, &about)?);
        let impair = impair.cloned().unwrap_or_default();
        let script = Scripted::new(scenario, environment, &impair, Arc::clone(&record));
        let at_reference = !impair.is_ideal();
        let network = VirtualNetwork::new(impair, settings.seed);
        let endpoints = |role| Endpoints::new(Arc::new(network.edge(role)), over.transport);
        let (mut own, mut its) = (endpoints(role.peer()).of_tester(), endpoints(role));
        match at_reference {
            true => its = its.watched(record.clone()),
            false => own = own.watched(record.clone()),
        }
        // Those of the scripted peer are those of the reference, too.
        let secrets = own.secrets().clone();
        let peer = match role {
            Role::Responder => Host::client(own, SERVER),
            Role::Initiator => Host::server(&own, SERVER).map_err(SimulationError::Reference)?,
        };
        let named = scenario.iut.mode.as_str();
        let mode = match (named, protocol.modes.first()) {
            (Protocol::ANY_MODE, Some(first)) => first,
            (named, _) => named,
        };
        Ok(Self {
            play,
            mode: mode.to_owned(),
            clock,
            network,
            about,
            record,
            secrets,
            script,
            peer: peer.with_clock(clock),
            endpoints: its,
            reference: Reference::Gone,
            starts: 0,
            comments: BTreeMap::new(),
            death: None,
        })
    }

    /// Plays to the end.
    pub(super) async fn play(mut self) -> Result<Played, SimulationError> {
        self.start().map_err(SimulationError::Reference)?;
        self.script.script.begin(self.clock.now());
        self.obey();
        let limit = self.clock.instant(LIMIT);
        while self.script.script.outcome().is_none() {
            let turn = tokio::select! {
                biased;
                () = self.peer.next(&mut self.script) => Turn::Usual,
                turn = self.reference.next() => turn,
                () = sleep_until(limit) => break,
            };
            self.turn(turn);
            self.obey();
        }
        let end = self.clock.now();
        let own = self.peer.addresses();
        // What closes what is left belongs to the capture.
        self.peer.flush().await;
        let mut script = self.script.script;
        script.recorded(self.record.newest().unwrap_or_default());
        while let Some((packet, text)) = script.take_comment() {
            self.comments.entry(packet).or_default().push(text);
        }
        let outcome = script.outcome().cloned().unwrap_or_else(|| {
            let step = script.events().last().map(|event| event.step.clone());
            ScriptOutcome::Error {
                why: format!("it takes more than {}", human_time(LIMIT)),
                step: step.unwrap_or_default(),
            }
        });
        Ok(Played {
            outcome,
            events: script.events().to_vec(),
            ignored: script.ignored().clone(),
            bindings: script.bindings().clone(),
            recorded: self.record.take(&self.about)?,
            key_log: self.secrets.text(),
            comments: self.comments,
            mode: self.mode,
            end,
            death: self.death,
            own,
            missed: self.network.missed(),
        })
    }

    /// Does what the script wants.
    fn obey(&mut self) {
        self.peer.obey(&mut self.script);
        while let Some((packet, text)) = self.script.script.take_comment() {
            self.comments.entry(packet).or_default().push(text);
        }
        if !self.script.script.take_restart() {
            return;
        }
        let before = std::mem::replace(&mut self.reference, Reference::Gone);
        self.reference = match before {
            Reference::Runs(process) => Reference::Stops(tokio::spawn(process.stop())),
            Reference::Stops(stopping) => Reference::Stops(stopping),
            Reference::Starts(..) | Reference::Gone => Reference::starts_soon(0),
        };
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Usual => {}
            Turn::Ended(code) => {
                self.reference = Reference::Gone;
                let now = self.clock.now();
                if self.play.scenario.iut.role == Role::Responder {
                    self.death.get_or_insert(Death {
                        time: now,
                        got: format!("exit status {code}"),
                        packet: self.record.newest(),
                    });
                }
                self.script.script.exited(now, Some(code));
            }
            Turn::Stopped => self.reference = Reference::starts_soon(0),
            Turn::Due(tries) => match self.start() {
                Ok(()) => self.script.script.restarted(self.clock.now()),
                Err(why) if tries >= TRIES => {
                    self.reference = Reference::Gone;
                    self.script.script.refused(self.clock.now(), &why);
                }
                Err(_) => self.reference = Reference::starts_soon(tries + 1),
            },
        }
    }

    /// Starts the reference.
    fn start(&mut self) -> Result<(), String> {
        let needs = &self.play.scenario.iut;
        let is_client = needs.role == Role::Initiator;
        let settings = ReferenceSettings {
            role: needs.role,
            mode: self.mode.clone(),
            options: needs.options.clone(),
            stream: self.play.settings.stream_of(self.play.scenario),
            peer: is_client.then_some(SERVER),
            seed: self.play.settings.seed.wrapping_add(self.starts << 32),
            extra: Vec::new(),
        };
        let machine = (self.play.over.reference)(&settings)?;
        let (endpoints, clock) = (self.endpoints.clone(), self.clock);
        let process = match needs.role {
            Role::Responder => Process::server(machine, &endpoints, SERVER, clock)?,
            Role::Initiator => Process::client(machine, endpoints, SERVER, clock),
        };
        self.starts += 1;
        self.reference = Reference::Runs(Box::new(process));
        Ok(())
    }
}

impl Reference {
    fn starts_soon(tries: u32) -> Self {
        Self::Starts(Instant::now() + RESTART_DELAY, tries)
    }

    /// Waits until something happens to it. It can be dropped while it waits.
    async fn next(&mut self) -> Turn {
        match self {
            Self::Runs(process) => match process.exit_status() {
                Some(status) => Turn::Ended(status),
                None => {
                    process.next().await;
                    Turn::Usual
                }
            },
            Self::Stops(stopping) => {
                // It ends in any case.
                let _ = stopping.await;
                Turn::Stopped
            }
            Self::Starts(at, tries) => {
                sleep_until(*at).await;
                Turn::Due(*tries)
            }
            Self::Gone => pending().await,
        }
    }
}
