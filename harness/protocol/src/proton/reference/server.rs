use std::collections::VecDeque;
use std::time::Duration;

use shakedown_wire::planted;

use super::super::{CloseCode, IDENTIFICATION, RESET};
use super::counters::Counters;
use super::deviation::{Deviation, Deviations};
use super::session::{Context, Session};
use super::settings::ServerSettings;
use super::{CloseReason, ending};
use crate::machine::Outcome;
use crate::streams::{
    Closing, ConnectionNumber, Input, Output, StreamId, StreamMachine, StreamUpdate,
};

/// How long a twin keeps a connection waiting (PR-C-02).
const HELD: Duration = Duration::from_millis(1_500);

/// Serves one client at a time.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    without: Deviations,
    /// The one connection (PR-C-01).
    current: Option<Session>,
    /// A second one, or one before the startup delay is over: it has a second to say that it resets
    /// the first (PR-R-01, PR-R-02).
    second: Option<PendingConnection>,
    /// A connection that a twin keeps waiting, and until when.
    held: Option<(Duration, ConnectionNumber)>,
    outputs: VecDeque<Output>,
    counters: Counters,
    is_stopped: bool,
}

#[derive(Debug)]
struct PendingConnection {
    connection: ConnectionNumber,
    /// When its handshake was done, if it was.
    connected: Option<Duration>,
    /// Streams that it opened, and when, the first apart.
    opened: Vec<(Duration, StreamId)>,
}

impl Server {
    /// A server without a client.
    #[must_use]
    pub fn new(settings: ServerSettings) -> Self {
        Self {
            settings,
            without: Deviations::default(),
            current: None,
            second: None,
            held: None,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            is_stopped: false,
        }
    }

    /// The same as a faulty twin.
    #[must_use]
    pub fn without(self, without: Deviations) -> Self {
        Self { without, ..self }
    }

    fn startup_delay(&self) -> Duration {
        let usual = self.settings.startup_delay;
        let soon = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX) / 2;
        let others = [
            (Deviation::NoStartupDelay, 0),
            (Deviation::StartsSoon, soon),
        ];
        self.without.instead(usual, others)
    }

    fn incoming(&mut self, now: Duration, connection: ConnectionNumber) {
        let is_early = now < self.startup_delay();
        let refused_one =
            self.counters.refused > 0 || self.counters.has_closed(CloseCode::AlreadyConnected);
        if let Some(session) = &self.current
            && self.without.has(Deviation::TakesTheFirstsPlace)
        {
            let reason = CloseReason::new(CloseCode::AlreadyConnected, "another one came");
            self.close(session.connection, &reason);
        }
        if let Some(session) = &mut self.current {
            session.another_comes();
        }
        let is_free = self.current.is_none() && !is_early; // PR-C-08
        let has_place = match (is_free, &self.second) {
            (true, _) => !(refused_one && self.without.has(Deviation::RefusedKeepsAPlace)),
            (false, None) => self.settings.resets,
            (false, Some(_)) => false,
        };
        if self.is_stopped || !has_place {
            self.counters.refused += 1;
            self.outputs.push_back(Output::Refuse(connection)); // PR-C-01
            return;
        }
        if is_free && refused_one && self.without.has(Deviation::NextWaits) {
            self.held = Some((now + HELD, connection));
        } else if is_free {
            self.admit(connection);
        } else {
            self.outputs.push_back(Output::Admit(connection));
            self.second = Some(PendingConnection {
                connection,
                connected: None,
                opened: Vec::new(),
            });
        }
    }

    /// The one connection begins.
    fn admit(&mut self, connection: ConnectionNumber) {
        self.outputs.push_back(Output::Admit(connection));
        self.current = Some(Session::new(connection, &self.settings, self.without));
    }

    fn connected(&mut self, now: Duration, connection: ConnectionNumber) {
        self.counters.connections += 1;
        let state = self.in_session(connection, |session, _| {
            let before = session.state();
            session.connect(now);
            Ok((before, session.state()))
        });
        if let Some((from, to)) = state {
            self.transition(connection, from, to, "the handshake is done");
        }
        if let Some(second) = self.second_with(connection) {
            second.connected.get_or_insert(now);
        }
    }

    fn on_stream(
        &mut self,
        now: Duration,
        connection: ConnectionNumber,
        stream: StreamId,
        what: StreamUpdate<'_>,
    ) {
        if self.second_with(connection).is_some() {
            self.on_stream_of_second(now, stream, what);
            return;
        }
        let state = self.in_session(connection, |session, context| {
            let before = session.state();
            session.on_stream(now, stream, what, context)?;
            Ok((before, session.state()))
        });
        if let Some((from, to)) = state {
            self.transition(connection, from, to, "a stream was identified");
        }
    }

    /// A second connection says by its very first byte that it resets the first one.
    fn on_stream_of_second(&mut self, now: Duration, stream: StreamId, what: StreamUpdate<'_>) {
        let Some(second) = &mut self.second else {
            return;
        };
        match what {
            StreamUpdate::Opened => second.opened.push((now, stream)),
            StreamUpdate::Fin if planted::strikes("second-fin", || true) => self.current = None,
            StreamUpdate::Bytes([RESET, ..])
                if stream == StreamId::of_client(0) && !self.without.has(Deviation::NoReset) =>
            {
                self.replace(now, what);
            }
            StreamUpdate::Bytes(_)
            | StreamUpdate::Fin
            | StreamUpdate::Reset(_)
            | StreamUpdate::Stopped(_) => {
                self.refuse_second("there is a connection already"); // PR-R-02
            }
            StreamUpdate::Written => {}
        }
    }

    /// The second connection takes the place of the first (PR-R-01).
    fn replace(&mut self, now: Duration, first_bytes: StreamUpdate<'_>) {
        let Some(second) = self.second.take() else {
            return;
        };
        let mut session = Session::new(second.connection, &self.settings, self.without);
        if let Some(old) = &self.current {
            if self.without.has(Deviation::ResetKeepsIds) {
                session.take_over(old);
            }
            let code = match self.without.has(Deviation::ResetWithZero) {
                true => CloseCode::Normal,
                false => CloseCode::ResetByClient,
            };
            let reason = CloseReason::new(code, "another connection reset this one");
            self.close(old.connection, &reason);
        }
        session.connect(second.connected.unwrap_or(now));
        self.current = Some(session);
        for (at, stream) in second.opened {
            self.on_stream(at, second.connection, stream, StreamUpdate::Opened);
        }
        self.on_stream(now, second.connection, StreamId::of_client(0), first_bytes);
    }

    fn refuse_second(&mut self, why: &str) {
        if let Some(connection) = self.second.as_ref().map(|second| second.connection) {
            if self.without.has(Deviation::SecondForever) {
                return;
            }
            let reason = CloseReason::new(CloseCode::AlreadyConnected, why);
            self.close(connection, &reason);
        }
    }

    fn second_with(&mut self, connection: ConnectionNumber) -> Option<&mut PendingConnection> {
        let second = self.second.as_mut();
        second.filter(|second| second.connection == connection)
    }

    /// Lets the session of a connection do something; if it breaks a rule, the connection is closed.
    fn in_session<T>(
        &mut self,
        connection: ConnectionNumber,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<T, CloseReason>,
    ) -> Option<T> {
        let session = self.current.as_mut();
        let Some(session) = session.filter(|session| session.connection == connection) else {
            self.counters.late += u64::from(self.second_with(connection).is_none()); // PR-T-03
            return None;
        };
        let mut context = Context {
            settings: &self.settings,
            outputs: &mut self.outputs,
            counters: &mut self.counters,
        };
        let done = act(session, &mut context);
        done.map_err(|reason| self.close(connection, &reason)).ok()
    }

    /// Closes a connection; nothing of it is left (PR-C-03, PR-R-03).
    fn close(&mut self, connection: ConnectionNumber, reason: &CloseReason) {
        self.counters.closed(reason.code.name());
        self.outputs.push_back(Output::Close {
            connection,
            code: reason.number(self.without),
            reason: reason.why.clone(),
        });
        let is_violation = reason.code == CloseCode::ProtocolViolation;
        if !(is_violation && self.without.has(Deviation::HalfTornDown)) {
            self.forget(connection, reason.outcome());
        }
    }

    fn closed(&mut self, connection: ConnectionNumber, why: Closing<'_>) {
        let cause = ending::cause(why);
        self.counters.ended(cause);
        let works = self.current.as_ref().is_some_and(Session::works);
        if (works && self.without.has(Deviation::WorkKeepsItsPlace))
            || (why == Closing::TimedOut && self.without.has(Deviation::VanishedKeepsItsPlace))
        {
            return;
        }
        let outcome = ending::outcome(why, format!("the client is gone: {cause}"));
        self.forget(connection, outcome);
    }

    fn forget(&mut self, connection: ConnectionNumber, outcome: Outcome) {
        let session = self
            .current
            .take_if(|session| session.connection == connection);
        let second = self
            .second
            .take_if(|second| second.connection == connection);
        match (&session, second) {
            (Some(session), _) => {
                self.transition(connection, session.state(), "Closed", "it is over");
            }
            (None, Some(_)) => {}
            (None, None) => return,
        }
        self.outputs.push_back(Output::Ended {
            connection,
            outcome,
        });
    }

    fn tick(&mut self, now: Duration) {
        if let Some(connection) = self.current.as_ref().map(|session| session.connection) {
            self.in_session(connection, |session, context| session.tick(now, context));
        }
        if let Some((_, connection)) = self.held.take_if(|(due, _)| *due <= now) {
            self.admit(connection);
        }
        if self.second_deadline().is_some_and(|due| due <= now) {
            self.refuse_second("there is a connection already, and it was not reset"); // PR-R-02
        }
    }

    fn second_deadline(&self) -> Option<Duration> {
        let second = self.second.as_ref();
        let second = second.filter(|_| !self.without.has(Deviation::SecondForever));
        let connected = second.and_then(|second| second.connected);
        let others = [
            (Deviation::SecondBriefly, 400),
            (Deviation::SecondLonger, 3_000),
        ];
        let limit = self.without.instead(IDENTIFICATION, others);
        connected.map(|connected| connected.saturating_add(limit))
    }

    fn transition(
        &mut self,
        connection: ConnectionNumber,
        from: &'static str,
        to: &'static str,
        why: &'static str,
    ) {
        if from != to {
            self.outputs.push_back(Output::Transition {
                connection,
                from,
                to,
                why,
            });
        }
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        let reason = CloseReason::new(CloseCode::Normal, "the server ends");
        let current = self.current.as_ref().map(|session| session.connection);
        let second = self.second.as_ref().map(|second| second.connection);
        for connection in current.into_iter().chain(second) {
            self.close(connection, &reason);
        }
    }
}

impl StreamMachine for Server {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.tick(now);
        match input {
            Input::Incoming { connection, .. } => self.incoming(now, connection),
            Input::Connected { connection } => self.connected(now, connection),
            Input::Stream {
                connection,
                stream,
                what,
            } => self.on_stream(now, connection, stream, what),
            Input::Datagram { connection, .. } => {
                if self.without.has(Deviation::Datagrams) {
                } else if self.second_with(connection).is_some() {
                    self.refuse_second("there is a connection already"); // PR-R-02
                } else {
                    let reason = CloseReason::violation("a datagram"); // PR-S-07
                    self.in_session(connection, |_, _| Err::<(), _>(reason));
                }
            }
            Input::Closed { connection, why } => self.closed(connection, why),
            Input::Delivered { .. } | Input::Tick => {}
            Input::Stop => self.stop(),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let current = self.current.as_ref().and_then(Session::deadline);
        let held = self.held.map(|(due, _)| due);
        [current, self.second_deadline(), held]
            .into_iter()
            .flatten()
            .min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        let is_of_second = |second: &PendingConnection| second.connection == connection;
        if self.second.as_ref().is_some_and(is_of_second) {
            // Whatever else it says, its first stream speaks first.
            return stream == StreamId::of_client(0);
        }
        let session = self.current.as_ref();
        let session = session.filter(|session| session.connection == connection);
        session.is_some_and(|session| session.reads(stream))
    }

    fn is_finished(&self) -> bool {
        self.is_stopped
    }

    fn counters(&self) -> serde_json::Value {
        self.counters.to_json()
    }
}
