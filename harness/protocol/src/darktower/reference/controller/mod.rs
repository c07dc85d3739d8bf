//! The Meeting Controller: signaling on one bidirectional stream of each session (specification,
//! section 2).

mod joining;
mod streams;
mod twins;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use shakedown_wire::DecodeError;
use uuid::Uuid;

use super::super::{Envelope, MessageReader, StreamCode};
use super::deviation::{Deviation, Deviations};
use super::measures::{Ended, Measures};
use super::messages::{ErrorCode, LeaveReason, error, left, text};
use super::random::Random;
use super::sessions::{Context, SendStream, SessionEnd, SessionKey};
use super::settings::{Place, Service};
use super::store::{MOST_STREAMS, StreamError};
use super::token::Secret;
use crate::streams::{ConnectionNumber, Path, StreamId, StreamUpdate};
use crate::vocabulary::Described;

/// Bytes that may wait for a participant that does not read; past that it is gone.
const MOST_WAITING: usize = 1 << 20;

/// What a controller is told.
#[derive(Debug, Clone)]
pub struct ControllerSettings {
    pub secret: Secret,
    /// How long a media token is valid.
    pub lifetime: Duration,
    pub place: Place,
    pub seed: u64,
    pub without: Deviations,
}

/// Serves all sessions of `/wt`.
#[derive(Debug)]
pub struct Controller {
    settings: ControllerSettings,
    random: Random,
    sessions: BTreeMap<SessionKey, Signaling>,
    keys: BTreeMap<Uuid, Value>,
    /// Sessions whose other side left too much unread.
    slow: Vec<SessionKey>,
    counters: ControllerCounters,
    ended: Ended,
    /// What a faulty twin sends later, on which session and when.
    withheld: Vec<(Duration, SessionKey, Vec<u8>)>,
}

/// What a controller counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ControllerCounters {
    /// Who joined, and who left, by the reason.
    pub joined: u64,
    pub left: BTreeMap<&'static str, u64>,
    /// Errors that were answered, by code.
    pub errors: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Signaling {
    state: State,
    /// Where its media goes.
    media_url: String,
    /// Its stream, once the client opened it.
    stream: Option<SendStream>,
    reader: MessageReader,
    /// Who it is, and in which meeting, while it is joined.
    member: Option<Member>,
    measures: Measures,
}

/// The states of a signaling connection, as the specification names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Authenticating,
    Connected,
    Disconnecting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    meeting: Uuid,
    user: String,
    id: Uuid,
}

/// Why a stream is closed.
struct StreamClose {
    why: String,
    /// Whether that is what came first on it, and it is no join.
    is_first: bool,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "CONNECTING",
            Self::Authenticating => "AUTHENTICATING",
            Self::Connected => "CONNECTED",
            Self::Disconnecting => "DISCONNECTING",
        }
    }
}

impl Controller {
    #[must_use]
    pub fn new(settings: ControllerSettings) -> Self {
        Self {
            random: Random::new(settings.seed, 1),
            settings,
            sessions: BTreeMap::new(),
            keys: BTreeMap::new(),
            slow: Vec::new(),
            counters: ControllerCounters::default(),
            ended: Ended::default(),
            withheld: Vec::new(),
        }
    }

    #[must_use]
    pub const fn counters(&self) -> &ControllerCounters {
        &self.counters
    }

    /// A session was accepted on a connection that began at this time; its media goes to `media_url`.
    pub fn opened(
        &mut self,
        of: SessionKey,
        began: Duration,
        media_url: String,
        context: &mut Context<'_>,
    ) {
        let signaling = Signaling {
            state: State::Connecting,
            media_url,
            stream: None,
            reader: MessageReader::new(Envelope::Client),
            member: None,
            measures: Measures::new(Service::Controller, &self.settings.place, began),
        };
        self.sessions.insert(of, signaling);
        let to = State::Connecting.name();
        let why = "a session was asked for";
        context.sessions.transition(of, "DISCONNECTED", to, why);
    }

    /// Something happened on a stream of a session; codes are those of WebTransport.
    pub fn on_stream(
        &mut self,
        of: SessionKey,
        stream: StreamId,
        what: StreamUpdate<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(signaling) = self.sessions.get_mut(&of) else {
            return;
        };
        let _span = signaling.measures.span().entered();
        if matches!(what, StreamUpdate::Opened) {
            signaling.measures.stream();
        }
        let known = signaling.stream.as_ref().map(|known| known.stream);
        match (known, what) {
            (None, StreamUpdate::Opened) if stream.is_bidirectional() => {
                signaling.stream = Some(SendStream::new(of, stream));
                self.go(of, State::Authenticating, "its stream came", context);
            }
            // There is one stream of signaling in a session.
            (_, StreamUpdate::Opened) => {
                let code = StreamCode::InvalidFormat;
                context.sessions.stop_sending(of, stream, code);
                if stream.is_bidirectional() {
                    context.sessions.reset(of, stream, code);
                }
            }
            (Some(known), what) if known == stream => self.on_signaling(of, what, context),
            (Some(_) | None, _) => {}
        }
        self.drop_slow(context);
    }

    fn on_signaling(&mut self, of: SessionKey, what: StreamUpdate<'_>, context: &mut Context<'_>) {
        let Some(signaling) = self.sessions.get_mut(&of) else {
            return;
        };
        let is_over = signaling.state == State::Disconnecting;
        match what {
            StreamUpdate::Written => {
                if let Some(stream) = &mut signaling.stream {
                    stream.written(context);
                }
            }
            StreamUpdate::Opened => {}
            _ if is_over => {}
            StreamUpdate::Bytes(bytes) => self.read(of, bytes, context),
            StreamUpdate::Fin => match signaling.reader.finish() {
                // DT-S-17
                Ok(()) => {
                    self.leave(of, LeaveReason::Voluntary, context);
                    self.end(of, "the client ended it", context);
                }
                Err(malformed) => self.cut_short(of, malformed, context),
            },
            StreamUpdate::Reset(_) | StreamUpdate::Stopped(_) => {
                self.leave(of, LeaveReason::ConnectionLost, context);
                self.end(of, "the client broke it off", context);
            }
        }
    }

    /// A session is over.
    pub fn closed(&mut self, of: SessionKey, how: SessionEnd, context: &mut Context<'_>) {
        let reason = match how {
            SessionEnd::Clean => LeaveReason::Voluntary, // DT-S-17
            SessionEnd::Lost => LeaveReason::ConnectionLost, // DT-S-14
        };
        self.leave(of, reason, context);
        if let Some(signaling) = self.sessions.remove(&of) {
            let (from, why) = (signaling.state.name(), "the session is over");
            context.sessions.transition(of, from, "DISCONNECTED", why);
            self.ended.add(of.connection, signaling.measures);
        }
        self.drop_slow(context);
    }

    /// A connection is over; what was seen of its way, if anything was.
    pub fn gone(&mut self, connection: ConnectionNumber, path: Option<Path>) {
        self.ended.gone(connection, path);
    }

    /// Whether more bytes of a stream are taken now: not while the answers to earlier ones wait.
    #[must_use]
    pub fn reads(&self, of: SessionKey, stream: StreamId) -> bool {
        let signaling = self.sessions.get(&of);
        let known = signaling.and_then(|signaling| signaling.stream.as_ref());
        known.is_none_or(|known| known.stream != stream || !known.is_full())
    }

    fn read(&mut self, of: SessionKey, bytes: &[u8], context: &mut Context<'_>) {
        let Some(signaling) = self.sessions.get_mut(&of) else {
            return;
        };
        // DT-S-02, DT-S-12
        let without = self.settings.without;
        let (messages, read) = without.read(&mut signaling.reader, bytes);
        self.spoke(of, context.at);
        let message = messages
            .into_iter()
            .try_for_each(|message| self.handle_message(of, &message, context));
        // DT-S-11
        if let Err(ending) = message.and(read.map_err(StreamClose::from)) {
            self.break_off(of, &ending, context);
        }
    }

    fn handle_message(
        &mut self,
        of: SessionKey,
        message: &Described,
        context: &mut Context<'_>,
    ) -> Result<(), StreamClose> {
        let Some(signaling) = self.sessions.get(&of) else {
            return Ok(());
        };
        let fields = &message.fields;
        let Some(member) = signaling.member.clone() else {
            return match message.frame {
                "JoinRequest" => {
                    self.join(of, fields, context);
                    Ok(())
                }
                // DT-S-04
                other => self.expects_a_join(other),
            };
        };
        match message.frame {
            "JoinRequest" => self.refuse(of, ErrorCode::Conflict, "Already joined", context),
            "PublishStream" => self.publish(of, &member, fields, context),
            "SubscribeStream" => self.subscribe(of, &member, fields, context),
            "UnsubscribeStream" if self.lacks(Deviation::UnsubscribedGoesOn) => {}
            "StreamQualityUpdate" if self.lacks(Deviation::QualityEnds) => {
                return Err(StreamClose::malformed("a quality update".to_owned()));
            }
            "UnsubscribeStream" => {
                let stream = text(fields, "stream_id");
                context
                    .store
                    .unsubscribe(member.meeting, &member.user, stream);
            }
            // Nothing is made of how a stream is received.
            "StreamQualityUpdate" => {}
            // The reader knows no others.
            other => return Err(StreamClose::malformed(format!("{other} of a client"))),
        }
        Ok(())
    }

    fn decline(&mut self, of: SessionKey, why: StreamError, context: &mut Context<'_>) {
        match why {
            StreamError::Name => self.refuse(of, ErrorCode::NotFound, "No such stream", context),
            StreamError::TooMany => {
                let why = format!("No more than {MOST_STREAMS} streams, or fewer long ones");
                self.refuse(of, ErrorCode::CapacityExceeded, &why, context);
            }
            StreamError::NotInMeeting => {
                self.refuse(of, ErrorCode::NotFound, "Not joined", context)
            }
        }
    }

    fn refuse(&mut self, of: SessionKey, code: ErrorCode, why: &str, context: &mut Context<'_>) {
        let is_joined = self.sessions.get(&of).is_some_and(|it| it.member.is_some());
        let (code, why) = self.settings.without.refusal(code, why, is_joined);
        *self.counters.errors.entry(code.name()).or_default() += 1;
        if let Some(signaling) = self.sessions.get(&of).filter(|it| it.member.is_none()) {
            signaling.measures.failed(code.name());
        }
        self.send(of, &error(code, why), context);
    }

    /// INVALID_REQUEST, and the stream is closed (DT-S-04, DT-S-11).
    fn break_off(&mut self, of: SessionKey, ending: &StreamClose, context: &mut Context<'_>) {
        let how = self.settings.without.breaks_off(ending.is_first);
        if let Some(code) = how.code {
            self.refuse(of, code, &ending.why, context);
        }
        if how.ends {
            self.leave(of, LeaveReason::Kicked, context);
            self.end(of, "a message was wrong", context);
        }
        if how.ends_all {
            self.end_all(context);
        }
    }

    /// Closes the stream of a session: nothing more is sent on it or read.
    fn end(&mut self, of: SessionKey, why: &'static str, context: &mut Context<'_>) {
        self.go(of, State::Disconnecting, why, context);
        let signaling = self.sessions.get_mut(&of);
        if let Some(stream) = signaling.and_then(|signaling| signaling.stream.as_mut()) {
            let code = StreamCode::Graceful;
            context.sessions.stop_sending(of, stream.stream, code);
            stream.end(context);
        }
    }

    /// A participant is gone, if it was there.
    fn leave(&mut self, of: SessionKey, reason: LeaveReason, context: &mut Context<'_>) {
        let signaling = self.sessions.get_mut(&of);
        let Some(member) = signaling.and_then(|signaling| signaling.member.take()) else {
            return;
        };
        *self.counters.left.entry(reason.name()).or_default() += 1;
        if let (LeaveReason::ConnectionLost, Some(signaling)) = (reason, self.sessions.get(&of)) {
            signaling.measures.failed(reason.name());
        }
        let lost = (reason == LeaveReason::ConnectionLost).then_some(context.at);
        if !self.lacks(Deviation::PlaceIsKept) {
            context.store.leave(member.meeting, &member.user, lost);
        }
        let (reason, times) = self.settings.without.leaving(reason);
        let news = left(&member.id.to_string(), reason);
        let to_all = match lost {
            Some(_) => Deviation::LossToldToAll,
            None => Deviation::LeavingToldToAll,
        };
        for _ in 0..times {
            self.broadcast(of, member.meeting, &news, to_all, context);
        }
    }

    /// Tells the others of a meeting; a twin that lacks `to_all` tells all others.
    fn broadcast(
        &mut self,
        of: SessionKey,
        meeting: Uuid,
        news: &[u8],
        to_all: Deviation,
        context: &mut Context<'_>,
    ) {
        let is_told = |member: &Member| member.meeting == meeting || self.lacks(to_all);
        let others = self.sessions.iter().filter(|(key, signaling)| {
            **key != of && signaling.member.as_ref().is_some_and(is_told)
        });
        let mut others: Vec<_> = others.map(|(key, _)| *key).collect();
        if self.settings.without.tells_first_alone(to_all) {
            others.truncate(1);
        }
        for key in others {
            self.send(key, news, context);
        }
    }

    fn send(&mut self, of: SessionKey, bytes: &[u8], context: &mut Context<'_>) {
        let signaling = self.sessions.get_mut(&of);
        if let Some(stream) = signaling.and_then(|signaling| signaling.stream.as_mut()) {
            stream.send(context, &self.settings.without.framed(bytes));
            if stream.waiting() > MOST_WAITING && !self.slow.contains(&of) {
                self.slow.push(of);
            }
        }
    }

    /// Those who read nothing are gone, so that what is kept for them stays bounded.
    fn drop_slow(&mut self, context: &mut Context<'_>) {
        while let Some(of) = self.slow.pop() {
            self.leave(of, LeaveReason::ConnectionLost, context);
            if let Some(signaling) = self.sessions.remove(&of) {
                let (from, why) = (signaling.state.name(), "it does not read");
                context.sessions.transition(of, from, "DISCONNECTED", why);
                let code = StreamCode::QuotaExceeded;
                context.sessions.close(of, code, "too much is unread");
                self.ended.add(of.connection, signaling.measures);
            }
        }
    }

    fn go(&mut self, of: SessionKey, to: State, why: &'static str, context: &mut Context<'_>) {
        if let Some(signaling) = self.sessions.get_mut(&of) {
            let from = std::mem::replace(&mut signaling.state, to);
            if from != to {
                context.sessions.transition(of, from.name(), to.name(), why);
            }
        }
    }
}

impl From<DecodeError> for StreamClose {
    fn from(error: DecodeError) -> Self {
        Self::malformed(error.to_string())
    }
}
