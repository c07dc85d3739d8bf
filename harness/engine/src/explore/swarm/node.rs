use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shakedown_capture::quic::{Decoder, Limits, line};
use shakedown_capture::{Datagram, Tap, WriterSettings};
use shakedown_carrier::{Carrier, Effect, Security, Settings, Socket, open_plain};
use shakedown_protocol::exploration::{Breach, Explored, ExploredMachine, Participant};
use shakedown_protocol::machine::{Input, Machine, Output};
use shakedown_protocol::monitor::{Finding, Monitor, Observation, StreamMonitor};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::ConnectionNumber;
use shakedown_protocol::{Protocol, ProtocolMonitor};

use super::clock::Clock;

/// The port of a client's first socket.
pub(super) const CLIENT_PORT: u16 = 50_000;

/// A machine on the network, its clock and its address, and the place where what it does is judged.
pub(super) struct Node {
    pub(super) role: Role,
    pub(super) name: String,
    ip: Ipv4Addr,
    port: u16,
    /// By how much the others see its ports moved.
    pub(super) moved_by: u16,
    clock: Clock,
    machine: Hosted,
    /// When its machine wants a tick, by time itself.
    pub(super) due: Option<Duration>,
    edge: Option<Edge>,
}

/// A machine of datagrams, or one of streams with QUIC below it.
enum Hosted {
    Datagrams(Box<dyn Machine>),
    Streams(Box<Carrier<Box<dyn Explored>>>),
}

/// Where what a machine sends and gets is seen, and recorded if it is to be shown.
struct Edge {
    packets: u64,
    monitor: EdgeMonitor,
    tap: Option<Tap<Vec<u8>>>,
}

enum EdgeMonitor {
    Datagrams(Box<dyn Monitor>),
    Streams(Box<Decoder>, Box<dyn StreamMonitor>),
}

impl Node {
    /// The server has index 0, clients have those from 1. What is recorded is encrypted, and its secrets
    /// with it.
    ///
    /// # Errors
    /// A human-readable error: QUIC cannot be as the protocol wants it.
    pub(super) fn new(
        protocol: &'static Protocol,
        participant: Participant,
        (place, clients): (u8, usize),
        clock: Clock,
        seed: u64,
        is_recorded: bool,
    ) -> Result<Self, String> {
        let Participant { machine, judged_by } = participant;
        let (role, port) = match place {
            0 => (Role::Responder, protocol.port),
            _ => (Role::Initiator, CLIENT_PORT),
        };
        let name = match (protocol.side(role), role) {
            (side, Role::Initiator) if clients > 1 => format!("{side} {place}"),
            (side, _) => side.to_owned(),
        };
        let machine = match machine {
            ExploredMachine::Datagrams(machine) => Hosted::Datagrams(machine),
            ExploredMachine::Streams(machine, transport) => {
                // Carriers that meet need seeds of their own.
                let seed = seed ^ u64::from(place) << 56;
                let security = match is_recorded {
                    true => Security::Seeded(seed),
                    false => Security::Plain(seed),
                };
                let settings = Settings {
                    is_tester: judged_by.is_none(),
                    ..Settings::new(transport, security)
                };
                let server = SocketAddr::from((ip(0), protocol.port));
                let carrier = match role {
                    Role::Responder => Carrier::server(machine, &settings),
                    Role::Initiator => Carrier::client(machine, server, &settings),
                };
                Hosted::Streams(Box::new(carrier.map_err(in_words)?))
            }
        };
        let edge = judged_by.map(|judged_by| {
            let tap = || Tap::new(Vec::new(), &WriterSettings::default());
            Ok::<_, String>(Edge {
                packets: 0,
                monitor: match (protocol.monitor)(&judged_by) {
                    ProtocolMonitor::Packets(monitor) => EdgeMonitor::Datagrams(monitor),
                    ProtocolMonitor::Streams(monitor) => {
                        let decoder = match is_recorded {
                            true => Decoder::new(Limits::default()),
                            false => Decoder::plain(Limits::default(), open_plain),
                        };
                        EdgeMonitor::Streams(Box::new(decoder), monitor)
                    }
                },
                tap: is_recorded.then(tap).transpose().map_err(in_words)?,
            })
        });
        Ok(Self {
            role,
            name,
            ip: ip(place),
            port,
            moved_by: 0,
            clock,
            machine,
            due: None,
            edge: edge.transpose()?,
        })
    }

    pub(super) const fn is_judged(&self) -> bool {
        self.edge.is_some()
    }

    pub(super) fn address(&self, socket: Socket) -> SocketAddr {
        let number = u16::try_from(socket.0 % 10_000).unwrap_or_default();
        (self.ip, self.port + number).into()
    }

    /// Its address as the others see it.
    pub(super) fn outside(&self, socket: Socket) -> SocketAddr {
        let mut address = self.address(socket);
        address.set_port(address.port() + self.moved_by);
        address
    }

    /// Its socket that the others see at this address, if it is one of its.
    pub(super) fn socket(&self, address: SocketAddr) -> Option<Socket> {
        let number = address.port().checked_sub(self.port + self.moved_by)?;
        (address.ip() == IpAddr::from(self.ip)).then_some(Socket(number.into()))
    }

    pub(super) fn tick(&mut self, now: Duration) {
        let now = self.clock.shows(now);
        match &mut self.machine {
            Hosted::Datagrams(machine) => machine.handle(now, Input::Tick),
            Hosted::Streams(carrier) => carrier.tick(now),
        }
    }

    pub(super) fn receive(
        &mut self,
        now: Duration,
        socket: Socket,
        from: SocketAddr,
        payload: &[u8],
    ) {
        let now = self.clock.shows(now);
        match &mut self.machine {
            Hosted::Datagrams(machine) => {
                machine.handle(now, Input::Datagram { from, payload });
            }
            Hosted::Streams(carrier) => carrier.receive(now, socket, from, payload),
        }
    }

    /// The next thing that its machine wants done.
    pub(super) fn poll(&mut self) -> Option<Effect> {
        let connection = ConnectionNumber(0);
        Some(match &mut self.machine {
            Hosted::Streams(carrier) => return carrier.poll(),
            Hosted::Datagrams(machine) => match machine.poll()? {
                Output::Send { to, payload } => Effect::Send {
                    socket: Socket::MAIN,
                    to,
                    payload,
                },
                Output::Transition {
                    peer,
                    from,
                    to,
                    why,
                } => Effect::Transition {
                    connection,
                    peer,
                    from,
                    to,
                    why,
                },
                Output::Ended { peer, outcome } => Effect::Ended {
                    connection,
                    peer,
                    outcome,
                },
            },
        })
    }

    /// Its machine has nothing more to say for now.
    pub(super) fn settle(&mut self) {
        let due = match &self.machine {
            Hosted::Datagrams(machine) => machine.deadline(),
            Hosted::Streams(carrier) => carrier.deadline(),
        };
        self.due = due.map(|due| self.clock.time(due));
    }

    /// Takes the secrets of its sessions into its capture, if there are any. What is found of what can be
    /// read with them goes to `find`.
    pub(super) fn keep_secrets(&mut self, find: &mut dyn FnMut(Finding)) -> Result<(), String> {
        let (role, ip) = (self.role, self.ip);
        let (Some(Edge { monitor, tap, .. }), Hosted::Streams(carrier)) =
            (&mut self.edge, &mut self.machine)
        else {
            return Ok(());
        };
        if let (Some(tap), EdgeMonitor::Streams(decoder, monitor)) = (tap, monitor) {
            let secrets = carrier.take_secrets();
            if !secrets.is_empty() {
                let mut emit = |observation| of_it(observation, role, ip, find);
                decoder.add_secrets(secrets.as_bytes(), &mut |event| {
                    monitor.event(event, &mut emit);
                });
                tap.record_key_log(secrets.as_bytes()).map_err(in_words)?;
            }
        }
        Ok(())
    }

    /// Shows the monitor at its edge what passes there. What is found of it goes to `find`, each event of
    /// QUIC to `lines`.
    pub(super) fn sees(
        &mut self,
        now: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
        find: &mut dyn FnMut(Finding),
        lines: &mut Option<Vec<String>>,
    ) -> Result<(), String> {
        let (role, ip) = (self.role, self.ip);
        let Some(edge) = &mut self.edge else {
            return Ok(());
        };
        if let Some(tap) = &mut edge.tap {
            tap.record(now, source, destination, payload)
                .map_err(in_words)?;
        }
        edge.packets += 1;
        let datagram = Datagram {
            number: edge.packets,
            time: now,
            source,
            destination,
            payload,
            length: payload.len(),
        };
        let mut emit = |observation| of_it(observation, role, ip, find);
        match &mut edge.monitor {
            EdgeMonitor::Datagrams(monitor) => monitor.datagram(&datagram, &mut emit),
            EdgeMonitor::Streams(decoder, monitor) => decoder.datagram(&datagram, &mut |event| {
                if let Some(lines) = lines {
                    lines.extend(line(event, None));
                }
                monitor.event(event, &mut emit);
            }),
        }
        Ok(())
    }

    /// The run is over: nothing will happen until `end`. What its monitor found goes to `find`.
    pub(super) fn finish(&mut self, end: Duration, find: &mut dyn FnMut(Finding)) {
        let (role, ip) = (self.role, self.ip);
        let mut emit = |observation| of_it(observation, role, ip, find);
        match self.edge.as_mut().map(|edge| &mut edge.monitor) {
            None => {}
            Some(EdgeMonitor::Datagrams(monitor)) => monitor.finish(end, &mut emit),
            Some(EdgeMonitor::Streams(decoder, monitor)) => {
                decoder.finish(&mut |event| monitor.event(event, &mut emit));
                monitor.finish(end, &mut emit);
            }
        }
    }

    /// The capture at its edge, if it was recorded.
    pub(super) fn into_capture(self) -> Option<Vec<u8>> {
        Some(self.edge?.tap?.into_inner())
    }

    /// Its machine of datagrams, if it is one.
    pub(super) fn datagrams(&self) -> Option<&dyn Machine> {
        match &self.machine {
            Hosted::Datagrams(machine) => Some(machine.as_ref()),
            Hosted::Streams(_) => None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        match &self.machine {
            Hosted::Datagrams(_) => true,
            Hosted::Streams(carrier) => carrier.machine().is_idle(),
        }
    }

    pub(super) fn take_notes(&mut self) -> Vec<String> {
        match &mut self.machine {
            Hosted::Datagrams(_) => Vec::new(),
            Hosted::Streams(carrier) => carrier.machine_mut().take_notes(),
        }
    }

    /// What does not hold of its machine, and what happened, in numbers by name.
    pub(super) fn breaches(&mut self, now: Duration) -> (Vec<Breach>, Vec<(&'static str, u64)>) {
        match &mut self.machine {
            Hosted::Datagrams(_) => (Vec::new(), Vec::new()),
            Hosted::Streams(carrier) => {
                let machine = carrier.machine_mut();
                (machine.breaches(now), machine.counts())
            }
        }
    }
}

/// What a monitor finds counts where it is about the machine at whose edge it is.
fn of_it(observation: Observation, role: Role, ip: Ipv4Addr, find: &mut dyn FnMut(Finding)) {
    if let Observation::Finding(finding) = observation
        && finding.party == role
        && finding.address.ip() == IpAddr::from(ip)
    {
        find(finding);
    }
}

const fn ip(place: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1 + place)
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
