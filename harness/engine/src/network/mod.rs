//! A network emulator without I/O: datagrams go in as they are sent and come out as they arrive.
//!
//! The owner calls [`Network::send`] with the time and a datagram, waits until
//! [`Link::deadline`], and takes what has arrived with [`Link::arrive`] until it returns
//! `None`. In virtual time the owner jumps from deadline to deadline; a relay of real datagrams waits for
//! them. The same impairment, seed and sends give the same arrivals.
//!
//! # What happens to a datagram, in this order
//!
//! 1. Exact faults look at its name and count it. A datagram that does not decode has no name.
//! 2. It is lost: in an outage, by an exact fault, at random, or because its checksum is wrong.
//! 3. One bit of it is flipped, by an exact fault or at random.
//! 4. Its delay begins. Whatever was drawn, it does not overtake the one before it.
//! 5. It waits until the rate has room for it, and its bytes take their time. A copy of it comes
//!    after it and takes its time too. What would wait for longer than [`LONGEST_QUEUE`] is lost.
//! 6. What lets later datagrams overtake it comes last: jitter, exact `delay`, and `reorder`. A
//!    reordered datagram arrives together with, and behind, the one that is the last to overtake
//!    it; after [`LONGEST_REORDER`] or [`LONGEST_EXACT_REORDER`] it arrives by itself.
//!
//! # What is random
//!
//! Both directions draw from one seed, each from a stream of its own, and for each datagram the
//! same number of draws, one for each thing that can happen. So what happens to the n-th datagram
//! of a direction depends on the seed, n and the share of that impairment alone: another share, or
//! traffic the other way, changes nothing about it. Two things depend on the past: a datagram that
//! was reordered at random keeps the next from being reordered, and order and rate make datagrams
//! wait for those before them.

mod command_line;
mod delays;
mod direction;
mod exact;
mod fault_log;
mod file_form;
mod impairment;
mod random;
mod validate;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::time::Duration;

use shakedown_protocol::event_loop::{InFlight, Link};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use direction::{Departure, Direction};
use exact::{MatchedFaults, PendingFault};

pub use command_line::ImpairmentError;
pub use fault_log::FaultLog;
pub use impairment::{Delay, Fault, FaultKind, Impairment};
pub use validate::ImpairmentProblem;

/// How long a datagram waits at most for the rate to have room; what would wait longer is lost, as
/// in a router whose queue is full.
pub const LONGEST_QUEUE: Duration = Duration::from_secs(10);
/// How long a datagram that is reordered at random waits at most for the next one.
pub const LONGEST_REORDER: Duration = Duration::from_secs(1);
/// How long a datagram of an exact `reorder` waits at most for those that overtake it.
pub const LONGEST_EXACT_REORDER: Duration = Duration::from_secs(10);

/// The comment on a packet of a capture, at its sender's edge of the network, that never arrives.
pub const LOST: &str = "network: lost on the way";

/// Both directions of the path between two peers, and the datagrams in flight.
///
/// `T` is the owner's address of a datagram; the network only stores it.
pub struct Network<T> {
    vocabulary: &'static dyn Vocabulary,
    /// What the ideal link takes.
    latency: Duration,
    /// Time of the first datagram.
    begin: Option<Duration>,
    faults: Vec<PendingFault>,
    initiator: Direction<T>,
    responder: Direction<T>,
    in_flight: InFlight<Arrival<T>>,
}

/// A datagram that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival<T> {
    pub at: Duration,
    pub from: Role,
    /// What the owner gave with it.
    pub tag: T,
    /// Whether it is the second of one that arrives twice.
    pub is_copy: bool,
    /// The UDP payload, as the network left it.
    pub payload: Vec<u8>,
}

/// What the network does to a datagram that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects {
    pub lost: Option<LossCause>,
    pub duplicated: bool,
    /// It is held back, for later ones to overtake it.
    pub reordered: bool,
    /// The bit that is flipped, counted from the first byte's lowest.
    pub corrupted_bit: Option<u32>,
}

/// Why a datagram never arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossCause {
    Random,
    /// By an exact fault.
    Fault,
    /// It is sent during an outage.
    Outage,
    /// Its checksum is wrong: a receiver's system drops it.
    Checksum,
    /// The rate has no room for it.
    Queue,
}

/// What the network did to the datagrams of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Datagrams that were sent.
    pub sent: u64,
    /// Those of them that never arrive.
    pub lost: u64,
    /// Those that arrive twice.
    pub duplicated: u64,
    /// Those that are held back.
    pub reordered: u64,
    /// Those of which a bit is flipped.
    pub corrupted: u64,
    /// Those that have arrived so far, copies aside.
    pub arrived: u64,
}

impl Counts {
    /// Datagrams still on their way.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.sent - self.lost - self.arrived
    }
}

impl<T: Clone> Network<T> {
    /// A network with this impairment, whose exact faults name frames of `vocabulary`. Everything
    /// random comes from the seed of `impairment`, else from `seed`.
    #[must_use]
    pub fn new(impairment: Impairment, vocabulary: &'static dyn Vocabulary, seed: u64) -> Self {
        let seed = impairment.seed.unwrap_or(seed);
        let faults = impairment.faults.iter().cloned().map(PendingFault::new);
        Self {
            vocabulary,
            latency: Duration::ZERO,
            begin: None,
            faults: faults.collect(),
            initiator: Direction::new(Role::Initiator, &impairment, seed),
            responder: Direction::new(Role::Responder, &impairment, seed),
            in_flight: InFlight::new(),
        }
    }

    /// Adds a latency of the link itself, each way, besides every delay.
    #[must_use]
    pub const fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Takes what the `from` side sends at `now`, and says what becomes of it.
    pub fn send(&mut self, now: Duration, from: Role, tag: T, payload: Vec<u8>) -> Effects {
        let begin = *self.begin.get_or_insert(now);
        let faults = MatchedFaults::of(&mut self.faults, self.vocabulary, from, &payload);
        let departure = Departure {
            entry: now.saturating_add(self.latency),
            sent: now.saturating_sub(begin),
            faults: &faults,
        };
        let direction = match from {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        direction.send(&departure, tag, payload, &mut self.in_flight)
    }

    /// Ends every impairment but the delay. What is on its way arrives.
    pub fn heal(&mut self) {
        self.faults.clear();
        self.initiator.heal();
        self.responder.heal();
    }

    /// How many datagrams are on their way, reordered ones included.
    #[must_use]
    pub fn on_the_way(&self) -> usize {
        self.in_flight.len() + self.initiator.held() + self.responder.held()
    }

    /// Statistics of the datagrams that this side sent.
    #[must_use]
    pub const fn counts(&self, from: Role) -> Counts {
        match from {
            Role::Initiator => self.initiator.counts,
            Role::Responder => self.responder.counts,
        }
    }

    /// The exact faults whose datagram was not sent so far.
    pub fn missed(&self) -> impl Iterator<Item = &Fault> {
        let pending = self.faults.iter().filter(|pending| !pending.is_over());
        pending.map(|pending| &pending.fault)
    }
}

impl<T: Clone> Link for Network<T> {
    type Arrival = Arrival<T>;

    fn deadline(&self) -> Option<Duration> {
        let held = [self.initiator.release(), self.responder.release()];
        let next = held.into_iter().chain([self.in_flight.deadline()]);
        next.flatten().min()
    }

    fn arrive(&mut self, now: Duration) -> Option<Arrival<T>> {
        self.initiator.release_until(now, &mut self.in_flight);
        self.responder.release_until(now, &mut self.in_flight);
        let arrival = self.in_flight.arrive(now)?;
        let direction = match arrival.from {
            Role::Initiator => &mut self.initiator,
            Role::Responder => &mut self.responder,
        };
        direction.counts.arrived += u64::from(!arrival.is_copy);
        Some(arrival)
    }
}

impl<T> std::fmt::Debug for Network<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("initiator", &self.initiator.counts)
            .field("responder", &self.responder.counts)
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}
