use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Arrival;

/// What is on its way; what arrives first comes first, and of those that arrive together the one
/// that was put in first.
pub(super) struct Flying<T> {
    heap: BinaryHeap<Reverse<Flight<T>>>,
    count: u64,
}

struct Flight<T> {
    number: u64,
    arrival: Arrival<T>,
}

impl<T> Flying<T> {
    pub(super) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(super) fn put(&mut self, arrival: Arrival<T>) {
        self.count += 1;
        self.heap.push(Reverse(Flight {
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

impl<T> Flight<T> {
    const fn order(&self) -> (Duration, u64) {
        (self.arrival.at, self.number)
    }
}

impl<T> PartialEq for Flight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl<T> Eq for Flight<T> {}

impl<T> PartialOrd for Flight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Flight<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}
