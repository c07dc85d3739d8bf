//! What is known of one WebTransport session.

use std::collections::BTreeMap;

use shakedown_wire::{DecodeError, Reader};

use super::media::{self, Shown};
use super::moments::Moment;
use crate::darktower::Envelope;
use crate::darktower::stream_decoder::FRAME_VERSION;
use crate::requirement::Role;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// When the client opened the stream on which it asks, and whether it asks for a session there.
    pub(super) asked: Option<Moment>,
    pub(super) is_connect: bool,
    /// What was asked or answered cannot be known.
    pub(super) is_opaque: bool,
    /// The final answer: its status.
    pub(super) answer: Option<(u16, Moment)>,
    /// When the client first said who it is, to a Media Handler.
    pub(super) auth: Option<Moment>,
    /// The first datagrams with media of the client and the server.
    pub(super) media: [Option<Moment>; 2],
    /// The first datagrams that are neither media nor of authentication.
    pub(super) odd: [Option<Moment>; 2],
    /// Streams of the client and the server that begin neither as media nor as a message.
    pub(super) neither: [Option<(Moment, DecodeError)>; 2],
    /// What the client said first on each bidirectional stream.
    pub(super) first: BTreeMap<u64, First>,
    pub(super) is_media: bool,
    pub(super) is_signaling: bool,
    pub(super) closed: Option<Close>,
}

/// What a client said first on a stream.
#[derive(Debug)]
pub(super) struct First {
    pub(super) moment: Moment,
    /// The message, or why it is none.
    pub(super) what: Result<&'static str, String>,
}

/// Who ended a session.
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

/// What stands in a datagram of a session.
#[derive(Debug)]
pub(super) enum Sent {
    Media(Shown),
    Authentication,
    /// Neither.
    Odd,
}

impl Sent {
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
            Err(_) => Self::Odd,
        }
    }
}
