//! What the scripted peer knows of an HTTP/3 connection besides its streams: what was asked for and what
//! came of it.

use std::collections::{BTreeMap, VecDeque};

use shakedown_protocol::streams::StreamId;
use shakedown_protocol::web::{Field, Refusal, SessionClose, Settings, Web};

use super::ended::Moment;

/// Stands for a code of HTTP/3 that carries none of a session: larger than all that QUIC has.
pub(crate) const NO_SESSION_CODE: u64 = u64::MAX;

/// How the scripted peer speaks HTTP/3 on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum HttpUse {
    /// As it should.
    #[default]
    Http,
    /// With these settings.
    With(Settings),
    /// Not at all: steps say what is on every stream.
    Nothing,
}

/// HTTP/3 on one connection.
#[derive(Debug)]
pub(crate) struct WebState {
    pub(crate) web: Web,
    /// Streams of which the scenario says every byte.
    pub(super) raw: Vec<StreamId>,
    /// What the implementation asked for and no step has taken.
    pub(crate) asked: VecDeque<Asked>,
    /// Results of the scripted peer's requests.
    pub(crate) answers: BTreeMap<StreamId, (Moment, Answer)>,
    /// Sessions that the implementation ended.
    pub(crate) closed: BTreeMap<StreamId, (Moment, Option<SessionClose>)>,
    /// Datagrams of sessions that no step has taken.
    pub(crate) datagrams: VecDeque<(Moment, StreamId, Vec<u8>)>,
}

impl WebState {
    pub(super) fn new(web: Web) -> Self {
        Self {
            web,
            raw: Vec::new(),
            asked: VecDeque::new(),
            answers: BTreeMap::new(),
            closed: BTreeMap::new(),
            datagrams: VecDeque::new(),
        }
    }
}

/// What the implementation asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) moment: Moment,
    pub(crate) stream: StreamId,
    pub(crate) fields: Vec<Field>,
    /// `None` if it asks for a session.
    pub(crate) body: Option<Vec<u8>>,
}

/// The result of a request or of a session request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Response {
        status: u16,
        fields: Vec<Field>,
        body: Vec<u8>,
    },
    Opened,
    Refused(Refusal),
}

impl Answer {
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Response { status, .. } => Refusal::Status(*status).to_string(),
            Self::Opened => "a session".to_owned(),
            Self::Refused(refusal) => refusal.to_string(),
        }
    }
}
