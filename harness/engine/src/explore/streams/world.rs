use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shakedown_capture::Datagram;
use shakedown_capture::quic::{Decoder, Limits};
use shakedown_carrier::{Carrier, Effect, Security, Settings, Socket, open_plain};
use shakedown_protocol::exploration::{Explored, Participant, Participants, Rest};
use shakedown_protocol::monitor::{Observation, StreamMonitor};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{MonitorSettings, Protocol, Transport, Watcher};

use super::Violation;
use crate::event_loop::{EventLoop, Next};
use crate::network::{Impairment, Network};

/// What every datagram takes.
const LATENCY: Duration = Duration::from_millis(1);
/// Things that may happen in a run before it is given up.
const MAX_EVENTS: u64 = 1_000_000;
/// Violations that are kept of a run: the first ones say what is wrong.
const MOST: usize = 10;
const SERVER_PORT: u16 = 4_433;
/// The port of a client's first socket.
const CLIENT_PORT: u16 = 50_000;

/// Machines of streams on one network, each over QUIC without cryptography, and what befalls them. At
/// the edge of each machine that is judged there is a monitor of its protocol.
pub(crate) struct World {
    event_loop: EventLoop<Way>,
    /// The server comes first.
    nodes: Vec<Node>,
    outages: Vec<Outage>,
    /// When the network heals, if it has not.
    quiet: Option<Duration>,
    /// When nothing may be left, if that was not looked at.
    rest: Option<Rest>,
    ends: Duration,
    unending: &'static str,
    /// The roles that are judged.
    judged: BTreeSet<Role>,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<Violation>,
    log: Option<Vec<String>>,
}

/// How a network is, and what is seen of it.
pub(crate) struct Conditions {
    /// What everything random in QUIC and the network follows from.
    pub(crate) seed: u64,
    /// What the network does until it heals.
    pub(crate) impair: Impairment,
    /// Cables that are pulled.
    pub(crate) outages: Vec<Outage>,
    /// Whether a log is kept.
    pub(crate) has_log: bool,
}

/// A time during which nothing passes to or from a participant; the server is the first one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) node: usize,
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
}

/// What came of it.
pub(crate) struct Played {
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) log: Vec<String>,
}

struct Node {
    role: Role,
    ip: Ipv4Addr,
    carrier: Carrier<Box<dyn Explored>>,
    edge: Option<Edge>,
}

/// Where what a machine sends and gets is judged.
struct Edge {
    decoder: Decoder,
    monitor: Box<dyn StreamMonitor>,
    packets: u64,
}

/// Where a datagram comes from and goes to.
#[derive(Debug, Clone, Copy)]
struct Way {
    from: SocketAddr,
    to: SocketAddr,
}

impl World {
    /// # Errors
    /// A sentence for people: QUIC cannot be as the protocol wants it.
    pub(crate) fn new(
        protocol: &'static Protocol,
        participants: Participants,
        conditions: Conditions,
    ) -> Result<Self, String> {
        let Conditions {
            seed,
            impair,
            outages,
            has_log,
        } = conditions;
        let transport = protocol.transport;
        let transport = transport.ok_or_else(|| format!("no streams carry {}", protocol.id))?;
        let judged_by = MonitorSettings {
            vantage: participants.vantage,
            mode: participants.mode.map(str::to_owned),
            supervised: true,
            ..MonitorSettings::default()
        };
        let all = [participants.server]
            .into_iter()
            .chain(participants.clients);
        let nodes = all.zip(0..).map(|(participant, place)| {
            Node::new(protocol, transport, participant, place, seed, &judged_by)
        });
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let judged = nodes.iter().filter(|node| node.edge.is_some());
        let judged = judged.map(|node| node.role).collect();
        let network = Network::new(impair, protocol.on_the_wire(), seed);
        let runs = protocol.random_runs;
        Ok(Self {
            event_loop: EventLoop::new(network.with_latency(LATENCY)),
            nodes,
            outages,
            quiet: Some(participants.quiet),
            rest: participants.rest,
            ends: participants.ends,
            unending: runs.map_or("", |runs| runs.unending),
            judged,
            counts: BTreeMap::new(),
            violations: Vec::new(),
            log: has_log.then(Vec::new),
        })
    }

    /// Plays to the end.
    pub(crate) fn play(mut self) -> Played {
        for place in 0..self.nodes.len() {
            self.tick(place);
        }
        loop {
            let mut deadlines = vec![self.agenda()];
            deadlines.extend(self.nodes.iter().map(|node| node.carrier.deadline()));
            let next = self.event_loop.next_at(&deadlines);
            if next.is_none_or(|next| next > self.ends) {
                break;
            }
            if self.event_loop.events() > MAX_EVENTS {
                let property = "the run has no end".to_owned();
                self.violate(self.unending, None, property);
                break;
            }
            match self.event_loop.next(&deadlines) {
                Some(Next::Arrival(arrival)) => {
                    let Way { from, to } = arrival.tag;
                    self.arrives(from, to, &arrival.payload);
                }
                Some(Next::Deadline(0)) => self.becomes_quiet(),
                Some(Next::Deadline(place)) => self.tick(place - 1),
                None => break,
            }
        }
        self.finish()
    }

    /// When the network heals, or all is to be at rest.
    fn agenda(&self) -> Option<Duration> {
        let rest = self.rest.map(|rest| rest.at);
        [self.quiet, rest].into_iter().flatten().min()
    }

    fn becomes_quiet(&mut self) {
        let now = self.event_loop.now();
        if self.quiet.take_if(|at| *at <= now).is_some() {
            self.event_loop.network.heal();
            self.tell(|| "the network heals".to_owned());
        }
        if let Some(rest) = self.rest.take_if(|rest| rest.at <= now) {
            let is_busy = |node: &&Node| !node.carrier.machine().is_at_rest();
            if let Some(node) = self.nodes.iter().find(is_busy) {
                let role = node.role;
                let property = "all is over, and something is left".to_owned();
                self.violate(rest.requirement, Some(role), property);
            }
        }
    }

    fn tick(&mut self, place: usize) {
        let now = self.event_loop.now();
        self.nodes[place].carrier.tick(now);
        self.obey(place);
    }

    fn arrives(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let Some((place, socket)) = self.node_at(to) else {
            return;
        };
        if self.is_cut_off(place) {
            return;
        }
        self.see(place, from, to, payload);
        let now = self.event_loop.now();
        self.nodes[place]
            .carrier
            .receive(now, socket, from, payload);
        self.obey(place);
    }

    /// Does what a carrier wants.
    fn obey(&mut self, place: usize) {
        let now = self.event_loop.now();
        while let Some(effect) = self.nodes[place].carrier.poll() {
            match effect {
                Effect::Send {
                    socket,
                    to,
                    payload,
                } => {
                    let from = self.nodes[place].address(socket);
                    self.see(place, from, to, &payload);
                    if !self.is_cut_off(place) {
                        let role = self.nodes[place].role;
                        let way = Way { from, to };
                        *self.counts.entry("datagrams").or_default() += 1;
                        self.event_loop.network.send(now, role, way, payload);
                    }
                }
                Effect::Transition { from, to, why, .. } => {
                    self.tell(|| format!("{} goes from {from} to {to}: {why}", name(place)));
                }
                Effect::Ended { outcome, .. } => {
                    self.tell(|| format!("{}: a connection ends: {outcome:?}", name(place)));
                }
                // Its address follows from its number.
                Effect::Open(_) => {}
            }
        }
        if self.log.is_some() {
            for note in self.nodes[place].carrier.machine_mut().take_notes() {
                self.tell(|| format!("{} {note}", name(place)));
            }
        }
    }

    /// Shows the monitor at the edge of a node what passes there.
    fn see(&mut self, place: usize, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let now = self.event_loop.now();
        let node = &mut self.nodes[place];
        let Some(edge) = &mut node.edge else {
            return;
        };
        edge.packets += 1;
        let datagram = Datagram {
            number: edge.packets,
            time: now,
            source,
            destination,
            payload,
            length: payload.len(),
        };
        let (mut said, mut lines) = (Vec::new(), Vec::new());
        let has_log = self.log.is_some();
        edge.decoder.datagram(&datagram, &mut |event| {
            if has_log {
                let connection = event.connection.unwrap_or_default();
                let what = &event.kind;
                lines.push(format!(
                    "{}, connection {connection}: {what:?}",
                    name(place)
                ));
            }
            edge.monitor
                .event(event, &mut |observation| said.push(observation));
        });
        for line in lines {
            self.tell(|| line);
        }
        self.hear(place, said);
    }

    /// What a monitor says counts where it is about the machine at whose edge it is.
    fn hear(&mut self, place: usize, said: Vec<Observation>) {
        for observation in said {
            let node = &self.nodes[place];
            if let Observation::Finding(finding) = observation
                && finding.party == node.role
                && finding.address.ip() == IpAddr::from(node.ip)
            {
                let (role, expected, got) = (node.role, &finding.expected, &finding.got);
                let property = format!("expected {expected}; got {got}");
                self.add(Violation {
                    requirement: finding.requirement.to_owned(),
                    party: Some(role),
                    at: u64::try_from(finding.time.as_nanos()).ok(),
                    property,
                });
            }
        }
    }

    fn finish(mut self) -> Played {
        for place in 0..self.nodes.len() {
            if let Some(mut edge) = self.nodes[place].edge.take() {
                let mut said = Vec::new();
                let monitor = &mut edge.monitor;
                edge.decoder.finish(&mut |event| {
                    monitor.event(event, &mut |observation| said.push(observation));
                });
                monitor.finish(&mut |observation| said.push(observation));
                self.hear(place, said);
            }
            let now = self.event_loop.now();
            let machine = self.nodes[place].carrier.machine_mut();
            let (breaches, counts) = (machine.breaches(now), machine.counts());
            for (name, count) in counts {
                *self.counts.entry(name).or_default() += count;
            }
            for breach in breaches {
                if !self.judged.contains(&breach.party) {
                    continue;
                }
                let at = u64::try_from(breach.at.as_nanos()).ok();
                self.add(Violation {
                    requirement: breach.requirement.to_owned(),
                    party: Some(breach.party),
                    at,
                    property: breach.property,
                });
            }
        }
        self.violations.sort_by_key(|violation| violation.at);
        Played {
            counts: self.counts,
            violations: self.violations,
            log: self.log.unwrap_or_default(),
        }
    }

    fn violate(&mut self, requirement: &str, party: Option<Role>, property: String) {
        let at = u64::try_from(self.event_loop.now().as_nanos()).ok();
        self.add(Violation {
            requirement: requirement.to_owned(),
            party,
            at,
            property,
        });
    }

    fn add(&mut self, violation: Violation) {
        let is_known = |known: &Violation| {
            known.requirement == violation.requirement && known.party == violation.party
        };
        if self.violations.len() < MOST && !self.violations.iter().any(is_known) {
            self.violations.push(violation);
        }
    }

    fn node_at(&self, address: SocketAddr) -> Option<(usize, Socket)> {
        let is_there = |node: &Node| IpAddr::from(node.ip) == address.ip();
        let place = self.nodes.iter().position(is_there)?;
        let socket = address.port().checked_sub(self.nodes[place].first_port())?;
        Some((place, Socket(socket.into())))
    }

    fn is_cut_off(&self, place: usize) -> bool {
        let now = self.event_loop.now();
        let is_now = |outage: &Outage| outage.begin <= now && now < outage.end;
        self.outages
            .iter()
            .any(|outage| outage.node == place && is_now(outage))
    }

    /// A line of the log, if one is kept.
    fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.event_loop.now();
        if let Some(log) = &mut self.log {
            log.push(format!("{:>12.6} s  {}", now.as_secs_f64(), line()));
        }
    }
}

impl Node {
    fn new(
        protocol: &'static Protocol,
        transport: Transport,
        participant: Participant,
        place: u8,
        seed: u64,
        judged_by: &MonitorSettings,
    ) -> Result<Self, String> {
        let Participant { machine, is_judged } = participant;
        // Carriers that meet need seeds of their own.
        let seed = seed ^ u64::from(place) << 56;
        let settings = Settings {
            is_tester: !is_judged,
            ..Settings::new(transport, Security::Plain(seed))
        };
        let server = SocketAddr::from((ip(0), SERVER_PORT));
        let (role, carrier) = match place {
            0 => (Role::Responder, Carrier::server(machine, &settings)),
            _ => (Role::Initiator, Carrier::client(machine, server, &settings)),
        };
        let edge = match (is_judged, (protocol.monitor)(judged_by)) {
            (true, Watcher::Streams(monitor)) => Some(Edge {
                decoder: Decoder::plain(Limits::default(), open_plain),
                monitor,
                packets: 0,
            }),
            (_, _) => None,
        };
        Ok(Self {
            role,
            ip: ip(place),
            carrier: carrier.map_err(|error| error.to_string())?,
            edge,
        })
    }

    const fn first_port(&self) -> u16 {
        match self.role {
            Role::Responder => SERVER_PORT,
            Role::Initiator => CLIENT_PORT,
        }
    }

    fn address(&self, socket: Socket) -> SocketAddr {
        let number = u16::try_from(socket.0 % 10_000).unwrap_or_default();
        (self.ip, self.first_port() + number).into()
    }
}

const fn ip(place: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1 + place)
}

fn name(place: usize) -> String {
    match place {
        0 => "server".to_owned(),
        client => format!("client {client}"),
    }
}
