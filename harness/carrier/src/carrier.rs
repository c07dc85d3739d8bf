use std::net::SocketAddr;
use std::time::Duration;

use quinn_proto::Side;
use rand_chacha::ChaCha20Rng;
use shakedown_protocol::machine::{self, Failure, Machine, Outcome};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{Input, StreamMachine};

use crate::quic::Quic;
use crate::{CarrierError, Effect, Settings, Socket, random};

/// A machine of streams with QUIC below it.
///
/// The owner opens socket 0 and gives the carrier what comes in and the time ([`Carrier::receive`],
/// [`Carrier::tick`]), then calls [`Carrier::poll`] until it returns `None`, then waits until
/// [`Carrier::deadline`] or the next datagram. Time is the [`Duration`] since a start that the owner
/// chose; it never falls. The first call is a tick.
///
/// A test peer uses a separate socket for each connection: the first uses socket 0, others use
/// sockets that it opens, unless it names another connection whose socket is shared. Every other
/// machine has one socket, and so can be used as a [`Machine`].
#[derive(Debug)]
pub struct Carrier<M> {
    machine: M,
    role: Role,
    quic: Quic,
    /// What the sessions of this carrier draw from; the system's if `None`.
    generator: Option<ChaCha20Rng>,
    has_ticked: bool,
    has_ended: bool,
}

impl<M: StreamMachine> Carrier<M> {
    /// A server.
    ///
    /// # Errors
    /// The certificate cannot be used, or there is none.
    pub fn server(machine: M, settings: &Settings) -> Result<Self, CarrierError> {
        let quic = Quic::new(settings, Side::Server, None)?;
        Ok(Self::new(machine, Role::Responder, quic))
    }

    /// A client of `peer`. It takes any certificate.
    ///
    /// # Errors
    /// The transport cannot be as the settings have it.
    pub fn client(machine: M, peer: SocketAddr, settings: &Settings) -> Result<Self, CarrierError> {
        let quic = Quic::new(settings, Side::Client, Some(peer))?;
        Ok(Self::new(machine, Role::Initiator, quic))
    }

    fn new(machine: M, role: Role, quic: Quic) -> Self {
        Self {
            machine,
            role,
            generator: quic.configuration().session_generator(),
            quic,
            has_ticked: false,
            has_ended: false,
        }
    }

    /// The machine of streams.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine of streams, for calls without outputs.
    pub const fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Calls the machine and processes its outputs.
    pub fn ask<T>(&mut self, now: Duration, ask: impl FnOnce(&mut M) -> T) -> T {
        self.settled(now, |carrier| ask(&mut carrier.machine))
    }

    /// Processes a datagram that was received from `from` on one of its sockets.
    pub fn receive(&mut self, now: Duration, socket: Socket, from: SocketAddr, payload: &[u8]) {
        self.settled(now, |carrier| {
            carrier.quic.receive(now, socket, from, payload);
        });
    }

    /// Processes the deadlines that are due.
    pub fn tick(&mut self, now: Duration) {
        self.settled(now, |carrier| {
            carrier.quic.tick(now);
            let is_due = carrier.machine.deadline().is_some_and(|due| due <= now);
            if is_due || !carrier.has_ticked {
                carrier.has_ticked = true;
                carrier.machine.handle(now, Input::Tick);
            }
        });
    }

    /// Stops the machine. Its closes are still pending: see [`Carrier::is_idle`].
    pub fn stop(&mut self, now: Duration) {
        self.settled(now, |carrier| carrier.machine.handle(now, Input::Stop));
    }

    /// The next thing that it wants done; `None` when there is nothing more for now.
    pub fn poll(&mut self) -> Option<Effect> {
        self.quic.effects.pop_front()
    }

    /// When it wants a tick at the latest, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let both = [self.machine.deadline(), self.quic.deadline()];
        both.into_iter().flatten().min()
    }

    /// Whether QUIC has no connections, draining ones included.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.quic.is_idle()
    }

    /// Sends probes to all peers, whose acknowledgement confirms all data before: see [`Carrier::is_read`].
    pub fn ask_for_acknowledgement(&mut self, now: Duration) {
        self.settled(now, |carrier| carrier.quic.ask(now));
    }

    /// Whether the peers have acknowledged the probes, and so received everything that was sent before.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.quic.is_read()
    }

    /// The secrets of TLS since this was called before, a line of a key log for each
    /// (`CLIENT_TRAFFIC_SECRET_0 ...`).
    pub fn take_secrets(&mut self) -> String {
        self.quic.configuration().secrets().take()
    }

    /// Calls `act` and processes all outputs that follow.
    fn settled<T>(&mut self, now: Duration, act: impl FnOnce(&mut Self) -> T) -> T {
        let mut generator = self.generator.take();
        let result = random::drawing_from(&mut generator, || {
            let result = act(self);
            self.settle(now);
            result
        });
        self.generator = generator;
        result
    }

    /// How a client's session ended; returned once.
    fn end(&mut self) -> Option<machine::Output> {
        let is_over = self.machine.is_finished() && !std::mem::replace(&mut self.has_ended, true);
        let peer = self.quic.peer().filter(|_| is_over)?;
        let outcome = match self.machine.failure() {
            None => Outcome::Completed,
            Some(message) => Outcome::Failed(Failure {
                cause: "failed",
                message: format!("{peer}: {message}"),
            }),
        };
        Some(machine::Output::Ended { peer, outcome })
    }

    fn settle(&mut self, now: Duration) {
        loop {
            while let Some(output) = self.machine.poll() {
                self.quic.act(now, output);
            }
            let machine = &self.machine;
            let next = self
                .quic
                .next(|connection, stream| machine.reads(connection, stream));
            let Some((connection, news)) = next else {
                break;
            };
            news.deliver(now, connection, &mut self.machine);
        }
        self.quic.flush(now);
    }
}

/// For an owner with one socket.
impl<M: StreamMachine> Machine for Carrier<M> {
    fn role(&self) -> Role {
        self.role
    }

    fn handle(&mut self, now: Duration, input: machine::Input<'_>) {
        match input {
            machine::Input::Datagram { from, payload } => {
                self.receive(now, Socket::MAIN, from, payload);
            }
            machine::Input::Tick => self.tick(now),
            machine::Input::Stop => self.stop(now),
        }
    }

    /// A client's session is all that it was to do, whatever became of single connections.
    fn poll(&mut self) -> Option<machine::Output> {
        loop {
            let Some(effect) = Self::poll(self) else {
                return self.end();
            };
            return Some(match effect {
                Effect::Open(_) | Effect::Ended { .. } => continue,
                Effect::Send { to, payload, .. } => machine::Output::Send { to, payload },
                Effect::Transition {
                    peer,
                    from,
                    to,
                    why,
                    ..
                } => machine::Output::Transition {
                    peer,
                    from,
                    to,
                    why,
                },
            });
        }
    }

    fn deadline(&self) -> Option<Duration> {
        Self::deadline(self)
    }

    /// When the machine is. QUIC may have something left to say: see [`Carrier::is_idle`].
    fn is_finished(&self) -> bool {
        self.machine.is_finished()
    }

    fn is_idle(&self) -> bool {
        Self::is_idle(self)
    }

    fn counters(&self) -> serde_json::Value {
        self.machine.counters()
    }

    fn take_secrets(&mut self) -> String {
        Self::take_secrets(self)
    }
}
