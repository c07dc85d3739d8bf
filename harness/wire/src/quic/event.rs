use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::TransportParameters;
use crate::DecodeError;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one that opened the connection.
    Client,
    Server,
}

impl Role {
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// 0 for the client, 1 for the server.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

/// As in a sentence.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// How a packet is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// With keys that everyone can derive.
    Initial,
    /// With the client's early secret.
    ZeroRtt,
    /// With the handshake secrets.
    Handshake,
    /// With the secrets of the connection.
    OneRtt,
}

/// Something that a capture shows, and the packet that shows it.
///
/// Events come in the order in which packets can be read, which is that of the capture but for
/// packets that had to wait for their keys: `number` and `time` are those of the packet itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// Number of the connection in the capture, from 1; `None` if it is of none that is known.
    pub connection: Option<u64>,
    /// Where it was seen.
    pub at: At,
    pub kind: EventKind<'a>,
}

/// A packet of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// Its time since 1970.
    pub time: Duration,
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
}

/// What is seen. `by` is the end that did it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EventKind<'a> {
    /// The first packet of a connection that is in the capture, by the client.
    ConnectionOpened {
        client: SocketAddr,
        server: SocketAddr,
        version: u32,
        /// The first Destination Connection ID.
        original_destination_id: &'a [u8],
    },
    /// The server asks the client to prove its address.
    Retry,
    /// The server speaks other versions.
    VersionNegotiation {
        /// Their numbers, four bytes each.
        versions: &'a [u8],
    },
    /// What the client offers; again after a HelloRetryRequest.
    ClientHello {
        /// The protocols offered by ALPN, each with a length byte before it: see
        /// [`protocols`](super::protocols). `None` without the extension.
        alpn: Option<&'a [u8]>,
        /// The server's name (SNI).
        server_name: Option<&'a [u8]>,
        /// The client's transport parameters.
        parameters: Option<&'a TransportParameters>,
    },
    /// The cipher suite that the server chose, as TLS numbers it.
    CipherSuite(u16),
    /// What the server chose.
    ServerHandshake {
        /// The chosen protocol; `None` without the extension.
        alpn: Option<&'a [u8]>,
        /// The server's transport parameters.
        parameters: Option<&'a TransportParameters>,
    },
    /// The server says that the handshake is done (HANDSHAKE_DONE).
    HandshakeDone,
    /// An end sends with new keys.
    KeyUpdated {
        by: Role,
        /// Updates of this end so far.
        count: u64,
    },
    /// An end sends from another address.
    AddressChanged {
        by: Role,
        from: SocketAddr,
        to: SocketAddr,
    },
    /// The first frame of a stream.
    StreamOpened {
        stream: u64,
        /// Who opened it, by its id.
        by: Role,
        /// Whether only that end sends on it.
        unidirectional: bool,
    },
    /// What a frame carries of a stream, in whatever order and also again. Other events say what of it is new.
    StreamFrame {
        stream: u64,
        by: Role,
        carried: Carried,
    },
    /// The next bytes of a stream, in order and without gaps.
    StreamBytes {
        stream: u64,
        by: Role,
        /// Offset of the first one.
        offset: u64,
        /// The bytes; at least one.
        bytes: &'a [u8],
    },
    /// All bytes of a stream were there.
    StreamFin {
        stream: u64,
        by: Role,
        /// Bytes of the stream.
        final_size: u64,
    },
    /// An end gives up what it sends (RESET_STREAM). No bytes of it follow.
    StreamReset {
        stream: u64,
        by: Role,
        code: u64,
        /// Bytes that it had sent.
        final_size: u64,
    },
    /// An end wants no more of what its peer sends (STOP_SENDING).
    StopSending { stream: u64, by: Role, code: u64 },
    /// An end's data on a stream is unreadable from here on. No further bytes follow.
    StreamLost {
        stream: u64,
        by: Role,
        /// Offset of the first byte that is missing.
        offset: u64,
        why: Lost,
    },
    /// A DATAGRAM frame (RFC 9221).
    DatagramFrame { by: Role, bytes: &'a [u8] },
    /// A limit is raised, or met.
    Flow { by: Role, flow: Flow },
    /// A CONNECTION_CLOSE of an end; with the same code it is reported once. Before the handshake is
    /// over, an application's code is sent as the transport's APPLICATION_ERROR (0x0c) too,
    /// because the peer may not be able to read more: both are reported.
    ConnectionClosed {
        by: Role,
        code: CloseCode,
        /// The reason, as far as it was sent.
        reason: &'a [u8],
    },
    /// A datagram ends with a token for stateless reset that an end had given.
    StatelessReset {
        /// Who had given it.
        by: Role,
    },
    /// A new packet was read, and all its events precede this one. Duplicate packets have none.
    Packet(Packet),
    /// A packet was read, but breaks the rules. The events of what precedes the error were emitted.
    Malformed {
        by: Role,
        /// What is wrong. Its offset counts from the first byte of the decrypted payload, or of
        /// the TLS message.
        error: DecodeError,
    },
    /// A frame of a type that is not known here: of an extension, or of none. What follows it in
    /// the packet is not read, so that bytes may be missing.
    UnknownFrame { by: Role, frame_type: u64 },
    /// A packet could not be read.
    Unreadable(Unreadable),
    /// This connection was evicted because too many are open. Packets of it that follow are of
    /// no known connection.
    Forgotten,
}

/// What a STREAM, RESET_STREAM or STOP_SENDING frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    Bytes {
        /// Offset of the first one.
        offset: u64,
        length: u64,
        /// Whether the stream ends with them.
        fin: bool,
    },
    Reset,
    Stop,
}

/// A packet of QUIC that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    pub by: Role,
    /// How it was encrypted.
    pub level: Level,
    /// Its number, among those of its sender and level.
    pub number: u64,
    /// Whether it has to be acknowledged, which also restarts the idle timer of its sender.
    pub ack_eliciting: bool,
    /// What it acknowledges, if it does.
    pub acknowledges: Option<Acknowledged>,
}

impl Packet {
    /// Whether it may carry data of the application.
    #[must_use]
    pub const fn is_of_the_application(&self) -> bool {
        matches!(self.level, Level::ZeroRtt | Level::OneRtt)
    }
}

/// What a packet acknowledges of its peer's packets at its own level (0-RTT and 1-RTT are one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The largest packet number.
    pub largest: u64,
    /// Which of the newest 64: bit n stands for the packet n below the largest one.
    pub newest: u64,
    /// Whether one of the newest 64 that it acknowledges was not seen so far: the capture lacks it, or
    /// has it later.
    pub unseen: bool,
}

impl Acknowledged {
    /// Whether the packet with this number is acknowledged; of those more than 63 below the largest it is not
    /// known, and taken for granted.
    #[must_use]
    pub const fn covers(&self, number: u64) -> bool {
        match self.largest.checked_sub(number) {
            None => false,
            Some(below) => below > 63 || self.newest >> below & 1 == 1,
        }
    }
}

/// A limit of flow control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    MaxData(u64),
    MaxStreamData { stream: u64, maximum: u64 },
    MaxStreams { unidirectional: bool, maximum: u64 },
    DataBlocked(u64),
    StreamDataBlocked { stream: u64, limit: u64 },
    StreamsBlocked { unidirectional: bool, limit: u64 },
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    Transport {
        /// The code of RFC 9000, section 20.1.
        code: u64,
        /// Type of the frame that was the reason; 0 if it is not known.
        frame_type: u64,
    },
    Application {
        code: u64,
    },
}

/// Why a stream is unreadable from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Bytes before those that were seen are not in the capture.
    Missing,
    /// More came after a gap than is kept.
    TooMuchAfterGap,
    /// The same bytes were sent twice, and differ; or the stream's final size does.
    Contradiction,
    /// More streams are open at once than are kept. Nothing of either end follows.
    TooManyStreams,
}

/// A packet that could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    pub why: UnreadableReason,
    /// Who sent it, if that is known.
    pub by: Option<Role>,
    /// Whether it has the form of a stateless reset. Its token is not known, or it would be a
    /// [`EventKind::StatelessReset`].
    pub may_be_stateless_reset: bool,
}

/// Why a packet cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadableReason {
    /// The secrets of its connection are not there.
    NoSecrets,
    /// The handshake of its connection is there only in part.
    NoHandshake,
    /// Its connection has a cipher suite that is not read; TLS's number.
    UnsupportedSuite(u16),
    /// It is of no connection whose beginning is in the capture.
    UnknownConnection,
    /// The keys are there and do not fit: it is damaged, or forged.
    CannotDecrypt,
    /// The capture holds only its beginning.
    Cut,
    /// It is of another version of QUIC.
    OtherVersion(u32),
    /// It has not the form of a QUIC packet.
    NotQuic,
    /// It is early data (0-RTT) that the server does not take: nothing is missing.
    EarlyDataRejected,
}
