//! The network between two peers, without I/O: what is sent goes in, what arrives comes out later,
//! or twice, or never.
//!
//! The owner calls [`Network::send`] with the time and a datagram, waits until
//! [`Network::deadline`], and takes what has arrived with [`Network::arrive`] until it returns
//! `None`. In virtual time the owner jumps from deadline to deadline; a relay of real datagrams waits for
//! them. The same impairment, seed and sends give the same arrivals.

mod impair;

use std::collections::BTreeMap;
use std::time::Duration;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

pub use impair::{Delay, Fault, Impair, Mishap};

/// Both directions of the way between two peers, and what is on its way there.
///
/// `T` tells the owner where a datagram goes; the network only keeps it.
pub struct Network<T> {
    impair: Impair,
    vocabulary: &'static dyn Vocabulary,
    seed: u64,
    flying: BTreeMap<(Duration, u64), Arrival<T>>,
    sends: u64,
}

/// A datagram that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival<T> {
    /// When it arrived.
    pub at: Duration,
    /// Who sent it.
    pub from: Role,
    /// What the owner gave with it.
    pub tag: T,
    /// The UDP payload, as the network left it.
    pub payload: Vec<u8>,
}

impl<T: Clone> Network<T> {
    /// A network that does what `impair` says to the frames of `vocabulary`. Everything random
    /// comes from the seed of `impair`, else from `seed`.
    #[must_use]
    pub fn new(impair: Impair, vocabulary: &'static dyn Vocabulary, seed: u64) -> Self {
        Self {
            seed: impair.seed.unwrap_or(seed),
            impair,
            vocabulary,
            flying: BTreeMap::new(),
            sends: 0,
        }
    }

    /// Takes what the `from` side sends at `now`.
    pub fn send(&mut self, now: Duration, from: Role, tag: T, payload: Vec<u8>) {
        let at = now + self.impair.delay.least;
        let arrival = Arrival {
            at,
            from,
            tag,
            payload,
        };
        self.sends += 1;
        self.flying.insert((at, self.sends), arrival);
    }

    /// When something arrives next, if anything is on its way.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.flying.keys().next().map(|(at, _)| *at)
    }

    /// The next datagram that has arrived at `now`.
    pub fn arrive(&mut self, now: Duration) -> Option<Arrival<T>> {
        let first = self.flying.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// From now on the way is an ideal one: it keeps its delay and does nothing else. What is on its
    /// way arrives.
    pub fn heal(&mut self) {
        self.impair = Impair {
            delay: self.impair.delay,
            ..Impair::default()
        };
    }
}

impl<T> std::fmt::Debug for Network<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("impair", &self.impair)
            .field("frames", &self.vocabulary.frames())
            .field("seed", &self.seed)
            .field("flying", &self.flying.len())
            .finish_non_exhaustive()
    }
}
