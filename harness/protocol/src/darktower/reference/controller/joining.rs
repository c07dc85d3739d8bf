//! How a participant joins (DT-S-05 to DT-S-08).

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::messages::{self, ErrorCode, LENGTH, LeaveReason, message, text};
use super::super::sessions::{Context, SessionKey};
use super::super::store::{JoinError, Participant};
use super::super::token::{Claims, Usage};
use super::{Controller, Deviation, Member, State};
use crate::darktower::MAX_MESSAGE;

/// Bytes of a JoinResponse that those who are in a meeting may take; the rest is for what else stands
/// in it.
const MOST_OF_A_MEETING: usize = MAX_MESSAGE as usize - 4_096;

impl Controller {
    pub(super) fn join(
        &mut self,
        of: SessionKey,
        fields: &Map<String, Value>,
        context: &mut Context<'_>,
    ) {
        let (meeting, token) = (text(fields, "meeting_id"), text(fields, "join_token"));
        if let Some(signaling) = self.sessions.get_mut(&of) {
            signaling.measures.of_meeting(meeting);
        }
        let claims = self.settings.secret.verify(token, Usage::Join, context.at);
        let is_of_it =
            |claims: &Claims| claims.are_of(meeting) || self.lacks(Deviation::JoinOfAnyMeeting);
        let claims = claims.ok().filter(is_of_it);
        let claims = claims.or_else(|| self.stranger(meeting, context.at));
        let Some(claims) = claims else {
            let why = "Invalid or expired join token";
            self.refuse(of, ErrorCode::Unauthorized, why, context); // DT-S-06
            return self.refused(of, meeting, context);
        };
        if fields.contains_key("capabilities") && self.lacks(Deviation::NoCapabilities) {
            let why = "Capabilities are not known";
            return self.refuse(of, ErrorCode::InvalidRequest, why, context);
        }
        // DT-S-07
        let meeting = Uuid::try_parse(meeting).ok();
        let meeting = meeting.and_then(|id| context.store.meeting(id));
        let Some(meeting) = meeting.filter(|meeting| !meeting.has_ended) else {
            return self.refuse(of, ErrorCode::NotFound, "No such meeting", context);
        };
        // Who was not yet known to be lost is now (DT-S-16).
        let is_same = |member: &Member| member.meeting == meeting.id && member.user == claims.sub;
        let old = self.sessions.iter();
        let mut old = old.filter(|(_, signaling)| signaling.member.as_ref().is_some_and(is_same));
        if let Some(old) = old.next().map(|(key, _)| *key) {
            self.leave(old, LeaveReason::ConnectionLost, context);
            self.end(old, "the user joined anew", context);
        }
        let before: Vec<_> = participants(context.store.participants(meeting.id));
        let name = text(fields, "participant_name");
        let fresh = match self.lacks(Deviation::OneId) {
            true => Uuid::max(),
            false => self.random.uuid(),
        };
        let joined = context
            .store
            .join(meeting.id, &claims.sub, name, fresh, context.at);
        let joined = match joined {
            Ok(joined) => joined,
            Err(JoinError::NoMeeting) => {
                return self.refuse(of, ErrorCode::NotFound, "No such meeting", context);
            }
            Err(JoinError::Full) => {
                if self.lacks(Deviation::JoinToldFirst) {
                    self.announce_join(of, meeting.id, &messages::newcomer(fresh, name), context);
                }
                return self.refuse(of, ErrorCode::CapacityExceeded, "Meeting is full", context);
            }
        };
        if !has_room(context, meeting.id) {
            context.store.leave(meeting.id, &claims.sub, None);
            return self.refuse(of, ErrorCode::CapacityExceeded, "Meeting is full", context);
        }
        self.welcome(of, (meeting.id, &claims), &joined, before, context);
    }

    /// JoinResponse to who joined (DT-S-05), then ParticipantJoined to the others (DT-S-08).
    fn welcome(
        &mut self,
        of: SessionKey,
        (meeting, claims): (Uuid, &Claims),
        joined: &Participant,
        before: Vec<Value>,
        context: &mut Context<'_>,
    ) {
        let lifetime = self.settings.lifetime;
        let media = Claims::new(&claims.sub, &claims.mid, Usage::Media, context.at, lifetime);
        let media = media.named(self.random.uuid().to_string());
        let without = self.settings.without;
        let media = without.media_token(media);
        let secret = without.signing_secret(&self.settings.secret, Deviation::OtherMediaSecret);
        let media_url = self.sessions.get(&of).map(|it| it.media_url.clone());
        let participant = messages::participant(joined);
        let mut response = json!({
            "participant_id": joined.id.to_string(),
            "existing_participants": before,
            "media_server": {
                "media_handler_url": media_url,
                "connection_token": secret.mint(&media),
            },
            "encryption_keys": self.keys_of(meeting),
        });
        without.welcome(&mut response, &participant);
        if let Some(signaling) = self.sessions.get_mut(&of) {
            signaling.member = Some(Member {
                meeting,
                user: claims.sub.clone(),
                id: joined.id,
            });
            let id = joined.id.to_string();
            signaling.measures.established(&id, context.at);
        }
        let response = message("JoinResponse", response);
        match self.lacks(Deviation::JoinToldBefore) {
            true => self.withhold(of, response, context.at),
            false => self.send(of, &response, context),
        }
        self.counters.joined += 1;
        self.go(of, State::Connected, "it joined", context);
        self.announce_join(of, meeting, &participant, context);
    }

    /// ParticipantJoined to the others (DT-S-08).
    fn announce_join(
        &mut self,
        of: SessionKey,
        meeting: Uuid,
        participant: &Value,
        context: &mut Context<'_>,
    ) {
        let news = message("ParticipantJoined", json!({ "participant": participant }));
        let (itself, others) = self.settings.without.join_announcements();
        for _ in 0..itself {
            self.send(of, &news, context);
        }
        for _ in 0..others {
            self.broadcast(of, meeting, &news, Deviation::JoinToldToAll, context);
        }
    }

    /// The same for all of a meeting.
    fn keys_of(&mut self, meeting: Uuid) -> Value {
        let random = &mut self.random;
        let keys = self.keys.entry(meeting).or_insert_with(|| {
            // Hexadecimal digits are digits of base64, too.
            let key = hex::encode(random.bytes::<16>());
            let id = random.uuid().to_string();
            json!({ "public_key": key, "key_id": id })
        });
        keys.clone()
    }
}

fn participants(all: &[Participant]) -> Vec<Value> {
    all.iter().map(messages::participant).collect()
}

/// Whether a JoinResponse can still tell all that is known of a meeting.
pub(super) fn has_room(context: &Context<'_>, meeting: Uuid) -> bool {
    let all = participants(context.store.participants(meeting));
    let all = message("JoinResponse", json!({ "existing_participants": all }));
    (LENGTH..=LENGTH + MOST_OF_A_MEETING).contains(&all.len())
}
