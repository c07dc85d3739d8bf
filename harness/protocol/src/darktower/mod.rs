//! `darktower`: meeting information over HTTP/3, signaling and media over WebTransport.
//!
//! So far what is said on its streams: [`MessageReader`] reads messages, each behind its length,
//! [`MediaReader`] a source of media, [`VOCABULARY`] names all of it. Numbers are those of profile `r1`
//! (specification, sections 2 and 3).

mod code;
mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod items;
mod media_reader;
mod message;
mod message_reader;
pub mod monitor;
pub mod reference;
mod vocabulary;
mod words;

use std::sync::LazyLock;

use crate::requirement::Requirement;

pub use code::StreamCode;
pub use frame::{FrameHeader, MAX_PAYLOAD, StreamHeader};
pub use media_reader::{MediaItem, MediaReader};
pub use message::Envelope;
pub use message_reader::{MAX_MESSAGE, MessageReader};
pub use vocabulary::VOCABULARY;
pub use words::STREAM_WORDS;

/// The requirements of the specification, in its order. Their modes are the services.
#[must_use]
pub fn requirements() -> &'static [Requirement] {
    static REQUIREMENTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
        Requirement::built_in(include_str!(
            "../../../../vectors/darktower/requirements.json"
        ))
    });
    &REQUIREMENTS
}
