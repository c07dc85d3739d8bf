use super::capsule::CapsuleReader;
use super::field_section::Field;
use super::reader::StreamReader;
use crate::streams::StreamId;

/// What happens on a stream of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionStream {
    /// The other side opened it.
    Opened,
    Bytes(Vec<u8>),
    /// The other side will send no more.
    Fin,
    /// The other side broke its sending off, with this code of the session; `None` if it is none.
    Reset(Option<u32>),
    /// The other side wants no more bytes, with this code of the session; `None` if it is none.
    Stopped(Option<u32>),
    /// The transport took everything that was to be written.
    Written,
}

/// A stream of QUIC as one end has it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) kind: Kind,
    /// Reads what comes; `None` if nothing comes any more, or nobody reads it.
    pub(super) reader: Option<StreamReader>,
    /// Writes of this layer that the transport has not taken yet: they come before those of the session.
    pub(super) prefixes: u32,
    /// Whether this end has no more to send.
    pub(super) is_sent: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// The other side opened it, and has not said what it is.
    New,
    Control,
    Encoder,
    Decoder,
    /// One that this end opened to say something for as long as the connection lasts.
    Own,
    /// Of a type that is not known, or of which nothing is wanted any more.
    Ignored,
    /// A request or, for a client, the answer to one.
    Message(Message),
    /// A client's CONNECT without an answer.
    Asking,
    /// That of a session itself; the last of its bytes are capsules.
    Session(CapsuleReader),
    /// A stream of a session. What came while the session was not there is held.
    OfSession {
        session: StreamId,
        held: Vec<SessionStream>,
    },
}

/// A request or an answer, as far as it came.
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
