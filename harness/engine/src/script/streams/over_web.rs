//! HTTP/3 connections of the scripted peer: requests and their results.

use std::time::Duration;

use shakedown_protocol::streams::{ConnectionNumber, Output, StreamId, StreamUpdate};
use shakedown_protocol::web::{SessionStream, Web, WebEvent};

use super::connections::Connections;
use super::ended::{ConnectionEnd, StreamEnd};
use super::web::{Answer, Asked, HttpUse, NO_SESSION_CODE, WebState};

/// Datagrams of a connection that wait to be looked at; of further ones the oldest are dropped.
const MOST_DATAGRAMS: usize = 1_024;

impl Connections {
    /// A handshake is done: HTTP/3 begins, if the connection speaks it.
    pub(super) fn begin_web(&mut self, number: ConnectionNumber) {
        let Some(connection) = self.by_number.get_mut(&number) else {
            return;
        };
        let web = match self.is_client {
            true => Web::client(number),
            false => Web::server(number),
        };
        let mut web = match &connection.speaks {
            HttpUse::Nothing => return,
            HttpUse::Http => web,
            HttpUse::With(settings) => web.with_settings(settings.clone()),
        };
        web.connected();
        connection.web = Some(Box::new(WebState::new(web)));
        self.settle_web(number, Duration::ZERO);
    }

    /// How HTTP/3 is used on a connection, set before its handshake completes.
    pub(crate) fn speaks(&mut self, number: ConnectionNumber, speaks: HttpUse) {
        if let Some(connection) = self.by_number.get_mut(&number) {
            connection.speaks = speaks;
        }
    }

    /// HTTP/3 of a connection.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn web(&mut self, number: ConnectionNumber) -> Result<&mut WebState, String> {
        let connection = self.by_number.get_mut(&number);
        let web = connection.and_then(|connection| connection.web.as_deref_mut());
        web.ok_or_else(|| "the connection speaks no HTTP/3".to_owned())
    }

    /// Asks HTTP/3 of a connection for something, and the transport for what follows from it.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn ask_web<T>(
        &mut self,
        number: ConnectionNumber,
        now: Duration,
        ask: impl FnOnce(&mut Web) -> T,
    ) -> Result<T, String> {
        let result = ask(&mut self.web(number)?.web);
        self.settle_web(number, now);
        Ok(result)
    }

    /// A step has taken what the implementation asked for, which gets a name.
    pub(crate) fn take_asked(
        &mut self,
        number: ConnectionNumber,
        id: Option<StreamId>,
        name: &str,
    ) {
        if let (Ok(on_web), Some(id)) = (self.web(number), id) {
            on_web.asked.retain(|asked| asked.stream != id);
            self.own(number, id, name);
        }
    }

    /// The id of a stream of which the scenario says every byte.
    pub(super) fn raw_id(
        &mut self,
        number: ConnectionNumber,
        is_unidirectional: bool,
    ) -> Option<StreamId> {
        let on_web = self.web(number).ok()?;
        let id = on_web.web.next_id(is_unidirectional);
        on_web.raw.push(id);
        Some(id)
    }

    /// Hands what happens on a stream to HTTP/3. `false` if it is for the steps themselves.
    pub(super) fn web_stream(
        &mut self,
        number: ConnectionNumber,
        id: StreamId,
        what: StreamUpdate<'_>,
        now: Duration,
    ) -> bool {
        match self.web(number) {
            Ok(on_web) if !on_web.raw.contains(&id) => on_web.web.on_stream(id, what),
            Ok(_) | Err(_) => return false,
        }
        self.settle_web(number, now);
        true
    }

    /// Hands a datagram to HTTP/3. `false` if it is for the steps themselves.
    pub(super) fn web_datagram(
        &mut self,
        number: ConnectionNumber,
        bytes: &[u8],
        now: Duration,
    ) -> bool {
        let Ok(on_web) = self.web(number) else {
            return false;
        };
        on_web.web.on_datagram(bytes);
        self.settle_web(number, now);
        true
    }

    /// What a step asks of a stream of a session is asked of HTTP/3.
    pub(super) fn through_web(&mut self, output: Output) -> Option<Output> {
        let (number, id) = match &output {
            Output::Write(number, id, _)
            | Output::Fin(number, id)
            | Output::Reset(number, id, _)
            | Output::StopSending(number, id, _) => (*number, *id),
            _ => return Some(output),
        };
        let Ok(WebState { web, .. }) = self.web(number) else {
            return Some(output);
        };
        if web.session_of(id).is_none() {
            return Some(output);
        }
        let session_code = |code| u32::try_from(code).unwrap_or(u32::MAX);
        match output {
            Output::Write(_, _, bytes) => web.write(id, bytes),
            Output::Fin(..) => web.fin(id),
            Output::Reset(_, _, code) => web.reset(id, session_code(code)),
            Output::StopSending(_, _, code) => web.stop_sending(id, session_code(code)),
            other => return Some(other),
        }
        self.settle_web(number, Duration::ZERO);
        None
    }

    /// Takes what HTTP/3 has to say and wants.
    fn settle_web(&mut self, number: ConnectionNumber, now: Duration) {
        loop {
            let Ok(on_web) = self.web(number) else {
                return;
            };
            let event = on_web.web.poll_event();
            let output = on_web.web.poll_output();
            let is_over = event.is_none() && output.is_none();
            if let Some(output) = output {
                self.outputs.push_back(output);
            }
            if let Some(event) = event {
                self.web_event(number, event, now);
            }
            if is_over {
                return;
            }
        }
    }

    fn web_event(&mut self, number: ConnectionNumber, event: WebEvent, now: Duration) {
        let moment = self.moment(now);
        if let WebEvent::Stream { stream, what, .. } = event {
            let code = |code: Option<u32>| code.map_or(NO_SESSION_CODE, u64::from);
            let what = match &what {
                SessionStream::Opened => StreamUpdate::Opened,
                SessionStream::Bytes(bytes) => StreamUpdate::Bytes(bytes),
                SessionStream::Fin => StreamUpdate::Fin,
                SessionStream::Reset(of) => StreamUpdate::Reset(code(*of)),
                SessionStream::Stopped(of) => StreamUpdate::Stopped(code(*of)),
                SessionStream::Written => StreamUpdate::Written,
            };
            return self.content(number, stream, what, now);
        }
        if let WebEvent::Failed { code, why } = &event
            && let Some(connection) = self.by_number.get_mut(&number)
        {
            let why = format!("it broke HTTP/3: {why}, {}", code.name());
            connection
                .ended
                .get_or_insert((moment, ConnectionEnd::Other(why)));
        }
        let Ok(on_web) = self.web(number) else {
            return;
        };
        match event {
            WebEvent::Request {
                stream,
                fields,
                body,
            } => on_web.asked.push_back(Asked {
                moment,
                stream,
                fields,
                body: Some(body),
            }),
            WebEvent::SessionRequested { session, fields } => on_web.asked.push_back(Asked {
                moment,
                stream: session,
                fields,
                body: None,
            }),
            WebEvent::Response {
                stream,
                status,
                fields,
                body,
            } => {
                let answer = Answer::Response {
                    status,
                    fields,
                    body,
                };
                on_web.answers.insert(stream, (moment, answer));
            }
            WebEvent::NoResponse { stream, why } => {
                on_web
                    .answers
                    .insert(stream, (moment, Answer::Refused(why)));
            }
            WebEvent::SessionOpened { session } => {
                on_web.answers.insert(session, (moment, Answer::Opened));
            }
            WebEvent::SessionRefused { session, why } => {
                on_web
                    .answers
                    .insert(session, (moment, Answer::Refused(why)));
            }
            WebEvent::SessionClosed {
                session,
                close,
                streams,
            } => {
                on_web.closed.insert(session, (moment, close));
                let connection = self.by_number.get_mut(&number);
                for (id, stream) in connection.into_iter().flat_map(|one| &mut one.streams) {
                    if streams.contains(id) {
                        stream.end.get_or_insert((moment, StreamEnd::OfSession));
                    }
                }
            }
            WebEvent::Datagram { session, bytes } => {
                if on_web.datagrams.len() >= MOST_DATAGRAMS {
                    on_web.datagrams.pop_front();
                }
                on_web.datagrams.push_back((moment, session, bytes));
            }
            WebEvent::Stream { .. } | WebEvent::Failed { .. } => {}
        }
    }
}
