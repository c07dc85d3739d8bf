//! Who a session is, by the token that it shows (DT-M-02).

use serde_json::json;
use uuid::Uuid;

use super::super::messages::{ErrorCode, error_fields, message};
use super::super::sessions::{Context, SessionKey};
use super::super::token::Usage;
use super::{Handler, Identity, State};

impl Handler {
    /// Whether a token is the one that this session has shown.
    pub(super) fn is_token_of(
        &self,
        identity: &Identity,
        token: &str,
        context: &Context<'_>,
    ) -> bool {
        let claims = self.settings.secret.verify(token, Usage::Media, context.at);
        claims.is_ok_and(|claims| claims.jti == identity.jti)
    }

    /// Who shows a token is known from then on (DT-M-02). The answer, and whether the token is valid.
    pub(super) fn authenticate(
        &mut self,
        of: SessionKey,
        token: &str,
        context: &mut Context<'_>,
    ) -> (Vec<u8>, bool) {
        let claims = self.settings.secret.verify(token, Usage::Media, context.at);
        let claims = claims.ok().or_else(|| self.stranger(token, context.at));
        let used = claims.and_then(|claims| {
            let identity = Identity {
                meeting: Uuid::try_parse(&claims.mid).ok()?,
                user: claims.sub.clone(),
                jti: claims.jti.clone(),
            };
            let known = self.sessions.get(&of)?.identity.as_ref();
            let is_same = |known: &Identity| {
                (known.meeting, &known.user) == (identity.meeting, &identity.user)
            };
            let may = known.is_none_or(is_same) && self.may_use(&claims, context);
            may.then_some(identity)
        });
        let Some(identity) = used else {
            self.counters.refused += 1;
            if let Some(session) = self.sessions.get(&of) {
                session.measures.failed(ErrorCode::Unauthorized.name());
            }
            let why = "Invalid or expired connection token";
            let error = error_fields(ErrorCode::Unauthorized, why);
            let answer = message("MediaAuthResult", json!({ "ok": false, "error": error }));
            return (answer, false);
        };
        self.counters.authenticated += 1;
        let participant = participant_id(&identity, context);
        let answer = accepted(&participant);
        if let Some(session) = self.sessions.get_mut(&of) {
            session.measures.of_meeting(&identity.meeting.to_string());
            session.measures.established(&participant, context.at);
            session.identity = Some(identity);
        }
        self.go(of, State::Ready, "its token is valid", context);
        (answer, true)
    }
}

pub(super) fn accepted(participant: &str) -> Vec<u8> {
    let fields = json!({ "ok": true, "participant_id": participant });
    message("MediaAuthResult", fields)
}

/// The participant that a user is; its name where nobody knows it as one.
pub(super) fn participant_id(identity: &Identity, context: &Context<'_>) -> String {
    let known = context.store.participant(identity.meeting, &identity.user);
    known.map_or_else(|| identity.user.clone(), |known| known.id.to_string())
}
