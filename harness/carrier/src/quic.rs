//! The QUIC side of a carrier: an endpoint, its connections, and what they send.

mod establish;
mod faults;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use quinn_proto::{ConnectionHandle, DatagramEvent, Endpoint, Incoming, Side, Transmit};
use shakedown_protocol::ReceiveTimeout;
use shakedown_protocol::streams::{ConnectOptions, ConnectionNumber, Faults, Output, StreamId};

use crate::configuration::Configuration;
use crate::congestion;
use crate::event::ConnectionEvent;
use crate::link::{Link, LinkEvent};
use crate::misbehave::varint;
use crate::{CarrierError, Effect, Settings, Socket};

/// Most connections whose socket and peer are remembered; the oldest are dropped first.
const MAX_PATHS: usize = 4096;

#[derive(Debug)]
pub(crate) struct Quic {
    base: Instant,
    configuration: Configuration,
    endpoint: Endpoint,
    /// The server that a client connects to.
    peer: Option<SocketAddr>,
    /// Connections with a number of the machine.
    connections: BTreeMap<ConnectionNumber, ConnectionState>,
    /// All connections of the endpoint.
    links: BTreeMap<usize, Link>,
    /// The timers of the connections.
    dues: BTreeSet<(Duration, usize)>,
    /// Connections to be polled.
    touched: BTreeSet<usize>,
    /// Socket and peer of connections, closed ones included.
    paths: BTreeMap<ConnectionNumber, PathAddresses>,
    /// The number of the next connection that comes in.
    next_incoming: u64,
    sockets: usize,
    is_tester: bool,
    receive_timeout: Option<ReceiveTimeout>,
    silent: BTreeSet<Socket>,
    /// Immediate results of the machine's outputs.
    events: VecDeque<(ConnectionNumber, ConnectionEvent)>,
    pub(crate) effects: VecDeque<Effect>,
}

#[derive(Debug)]
enum ConnectionState {
    /// An incoming connection that the machine has not admitted yet.
    Pending(Box<Incoming>),
    Established(ConnectionHandle),
}

#[derive(Debug, Clone, Copy)]
struct PathAddresses {
    socket: Socket,
    peer: SocketAddr,
}

impl Quic {
    pub(crate) fn new(
        settings: &Settings,
        side: Side,
        peer: Option<SocketAddr>,
    ) -> Result<Self, CarrierError> {
        let mut configuration = Configuration::new(settings, side)?;
        let endpoint = configuration.endpoint(side)?;
        Ok(Self {
            base: Instant::now(),
            configuration,
            endpoint,
            peer,
            connections: BTreeMap::new(),
            links: BTreeMap::new(),
            dues: BTreeSet::new(),
            touched: BTreeSet::new(),
            paths: BTreeMap::new(),
            next_incoming: 0,
            sockets: 0,
            is_tester: settings.is_tester,
            receive_timeout: settings.transport.receive_timeout,
            silent: BTreeSet::new(),
            events: VecDeque::new(),
            effects: VecDeque::new(),
        })
    }

    pub(crate) const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The server that a client connects to.
    pub(crate) const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.dues.first().map(|(due, _)| *due)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.links.is_empty()
    }

    /// Asks the other side of each connection whether it has all that was said, by two packets: two of them are
    /// acknowledged at once (RFC 9000, section 13.2.2).
    pub(crate) fn ask(&mut self, now: Duration) {
        let connected = self.links.iter();
        let connected = connected.filter(|(_, link)| link.number.is_some() && link.is_connected);
        let handles: Vec<_> = connected.map(|(handle, _)| *handle).collect();
        for handle in handles {
            for _ in 0..2 {
                if let Some(link) = self.links.get_mut(&handle) {
                    link.quic.ping();
                }
                self.transmit(now, ConnectionHandle(handle));
            }
            if let Some(link) = self.links.get_mut(&handle) {
                link.probe_sent();
            }
        }
    }

    /// Whether all was read by now, or can never be known to be.
    pub(crate) fn is_read(&self) -> bool {
        let mut waiting = self.links.values().filter(|link| {
            link.number.is_some() && !self.silent.contains(&link.socket) && !link.switch.is_deaf()
        });
        waiting.all(Link::is_read)
    }

    pub(crate) fn receive(
        &mut self,
        now: Duration,
        socket: Socket,
        from: SocketAddr,
        payload: &[u8],
    ) {
        if self.silent.contains(&socket) {
            return;
        }
        let mut answer = Vec::new();
        let at = self.at(now);
        let event = self
            .endpoint
            .handle(at, from, None, None, payload.into(), &mut answer);
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(link) = self.links.get_mut(&handle.0) {
                    link.last_received = now;
                    link.quic.handle_event(event);
                    self.touched.insert(handle.0);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                let connection = ConnectionNumber(self.next_incoming);
                self.next_incoming += 1;
                self.remember(connection, PathAddresses { socket, peer: from });
                self.connections
                    .insert(connection, ConnectionState::Pending(Box::new(incoming)));
                self.push_event(connection, ConnectionEvent::Incoming(from));
            }
            Some(DatagramEvent::Response(transmit)) => self.send(socket, &transmit, answer),
            None => {}
        }
    }

    /// Lets the timers run that are due.
    pub(crate) fn tick(&mut self, now: Duration) {
        let at = self.at(now);
        let due = self.dues.range(..=(now, usize::MAX));
        for (_, handle) in due {
            let Some(link) = self.links.get_mut(handle) else {
                continue;
            };
            link.quic.handle_timeout(at);
            let is_late = |receive_timeout: &ReceiveTimeout| {
                link.receive_deadline(*receive_timeout)
                    .is_some_and(|due| due <= now)
            };
            if let Some(receive_timeout) = self.receive_timeout.filter(is_late) {
                link.close_as_timed_out(at, receive_timeout);
            }
            self.touched.insert(*handle);
        }
    }

    /// The next input of the machine.
    pub(crate) fn next(
        &mut self,
        reads: impl Fn(ConnectionNumber, StreamId) -> bool,
    ) -> Option<(ConnectionNumber, ConnectionEvent)> {
        if let Some(events) = self.events.pop_front() {
            return Some(events);
        }
        for handle in &self.touched {
            let Some(link) = self.links.get_mut(handle) else {
                continue;
            };
            let number = link.number;
            let events = link.next(|stream| number.is_some_and(|number| reads(number, stream)));
            if let (Some(number), Some(events)) = (number, events) {
                if matches!(events, LinkEvent::Lost(..)) {
                    link.forget();
                    self.connections.remove(&number);
                }
                return Some((number, ConnectionEvent::Link(events)));
            }
        }
        None
    }

    /// Sends pending packets, and drops connections that are finished.
    pub(crate) fn flush(&mut self, now: Duration) {
        for handle in std::mem::take(&mut self.touched) {
            self.transmit(now, ConnectionHandle(handle));
            if self.links.get(&handle).is_some_and(Link::holds_back) {
                self.touched.insert(handle);
            }
        }
    }

    fn transmit(&mut self, now: Duration, handle: ConnectionHandle) {
        let at = self.at(now);
        let Some(link) = self.links.get_mut(&handle.0) else {
            return;
        };
        let is_silent = self.silent.contains(&link.socket);
        loop {
            while let Some(event) = link.quic.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(handle, event) {
                    link.quic.handle_event(event);
                }
            }
            let mut payload = Vec::new();
            let Some(transmit) = link.quic.poll_transmit(at, 1, &mut payload) else {
                break;
            };
            payload.truncate(transmit.size);
            if !is_silent {
                self.effects.push_back(Effect::Send {
                    socket: link.socket,
                    to: transmit.destination,
                    payload,
                });
            }
        }
        let timeout = link.quic.poll_timeout();
        let timeout = timeout.map(|due| due.saturating_duration_since(self.base));
        let receive_deadline = self
            .receive_timeout
            .and_then(|receive_timeout| link.receive_deadline(receive_timeout));
        let due = [timeout, receive_deadline].into_iter().flatten().min();
        let before = std::mem::replace(&mut link.due, due);
        self.dues.extend(due.map(|due| (due, handle.0)));
        if let Some(before) = before.filter(|_| before != due) {
            self.dues.remove(&(before, handle.0));
        }
        if link.quic.is_drained() && link.number.is_none() {
            let gone = self.links.remove(&handle.0);
            let due = gone.and_then(|link| link.due);
            due.map(|due| self.dues.remove(&(due, handle.0)));
        }
    }

    fn send(&mut self, socket: Socket, transmit: &Transmit, mut payload: Vec<u8>) {
        payload.truncate(transmit.size);
        if !self.silent.contains(&socket) {
            self.effects.push_back(Effect::Send {
                socket,
                to: transmit.destination,
                payload,
            });
        }
    }

    /// Does what the machine wants done.
    pub(crate) fn act(&mut self, now: Duration, output: Output) {
        match output {
            Output::Admit(connection) => self.admit(now, connection, &Faults::default()),
            Output::AdmitBy(connection, faults) => self.admit(now, connection, &faults),
            Output::Refuse(connection) => self.refuse(connection),
            Output::Connect(connection) => {
                self.connect(now, connection, &ConnectOptions::default())
            }
            Output::ConnectBy(connection, options) => self.connect(now, connection, &options),
            Output::Open(connection, stream) => {
                self.with(connection, |link| link.open(stream));
            }
            Output::Write(connection, stream, bytes) => {
                self.with(connection, |link| link.write(stream, bytes));
            }
            Output::Fin(connection, stream) => self.with(connection, |link| link.fin(stream)),
            Output::Reset(connection, stream, code) => {
                self.with(connection, |link| link.reset(stream, code));
            }
            Output::StopSending(connection, stream, code) => {
                self.with(connection, |link| link.stop(stream, code));
            }
            Output::Datagram(connection, bytes) => {
                self.with(connection, |link| link.datagram(bytes));
            }
            Output::Misbehave(connection, fault) => self.misbehave(now, connection, fault),
            Output::Close {
                connection,
                code,
                reason,
            } => self.close(now, connection, code, reason),
            Output::Transition {
                connection,
                from,
                to,
                why,
            } => {
                if let Some(peer) = self.peer_of(connection) {
                    self.effects.push_back(Effect::Transition {
                        connection,
                        peer,
                        from,
                        to,
                        why,
                    });
                }
            }
            Output::Ended {
                connection,
                outcome,
            } => {
                if let Some(peer) = self.peer_of(connection) {
                    self.effects.push_back(Effect::Ended {
                        connection,
                        peer,
                        outcome,
                    });
                }
            }
        }
    }

    fn push_event(&mut self, connection: ConnectionNumber, event: ConnectionEvent) {
        self.events.push_back((connection, event));
    }

    /// What was asked for before leaves before, once there are streams. A code of the application is
    /// hidden until then, and is the first thing that is sent.
    fn close(&mut self, now: Duration, connection: ConnectionNumber, code: u64, reason: String) {
        let handle = match self.connections.get(&connection) {
            Some(ConnectionState::Established(handle)) => *handle,
            Some(ConnectionState::Pending(_)) => return self.refuse(connection),
            None => return,
        };
        self.connections.remove(&connection);
        if let Some(link) = self.links.get(&handle.0) {
            congestion::open(&link.quic);
        }
        self.flush_pending(now, handle);
        let at = self.at(now);
        if let Some(link) = self.links.get_mut(&handle.0) {
            link.quic.close(at, varint(code), reason.into());
            link.forget();
            self.touched.insert(handle.0);
        }
    }

    fn flush_pending(&mut self, now: Duration, handle: ConnectionHandle) {
        if let Some(link) = self.links.get_mut(&handle.0)
            && link.is_connected
        {
            link.write_all();
            self.transmit(now, handle);
        }
    }

    /// Does something with a connection whose handshake is done.
    fn with(&mut self, connection: ConnectionNumber, act: impl FnOnce(&mut Link)) {
        if let Some(ConnectionState::Established(handle)) = self.connections.get(&connection)
            && let Some(link) = self.links.get_mut(&handle.0)
            && link.is_connected
        {
            link.data_written();
            act(link);
            self.touched.insert(handle.0);
        }
    }

    fn remember(&mut self, connection: ConnectionNumber, path: PathAddresses) {
        self.paths.insert(connection, path);
        if self.paths.len() > MAX_PATHS {
            self.paths.pop_first();
        }
    }

    fn socket_of(&self, connection: ConnectionNumber) -> Socket {
        let path = self.paths.get(&connection);
        path.map_or(Socket::MAIN, |path| path.socket)
    }

    fn peer_of(&self, connection: ConnectionNumber) -> Option<SocketAddr> {
        let path = self.paths.get(&connection);
        path.map(|path| path.peer).or(self.peer)
    }

    fn at(&self, now: Duration) -> Instant {
        self.base + now
    }
}

impl Drop for Quic {
    /// Connections that wait for the machine's decision are dropped.
    fn drop(&mut self) {
        for (_, stage) in std::mem::take(&mut self.connections) {
            if let ConnectionState::Pending(incoming) = stage {
                self.endpoint.ignore(*incoming);
            }
        }
    }
}
