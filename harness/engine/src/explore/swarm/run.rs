use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_carrier::{Effect, Socket};
use shakedown_protocol::Protocol;
use shakedown_protocol::event_loop::{EventLoop, Next};
use shakedown_protocol::exploration::{Breach, IdleCheck, Participants, RunFacts};
use shakedown_protocol::monitor::Finding;
use shakedown_protocol::requirement::Role;

use super::Profile;
use super::clock::Clock;
use super::node::{CLIENT_PORT, Node};
use crate::explore::Violation;
use crate::explore::log::{Log, LogEntry, Recording};
use crate::network::Network;

/// When a run that does not end is aborted: no timer is nearly as long.
const LIMIT: Duration = Duration::from_secs(120);
/// Most events of a run.
const MAX_EVENTS: u64 = 1_000_000;
/// Violations that are kept of a run: the first ones say what is wrong.
const MOST: usize = 10;

/// Machines on one network, and the profile that befalls them.
pub(crate) struct VirtualRun {
    event_loop: EventLoop<Network<Route>>,
    /// The clients, then the server.
    nodes: Vec<Node>,
    facts: Option<Box<dyn RunFacts>>,
    profile: Profile,
    is_healed: bool,
    has_moved: bool,
    /// When nothing may be left, if that was not looked at.
    idle_check: Option<IdleCheck>,
    ends: Option<Duration>,
    unending: &'static str,
    /// Whether more is kept than numbers.
    is_recorded: bool,
    datagrams: u64,
    violations: Vec<Violation>,
    log: Log,
    #[cfg(feature = "fuzz")]
    states: crate::fuzz::states::States,
}

/// Where a datagram comes from and goes to.
#[derive(Debug, Clone, Copy)]
struct Route {
    number: u64,
    from: SocketAddr,
    to: SocketAddr,
}

pub(crate) struct RunResult {
    pub(crate) ending: Option<&'static str>,
    pub(crate) failure: Option<&'static str>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) hash: u128,
    pub(crate) kept: Recording,
    /// The captures at the edges of those that are judged, if they were recorded, each with a name.
    pub(crate) captures: Vec<(String, Vec<u8>)>,
}

impl VirtualRun {
    /// # Errors
    /// A human-readable error: QUIC cannot be as the protocol wants it.
    pub(crate) fn new(
        protocol: &'static Protocol,
        participants: Participants,
        profile: Profile,
        seed: u64,
        is_recorded: bool,
    ) -> Result<Self, String> {
        let count = participants.clients.len();
        let clients = participants.clients.into_iter().zip(1..);
        let nodes = clients.chain([(participants.server, 0)]);
        let nodes = nodes.map(|(participant, place)| {
            let role = match place {
                0 => Role::Responder,
                _ => Role::Initiator,
            };
            let skew = profile.skew.filter(|(skewed, _)| *skewed == role);
            let clock = Clock::off_by(skew.map_or(0, |(_, parts)| parts));
            Node::new(
                protocol,
                participant,
                (place, count),
                clock,
                seed,
                is_recorded,
            )
        });
        let network = Network::new(profile.impair.clone(), protocol.on_the_wire(), seed);
        let kept = match (is_recorded, protocol.transport) {
            (false, _) => Recording::Nothing,
            (true, None) => Recording::Events(Vec::new()),
            (true, Some(_)) => Recording::Lines(Vec::new()),
        };
        Ok(Self {
            event_loop: EventLoop::new(network.with_latency(profile.latency)),
            nodes: nodes.collect::<Result<_, _>>()?,
            facts: participants.facts,
            profile,
            is_healed: false,
            has_moved: false,
            idle_check: participants.idle_check,
            ends: participants.ends,
            unending: participants.unending,
            is_recorded,
            datagrams: 0,
            violations: Vec::new(),
            log: Log::new(protocol, kept),
            #[cfg(feature = "fuzz")]
            states: crate::fuzz::states::States::default(),
        })
    }

    /// Plays to the end.
    pub(crate) fn play(mut self) -> Result<RunResult, String> {
        for place in 0..self.nodes.len() {
            self.tick(place)?;
        }
        let mut deadlines = Vec::new();
        loop {
            deadlines.clear();
            deadlines.push(self.agenda());
            deadlines.extend(self.nodes.iter().map(|node| node.due));
            // Impairment has no effect once nothing else happens.
            let relevant = usize::from(self.idle_check.is_none());
            let next = self.event_loop.next_at(&deadlines[relevant..]);
            let Some(next) = next.filter(|next| self.ends.is_none_or(|ends| *next <= ends)) else {
                break;
            };
            let is_long = self.ends.is_none() && next > LIMIT;
            if is_long || self.event_loop.events() > MAX_EVENTS {
                let property = format!("the run has no end: something is left at {next:?}");
                self.violate(self.unending, None, property);
                break;
            }
            match self.event_loop.next(&deadlines) {
                Some(Next::Arrival(arrival)) => {
                    self.arrives(arrival.from, arrival.tag, &arrival.payload)?;
                }
                Some(Next::Deadline(0)) => self.goes_on(),
                Some(Next::Deadline(place)) => self.tick(place - 1)?,
                None => break,
            }
            if let Some(facts) = &mut self.facts {
                let is_clean = self.is_healed && self.event_loop.network.on_the_way() == 0;
                if is_clean && !self.profile.corrupts() {
                    facts.healed();
                }
                facts.settled(self.event_loop.now());
            }
        }
        Ok(self.finish())
    }

    /// When something happens that no machine does.
    fn agenda(&self) -> Option<Duration> {
        let heals = (!self.is_healed).then_some(self.profile.heals);
        let moves = self.profile.moves.filter(|_| !self.has_moved);
        let rest = self.idle_check.map(|check| check.at);
        [heals, moves, rest].into_iter().flatten().min()
    }

    /// What the agenda has for now.
    fn goes_on(&mut self) {
        let now = self.event_loop.now();
        if !self.has_moved && self.profile.moves.is_some_and(|at| at <= now) {
            self.has_moved = true;
            let node = &mut self.nodes[0];
            node.moved_by += 1;
            self.log.note(now, node.role, &node.name, LogEntry::Moved);
            if let Some(facts) = &mut self.facts {
                facts.moved();
            }
        }
        if !self.is_healed && self.profile.heals <= now {
            self.is_healed = true;
            self.event_loop.network.heal();
            self.log.heals(now);
        }
        if let Some(check) = self.idle_check.take_if(|check| check.at <= now)
            && let Some(node) = self.nodes.iter().find(|node| !node.is_idle())
        {
            let role = node.role;
            let property = "all is over, and something is left".to_owned();
            self.violate(check.requirement, Some(role), property);
        }
    }

    fn arrives(&mut self, by: Role, route: Route, payload: &[u8]) -> Result<(), String> {
        let Route { number, from, to } = route;
        let now = self.event_loop.now();
        let mut nodes = self.nodes.iter().enumerate();
        let there = nodes.find_map(|(place, node)| Some((place, node.socket(to)?)));
        let Some((place, socket)) = there.filter(|(place, _)| !self.is_cut_off(*place)) else {
            return Ok(());
        };
        let node = &self.nodes[place];
        let own = node.address(socket);
        let entry = LogEntry::Delivered { number, payload };
        self.log.note(now, by, &node.name, entry);
        if let Some(facts) = &mut self.facts {
            facts.delivered(node.role, payload);
        }
        #[cfg(feature = "fuzz")]
        self.states.input(place, node.role, from, payload);
        self.sees(place, from, own, payload)?;
        self.nodes[place].receive(now, socket, from, payload);
        self.execute_outputs(place)
    }

    fn tick(&mut self, place: usize) -> Result<(), String> {
        let now = self.event_loop.now();
        let node = &mut self.nodes[place];
        // At the begin nothing is due yet.
        if !now.is_zero() {
            self.log.note(now, node.role, &node.name, LogEntry::Timer);
        }
        node.tick(now);
        self.execute_outputs(place)?;
        self.log.forget_timer();
        Ok(())
    }

    /// Does what a machine wants.
    fn execute_outputs(&mut self, place: usize) -> Result<(), String> {
        let now = self.event_loop.now();
        if self.is_recorded {
            let mut found = Vec::new();
            self.nodes[place].keep_secrets(&mut |finding| found.push(finding))?;
            self.find(found);
        }
        while let Some(effect) = self.nodes[place].poll() {
            let node = &self.nodes[place];
            match effect {
                Effect::Send {
                    socket,
                    to,
                    payload,
                } => self.sends(place, socket, to, payload)?,
                Effect::Transition {
                    peer,
                    from,
                    to,
                    why,
                    ..
                } => {
                    let entry = LogEntry::State { from, to, why };
                    self.log.note(now, node.role, &node.name, entry);
                    #[cfg(feature = "fuzz")]
                    self.states.transition(place, peer, to);
                    if let Some(facts) = &mut self.facts {
                        facts.changes(now, node.role, peer, from, to);
                    }
                }
                Effect::Ended { outcome, .. } => {
                    let entry = LogEntry::Ended(&outcome);
                    self.log.note(now, node.role, &node.name, entry);
                    if let Some(facts) = &mut self.facts {
                        facts.ends(node.role, &outcome);
                    }
                }
                // Its address follows from its number.
                Effect::Open(_) => {}
            }
        }
        let node = &mut self.nodes[place];
        node.settle();
        if self.log.keeps_lines() {
            for note in node.take_notes() {
                self.log.line(now, || format!("{} {note}", node.name));
            }
        }
        Ok(())
    }

    fn sends(
        &mut self,
        place: usize,
        socket: Socket,
        to: SocketAddr,
        payload: Vec<u8>,
    ) -> Result<(), String> {
        let now = self.event_loop.now();
        self.sees(place, self.nodes[place].address(socket), to, &payload)?;
        if self.is_cut_off(place) {
            return Ok(());
        }
        self.datagrams += 1;
        let node = &self.nodes[place];
        let (number, role, from) = (self.datagrams, node.role, node.outside(socket));
        let client = match role {
            Role::Initiator => from,
            Role::Responder => to,
        };
        let address = client.port().saturating_sub(CLIENT_PORT);
        let entry = LogEntry::Sent {
            number,
            address: u8::try_from(address).unwrap_or(u8::MAX),
            payload: &payload,
        };
        self.log.note(now, role, &node.name, entry);
        if let Some(facts) = &mut self.facts {
            facts.sent(now, role, &payload);
        }
        let route = Route { number, from, to };
        self.event_loop.network.send(now, role, route, payload);
        Ok(())
    }

    /// Shows the monitor at the edge of a node what passes there.
    fn sees(
        &mut self,
        place: usize,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Result<(), String> {
        let now = self.event_loop.now();
        let mut lines = self.log.keeps_lines().then(Vec::new);
        let mut found = Vec::new();
        let node = &mut self.nodes[place];
        let mut find = |finding| found.push(finding);
        node.sees(now, source, destination, payload, &mut find, &mut lines)?;
        for line in lines.into_iter().flatten() {
            self.log.line(now, || format!("{}, {line}", node.name));
        }
        self.find(found);
        Ok(())
    }

    fn finish(mut self) -> RunResult {
        let now = self.event_loop.now();
        let mut counts = BTreeMap::from([("datagrams", self.datagrams)]);
        if !self.profile.outages.is_empty() {
            counts.insert("cuts", self.profile.outages.len() as u64);
        }
        let mut breaches = Vec::new();
        for place in 0..self.nodes.len() {
            let mut found = Vec::new();
            // Where nothing is left to happen nothing will, however long the capture goes on.
            let end = self.ends.unwrap_or(now + LIMIT);
            self.nodes[place].finish(end, &mut |finding| found.push(finding));
            self.find(found);
            let (broken, counted) = self.nodes[place].breaches(now);
            breaches.extend(broken);
            for (name, count) in counted {
                *counts.entry(name).or_default() += count;
            }
        }
        let is_judged = |role| {
            self.nodes
                .iter()
                .any(|node| node.role == role && node.is_judged())
        };
        breaches.retain(|breach| breach.party.is_none_or(is_judged));
        let machines: Vec<_> = self.nodes.iter().filter_map(Node::datagrams).collect();
        let end = self
            .facts
            .as_mut()
            .map(|facts| facts.finish(now, &machines));
        if let Some(end) = &end {
            breaches.extend(end.breaches.iter().cloned());
        }
        for breach in breaches {
            self.add(breach.into());
        }
        self.violations
            .sort_by_key(|violation| violation.at.unwrap_or(u64::MAX));
        let (hash, kept) = self.log.finish();
        let captures = self.nodes.into_iter();
        RunResult {
            ending: end.as_ref().map(|end| end.ending),
            failure: end.and_then(|end| end.failure),
            counts,
            violations: self.violations,
            hash,
            kept,
            captures: captures
                .filter_map(|node| Some((node.name.replace(' ', "-"), node.into_capture()?)))
                .collect(),
        }
    }

    fn find(&mut self, found: Vec<Finding>) {
        for finding in found {
            let (expected, got) = (finding.expected, finding.got);
            let breach = Breach {
                requirement: finding.requirement,
                party: Some(finding.party),
                at: Some(finding.time),
                property: format!("expected {expected}; got {got}"),
            };
            self.add(breach.into());
        }
    }

    fn violate(&mut self, requirement: &'static str, party: Option<Role>, property: String) {
        let breach = Breach {
            requirement,
            party,
            at: Some(self.event_loop.now()),
            property,
        };
        self.add(breach.into());
    }

    fn add(&mut self, violation: Violation) {
        let is_known = |known: &Violation| {
            known.requirement == violation.requirement && known.party == violation.party
        };
        if self.violations.len() < MOST && !self.violations.iter().any(is_known) {
            self.violations.push(violation);
        }
    }

    fn is_cut_off(&self, place: usize) -> bool {
        let now = self.event_loop.now();
        // The server is the last node.
        let participant = (place + 1) % self.nodes.len();
        let mut outages = self.profile.outages.iter();
        outages.any(|outage| {
            outage.participant == participant && outage.begin <= now && now < outage.end
        })
    }
}
