//! The event loop in virtual time: no socket, no clock, and as many participants as its owner has.
//!
//! The owner says when each participant wants to be called, and is told what comes next: a datagram
//! that arrives, else the first participant in its order whose time has come. Time jumps from one to the next.

use std::time::Duration;

use crate::network::{Arrival, Network};

/// What comes next, over a network whose datagrams know by `T` where they go.
#[derive(Debug)]
pub struct EventLoop<T> {
    /// What is between the participants.
    pub network: Network<T>,
    now: Duration,
    events: u64,
}

/// Something that happens now.
#[derive(Debug)]
pub enum Next<T> {
    Arrival(Arrival<T>),
    /// The time of this participant has come, by its place among the deadlines.
    Deadline(usize),
}

impl<T: Clone> EventLoop<T> {
    /// Begins at time 0.
    #[must_use]
    pub const fn new(network: Network<T>) -> Self {
        Self {
            network,
            now: Duration::ZERO,
            events: 0,
        }
    }

    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// How often something came next.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// When something happens next, if anything ever does.
    #[must_use]
    pub fn next_at(&self, deadlines: &[Option<Duration>]) -> Option<Duration> {
        let next = deadlines.iter().copied().chain([self.network.deadline()]);
        Some(next.flatten().min()?.max(self.now))
    }

    /// Goes on to what happens next. `None` if nothing ever does.
    pub fn next(&mut self, deadlines: &[Option<Duration>]) -> Option<Next<T>> {
        self.now = self.next_at(deadlines)?;
        self.events += 1;
        if let Some(arrival) = self.network.arrive(self.now) {
            return Some(Next::Arrival(arrival));
        }
        let is_due = |deadline: &Option<Duration>| deadline.is_some_and(|at| at <= self.now);
        deadlines.iter().position(is_due).map(Next::Deadline)
    }
}
