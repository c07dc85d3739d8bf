use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::{Tap, WriterSettings};
use shakedown_protocol::machine::{Fork, Outcome, Output};
use shakedown_protocol::monitor::{Monitor, Observation, Packet, Vantage};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{
    MonitorSettings, ReferenceSettings, StreamParameters, Tolerance, Watcher,
};

use super::clock::Clock;
use super::judge::Judge;
use super::{Ending, Profile, Side, Swarm, demanded};
use crate::explore::Violation;
use crate::explore::log::{Log, Moment};
use crate::meeting::{Meeting, Watch};
use crate::network::Network;

/// What every datagram takes, whatever the profile.
const LATENCY: Duration = Duration::from_millis(1);
/// When a run is given up: no timer is nearly as long.
const LIMIT: Duration = Duration::from_secs(120);
/// Things that may happen in a run before it is given up.
const MAX_STEPS: u32 = 100_000;

const INITIATOR: ([u8; 4], u16) = ([192, 0, 2, 2], 50_000);
const RESPONDER: ([u8; 4], u16) = ([192, 0, 2, 1], 4_444);

/// Both machines, the network between them, and the profile that befalls them.
pub(super) struct World<'s> {
    profile: &'s Profile,
    now: Duration,
    meeting: Meeting<dyn Fork, Edges>,
    is_healed: bool,
}

/// Both edges of the network, and all that is known of what happened there.
struct Edges {
    initiator: Edge,
    responder: Edge,
    /// How the responder sees the initiator, and how it saw it before.
    outside: SocketAddr,
    moves: u8,
    datagrams: u64,
    log: Log,
    judge: Judge,
}

/// A side's clock and address, and the place where its capture is taken.
struct Edge {
    role: Role,
    own: SocketAddr,
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
                own: match role {
                    Role::Initiator => INITIATOR.into(),
                    Role::Responder => RESPONDER.into(),
                },
                clock: Clock::off_by(skew.map_or(0, |(_, parts)| parts)),
                tap: Tap::new(Vec::new(), &WriterSettings::default()).map_err(in_words)?,
                monitor,
                packets: 0,
                failure: None,
                is_complete: false,
            })
        };
        let exploration = swarm.protocol.exploration;
        let exploration = exploration
            .ok_or_else(|| format!("{} has no facts to explore it by", swarm.protocol.id))?;
        let network = Network::new(profile.impair.clone(), swarm.protocol.vocabulary, seed);
        let edges = Edges {
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
        };
        Ok(Self {
            profile,
            now: Duration::ZERO,
            meeting: Meeting {
                initiator: machine(Role::Initiator, initiator)?,
                responder: machine(Role::Responder, responder)?,
                network: network.with_latency(LATENCY),
                watch: edges,
            },
            is_healed: false,
        })
    }

    /// Plays until nothing is left to happen.
    pub(super) fn play(mut self) -> Result<Played, String> {
        let mut steps = 0;
        while let Some(next) = self.next() {
            self.now = self.now.max(next);
            steps += 1;
            if self.now > LIMIT || steps > MAX_STEPS {
                self.meeting.watch.judge.never_ends(self.now);
                break;
            }
            self.step()?;
            self.meeting.watch.judge.look(self.now);
        }
        self.finish()
    }

    /// When something happens next; nothing does when only the profile is left.
    fn next(&self) -> Option<Duration> {
        let next = self.meeting.deadline()?;
        let heals = (!self.is_healed).then_some(self.profile.heals);
        let moves = self.profile.moves;
        let moves = moves.filter(|_| self.meeting.watch.moves == 0);
        [heals, moves].into_iter().flatten().chain([next]).min()
    }

    /// Everything that happens now.
    fn step(&mut self) -> Result<(), String> {
        let now = self.now;
        let edges = &mut self.meeting.watch;
        if edges.moves == 0 && self.profile.moves.is_some_and(|at| at <= now) {
            edges.moves = 1;
            let port = edges.outside.port().wrapping_add(1);
            edges.outside.set_port(port);
            edges.log.note(now, Moment::Moved(Role::Initiator));
            edges.judge.moved();
        }
        if !self.is_healed && self.profile.heals <= now {
            self.is_healed = true;
            self.meeting.network.heal();
            self.meeting.watch.log.note(now, Moment::Healed);
        }
        self.meeting.deliver(now)?;
        if self.is_healed && self.meeting.network.on_the_way() == 0 {
            self.meeting.watch.judge.is_clean();
        }
        self.meeting.tick(now)
    }

    fn finish(self) -> Result<Played, String> {
        let now = self.now;
        let Meeting {
            initiator,
            responder,
            watch: mut edges,
            ..
        } = self.meeting;
        for (edge, machine) in [
            (&mut edges.initiator, &initiator),
            (&mut edges.responder, &responder),
        ] {
            let judge = &mut edges.judge;
            let (role, own) = (edge.role, edge.own);
            let mut say = |observation: Observation| judge.observe(role, own, observation);
            // Nothing is left to happen, however long the capture goes on.
            edge.monitor.finish(now + LIMIT, &mut say);
            edges.judge.count(role, &machine.tally());
        }
        let is_open = !initiator.is_finished() || responder.tally().sessions > 0;
        let ending = match (is_open, edges.initiator.is_complete) {
            (true, _) => Ending::Stuck,
            (false, true) if edges.judge.fell_back() => Ending::FellBack,
            (false, true) => Ending::Streamed,
            (false, false) => Ending::BothClosed,
        };
        Ok(Played {
            ending,
            failure: edges.initiator.failure,
            datagrams: edges.datagrams,
            violations: edges.judge.violations(now, ending),
            captures: [
                edges.initiator.tap.into_inner(),
                edges.responder.tap.into_inner(),
            ],
            log: edges.log,
        })
    }
}

impl Watch for Edges {
    type Way = Way;
    type Error = String;

    fn shows(&self, role: Role, now: Duration) -> Duration {
        self.edge(role).clock.shows(now)
    }

    fn time(&self, role: Role, shown: Duration) -> Duration {
        self.edge(role).clock.time(shown)
    }

    fn sends(
        &mut self,
        now: Duration,
        role: Role,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<Way, String> {
        self.datagrams += 1;
        let own = self.edge(role).own;
        self.record(now, role, own, to, payload)?;
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
                payload: payload.to_vec(),
            },
        );
        self.judge.sent(now, role, payload);
        Ok(Way { number, from, to })
    }

    fn arrives(
        &mut self,
        now: Duration,
        to: Role,
        way: Way,
        payload: &[u8],
    ) -> Result<Option<SocketAddr>, String> {
        // Where the initiator was it is no more.
        if to == Role::Initiator && way.to != self.outside {
            return Ok(None);
        }
        self.log.note(
            now,
            Moment::Delivered {
                number: way.number,
                from: to.peer(),
                payload: payload.to_vec(),
            },
        );
        self.judge.delivered(to, payload);
        let destination = self.edge(to).own;
        self.record(now, to, way.from, destination, payload)?;
        Ok(Some(way.from))
    }

    fn says(&mut self, now: Duration, role: Role, output: Output) {
        match output {
            Output::Send { .. } => {}
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

    fn is_due(&mut self, now: Duration, role: Role) {
        // At the begin nothing is due yet: the initiator begins.
        if !now.is_zero() {
            self.log.note(now, Moment::Timer(role));
        }
    }

    fn was_due(&mut self, _: Duration, _: Role) {
        self.log.forget_timer();
    }
}

impl Edges {
    /// Records what passes the edge of a side, and shows it to the monitor there.
    fn record(
        &mut self,
        now: Duration,
        role: Role,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Result<(), String> {
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

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
