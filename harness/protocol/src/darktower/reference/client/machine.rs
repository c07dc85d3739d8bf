//! What drives a client: its inputs, and when it wants to go on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::leaving::Leaving;
use super::links::Attempt;
use super::{Client, Deviation, MOST_FAILURES};
use crate::darktower::reference::SessionKey;
use crate::darktower::reference::server::end;
use crate::machine::Outcome;
use crate::streams::{Closing, ConnectionNumber, Input, Output, StreamId, StreamMachine};
use crate::web::{WebCode, WebEvent};

impl Client {
    fn is_on(&self, connection: ConnectionNumber) -> bool {
        let attempt = self.attempt.as_ref();
        attempt.is_some_and(|attempt| attempt.links.contains_key(&connection))
    }

    /// Takes what came of an input.
    fn handle_events(&mut self, now: Duration) {
        self.with(|_| ());
        while let Some((connection, event)) = self.attempt.as_mut().and_then(Attempt::poll_event) {
            self.handle_event(now, connection, event);
            self.with(|_| ());
        }
    }

    fn handle_event(&mut self, now: Duration, connection: ConnectionNumber, event: WebEvent) {
        let Some(attempt) = &self.attempt else {
            return;
        };
        // The server ends what this client has ended.
        if attempt.leaving.is_some() {
            return;
        }
        let key = |session| SessionKey {
            connection,
            session,
        };
        let of_signaling = attempt.signaling.as_ref().map(|it| (it.of, it.stream));
        let of_media = attempt.media.as_ref().map(|media| media.of);
        match event {
            WebEvent::Response {
                stream,
                status,
                body,
                ..
            } => {
                if attempt.request == Some(stream) {
                    self.informed(now, connection, status, &body);
                }
            }
            WebEvent::NoResponse { why, .. } => {
                let asked = self.meeting_url(connection);
                self.fail(format!(
                    "the Global Controller did not answer {asked}: {why}"
                ));
            }
            WebEvent::SessionOpened { session } if Some(key(session)) == of_media => {
                self.authenticate(now);
            }
            WebEvent::SessionOpened { .. } => self.join(now),
            WebEvent::SessionRefused { session, why } => {
                let media = attempt.media.as_ref();
                let media = media.filter(|media| media.of == key(session));
                let signaling = attempt.signaling.as_ref().map(|it| &it.url);
                let who = match (media, signaling) {
                    (Some(media), _) => format!("the Media Handler refused {}", media.url),
                    (None, Some(url)) => format!("the Meeting Controller refused {url}"),
                    (None, None) => "the server refused a session".to_owned(),
                };
                self.fail(format!("{who}: {why}"));
            }
            WebEvent::SessionClosed { close, .. } => {
                let why = close.map_or_else(String::new, |close| close.reason);
                let why = format!("the server closed a session: {why}");
                match self.settings.stays {
                    true => self.end(WebCode::NoError, Ok(())),
                    false => self.fail(why),
                }
            }
            WebEvent::Stream {
                session,
                stream,
                what,
            } => {
                if Some(key(session)) == of_media {
                    self.on_media(now, stream, what);
                } else if of_signaling == Some((key(session), Some(stream))) {
                    self.on_signaling(now, what);
                }
            }
            WebEvent::Datagram { session, bytes } => {
                if Some(key(session)) == of_media {
                    self.on_media_datagram(&bytes);
                }
            }
            WebEvent::Failed { code, why } => {
                let how = Err(why);
                self.close(connection, code, &how);
                self.end(WebCode::RequestCancelled, how);
            }
            // A client is asked for nothing.
            WebEvent::Request { .. } | WebEvent::SessionRequested { .. } => {}
        }
    }

    fn closed(&mut self, now: Duration, connection: ConnectionNumber, why: Closing<'_>) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let Some(link) = attempt.links.remove(&connection) else {
            return;
        };
        let was_leaving = attempt.leaving.is_some();
        let (_, mut outcome) = end(why);
        let is_nobody = why == Closing::TimedOut && !link.is_connected;
        if let (Outcome::Failed(failure), true) = (&mut outcome, is_nobody) {
            failure.message = "nobody answered".to_owned();
        }
        self.outputs.push_back(Output::Transition {
            connection,
            from: link.state,
            to: "DISCONNECTED",
            why: "the connection is over",
        });
        // All are at the address that the owner knows but those that a URL named.
        let is_known = link.authority.text == self.settings.authority;
        let place = |problem| match is_known {
            true => problem,
            false => format!("at {}: {problem}", link.authority.text),
        };
        let problem = match &outcome {
            Outcome::Completed => None,
            Outcome::Failed(failure) => Some(place(failure.message.clone())),
        };
        self.outputs.push_back(Output::Ended {
            connection,
            outcome,
        });
        self.failures += 1;
        // Where nobody was ever heard, nothing failed that could be joined anew.
        let is_failed = matches!(why, Closing::TimedOut | Closing::Reset)
            && self.counters.connections > 0
            && !self.lacks(Deviation::NotAnew);
        match problem {
            _ if was_leaving => {
                let links = self.attempt.as_ref().map(|attempt| &attempt.links);
                if links.is_none_or(BTreeMap::is_empty) {
                    self.end(WebCode::NoError, Ok(()));
                }
            }
            None if self.settings.stays => self.end(WebCode::NoError, Ok(())),
            None => self.fail(place("the server closed the connection".to_owned())),
            // DT-S-15
            Some(problem) if is_failed && self.failures < MOST_FAILURES => {
                self.close_all(WebCode::RequestCancelled, &Err(problem));
                self.connect();
                self.act(now);
            }
            Some(problem) => self.fail(problem),
        }
    }

    fn act(&mut self, now: Duration) {
        let Some(attempt) = &self.attempt else {
            return;
        };
        if attempt.answer_by.is_some_and(|by| by <= now) {
            return self.fail("an answer did not come within 30 s".to_owned());
        }
        if attempt.leaving.is_some() {
            return self.leave_on(now);
        }
        let at = attempt.links.get(&attempt.at);
        let is_connected = at.is_some_and(|link| link.is_connected);
        let is_ready = is_connected && attempt.answer_by.is_none() && attempt.services.is_empty();
        self.send_due(now);
        if is_ready && self.has_all_media() && !self.settings.stays {
            self.leave(now);
        }
    }
}

impl StreamMachine for Client {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.next == 0 && self.done.is_none() {
            self.connect();
        }
        match input {
            // A client listens to nobody.
            Input::Incoming { connection, .. } => {
                self.outputs.push_back(Output::Refuse(connection));
            }
            Input::Connected { connection } if self.is_on(connection) => {
                self.counters.connections += 1;
                self.with(|attempt| {
                    if let Some(link) = attempt.links.get_mut(&connection) {
                        link.is_connected = true;
                        link.web.connected();
                    }
                });
                self.ask_next(now);
            }
            Input::Stream {
                connection,
                stream,
                what,
            } if self.is_on(connection) => {
                let without = self.settings.without;
                self.with(|attempt| {
                    let key = SessionKey {
                        connection,
                        session: stream,
                    };
                    let signaling = attempt.signaling.as_ref().map(|it| it.of);
                    let what = match signaling == Some(key) {
                        true => without.on_session(what),
                        false => what,
                    };
                    if let Some(web) = attempt.web(connection) {
                        web.on_stream(stream, what);
                    }
                });
                self.handle_events(now);
            }
            Input::Delivered { connection, stream } if self.is_on(connection) => {
                self.delivered(now, connection, stream);
            }
            Input::Datagram { connection, bytes } if self.is_on(connection) => {
                self.with(|attempt| {
                    if let Some(web) = attempt.web(connection) {
                        web.on_datagram(bytes);
                    }
                });
                self.handle_events(now);
            }
            Input::Closed { connection, why } if self.is_on(connection) => {
                self.closed(now, connection, why);
            }
            // Of connections that are over, or nothing at all.
            Input::Connected { .. }
            | Input::Stream { .. }
            | Input::Delivered { .. }
            | Input::Datagram { .. }
            | Input::Closed { .. }
            | Input::Tick => {}
            Input::Stop => self.stop(),
        }
        self.act(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let Some(attempt) = &self.attempt else {
            // Before it has begun, something is due.
            return self.done.is_none().then_some(Duration::ZERO);
        };
        let media = attempt.media.as_ref().filter(|_| attempt.leaving.is_none());
        let sending = media.and_then(|media| media.sending.as_ref());
        let has_more = self.counters.frames_sent < u64::from(self.settings.frames);
        let frame = sending.filter(|sending| !sending.is_writing && has_more);
        let all = [
            attempt.answer_by,
            attempt.leaving.map(Leaving::due),
            frame.map(|sending| sending.due),
        ];
        all.into_iter().flatten().min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        let attempt = self.attempt.as_ref();
        let link = attempt.and_then(|attempt| attempt.links.get(&connection));
        link.is_none_or(|link| link.web.reads(stream))
    }

    fn is_finished(&self) -> bool {
        self.done.is_some()
    }

    fn failure(&self) -> Option<&str> {
        self.done.as_ref()?.as_ref().err().map(String::as_str)
    }

    #[expect(
        clippy::panic,
        reason = "counters are numbers under names: they always have a JSON form"
    )]
    fn counters(&self) -> serde_json::Value {
        serde_json::to_value(&self.counters)
            .unwrap_or_else(|error| panic!("counters have no JSON: {error}"))
    }
}
