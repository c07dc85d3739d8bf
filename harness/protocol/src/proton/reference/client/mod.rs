mod link;
mod machine;
mod runner;

use std::collections::VecDeque;
use std::time::Duration;

use super::counters::Counters;
use super::deviation::{Deviation, Deviations};
use super::settings::{ClientSettings, Profile};
use super::{CloseReason, ending};
use crate::proton::{CloseCode, Kind, OPERATION, RESET, STARTUP_DELAY};
use link::{Link, RequestStream};
pub use runner::{Workload, WorkloadClient};

use crate::machine::Outcome;
use crate::streams::{Closing, ConnectionNumber, Output, StreamId, StreamMachine, StreamUpdate};

/// Items that may wait to be read; past that the Action stream is not read.
const MOST_ITEMS: usize = 1_024;

/// Why a connection ended whose server turned it away (human-readable).
pub const REFUSED: &str = "Connection refused";

/// Why a connection to a silent server ended (human-readable).
pub const TIMED_OUT: &str = "Connection timed out";

/// One client: it has at most one connection, and does what its owner asks for.
#[derive(Debug)]
pub struct Client {
    settings: ClientSettings,
    without: Deviations,
    /// The id of the next event; `None` after 2^32 - 1 (PR-E-05).
    next_event: Option<u32>,
    connections: u64,
    link: Option<Link>,
    /// When the last connection was lost, if it was not ended in peace.
    lost: Option<Duration>,
    event: VecDeque<ClientEvent>,
    outputs: VecDeque<Output>,
    counters: Counters,
    is_stopped: bool,
}

/// What a client's owner wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The handshake is done, and the streams are on their way.
    Connected,
    /// The server acked the event with this id.
    Acked(u32),
    /// The server answered a StateCommit request.
    Committed { request: u32, answer: u32 },
    /// An item of the Action stream that was asked for.
    Item(u32),
    /// The connection is over.
    Closed {
        /// Why, in a human-readable sentence.
        why: String,
        /// Whether that was this side's own doing, for a rule that the server broke or a timeout.
        is_own: bool,
    },
}

/// Why a client cannot do what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// There is no connection.
    #[error("Not connected")]
    NotConnected,
    /// There is a connection already.
    #[error("Already connected")]
    AlreadyConnected,
    /// The last event had the id 2^32 - 1 (PR-E-05).
    #[error("No event id is left: the last one was 4294967295")]
    NoIdLeft,
}

impl Client {
    /// A client without a connection.
    #[must_use]
    pub fn new(settings: ClientSettings) -> Self {
        Self {
            next_event: Some(settings.first_event.max(1)),
            settings,
            without: Deviations::default(),
            connections: 0,
            link: None,
            lost: None,
            event: VecDeque::new(),
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
        let others = [(Deviation::AgainAtOnce, 0), (Deviation::AgainSoon, 5_000)];
        self.without.instead(STARTUP_DELAY, others)
    }

    /// How long each operation may take (PR-T-01).
    fn operation(&self) -> Duration {
        let others = [
            (Deviation::WaitsBriefly, 280_000),
            (Deviation::WaitsLonger, 320_000),
            (Deviation::WaitsSeconds, 3_000),
        ];
        self.without.instead(OPERATION, others)
    }

    /// Asks for a connection; `resets` says whether its first byte resets an older one (PR-R-01).
    ///
    /// # Errors
    /// [`NotReady::AlreadyConnected`].
    pub fn connect(&mut self, resets: bool) -> Result<ConnectionNumber, NotReady> {
        if self.link.is_some() {
            return Err(NotReady::AlreadyConnected);
        }
        let connection = ConnectionNumber(self.connections);
        self.connections += 1;
        if self.without.has(Deviation::IdsBeginAnew) {
            self.next_event = Some(self.settings.first_event.max(1));
        }
        self.link = Some(Link {
            connection,
            is_connected: false,
            resets,
            event: RequestStream::default(),
            commit: RequestStream::default(),
            action: RequestStream::default(),
            items: VecDeque::new(),
        });
        self.outputs.push_back(Output::Connect(connection));
        Ok(connection)
    }

    /// Sends an event; its id is the result.
    ///
    /// # Errors
    /// [`NotReady::NotConnected`], [`NotReady::NoIdLeft`].
    pub fn send_event(&mut self, now: Duration) -> Result<u32, NotReady> {
        let operation = self.operation();
        let link = connected(&mut self.link)?;
        let id = self.next_event.ok_or(NotReady::NoIdLeft)?;
        self.next_event = match id.checked_add(1) {
            _ if self.without.has(Deviation::IdsStand) => Some(id),
            None if self.without.has(Deviation::IdsWrap) => Some(0),
            next => next, // PR-E-04, PR-E-05
        };
        link.event
            .asked
            .push_back((now.saturating_add(operation), id));
        self.send(now, Kind::Event, id);
        Ok(id)
    }

    /// Sends a StateCommit request.
    ///
    /// # Errors
    /// [`NotReady::NotConnected`].
    pub fn commit(&mut self, now: Duration, request: u32) -> Result<(), NotReady> {
        let operation = self.operation();
        let link = connected(&mut self.link)?;
        let due = now.saturating_add(operation);
        link.commit.asked.push_back((due, request));
        self.send(now, Kind::StateCommit, request);
        Ok(())
    }

    /// Asks for the next item of the Action stream.
    ///
    /// # Errors
    /// [`NotReady::NotConnected`].
    pub fn read_action(&mut self, now: Duration) -> Result<(), NotReady> {
        let operation = self.operation();
        let link = connected(&mut self.link)?;
        if let Some(item) = link.items.pop_front() {
            self.event.push_back(ClientEvent::Item(item));
            return Ok(());
        }
        link.action
            .asked
            .push_back((now.saturating_add(operation), ()));
        match self.settings.profile {
            Profile::Push => {}
            Profile::Pull => self.send(now, Kind::Action, 1),
        }
        Ok(())
    }

    /// Ends the connection in peace.
    ///
    /// # Errors
    /// [`NotReady::NotConnected`].
    pub fn close(&mut self, now: Duration) -> Result<(), NotReady> {
        if self.link.is_none() {
            return Err(NotReady::NotConnected);
        }
        self.end(
            now,
            &CloseReason::new(CloseCode::Normal, "the client is done"),
        );
        Ok(())
    }

    /// What the owner wants to know next.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.event.pop_front()
    }

    /// Whether there is a connection, or one is being made.
    #[must_use]
    pub const fn has_connection(&self) -> bool {
        self.link.is_some()
    }

    /// When the last connection was lost, unless it ended in peace.
    #[must_use]
    pub const fn lost_at(&self) -> Option<Duration> {
        self.lost
    }

    /// When it may connect again without a reset, if its last connection was lost (PR-C-06).
    #[must_use]
    pub fn may_connect_at(&self) -> Option<Duration> {
        self.lost
            .map(|lost| lost.saturating_add(self.startup_delay()))
    }

    /// The id of the next event.
    #[must_use]
    pub const fn next_event(&self) -> Option<u32> {
        self.next_event
    }

    /// The handshake is done: the three streams are opened and say which they are (PR-S-01).
    fn connected(&mut self, now: Duration, connection: ConnectionNumber) {
        let Some(link) = self.link_with(connection) else {
            return;
        };
        link.is_connected = true;
        if link.resets {
            let first = StreamId::of_client(0);
            let reset = [
                Output::Open(connection, first),
                Output::Write(connection, first, vec![RESET]),
                Output::Fin(connection, first),
            ];
            self.outputs.extend(reset);
        }
        let without = self.without;
        for kind in Kind::ALL {
            let Some(link) = self.link_with(connection) else {
                return;
            };
            if kind == Kind::Action && without.has(Deviation::TwoStreams) {
                continue;
            }
            let stream = link.stream(kind);
            let bytes = link.sending(kind).send(now, &[kind.number()]);
            self.outputs.push_back(Output::Open(connection, stream));
            let write = bytes.map(|bytes| Output::Write(connection, stream, bytes));
            self.outputs.extend(write);
        }
        if without.has(Deviation::FourStreams) {
            let fourth = StreamId::of_client(3);
            let kind = vec![Kind::Event.number()];
            self.outputs.push_back(Output::Open(connection, fourth));
            self.outputs
                .push_back(Output::Write(connection, fourth, kind));
        }
        self.counters.connections += 1;
        self.transition(
            connection,
            "Connecting",
            "Connected",
            "the handshake is done",
        );
        self.event.push_back(ClientEvent::Connected);
    }

    fn send(&mut self, now: Duration, kind: Kind, number: u32) {
        let Some(link) = &mut self.link else {
            return;
        };
        let (connection, stream) = (link.connection, link.stream(kind));
        let bytes = link.sending(kind).send(now, &number.to_le_bytes());
        let write = bytes.map(|bytes| Output::Write(connection, stream, bytes));
        self.outputs.extend(write);
    }

    fn on_stream(
        &mut self,
        now: Duration,
        connection: ConnectionNumber,
        stream: StreamId,
        what: StreamUpdate<'_>,
    ) {
        let without = self.without;
        let Some(link) = self.link_with(connection) else {
            self.counters.late += 1;
            return;
        };
        let Some(kind) = link.kind(stream) else {
            if link.resets && stream == StreamId::of_client(0) {
                return; // The server ends it, or not.
            }
            if without.has(Deviation::FourStreams) || without.has(Deviation::Unidirectional) {
                return;
            }
            self.end(
                now,
                &CloseReason::violation("a stream that the server opened"),
            ); // PR-S-07
            return;
        };
        let done = match what {
            StreamUpdate::Opened => Ok(()),
            StreamUpdate::Bytes(bytes) => self.read(kind, bytes),
            StreamUpdate::Written => {
                let bytes = link.sending(kind).written(now);
                let write = bytes.map(|bytes| Output::Write(connection, stream, bytes));
                self.outputs.extend(write);
                Ok(())
            }
            StreamUpdate::Fin
                if without.has(Deviation::FinIgnored)
                    || (without.has(Deviation::CutItem)
                        && kind == Kind::Action
                        && link.words(kind).pending() > 0) =>
            {
                Ok(())
            }
            StreamUpdate::Reset(_) | StreamUpdate::Stopped(_)
                if without.has(Deviation::BrokenOffIgnored) =>
            {
                Ok(())
            }
            // PR-S-08, PR-A-03
            StreamUpdate::Fin => Err(format!("the server ended the {} stream", kind.name())),
            StreamUpdate::Reset(code) => Err(format!(
                "the server reset the {} stream with code {code}",
                kind.name()
            )),
            StreamUpdate::Stopped(code) => Err(format!(
                "the server stopped reading the {} stream with code {code}",
                kind.name()
            )),
        };
        if let Err(why) = done {
            self.end(now, &CloseReason::violation(why));
        }
    }

    /// Takes bytes of the server.
    ///
    /// # Errors
    /// What rule they break.
    fn read(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), String> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let mut numbers = Vec::new();
        link.words(kind).take(bytes, |number| numbers.push(number));
        for number in numbers {
            match kind {
                // PR-E-03
                Kind::Event => match link.event.asked.pop_front() {
                    Some((_, id)) if id == number || self.without.has(Deviation::AnyAck) => {
                        self.counters.events += 1;
                        self.event.push_back(ClientEvent::Acked(id));
                    }
                    Some((_, id)) => return Err(format!("an ack of {number} where {id} is due")),
                    None if self.without.has(Deviation::SurplusAck) => {}
                    None => return Err(format!("an ack of {number} where none is due")),
                },
                Kind::StateCommit => match link.commit.asked.pop_front() {
                    Some((_, request)) => {
                        self.counters.commits += 1;
                        let answer = number;
                        self.event
                            .push_back(ClientEvent::Committed { request, answer });
                    }
                    None => return Err(format!("an answer, {number}, to no request")),
                },
                Kind::Action => {
                    self.counters.actions += 1;
                    match (link.action.asked.pop_front(), self.settings.profile) {
                        (Some(_), _) => self.event.push_back(ClientEvent::Item(number)),
                        (None, Profile::Push) => link.items.push_back(number),
                        (None, Profile::Pull) => {
                            return Err(format!("an item, {number}, that was not asked for"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Closes the connection (PR-C-03).
    fn end(&mut self, now: Duration, reason: &CloseReason) {
        let Some(link) = self.link.take() else {
            return;
        };
        self.counters.closed(reason.code.name());
        self.outputs.push_back(Output::Close {
            connection: link.connection,
            code: reason.number(self.without),
            reason: reason.why.clone(),
        });
        self.over(now, &link, reason.outcome(), reason.why.clone(), true);
    }

    fn closed(&mut self, now: Duration, connection: ConnectionNumber, why: Closing<'_>) {
        let link = self.link.take_if(|link| link.connection == connection);
        let Some(link) = link else {
            self.counters.late += 1;
            return;
        };
        let message = match why {
            Closing::Application { code, .. } => match CloseCode::from_number(code) {
                Some(CloseCode::AlreadyConnected) => REFUSED.to_owned(),
                Some(code) => format!("the server closed it: {}", code.name()),
                None => format!("the server closed it with code {code}"),
            },
            Closing::Transport { code, .. } => {
                format!("the transport closed it with code 0x{code:X}")
            }
            Closing::TimedOut => TIMED_OUT.to_owned(),
            Closing::Refused => REFUSED.to_owned(),
            Closing::Reset => "the server knows it no more".to_owned(),
            Closing::NotBegun(why) | Closing::Other(why) => why.to_owned(),
        };
        self.counters.ended(ending::cause(why));
        let outcome = ending::outcome(why, message.clone());
        self.over(now, &link, outcome, message, false);
    }

    fn over(&mut self, now: Duration, link: &Link, outcome: Outcome, why: String, is_own: bool) {
        let was_lost = link.is_connected && outcome != Outcome::Completed;
        self.lost = was_lost.then_some(now);
        let state = match link.is_connected {
            true => "Connected",
            false => "Connecting",
        };
        self.transition(link.connection, state, "Closed", "it is over");
        self.event.push_back(ClientEvent::Closed { why, is_own });
        self.outputs.push_back(Output::Ended {
            connection: link.connection,
            outcome,
        });
    }

    fn link_with(&mut self, connection: ConnectionNumber) -> Option<&mut Link> {
        let link = self.link.as_mut();
        link.filter(|link| link.connection == connection)
    }

    fn transition(
        &mut self,
        connection: ConnectionNumber,
        from: &'static str,
        to: &'static str,
        why: &'static str,
    ) {
        self.outputs.push_back(Output::Transition {
            connection,
            from,
            to,
            why,
        });
    }

    fn tick(&mut self, now: Duration) {
        if self.deadline().is_some_and(|due| due <= now) {
            let why = "the server did not answer or read within 5 minutes";
            self.end(now, &CloseReason::new(CloseCode::OperationTimeout, why)); // PR-T-01
        }
    }
}

/// The connection whose handshake is done.
fn connected(link: &mut Option<Link>) -> Result<&mut Link, NotReady> {
    let link = link.as_mut().filter(|link| link.is_connected);
    link.ok_or(NotReady::NotConnected)
}
