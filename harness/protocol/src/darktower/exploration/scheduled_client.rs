use std::time::Duration;

use serde_json::Value;

use crate::darktower::reference::{Client, ClientSettings, Service};
use crate::exploration::{Breach, Explored};
use crate::requirement::Role;
use crate::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

/// A client with a start time, and an end time at which it is stopped.
#[derive(Debug)]
pub(super) struct ScheduledClient {
    client: Client,
    services: Vec<Service>,
    start: Duration,
    stop: Duration,
    is_started: bool,
    is_stopped: bool,
    /// Whether it is a breach if its workload is incomplete at the end.
    must_succeed: bool,
    problem: Option<String>,
    notes: Vec<String>,
}

impl ScheduledClient {
    pub(super) fn new(settings: ClientSettings, start: Duration, stop: Duration) -> Self {
        Self {
            services: settings.services.clone(),
            client: Client::new(settings),
            start,
            stop,
            is_started: false,
            is_stopped: false,
            must_succeed: false,
            problem: None,
            notes: Vec::new(),
        }
    }

    /// The same; an incomplete workload is a breach.
    pub(super) fn must_succeed(self) -> Self {
        Self {
            must_succeed: true,
            ..self
        }
    }

    fn counter(&self, name: &str) -> u64 {
        self.client.counters()[name].as_u64().unwrap_or_default()
    }

    fn stop(&mut self, now: Duration) {
        self.is_stopped = true;
        self.problem = match self.client.outcome() {
            None => Some("it was not done".to_owned()),
            Some(outcome) => outcome.clone().err(),
        };
        self.notes.push("is stopped".to_owned());
        self.client.handle(now, Input::Stop);
    }

    /// The requirement of the first service that was not provided.
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

impl StreamMachine for ScheduledClient {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if now < self.start {
            return;
        }
        if !std::mem::replace(&mut self.is_started, true) {
            self.notes.push("comes".to_owned());
        }
        self.client.handle(now, input);
        if now >= self.stop && !self.is_stopped {
            self.stop(now);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.client.poll()
    }

    fn deadline(&self) -> Option<Duration> {
        if !self.is_started {
            return Some(self.start);
        }
        let stop = (!self.is_stopped).then_some(self.stop);
        [self.client.deadline(), stop].into_iter().flatten().min()
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

impl Explored for ScheduledClient {
    fn breaches(&mut self, _: Duration) -> Vec<Breach> {
        let problem = self.problem.take().filter(|_| self.must_succeed);
        let breach = problem.map(|problem| Breach {
            requirement: self.lacks(),
            party: Some(Role::Responder),
            at: Some(self.stop),
            property: format!("a client that comes when all is over is not served: {problem}"),
        });
        breach.into_iter().collect()
    }

    fn is_idle(&self) -> bool {
        !self.is_started || self.client.is_finished()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let all = ["connections", "joined", "frames_sent", "frames_received"];
        all.map(|name| (name, self.counter(name))).to_vec()
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}
