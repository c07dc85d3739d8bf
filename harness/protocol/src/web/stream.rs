use super::capsule::CapsuleReader;
use super::field_section::Field;
use super::reader::StreamReader;
use crate::streams::StreamId;

/// An event on a stream of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionStream {
    /// The other side opened it.
    Opened,
    Bytes(Vec<u8>),
    /// The peer finished sending (FIN).
    Fin,
    /// The peer reset the stream, with this application code; `None` if it is outside their range.
    Reset(Option<u32>),
    /// The peer sent STOP_SENDING, with this application code; `None` if it is outside their range.
    Stopped(Option<u32>),
    /// The transport took everything that was to be written.
    Written,
}

/// The state of a QUIC stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) kind: Kind,
    /// Decodes received bytes; `None` if the stream is finished or ignored.
    pub(super) reader: Option<StreamReader>,
    /// Writes of this layer that the transport has not taken yet; the session's follow.
    pub(super) prefixes: u32,
    /// Whether this end has no more to send.
    pub(super) is_sent: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Opened by the peer; its type is not known yet.
    New,
    Control,
    Encoder,
    Decoder,
    /// A control or QPACK stream of this end.
    Own,
    /// Of an unknown type, or no longer of interest.
    Ignored,
    /// A request or, for a client, its response.
    Message(Message),
    /// A client's CONNECT without a response yet.
    ConnectPending,
    /// The CONNECT stream of a session, with its capsules.
    Session(CapsuleReader),
    /// A stream of a session. Events before the session is established are held.
    OfSession {
        session: StreamId,
        held: Vec<SessionStream>,
    },
}

/// A request or a response that is being received.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) fields: Option<Vec<Field>>,
    pub(super) body: Vec<u8>,
    /// Whether its trailers came.
    pub(super) has_trailers: bool,
}

impl Stream {
    /// One that the other side opened.
    pub(super) fn theirs(id: StreamId) -> Self {
        let is_unidirectional = !id.is_bidirectional();
        Self {
            kind: Kind::New,
            reader: Some(StreamReader::opening(is_unidirectional)),
            prefixes: 0,
            is_sent: is_unidirectional,
        }
    }

    /// One that this end opened; `reader` is for what comes on it.
    pub(super) const fn own(kind: Kind, reader: Option<StreamReader>) -> Self {
        Self {
            kind,
            reader,
            prefixes: 0,
            is_sent: false,
        }
    }
}
