use std::collections::VecDeque;
use std::time::Duration;

use super::super::{Client, ClientEvent, OPERATION, STARTUP_DELAY};
use crate::exploration::{Breach, Explored};
use crate::requirement::Role;
use crate::streams::{ConnectOptions, ConnectionNumber, Input, Output, StreamId, StreamMachine};

/// A client with scheduled requests, which it records.
#[derive(Debug)]
pub(crate) struct OwnedClient {
    client: Client,
    /// Bytes that the server may send on a stream before they are read, if not the usual ones.
    window: Option<u32>,
    plan: Schedule,
    /// Whether it has a connection whose end was not reported.
    has_connection: bool,
    is_connected: bool,
    last_event: Option<u32>,
    /// Unanswered requests on this connection, each with its time.
    events: VecDeque<(Duration, u32)>,
    commits: VecDeque<(Duration, u32)>,
    reads: VecDeque<(Duration, ())>,
    /// The first item that a connection has, if the owner knows.
    first_item: Option<u32>,
    /// Items that came on this connection.
    items: u32,
    breaches: Vec<Breach>,
    notes: Vec<Note>,
    commands: u64,
    answers: u64,
}

/// An entry of the log of a client and its owner.
#[derive(Debug)]
enum Note {
    Command(Command),
    Event(ClientEvent),
}

/// The commands of an owner with their times.
pub(crate) type Schedule = VecDeque<(Duration, Command)>;

/// A command of an owner. A command that the client cannot execute has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Connects, not before PR-C-06 permits it.
    Connect {
        /// Whether it asks for a reset.
        resets: bool,
    },
    Event,
    Commit(u32),
    Read,
    Close,
    /// Checks that all events were acknowledged.
    IsAcked,
    /// Checks that it is connected and has all responses.
    IsServed,
}

impl OwnedClient {
    pub(crate) fn new(client: Client, window: Option<u32>, plan: Schedule) -> Self {
        Self {
            client,
            window,
            plan,
            has_connection: false,
            is_connected: false,
            last_event: None,
            events: VecDeque::new(),
            commits: VecDeque::new(),
            reads: VecDeque::new(),
            first_item: None,
            items: 0,
            breaches: Vec::new(),
            notes: Vec::new(),
            commands: 0,
            answers: 0,
        }
    }

    /// The items of a connection have the numbers from `first` on.
    pub(crate) fn expects_items(self, first: u32) -> Self {
        let first_item = Some(first);
        Self { first_item, ..self }
    }

    fn execute(&mut self, now: Duration, command: Command) {
        self.commands += 1;
        self.notes.push(Note::Command(command));
        let client = &mut self.client;
        match command {
            Command::Connect { resets } => {
                let waits = |at: Option<Duration>| !resets && at.is_some_and(|at| now < at);
                let early = waits(client.lost_at().map(|lost| lost + STARTUP_DELAY));
                let connects = !waits(client.may_connect_at()) && client.connect(resets).is_ok();
                self.has_connection |= connects;
                if connects && early {
                    let property = "it connects again within 10 s of losing a connection";
                    self.breach("PR-C-06", Role::Initiator, now, property);
                }
            }
            Command::Event => {
                if let Ok(id) = client.send_event(now) {
                    if self.last_event.is_some_and(|last| id <= last) {
                        let property = format!("event {id} after {:?}", self.last_event);
                        let requirement = match self.last_event {
                            Some(u32::MAX) => "PR-E-05",
                            _ => "PR-E-04",
                        };
                        self.breach(requirement, Role::Initiator, now, property);
                    }
                    self.last_event = Some(id);
                    self.events.push_back((now, id));
                }
            }
            Command::Commit(request) => {
                if client.commit(now, request).is_ok() {
                    self.commits.push_back((now, request));
                }
            }
            Command::Read => {
                let is_asked = client.read_action(now).is_ok();
                self.reads.extend(is_asked.then_some((now, ())));
            }
            Command::Close => {
                // Without a connection there is nothing to end.
                let _ = client.close(now);
            }
            Command::IsAcked if self.events.is_empty() => {}
            Command::IsAcked => {
                let property = "an event waits while a StateCommit is worked on";
                self.breach("PR-T-02", Role::Responder, now, property);
            }
            Command::IsServed => self.check_served(now),
        }
    }

    /// Processes all events of the client.
    fn handle_events(&mut self, now: Duration) {
        while let Some(event) = self.client.poll_event() {
            self.notes.push(Note::Event(event.clone()));
            let is_answer = !matches!(event, ClientEvent::Connected | ClientEvent::Closed { .. });
            self.answers += u64::from(is_answer);
            match event {
                ClientEvent::Connected => self.is_connected = true,
                ClientEvent::Acked(id) => {
                    let due = self.events.pop_front().map(|(_, id)| id);
                    if due != Some(id) {
                        let property = format!("an ack of {id} is reported where {due:?} is due");
                        self.breach("PR-E-03", Role::Initiator, now, property);
                    }
                }
                ClientEvent::Committed { request, answer } => {
                    let due = self.commits.pop_front().map(|(_, request)| request);
                    if due != Some(request) || answer != request.wrapping_mul(2) {
                        let property = format!("{request} gives {answer} where {due:?} is due");
                        self.breach("PR-K-01", Role::Responder, now, property);
                    }
                }
                ClientEvent::Item(item) => self.item_received(now, item),
                ClientEvent::Closed { .. } => self.connection_ended(now),
            }
        }
    }

    fn item_received(&mut self, now: Duration, item: u32) {
        if self.reads.pop_front().is_none() {
            let property = format!("item {item} is reported and was not requested");
            self.breach("PR-A-01", Role::Initiator, now, property);
        }
        let due = self.first_item.map(|first| first.wrapping_add(self.items));
        self.items = self.items.wrapping_add(1);
        if due.is_some_and(|due| item != due) {
            let property = format!("item {item} comes where {due:?} is due");
            self.breach("PR-A-01", Role::Responder, now, property);
        }
    }

    /// Whether it waits for an answer for longer than it may.
    fn waits_too_long(&self, now: Duration) -> bool {
        let oldest = [
            self.events.front().map(|(at, _)| *at),
            self.commits.front().map(|(at, _)| *at),
            self.reads.front().map(|(at, ())| *at),
        ];
        let mut oldest = oldest.into_iter().flatten();
        oldest.any(|at| now.saturating_sub(at) > OPERATION)
    }

    fn connection_ended(&mut self, now: Duration) {
        if !std::mem::take(&mut self.has_connection) {
            self.breach("PR-R-03", Role::Initiator, now, "an end is reported twice");
        }
        self.is_connected = false;
        self.events.clear();
        self.commits.clear();
        self.reads.clear();
        self.items = 0;
    }

    fn check_served(&mut self, now: Duration) {
        let is_missing = [
            ("PR-C-02", !self.is_connected, "a connection"),
            ("PR-E-01", !self.events.is_empty(), "an ack"),
            ("PR-K-01", !self.commits.is_empty(), "an answer"),
            ("PR-A-01", !self.reads.is_empty(), "an item"),
        ];
        let missing = is_missing
            .into_iter()
            .find(|(_, is_missing, _)| *is_missing);
        if let Some((requirement, _, what)) = missing {
            let property = format!("a new client is not served at once: it waits for {what}");
            self.breach(requirement, Role::Responder, now, property);
        }
    }

    fn breach(
        &mut self,
        requirement: &'static str,
        party: Role,
        at: Duration,
        property: impl Into<String>,
    ) {
        self.breaches.push(Breach {
            requirement,
            party: Some(party),
            at: Some(at),
            property: property.into(),
        });
    }
}

impl StreamMachine for OwnedClient {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.client.handle(now, input);
        self.handle_events(now);
        if self.waits_too_long(now) {
            let property = "it waits for an answer for more than 5 minutes";
            self.breach("PR-T-01", Role::Initiator, now, property);
        }
        while let Some((_, command)) = self.plan.pop_front_if(|(at, _)| *at <= now) {
            self.execute(now, command);
            self.handle_events(now);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        let output = self.client.poll()?;
        Some(match output {
            Output::Connect(connection) if self.window.is_some() => {
                let window = self.window;
                let options = ConnectOptions {
                    window,
                    ..ConnectOptions::default()
                };
                Output::ConnectBy(connection, options)
            }
            output => output,
        })
    }

    fn deadline(&self) -> Option<Duration> {
        let command = self.plan.front().map(|(at, _)| *at);
        let both = [self.client.deadline(), command];
        both.into_iter().flatten().min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.client.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.client.is_finished()
    }

    fn counters(&self) -> serde_json::Value {
        self.client.counters()
    }
}

impl Explored for OwnedClient {
    fn breaches(&mut self, _: Duration) -> Vec<Breach> {
        std::mem::take(&mut self.breaches)
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("answers", self.answers), ("commands", self.commands)]
    }

    fn take_notes(&mut self) -> Vec<String> {
        let notes = std::mem::take(&mut self.notes).into_iter();
        let words = notes.map(|note| match note {
            Note::Command(command) => format!("is asked: {command:?}"),
            Note::Event(event) => format!("reports: {event:?}"),
        });
        words.collect()
    }
}
