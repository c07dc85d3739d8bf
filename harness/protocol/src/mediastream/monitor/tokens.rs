//! What the START and JOIN tokens do on a tuple with a session.

use std::time::Duration;

use super::flow::Flow;
use super::handshake::Answer;
use super::order::Origin;
use super::rule::Rule;
use super::scope::{Context, Evidence};
use super::starts::StartTokens;
use super::time::ANSWER;
use super::view::{Media, PROTOCOL_FLAG};
use crate::mediastream::Mode;
use crate::mediastream::frame::ConnectionId;

/// How long an unanswered request stays the same request.
const STALE: Duration = Duration::from_secs(10);

impl Flow {
    /// The START token of the initiator.
    pub(super) fn start_token(&mut self, context: &mut Context<'_>) {
        let (is_silent, is_complete) = (self.is_over(context), self.is_complete(context));
        let (session, mut scope) = self.parts(context);
        let is_over = is_silent && !session.may_be_held(is_complete, &scope);
        let (now, has_begun) = (scope.now, session.stream.has_begun());
        let handshake = &mut session.handshake;
        if handshake.start3.is_some()
            && !handshake.token_within_start3(has_begun, is_over || is_complete, &mut scope)
        {
            return;
        }
        let is_off = scope.option("allow_legacy_start") == Some(false);
        let is_accepted = handshake.answer == Answer::Accepted;
        let is_new = match (&mut session.starts, session.mode) {
            (Some(starts), _) if !is_over && !starts.is_stale(&now, STALE) => {
                starts.again(&mut scope);
                false
            }
            (Some(_), _) => true,
            (None, Some(Mode::ThreeWay)) => match handshake.confirmed {
                // MS-H-20: it is dropped.
                None if !is_over && is_accepted && is_off => false,
                // MS-L-04: the tuple streams already, and needs no ACK any more.
                None if !is_over && handshake.early.is_named() => {
                    // Unless the session was dropped: then it opens the next one.
                    handshake.token = handshake.may_be_dropped(&scope).then_some(now);
                    handshake.confirmed_by_start(now);
                    false
                }
                None => {
                    handshake.fell_back = true;
                    true
                }
                Some(acked) => {
                    handshake.token = Some(now);
                    is_over || (!has_begun && now.is_past(&acked, ANSWER))
                }
            },
            // Asked above.
            (None, Some(Mode::Start3)) => true,
            // An upload that was answered is a session before its first media too (MS-X-04).
            (None, Some(Mode::Legacy) | None) => is_over || !(has_begun || session.is_named()),
        };
        if is_new {
            self.reopen(Some(Mode::Legacy), Origin::Start, context);
            self.opened_by_token(context);
        }
    }

    /// The session's first datagram is the START token.
    pub(super) fn opened_by_token(&mut self, context: &mut Context<'_>) {
        let was_asked = context.responders.was_asked(self.parties.responder);
        let (session, mut scope) = self.parts(context);
        scope.exercised(Rule::L01);
        if scope.speaks_only(Mode::ThreeWay) && !was_asked {
            // MS-H-01
            scope.breach(Rule::H01, || {
                Evidence::new("a SYN first", "the START token").field(PROTOCOL_FLAG)
            });
        }
        session.starts = Some(StartTokens::new(&scope.now));
    }

    /// The responder sent a connection-id (with an id) or media: whether it serves a START token that
    /// came within a session of a handshake shows here, for then that session had ended, or never begun.
    pub(super) fn token_was_served(
        &mut self,
        name: Option<ConnectionId>,
        context: &mut Context<'_>,
    ) {
        let session = &self.session;
        let Some(token) = session.handshake.token else {
            return;
        };
        let is_served = if session.handshake.start3.is_some() {
            let is_complete = self.is_complete(context);
            session.handshake.serves_token(name.is_some(), is_complete)
        } else {
            let is_known = |id: &ConnectionId| {
                let before = &session.before;
                let is_earlier = before.id == Some(*id) || before.ids.remembers(id);
                is_earlier || session.handshake.offered.contains(id)
            };
            let handshake = &session.handshake;
            match handshake.request.is_some() && handshake.answered.is_none() {
                // It waited for a slot, and nothing else can be answered by this (MS-X-02).
                true => name.is_none_or(|id| !is_known(&id)),
                false => {
                    name.is_some_and(|id| !is_known(&id))
                        && !context.now.is_past(&token, ANSWER)
                        && session.attempt.is_none()
                }
            }
        };
        if is_served {
            self.reopen(Some(Mode::Legacy), Origin::Start, context);
            self.opened_by_token(&mut context.at(token));
        }
    }

    /// Opens the session of a START token that was taken for a copy or a confirmation, if media begins anew.
    pub(super) fn token_opens_now(&mut self, media: &Media<'_>, context: &mut Context<'_>) {
        let session = &self.session;
        if media.sequence != Some(1) || session.stream.highest() <= 1 {
            return;
        }
        let (mode, name) = (session.mode, session.handshake.named_since);
        if let Some(token) = session.handshake.doubtful_token() {
            self.reopen(Some(Mode::Legacy), Origin::Start, context);
            let mut then = context.at(token);
            self.opened_by_token(&mut then);
            if let Some(id) = name {
                let (session, mut scope) = self.parts(&mut then);
                session.name(id, &mut scope);
            }
        } else if matches!(mode, Some(Mode::Legacy) | None)
            && self.is_complete(context)
            && let Some(starts) =
                (session.starts.as_ref()).and_then(StartTokens::of_the_next_session)
        {
            self.reopen(mode, Origin::Start, context);
            self.session.starts = Some(starts);
        }
    }

    /// The JOIN token of the initiator: it wants to send. A copy, and one on a tuple whose session
    /// lives or whose request was answered, asks for nothing (MS-X-04).
    pub(super) fn join_token(&mut self, context: &mut Context<'_>) {
        let session = &self.session;
        let handshake = &session.handshake;
        let is_answered = session.is_named()
            || handshake.start3.is_some()
            || handshake.confirmed.is_some()
            || handshake.early.is_named()
            || handshake.offered.first().is_some();
        let waits = !session.is_upload && !session.stream.has_begun() && !is_answered;
        if waits || self.is_over(context) {
            self.reopen(Some(Mode::Legacy), Origin::Start, context);
            self.session.is_upload = true;
        }
    }
}
