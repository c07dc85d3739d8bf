//! QUIC without I/O: a [`Carrier`] makes a machine of streams a machine of datagrams.
//!
//! Above it there are connections, streams and their ends, as
//! [`StreamMachine`](shakedown_protocol::streams::StreamMachine) has them; below it there are
//! datagrams and time, and whatever plays machines of datagrams plays it. QUIC itself is
//! [`quinn_proto`]. With [`Security::Seeded`] and [`Security::Plain`] everything that a carrier sends
//! follows from its seed and its inputs, on any machine and in any process.
#![allow(
    clippy::disallowed_types,
    reason = "QUIC counts in `Instant`s: one base for each carrier, which decides nothing, and the owner's time"
)]

mod carrier;
mod configuration;
mod congestion;
mod event;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod link;
mod misbehave;
mod plain;
mod quic;
mod random;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;

use shakedown_protocol::Transport;
use shakedown_protocol::machine::Outcome;
use shakedown_protocol::streams::ConnectionNumber;

pub use carrier::Carrier;
pub use misbehave::check;
pub use plain::open_plain;
pub use tls::Identity;

/// A local UDP socket of a carrier, by its number: 0 is the one that the owner opened before
/// anything, others are asked for by [`Effect::Open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Socket(pub usize);

impl Socket {
    /// The socket that the owner opened.
    pub const MAIN: Self = Self(0);
}

/// What a carrier wants done or known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open another local socket, at another port.
    Open(Socket),
    /// Send `payload` as one datagram.
    Send {
        socket: Socket,
        /// Destination of the datagram.
        to: SocketAddr,
        payload: Vec<u8>,
    },
    /// A connection went from one state to another, as the machine has it.
    Transition {
        connection: ConnectionNumber,
        peer: SocketAddr,
        from: &'static str,
        to: &'static str,
        /// Why, in a few words.
        why: &'static str,
    },
    /// A connection is over for the machine.
    Ended {
        connection: ConnectionNumber,
        peer: SocketAddr,
        outcome: Outcome,
    },
}

/// What protects packets, and what everything random follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// TLS 1.3, with randomness of the system.
    Tls,
    /// TLS 1.3 of which every byte follows from the seed. Two carriers that meet on one network need
    /// seeds of their own, but that a client and a server may share one.
    Seeded(u64),
    /// None: packets can be read and forged. They have the lengths and the times that
    /// packets with [`Security::Seeded`] and the same seed have. For exploration and fuzzing.
    Plain(u64),
}

/// How a carrier does QUIC.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the protocol asks of QUIC.
    pub transport: Transport,
    pub security: Security,
    /// Whether it carries a test peer. It then sends and takes datagrams, which the protocol may not
    /// know, admits more streams than the protocol has, does not keep idle connections open by
    /// itself, and uses a separate socket for each connection.
    pub is_tester: bool,
    /// The certificate of a server; by default one that signs itself. Of no use where the
    /// security is seeded, which has its own.
    pub identity: Option<Identity>,
}

impl Settings {
    /// Settings of a reference implementation, with a certificate that signs itself.
    #[must_use]
    pub fn new(transport: Transport, security: Security) -> Self {
        Self {
            transport,
            security,
            is_tester: false,
            identity: None,
        }
    }
}

/// Why there can be no carrier, in a human-readable sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CarrierError(String);
