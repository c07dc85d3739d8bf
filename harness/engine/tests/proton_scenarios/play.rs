//! A scenario of proton played against an implementation over a network of streams without QUIC.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use shakedown_engine::iut::Exit as ExitStatus;
use shakedown_engine::scenario::{Scenario, Step, each_step};
use shakedown_engine::script::streams::StreamScript;
use shakedown_engine::script::{Environment, ScriptOutcome};
use shakedown_engine::streams::{Conditions, StreamNetwork};
use shakedown_protocol::StreamParameters;
use shakedown_protocol::proton::{
    self, ClientSettings, Errand, Profile, Runner, Server, ServerSettings,
};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

/// Longer than any scenario takes.
const LIMIT: Duration = Duration::from_secs(3_600);

/// How a client's process ended, once it has.
type Exit = Rc<Cell<Option<i32>>>;

pub(super) fn against_server(
    script: StreamScript,
    server: impl StreamMachine,
) -> (Option<ScriptOutcome>, String) {
    let mut network = StreamNetwork::new(server, Conditions::of_proton(1), ());
    let peer = network.join(script);
    network.ask(peer, StreamScript::begin).unwrap();
    while network.now() < LIMIT
        && network.client(peer).unwrap().outcome().is_none()
        && network.step().unwrap()
    {}
    let script = network.client(peer).unwrap();
    (script.outcome().cloned(), format!("{:#?}", script.events()))
}

/// `spoil` says what becomes of each thing that the client wants done.
pub(super) fn against_client(
    mut script: StreamScript,
    client: Runner,
    spoil: fn(Output) -> Vec<Output>,
) -> (Option<ScriptOutcome>, String) {
    let exit = Exit::default();
    script.begin(Duration::ZERO);
    let peer = Peer {
        script,
        exit: Rc::clone(&exit),
        is_told: false,
    };
    let mut network = StreamNetwork::new(peer, Conditions::of_proton(1), ());
    network.join(Process {
        client,
        exit,
        spoil,
        outputs: VecDeque::new(),
    });
    while network.now() < LIMIT
        && network.server().script.outcome().is_none()
        && network.step().unwrap()
    {}
    let script = &network.server().script;
    (script.outcome().cloned(), format!("{:#?}", script.events()))
}

/// The network has one endpoint for each machine: a client that fell silent cannot connect anew.
pub(super) fn needs_two_endpoints(scenario: &Scenario) -> bool {
    let (mut is_silent, mut connects) = (false, false);
    let root = shakedown_engine::document::Pointer::root();
    each_step(&scenario.steps, &root, &mut |step, _| {
        is_silent |= matches!(step, Step::Blackhole(_));
        connects |= is_silent && matches!(step, Step::Connect(_));
    });
    connects
}

pub(super) fn environment(scenario: &Scenario) -> Environment {
    Environment {
        protocol: &proton::PROTOCOL,
        tolerance: 0.25,
        stream: StreamParameters {
            bits_per_second: 400_000,
            frames_per_second: 50,
            seconds: 2,
        },
        buffer_period: Duration::from_secs(5),
        exit: ExitStatus::default(),
        iut: (scenario.iut.role == Role::Responder).then(|| ([127, 0, 0, 1], 4433).into()),
        seed: 1,
    }
}

pub(super) fn server(scenario: &Scenario, profile: Profile) -> Server {
    Server::new(ServerSettings {
        profile,
        resets: is_on(scenario, "resets"),
        commit_delay: Duration::from_secs(number(scenario, "commit_delay").unwrap_or(0).into()),
        ..ServerSettings::default()
    })
}

pub(super) fn client(scenario: &Scenario, profile: Profile) -> Runner {
    Runner::new(Errand {
        client: ClientSettings {
            profile,
            first_event: number(scenario, "first_event").unwrap_or(1),
        },
        events: number(scenario, "events").unwrap_or(0),
        commits: number(scenario, "commits").unwrap_or(0),
        actions: number(scenario, "actions").unwrap_or(0),
        stays: is_on(scenario, "stay"),
        again: is_on(scenario, "again"),
        resets: is_on(scenario, "reset"),
    })
}

fn is_on(scenario: &Scenario, name: &str) -> bool {
    scenario.iut.options.iter().any(|option| option == name)
}

fn number(scenario: &Scenario, name: &str) -> Option<u32> {
    let options = scenario.iut.options.iter();
    let mut given = options.filter_map(|option| option.split_once('='));
    let (_, number) = given.find(|(known, _)| *known == name)?;
    Some(number.parse().unwrap())
}

/// The client under test, whose process ends when it is done.
#[derive(Debug)]
struct Process {
    client: Runner,
    exit: Exit,
    spoil: fn(Output) -> Vec<Output>,
    outputs: VecDeque<Output>,
}

/// The scripted server, which hears of that end.
#[derive(Debug)]
struct Peer {
    script: StreamScript,
    exit: Exit,
    is_told: bool,
}

impl StreamMachine for Process {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.client.handle(now, input);
        while let Some(output) = self.client.poll() {
            self.outputs.extend((self.spoil)(output));
        }
        if let Some(outcome) = self.client.outcome() {
            self.exit.set(Some(i32::from(outcome.is_err())));
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        self.client.deadline()
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

impl StreamMachine for Peer {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.script.handle(now, input);
        if let Some(code) = self.exit.get()
            && !std::mem::replace(&mut self.is_told, true)
        {
            self.script.exited(now, Some(code));
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.script.poll()
    }

    fn deadline(&self) -> Option<Duration> {
        let news = self.exit.get().is_some() && !self.is_told;
        match news {
            true => Some(Duration::ZERO),
            false => self.script.deadline(),
        }
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.script.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.script.is_finished()
    }

    fn counters(&self) -> serde_json::Value {
        self.script.counters()
    }
}
