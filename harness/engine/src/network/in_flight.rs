use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Arrival;

/// Datagrams on their way, ordered by arrival, then by when they were put in.
pub(super) struct InFlight<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    count: u64,
}

struct Entry<T> {
    number: u64,
    arrival: Arrival<T>,
}

impl<T> InFlight<T> {
    pub(super) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(super) fn put(&mut self, arrival: Arrival<T>) {
        self.count += 1;
        self.heap.push(Reverse(Entry {
            number: self.count,
            arrival,
        }));
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(first)| first.arrival.at)
    }

    /// Takes the first one if it has arrived at `now`.
    pub(super) fn take(&mut self, now: Duration) -> Option<Arrival<T>> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(first)| first.arrival)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

impl<T> Entry<T> {
    const fn order(&self) -> (Duration, u64) {
        (self.arrival.at, self.number)
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
