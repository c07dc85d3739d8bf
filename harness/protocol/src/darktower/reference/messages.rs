//! Construction and fields of signaling messages.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::VOCABULARY;
use super::store::Participant;
use crate::vocabulary::Vocabulary as _;

/// Bytes of the length before a message on a stream.
pub(super) const LENGTH: usize = 4;

/// Why something is refused (specification, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    InvalidRequest,
    Unauthorized,
    NotFound,
    Conflict,
    CapacityExceeded,
}

impl ErrorCode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::CapacityExceeded => "CAPACITY_EXCEEDED",
        }
    }
}

/// Why somebody left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaveReason {
    Voluntary,
    Kicked,
    ConnectionLost,
}

impl LeaveReason {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Voluntary => "VOLUNTARY",
            Self::Kicked => "KICKED",
            Self::ConnectionLost => "CONNECTION_LOST",
        }
    }
}

/// A message with its length; empty where a field cannot hold its value, which does not happen for values made here or
/// read from a message.
pub(super) fn message(frame: &'static str, fields: Value) -> Vec<u8> {
    let encoded = match &fields {
        Value::Object(fields) => VOCABULARY.encode(frame, fields).ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    };
    encoded.unwrap_or_default()
}

/// An ErrorMessage of its own.
pub(super) fn error(code: ErrorCode, why: &str) -> Vec<u8> {
    message("ErrorMessage", error_fields(code, why))
}

pub(super) fn error_fields(code: ErrorCode, why: &str) -> Value {
    json!({ "code": code.name(), "message": why })
}

pub(super) fn participant(of: &Participant) -> Value {
    let streams = of.streams.iter();
    let streams: Vec<_> = streams.map(|it| Value::from(it.fields.clone())).collect();
    json!({
        "participant_id": of.id.to_string(),
        "name": of.name,
        "streams": streams,
        "joined_at": u64::try_from(of.joined_at.as_millis()).unwrap_or(u64::MAX),
    })
}

/// A participant of whom no more is known.
pub(super) fn newcomer(id: Uuid, name: &str) -> Value {
    json!({ "participant_id": id.to_string(), "name": name })
}

pub(super) fn left(participant: &str, reason: LeaveReason) -> Vec<u8> {
    let fields = json!({ "participant_id": participant, "reason": reason.name() });
    message("ParticipantLeft", fields)
}

/// The text of a field; empty if it is not there.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The value of a field; null if it is not there, as a message in a message may be.
pub(super) fn part<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields.get(name).unwrap_or(&Value::Null)
}
