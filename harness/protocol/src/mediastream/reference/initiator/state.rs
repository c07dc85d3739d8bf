use std::time::Duration;

use super::super::settings::Settings;
use super::early::Early;
use crate::mediastream::frame::ConnectionId;

/// How long frames that are missing may come after the last one, at most.
const GRACE: Duration = Duration::from_secs(1);

/// Where the exchange stands.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing was sent yet.
    Closed,
    /// START was sent; the answer is awaited.
    StartSent(StartSent),
    /// SYN was sent; the answer is awaited.
    SynSent(SynSent),
    /// The session is there: Established without media, Streaming with it.
    Session(Session),
    /// It is over.
    Over(End),
}

#[derive(Debug)]
pub(super) struct StartSent {
    pub(super) asked: Duration,
    pub(super) sends: u32,
    pub(super) next: Duration,
}

#[derive(Debug)]
pub(super) struct SynSent {
    pub(super) asked: Duration,
    pub(super) syn: Vec<u8>,
    pub(super) sends: u32,
    pub(super) next: Duration,
    pub(super) early: Early,
}

#[derive(Debug)]
pub(super) struct Session {
    /// When the first SYN or START was sent.
    pub(super) asked: Duration,
    /// The assigned id and the ACK that confirms it; `None` in a legacy session.
    pub(super) assigned: Option<(ConnectionId, Vec<u8>)>,
    /// When something of the session came last.
    pub(super) contact: Duration,
    /// When media came first.
    pub(super) first_media: Option<Duration>,
    /// When the session began.
    pub(super) begun: Duration,
    /// When the last frame was seen, if it was.
    pub(super) last_seen: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
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
            Self::StartSent(_) => "StartSent",
            Self::SynSent(_) => "SynSent",
            Self::Session(session) => match session.first_media {
                None => "Established",
                Some(_) => "Streaming",
            },
            Self::Over(End::Rejected) => "Rejected",
            Self::Over(End::TimedOut) => "TimedOut",
        }
    }
}

impl Session {
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
