use std::net::SocketAddr;
use std::time::Duration;

use crate::proton::{CloseCode, PROTOCOL};
use crate::requirement::Role;
use crate::streams::APPLICATION_ERROR;

/// Something that a capture shows of a QUIC connection. The client is the [`Role::Initiator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Number of the connection in the capture.
    pub connection: u64,
    /// Number of the packet in the capture, from 1.
    pub number: u64,
    /// Time of the packet, as the capture counts it; only differences matter.
    pub time: Duration,
    /// What it is.
    pub what: What<'a>,
}

/// What is seen. `by` is the side that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// The connection's first packet.
    Opened {
        /// The client's address.
        client: SocketAddr,
        /// The server's address.
        server: SocketAddr,
    },
    /// The client's first message: whether it offers `proton` (ALPN).
    Offered(bool),
    /// The server's answer: the protocol that it chose, if it chose one.
    Agreed(Option<&'a [u8]>),
    /// A stream's first frame.
    Stream {
        /// Its QUIC stream id.
        stream: u64,
        /// Who opened it.
        by: Role,
        /// Whether only that side sends on it.
        unidirectional: bool,
    },
    /// The next bytes of a stream, without gaps.
    Bytes {
        /// Its QUIC stream id.
        stream: u64,
        /// Who sent them.
        by: Role,
        /// At least one.
        bytes: &'a [u8],
    },
    /// The side sends no more on the stream, and all of it was seen.
    Fin {
        /// Its QUIC stream id.
        stream: u64,
        /// Who.
        by: Role,
    },
    /// The side gives up the stream: RESET_STREAM or STOP_SENDING.
    Broken {
        /// Its QUIC stream id.
        stream: u64,
        /// Who.
        by: Role,
    },
    /// What follows of this side on the stream cannot be told: packets are missing.
    Lost {
        /// Its QUIC stream id.
        stream: u64,
        /// Who sent it.
        by: Role,
    },
    /// A DATAGRAM frame.
    Datagram {
        /// Who sent it.
        by: Role,
    },
    /// A side closes the connection.
    Closed {
        /// Who.
        by: Role,
        /// Why.
        code: Code,
    },
    /// A packet was read, and all that it says was told.
    Packet {
        /// Who sent it.
        by: Role,
        /// What it is among those that carry data of the application; `None` for one of the
        /// handshake.
        numbers: Option<Numbers>,
    },
    /// A limit of flow control holds a side back that has more to send.
    Blocked {
        /// Who.
        by: Role,
        /// The stream; `None` if it is the connection's limit.
        stream: Option<u64>,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A side lets the other one send more.
    Raised {
        /// Who.
        by: Role,
        /// The stream; `None` if it is the connection's limit.
        stream: Option<u64>,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A packet could not be read.
    Unreadable {
        /// Who sent it, if that is known.
        by: Option<Role>,
        /// Why.
        why: Unread,
    },
}

/// Why a packet could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unread {
    /// Its form, or what the capture has of it.
    Form,
    /// Its secrets are not there.
    NoSecrets,
    /// It does not decrypt with the secrets that are there.
    WrongKeys,
}

/// A connection that was not judged because nothing of a side could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blind {
    /// Why.
    pub why: Unread,
    /// The side, the client or the server; `None` if it is both.
    pub side: Option<Role>,
}

/// What was there instead of the secrets that are needed.
impl std::fmt::Display for Blind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.why {
            Unread::Form => "packets that cannot be read",
            Unread::NoSecrets => "no secrets",
            Unread::WrongKeys => "wrong secrets",
        })?;
        match self.side {
            Some(side) => write!(f, " of the {}'s side", PROTOCOL.side(side)),
            None => Ok(()),
        }
    }
}

/// A packet among those of its connection that carry data of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Its number in QUIC.
    pub own: u64,
    /// Whether it has to be acknowledged.
    pub ack_eliciting: bool,
    /// The largest one of the other side that it acknowledges, if it does.
    pub acknowledged: Option<u64>,
    /// Whether it acknowledges one that was not seen: packets of the other side are missing.
    pub unseen: bool,
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// By the application, with its code.
    Application(u64),
    /// By QUIC itself.
    Transport(u64),
    /// A stateless reset: the side knows nothing of the connection any more.
    StatelessReset,
}

impl Code {
    /// Whether both are of the application, and not the same.
    #[must_use]
    pub(super) fn differs_from(self, other: Self) -> bool {
        let both = |code| matches!(code, Self::Application(_));
        both(self) && both(other) && self != other
    }

    /// Whether it does not tell what the application meant.
    #[must_use]
    pub(super) const fn is_hidden(self) -> bool {
        matches!(self, Self::Transport(APPLICATION_ERROR))
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Application(code) => match CloseCode::from_number(*code) {
                Some(known) => write!(f, "code {code} ({})", known.name()),
                None => write!(f, "code {code}"),
            },
            Self::StatelessReset => f.write_str("a stateless reset"),
            Self::Transport(code) => write!(f, "QUIC's code {code:#x}"),
        }
    }
}
