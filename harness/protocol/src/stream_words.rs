use std::fmt::Debug;

use shakedown_wire::DecodeError;
use shakedown_wire::quic::Role;

use crate::vocabulary::Described;

/// Decodes the streams of a protocol in a capture.
#[derive(Debug, Clone, Copy)]
pub struct StreamWords {
    /// A reader of the stream of QUIC with this id, if it carries messages.
    pub reader: fn(stream: u64) -> Option<Box<dyn ReadsStream>>,
    /// A reader of what the application says on it: behind the bytes by which WebTransport says of which
    /// session it is, where that carries the protocol.
    pub content: fn(stream: u64) -> Option<Box<dyn ReadsStream>>,
    /// The frame in a datagram (RFC 9221), or its decode error, and the stream of its session;
    /// `None` if the protocol has none, or there is no session.
    pub datagram: fn(Role, &[u8]) -> Option<OfSession>,
    /// What an application's code means.
    pub code: fn(u64) -> Option<&'static str>,
    /// Whether an application may close a connection with this code because the other side was late.
    pub is_timeout: fn(u64) -> bool,
}

/// The stream of a session, and the frame in it.
pub type OfSession = (u64, Result<Described, DecodeError>);

/// A frame on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Offset in the stream of the first byte behind it; the place of what is wrong, where its bytes
    /// are no frame.
    pub end: u64,
    /// A frame, or why its bytes are none.
    pub frame: Result<Described, DecodeError>,
}

impl Said {
    /// What is wrong, at its place.
    #[must_use]
    pub const fn wrong(error: DecodeError) -> Self {
        Self {
            end: error.offset as u64,
            frame: Err(error),
        }
    }
}

/// Reads both directions of a stream, frame by frame. A direction is read from its beginning or not
/// at all.
pub trait ReadsStream: Debug + Send {
    /// Takes the next bytes of one side, and hands on every frame that is complete with them, or why
    /// they are none. Nothing of that side follows what is wrong.
    fn take(&mut self, by: Role, offset: u64, bytes: &[u8], hand_on: &mut dyn FnMut(Said));

    /// One side's bytes end here.
    ///
    /// # Errors
    /// That is in the middle of a frame.
    fn end(&mut self, by: Role) -> Result<(), DecodeError>;
}
