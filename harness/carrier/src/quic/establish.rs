//! How connections begin: those that the machine asks for, and those that come in.

use std::time::Duration;

use quinn_proto::{ConnectionHandle, Incoming};
use shakedown_protocol::streams::{ConnectOptions, ConnectionNumber, Faults};

use super::{ConnectionState, PathAddresses, Quic};
use crate::event::ConnectionEvent;
use crate::link::{Link, LinkEvent};
use crate::misbehave::{self, Switch};
use crate::{Effect, Socket};

/// The name by which every server is called in the TLS handshake.
const SERVER_NAME: &str = "localhost";

impl Quic {
    pub(super) fn admit(&mut self, now: Duration, connection: ConnectionNumber, faults: &Faults) {
        if let Err(error) = misbehave::check(faults) {
            self.refuse(connection);
            return self.push_event(connection, ConnectionEvent::NotBegun(error.to_string()));
        }
        let Some(incoming) = self.take_asked(connection) else {
            return;
        };
        let socket = self.socket_of(connection);
        let mut answer = Vec::new();
        let switch = Switch::default();
        let config = self.configuration.faulty_server(faults, &switch);
        match self
            .endpoint
            .accept(incoming, self.at(now), &mut answer, config)
        {
            Ok((handle, quic)) => {
                let link = Link::new(quic, socket, switch, connection, now);
                self.begin(connection, handle, link);
            }
            Err(error) => {
                if let Some(transmit) = error.response {
                    self.send(socket, &transmit, answer);
                }
                let lost = LinkEvent::Lost(error.cause, None);
                self.push_event(connection, ConnectionEvent::Link(lost));
            }
        }
    }

    pub(super) fn refuse(&mut self, connection: ConnectionNumber) {
        if let Some(incoming) = self.take_asked(connection) {
            let mut answer = Vec::new();
            let transmit = self.endpoint.refuse(incoming, &mut answer);
            self.send(self.socket_of(connection), &transmit, answer);
        }
    }

    fn take_asked(&mut self, connection: ConnectionNumber) -> Option<Incoming> {
        match self.connections.remove(&connection)? {
            ConnectionState::Pending(incoming) => Some(*incoming),
            begun @ ConnectionState::Established(_) => {
                self.connections.insert(connection, begun);
                None
            }
        }
    }

    pub(super) fn connect(
        &mut self,
        now: Duration,
        connection: ConnectionNumber,
        options: &ConnectOptions,
    ) {
        match self.new_link(now, connection, options) {
            Ok((handle, link)) => self.begin(connection, handle, link),
            Err(why) => self.push_event(connection, ConnectionEvent::NotBegun(why)),
        }
    }

    fn new_link(
        &mut self,
        now: Duration,
        connection: ConnectionNumber,
        options: &ConnectOptions,
    ) -> Result<(ConnectionHandle, Link), String> {
        let known = self.peer.ok_or("no peer to connect to")?;
        let peer = options.to.unwrap_or(known);
        if peer.is_ipv6() != known.is_ipv6() {
            return Err(format!(
                "{peer} is not reached by the socket that reaches {known}"
            ));
        }
        let switch = Switch::default();
        let config = self.configuration.client(options, &switch);
        let config = config.map_err(|error| error.to_string())?;
        let at = self.at(now);
        let begun = self.endpoint.connect(at, config, peer, SERVER_NAME);
        let (handle, quic) = begun.map_err(|error| error.to_string())?;
        let beside = options.from.and_then(|other| self.paths.get(&other));
        let socket = match beside.map(|path| path.socket) {
            Some(socket) => socket,
            None if self.is_tester => self.new_socket(),
            None => Socket::MAIN,
        };
        self.remember(connection, PathAddresses { socket, peer });
        Ok((handle, Link::new(quic, socket, switch, connection, now)))
    }

    /// The first is there already.
    pub(super) fn new_socket(&mut self) -> Socket {
        let socket = Socket(self.sockets);
        self.sockets += 1;
        if socket != Socket::MAIN {
            self.effects.push_back(Effect::Open(socket));
        }
        socket
    }

    fn begin(&mut self, connection: ConnectionNumber, handle: ConnectionHandle, link: Link) {
        self.touched.insert(handle.0);
        self.links.insert(handle.0, link);
        self.connections
            .insert(connection, ConnectionState::Established(handle));
    }
}
