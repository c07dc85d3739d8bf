//! What faulty twins do that the reference does not.

use std::time::Duration;

use serde_json::json;
use shakedown_wire::DecodeError;
use uuid::Uuid;

use super::super::messages::{ErrorCode, LeaveReason, message, newcomer};
use super::super::sessions::{Context, SessionKey};
use super::super::token::{Claims, Usage};
use super::{Controller, Deviation, Member, StreamClose};

impl Controller {
    pub(super) const fn lacks(&self, deviation: Deviation) -> bool {
        self.settings.without.has(deviation)
    }

    /// What is taken of a token that is invalid.
    pub(super) fn stranger(&self, meeting: &str, at: Duration) -> Option<Claims> {
        let lifetime = self.settings.lifetime;
        let is_taken = self.lacks(Deviation::JoinsAnybody);
        is_taken.then(|| Claims::new("stranger", meeting, Usage::Join, at, lifetime))
    }

    /// A token was refused.
    pub(super) fn refused(&mut self, of: SessionKey, meeting: &str, context: &mut Context<'_>) {
        let Ok(meeting) = Uuid::try_parse(meeting) else {
            return;
        };
        if self.lacks(Deviation::RefusedStays) {
            let id = self.random.uuid();
            // What there is no room for does not stay.
            let _ = context
                .store
                .join(meeting, "refused", "refused", id, context.at);
        }
        if self.lacks(Deviation::RefusedIsTold) {
            let news = json!({ "participant": newcomer(Uuid::max(), "refused") });
            let news = message("ParticipantJoined", news);
            self.broadcast(of, meeting, &news, Deviation::JoinToldToAll, context);
        }
    }

    /// DT-S-04: what comes first on a stream is no join.
    pub(super) fn expects_a_join(&self, other: &str) -> Result<(), StreamClose> {
        if self.lacks(Deviation::FirstPassedOver) {
            return Ok(());
        }
        Err(StreamClose {
            why: format!("{other} without having joined"),
            is_first: true,
        })
    }

    /// A stream ended in the middle of a message.
    pub(super) fn cut_short(
        &mut self,
        of: SessionKey,
        malformed: DecodeError,
        context: &mut Context<'_>,
    ) {
        let there = self.sessions.values().find_map(|it| it.member.as_ref());
        if let (Some(meeting), true) = (
            there.map(|member| member.meeting),
            self.lacks(Deviation::CutJoins),
        ) {
            let news = json!({ "participant": newcomer(Uuid::max(), "") });
            let news = message("ParticipantJoined", news);
            self.broadcast(of, meeting, &news, Deviation::JoinToldToAll, context);
        }
        self.break_off(of, &StreamClose::from(malformed), context);
    }

    /// Whether a stream_id that somebody publishes must not be published (DT-S-09).
    pub(super) fn conflicts(&self, member: &Member, stream: &str, context: &Context<'_>) -> bool {
        let publisher = context.store.publisher(member.meeting, stream);
        let is_own = publisher.is_some_and(|publisher| publisher.id == member.id);
        !(self.lacks(Deviation::SameAgain) || !is_own && self.lacks(Deviation::SameOfAnother))
    }

    /// The stream_id that is to be published is there already (DT-S-09).
    pub(super) fn conflict(
        &mut self,
        of: SessionKey,
        member: &Member,
        news: &[u8],
        context: &mut Context<'_>,
    ) {
        if self.lacks(Deviation::SameIsTold) {
            self.broadcast(
                of,
                member.meeting,
                news,
                Deviation::StreamToldToAll,
                context,
            );
        }
        if !self.lacks(Deviation::SameIsUnanswered) {
            let why = "The stream is published already";
            self.refuse(of, ErrorCode::Conflict, why, context);
        }
        if self.lacks(Deviation::ConflictEnds) {
            self.end(of, "a stream was published already", context);
        }
    }

    /// The answer to SubscribeStream (DT-S-10).
    pub(super) fn subscribed(&mut self, of: SessionKey, stream: &str, context: &mut Context<'_>) {
        let stream = match self.lacks(Deviation::OtherSubscribed) {
            true => "",
            false => stream,
        };
        if !self.lacks(Deviation::SubscriberUntold) {
            let answer = message("StreamSubscribed", json!({ "stream_id": stream }));
            self.send(of, &answer, context);
        }
    }

    /// Keeps an answer back for a second.
    pub(super) fn withhold(&mut self, of: SessionKey, answer: Vec<u8>, at: Duration) {
        let due = at.saturating_add(Duration::from_secs(1));
        self.withheld.push((due, of, answer));
    }

    /// A session has said something: a twin takes it for lost 30 s later, whatever packets come.
    pub(super) fn spoke(&mut self, of: SessionKey, at: Duration) {
        if self.lacks(Deviation::SilentWithoutMessages) {
            self.withheld.retain(|(_, other, _)| *other != of);
            let due = at.saturating_add(Duration::from_secs(30));
            self.withheld.push((due, of, Vec::new()));
        }
    }

    /// When the next answer that was kept back is due, since 1970.
    pub(in super::super) fn due(&self) -> Option<Duration> {
        self.withheld.first().map(|(due, ..)| *due)
    }

    /// Sends what was kept back and is due.
    pub(in super::super) fn release(&mut self, context: &mut Context<'_>) {
        while self.due().is_some_and(|due| due <= context.at) {
            let (_, of, answer) = self.withheld.remove(0);
            match answer.is_empty() {
                true => self.leave(of, LeaveReason::ConnectionLost, context),
                false => self.send(of, &answer, context),
            }
        }
    }

    /// Closes the streams of all.
    pub(super) fn end_all(&mut self, context: &mut Context<'_>) {
        for of in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.end(of, "a message was wrong", context);
        }
    }
}

impl StreamClose {
    pub(super) const fn malformed(why: String) -> Self {
        Self {
            why,
            is_first: false,
        }
    }
}
