use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::streams::{Input, Output, StreamId};

use super::Place;

/// Sees what happens in a network of streams.
pub trait Watch {
    /// A machine is about to be given this.
    fn input(&mut self, _now: Duration, _place: Place, _input: &Input<'_>) {}

    /// A machine wants this.
    fn output(&mut self, _now: Duration, _place: Place, _output: &Output) {}

    /// Something passes `edge`, sent by that machine or by the other one: what a capture beside
    /// the machine shows. Bytes are told in their order. `connection` is its number in the network.
    fn passes(&mut self, _now: Duration, _edge: Place, _connection: u64, _seen: Seen<'_>) {}
}

impl Watch for () {}

/// What passes an edge. `by` is who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A client asks for a connection.
    Asked {
        /// The client's address.
        client: SocketAddr,
        /// The server's address.
        server: SocketAddr,
    },
    /// The server goes into the handshake.
    Agreed,
    /// The first of a stream.
    Stream {
        /// Its id.
        stream: StreamId,
        /// Who.
        by: Place,
    },
    /// The next bytes of a stream.
    Bytes {
        /// Its id.
        stream: StreamId,
        /// Who.
        by: Place,
        /// At least one.
        bytes: &'a [u8],
    },
    /// The end of a stream.
    Fin {
        /// Its id.
        stream: StreamId,
        /// Who.
        by: Place,
    },
    /// A side gives up a stream: RESET_STREAM or STOP_SENDING.
    Broken {
        /// Its id.
        stream: StreamId,
        /// Who.
        by: Place,
    },
    /// A datagram.
    Datagram {
        /// Who.
        by: Place,
    },
    /// A side closes the connection, refuses it or does not know it any more.
    Closed {
        /// Who.
        by: Place,
        /// The code.
        code: Code,
    },
    /// A side lets the other one send more on a stream.
    Raised {
        /// Its id.
        stream: StreamId,
        /// Who.
        by: Place,
        /// Up to here, in bytes.
        limit: u64,
    },
    /// A side has more to send on a stream than the other one lets it.
    Blocked {
        /// Its id.
        stream: StreamId,
        /// Who.
        by: Place,
        /// Up to here, in bytes.
        limit: u64,
    },
    /// Anything at all, told after what it says.
    Packet {
        /// Who.
        by: Place,
        /// What it is among those of the connection; `None` for one of the handshake.
        numbers: Option<Numbers>,
    },
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// By the application, with its code.
    Application(u64),
    /// By QUIC, or by an application whose code the handshake hides.
    Transport(u64),
}

/// A packet among those of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Its number, from 0.
    pub own: u64,
    /// Whether it has to be acknowledged.
    pub ack_eliciting: bool,
    /// The largest one of the other side that it acknowledges.
    pub acknowledged: Option<u64>,
}
