//! The three services on one port: which of them a path is for, and what QUIC and HTTP/3 have to do with
//! it.

mod stopping;
mod wires;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::super::StreamCode;
use super::controller::{Controller, ControllerSettings};
use super::deviation::Deviation;
use super::handler::{Handler, HandlerSettings};
use super::information::{Information, InformationSettings, Request};
use super::sessions::{Context, SessionEnd, SessionKey};
use super::settings::{ServerSettings, Service};
use super::store::Memory;
use super::{CONTROLLER, HANDLER};
use crate::machine::{Failure, Outcome};
use crate::streams::{
    Closing, ConnectionNumber, Input, Output, Path, StreamId, StreamMachine, StreamUpdate,
};
use crate::web::{Field, SessionStream, Web, WebCode, WebEvent};
use stopping::Stopping;
use wires::Wires;

/// Serves the services of its mode.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    wires: Wires,
    /// Which service a session is with.
    sessions: BTreeMap<SessionKey, Service>,
    /// When the first packet of each connection came, since 1970, and what was seen of its way.
    ways: BTreeMap<ConnectionNumber, (Duration, Option<Path>)>,
    store: Memory,
    information: Information,
    controller: Controller,
    handler: Handler,
    connections: u64,
    requests: u64,
    /// What it does next, if it was asked to end.
    stopping: Option<Stopping>,
}

impl Server {
    /// A server to which nobody has connected.
    #[must_use]
    pub fn new(settings: ServerSettings) -> Self {
        let settings = settings.of_twin();
        let without = settings.without;
        let (lifetime, seed) = (settings.lifetime, settings.seed);
        let secret = |of| settings.secret.clone().with(without.lenience(of));
        Self {
            wires: Wires::default(),
            sessions: BTreeMap::new(),
            ways: BTreeMap::new(),
            store: Memory::new(settings.meetings.iter().copied()).without(without),
            information: Information::new(InformationSettings {
                secret: secret(Service::Information),
                lifetime,
                seed,
                without,
            }),
            controller: Controller::new(ControllerSettings {
                secret: secret(Service::Controller),
                lifetime,
                place: settings.place.clone(),
                seed,
                without,
            }),
            handler: Handler::new(HandlerSettings {
                secret: secret(Service::Handler),
                place: settings.place.clone(),
                forwards_all: !settings.services.contains(&Service::Controller),
                without,
            }),
            connections: 0,
            requests: 0,
            stopping: None,
            settings,
        }
    }

    /// The services that it offers.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.settings.services
    }

    /// Whether it has connections, or anything of one.
    pub(in crate::darktower) fn has_connections(&self) -> bool {
        !(self.wires.webs.is_empty() && self.sessions.is_empty())
    }

    fn connected(&mut self, connection: ConnectionNumber) {
        self.connections += 1;
        let mut web = Web::server(connection);
        web.connected();
        self.wires.webs.insert(connection, web);
        self.wires.drain(connection);
    }

    /// Lets the services hear what came of an input.
    fn handle_events(&mut self, at: Duration, connection: ConnectionNumber) {
        self.wires.drain(connection);
        while let Some(web) = self.wires.webs.get_mut(&connection)
            && let Some(event) = web.poll_event()
        {
            let key = |session| SessionKey {
                connection,
                session,
            };
            match event {
                WebEvent::Request { stream, fields, .. } => {
                    self.answer(at, connection, stream, &fields);
                }
                WebEvent::SessionRequested { session, fields } => {
                    self.requested(at, key(session), &fields);
                }
                WebEvent::SessionClosed { session, close, .. } => {
                    // Who closes says so; who breaks the stream off does not.
                    let how = match close {
                        Some(_) => SessionEnd::Clean,
                        None => SessionEnd::Lost,
                    };
                    self.session_closed(at, key(session), how);
                }
                WebEvent::Stream {
                    session,
                    stream,
                    what,
                } => self.on_stream(at, key(session), stream, &what),
                WebEvent::Datagram { session, bytes } => {
                    let of = key(session);
                    if self.sessions.get(&of) == Some(&Service::Handler) {
                        let (handler, mut context) = self.handler(at);
                        handler.on_datagram(of, &bytes, &mut context);
                    }
                }
                WebEvent::Failed { code, why } => {
                    let cause = code.name();
                    let outcome = Outcome::Failed(Failure {
                        cause,
                        message: why,
                    });
                    self.gone(at, connection, SessionEnd::Lost, outcome);
                }
                // A server asks for nothing.
                WebEvent::Response { .. }
                | WebEvent::NoResponse { .. }
                | WebEvent::SessionOpened { .. }
                | WebEvent::SessionRefused { .. } => {}
            }
            self.wires.drain(connection);
        }
    }

    fn answer(
        &mut self,
        at: Duration,
        connection: ConnectionNumber,
        stream: StreamId,
        fields: &[Field],
    ) {
        self.requests += 1;
        let (status, body) = if self.settings.services.contains(&Service::Information) {
            let url = self.settings.controller_url.clone();
            let url = url.unwrap_or_else(|| url_here(fields, CONTROLLER));
            let request = Request {
                method: value(fields, ":method").unwrap_or_default(),
                path: value(fields, ":path").unwrap_or_default(),
                authorization: value(self.settings.without.looked_at(fields), "authorization"),
            };
            let answer = self.information.answer(&request, &url, at, &self.store);
            (answer.status, answer.body.to_string())
        } else {
            (404, String::new())
        };
        if let Some(web) = self.wires.webs.get_mut(&connection) {
            let fields = [
                (":status", status.to_string()),
                ("content-type", "application/json".to_owned()),
                ("content-length", body.len().to_string()),
            ];
            let fields = fields.map(|(name, value)| (name.to_owned(), value));
            web.respond(stream, &fields, body.as_bytes());
        }
    }

    fn requested(&mut self, at: Duration, of: SessionKey, fields: &[Field]) {
        let path = value(fields, ":path").unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let services = [
            (CONTROLLER, Service::Controller),
            (HANDLER, Service::Handler),
        ];
        let service = services
            .iter()
            .find(|(known, service)| *known == path && self.settings.services.contains(service));
        let Some(web) = self.wires.webs.get_mut(&of.connection) else {
            return;
        };
        let service = service.filter(|_| !self.settings.without.has(Deviation::NoSessions));
        let Some((_, service)) = service else {
            return web.reject(of.session, 404);
        };
        self.sessions.insert(of, *service);
        let began = self
            .ways
            .get(&of.connection)
            .map_or(at, |(began, _)| *began);
        web.accept(of.session);
        self.wires.drain(of.connection);
        match service {
            Service::Controller => {
                let url = self.settings.media_url.clone();
                let url = url.unwrap_or_else(|| url_here(fields, HANDLER));
                let (controller, mut context) = self.controller(at);
                controller.opened(of, began, url, &mut context);
            }
            Service::Handler => {
                let (handler, mut context) = self.handler(at);
                handler.opened(of, began, &mut context);
            }
            Service::Information => {}
        }
    }

    fn on_stream(&mut self, at: Duration, of: SessionKey, stream: StreamId, what: &SessionStream) {
        let code =
            |code: &Option<u32>| u64::from(code.unwrap_or(StreamCode::InternalError.number()));
        let what = match what {
            SessionStream::Opened => StreamUpdate::Opened,
            SessionStream::Bytes(bytes) => StreamUpdate::Bytes(bytes),
            SessionStream::Fin => StreamUpdate::Fin,
            SessionStream::Reset(given) => StreamUpdate::Reset(code(given)),
            SessionStream::Stopped(given) => StreamUpdate::Stopped(code(given)),
            SessionStream::Written => StreamUpdate::Written,
        };
        match self.sessions.get(&of) {
            Some(Service::Controller) => {
                let (controller, mut context) = self.controller(at);
                controller.on_stream(of, stream, what, &mut context);
            }
            Some(Service::Handler) => {
                let (handler, mut context) = self.handler(at);
                handler.on_stream(of, stream, what, &mut context);
            }
            Some(Service::Information) | None => {}
        }
    }

    fn session_closed(&mut self, at: Duration, of: SessionKey, how: SessionEnd) {
        match self.sessions.remove(&of) {
            Some(Service::Controller) => {
                let (controller, mut context) = self.controller(at);
                controller.closed(of, how, &mut context);
            }
            Some(Service::Handler) => {
                let (handler, mut context) = self.handler(at);
                handler.closed(of, how, &mut context);
            }
            Some(Service::Information) | None => {}
        }
    }

    /// A connection is over.
    fn gone(
        &mut self,
        at: Duration,
        connection: ConnectionNumber,
        how: SessionEnd,
        outcome: Outcome,
    ) {
        let way = self.ways.remove(&connection);
        if self.wires.webs.remove(&connection).is_none() {
            return;
        }
        let sessions = self.sessions.keys().copied();
        let sessions: Vec<_> = sessions.filter(|of| of.connection == connection).collect();
        for of in sessions {
            self.session_closed(at, of, how);
        }
        let path = way.and_then(|(_, path)| path);
        self.controller.gone(connection, path);
        self.handler.gone(connection, path);
        let ended = Output::Ended {
            connection,
            outcome,
        };
        self.wires.outputs.push_back(ended);
    }

    fn controller(&mut self, at: Duration) -> (&mut Controller, Context<'_>) {
        let context = Context {
            at,
            store: &mut self.store,
            sessions: &mut self.wires,
        };
        (&mut self.controller, context)
    }

    fn handler(&mut self, at: Duration) -> (&mut Handler, Context<'_>) {
        let context = Context {
            at,
            store: &mut self.store,
            sessions: &mut self.wires,
        };
        (&mut self.handler, context)
    }
}

impl StreamMachine for Server {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        let at = self.settings.epoch.saturating_add(now);
        match input {
            Input::Incoming { connection, .. } => {
                let answer = match self.stopping {
                    Some(_) => Output::Refuse(connection),
                    None => {
                        self.ways.insert(connection, (at, None));
                        Output::Admit(connection)
                    }
                };
                self.wires.outputs.push_back(answer);
            }
            Input::Connected { connection } => self.connected(connection),
            Input::Stream {
                connection,
                stream,
                what,
            } => {
                let key = SessionKey {
                    connection,
                    session: stream,
                };
                let what = match self.sessions.contains_key(&key) {
                    true => self.settings.without.on_session(what),
                    false => what,
                };
                if let Some(web) = self.wires.webs.get_mut(&connection) {
                    web.on_stream(stream, what);
                    self.handle_events(at, connection);
                }
            }
            Input::Datagram { connection, bytes } => {
                if let Some(web) = self.wires.webs.get_mut(&connection) {
                    web.on_datagram(bytes);
                    self.handle_events(at, connection);
                }
            }
            Input::Closed { connection, why } => {
                let (how, outcome) = end(why);
                self.gone(at, connection, how, outcome);
            }
            Input::Delivered { .. } | Input::Tick => {}
            Input::Stop => self.stop(at),
        }
        let (controller, mut context) = self.controller(at);
        controller.release(&mut context);
        self.stop_on(at);
    }

    fn poll(&mut self) -> Option<Output> {
        self.wires.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let stopping = self.stopping.filter(|_| !self.wires.webs.is_empty());
        let stopping = stopping.map(|next| next.due());
        let due = stopping.into_iter().chain(self.controller.due()).min();
        due.map(|due| due.saturating_sub(self.settings.epoch))
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        let Some(web) = self.wires.webs.get(&connection) else {
            return true;
        };
        let [first, last] = [0, u64::MAX].map(|session| SessionKey {
            connection,
            session: StreamId(session),
        });
        let mut sessions = self.sessions.range(first..=last);
        web.reads(stream) && sessions.all(|(of, _)| self.controller.reads(*of, stream))
    }

    fn measured(&mut self, connection: ConnectionNumber, path: Path) {
        if let Some((_, seen)) = self.ways.get_mut(&connection) {
            *seen = Some(path);
        }
    }

    fn is_finished(&self) -> bool {
        self.stopping.is_some() && self.wires.webs.is_empty()
    }

    fn counters(&self) -> serde_json::Value {
        json!({
            "connections": self.connections,
            "requests": self.requests,
            "signaling": self.controller.counters(),
            "media": self.handler.counters(),
        })
    }
}

/// The value of a header field, if it is there.
pub(super) fn value<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// A path of the server that was asked.
fn url_here(fields: &[Field], path: &str) -> String {
    let authority = value(fields, ":authority").unwrap_or_default();
    format!("https://{authority}{path}")
}

/// What it means that a connection ended so.
pub(super) fn end(why: Closing<'_>) -> (SessionEnd, Outcome) {
    let failed = |cause, message: String| {
        let outcome = Outcome::Failed(Failure { cause, message });
        (SessionEnd::Lost, outcome)
    };
    let text = |reason| String::from_utf8_lossy(reason).into_owned();
    match why {
        Closing::Application { code, .. } if code == WebCode::NoError.number() => {
            (SessionEnd::Clean, Outcome::Completed)
        }
        Closing::Application { code, reason } => {
            let name = WebCode::from_number(code).map_or("closed", WebCode::name);
            failed(
                name,
                format!("closed with code {code:#x}: {}", text(reason)),
            )
        }
        Closing::Transport { code, reason } => {
            let message = format!("QUIC closed it with code {code:#x}: {}", text(reason));
            failed("transport", message)
        }
        Closing::TimedOut => failed(
            "timeout",
            "the other side was not heard any more".to_owned(),
        ),
        Closing::Refused => failed("refused", "the other side refused it".to_owned()),
        Closing::Reset => failed("reset", "the other side lost its state".to_owned()),
        Closing::NotBegun(why) => failed("not begun", why.to_owned()),
        Closing::Other(why) => failed("other", why.to_owned()),
    }
}
