//! How the world reaches a reference machine of a protocol over QUIC, and the other way round.
//!
//! It is what [`crate::machine`] is for datagrams: a state machine without I/O, which runs over a
//! real QUIC endpoint, in virtual time and under fuzzing alike. The owner calls
//! [`StreamMachine::handle`] with the time and one input, then [`StreamMachine::poll`] until it
//! returns `None`, then waits until [`StreamMachine::deadline`] or the next input, whichever comes
//! first. Time is the [`Duration`] since a start that the owner chose; it never falls.
//!
//! Of a connection that the machine closed or refused it hears nothing more; of one that ended
//! otherwise it hears [`Input::Closed`] last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::machine::Outcome;

/// QUIC's CONNECTION_REFUSED: the code with which a connection is refused in its handshake (RFC 9000,
/// section 20.1).
pub const CONNECTION_REFUSED: u64 = 0x02;

/// QUIC's APPLICATION_ERROR: until the handshake is over, an application's code is hidden behind it
/// (RFC 9000, section 10.2.3).
pub const APPLICATION_ERROR: u64 = 0x0c;

/// A connection, by the number that the owner (for an incoming one) or the machine (for one that
/// it asks for) gave it. No number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionNumber(pub u64);

/// A stream of a connection, by its QUIC stream id: bit 0 says whether the server opened it, bit 1
/// whether it is unidirectional (RFC 9000, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

impl StreamId {
    /// The bidirectional stream that the client opens as its `n`-th, from 0.
    #[must_use]
    pub const fn of_client(n: u64) -> Self {
        Self(n << 2)
    }

    /// Whether both sides may send on it.
    #[must_use]
    pub const fn is_bidirectional(self) -> bool {
        self.0 & 2 == 0
    }

    /// Whether the server opened it.
    #[must_use]
    pub const fn is_of_server(self) -> bool {
        self.0 & 1 == 1
    }
}

/// What can happen to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// A peer wants to connect. Answered by [`Output::Admit`] or [`Output::Refuse`]: by a reference
    /// machine at once, by a test peer at any time; until then the connection waits.
    Incoming {
        connection: ConnectionNumber,
        /// Where it comes from.
        from: SocketAddr,
    },
    /// The handshake of a connection is done.
    Connected { connection: ConnectionNumber },
    /// Something happened on a stream.
    Stream {
        connection: ConnectionNumber,
        stream: StreamId,
        what: StreamUpdate<'a>,
    },
    /// The other side has all that was sent on a stream, with its end.
    Delivered {
        connection: ConnectionNumber,
        stream: StreamId,
    },
    /// A datagram came in (RFC 9221).
    Datagram {
        connection: ConnectionNumber,
        bytes: &'a [u8],
    },
    /// The connection is over, by the other side or by the transport.
    Closed {
        connection: ConnectionNumber,
        why: Closing<'a>,
    },
    /// Time went on; a deadline may be due. Also the first input of a machine that speaks first.
    Tick,
    /// The owner wants the machine to end.
    Stop,
}

/// What can happen on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamUpdate<'a> {
    /// The other side opened it.
    Opened,
    /// Bytes came in, in order.
    Bytes(&'a [u8]),
    /// The other side will send no more.
    Fin,
    /// The other side broke its sending off (RESET_STREAM), with this code.
    Reset(u64),
    /// The other side wants no more bytes (STOP_SENDING), with this code.
    Stopped(u64),
    /// The transport took everything that was to be written: the other side reads, or its windows
    /// are not full yet.
    Written,
}

/// How a connection ended that the machine did not end itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing<'a> {
    /// The other side closed it with an application's code.
    Application {
        code: u64,
        /// The reason that it gave.
        reason: &'a [u8],
    },
    /// The transport of the other side closed it, or ours because of what it did.
    Transport {
        /// The code (RFC 9000, section 20.1).
        code: u64,
        /// The reason that was given.
        reason: &'a [u8],
    },
    /// The peer was silent for the idle timeout, or never responded.
    TimedOut,
    /// The other side refused it in the handshake.
    Refused,
    /// The other side lost its state (a stateless reset).
    Reset,
    /// It could not be begun here, through no fault of the other side: why, in a few words.
    NotBegun(&'a str),
    /// Something else, in a few words.
    Other(&'a str),
}

/// What was seen of the way that a connection's packets took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The smoothed round-trip time.
    pub round_trip: Duration,
    /// Packets that were sent, and those of them that were lost.
    pub sent: u64,
    pub lost: u64,
}

impl Path {
    /// The share of packets that were lost, from 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share need not be more exact than 53 bits"
        )]
        let [lost, sent] = [self.lost, self.sent.max(1)].map(|count| count as f64);
        lost / sent
    }
}

/// What a machine wants done or known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Take an incoming connection.
    Admit(ConnectionNumber),
    /// The same as a test peer does that misbehaves on it from its beginning.
    AdmitBy(ConnectionNumber, Faults),
    /// Refuse an incoming connection in its handshake.
    Refuse(ConnectionNumber),
    /// Connect to the peer that the owner knows.
    Connect(ConnectionNumber),
    /// The same with options.
    ConnectBy(ConnectionNumber, ConnectOptions),
    /// Open a stream as soon as the peer's limit permits. A machine names them in the order of their
    /// ids, those of each kind by itself.
    Open(ConnectionNumber, StreamId),
    /// Send bytes on a stream. Answered by [`StreamUpdate::Written`] when the transport has taken them.
    Write(ConnectionNumber, StreamId, Vec<u8>),
    /// Send no more on a stream after what was written.
    Fin(ConnectionNumber, StreamId),
    /// Break off what is sent on a stream (RESET_STREAM), with this code.
    Reset(ConnectionNumber, StreamId, u64),
    /// Ask for no more bytes of a stream (STOP_SENDING), with this code.
    StopSending(ConnectionNumber, StreamId, u64),
    /// Send a datagram (RFC 9221). Nothing leaves if the other side's transport admits none.
    Datagram(ConnectionNumber, Vec<u8>),
    /// Misbehave on a connection from now on, as a test peer does. What was asked for before has been
    /// handed to the transport, not more.
    Misbehave(ConnectionNumber, Fault),
    /// Close a connection with an application's code.
    Close {
        connection: ConnectionNumber,
        code: u64,
        /// Why, in a few words.
        reason: String,
    },
    /// A connection went from one state to another.
    Transition {
        connection: ConnectionNumber,
        from: &'static str,
        to: &'static str,
        /// Why, in a few words.
        why: &'static str,
    },
    /// A connection is over for the machine.
    Ended {
        connection: ConnectionNumber,
        outcome: Outcome,
    },
}

/// Options of a connection that differ from what the owner or the protocol chose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectOptions {
    /// Whom it connects to; the peer that the owner knows if `None`.
    pub to: Option<SocketAddr>,
    /// The protocols that are offered in the TLS handshake (ALPN), none if it is empty; the
    /// protocol's own if `None`.
    pub alpn: Option<Vec<String>>,
    /// The connection whose port it leaves from; a new port if `None`.
    pub from: Option<ConnectionNumber>,
    /// Bytes that the other side may send on each stream before it waits for them to be read; the
    /// transport's own measure if `None`.
    pub window: Option<u32>,
    /// After how long without a packet it shows that it is there (PING); never if `None`, and always as the
    /// transport says where it is the reference's.
    pub keep_alive: Option<Duration>,
    /// How the connection misbehaves.
    pub faults: Faults,
}

/// How a connection of a test peer misbehaves from its beginning. Transport parameters are named by
/// their ids (RFC 9000, section 18.2): those whose value is an integer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Parameters that are announced with these values, and not kept.
    pub announced: BTreeMap<u64, u64>,
    /// Parameters of the other side that are taken to have these values, whatever it announced: its
    /// limits are overrun by this.
    pub believed: BTreeMap<u64, u64>,
}

/// How a connection of a test peer misbehaves from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Every packet to and from its socket is dropped, as if its process stood still, or they pass again.
    Silent(bool),
    /// Nothing that comes in can be decrypted, or everything again. What is sent is still sent.
    Deaf(bool),
    /// The first 1-RTT packet that has room for these frames is sent with them in the place of its
    /// own, which are lost, and PADDING. The other side acknowledges it as it is.
    Replace(Vec<u8>),
    /// It goes on from another local port.
    Move,
}

/// A reference machine over QUIC: one role of one protocol.
pub trait StreamMachine {
    /// Takes one input at time `now`.
    fn handle(&mut self, now: Duration, input: Input<'_>);

    /// The next thing that it wants done; `None` when there is nothing more for now.
    fn poll(&mut self) -> Option<Output>;

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    fn deadline(&self) -> Option<Duration>;

    /// Whether it takes bytes of this stream now. While it does not, the owner leaves them in the
    /// transport, whose windows then hold the other side back.
    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool;

    /// QUIC's path statistics, passed before [`Input::Closed`] if the peer ended the connection.
    fn measured(&mut self, connection: ConnectionNumber, path: Path) {
        let _ = (connection, path);
    }

    /// Whether it is over for good. A server never is, until stopped.
    fn is_finished(&self) -> bool;

    /// Why it ended without having done all that it was to do, in a human-readable sentence; `None` if
    /// it is not over, or was to do nothing more.
    fn failure(&self) -> Option<&str> {
        None
    }

    /// Its counters by name.
    fn counters(&self) -> serde_json::Value;
}

impl<M: StreamMachine + ?Sized> StreamMachine for Box<M> {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        (**self).handle(now, input);
    }

    fn poll(&mut self) -> Option<Output> {
        (**self).poll()
    }

    fn deadline(&self) -> Option<Duration> {
        (**self).deadline()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        (**self).reads(connection, stream)
    }

    fn measured(&mut self, connection: ConnectionNumber, path: Path) {
        (**self).measured(connection, path);
    }

    fn is_finished(&self) -> bool {
        (**self).is_finished()
    }

    fn failure(&self) -> Option<&str> {
        (**self).failure()
    }

    fn counters(&self) -> serde_json::Value {
        (**self).counters()
    }
}
