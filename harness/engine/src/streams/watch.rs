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
    /// A close with an application's code; `None` where the handshake hides it, or where the
    /// transport closes.
    Closed {
        /// Who.
        by: Place,
        /// The code.
        code: Option<u64>,
    },
    /// Anything at all, told after what it says.
    Packet {
        /// Who.
        by: Place,
    },
}
