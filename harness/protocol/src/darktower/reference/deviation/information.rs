//! What faulty twins tell of meetings.

use serde_json::Value;
use uuid::Uuid;

use super::{Deviation, Deviations};
use crate::darktower::reference::messages::ErrorCode;
use crate::darktower::reference::token::{Claims, Secret, Usage};
use crate::web::Field;

/// By how many seconds the clock of a twin is ahead.
const LATER: u64 = 600;

impl Deviations {
    /// The header fields among which the token is looked for.
    pub(in super::super) fn looked_at(self, fields: &[Field]) -> &[Field] {
        match self.has(Deviation::FieldsInOrder) {
            true => fields.last_chunk::<1>().map_or(&[], |last| last),
            false => fields,
        }
    }

    /// What the join token says that is told.
    pub(in super::super) fn issued_token(self, mut claims: Claims) -> Claims {
        if self.has(Deviation::OtherMeetingsToken) {
            claims.mid = next(&claims.mid);
        }
        if self.has(Deviation::NamelessJoinToken) {
            claims.jti.clear();
        }
        if self.has(Deviation::MediaTokenToJoin) {
            claims.usage = Usage::Media;
        }
        if self.has(Deviation::ShortToken) {
            claims.exp = claims.exp.saturating_sub(60);
        }
        if self.has(Deviation::LongToken) {
            claims.exp = claims.exp.saturating_add(300);
        }
        if self.has(Deviation::LaterToken) {
            claims.iat = claims.iat.saturating_add(LATER);
            claims.exp = claims.exp.saturating_add(LATER);
        }
        claims
    }

    /// What a token for media says.
    pub(in super::super) fn media_token(self, mut claims: Claims) -> Claims {
        if self.has(Deviation::OtherMeetingsMediaToken) {
            claims.mid = next(&claims.mid);
        }
        if self.has(Deviation::MediaTokenForJoining) {
            claims.usage = Usage::Join;
        }
        if self.has(Deviation::ShortMediaToken) {
            claims.exp = claims.exp.saturating_sub(60);
        }
        if self.has(Deviation::LongMediaToken) {
            claims.exp = claims.exp.saturating_add(2_700);
        }
        if self.has(Deviation::LaterMediaToken) {
            claims.iat = claims.iat.saturating_add(LATER);
            claims.exp = claims.exp.saturating_add(LATER);
        }
        if self.has(Deviation::NamelessMediaToken) {
            claims.jti.clear();
        }
        if self.has(Deviation::OneMediaName) {
            "media".clone_into(&mut claims.jti);
        }
        if self.has(Deviation::UsersMediaName) {
            claims.jti.clone_from(&claims.sub);
        }
        claims
    }

    /// What signs the tokens that a service hands out; a twin that lacks `shared` has its own secret for that.
    pub(in super::super) fn signing_secret(self, secret: &Secret, shared: Deviation) -> Secret {
        match self.has(shared) {
            true => Secret::new("another secret"),
            false => secret.clone(),
        }
    }

    /// When a token expires, as an answer says it, in seconds.
    pub(in super::super) const fn issued_expiry(self, expiry: u64) -> u64 {
        match self.has(Deviation::LateExpiry) {
            true => expiry.saturating_add(3_600),
            false => expiry,
        }
    }

    /// The answer to a request.
    pub(in super::super) fn informed(self, body: &mut Value) {
        let lacking = [
            (Deviation::NoMeetingId, "meeting_id"),
            (Deviation::NoControllerUrl, "meeting_controller_url"),
            (Deviation::NoExpiry, "expires_at"),
        ];
        for (_, field) in lacking.into_iter().filter(|(fault, _)| self.has(*fault)) {
            if let Value::Object(fields) = body {
                fields.remove(field);
            }
        }
        if let (Some(Value::String(url)), true) = (
            body.get_mut("meeting_controller_url"),
            self.has(Deviation::PlainControllerUrl),
        ) {
            *url = url.replacen("https://", "http://", 1);
        }
    }

    /// The body of an error.
    pub(in super::super) fn error(self, body: &mut Value) {
        if let (Value::Object(fields), true) =
            (&mut body["error"], self.has(Deviation::ErrorWithoutCode))
        {
            fields.remove("code");
        }
    }

    /// The error by which a request is refused.
    pub(in super::super) const fn refused_with(self, code: ErrorCode) -> ErrorCode {
        use Deviation as D;
        use ErrorCode as E;
        match code {
            E::NotFound if self.has(D::UnknownIsInvalid) => E::InvalidRequest,
            E::InvalidRequest if self.has(D::AnyIdIsUnknown) => E::NotFound,
            E::Unauthorized if self.has(D::NoBearerIsUnknown) => E::NotFound,
            code => code,
        }
    }
}

/// The id of the meeting with the next number.
fn next(meeting: &str) -> String {
    let meeting = Uuid::try_parse(meeting).unwrap_or_default();
    Uuid::from_u128(meeting.as_u128().wrapping_add(1)).to_string()
}
