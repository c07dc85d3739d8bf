use std::fmt::Debug;

use shakedown_wire::DecodeError;
use shakedown_wire::quic::Role;

use crate::vocabulary::Described;

/// What is said on the streams of a protocol, for whoever reads a capture.
#[derive(Debug, Clone, Copy)]
pub struct StreamWords {
    /// A reader of the stream with this id, if anything is said on such a one.
    pub reader: fn(stream: u64) -> Option<Box<dyn ReadsStream>>,
    /// What an application's code means.
    pub code: fn(u64) -> Option<&'static str>,
}

/// Reads both directions of a stream, frame by frame. A direction is read from its beginning or not
/// at all.
pub trait ReadsStream: Debug {
    /// Takes the next bytes of one side, and hands on every frame that is complete with them, or why
    /// they are none.
    fn take(
        &mut self,
        by: Role,
        offset: u64,
        bytes: &[u8],
        hand_on: &mut dyn FnMut(Result<Described, DecodeError>),
    );

    /// One side's bytes end here.
    ///
    /// # Errors
    /// That is in the middle of a frame.
    fn end(&mut self, by: Role) -> Result<(), DecodeError>;
}
