//! What faulty twins say and hear in signaling.

use std::borrow::Cow;

use serde_json::{Value, json};
use shakedown_wire::{DecodeError, Rule};

use super::{Deviation, Deviations};
use crate::darktower::reference::messages::{ErrorCode, LENGTH, LeaveReason};
use crate::darktower::{MAX_MESSAGE, MessageReader};
use crate::streams::StreamUpdate;
use crate::vocabulary::Described;

/// How a stream is broken off.
pub(in super::super) struct BreakOff {
    /// The error that tells why, if one does.
    pub(in super::super) code: Option<ErrorCode>,
    /// Whether it ends, and whether those of all others do.
    pub(in super::super) ends: bool,
    pub(in super::super) ends_all: bool,
}

impl Deviations {
    /// Reads what came on a stream of messages.
    pub(in super::super) fn read(
        self,
        reader: &mut MessageReader,
        bytes: &[u8],
    ) -> (Vec<Described>, Result<(), DecodeError>) {
        let mut messages = Vec::new();
        let mut read = reader.take(bytes, |message| messages.push(message));
        if self.has(Deviation::MessagesInOnePiece) {
            if reader.finish().is_err() {
                *reader = reader.anew();
            }
            read = Ok(());
        }
        if self.has(Deviation::OneOfMany) {
            messages.truncate(1);
        }
        if self.has(Deviation::LongestRefused) && bytes.starts_with(&MAX_MESSAGE.to_be_bytes()) {
            read = Err(malformed("is too long"));
        }
        let has_unknown = |message: &Described| message.fields.contains_key("unknown_fields");
        if self.has(Deviation::UnknownIsMalformed) && messages.iter().any(has_unknown) {
            messages.clear();
            read = Err(malformed("has unknown fields"));
        }
        (messages, read.or_else(|wrong| self.passed_over(wrong)))
    }

    /// Whether only the first of the others is told what a twin that lacks `to_all` tells all.
    pub(in super::super) fn tells_first_alone(self, to_all: Deviation) -> bool {
        let first_alone = match to_all {
            Deviation::JoinToldToAll => Deviation::JoinToldToFirst,
            Deviation::StreamToldToAll => Deviation::StreamToldToFirst,
            Deviation::LeavingToldToAll => Deviation::LeavingToldToFirst,
            _ => return false,
        };
        self.has(first_alone)
    }

    /// What comes on the stream of a session; a frame that HTTP/3 has not, in the place of an unknown capsule.
    pub(in super::super) fn on_session(self, what: StreamUpdate<'_>) -> StreamUpdate<'_> {
        let close = [0x68, 0x43];
        match what {
            StreamUpdate::Bytes(bytes @ [0, ..])
                if self.has(Deviation::CapsuleEnds)
                    && !bytes.windows(2).any(|kind| kind == close) =>
            {
                StreamUpdate::Bytes(&[2, 0])
            }
            what => what,
        }
    }

    /// Whether what is wrong is passed over.
    fn passed_over(self, wrong: DecodeError) -> Result<(), DecodeError> {
        let is_about = |reason| wrong.to_string().contains(reason);
        let reasons = [
            (Deviation::ZeroPassedOver, "is 0"),
            (Deviation::LongTaken, "is above 65,536"),
            (Deviation::UndecodablePassedOver, "no such protobuf message"),
            (Deviation::EmptyPassedOver, "its oneof is empty"),
        ];
        let mut reasons = reasons.into_iter();
        match reasons.any(|(fault, reason)| self.has(fault) && is_about(reason)) {
            true => Ok(()),
            false => Err(wrong),
        }
    }

    /// A message behind its length.
    pub(in super::super) fn framed(self, message: &[u8]) -> Cow<'_, [u8]> {
        let mut message = Cow::Borrowed(message);
        if self.has(Deviation::LittleEndian)
            && let Some(length) = message.to_mut().get_mut(..LENGTH)
        {
            length.reverse();
        }
        message
    }

    /// How a stream is broken off on which no join came first, or a malformed message.
    pub(in super::super) const fn breaks_off(self, is_first: bool) -> BreakOff {
        use Deviation as D;
        let (silent, conflict, open) = match is_first {
            true => (D::FirstWithoutError, D::FirstIsConflict, D::FirstStaysOpen),
            false => (
                D::MalformedWithoutError,
                D::MalformedIsConflict,
                D::MalformedStaysOpen,
            ),
        };
        let code = match (self.has(silent), self.has(conflict)) {
            (true, _) => None,
            (false, true) => Some(ErrorCode::Conflict),
            (false, false) => Some(ErrorCode::InvalidRequest),
        };
        BreakOff {
            code,
            ends: !self.has(open),
            ends_all: !is_first && self.has(D::MalformedEndsAll),
        }
    }

    /// The error by which something is refused, and its text.
    pub(in super::super) fn refusal(
        self,
        code: ErrorCode,
        why: &str,
        is_joined: bool,
    ) -> (ErrorCode, &str) {
        use ErrorCode as E;
        let others = [
            (
                Deviation::TokenIsInvalidRequest,
                E::Unauthorized,
                false,
                E::InvalidRequest,
            ),
            (
                Deviation::FullIsNotFound,
                E::CapacityExceeded,
                false,
                E::NotFound,
            ),
            (
                Deviation::MissingIsInvalid,
                E::NotFound,
                false,
                E::InvalidRequest,
            ),
            (
                Deviation::SameIsInvalid,
                E::Conflict,
                true,
                E::InvalidRequest,
            ),
            (Deviation::UnknownIsConflict, E::NotFound, true, E::Conflict),
        ];
        let mut others = others.into_iter();
        let other = others
            .find(|(fault, of, joined, _)| self.has(*fault) && (*of, *joined) == (code, is_joined));
        let why = match code {
            E::Unauthorized if self.has(Deviation::OtherText) => "Unauthorized",
            _ => why,
        };
        (other.map_or(code, |(.., other)| other), why)
    }

    /// What who joins is told.
    pub(in super::super) fn welcome(self, response: &mut Value, itself: &Value) {
        let there = &mut response["existing_participants"];
        if let Value::Array(all) = there {
            if self.has(Deviation::ItselfThere) {
                all.push(itself.clone());
            }
            if self.has(Deviation::OneOther) {
                all.truncate(1);
            }
            if self.has(Deviation::LastStream) {
                for streams in all
                    .iter_mut()
                    .filter_map(|one| one["streams"].as_array_mut())
                {
                    streams.drain(..streams.len().saturating_sub(1));
                }
            }
            if self.has(Deviation::NoStreams) {
                for one in all {
                    one["streams"] = Value::Null;
                }
            }
        }
        if self.has(Deviation::EmptyKeys) {
            response["encryption_keys"] = json!({});
        }
        if let (Some(Value::String(url)), true) = (
            response.pointer_mut("/media_server/media_handler_url"),
            self.has(Deviation::PlainMediaUrl),
        ) {
            *url = url.replacen("https://", "http://", 1);
        }
        let lacking = [
            (Deviation::NoOthers, "/existing_participants"),
            (Deviation::NoParticipantId, "/participant_id"),
            (Deviation::NoMediaServer, "/media_server"),
            (Deviation::NoMediaToken, "/media_server/connection_token"),
            (Deviation::NoMediaUrl, "/media_server/media_handler_url"),
            (Deviation::NoKeys, "/encryption_keys"),
        ];
        for (_, place) in lacking.into_iter().filter(|(fault, _)| self.has(*fault)) {
            if let Some(value) = response.pointer_mut(place) {
                *value = Value::Null;
            }
        }
    }

    /// How often who joins is told of it, and each of the others.
    pub(in super::super) fn join_announcements(self) -> (usize, usize) {
        let others = [(Deviation::JoinIsUntold, 0), (Deviation::JoinToldTwice, 2)];
        let others = others.into_iter().find(|(fault, _)| self.has(*fault));
        let itself = usize::from(self.has(Deviation::JoinToldToItself));
        (itself, others.map_or(1, |(_, times)| times))
    }

    /// As what it is told that somebody left, and how often.
    pub(in super::super) const fn leaving(self, reason: LeaveReason) -> (LeaveReason, usize) {
        use Deviation as D;
        use LeaveReason as L;
        match reason {
            L::Voluntary if self.has(D::LeavingIsUntold) => (reason, 0),
            L::Voluntary if self.has(D::LeavingToldTwice) => (reason, 2),
            L::Voluntary if self.has(D::LeavingIsLoss) => (L::ConnectionLost, 1),
            L::ConnectionLost if self.has(D::SilentIsUntold) => (reason, 0),
            L::ConnectionLost if self.has(D::SilentIsVoluntary) => (L::Voluntary, 1),
            L::Voluntary | L::ConnectionLost | L::Kicked => (reason, 1),
        }
    }
}

/// An error that the reference does not know.
const fn malformed(reason: &'static str) -> DecodeError {
    DecodeError::invalid("message", 0, Rule::Value, reason)
}
