//! What the reference can be told: its name, what it means of an implementation, and the flags of
//! `connect` and `serve`.

use std::time::Duration;

use uuid::Uuid;

use super::settings::{
    ClientSettings, MOST_MEETINGS, MediaKind, ServerSettings, Service, meeting, meetings,
};
use super::token::Secret;
use crate::ReferenceSettings;
use crate::setting::{ProtocolOption, keep, number, set_all, settings, span};
use crate::web::https;

/// What is told to either side.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) server: ServerSettings,
    pub(super) client: ClientSettings,
}

settings! { Given, () = ();
    secret "TEXT" => |to, value| to.set_secret(value), {
        connect "The secret that tokens are signed with, where none is given [default: darktower]"
        serve "The secret that tokens are signed with [default: darktower]"
    }
    meetings "LIST" => |to, value| keep(&mut to.server.meetings, meetings(value)), {
        serve "Meetings, with commas between: ID, ID:CAPACITY or ID:ended; or how many for 100 each, numbered from 6d656574-0000-4000-8000-000000000001 on [default: one for 100, one for 2, one that is over]"
    }
    controller_url "URL" => |to, value| keep(&mut to.server.controller_url, https(value).map(|_| Some(value.to_owned()))), {
        serve "Where meetings are joined [default: here]"
    }
    media_url "URL" => |to, value| keep(&mut to.server.media_url, https(value).map(|_| Some(value.to_owned()))), {
        serve "Where media goes [default: here]"
    }
    token_lifetime "TIME" => |to, value| keep(&mut to.server.lifetime, lifetime(value)), {
        serve "How long a token is valid [default: 300s]"
    }
    region "NAME" => |to, value| keep(&mut to.server.place.region, Ok(value.to_owned())), {
        serve "The region that metrics and spans name [default: local]"
    }
    instance "ID" => |to, value| keep(&mut to.server.place.id, Ok(value.to_owned())), {
        serve "The controller_id and handler_id that metrics and spans name [default: 1]"
    }
    meeting "ID" => |to, value| keep(&mut to.client.meeting, uuid(value)), {
        connect "The meeting [default: 6d656574-0000-4000-8000-000000000001]"
    }
    of_meetings "N" => |to, value| to.set_meeting_of(value), {
        connect "Take one of so many meetings, those of `serve --meetings N`, by the seed: with --seed each connection takes the next [default: --meeting]"
    }
    user "NAME" => |to, value| keep(&mut to.client.user, Ok(value.to_owned())), {
        connect "The user, where a token is made [default: a UUID]"
    }
    token "JWT" => |to, value| keep(&mut to.client.token, Ok(Some(value.to_owned()))), {
        connect "The token for the first service that is asked [default: made with the secret]"
    }
    publish "KIND" => |to, value| keep(&mut to.client.publishes, value.parse().map(Some)), {
        connect "Publish a stream (mc) and send it (mh): audio, video, or audio in datagrams (datagrams)"
    }
    frames "N" => |to, value| keep(&mut to.client.frames, number(value, 0, u32::MAX)), {
        connect "Frames to send [default: 10]"
    }
    interval "TIME" => |to, value| keep(&mut to.client.interval, span(value)), {
        connect "Time from one frame to the next [default: 20ms]"
    }
    payload "N" => |to, value| keep(&mut to.client.payload, number(value, 0, super::super::MAX_PAYLOAD)), {
        connect "Bytes of a frame's payload [default: 100]"
    }
    receive "N" => |to, value| keep(&mut to.client.receives, number(value, 0, u32::MAX)), {
        connect "Subscribe to all streams (mc), and stay until so many frames came (mh) [default: 0]"
    }
    sends_audio => |to, _| keep(&mut to.client.publishes, Ok(Some(MediaKind::Audio))), {
        means "a client that publishes a stream of audio and sends it"
    }
    sends_video => |to, _| keep(&mut to.client.publishes, Ok(Some(MediaKind::Video))), {
        means "a client that publishes a stream of video and sends it"
    }
    sends_datagrams => |to, _| keep(&mut to.client.publishes, Ok(Some(MediaKind::Datagrams))), {
        means "a client that publishes a stream of audio and sends each frame in a datagram"
    }
    without "ID" => |to, value| to.leave_out(value), {}
    subscribes => |to, _| keep(&mut to.client.receives, Ok(1)), {
        means "a client that subscribes to all streams that it is told of"
    }
    stay => |to, _| keep(&mut to.client.stays, Ok(true)), {
        means "a client that stays when it has done all that it was asked for"
        connect "Stay in the meeting when everything is done, until the server ends it"
    }
}

impl Given {
    /// What `settings` say; what they do not say is as it is by default.
    ///
    /// # Errors
    /// A sentence for people that names the setting.
    pub(super) fn new(settings: &ReferenceSettings) -> Result<Self, String> {
        let mut given = Self::default();
        let services = Service::of_mode(&settings.mode)?;
        given.server.services.clone_from(&services);
        given.client.services = services;
        given.server.seed = settings.seed;
        given.client.seed = settings.seed;
        given.server.epoch = settings.epoch;
        given.client.epoch = settings.epoch;
        if let Some(peer) = settings.peer {
            given.client.authority = peer.to_string();
        }
        set_all(ROWS, settings, &mut given)?;
        Ok(given)
    }

    /// The seeds of connections are in a row.
    fn set_meeting_of(&mut self, value: &str) -> Result<(), String> {
        let meetings: u64 = number(value, 1, MOST_MEETINGS)?;
        self.client.meeting = meeting(self.client.seed % meetings);
        Ok(())
    }

    fn leave_out(&mut self, name: &str) -> Result<(), String> {
        self.server.without.add(name)?;
        self.client.without.add(name)
    }

    fn set_secret(&mut self, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Err("a secret has at least one byte".to_owned());
        }
        self.server.secret = Secret::new(value);
        self.client.secret = Secret::new(value);
        Ok(())
    }
}

/// The lifetime of a token, which says its expiry in whole seconds.
fn lifetime(value: &str) -> Result<Duration, String> {
    let lifetime = span(value)?;
    let is_whole = lifetime >= Duration::from_secs(1);
    is_whole
        .then_some(lifetime)
        .ok_or_else(|| "such a token would never be valid; its lifetime is at least 1s".to_owned())
}

fn uuid(value: &str) -> Result<Uuid, String> {
    Uuid::try_parse(value).map_err(|_| "is no UUID".to_owned())
}
