//! A client that acts on its own.

use std::time::Duration;

use super::super::deviation::Deviations;
use super::super::settings::ClientSettings;
use super::{Client, ClientEvent};
use crate::proton::IDENTIFICATION;
use crate::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

/// Questions of one kind that may be unanswered at a time; the rest waits.
const MOST_ASKED: u32 = 1_024;

/// What a client does on its own, on each of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Workload {
    pub client: ClientSettings,
    /// Events that it sends.
    pub events: u32,
    /// StateCommit requests that it sends: 1, 2, 3 and so on.
    pub commits: u32,
    /// Items of the Action stream that it reads.
    pub actions: u32,
    /// Whether it stays connected when all of that is done.
    pub stays: bool,
    /// Whether it connects again when a connection is lost, and does all of it again.
    pub again: bool,
    /// Whether it resets an older connection by the first byte of its own (PR-R-01).
    pub resets: bool,
}

/// Does its work: connects, asks for everything at once, and closes when it has all answers.
#[derive(Debug)]
pub struct WorkloadClient {
    client: Client,
    workload: Workload,
    /// What is left to be asked for on this connection, and what of it is asked and not answered.
    events: Remaining,
    commits: Remaining,
    actions: Remaining,
    is_connected: bool,
    /// When it does the next thing by itself.
    due: Option<(Duration, Next)>,
    /// What it could not do and will not be able to.
    lacking: Option<String>,
    done: Option<Result<(), String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Connect,
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Remaining {
    wanted: u32,
    asked: u32,
}

impl Remaining {
    const fn new(wanted: u32) -> Self {
        Self { wanted, asked: 0 }
    }

    /// Whether one more can be asked for now.
    const fn ask(&mut self) -> bool {
        let can = self.wanted > 0 && self.asked < MOST_ASKED;
        if can {
            self.wanted -= 1;
            self.asked += 1;
        }
        can
    }

    const fn answered(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    const fn is_done(self) -> bool {
        self.wanted == 0 && self.asked == 0
    }
}

impl WorkloadClient {
    /// A client that has not connected so far; it does so at its first input.
    #[must_use]
    pub fn new(workload: Workload) -> Self {
        Self {
            client: Client::new(workload.client),
            workload,
            events: Remaining::default(),
            commits: Remaining::default(),
            actions: Remaining::default(),
            is_connected: false,
            due: Some((Duration::ZERO, Next::Connect)),
            lacking: None,
            done: None,
        }
    }

    /// The same as a faulty twin.
    #[must_use]
    pub fn without(self, without: Deviations) -> Self {
        let client = self.client.without(without);
        Self { client, ..self }
    }

    /// How it went, when it is over: an error says in a human-readable sentence why not everything was
    /// done.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Result<(), String>> {
        self.done.as_ref()
    }

    fn act(&mut self, now: Duration) {
        while let Some(event) = self.client.poll_event() {
            self.handle_event(now, event);
        }
        let Some((_, next)) = self.due.take_if(|(due, _)| *due <= now) else {
            return;
        };
        match next {
            // It has no connection, or it would not be due.
            Next::Connect => drop(self.client.connect(self.workload.resets)),
            Next::Close => self.close(now),
        }
    }

    fn handle_event(&mut self, now: Duration, event: ClientEvent) {
        match event {
            ClientEvent::Connected => {
                let Workload {
                    events,
                    commits,
                    actions,
                    ..
                } = self.workload;
                self.is_connected = true;
                self.events = Remaining::new(events);
                self.commits = Remaining::new(commits);
                self.actions = Remaining::new(actions);
                self.ask(now);
                if self.is_done() {
                    // No event reports that the streams are identified.
                    self.leave(now.saturating_add(IDENTIFICATION));
                }
                return;
            }
            ClientEvent::Acked(_) => self.events.answered(),
            ClientEvent::Committed { .. } => self.commits.answered(),
            ClientEvent::Item(_) => self.actions.answered(),
            ClientEvent::Closed { why, .. } => return self.closed(now, why),
        }
        self.ask(now);
        if self.is_done() {
            self.leave(now);
        }
    }

    fn ask(&mut self, now: Duration) {
        while self.events.ask() {
            if let Err(error) = self.client.send_event(now) {
                // PR-E-05
                self.lacking.get_or_insert_with(|| error.to_string());
                self.events.wanted = 0;
                self.events.answered();
            }
        }
        while self.commits.ask() {
            let request = self.workload.commits - self.commits.wanted;
            // There is a connection, or there would be nothing to ask.
            let _ = self.client.commit(now, request);
        }
        while self.actions.ask() {
            let _ = self.client.read_action(now);
        }
    }

    const fn is_done(&self) -> bool {
        self.events.is_done() && self.commits.is_done() && self.actions.is_done()
    }

    fn leave(&mut self, at: Duration) {
        if !self.workload.stays {
            self.due = Some((at, Next::Close));
        }
    }

    fn close(&mut self, now: Duration) {
        // Where there is no connection any more, there is nothing to close.
        let _ = self.client.close(now);
        self.done = Some(self.lacking.take().map_or(Ok(()), Err));
        while self.client.poll_event().is_some() {}
    }

    /// The connection is over, and this client did not mean to end it yet.
    fn closed(&mut self, now: Duration, why: String) {
        self.due = None;
        let was_lost = self.client.lost_at().is_some();
        let in_peace = std::mem::take(&mut self.is_connected) && !was_lost;
        if self.workload.again && !in_peace {
            let wait = match self.workload.resets && was_lost {
                true => Duration::ZERO,
                // PR-C-06
                false => self.client.startup_delay(),
            };
            self.due = Some((now.saturating_add(wait), Next::Connect));
            return;
        }
        let is_enough = in_peace && self.is_done() && self.lacking.is_none();
        self.done = Some(match is_enough {
            true => Ok(()),
            false => Err(self.lacking.take().unwrap_or(why)),
        });
    }
}

impl StreamMachine for WorkloadClient {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        let is_stop = matches!(input, Input::Stop);
        self.client.handle(now, input);
        if is_stop {
            self.due = None;
            self.done.get_or_insert(Ok(()));
            return;
        }
        self.act(now);
        // Work caused by received data.
        self.act(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.client.poll()
    }

    fn deadline(&self) -> Option<Duration> {
        let due = self.due.map(|(due, _)| due);
        [due, self.client.deadline()].into_iter().flatten().min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.client.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.done.is_some()
    }

    fn failure(&self) -> Option<&str> {
        self.done.as_ref()?.as_ref().err().map(String::as_str)
    }

    fn counters(&self) -> serde_json::Value {
        self.client.counters()
    }
}
