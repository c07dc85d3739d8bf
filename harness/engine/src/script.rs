//! The scripted peer: a scenario played step by step, as a machine without I/O.
//!
//! The driver (real sockets in `net`, or the simulation here) calls [`Script::handle`] with the
//! time and one input, then [`Script::poll`] until `None`, then waits until [`Script::deadline`].

use std::net::SocketAddr;
use std::time::Duration;

/// Index of a socket of the scripted peer: 0 is `main`, then `sockets` in the file's order, then
/// the `fresh` ones as they are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub usize);

/// What can happen to the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// The sockets are open and the implementation is started or reachable: begin.
    Begin,
    /// A datagram arrived.
    Datagram {
        /// The socket that it arrived at.
        socket: SocketId,
        /// Its source.
        from: SocketAddr,
        /// The UDP payload.
        payload: &'a [u8],
        /// Its number in the capture, from 1, if it was recorded.
        packet: Option<u64>,
    },
    /// What [`Action::Send`] asked for left, as this packet of the capture.
    Sent {
        /// The tag of the action.
        tag: u64,
        /// Its number in the capture, from 1, if it was recorded.
        packet: Option<u64>,
    },
    /// What [`Action::Send`] or [`Action::Open`] asked for could not be done: the stimulus was not
    /// applied.
    Refused {
        /// Why, for people.
        why: &'a str,
    },
    /// A deadline may be due.
    Tick,
    /// The implementation's process ended.
    Exited {
        /// Exit status; `None` if a signal ended it.
        code: Option<i32>,
    },
    /// What [`Action::RestartIut`] asked for is done.
    Restarted,
    /// Something was late by this much just now: the driver woke up late, or did not get to run.
    /// Time windows that were open meanwhile were not observed fairly.
    Late(Duration),
}

/// What the script wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a socket; no answer is awaited, datagrams may be sent from it at once.
    Open {
        /// The socket's index.
        socket: SocketId,
        /// Whether it must have another address than `main` (else only another port).
        other_address: bool,
    },
    /// Send a datagram to the implementation under test.
    Send {
        /// Told back in [`Input::Sent`].
        tag: u64,
        /// The socket to send from.
        socket: SocketId,
        /// Where to; `None` for the implementation's own address (responders).
        to: Option<SocketAddr>,
        /// The UDP payload.
        payload: Vec<u8>,
    },
    /// Stop the implementation under test and start it again.
    RestartIut,
    /// A comment for a packet of the capture.
    Comment {
        /// The packet's number, from 1.
        packet: u64,
        /// The comment.
        text: String,
    },
}
