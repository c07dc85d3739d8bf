use std::net::SocketAddr;

use shakedown_protocol::streams::{Input, StreamMachine};

use crate::clock::Clock;
use crate::quic::{Endpoints, Host};

/// The reference, as if it were a process of its own.
pub(super) struct Process {
    machine: Box<dyn StreamMachine + Send>,
    host: Host,
}

impl Process {
    /// One that listens on `address`.
    ///
    /// # Errors
    /// A sentence for people if it cannot.
    pub(super) fn server(
        machine: Box<dyn StreamMachine + Send>,
        endpoints: &Endpoints,
        address: SocketAddr,
        clock: Clock,
    ) -> Result<Self, String> {
        Ok(Self::new(machine, Host::server(endpoints, address)?, clock))
    }

    /// One that connects to `peer`.
    pub(super) fn client(
        machine: Box<dyn StreamMachine + Send>,
        endpoints: Endpoints,
        peer: SocketAddr,
        clock: Clock,
    ) -> Self {
        Self::new(machine, Host::client(endpoints, peer), clock)
    }

    fn new(machine: Box<dyn StreamMachine + Send>, host: Host, clock: Clock) -> Self {
        let mut process = Self {
            machine,
            host: host.with_clock(clock),
        };
        process.tell(Input::Tick);
        process
    }

    /// Lets happen what happens next. It can be dropped while it waits.
    pub(super) async fn next(&mut self) {
        self.host.next(&mut *self.machine).await;
    }

    /// The status with which it ends, if it is over.
    pub(super) fn exit_status(&self) -> Option<i32> {
        let is_over = self.machine.is_finished();
        is_over.then(|| i32::from(self.machine.failure().is_some()))
    }

    /// Ends it, after it has said goodbye.
    pub(super) async fn stop(mut self) {
        self.tell(Input::Stop);
        self.host.flush().await;
    }

    fn tell(&mut self, input: Input<'_>) {
        self.machine.handle(self.host.now(), input);
        self.host.obey(&mut *self.machine);
    }
}
