use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::{Tap, WriterSettings};
use shakedown_protocol::machine::{Fork, Input, Outcome, Output};
use shakedown_protocol::monitor::{Monitor, Observation, Packet, Vantage};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{MonitorSettings, ReferenceSettings, StreamParameters};

use super::clock::Clock;
use super::judge::Judge;
use super::{Ending, Profile, Side, Swarm, demanded};
use crate::explore::Violation;
use crate::explore::log::{Log, Moment};
use crate::network::Network;

/// What every datagram takes, whatever the profile.
const LATENCY: Duration = Duration::from_millis(1);
/// When a run is given up: no timer is nearly as long.
const LIMIT: Duration = Duration::from_secs(120);
/// Things that may happen in a run before it is given up.
const MAX_STEPS: u32 = 100_000;

const INITIATOR: ([u8; 4], u16) = ([192, 0, 2, 2], 50_000);
const RESPONDER: ([u8; 4], u16) = ([192, 0, 2, 1], 4_444);

/// Both machines, and the network between them.
pub(super) struct World<'s> {
    profile: &'s Profile,
    now: Duration,
    initiator: Edge,
    responder: Edge,
    network: Network<Way>,
    /// How the responder sees the initiator, and how it saw it before.
    outside: SocketAddr,
    moves: u8,
    is_healed: bool,
    datagrams: u64,
    log: Log,
    judge: Judge,
}

/// A side, and the place where its capture is taken.
struct Edge {
    role: Role,
    own: SocketAddr,
    machine: Box<dyn Fork>,
    clock: Clock,
    tap: Tap<Vec<u8>>,
    monitor: Box<dyn Monitor>,
    packets: u64,
    failure: Option<&'static str>,
    is_complete: bool,
}

/// Where a datagram comes from and goes to.
#[derive(Debug, Clone, Copy)]
struct Way {
    number: u64,
    from: SocketAddr,
    to: SocketAddr,
}

/// A run that was played.
pub(super) struct Played {
    pub(super) ending: Ending,
    pub(super) failure: Option<&'static str>,
    pub(super) datagrams: u64,
    pub(super) violations: Vec<Violation>,
    pub(super) captures: [Vec<u8>; 2],
    pub(super) log: Log,
}

impl<'s> World<'s> {
    pub(super) fn new(
        swarm: &Swarm,
        seed: u64,
        initiator: &Side,
        responder: &Side,
        stream: StreamParameters,
        profile: &'s Profile,
    ) -> Result<Self, String> {
        let known = [&initiator.options[..], &responder.options[..]].concat();
        let edge = |role, side: &Side| {
            let skew = profile.skew.filter(|(skewed, _)| *skewed == role);
            let without = side.without.iter();
            let told = ReferenceSettings {
                role,
                mode: side.mode.clone(),
                options: side.options.clone(),
                stream,
                peer: (role == Role::Initiator).then(|| RESPONDER.into()),
                // Both sides have random numbers of their own.
                seed: seed ^ (u64::from(role == Role::Responder) << 63),
                extra: without
                    .map(|id| ("without".to_owned(), id.clone()))
                    .collect(),
            };
            let judged_by = MonitorSettings {
                vantage: Vantage::Sender,
                tolerance: 0.25,
                stream: Some(stream),
                max_datagram: None,
                options: Some(known.clone()),
                mode: Some(side.mode.clone()),
                supervised: true,
            };
            Ok::<_, String>(Edge {
                role,
                own: match role {
                    Role::Initiator => INITIATOR.into(),
                    Role::Responder => RESPONDER.into(),
                },
                machine: (swarm.protocol.forked)(&told)?,
                clock: Clock::off_by(skew.map_or(0, |(_, parts)| parts)),
                tap: Tap::new(Vec::new(), &WriterSettings::default()).map_err(in_words)?,
                monitor: (swarm.protocol.monitor)(&judged_by),
                packets: 0,
                failure: None,
                is_complete: false,
            })
        };
        let network = Network::new(profile.impair.clone(), swarm.protocol.vocabulary, seed);
        Ok(Self {
            profile,
            now: Duration::ZERO,
            initiator: edge(Role::Initiator, initiator)?,
            responder: edge(Role::Responder, responder)?,
            network: network.with_latency(LATENCY),
            outside: INITIATOR.into(),
            moves: 0,
            is_healed: false,
            datagrams: 0,
            log: Log::default(),
            judge: Judge::new(
                swarm.protocol,
                initiator,
                demanded(swarm.protocol, initiator, responder),
                profile,
                stream,
            ),
        })
    }

    /// Plays until nothing is left to happen.
    pub(super) fn play(mut self) -> Result<Played, String> {
        let mut steps = 0;
        while let Some(next) = self.next() {
            self.now = self.now.max(next);
            steps += 1;
            if self.now > LIMIT || steps > MAX_STEPS {
                self.judge.never_ends(self.now);
                break;
            }
            self.step()?;
            self.judge.look(self.now);
        }
        self.finish()
    }

    /// When something happens next; nothing does when only the profile is left.
    fn next(&self) -> Option<Duration> {
        let timers = [&self.initiator, &self.responder].map(Edge::deadline);
        let next = timers.into_iter().chain([self.network.deadline()]);
        let next = next.flatten().min()?;
        let heals = (!self.is_healed).then_some(self.profile.heals);
        let moves = self.profile.moves.filter(|_| self.moves == 0);
        [heals, moves].into_iter().flatten().chain([next]).min()
    }

    /// Everything that happens now.
    fn step(&mut self) -> Result<(), String> {
        if self.moves == 0 && self.profile.moves.is_some_and(|at| at <= self.now) {
            self.moves = 1;
            let port = self.outside.port().wrapping_add(1);
            self.outside.set_port(port);
            self.log.note(self.now, Moment::Moved(Role::Initiator));
            self.judge.moved();
        }
        if !self.is_healed && self.profile.heals <= self.now {
            self.is_healed = true;
            self.network.heal();
            self.log.note(self.now, Moment::Healed);
        }
        while let Some(arrival) = self.network.arrive(self.now) {
            self.deliver(arrival.tag, arrival.from, &arrival.payload)?;
        }
        if self.is_healed && self.network.on_the_way() == 0 {
            self.judge.is_clean();
        }
        for role in [Role::Initiator, Role::Responder] {
            if self.edge(role).deadline().is_some_and(|at| at <= self.now) {
                // At the begin nothing is due yet: the initiator begins.
                if !self.now.is_zero() {
                    self.log.note(self.now, Moment::Timer(role));
                }
                self.drive(role, Input::Tick)?;
                self.log.forget_timer();
            }
        }
        Ok(())
    }

    fn deliver(&mut self, way: Way, from: Role, payload: &[u8]) -> Result<(), String> {
        let to = from.peer();
        // Where the initiator was it is no more.
        if to == Role::Initiator && way.to != self.outside {
            return Ok(());
        }
        self.log.note(
            self.now,
            Moment::Delivered {
                number: way.number,
                from,
                payload: payload.to_vec(),
            },
        );
        self.judge.delivered(to, payload);
        let destination = self.edge(to).own;
        self.record(to, way.from, destination, payload)?;
        let from = way.from;
        self.drive(to, Input::Datagram { from, payload })
    }

    /// Gives a side an input and does what it wants.
    fn drive(&mut self, role: Role, input: Input<'_>) -> Result<(), String> {
        let now = self.now;
        let edge = self.edge_mut(role);
        edge.machine.handle(edge.clock.shows(now), input);
        while let Some(output) = self.edge_mut(role).machine.poll() {
            match output {
                Output::Send { to, payload } => self.send(role, to, payload)?,
                Output::Transition { peer, from, to, .. } => {
                    self.log.note(now, Moment::State(role, from, to));
                    self.judge.transition(now, role, peer, from, to);
                }
                Output::Ended { outcome, .. } => {
                    let edge = self.edge_mut(role);
                    let failure = match outcome {
                        Outcome::Completed => {
                            edge.is_complete = true;
                            None
                        }
                        Outcome::Failed(failure) => {
                            edge.failure = Some(failure.cause);
                            Some(failure.message)
                        }
                    };
                    self.log.note(now, Moment::Ended(role, failure));
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, role: Role, to: SocketAddr, payload: Vec<u8>) -> Result<(), String> {
        self.datagrams += 1;
        let own = self.edge(role).own;
        self.record(role, own, to, &payload)?;
        let (from, address) = match role {
            Role::Initiator => (self.outside, self.moves),
            Role::Responder => {
                let is_old = to == SocketAddr::from(INITIATOR);
                (own, u8::from(!is_old))
            }
        };
        self.log.note(
            self.now,
            Moment::Sent {
                number: self.datagrams,
                from: role,
                address,
                payload: payload.clone(),
            },
        );
        self.judge.sent(self.now, role, &payload);
        let number = self.datagrams;
        let way = Way { number, from, to };
        self.network.send(self.now, role, way, payload);
        Ok(())
    }

    /// Records what passes the edge of a side, and shows it to the monitor there.
    fn record(
        &mut self,
        role: Role,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Result<(), String> {
        let now = self.now;
        let edge = match role {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        edge.tap
            .record(now, source, destination, payload)
            .map_err(in_words)?;
        edge.packets += 1;
        let packet = Packet {
            number: edge.packets,
            time: now,
            source,
            destination,
            payload,
            length: payload.len(),
        };
        let judge = &mut self.judge;
        let mut say = |observation| judge.observe(role, edge.own, observation);
        edge.monitor.packet(&packet, &mut say);
        Ok(())
    }

    fn finish(mut self) -> Result<Played, String> {
        let now = self.now;
        for edge in [&mut self.initiator, &mut self.responder] {
            let judge = &mut self.judge;
            let (role, own) = (edge.role, edge.own);
            let mut say = |observation: Observation| judge.observe(role, own, observation);
            // Nothing is left to happen, however long the capture goes on.
            edge.monitor.finish(now + LIMIT, &mut say);
            self.judge.count(role, &edge.machine.tally());
        }
        let (mine, theirs) = (&self.initiator.machine, &self.responder.machine);
        let is_open = !mine.is_finished() || theirs.tally().sessions > 0;
        let ending = match (is_open, self.initiator.is_complete) {
            (true, _) => Ending::Stuck,
            (false, true) if self.judge.fell_back() => Ending::FellBack,
            (false, true) => Ending::Streamed,
            (false, false) => Ending::BothClosed,
        };
        Ok(Played {
            ending,
            failure: self.initiator.failure,
            datagrams: self.datagrams,
            violations: self.judge.violations(now, ending),
            captures: [
                self.initiator.tap.into_inner(),
                self.responder.tap.into_inner(),
            ],
            log: self.log,
        })
    }

    const fn edge(&self, role: Role) -> &Edge {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }

    const fn edge_mut(&mut self, role: Role) -> &mut Edge {
        match role {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        }
    }
}

impl Edge {
    /// When its next timer is due, by the time of the world.
    fn deadline(&self) -> Option<Duration> {
        Some(self.clock.time(self.machine.deadline()?))
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
