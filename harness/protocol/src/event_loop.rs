//! The event loop in virtual time: no socket, no clock, and as many participants as its owner has.
//!
//! The owner gives each participant's next deadline, and gets the next event: something
//! that arrives, else the first participant in its order whose time has come. Time jumps from one to the next.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

/// What is between the participants: a network model, or a plain [`InFlight`].
pub trait Link {
    type Arrival;

    /// When something arrives next, if anything is on its way.
    fn deadline(&self) -> Option<Duration>;

    /// The next one that has arrived at `now`.
    fn arrive(&mut self, now: Duration) -> Option<Self::Arrival>;
}

/// What comes next, over a link.
#[derive(Debug)]
pub struct EventLoop<L> {
    /// What is between the participants.
    pub network: L,
    now: Duration,
    events: u64,
}

/// Something that happens now.
#[derive(Debug)]
pub enum Next<T> {
    Arrival(T),
    /// The time of this participant has come, by its place among the deadlines.
    Deadline(usize),
}

impl<L: Link> EventLoop<L> {
    /// Begins at time 0.
    #[must_use]
    pub const fn new(network: L) -> Self {
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
    pub fn next(&mut self, deadlines: &[Option<Duration>]) -> Option<Next<L::Arrival>> {
        self.now = self.next_at(deadlines)?;
        self.events += 1;
        if let Some(arrival) = self.network.arrive(self.now) {
            return Some(Next::Arrival(arrival));
        }
        let is_due = |deadline: &Option<Duration>| deadline.is_some_and(|at| at <= self.now);
        deadlines.iter().position(is_due).map(Next::Deadline)
    }

    /// As [`next`](Self::next), up to the moment `end`: time stops there if something happens
    /// later.
    pub fn next_until(
        &mut self,
        end: Duration,
        deadlines: &[Option<Duration>],
    ) -> Option<Next<L::Arrival>> {
        if self.next_at(deadlines)? <= end {
            return self.next(deadlines);
        }
        self.now = self.now.max(end);
        None
    }
}

/// Items in flight, ordered by arrival, then by insertion.
pub struct InFlight<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    count: u64,
}

struct Entry<T> {
    at: Duration,
    number: u64,
    what: T,
}

impl<T> InFlight<T> {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Sends `what` on its way, to arrive at `at`.
    pub fn put(&mut self, at: Duration, what: T) {
        self.count += 1;
        self.heap.push(Reverse(Entry {
            at,
            number: self.count,
            what,
        }));
    }

    /// How many are on their way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Link for InFlight<T> {
    type Arrival = T;

    fn deadline(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(first)| first.at)
    }

    fn arrive(&mut self, now: Duration) -> Option<T> {
        self.deadline().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(first)| first.what)
    }
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for InFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T> Entry<T> {
    const fn order(&self) -> (Duration, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}
