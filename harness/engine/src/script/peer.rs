//! The scripted peer as its driver sees it: datagrams and time in, datagrams out, whatever carries
//! the protocol.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_carrier::{Carrier, CarrierError, Effect, Settings, Socket};
use shakedown_protocol::Transport;
use shakedown_protocol::streams::StreamMachine;

use crate::network::Impairment;
use crate::scenario::Scenario;

use super::context::Context;
use super::execution::Execution;
use super::inbox::Arrival;
use super::play::DatagramScript;
use super::program::Program;
use super::streams::StreamScript;
use super::{Action, Budget, Environment, Input, Judgements, ScriptOutcome, SocketId, StepEvent};

/// A scenario being played; see the [module](super) for the rules.
#[derive(Debug)]
pub struct Script(Player);

#[derive(Debug)]
enum Player {
    Datagrams(Box<DatagramScript>),
    Streams(Box<Carrier<StreamScript>>),
}

impl Script {
    /// A script at its start. The scenario was checked when it was loaded; any remaining problem
    /// becomes an [error](ScriptOutcome::Error) when the script runs.
    #[must_use]
    pub fn new(scenario: &Scenario, environment: Environment) -> Self {
        Self::with(&Program::new(scenario.clone()), environment, None, true)
    }

    /// The same through a network that the scenario does not account for: windows are extended by
    /// its delays. The scenario's own network is included already.
    #[must_use]
    pub fn through(scenario: &Scenario, environment: Environment, impair: &Impairment) -> Self {
        let program = Program::new(scenario.clone());
        Self::with(&program, environment, Some(impair), true)
    }

    /// One of many runs of a program: it reports only the outcome.
    #[must_use]
    pub fn of(program: &Program, environment: Environment) -> Self {
        Self::with(program, environment, None, false)
    }

    fn with(
        program: &Program,
        environment: Environment,
        impair: Option<&Impairment>,
        tells: bool,
    ) -> Self {
        let Some(transport) = environment.protocol.transport else {
            let script = DatagramScript::new(program, environment, impair, tells);
            return Self(Player::Datagrams(Box::new(script)));
        };
        match over_quic(program, environment.clone(), transport, impair, tells) {
            Ok(carrier) => Self(Player::Streams(Box::new(carrier))),
            Err(error) => {
                let script = DatagramScript::broken(program, environment, error.to_string());
                Self(Player::Datagrams(Box::new(script)))
            }
        }
    }

    /// Takes one input at time `now`, which never falls.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        let carrier = match &mut self.0 {
            Player::Datagrams(script) => return script.handle(now, input),
            Player::Streams(carrier) => carrier,
        };
        match input {
            Input::Begin => carrier.ask(now, |script| script.begin(now)),
            Input::Datagram {
                socket,
                from,
                payload,
                packet,
            } => {
                carrier.ask(now, |script| script.recorded(packet));
                carrier.receive(now, Socket(socket.0), from, payload);
            }
            Input::Sent { packet, .. } => carrier.ask(now, |script| script.recorded(packet)),
            Input::Refused { why } => carrier.ask(now, |script| script.refused(now, why)),
            Input::Tick => carrier.tick(now),
            Input::Exited { code } => carrier.ask(now, |script| script.exited(now, code)),
            Input::Restarted => carrier.ask(now, |script| script.restarted(now)),
            Input::Late(by) => carrier.ask(now, |script| script.late(by)),
            Input::End => carrier.stop(now),
        }
    }

    /// The driver has found out that nothing more comes for what was sent so far: the window or the
    /// wait that is open is over `now`, and the script's own time goes ahead.
    pub fn settle(&mut self, now: Duration) {
        match &mut self.0 {
            Player::Datagrams(script) => script.settle(now),
            Player::Streams(carrier) => carrier.ask(now, |script| script.settle(now)),
        }
    }

    /// Over QUIC, asks the implementation whether it has all that was said.
    pub fn ask(&mut self, now: Duration) {
        match &mut self.0 {
            Player::Datagrams(_) => {}
            Player::Streams(carrier) => carrier.ask_for_acknowledgement(now),
        }
    }

    /// Whether the implementation's QUIC has acknowledged all that was said; `None` over datagrams, where nobody
    /// says so.
    #[must_use]
    pub fn is_read(&self) -> Option<bool> {
        match &self.0 {
            Player::Datagrams(_) => None,
            Player::Streams(carrier) => Some(carrier.is_read()),
        }
    }

    /// When the window or the wait that is open is over, if any is; of QUIC's own timers it says nothing.
    #[must_use]
    pub fn waits_until(&self) -> Option<Duration> {
        match &self.0 {
            Player::Datagrams(script) => script.deadline(),
            Player::Streams(carrier) => carrier.machine().deadline(),
        }
    }

    /// Whether it waits for nothing but the moment at which it sends more, by itself.
    #[must_use]
    pub fn paces_itself(&self) -> bool {
        match &self.0 {
            Player::Datagrams(script) => script.paces_itself(),
            Player::Streams(_) => false,
        }
    }

    /// The next thing that it wants done; `None` when there is nothing more for now.
    pub fn poll(&mut self) -> Option<Action> {
        let carrier = match &mut self.0 {
            Player::Datagrams(script) => return script.poll(),
            Player::Streams(carrier) => carrier,
        };
        while let Some(effect) = carrier.poll() {
            return Some(match effect {
                Effect::Open(socket) => Action::Open {
                    socket: SocketId(socket.0),
                    other_address: false,
                },
                Effect::Send {
                    socket,
                    to,
                    payload,
                } => Action::Send {
                    tag: 0,
                    socket: SocketId(socket.0),
                    to: Some(to),
                    payload,
                },
                Effect::Transition { .. } | Effect::Ended { .. } => continue,
            });
        }
        let secrets = carrier.take_secrets();
        if !secrets.is_empty() {
            return Some(Action::Secrets(secrets));
        }
        let script = carrier.machine_mut();
        if let Some(kill) = script.execution.take_restart() {
            return Some(Action::RestartIut { kill });
        }
        let (packet, text) = script.take_comment()?;
        Some(Action::Comment { packet, text })
    }

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.0 {
            Player::Datagrams(script) => script.deadline(),
            Player::Streams(carrier) => carrier.deadline(),
        }
    }

    /// Whether the peer waits for nothing more. Over QUIC closes are retransmitted for a while to
    /// a peer that continues.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        match &self.0 {
            Player::Datagrams(_) => true,
            Player::Streams(carrier) => carrier.is_idle(),
        }
    }

    /// Whether the step that failed would have passed over a datagram which came then, so that it says
    /// nothing of what the step waited for. Over QUIC it is not known what a datagram carries.
    pub fn passes_over(&mut self, socket: SocketId, at: Duration, payload: &[u8]) -> bool {
        match &mut self.0 {
            Player::Datagrams(script) => script.passes_over(&Arrival::alone(socket, at, payload)),
            Player::Streams(_) => false,
        }
    }

    /// How many sockets besides `main` may be asked something; those after them are `fresh`.
    #[must_use]
    pub fn named_sockets(&self) -> usize {
        match &self.0 {
            Player::Datagrams(script) => script.named_sockets(),
            Player::Streams(_) => usize::MAX,
        }
    }

    /// Memory for what arrives and waits to be looked at, here or at its driver.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.context().environment.budget
    }

    fn execution(&self) -> &Execution {
        match &self.0 {
            Player::Datagrams(script) => &script.execution,
            Player::Streams(carrier) => &carrier.machine().execution,
        }
    }

    fn context(&self) -> &Context {
        match &self.0 {
            Player::Datagrams(script) => &script.context,
            Player::Streams(carrier) => &carrier.machine().context,
        }
    }

    /// How it ended, once it did. What [`Script::poll`] still has are comments and, over QUIC,
    /// closes.
    #[must_use]
    pub fn outcome(&self) -> Option<&ScriptOutcome> {
        self.execution().outcome.as_ref()
    }

    /// What its steps say of requirements by now.
    #[must_use]
    pub fn judgements(&self) -> Judgements {
        self.execution().judgements(self.context())
    }

    /// When the first media arrived that a step has looked at, or the first bytes on a stream, by the
    /// driver's clock.
    #[must_use]
    pub fn first_media(&self) -> Option<Duration> {
        match &self.0 {
            Player::Datagrams(script) => script.first_media,
            Player::Streams(carrier) => carrier.machine().first_bytes(),
        }
    }

    /// What was done so far, step by step; the first 4,096.
    #[must_use]
    pub fn events(&self) -> &[StepEvent] {
        &self.execution().events
    }

    /// What became of it without values: which steps that wait came true, and over streams how each connection
    /// and each stream fared.
    #[must_use]
    pub fn shape(&self) -> String {
        let steps = self.execution().shape();
        match &self.0 {
            Player::Datagrams(_) => steps,
            Player::Streams(carrier) => format!("{steps} {}", carrier.machine().shape()),
        }
    }

    /// Frames that steps passed over, by name.
    #[must_use]
    pub fn ignored(&self) -> &IndexMap<String, u64> {
        &self.execution().ignored
    }

    /// The values that names stand for by now.
    #[must_use]
    pub fn bindings(&self) -> &IndexMap<String, Value> {
        self.context().bindings.all()
    }
}

/// The scripted peer of a scenario over streams: the client if the implementation listens.
fn over_quic(
    program: &Program,
    environment: Environment,
    transport: Transport,
    impair: Option<&Impairment>,
    tells: bool,
) -> Result<Carrier<StreamScript>, CarrierError> {
    let settings = Settings {
        transport,
        security: environment.security,
        is_tester: true,
        identity: None,
    };
    let server = environment.iut;
    let script = StreamScript::new(program, environment, impair, tells);
    match server {
        Some(address) => Carrier::client(script, address, &settings),
        None => Carrier::server(script, &settings),
    }
}
