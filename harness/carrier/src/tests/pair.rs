//! A network of one server and some clients, in virtual time: each datagram takes as long as any
//! other, and some are lost.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::{Carrier, Effect, Security, Settings, Socket};
use shakedown_protocol::event_loop::{EventLoop, InFlight, Next};
use shakedown_protocol::machine::Outcome;
use shakedown_protocol::proton;
use shakedown_protocol::streams::{ConnectionNumber, StreamMachine};

pub(super) const LATENCY: Duration = Duration::from_millis(5);

pub(super) fn server_address() -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1), 443).into()
}

/// The socket of a client: an address for each client, a port for each socket.
pub(super) fn client_address(client: usize, socket: Socket) -> SocketAddr {
    let ip = Ipv4Addr::new(10, 0, 1, u8::try_from(client).unwrap());
    (ip, 40_000 + u16::try_from(socket.0).unwrap()).into()
}

pub(super) fn settings(security: Security) -> Settings {
    Settings::new(proton::TRANSPORT, security)
}

pub(super) fn tester(security: Security) -> Settings {
    Settings {
        is_tester: true,
        ..settings(security)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) at: Duration,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: Vec<u8>,
}

pub(super) struct Pair<S, C> {
    pub(super) server: Carrier<S>,
    pub(super) clients: Vec<Carrier<C>>,
    event_loop: EventLoop<InFlight<Packet>>,
    /// Everything that was sent.
    pub(super) sent: Vec<Packet>,
    /// Of so many datagrams one is lost.
    pub(super) one_lost_in: Option<usize>,
    /// The connections with their other sides that changed their states.
    pub(super) changed: Vec<(ConnectionNumber, SocketAddr)>,
    pub(super) opened: Vec<Socket>,
    pub(super) ended: Vec<(ConnectionNumber, Outcome)>,
}

impl<S: StreamMachine, C: StreamMachine> Pair<S, C> {
    pub(super) fn new(server: Carrier<S>) -> Self {
        let mut pair = Self {
            server,
            clients: Vec::new(),
            event_loop: EventLoop::new(InFlight::new()),
            sent: Vec::new(),
            one_lost_in: None,
            changed: Vec::new(),
            opened: Vec::new(),
            ended: Vec::new(),
        };
        pair.server.tick(Duration::ZERO);
        pair
    }

    pub(super) fn join(&mut self, client: Carrier<C>) {
        self.clients.push(client);
        let client = self.clients.len() - 1;
        self.clients[client].tick(self.event_loop.now());
        self.collect();
    }

    pub(super) fn ask<T>(&mut self, client: usize, ask: impl FnOnce(&mut C) -> T) -> T {
        let answer = self.clients[client].ask(self.event_loop.now(), ask);
        self.collect();
        answer
    }

    pub(super) fn ask_server<T>(&mut self, ask: impl FnOnce(&mut S) -> T) -> T {
        let answer = self.server.ask(self.event_loop.now(), ask);
        self.collect();
        answer
    }

    pub(super) const fn now(&self) -> Duration {
        self.event_loop.now()
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.now() + span;
        loop {
            let clients = self.clients.iter().map(Carrier::deadline);
            let deadlines: Vec<_> = [self.server.deadline()]
                .into_iter()
                .chain(clients)
                .collect();
            let next = self.event_loop.next_until(end, &deadlines);
            let now = self.now();
            match next {
                Some(Next::Arrival(packet)) => self.arrive(&packet),
                Some(Next::Deadline(0)) => self.server.tick(now),
                Some(Next::Deadline(place)) => self.clients[place - 1].tick(now),
                None => return,
            }
            self.collect();
        }
    }

    fn arrive(&mut self, packet: &Packet) {
        let now = self.now();
        if packet.to == server_address() {
            self.server
                .receive(now, Socket::MAIN, packet.from, &packet.payload);
            return;
        }
        let SocketAddr::V4(to) = packet.to else {
            panic!("nobody is there");
        };
        let client = usize::from(to.ip().octets()[3]);
        let socket = Socket(usize::from(to.port() - 40_000));
        self.clients[client].receive(now, socket, packet.from, &packet.payload);
    }

    fn collect(&mut self) {
        while let Some(effect) = self.server.poll() {
            self.take(effect, |_| server_address());
        }
        for client in 0..self.clients.len() {
            while let Some(effect) = self.clients[client].poll() {
                self.take(effect, |socket| client_address(client, socket));
            }
        }
    }

    fn take(&mut self, effect: Effect, address: impl Fn(Socket) -> SocketAddr) {
        match effect {
            Effect::Send {
                socket,
                to,
                payload,
            } => {
                let packet = Packet {
                    at: self.now(),
                    from: address(socket),
                    to,
                    payload,
                };
                self.sent.push(packet.clone());
                let count = self.sent.len();
                if self
                    .one_lost_in
                    .is_none_or(|times| !count.is_multiple_of(times))
                {
                    self.event_loop.network.put(packet.at + LATENCY, packet);
                }
            }
            Effect::Ended {
                connection,
                outcome,
                ..
            } => self.ended.push((connection, outcome)),
            Effect::Open(socket) => self.opened.push(socket),
            Effect::Transition {
                connection, peer, ..
            } => self.changed.push((connection, peer)),
        }
    }
}
