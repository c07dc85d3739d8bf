use std::fmt::Debug;

use shakedown_wire::DecodeError;
use shakedown_wire::quic::Role;

use crate::vocabulary::Described;
use crate::web::HeaderTables;

/// Decodes the streams of a protocol in a capture.
#[derive(Debug, Clone, Copy)]
pub struct StreamDecoders {
    /// A decoder of the QUIC stream with this id, if it carries frames. All of a connection share the tables.
    pub reader: fn(stream: u64, tables: &HeaderTables) -> Option<Box<dyn StreamDecoder>>,
    /// A decoder of the application's bytes on it: those after the header of a WebTransport stream, for a protocol
    /// over WebTransport.
    pub content: fn(stream: u64) -> Option<Box<dyn StreamDecoder>>,
    /// The frame in a datagram (RFC 9221), or its decode error, and the stream of its session;
    /// `None` if the protocol has none, or there is no session.
    pub datagram: fn(Role, &[u8]) -> Option<SessionDatagram>,
    /// What an application's code means.
    pub code: fn(u64) -> Option<&'static str>,
    /// Whether an application may close a connection with this code because the other side was late.
    pub is_timeout: fn(u64) -> bool,
}

/// The stream id of a session, and the frame in one of its datagrams.
pub type SessionDatagram = (u64, Result<Described, DecodeError>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFrame {
    /// Offset in the stream of the first byte after it, or of the decode error.
    pub end: u64,
    pub frame: Result<Described, DecodeError>,
}

impl StreamFrame {
    /// A decode error at its offset.
    #[must_use]
    pub const fn invalid(error: DecodeError) -> Self {
        Self {
            end: error.offset as u64,
            frame: Err(error),
        }
    }
}

/// Decodes both directions of a stream. A direction is decoded from its beginning or not at all.
pub trait StreamDecoder: Debug + Send {
    /// Takes the next bytes of one side, and emits the frames that they complete. A decode error is the last item of a
    /// side.
    fn take(&mut self, by: Role, offset: u64, bytes: &[u8], emit: &mut dyn FnMut(StreamFrame));

    /// One side's bytes end here.
    ///
    /// # Errors
    /// The last frame is incomplete.
    fn end(&mut self, by: Role) -> Result<(), DecodeError>;
}
