//! The connections of a client: one to each server that it is sent to.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Client;
use super::authority::{Authority, parts};
use super::leaving::Leaving;
use super::media::MediaLink;
use super::signaling::SignalingLink;
use crate::darktower::reference::SessionKey;
use crate::darktower::reference::settings::Service;
use crate::machine::{Failure, Outcome};
use crate::streams::{ConnectOptions, ConnectionNumber, Output, StreamId};
use crate::web::{Web, WebCode, WebEvent, https};

/// What begins anew when a connection is lost (DT-S-15).
#[derive(Debug)]
pub(super) struct Attempt {
    /// That with the Meeting Controller and that with the Media Handler, which may be the same one; at
    /// first that with the Global Controller.
    pub(super) links: BTreeMap<ConnectionNumber, Link>,
    /// Where the next service is asked, and by which path, if a URL named one.
    pub(super) at: ConnectionNumber,
    pub(super) path: Option<String>,
    /// Services that are still to be asked.
    pub(super) services: VecDeque<Service>,
    /// Until when an answer must have come, if one is due.
    pub(super) answer_by: Option<Duration>,
    /// The token for the next service, if one came or was given.
    pub(super) token: Option<String>,
    pub(super) request: Option<StreamId>,
    pub(super) signaling: Option<SignalingLink>,
    pub(super) media: Option<MediaLink>,
    pub(super) leaving: Option<Leaving>,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) web: Web,
    pub(super) authority: Authority,
    pub(super) state: &'static str,
    pub(super) is_connected: bool,
}

impl Link {
    fn new(connection: ConnectionNumber, authority: Authority) -> Self {
        Self {
            web: Web::client(connection),
            authority,
            state: "DISCONNECTED",
            is_connected: false,
        }
    }
}

impl Attempt {
    pub(super) fn web(&mut self, of: ConnectionNumber) -> Option<&mut Web> {
        self.links.get_mut(&of).map(|link| &mut link.web)
    }

    /// The next thing that happened on any connection.
    pub(super) fn poll_event(&mut self) -> Option<(ConnectionNumber, WebEvent)> {
        let mut links = self.links.iter_mut();
        links.find_map(|(connection, link)| Some((*connection, link.web.poll_event()?)))
    }

    /// Nothing more is said to the Meeting Controller.
    pub(super) fn end_signaling(&mut self) {
        if let Some(signaling) = &self.signaling
            && let Some(stream) = signaling.stream
            && let Some(link) = self.links.get_mut(&signaling.of.connection)
        {
            link.web.fin(stream);
        }
    }

    /// Opens a session where the next service is asked.
    pub(super) fn open(&mut self, authority: &str, path: &str) -> Option<SessionKey> {
        let connection = self.at;
        let web = self.web(connection)?;
        Some(SessionKey {
            connection,
            session: web.connect(authority, path, &[]),
        })
    }
}

impl Client {
    /// A new connection, on which everything begins anew (DT-S-15).
    pub(super) fn connect(&mut self) {
        let connection = self.number();
        let authority = Authority::new(&self.settings.authority, false);
        self.attempt = Some(Attempt {
            links: [(connection, Link::new(connection, authority))].into(),
            at: connection,
            path: None,
            services: self.settings.services.iter().copied().collect(),
            answer_by: None,
            token: self.settings.token.clone(),
            request: None,
            signaling: None,
            media: None,
            leaving: None,
        });
        self.outputs.push_back(Output::Connect(connection));
        self.go(connection, "CONNECTING", "it begins");
    }

    fn number(&mut self) -> ConnectionNumber {
        let number = ConnectionNumber(self.next);
        self.next += 1;
        number
    }

    /// A server said where `service` is, which is asked there if it is the next one. Without a URL it
    /// is here.
    pub(super) fn turn_to(&mut self, service: Service, url: &str) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let (before, is_next) = (attempt.at, attempt.services.front() == Some(&service));
        let signaling = attempt.signaling.as_ref().map(|it| it.of.connection);
        // It turns once for each service, however often it is told.
        if url.is_empty() || !is_next || signaling.is_some_and(|here| here != before) {
            return;
        }
        let Some(here) = attempt.links.get(&before).map(|link| &link.authority) else {
            return;
        };
        let url = match https(url) {
            Ok(url) => url,
            Err(why) => return self.fail(why),
        };
        let (authority, path) = parts(&url);
        let there = Authority::new(authority, here.is_ipv6());
        attempt.path = Some(path.to_owned());
        if there.is(here) {
            return;
        }
        let Some(to) = there.address else {
            return self.fail(format!(
                "{url} names a server by a name, and none is looked up: only an IP address or localhost is followed"
            ));
        };
        let connection = self.number();
        let options = ConnectOptions {
            to: Some(to),
            ..ConnectOptions::default()
        };
        self.outputs
            .push_back(Output::ConnectBy(connection, options));
        if let Some(attempt) = &mut self.attempt {
            let link = Link::new(connection, there);
            attempt.links.insert(connection, link);
            attempt.at = connection;
        }
        self.go(connection, "CONNECTING", "it is sent there");
        // Nothing more is wanted of a Global Controller.
        if signaling.is_none() {
            self.close(before, WebCode::NoError, &Ok(()));
        }
    }

    /// Does something on the connections; what it wants of QUIC leaves.
    pub(super) fn with(&mut self, act: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = &mut self.attempt {
            act(attempt);
            for link in attempt.links.values_mut() {
                let outputs = std::iter::from_fn(|| link.web.poll_output());
                self.outputs.extend(outputs);
            }
        }
    }

    pub(super) fn go(&mut self, connection: ConnectionNumber, to: &'static str, why: &'static str) {
        let attempt = self.attempt.as_mut();
        let Some(link) = attempt.and_then(|attempt| attempt.links.get_mut(&connection)) else {
            return;
        };
        let from = std::mem::replace(&mut link.state, to);
        if from != to {
            self.outputs.push_back(Output::Transition {
                connection,
                from,
                to,
                why,
            });
        }
    }

    pub(super) fn go_signaling(&mut self, to: &'static str, why: &'static str) {
        let signaling = self.attempt.as_ref().and_then(|it| it.signaling.as_ref());
        if let Some(of) = signaling.map(|signaling| signaling.of) {
            self.go(of.connection, to, why);
        }
    }

    pub(super) fn go_media(&mut self, to: &'static str, why: &'static str) {
        let media = self.attempt.as_ref().and_then(|it| it.media.as_ref());
        if let Some(of) = media.map(|media| media.of) {
            self.go(of.connection, to, why);
        }
    }

    /// Closes a connection, if it is still there.
    pub(super) fn close(
        &mut self,
        connection: ConnectionNumber,
        code: WebCode,
        how: &Result<(), String>,
    ) {
        self.go(connection, "DISCONNECTED", "the client closes it");
        let attempt = self.attempt.as_mut();
        if attempt.is_none_or(|attempt| attempt.links.remove(&connection).is_none()) {
            return;
        }
        self.outputs.push_back(Output::Close {
            connection,
            code: code.number(),
            reason: how.as_ref().err().cloned().unwrap_or_default(),
        });
        let outcome = match how {
            Ok(()) => Outcome::Completed,
            Err(why) => Outcome::Failed(Failure {
                cause: code.name(),
                message: why.clone(),
            }),
        };
        self.outputs.push_back(Output::Ended {
            connection,
            outcome,
        });
    }

    /// The connections that it has.
    pub(super) fn connections(&self) -> Vec<ConnectionNumber> {
        let attempt = self.attempt.as_ref();
        attempt.map_or_else(Vec::new, |attempt| attempt.links.keys().copied().collect())
    }

    pub(super) fn close_all(&mut self, code: WebCode, how: &Result<(), String>) {
        for connection in self.connections() {
            self.close(connection, code, how);
        }
        self.attempt = None;
    }
}
