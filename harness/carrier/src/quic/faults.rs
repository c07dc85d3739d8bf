//! Connections of a test peer that misbehave.

use std::time::Duration;

use shakedown_protocol::streams::{ConnectionNumber, Fault};

use super::{ConnectionState, Quic};

impl Quic {
    /// Lets a connection misbehave, if there is one that can.
    pub(super) fn misbehave(&mut self, now: Duration, connection: ConnectionNumber, fault: Fault) {
        if let Fault::Silent(is_silent) = fault {
            return self.silence(now, connection, is_silent);
        }
        let handle = match self.connections.get(&connection) {
            Some(ConnectionState::Established(handle)) if self.is_tester => *handle,
            Some(_) | None => return,
        };
        self.flush_pending(now, handle);
        let moved_to = matches!(fault, Fault::Move).then(|| self.new_socket());
        let path = self.paths.get_mut(&connection);
        let Some(link) = self.links.get_mut(&handle.0) else {
            return;
        };
        link.data_written();
        match fault {
            Fault::Deaf(is_deaf) => link.switch.deafen(is_deaf),
            Fault::Replace(frames) => link.switch.replace(frames),
            Fault::Silent(_) | Fault::Move => {}
        }
        if let Some(socket) = moved_to {
            link.socket = socket;
            link.quic.local_address_changed();
            if let Some(path) = path {
                path.socket = socket;
            }
        }
        self.touched.insert(handle.0);
    }

    fn silence(&mut self, now: Duration, connection: ConnectionNumber, is_silent: bool) {
        if let Some(ConnectionState::Established(handle)) = self.connections.get(&connection) {
            self.flush_pending(now, *handle);
        }
        let socket = self.socket_of(connection);
        match is_silent {
            true => self.silent.insert(socket),
            false => self.silent.remove(&socket),
        };
    }
}
