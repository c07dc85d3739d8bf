//! The state of one WebTransport session.

use std::collections::BTreeMap;

use shakedown_wire::{DecodeError, Reader};

use super::media::{self, MediaObservation};
use super::moments::Moment;
use crate::darktower::Envelope;
use crate::darktower::stream_decoder::FRAME_VERSION;
use crate::requirement::Role;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// When the client opened the stream on which it asks, and whether it asks for a session there.
    pub(super) asked: Option<Moment>,
    pub(super) is_connect: bool,
    /// The request or response cannot be decoded.
    pub(super) is_opaque: bool,
    /// The final answer: its status.
    pub(super) answer: Option<(u16, Moment)>,
    /// When the client first authenticated to a Media Handler.
    pub(super) auth: Option<Moment>,
    /// The first datagrams with media of the client and the server.
    pub(super) media: [Option<Moment>; 2],
    /// The first datagrams that are neither media nor of authentication.
    pub(super) odd: [Option<Moment>; 2],
    /// Streams of the client and the server that begin neither as media nor as a message.
    pub(super) neither: [Option<(Moment, DecodeError)>; 2],
    /// The first message of the client on each bidirectional stream.
    pub(super) first: BTreeMap<u64, FirstMessage>,
    pub(super) is_media: bool,
    pub(super) is_signaling: bool,
    pub(super) closed: Option<Close>,
}

/// The first message of a client on a stream.
#[derive(Debug)]
pub(super) struct FirstMessage {
    pub(super) moment: Moment,
    /// The message, or why it is none.
    pub(super) what: Result<&'static str, String>,
}

/// The end of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Close {
    pub(super) by: Role,
    pub(super) moment: Moment,
    /// Whether nothing was wrong.
    pub(super) is_clean: bool,
}

impl Session {
    pub(super) const fn is_accepted(&self) -> bool {
        matches!(self.answer, Some((200..=299, _)))
    }
}

/// The content of a datagram of a session.
#[derive(Debug)]
pub(super) enum DatagramContent {
    Media(MediaObservation),
    Authentication,
    Unknown,
}

impl DatagramContent {
    /// What this side sent, without the session's id.
    pub(super) fn read(by: Role, bytes: &[u8]) -> Self {
        // No protobuf message begins as the version of a frame does: no field has number 0.
        if Reader::new(bytes).u8("Version") == Ok(FRAME_VERSION) {
            return Self::Media(media::datagram(bytes));
        }
        let envelope = match by {
            Role::Initiator => Envelope::MediaAuth,
            Role::Responder => Envelope::MediaAuthResult,
        };
        match envelope.decode(bytes, 0) {
            Ok(_) => Self::Authentication,
            Err(_) => Self::Unknown,
        }
    }
}
