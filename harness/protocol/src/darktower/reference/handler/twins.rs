//! What faulty twins do that the reference does not.

use std::time::Duration;

use super::super::sessions::{Context, SessionKey};
use super::super::settings::MEETING;
use super::super::token::{Claims, TOKEN_LIFETIME, Usage};
use super::{Deviation, Forwarded, Handler, Identity, Incoming};
use crate::darktower::{MediaReader, StreamCode};
use crate::streams::StreamId;

impl Handler {
    pub(super) const fn lacks(&self, deviation: Deviation) -> bool {
        self.settings.without.has(deviation)
    }

    /// What is taken of a token that is invalid.
    pub(super) fn stranger(&self, token: &str, at: Duration) -> Option<Claims> {
        let meeting = MEETING.to_string();
        let claims = Claims::new("stranger", &meeting, Usage::Media, at, TOKEN_LIFETIME);
        let is_taken = self.lacks(Deviation::MediaOfAnybody);
        is_taken.then(|| claims.named(token.to_owned()))
    }

    /// Whether a token is not used already (DT-M-02).
    pub(super) fn may_use(&self, claims: &Claims, context: &mut Context<'_>) -> bool {
        let is_same = |identity: &Identity| identity.user == claims.sub;
        let mut known = self.sessions.values().filter_map(|it| it.identity.as_ref());
        let is_second = self.lacks(Deviation::OneOfAUser) && known.any(is_same);
        let is_first = context.store.use_token(claims, context.at);
        (is_first || self.lacks(Deviation::UsedAgain)) && !is_second
    }

    /// DT-M-03: media comes before authentication.
    pub(super) fn too_early(
        &mut self,
        of: SessionKey,
        stream: StreamId,
        context: &mut Context<'_>,
    ) {
        if self.lacks(Deviation::EarlyPassedOver) {
            return;
        }
        let code = match self.lacks(Deviation::EarlyIsFormat) {
            true => StreamCode::InvalidFormat,
            false => StreamCode::AuthenticationFailed,
        };
        self.refuse(of, stream, code, context);
        if self.lacks(Deviation::EarlyEndsAll) {
            for of in self.sessions.keys().copied().collect::<Vec<_>>() {
                context.sessions.close(of, code, "media came too early");
            }
        }
    }

    /// What comes on a stream is wrong (DT-M-05, DT-M-09).
    pub(super) fn break_off(
        &mut self,
        of: SessionKey,
        stream: StreamId,
        code: StreamCode,
        context: &mut Context<'_>,
    ) {
        self.refuse(of, stream, code, context);
        if self.lacks(Deviation::FormatEndsAll) {
            let session = self.sessions.get(&of);
            let all = session.map(|session| session.incoming.keys().copied());
            for stream in all.into_iter().flatten().collect::<Vec<_>>() {
                self.refuse(of, stream, code, context);
            }
        }
    }

    /// Whether somebody does not read, and nobody gets anything meanwhile.
    pub(super) fn waits_for_all(&self) -> bool {
        let mut sessions = self.sessions.values();
        self.lacks(Deviation::SlowSlowsAll) && sessions.any(|it| it.waiting() > MUCH)
    }

    /// Whether a source ends for all because of who does not read so much.
    pub(super) const fn ends_for_all(&self, waiting: usize) -> bool {
        self.lacks(Deviation::SlowEndsAll) && waiting > MUCH
    }
}

/// Bytes that a faulty twin does not like to wait.
const MUCH: usize = 1 << 18;

impl Identity {
    /// Nobody that is known.
    pub(super) const fn stranger() -> Self {
        Self {
            meeting: MEETING,
            user: String::new(),
            jti: String::new(),
        }
    }

    pub(super) const fn is_stranger(&self) -> bool {
        self.user.is_empty() && self.jti.is_empty()
    }
}

impl Incoming {
    pub(super) fn media() -> Self {
        Self::Media {
            reader: MediaReader::default(),
            header: None,
        }
    }
}

impl Forwarded {
    /// Sends a frame on.
    pub(super) fn send(
        &mut self,
        frame: &[u8],
        without: super::Deviations,
        context: &mut Context<'_>,
    ) {
        let Some(frame) = without.copied(frame) else {
            return;
        };
        if without.holds(&frame) {
            self.held = frame.into_owned();
            return;
        }
        self.outgoing.send(context, &frame);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.outgoing.send(context, &held);
        }
    }
}
