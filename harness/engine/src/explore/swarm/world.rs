use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::{Tap, WriterSettings};
use shakedown_protocol::machine::{Fork, Input, Outcome, Output};
use shakedown_protocol::monitor::{Monitor, Observation, Packet, Vantage};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{
    MonitorSettings, ReferenceSettings, StreamParameters, Tolerance, Watcher,
};

use super::clock::Clock;
use super::judge::Judge;
use super::{Ending, Profile, Side, Swarm, demanded};
use crate::event_loop::{EventLoop, Next};
use crate::explore::Violation;
use crate::explore::log::{Log, Moment};
use crate::network::{Arrival, Network};

/// What every datagram takes, whatever the profile.
const LATENCY: Duration = Duration::from_millis(1);
/// When a run is given up: no timer is nearly as long.
const LIMIT: Duration = Duration::from_secs(120);
/// Things that may happen in a run before it is given up.
const MAX_EVENTS: u64 = 100_000;

const INITIATOR: ([u8; 4], u16) = ([192, 0, 2, 2], 50_000);
const RESPONDER: ([u8; 4], u16) = ([192, 0, 2, 1], 4_444);

/// Both machines, the network between them, and the profile that befalls them.
pub(super) struct World<'s> {
    profile: &'s Profile,
    event_loop: EventLoop<Way>,
    is_healed: bool,
    initiator: Edge,
    responder: Edge,
    /// How the responder sees the initiator, and how it saw it before.
    outside: SocketAddr,
    moves: u8,
    datagrams: u64,
    log: Log,
    judge: Judge,
}

/// A side: its machine, clock and address, and the place where its capture is taken.
struct Edge {
    role: Role,
    machine: Box<dyn Fork>,
    own: SocketAddr,
    clock: Clock,
    tap: Tap<Vec<u8>>,
    monitor: Box<dyn Monitor>,
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
        let machine = |role, side: &Side| {
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
            swarm.protocol.fork(&told)
        };
        let edge = |role, side: &Side| {
            let skew = profile.skew.filter(|(skewed, _)| *skewed == role);
            let judged_by = MonitorSettings {
                vantage: Vantage::Sender,
                tolerance: Tolerance::new(0.25),
                stream: Some(stream),
                max_datagram: None,
                options: Some(known.clone()),
                mode: Some(side.mode.clone()),
                supervised: true,
            };
            let Watcher::Packets(monitor) = (swarm.protocol.monitor)(&judged_by) else {
                return Err(format!("{} has no monitor of datagrams", swarm.protocol.id));
            };
            Ok::<_, String>(Edge {
                role,
                machine: machine(role, side)?,
                own: match role {
                    Role::Initiator => INITIATOR.into(),
                    Role::Responder => RESPONDER.into(),
                },
                clock: Clock::off_by(skew.map_or(0, |(_, parts)| parts)),
                tap: Tap::new(Vec::new(), &WriterSettings::default()).map_err(in_words)?,
                monitor,
                failure: None,
                is_complete: false,
            })
        };
        let exploration = swarm.protocol.exploration;
        let exploration = exploration
            .ok_or_else(|| format!("{} has no facts to explore it by", swarm.protocol.id))?;
        let network = Network::new(profile.impair.clone(), swarm.protocol.vocabulary, seed);
        Ok(Self {
            profile,
            event_loop: EventLoop::new(network.with_latency(LATENCY)),
            is_healed: false,
            initiator: edge(Role::Initiator, initiator)?,
            responder: edge(Role::Responder, responder)?,
            outside: INITIATOR.into(),
            moves: 0,
            datagrams: 0,
            log: Log::default(),
            judge: Judge::new(
                swarm.protocol,
                exploration,
                initiator,
                demanded(swarm.protocol, initiator, responder),
                profile,
                stream,
            ),
        })
    }

    /// Plays until nothing is left to happen.
    pub(super) fn play(mut self) -> Result<Played, String> {
        loop {
            let sides = [self.initiator.deadline(), self.responder.deadline()];
            // Nothing does when only the profile is left.
            if self.event_loop.next_at(&sides).is_none() {
                break;
            }
            let deadlines = [self.mishap(), sides[0], sides[1]];
            let next = self.event_loop.next(&deadlines);
            let now = self.event_loop.now();
            if now > LIMIT || self.event_loop.events() > MAX_EVENTS {
                self.judge.never_ends(now);
                break;
            }
            match next {
                Some(Next::Arrival(arrival)) => self.arrives(arrival)?,
                Some(Next::Deadline(0)) => self.goes_wrong(),
                Some(Next::Deadline(1)) => self.tick(Role::Initiator)?,
                Some(Next::Deadline(_)) | None => self.tick(Role::Responder)?,
            }
            if self.is_healed && self.event_loop.network.on_the_way() == 0 {
                self.judge.is_clean();
            }
            self.judge.look(now);
        }
        self.finish()
    }

    /// When the profile wants something next.
    fn mishap(&self) -> Option<Duration> {
        let heals = (!self.is_healed).then_some(self.profile.heals);
        let moves = self.profile.moves.filter(|_| self.moves == 0);
        [heals, moves].into_iter().flatten().min()
    }

    /// What the profile has for now.
    fn goes_wrong(&mut self) {
        let now = self.event_loop.now();
        if self.moves == 0 && self.profile.moves.is_some_and(|at| at <= now) {
            self.moves = 1;
            let port = self.outside.port().wrapping_add(1);
            self.outside.set_port(port);
            self.log.note(now, Moment::Moved(Role::Initiator));
            self.judge.moved();
        }
        if !self.is_healed && self.profile.heals <= now {
            self.is_healed = true;
            self.event_loop.network.heal();
            self.log.note(now, Moment::Healed);
        }
    }

    fn arrives(&mut self, arrival: Arrival<Way>) -> Result<(), String> {
        let Arrival {
            from, tag, payload, ..
        } = arrival;
        let (now, to) = (self.event_loop.now(), from.peer());
        // Where the initiator was it is no more.
        if to == Role::Initiator && tag.to != self.outside {
            return Ok(());
        }
        self.log.note(
            now,
            Moment::Delivered {
                number: tag.number,
                from,
                payload: payload.clone(),
            },
        );
        self.judge.delivered(to, &payload);
        let own = self.edge(to).own;
        self.record(to, tag.from, own, &payload)?;
        let (from, payload) = (tag.from, &payload);
        self.drive(to, Input::Datagram { from, payload })
    }

    fn tick(&mut self, role: Role) -> Result<(), String> {
        let now = self.event_loop.now();
        // At the begin nothing is due yet: the initiator begins.
        if !now.is_zero() {
            self.log.note(now, Moment::Timer(role));
        }
        self.drive(role, Input::Tick)?;
        self.log.forget_timer();
        Ok(())
    }

    /// Gives a side an input, and does what it wants.
    fn drive(&mut self, role: Role, input: Input<'_>) -> Result<(), String> {
        let now = self.event_loop.now();
        let edge = self.edge_mut(role);
        let shown = edge.clock.shows(now);
        edge.machine.handle(shown, input);
        while let Some(output) = self.edge_mut(role).machine.poll() {
            match output {
                Output::Send { to, payload } => self.sends(role, to, payload)?,
                Output::Transition { peer, from, to, .. } => {
                    self.log.note(now, Moment::State(role, from, to));
                    self.judge.transition(now, role, peer, from, to);
                }
                Output::Ended { outcome, .. } => self.ends(role, outcome),
            }
        }
        Ok(())
    }

    fn sends(&mut self, role: Role, to: SocketAddr, payload: Vec<u8>) -> Result<(), String> {
        let now = self.event_loop.now();
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
        let number = self.datagrams;
        self.log.note(
            now,
            Moment::Sent {
                number,
                from: role,
                address,
                payload: payload.clone(),
            },
        );
        self.judge.sent(now, role, &payload);
        let way = Way { number, from, to };
        self.event_loop.network.send(now, role, way, payload);
        Ok(())
    }

    fn ends(&mut self, role: Role, outcome: Outcome) {
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
        let now = self.event_loop.now();
        self.log.note(now, Moment::Ended(role, failure));
    }

    /// Records what passes the edge of a side, and shows it to the monitor there.
    fn record(
        &mut self,
        role: Role,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Result<(), String> {
        let time = self.event_loop.now();
        let edge = match role {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        let number = edge
            .tap
            .record(time, source, destination, payload)
            .map_err(in_words)?;
        let packet = Packet {
            number,
            time,
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

    fn finish(self) -> Result<Played, String> {
        let now = self.event_loop.now();
        let Self {
            mut initiator,
            mut responder,
            mut judge,
            ..
        } = self;
        for edge in [&mut initiator, &mut responder] {
            let (role, own) = (edge.role, edge.own);
            let mut say = |observation: Observation| judge.observe(role, own, observation);
            // Nothing is left to happen, however long the capture goes on.
            edge.monitor.finish(now + LIMIT, &mut say);
            judge.count(role, &edge.machine.tally());
        }
        let is_open = !initiator.machine.is_finished() || responder.machine.tally().sessions > 0;
        let ending = match (is_open, initiator.is_complete) {
            (true, _) => Ending::Stuck,
            (false, true) if judge.fell_back() => Ending::FellBack,
            (false, true) => Ending::Streamed,
            (false, false) => Ending::BothClosed,
        };
        Ok(Played {
            ending,
            failure: initiator.failure,
            datagrams: self.datagrams,
            violations: judge.violations(now, ending),
            captures: [initiator.tap.into_inner(), responder.tap.into_inner()],
            log: self.log,
        })
    }
}

impl Edge {
    /// When its machine wants a tick, by its own clock.
    fn deadline(&self) -> Option<Duration> {
        Some(self.clock.time(self.machine.deadline()?))
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
