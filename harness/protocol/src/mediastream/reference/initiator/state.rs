use std::time::Duration;

use super::super::deviation::Waits;
use super::super::settings::Settings;
use super::super::start3::Identity;
use super::super::timing;
use super::early::Early;
use crate::mediastream::frame::ConnectionId;

/// How long frames that are missing may come after the last one, at most.
const GRACE: Duration = Duration::from_secs(1);

/// Where the exchange stands.
#[derive(Debug, Clone, Hash)]
pub(super) enum State {
    /// Nothing was sent yet.
    Closed,
    /// The same in `start3`, which has a word for it.
    ReadyToStart,
    /// START was sent; the answer is awaited.
    StartSent(StartSent),
    /// SYN was sent; the answer is awaited.
    SynSent(PendingRequest),
    /// START of `start3` was sent with these numbers; the answer is awaited.
    AwaitingStartAck(PendingRequest, Identity),
    /// The session is there: Established (AwaitingStartConfirm in `start3`) without media,
    /// Streaming with it.
    Session(Session),
    Over(End),
}

#[derive(Debug, Clone, Hash)]
pub(super) struct StartSent {
    pub(super) asked: Duration,
    pub(super) sends: u32,
    pub(super) next: Duration,
}

/// A request of a handshake, which is repeated until it is answered.
#[derive(Debug, Clone, Hash)]
pub(super) struct PendingRequest {
    /// When it was sent first.
    pub(super) asked: Duration,
    pub(super) datagram: Vec<u8>,
    pub(super) sends: u32,
    /// How long an answer to each send is waited for.
    pub(super) waits: Waits,
    pub(super) next: Duration,
    pub(super) early: Early,
}

/// What the handshake of a session agreed on.
#[derive(Debug, Clone, Hash)]
pub(super) enum Agreed {
    /// Nothing: the START token has no response.
    Nothing,
    /// The assigned id and the ACK that confirms it.
    Id(ConnectionId, Vec<u8>),
    /// The numbers of the stream, which START_CONFIRM confirms.
    Stream(Identity),
}

#[derive(Debug, Clone, Hash)]
pub(super) struct Session {
    /// When the first SYN or START was sent.
    pub(super) asked: Duration,
    pub(super) agreed: Agreed,
    /// When something of the session came last.
    pub(super) contact: Duration,
    /// When media came first.
    pub(super) first_media: Option<Duration>,
    /// When the session began.
    pub(super) begun: Duration,
    /// When the last frame was seen, if it was.
    pub(super) last_seen: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum End {
    Completed,
    Rejected,
    TimedOut,
    Failed,
}

impl State {
    /// The state in the specification's words.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Closed | Self::Over(End::Completed | End::Failed) => "Closed",
            Self::ReadyToStart => "ReadyToStart",
            Self::StartSent(_) => "StartSent",
            Self::SynSent(_) => "SynSent",
            Self::AwaitingStartAck(..) => "AwaitingStartAck",
            Self::Session(session) => session.name(),
            Self::Over(End::Rejected) => "Rejected",
            Self::Over(End::TimedOut) => "TimedOut",
        }
    }

    /// Whether an answer is awaited.
    pub(super) const fn is_handshake(&self) -> bool {
        match self {
            Self::StartSent(_) | Self::SynSent(_) | Self::AwaitingStartAck(..) => true,
            Self::Closed | Self::ReadyToStart | Self::Session(_) | Self::Over(_) => false,
        }
    }

    /// How often the frame was sent whose answer is awaited.
    pub(super) const fn sends(&self) -> u32 {
        match self {
            Self::StartSent(sent) => sent.sends,
            Self::SynSent(asked) | Self::AwaitingStartAck(asked, _) => asked.sends,
            Self::Closed | Self::ReadyToStart | Self::Session(_) | Self::Over(_) => 0,
        }
    }

    /// The id that a session of `3way` was assigned.
    pub(super) const fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::Session(Session {
                agreed: Agreed::Id(id, _),
                ..
            }) => Some(*id),
            Self::Session(_)
            | Self::Closed
            | Self::ReadyToStart
            | Self::StartSent(_)
            | Self::SynSent(_)
            | Self::AwaitingStartAck(..)
            | Self::Over(_) => None,
        }
    }

    /// The numbers of a `start3` session; the Sender's nonce is 0 until it is known.
    pub(super) const fn identity(&self) -> Option<Identity> {
        match self {
            Self::AwaitingStartAck(_, identity) => Some(*identity),
            Self::Session(session) => match session.agreed {
                Agreed::Stream(identity) => Some(identity),
                Agreed::Nothing | Agreed::Id(..) => None,
            },
            Self::Closed
            | Self::ReadyToStart
            | Self::StartSent(_)
            | Self::SynSent(_)
            | Self::Over(_) => None,
        }
    }
}

impl PendingRequest {
    /// One that is sent at `now`.
    pub(super) fn new(now: Duration, datagram: Vec<u8>, waits: Waits) -> Self {
        let wait = timing::wait_after(waits, 1).unwrap_or_default();
        Self {
            asked: now,
            datagram,
            sends: 1,
            waits,
            next: now.saturating_add(wait),
            early: Early::default(),
        }
    }
}

impl Session {
    /// The state in the specification's words.
    pub(super) const fn name(&self) -> &'static str {
        match (self.first_media, &self.agreed) {
            (Some(_), _) => "Streaming",
            (None, Agreed::Stream(_)) => "AwaitingStartConfirm",
            (None, Agreed::Nothing | Agreed::Id(..)) => "Established",
        }
    }

    /// When it is lost: without contact for a buffer period, with frames missing after the last
    /// one, or when a stream of this length must be over.
    pub(super) fn deadline(&self, settings: &Settings) -> Duration {
        let period = settings.buffer_period;
        let length = Duration::from_secs(u64::from(settings.stream.seconds));
        let begun = self.first_media.unwrap_or(self.begun);
        let overdue = begun.saturating_add(length + length / 10 + period);
        let contact = self.contact.saturating_add(period);
        let grace = GRACE.min(period);
        let end = self.last_seen.map(|seen| seen.saturating_add(grace));
        overdue.min(contact).min(end.unwrap_or(overdue))
    }
}
