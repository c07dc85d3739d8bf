//! Two machines that talk to each other through a [`Network`], in virtual time: one event loop, no
//! socket, no clock.
//!
//! The owner jumps from [`Meeting::deadline`] to [`Meeting::deadline`] and calls [`Meeting::step`].
//! What it wants to know of the course, and where datagrams come from and go to, is the affair of
//! its [`Watch`].

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::machine::{Input, Machine, Output};
use shakedown_protocol::requirement::Role;

use crate::network::{Arrival, Network};

/// Two machines, the network between them, and who watches.
pub struct Meeting<M: ?Sized, W: Watch> {
    /// The machine that asks.
    pub initiator: Box<M>,
    /// The machine that is asked.
    pub responder: Box<M>,
    /// What is between them.
    pub network: Network<W::Way>,
    /// Who watches.
    pub watch: W,
}

/// Who watches a meeting, and knows the addresses.
pub trait Watch {
    /// What a datagram takes along on its way.
    type Way: Clone;
    /// Why the meeting cannot go on.
    type Error;

    /// What the clock of a side shows at a time; time itself if not told.
    fn shows(&self, _role: Role, now: Duration) -> Duration {
        now
    }

    /// The first time at which the clock of a side shows so much; see [`Self::shows`].
    fn time(&self, _role: Role, shown: Duration) -> Duration {
        shown
    }

    /// A side sends a datagram: what it takes along.
    ///
    /// # Errors
    /// Whatever ends the meeting.
    fn sends(
        &mut self,
        now: Duration,
        from: Role,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<Self::Way, Self::Error>;

    /// A datagram arrives at a side: whom it seems to come from there. `None` if nobody gets it.
    ///
    /// # Errors
    /// Whatever ends the meeting.
    fn arrives(
        &mut self,
        now: Duration,
        to: Role,
        way: Self::Way,
        payload: &[u8],
    ) -> Result<Option<SocketAddr>, Self::Error>;

    /// A machine says something that is no datagram.
    fn says(&mut self, _now: Duration, _role: Role, _output: Output) {}

    /// The timer of a side is due.
    fn is_due(&mut self, _now: Duration, _role: Role) {}

    /// The timer of a side has done what it was to do.
    fn was_due(&mut self, _now: Duration, _role: Role) {}
}

impl<M: Machine + ?Sized, W: Watch> Meeting<M, W> {
    /// When something happens next, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let timers = [
            self.timer(Role::Initiator, &self.initiator),
            self.timer(Role::Responder, &self.responder),
        ];
        timers
            .into_iter()
            .chain([self.network.deadline()])
            .flatten()
            .min()
    }

    /// Everything that happens at `now`: what has arrived, then the timers that are due.
    ///
    /// # Errors
    /// Whatever the watch says.
    pub fn step(&mut self, now: Duration) -> Result<(), W::Error> {
        self.deliver(now)?;
        self.tick(now)
    }

    /// Delivers what has arrived at `now`.
    ///
    /// # Errors
    /// Whatever the watch says.
    pub fn deliver(&mut self, now: Duration) -> Result<(), W::Error> {
        while let Some(Arrival {
            from, tag, payload, ..
        }) = self.network.arrive(now)
        {
            let to = from.peer();
            if let Some(from) = self.watch.arrives(now, to, tag, &payload)? {
                let payload = &payload;
                self.drive(now, to, Input::Datagram { from, payload })?;
            }
        }
        Ok(())
    }

    /// Lets the timers go off that are due at `now`, the initiator's first.
    ///
    /// # Errors
    /// Whatever the watch says.
    pub fn tick(&mut self, now: Duration) -> Result<(), W::Error> {
        for role in [Role::Initiator, Role::Responder] {
            let timer = match role {
                Role::Initiator => self.timer(role, &self.initiator),
                Role::Responder => self.timer(role, &self.responder),
            };
            if timer.is_some_and(|at| at <= now) {
                self.watch.is_due(now, role);
                self.drive(now, role, Input::Tick)?;
                self.watch.was_due(now, role);
            }
        }
        Ok(())
    }

    /// Gives a side an input, and does what it wants.
    ///
    /// # Errors
    /// Whatever the watch says.
    pub fn drive(&mut self, now: Duration, role: Role, input: Input<'_>) -> Result<(), W::Error> {
        let machine = match role {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        machine.handle(self.watch.shows(role, now), input);
        while let Some(output) = machine.poll() {
            match output {
                Output::Send { to, payload } => {
                    let way = self.watch.sends(now, role, to, &payload)?;
                    self.network.send(now, role, way, payload);
                }
                output @ (Output::Transition { .. } | Output::Ended { .. }) => {
                    self.watch.says(now, role, output);
                }
            }
        }
        Ok(())
    }

    fn timer(&self, role: Role, machine: &M) -> Option<Duration> {
        Some(self.watch.time(role, machine.deadline()?))
    }
}
