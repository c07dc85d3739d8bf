//! What a client says to a Meeting Controller, and hears from it.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Deviation};
use crate::darktower::reference::SessionKey;
use crate::darktower::reference::messages::{message, part, text};
use crate::darktower::reference::settings::{MediaKind, Service};
use crate::darktower::reference::token::Usage;
use crate::darktower::{Envelope, MessageReader};
use crate::streams::StreamId;
use crate::vocabulary::Described;
use crate::web::SessionStream;

/// A session with a Meeting Controller.
#[derive(Debug)]
pub(super) struct SignalingLink {
    pub(super) of: SessionKey,
    pub(super) url: String,
    /// What it asked for that has no answer yet.
    asked: VecDeque<Asked>,
    /// Its stream, once the session is there.
    pub(super) stream: Option<StreamId>,
    reader: MessageReader,
    participant: String,
    /// The stream that it publishes.
    pub(super) publishes: Option<String>,
}

/// What has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Join,
    Publish,
    Subscribe,
}

impl SignalingLink {
    /// The place of the first that was asked for of such a kind.
    fn first(&self, what: Asked) -> Option<usize> {
        self.asked.iter().position(|asked| *asked == what)
    }

    /// What an error answers: what was asked for first, but streams come and go, and only a stream is not found
    /// by who has joined.
    fn refused(&mut self, code: &str) -> Option<Asked> {
        let subscribed = self.first(Asked::Subscribe);
        let place = subscribed
            .filter(|_| code == "NOT_FOUND")
            .unwrap_or_default();
        self.asked.remove(place)
    }
    pub(super) fn new(of: SessionKey, url: String) -> Self {
        Self {
            of,
            url,
            asked: VecDeque::new(),
            stream: None,
            reader: MessageReader::new(Envelope::Server),
            participant: String::new(),
            publishes: None,
        }
    }
}

impl Client {
    /// The session is there: it joins (DT-S-03).
    pub(super) fn join(&mut self, now: Duration) {
        let token = self.token(now, Usage::Join);
        let request = json!({
            "meeting_id": self.settings.meeting.to_string(),
            "join_token": token,
            "participant_name": self.user,
            "capabilities": { "video_codecs": ["AV1"], "audio_codecs": ["opus"] },
        });
        let request = message("JoinRequest", request);
        let without = self.settings.without;
        let mut request = without.framed(&request).into_owned();
        if without.has(Deviation::PublishesFirst) {
            let first = message("PublishStream", json!({ "stream_id": self.user }));
            request.splice(..0, first);
        }
        self.with(|attempt| {
            if let Some(signaling) = &mut attempt.signaling
                && let Some(link) = attempt.links.get_mut(&signaling.of.connection)
            {
                let stream = link.web.open(signaling.of.session, false);
                signaling.stream = Some(stream);
                link.web.write(stream, request);
            }
        });
        self.requests(Asked::Join);
        self.go_signaling("AUTHENTICATING", "the session is there");
    }

    /// Something happened on a stream of the session.
    pub(super) fn on_signaling(&mut self, now: Duration, what: SessionStream) {
        let Some(signaling) = self.attempt.as_mut().and_then(|it| it.signaling.as_mut()) else {
            return;
        };
        match what {
            SessionStream::Bytes(bytes) => {
                let without = self.settings.without;
                let (messages, read) = without.read(&mut signaling.reader, &bytes); // DT-S-12
                for message in messages {
                    self.handle_message(now, &message);
                }
                if let Err(wrong) = read {
                    self.fail(format!("the controller's stream cannot be read: {wrong}"));
                }
            }
            SessionStream::Fin | SessionStream::Reset(_) | SessionStream::Stopped(_) => {
                self.fail("the controller ended the stream".to_owned());
            }
            SessionStream::Opened | SessionStream::Written => {}
        }
    }

    fn handle_message(&mut self, now: Duration, message: &Described) {
        let fields = &message.fields;
        match message.frame {
            "JoinResponse" => self.joined(now, fields),
            "ParticipantJoined" => {
                self.counters.others += 1;
                self.subscribe_to(part(fields, "participant"));
            }
            "ParticipantLeft" => self.counters.left += 1,
            "StreamPublished" => {
                let (id, stream) = (text(fields, "participant_id"), part(fields, "stream"));
                let signaling = self.attempt.as_ref().and_then(|it| it.signaling.as_ref());
                if signaling.is_some_and(|signaling| signaling.participant == id) {
                    self.counters.published += 1;
                    self.was_answered(Asked::Publish);
                    self.answered(now);
                } else {
                    self.subscribe_to(&json!({ "streams": [stream] }));
                }
            }
            "StreamSubscribed" => {
                self.counters.subscribed += 1;
                self.was_answered(Asked::Subscribe);
            }
            "ErrorMessage" => {
                let (code, why) = (part(fields, "code"), text(fields, "message"));
                let code = code.as_str().unwrap_or("an unknown code");
                let signaling = self.attempt.as_mut().and_then(|it| it.signaling.as_mut());
                match signaling.map(|it| (it.refused(code), &it.url)) {
                    Some((Some(Asked::Join | Asked::Publish), url)) => {
                        let who = format!("the Meeting Controller at {url}");
                        self.fail(format!("{who} answered {code}: {why}"));
                    }
                    Some((Some(Asked::Subscribe) | None, _)) | None => self.counters.refused += 1,
                }
            }
            // Nothing is made of how a stream is received; the reader knows no others.
            _other => {}
        }
    }

    fn was_answered(&mut self, what: Asked) {
        if let Some(signaling) = self.attempt.as_mut().and_then(|it| it.signaling.as_mut())
            && let Some(place) = signaling.first(what)
        {
            signaling.asked.remove(place);
        }
    }

    fn requests(&mut self, what: Asked) {
        if let Some(signaling) = self.attempt.as_mut().and_then(|it| it.signaling.as_mut()) {
            signaling.asked.push_back(what);
        }
    }

    fn joined(&mut self, now: Duration, fields: &serde_json::Map<String, Value>) {
        self.counters.joined += 1;
        self.was_answered(Asked::Join);
        let media_server = part(fields, "media_server");
        let token = media_server["connection_token"].as_str();
        let token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        let participant = text(fields, "participant_id").to_owned();
        self.with(|attempt| {
            attempt.token = token;
            if let Some(signaling) = &mut attempt.signaling {
                signaling.participant = participant;
            }
        });
        self.go_signaling("CONNECTED", "it joined");
        let others = part(fields, "existing_participants").as_array();
        for other in others.into_iter().flatten() {
            self.counters.others += 1;
            self.subscribe_to(other);
        }
        let url = media_server["media_handler_url"].as_str();
        self.turn_to(Service::Handler, url.unwrap_or_default());
        match self.settings.publishes {
            Some(kind) => self.publish(kind),
            None => self.answered(now),
        }
    }

    fn publish(&mut self, kind: MediaKind) {
        let id = self.random.uuid().to_string();
        let (stream_type, codec) = match kind {
            MediaKind::Audio | MediaKind::Datagrams => ("AUDIO", "opus"),
            MediaKind::Video => ("VIDEO_CAMERA", "AV1"),
        };
        let stream = json!({
            "stream_id": id, "stream_type": stream_type, "metadata": { "codec": codec },
        });
        self.send(message("PublishStream", stream));
        self.requests(Asked::Publish);
        self.with(|attempt| {
            if let Some(signaling) = &mut attempt.signaling {
                signaling.publishes = Some(id);
            }
        });
    }

    /// Subscribes to the streams of a participant, if it wants any.
    fn subscribe_to(&mut self, participant: &Value) {
        let streams = participant["streams"].as_array();
        for stream in streams.into_iter().flatten() {
            if self.settings.receives > 0 {
                let fields = json!({ "stream_id": stream["stream_id"] });
                self.send(message("SubscribeStream", fields));
                self.requests(Asked::Subscribe);
            }
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.with(|attempt| {
            if let Some(signaling) = &attempt.signaling
                && let Some(stream) = signaling.stream
                && let Some(link) = attempt.links.get_mut(&signaling.of.connection)
            {
                link.web.write(stream, bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::ConnectionNumber;

    #[test]
    fn a_stream_that_is_not_found_says_nothing_of_what_else_was_asked_for() {
        let of = SessionKey {
            connection: ConnectionNumber(0),
            session: StreamId(0),
        };
        let mut link = SignalingLink::new(of, String::new());
        link.asked
            .extend([Asked::Publish, Asked::Subscribe, Asked::Subscribe]);
        assert_eq!(link.refused("NOT_FOUND"), Some(Asked::Subscribe));
        assert_eq!(link.refused("CONFLICT"), Some(Asked::Publish));
        assert_eq!(link.refused("CAPACITY_EXCEEDED"), Some(Asked::Subscribe));
        assert_eq!(link.refused("NOT_FOUND"), None);
    }
}
