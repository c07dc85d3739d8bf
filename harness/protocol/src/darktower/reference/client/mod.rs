//! A client that acts on its own: it asks for a meeting, joins it, and sends and receives media, as far as
//! its mode says. All of it is on one connection, unless a URL that it is told names another server.

mod authority;
mod leaving;
mod links;
mod machine;
mod media;
mod signaling;

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::deviation::Deviation;
use super::information::MEETINGS;
use super::random::Random;
use super::sessions::SessionKey;
use super::settings::{ClientSettings, Service};
use super::token::{Claims, TOKEN_LIFETIME, Usage};
use super::{CONTROLLER, HANDLER};
use crate::streams::{ConnectionNumber, Output, StreamId};

use links::Attempt;
use media::MediaLink;
use signaling::SignalingLink;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Connections in a row that may fail before anything came of them.
const MOST_FAILURES: u32 = 3;

/// Does what its mode says, and leaves.
#[derive(Debug)]
pub struct Client {
    settings: ClientSettings,
    random: Random,
    user: String,
    attempt: Option<Attempt>,
    outputs: VecDeque<Output>,
    next: u64,
    /// Connections in a row that failed.
    failures: u32,
    counters: ClientCounters,
    done: Option<Result<(), String>>,
}

/// What a client counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClientCounters {
    /// Connections that came about.
    pub connections: u64,
    /// Meetings that it was told of, and those that it joined.
    pub informed: u64,
    pub joined: u64,
    /// Participants that it heard of, and how many of them left.
    pub others: u64,
    pub left: u64,
    pub published: u64,
    pub subscribed: u64,
    /// Sessions with a Media Handler that took its token.
    pub authenticated: u64,
    pub frames_sent: u64,
    pub frames_received: u64,
    /// Streams that were no media, or were broken off.
    pub streams_failed: u64,
    /// What a controller refused after it had joined: a stream that went before it was subscribed to, say.
    pub refused: u64,
}

impl Client {
    /// A client that has not connected so far; it does so at its first input.
    #[must_use]
    pub fn new(settings: ClientSettings) -> Self {
        let mut random = Random::new(settings.seed, 2);
        let user = match settings.user.as_str() {
            "" => random.uuid().to_string(),
            user => user.to_owned(),
        };
        Self {
            settings,
            random,
            user,
            attempt: None,
            outputs: VecDeque::new(),
            next: 0,
            failures: 0,
            counters: ClientCounters::default(),
            done: None,
        }
    }

    /// How it went, when it is over: an error says in a sentence for people why not everything was done.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Result<(), String>> {
        self.done.as_ref()
    }

    /// Asks the next service, if there is one and nothing is due.
    fn ask_next(&mut self, now: Duration) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let at = attempt.at;
        let Some(link) = attempt.links.get(&at).filter(|link| link.is_connected) else {
            return;
        };
        if attempt.answer_by.is_some() {
            return;
        }
        let Some(service) = attempt.services.pop_front() else {
            return;
        };
        attempt.answer_by = Some(now.saturating_add(ANSWER));
        let authority = link.authority.text.clone();
        let path = attempt.path.take();
        match service {
            Service::Information => {
                let token = self.token(now, Usage::Join);
                let path = format!("{MEETINGS}{}", self.settings.meeting);
                let fields = [
                    (":method", "GET".to_owned()),
                    (":scheme", "https".to_owned()),
                    (":authority", authority),
                    (":path", path),
                    ("authorization", format!("Bearer {token}")),
                ];
                let fields = fields.map(|(name, value)| (name.to_owned(), value));
                self.with(|attempt| {
                    let web = attempt.web(at);
                    attempt.request = web.map(|web| web.request(&fields, &[]));
                });
            }
            Service::Controller if self.lacks(Deviation::StreamFirst) => {
                self.with(|attempt| {
                    let of = SessionKey {
                        connection: at,
                        session: StreamId(0),
                    };
                    attempt.signaling = Some(SignalingLink::new(of, authority));
                });
                self.join(now);
            }
            Service::Controller => self.with(|attempt| {
                let path = path.as_deref().unwrap_or(CONTROLLER);
                let url = format!("https://{authority}{path}");
                let of = attempt.open(&authority, path);
                attempt.signaling = of.map(|of| SignalingLink::new(of, url));
            }),
            Service::Handler => self.with(|attempt| {
                let path = path.as_deref().unwrap_or(HANDLER);
                let url = format!("https://{authority}{path}");
                let of = attempt.open(&authority, path);
                attempt.media = of.map(|of| MediaLink::new(of, url));
            }),
        }
    }

    /// The answer that was due came.
    fn answered(&mut self, now: Duration) {
        self.with(|attempt| attempt.answer_by = None);
        if self
            .attempt
            .as_ref()
            .is_some_and(|it| it.services.is_empty())
        {
            self.failures = 0;
        }
        self.ask_next(now);
    }

    /// The token for the next service: the one that came, or one of its own.
    fn token(&mut self, now: Duration, usage: Usage) -> String {
        let came = self.attempt.as_mut().and_then(|it| it.token.take());
        came.unwrap_or_else(|| {
            let at = self.settings.epoch.saturating_add(now);
            let meeting = self.settings.meeting.to_string();
            let claims = Claims::new(&self.user, &meeting, usage, at, TOKEN_LIFETIME);
            let jti = self.random.uuid().to_string();
            self.settings.secret.mint(&claims.named(jti))
        })
    }

    /// The Global Controller answered.
    fn informed(&mut self, now: Duration, at: ConnectionNumber, status: u16, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match (status, body["join_token"].as_str()) {
            (200, Some(token)) => {
                self.counters.informed += 1;
                let token = token.to_owned();
                if self.lacks(Deviation::OldToken) {
                    self.settings.token = Some(token.clone());
                    let services = &mut self.settings.services;
                    services.retain(|service| *service != Service::Information);
                }
                self.with(|attempt| attempt.token = Some(token));
                let url = body["meeting_controller_url"].as_str();
                self.turn_to(Service::Controller, url.unwrap_or_default());
                self.answered(now);
            }
            _ => {
                let code = body["error"]["code"].as_str().unwrap_or("no code");
                let asked = self.meeting_url(at);
                let why = format!("the Global Controller answered {asked} with {status}, {code}");
                self.fail(why);
            }
        }
    }

    /// What a Global Controller is asked for.
    fn meeting_url(&self, at: ConnectionNumber) -> String {
        let link = self.attempt.as_ref().and_then(|it| it.links.get(&at));
        let authority = link.map_or(self.settings.authority.as_str(), |it| &it.authority.text);
        format!("https://{authority}{MEETINGS}{}", self.settings.meeting)
    }

    const fn lacks(&self, deviation: Deviation) -> bool {
        self.settings.without.has(deviation)
    }
}
