use std::time::Duration;

use serde_json::Value;

use crate::darktower::reference::{Client, ClientSettings, Service};
use crate::exploration::{Breach, Explored};
use crate::requirement::Role;
use crate::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

/// A client that comes at its time, and is stopped at another one if it is still there.
#[derive(Debug)]
pub(super) struct Visitor {
    client: Client,
    services: Vec<Service>,
    comes: Duration,
    goes: Duration,
    has_come: bool,
    has_gone: bool,
    /// Why it is found broken if it did not get all that it came for.
    must_succeed: bool,
    problem: Option<String>,
    notes: Vec<String>,
}

impl Visitor {
    pub(super) fn new(settings: ClientSettings, comes: Duration, goes: Duration) -> Self {
        Self {
            services: settings.services.clone(),
            client: Client::new(settings),
            comes,
            goes,
            has_come: false,
            has_gone: false,
            must_succeed: false,
            problem: None,
            notes: Vec::new(),
        }
    }

    /// The same, which gets all that it comes for.
    pub(super) fn that_must_succeed(self) -> Self {
        Self {
            must_succeed: true,
            ..self
        }
    }

    fn counter(&self, name: &str) -> u64 {
        self.client.counters()[name].as_u64().unwrap_or_default()
    }

    fn goes(&mut self, now: Duration) {
        self.has_gone = true;
        self.problem = match self.client.outcome() {
            None => Some("it was not done".to_owned()),
            Some(outcome) => outcome.clone().err(),
        };
        self.notes.push("is stopped".to_owned());
        self.client.handle(now, Input::Stop);
    }

    /// The requirement by which the first thing came that it lacks.
    fn lacks(&self) -> &'static str {
        let asked = [
            (Service::Information, "informed", "DT-G-01"),
            (Service::Controller, "joined", "DT-S-05"),
            (Service::Handler, "authenticated", "DT-M-02"),
        ];
        let lacks = asked.iter().find(|(service, counter, _)| {
            self.services.contains(service) && self.counter(counter) == 0
        });
        lacks.map_or("DT-M-06", |(.., requirement)| requirement)
    }
}

impl StreamMachine for Visitor {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if now < self.comes {
            return;
        }
        if !std::mem::replace(&mut self.has_come, true) {
            self.notes.push("comes".to_owned());
        }
        self.client.handle(now, input);
        if now >= self.goes && !self.has_gone {
            self.goes(now);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.client.poll()
    }

    fn deadline(&self) -> Option<Duration> {
        if !self.has_come {
            return Some(self.comes);
        }
        let goes = (!self.has_gone).then_some(self.goes);
        [self.client.deadline(), goes].into_iter().flatten().min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.client.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.client.is_finished()
    }

    fn failure(&self) -> Option<&str> {
        self.client.failure()
    }

    fn counters(&self) -> Value {
        self.client.counters()
    }
}

impl Explored for Visitor {
    fn breaches(&mut self, _: Duration) -> Vec<Breach> {
        let problem = self.problem.take().filter(|_| self.must_succeed);
        let breach = problem.map(|problem| Breach {
            requirement: self.lacks(),
            party: Some(Role::Responder),
            at: Some(self.goes),
            property: format!("a client that comes when all is over is not served: {problem}"),
        });
        breach.into_iter().collect()
    }

    fn is_at_rest(&self) -> bool {
        !self.has_come || self.client.is_finished()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let all = ["connections", "joined", "frames_sent", "frames_received"];
        all.map(|name| (name, self.counter(name))).to_vec()
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}
