//! The scripted peer: a scenario run step by step, as a sans-I/O machine.
//!
//! The driver (real sockets in `net`, or the simulation here) opens `main`, starts the
//! implementation under test, and calls [`Script::handle`] with the time and one input, then
//! [`Script::poll`] until `None`, then waits for the next input or until [`Script::deadline`],
//! whichever comes first; until [`Script::outcome`] is there.
//!
//! # How steps are played
//!
//! Steps run one after the other. What arrives at `main` and at the named sockets goes into
//! an inbox, one queue for each socket; the steps that wait take from it in order. What arrives at
//! `fresh` sockets is recorded in the capture and not looked at.
//!
//! **Windows.** A step's window counts from the moment at which the step before was completed: the
//! time of the packet that matched, of the (last) datagram sent, of the end of the silence or the
//! wait. `within` is stretched by the tolerance of the implementation's description (a share of
//! the span) and 50 ms; `after` is shortened by 50 ms, and over streams by the tolerance, too. It counts
//! from when the step before was due where that was late: whatever is late makes nothing early that
//! comes after it. `for` is exact. A packet exactly at the
//! end of `within` is in time; one exactly at the end of `for` is not part of the silence. Where the
//! scenario is played through a network that delays ([`Script::through`]), `within` is stretched by
//! the longest time that it may take there and back, and `after` is shortened by how much longer
//! one datagram of the implementation may take than another: the step before may have been one.
//!
//! **Arrivals.** A waiting step looks at what has arrived at its socket (`main` unless `at` names
//! another; `expect_nothing` and `expect_exit` look at all that have a name), the oldest first,
//! whether it came before the step began or later. A frame named in `ignore`, the step's or the
//! scenario's, is counted and passed over, even where the step expects a frame of that name in
//! another shape: a full match is tried first. A match is taken. Anything else fails the step:
//! another frame, the right frame with a wrong field (the first in the scenario's order is named),
//! the right frame too early. What no step took is not judged by the script.
//!
//! **Values.** `"$name"` stands for a value of `let` or one that `bind` remembered, at any depth of
//! a field's value, also within matchers; `"$$name"` is the text `$name`. A remembered value is
//! the field's value as the protocol's vocabulary writes it. Values are compared after they went
//! through the vocabulary, so that two ways to write the same bytes are equal.
//!
//! **Bytes.** `same_as` wants the very bytes that the step of that index, counted from 0 among the
//! scenario's own steps, got, sent or lost last; a step that contains others stands for the last
//! of them.
//!
//! **Where sends go.** To the implementation's address if it is a responder. An initiator is
//! answered at the source of the last datagram that came to the socket that is sent from, else to
//! `main`. `fresh` is another port for each datagram; the newest 256 stay open.
//!
//! **Media.** Frame n of a `media` step (from 1) leaves n frame intervals after the step began. If
//! the driver is late, what is due leaves at once, and nothing before it is due. A frame has the
//! size that the stream parameters say; `split` and `fragments` carry it in parts of at most 1,400
//! bytes, and in two halves if it would fit into one. QPC counts 100 ns ticks of the driver's
//! time. `expect_media` counts distinct frame numbers, in whatever order and parts they come, and
//! is complete with the first datagram of the last frame that it counts; further parts of that
//! frame are passed over by later steps.
//!
//! **Choice.** `either` offers what arrives to the first step of each branch, in order. The branch
//! that takes it is played on; a branch that cannot take it is out. `expect_nothing` and
//! `expect_exit` as first steps are chosen when they come true. If all are out the step fails.
//! `expect_any` gives an arrival to the first of its expectations that takes it: write the
//! narrower one first.
//!
//! **Fairness.** If the driver says that it was late by more than the slack of a window that was
//! open, and the step would fail by time, the outcome is inconclusive.

mod bindings;
mod budget;
pub(crate) mod context;
pub(crate) mod describe;
mod execution;
pub(crate) mod inbox;
pub(crate) mod judge;
mod lateness;
pub(crate) mod media;
pub(crate) mod outcome;
mod path;
mod peer;
mod play;
mod program;
pub(crate) mod send;
pub(crate) mod streams;
pub(crate) mod wait;
mod waiting;
pub(crate) mod window;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_carrier::Security;
use shakedown_protocol::{Protocol, StreamParameters};

use crate::iut::{Exit, Timing};

pub use bindings::fingerprint;
pub use budget::{Budget, Share};
pub use describe::{describe, human_time};
pub use outcome::{Failure, FieldPlace, Judgements, ScriptOutcome, StepEvent, is_crash};
pub use peer::Script;
pub use program::Program;
pub use program::named_requirements;

/// Index of a socket of the scripted peer: 0 is `main`, which the driver opens, then `sockets` in
/// the file's order, then the `fresh` ones as they are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub usize);

impl SocketId {
    /// The socket that every scenario has.
    pub const MAIN: Self = Self(0);
}

/// What a script must know besides the scenario.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The protocol whose frames the scenario names.
    pub protocol: &'static Protocol,
    /// How punctual the implementation is.
    pub timing: Timing,
    /// The stream, of either side; gives `$frame_interval` and `$stream`.
    pub stream: StreamParameters,
    /// What the exit status of the implementation's process means.
    pub exit: Exit,
    /// The implementation's address if it is a responder; `None` if it speaks first.
    pub iut: Option<SocketAddr>,
    /// Random seed; the same seed and scenario give the same ids.
    pub seed: u64,
    /// The time of day at which the driver's time is 0, since 1970; gives `$now` in seconds.
    pub epoch: Duration,
    /// What the implementation's description gives of [`Protocol::values`].
    pub values: IndexMap<String, Value>,
    /// How the packets of QUIC are protected, where streams carry the protocol.
    pub security: Security,
    /// Memory for what arrives and waits to be looked at.
    pub budget: Budget,
}

impl Environment {
    /// Whether a datagram from this address is the implementation's, as far as its address is known.
    fn is_from_iut(&self, from: SocketAddr) -> bool {
        self.iut.is_none_or(|iut| {
            let host = iut.ip().to_canonical();
            let same_host = host.is_unspecified() || host == from.ip().to_canonical();
            same_host && iut.port() == from.port()
        })
    }
}

/// What can happen to the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// `main` is open and the implementation is started or reachable: begin.
    Begin,
    Datagram {
        /// The socket that it arrived at.
        socket: SocketId,
        from: SocketAddr,
        payload: &'a [u8],
        /// Its number in the capture, from 1, if it was recorded.
        packet: Option<u64>,
    },
    /// What [`Action::Send`] asked for left, as this packet of the capture. Every send is answered
    /// by this or by [`Input::Refused`]; the next one is asked for only then.
    Sent {
        /// The tag of the action.
        tag: u64,
        /// Its number in the capture, from 1, if it was recorded.
        packet: Option<u64>,
    },
    /// What [`Action::Send`], [`Action::Open`] or [`Action::RestartIut`] asked for could not be
    /// done: the stimulus was not applied.
    Refused { why: &'a str },
    /// A deadline may be due.
    Tick,
    /// The implementation's process ended by itself (not by [`Action::RestartIut`]).
    Exited {
        /// Exit status; `None` if a signal ended it.
        code: Option<i32>,
    },
    /// What [`Action::RestartIut`] asked for is done.
    Restarted,
    /// Something was late by this much just now: the driver woke up late, or did not get to run.
    /// Time windows that were open meanwhile were not observed fairly. Passed before the input
    /// that was late.
    Late(Duration),
    /// The driver has come to an end: what is open is closed, where the carrier can.
    End,
}

/// What the script wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a socket; no answer is awaited, datagrams may be sent from it at once.
    Open {
        socket: SocketId,
        /// Whether it must have another address than `main` (else only another port).
        other_address: bool,
    },
    /// Close a `fresh` socket; its index is not used again.
    Close { socket: SocketId },
    /// Send a datagram to the implementation under test.
    Send {
        /// Returned in [`Input::Sent`].
        tag: u64,
        /// The socket to send from.
        socket: SocketId,
        /// Where to; `None` for the implementation's own address (responders).
        to: Option<SocketAddr>,
        payload: Vec<u8>,
    },
    /// Stop the implementation under test and start it again. Answered by [`Input::Restarted`] or
    /// [`Input::Refused`].
    RestartIut {
        /// Whether it is killed, not asked to end.
        kill: bool,
    },
    /// A comment for a packet of the capture.
    Comment {
        /// The packet's number, from 1.
        packet: u64,
        text: String,
    },
    /// Further secrets of its TLS sessions, lines in the format of `SSLKEYLOGFILE`.
    Secrets(String),
}
