use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use shakedown_carrier::Security;
use shakedown_protocol::machine::{Input, Machine, Outcome, Output};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, ReferenceSettings};

use super::Settings;
use crate::reference::reference;
use crate::scenario::Scenario;

/// The time of day at which virtual time is 0, as tokens have it: 2026-01-01. Captures begin at 0.
pub(super) const EPOCH: Duration = Duration::from_secs(1_767_225_600);
const LOCALHOST: [u8; 4] = [127, 0, 0, 1];
const RESPONDER_PORT: u16 = 4_444;
/// Port of an initiator; each restart takes the next one.
const INITIATOR_PORT: u16 = 50_000;

/// The reference as a process that is started, ends by itself or is killed, and counts its time from its start.
pub(super) struct ReferenceProcess {
    role: Role,
    machine: Option<Box<dyn Machine>>,
    starts: u16,
    started: Duration,
    /// Its exit status, when it ends by itself.
    status: i32,
    /// What the machine had counted that ended last.
    counters: Value,
}

impl ReferenceProcess {
    /// One that was not started yet.
    pub(super) const fn new(role: Role) -> Self {
        Self {
            role,
            machine: None,
            starts: 0,
            started: Duration::ZERO,
            status: 0,
            counters: Value::Null,
        }
    }

    /// Where a responder is reached, also before it is started, and where an initiator asks from.
    pub(super) fn address(&self) -> SocketAddr {
        let port = match self.role {
            Role::Responder => RESPONDER_PORT,
            Role::Initiator => INITIATOR_PORT.wrapping_add(self.starts % 10_000),
        };
        (LOCALHOST, port).into()
    }

    /// How often it was started.
    pub(super) const fn starts(&self) -> u16 {
        self.starts
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let due = self.machine.as_ref()?.deadline()?;
        Some(due.saturating_add(self.started))
    }

    pub(super) fn counters(&self) -> Value {
        let machine = self.machine.as_ref();
        machine.map_or_else(|| self.counters.clone(), |machine| machine.counters())
    }

    /// Starts it as the scenario needs it; `peer` is whom an initiator asks.
    ///
    /// # Errors
    /// A human-readable error: the reference cannot be what the scenario needs.
    pub(super) fn start(
        &mut self,
        now: Duration,
        protocol: &'static Protocol,
        scenario: &Scenario,
        settings: &Settings,
        peer: Option<SocketAddr>,
    ) -> Result<(), String> {
        self.starts += 1;
        self.started = now;
        self.status = 0;
        let needs = &scenario.iut;
        let period = settings.timing.buffer_period.to_string();
        let mut extra = vec![("buffer_period".to_owned(), period)];
        // Not every protocol has one.
        extra.retain(|(name, _)| protocol.settings.iter().any(|it| it.name == *name));
        if let Some(requirement) = settings.without {
            extra.push(("without".to_owned(), requirement.to_owned()));
        }
        // A process that is started again has other random numbers.
        let seed = settings.seed.wrapping_add(u64::from(self.starts) << 32);
        let of_machine = ReferenceSettings {
            role: needs.role,
            mode: protocol.mode_of(&needs.mode).to_owned(),
            options: needs.options.clone(),
            stream: settings.stream_of(scenario),
            peer: peer.filter(|_| needs.role == Role::Initiator),
            seed,
            epoch: EPOCH.saturating_add(self.started),
            extra,
        };
        let machine = reference(protocol, &of_machine, Security::Seeded(seed), None)?;
        self.machine = Some(machine);
        Ok(())
    }

    /// Gives it an input. The result is what it sends, and its exit status if it ends by itself.
    pub(super) fn handle(
        &mut self,
        now: Duration,
        input: Input<'_>,
    ) -> (Vec<(SocketAddr, Vec<u8>)>, Option<i32>) {
        let mut sends = Vec::new();
        let Some(machine) = &mut self.machine else {
            return (sends, None);
        };
        machine.handle(now.saturating_sub(self.started), input);
        while let Some(output) = machine.poll() {
            match output {
                Output::Send { to, payload } => sends.push((to, payload)),
                Output::Transition { .. } => {}
                Output::Ended { outcome, .. } => {
                    if let Outcome::Failed(failure) = outcome {
                        self.status = failure.status();
                    }
                }
            }
        }
        if !(machine.is_finished() && machine.is_idle()) {
            return (sends, None);
        }
        self.counters = machine.counters();
        self.machine = None;
        (sends, Some(self.status))
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.machine.is_some()
    }

    /// Ends it without a word.
    pub(super) fn kill(&mut self) {
        self.machine = None;
    }
}
