//! How the world reaches a reference machine, and the other way round.
//!
//! A machine is a state machine without I/O. The owner calls [`Machine::handle`] with the time and
//! one input, then [`Machine::poll`] until it returns `None`, then waits until
//! [`Machine::deadline`] or the next input, whichever comes first. Time is the [`Duration`] since a
//! start that the owner chose; it never falls.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use crate::requirement::Role;

/// What can happen to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// A datagram came in from `from`.
    Datagram {
        /// Source of the datagram.
        from: SocketAddr,
        payload: &'a [u8],
    },
    /// Time went on; a deadline may be due. Also the first input of a machine that speaks first.
    Tick,
    /// The owner wants the machine to end: it says goodbye where the protocol has a word for it.
    Stop,
}

/// What a machine wants done or known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send `payload` as one datagram to `to`.
    Send {
        /// Destination of the datagram.
        to: SocketAddr,
        payload: Vec<u8>,
    },
    /// The session with `peer` went from one state to another, in the specification's words.
    Transition {
        /// The session's other side.
        peer: SocketAddr,
        from: &'static str,
        to: &'static str,
        /// Why, in a few words.
        why: &'static str,
    },
    /// The session with `peer` is over.
    Ended {
        /// The session's other side.
        peer: SocketAddr,
        outcome: Outcome,
    },
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The stream ran to its end.
    Completed,
    /// It did not, and a person wants to know why.
    Failed(Failure),
}

/// Why a session failed: the key under which it is counted and a human-readable sentence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The counter's key, for example `timeout` or `rejected`.
    pub cause: &'static str,
    pub message: String,
}

impl Failure {
    /// The cause of a faulty twin that is to end as a process does that panicked.
    pub const CRASH: &'static str = "crash";

    /// The exit status of a process that ends by it.
    #[must_use]
    pub fn status(&self) -> i32 {
        if self.cause == Self::CRASH { 101 } else { 1 }
    }
}

/// A reference machine: one role of one protocol.
pub trait Machine {
    /// The role that it plays.
    fn role(&self) -> Role;

    /// Takes one input at time `now`.
    fn handle(&mut self, now: Duration, input: Input<'_>);

    /// The next thing that it wants done; `None` when there is nothing more for now.
    fn poll(&mut self) -> Option<Output>;

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    fn deadline(&self) -> Option<Duration>;

    /// Whether it is over for good. A responder that serves many peers never is, until stopped.
    fn is_finished(&self) -> bool;

    /// Whether no peer waits for it.
    fn is_idle(&self) -> bool {
        true
    }

    /// Its counters by the names of the specification, for `--stats json`.
    fn counters(&self) -> serde_json::Value;

    /// The most important of them, as numbers, where they must add up.
    fn tally(&self) -> Tally {
        Tally::default()
    }

    /// Further secrets of its TLS sessions, lines in the format of `SSLKEYLOGFILE`.
    fn take_secrets(&mut self) -> String {
        String::new()
    }
}

/// A machine whose future can branch: the same machine goes on in two ways, and two machines that
/// will do the same are known as such.
pub trait Fork: Machine + Send + Sync {
    /// The same machine once more.
    fn fork(&self) -> Box<dyn Fork>;

    /// Feeds everything that decides what the machine will do into `hasher`. What it only counts is
    /// left out: two machines with equal digests answer the same inputs by the same outputs. Both
    /// must have been made from the same settings.
    fn digest(&self, hasher: &mut dyn Hasher);
}

impl<M: Machine + Clone + Hash + Send + Sync + 'static> Fork for M {
    fn fork(&self) -> Box<dyn Fork> {
        Box::new(self.clone())
    }

    fn digest(&self, mut hasher: &mut dyn Hasher) {
        self.hash(&mut hasher);
    }
}

/// Counters that must add up at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams that came in.
    pub received_datagrams: u64,
    /// Their UDP payloads, in bytes.
    pub received_bytes: u64,
    /// Datagrams that went out.
    pub sent_datagrams: u64,
    /// Their UDP payloads, in bytes.
    pub sent_bytes: u64,
    pub attempted: u64,
    /// Those that led to a session.
    pub succeeded: u64,
    /// Those that failed, whatever the cause.
    pub failed: u64,
    /// Those that are neither: they wait for an answer or a confirmation.
    pub open: u64,
    /// Sessions that there are, those that wait for their confirmation among them.
    pub sessions: u64,
}
