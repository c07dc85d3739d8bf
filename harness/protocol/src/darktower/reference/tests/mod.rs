mod controller;
mod handler;
mod links;
mod pair;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::{Envelope, MessageReader, StreamCode, VOCABULARY};
use super::*;
use crate::streams::{ConnectionNumber, StreamId};
use crate::vocabulary::{Described, Vocabulary};

pub(super) const MEETING: Uuid = Uuid::from_u128(0x0a);
pub(super) const ENDED: Uuid = Uuid::from_u128(0x0b);
pub(super) const UNKNOWN: Uuid = Uuid::from_u128(0x0c);
pub(super) const START: Duration = Duration::from_secs(1_800_000_000);

pub(super) fn secret() -> Secret {
    Secret::new("secret")
}

/// The session of the n-th connection.
pub(super) const fn session(n: u64) -> SessionKey {
    SessionKey {
        connection: ConnectionNumber(n),
        session: StreamId::of_client(0),
    }
}

/// Meetings: one with room for three, and one that is over.
pub(super) fn store() -> Memory {
    let meeting = |id, has_ended| Meeting {
        id,
        capacity: 3,
        has_ended,
    };
    Memory::new([meeting(MEETING, false), meeting(ENDED, true)])
}

pub(super) fn token(user: &str, meeting: Uuid, usage: Usage) -> String {
    token_at(user, meeting, usage, START, "1")
}

pub(super) fn token_at(user: &str, meeting: Uuid, usage: Usage, at: Duration, jti: &str) -> String {
    let claims = Claims::new(user, &meeting.to_string(), usage, at, TOKEN_LIFETIME);
    secret().mint(&claims.named(jti.to_owned()))
}

pub(super) fn framed(frame: &str, fields: Value) -> Vec<u8> {
    let fields: Map<_, _> = fields.as_object().unwrap().clone();
    VOCABULARY.encode(frame, &fields).unwrap()
}

pub(super) fn heard(envelope: Envelope, bytes: &[u8]) -> Vec<Described> {
    let mut all = Vec::new();
    let mut reader = MessageReader::new(envelope);
    reader.take(bytes, |message| all.push(message)).unwrap();
    reader.finish().unwrap();
    all
}

/// What was done on a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) bytes: Vec<u8>,
    pub(super) has_fin: bool,
    pub(super) reset: Option<StreamCode>,
    pub(super) stopped: Option<StreamCode>,
}

/// Keeps what a service does.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) streams: BTreeMap<(SessionKey, StreamId), Done>,
    pub(super) datagrams: Vec<(SessionKey, Vec<u8>)>,
    pub(super) closed: Vec<(SessionKey, StreamCode)>,
    pub(super) transitions: Vec<(SessionKey, &'static str, &'static str)>,
    /// Writes in their order.
    pub(super) order: Vec<(SessionKey, StreamId)>,
    opened: u64,
}

impl Recorder {
    fn on(&mut self, of: SessionKey, stream: StreamId) -> &mut Done {
        self.streams.entry((of, stream)).or_default()
    }
}

impl Sessions for Recorder {
    fn open(&mut self, of: SessionKey) -> Option<StreamId> {
        self.opened += 1;
        let stream = StreamId((self.opened << 2) | 3);
        self.on(of, stream);
        Some(stream)
    }

    fn write(&mut self, of: SessionKey, stream: StreamId, bytes: Vec<u8>) {
        assert!(!self.on(of, stream).has_fin, "bytes behind FIN");
        self.on(of, stream).bytes.extend(bytes);
        self.order.push((of, stream));
    }

    fn fin(&mut self, of: SessionKey, stream: StreamId) {
        assert!(!self.on(of, stream).has_fin, "a second FIN");
        self.on(of, stream).has_fin = true;
    }

    fn reset(&mut self, of: SessionKey, stream: StreamId, code: StreamCode) {
        self.on(of, stream).reset = Some(code);
    }

    fn stop_sending(&mut self, of: SessionKey, stream: StreamId, code: StreamCode) {
        self.on(of, stream).stopped = Some(code);
    }

    fn datagram(&mut self, of: SessionKey, bytes: &[u8]) {
        self.datagrams.push((of, bytes.to_vec()));
    }

    fn close(&mut self, of: SessionKey, code: StreamCode, _: &str) {
        self.closed.push((of, code));
    }

    fn transition(
        &mut self,
        of: SessionKey,
        from: &'static str,
        to: &'static str,
        _: &'static str,
    ) {
        self.transitions.push((of, from, to));
    }
}

pub(super) fn join_request(user: &str) -> Value {
    json!({
        "meeting_id": MEETING.to_string(),
        "join_token": token(user, MEETING, Usage::Join),
        "participant_name": format!("name of {user}"),
    })
}
