use std::time::Duration;

use shakedown_protocol::proton::{News, ServerSettings};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{Input, Output};

use super::Violation;
use super::client::ClientSide;
use super::server::ServerSide;
use crate::streams::{Place, Watch};

/// Violations that are kept of a run: the first ones say what is wrong.
const MOST: usize = 10;

/// Sees all that the machines are given and want, and what their owners ask and hear.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) server: ServerSide,
    pub(super) clients: Vec<ClientSide>,
    pub(super) found: Found,
    /// Whether the log is kept.
    tells: bool,
    pub(super) log: Vec<String>,
}

/// What does not hold.
#[derive(Debug, Default)]
pub(super) struct Found(pub(super) Vec<Violation>);

impl Found {
    pub(super) fn add(
        &mut self,
        requirement: &str,
        party: Role,
        now: Duration,
        property: impl Into<String>,
    ) {
        if self.0.len() < MOST {
            self.0.push(Violation {
                requirement: requirement.to_owned(),
                party: Some(party),
                at: u64::try_from(now.as_nanos()).ok(),
                property: property.into(),
            });
        }
    }
}

impl Judge {
    pub(super) fn new(settings: &ServerSettings, tells: bool) -> Self {
        Self {
            server: ServerSide::new(settings.clone()),
            clients: Vec::new(),
            found: Found::default(),
            tells,
            log: Vec::new(),
        }
    }

    pub(super) fn joins(&mut self, first_action: u32) {
        self.clients.push(ClientSide::new(first_action));
    }

    /// A line of the log.
    pub(super) fn tell(&mut self, now: Duration, line: impl FnOnce() -> String) {
        if self.tells {
            self.log
                .push(format!("{:>12.6} s  {}", now.as_secs_f64(), line()));
        }
    }

    /// An owner asks its client for something.
    pub(super) fn client(&mut self, client: usize) -> Option<(&mut ClientSide, &mut Found)> {
        let side = self.clients.get_mut(client)?;
        Some((side, &mut self.found))
    }

    /// An owner hears something of its client.
    pub(super) fn news(&mut self, now: Duration, client: usize, news: &News) {
        self.tell(now, || format!("client {client} tells {news:?}"));
        if let Some((side, found)) = self.client(client) {
            side.news(now, news, found);
        }
    }

    /// Whether nothing that must have happened by now has not.
    pub(super) fn look(&mut self, now: Duration) {
        self.server.look(now, &mut self.found);
        for client in &mut self.clients {
            client.look(now, &mut self.found);
        }
    }
}

impl Watch for Judge {
    fn input(&mut self, now: Duration, place: Place, input: &Input<'_>) {
        self.tell(now, || format!("{} < {input:?}", name(place)));
        match place {
            Place::Server => self.server.input(now, input, &mut self.found),
            Place::Client(client) => {
                if let Some((side, found)) = self.client(client) {
                    side.input(now, input, found);
                }
            }
        }
    }

    fn output(&mut self, now: Duration, place: Place, output: &Output) {
        self.tell(now, || format!("{} > {output:?}", name(place)));
        match place {
            Place::Server => self.server.output(now, output, &mut self.found),
            Place::Client(client) => {
                if let Some((side, found)) = self.client(client) {
                    side.output(now, output, found);
                }
            }
        }
    }
}

fn name(place: Place) -> String {
    match place {
        Place::Server => "server".to_owned(),
        Place::Client(client) => format!("client {client}"),
    }
}
