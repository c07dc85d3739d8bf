//! A process of the implementation, and the execution of conversations against it.

mod service;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shakedown_carrier::Security;
use shakedown_engine::fuzzing::{Behaviour, Conversation, DatagramMutator};
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Needs, Scenario};
use shakedown_engine::script::{
    Budget, Environment, Program, Script, SocketId, fingerprint, is_crash,
};
use shakedown_protocol::Protocol;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::coverage::MonitorCoverage;
use super::executor::{Executor, Outcome, Pace, State};
use super::fault::Fault;
use super::liveness::{Probe, open};
use crate::clock::Clock;
use crate::drive::Recorder;
use crate::launch::{Instance, Launcher};
use crate::probe;
use crate::process::Process;

/// Time without a response after which a target may hang.
pub(super) const HANG_TIMEOUT: Duration = Duration::from_secs(3);
/// The same when a finding is confirmed: half-open sessions may occupy all slots for 10 s.
pub(super) const CONFIRMED_HANG_TIMEOUT: Duration = Duration::from_secs(12);
/// Time limit of a conversation.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Time limit of the first response of a server.
const FIRST_RESPONSE: Duration = Duration::from_secs(1);
/// Bounds of the time without data after which waits are settled, where there is no probe.
const IDLE_TIMEOUT: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];
/// That time in multiples of the slowest response.
const IDLE_FACTOR: u32 = 2;
/// The same after an acknowledgement, which may precede the response: lower bound, and the value while it is
/// measured in the first conversations of a process.
const RESPONSE_DELAY: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(20)];
const MEASURED: u32 = 6;
/// Answered conversations after which liveness is checked by a handshake.
const CHECK_INTERVAL: u32 = 8;
/// Least time limit of a liveness check.
const MIN_CHECK_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Interval of memory checks.
const MEMORY_INTERVAL: Duration = Duration::from_millis(500);
/// How long a conforming peer may be refused until old sessions expire; over QUIC in addition to the idle timeout.
const RECOVERY_TIME: Duration = Duration::from_secs(12);

/// What all targets share.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) protocol: &'static Protocol,
    pub(super) iut: Arc<Iut>,
    pub(super) seed: u64,
    pub(super) shakedown: String,
    pub(super) runtime: Handle,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) budget: Budget,
}

/// A server process, or the launcher of a client process for each conversation.
pub(super) struct Target<'a> {
    setup: &'a Setup,
    launcher: Launcher,
    needs: Needs,
    instance: Option<Instance>,
    probe: Option<Probe>,
    memory: Option<u64>,
    memory_checked: Instant,
    output_length: u64,
    idle_timeout: Duration,
    /// Longest time from an acknowledgement to a response of late, and the number of conversations.
    longest_delay: Duration,
    conversations: u32,
    /// Conversations since the last liveness check.
    unchecked: u32,
}

/// The result of a conversation.
pub(super) struct Execution {
    pub(super) fault: Option<Fault>,
    /// Behaviour and monitor coverage, as numbers.
    pub(super) behaviours: Vec<u64>,
    /// Datagrams sent.
    pub(super) datagrams: u64,
    /// The conversation with the last batches of its burst, if that led to the fault.
    pub(super) with_burst: Option<Conversation>,
}

impl Setup {
    /// Must be called in a runtime; `jobs` is the number of workers.
    ///
    /// # Errors
    /// A message for the user, if the implementation cannot be fuzzed.
    pub(super) fn of(
        iut: Arc<Iut>,
        seed: u64,
        shakedown: String,
        jobs: usize,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, String> {
        let name = &iut.protocol;
        let protocol = shakedown_protocol::protocol(name)
            .ok_or_else(|| format!("there is no protocol {name:?}"))?;
        if iut.start.is_none() {
            return Err(format!(
                "the description of {} has no [start]: fuzzing restarts the implementation",
                iut.name
            ));
        }
        Ok(Self {
            protocol,
            iut,
            seed,
            shakedown,
            runtime: Handle::current(),
            stop,
            budget: Budget::for_scripts(jobs),
        })
    }

    /// Whether the implementation is a client.
    pub(super) fn is_client(&self) -> bool {
        self.iut.role == Protocol::ROLES[0]
    }

    /// How long a conforming peer may be refused.
    pub(super) fn recovery_time(&self) -> Duration {
        let idle = self
            .protocol
            .transport
            .map(|transport| transport.idle_timeout);
        RECOVERY_TIME + idle.unwrap_or_default()
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

impl<'a> Target<'a> {
    /// Starts the implementation with `needs`, if it is a server.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn start(setup: &'a Setup, needs: &Needs) -> Result<Self, String> {
        let launcher = Launcher::new(Arc::clone(&setup.iut), setup.seed, setup.shakedown.clone());
        let mut target = Self {
            launcher: launcher.of("fuzz", needs),
            setup,
            needs: needs.clone(),
            instance: None,
            probe: None,
            memory: None,
            memory_checked: Instant::now(),
            output_length: 0,
            idle_timeout: IDLE_TIMEOUT[1],
            longest_delay: Duration::ZERO,
            conversations: 0,
            unchecked: 0,
        };
        if setup.is_client() {
            return Ok(target);
        }
        let instance = setup.runtime.block_on(target.launcher.responder(needs));
        let instance = instance.map_err(|error| error.to_string())?;
        let address = instance
            .address
            .ok_or("the implementation has no address")?;
        target.memory = peak_memory(&instance);
        target.output_length = instance
            .process
            .as_ref()
            .map_or(0, |process| process.output().length());
        target.probe = Probe::find(setup.protocol, &needs.mode, address, setup.seed)
            .map_err(|error| format!("no probe can be sent: {error}"))?;
        target.instance = Some(instance);
        Ok(target)
    }

    /// Executes a conversation, then a burst if there is a `mutator`, and checks the implementation. Records it to
    /// `capture`.
    ///
    /// # Errors
    /// A message for the user, if it could not be executed.
    pub(super) fn execute(
        &mut self,
        conversation: &Conversation,
        capture: Option<&Path>,
        hang_timeout: Duration,
        mutator: Option<&mut DatagramMutator>,
    ) -> Result<Execution, String> {
        let scenario = conversation.scenario().asked_of(&self.setup.iut);
        let main = self.main()?;
        let instance = match &self.instance {
            Some(instance) => instance.clone(),
            None => self.client(&main)?,
        };
        let mut script = self.script(scenario, instance.address, fingerprint(conversation.text()));
        let clock = Clock::start();
        let mut recorder = capture.map(|path| Recorder::create(path, clock, 0));
        self.conversations += 1;
        let first_response = match self.setup.is_client() {
            true => self.launcher.iut.timing.connect.as_fixed(),
            // A server that has responded before responds sooner.
            false if self.conversations > 1 => Some(FIRST_RESPONSE / 5),
            false => Some(FIRST_RESPONSE),
        };
        let first_response = first_response.unwrap_or(TIME_LIMIT);
        let response_delay = match self.conversations {
            ..=MEASURED => RESPONSE_DELAY[1],
            _ => (self.longest_delay * IDLE_FACTOR).clamp(RESPONSE_DELAY[0], IDLE_TIMEOUT[1]),
        };
        let pace = Pace::Fast {
            idle_timeout: self.idle_timeout.max(response_delay),
            response_delay,
            first_response,
        };
        let mut executor = Executor {
            script: &mut script,
            address: instance.address,
            process: instance.process.as_deref(),
            probe: self.probe.as_mut(),
            pace,
            vocabulary: self.setup.protocol.on_the_wire(),
            clock,
            limit: TIME_LIMIT.saturating_add(if self.setup.is_client() {
                first_response
            } else {
                Duration::ZERO
            }),
            hang_timeout,
            stop: &self.setup.stop,
            recorder: recorder.as_mut(),
            coverage: MonitorCoverage::of(self.setup.protocol, &self.needs.mode),
            behaviour: Behaviour::default(),
            slowest_response: Duration::ZERO,
            longest_delay: Duration::ZERO,
            sockets: [(SocketId::MAIN, main)].into(),
            state: State::new(),
        };
        let failed = |error: std::io::Error| format!("a socket failed: {error}");
        let mut outcome = executor.run().map_err(failed)?;
        if executor.probe.is_some() && matches!(outcome, Outcome::Completed | Outcome::Cancelled) {
            outcome = executor.probe().map_err(failed)?;
        }
        let mut batches = Vec::new();
        if let (Some(mutator), Outcome::Completed) = (mutator, outcome) {
            outcome = executor.burst(mutator, &mut batches).map_err(failed)?;
        }
        let datagrams = executor.state.datagrams_sent;
        // What a burst leads to is to be found before anything else is sent.
        let needs_check = executor.state.datagrams_received == 0 || !batches.is_empty();
        let now = executor.clock.now();
        let coverage = executor.coverage.take();
        let coverage = coverage.map(|coverage| coverage.finish(now));
        let (mut behaviour, slowest) = (executor.behaviour, executor.slowest_response);
        if executor.longest_delay > Duration::ZERO {
            self.longest_delay = executor.longest_delay.max(self.longest_delay / 2);
        }
        if slowest > Duration::ZERO {
            let idle_timeout = (slowest * IDLE_FACTOR).max(self.idle_timeout / 2);
            self.idle_timeout = idle_timeout.clamp(IDLE_TIMEOUT[0], IDLE_TIMEOUT[1]);
        }
        let fault = match self.setup.is_client() {
            true => self.check_client(&instance),
            false => self.check_server(&instance, outcome, hang_timeout, needs_check),
        };
        behaviour.fault(
            fault
                .as_ref()
                .map_or_else(String::new, |fault| fault.cause("")),
        );
        if let Some(recorder) = recorder {
            let recorded = recorder.finish();
            recorded.complete(&recorded.comments)?;
        }
        let group = group(&self.needs);
        let mut behaviours = vec![behaviour.digest(&group, &script)];
        behaviours.extend(coverage.into_iter().flatten());
        let with_burst = fault
            .is_some()
            .then(|| conversation.followed_by(script.bindings(), &batches));
        Ok(Execution {
            fault,
            behaviours,
            datagrams,
            with_burst: with_burst
                .filter(|_| !batches.is_empty())
                .and_then(Result::ok),
        })
    }

    /// Checks the memory of the process.
    pub(super) fn check_memory(&mut self) -> Option<Fault> {
        self.memory_checked = Instant::now();
        let (before, now) = (self.memory?, peak_memory(self.instance.as_ref()?)?);
        let (grew_by, bound) = (now.saturating_sub(before), self.setup.iut.memory_at_most);
        (grew_by > bound).then_some(Fault::Memory { grew_by, bound })
    }

    /// Stops the process.
    pub(super) fn stop(self) {
        if let Some(process) = self.process() {
            self.setup.runtime.block_on(process.stop());
        }
    }

    fn process(&self) -> Option<&Process> {
        self.instance.as_ref()?.process.as_deref()
    }

    /// Checks a server after a conversation.
    fn check_server(
        &mut self,
        instance: &Instance,
        outcome: Outcome,
        hang_timeout: Duration,
        needs_check: bool,
    ) -> Option<Fault> {
        let process = instance.process.as_deref()?;
        let unresponsive = match (outcome, &self.probe) {
            (Outcome::Unresponsive, Some(_)) => Some(format!(
                "the first frame of a session was sent again and again from another port for {hang_timeout:?}"
            )),
            (Outcome::Unresponsive, None) => Some(format!(
                "it read nothing from its socket for {hang_timeout:?}"
            )),
            (Outcome::Exited, _) | (Outcome::Completed, Some(_)) => None,
            (Outcome::Cancelled, _) if self.setup.is_stopped() => None,
            (Outcome::Completed, None) if !needs_check && self.unchecked < CHECK_INTERVAL => {
                self.unchecked += 1;
                None
            }
            (Outcome::Completed | Outcome::Cancelled, _) => self.handshake(instance, hang_timeout),
        };
        if let Some(ended) = process.ended() {
            return Some(Fault::of_exit(ended, process.output()));
        }
        if let Some(tried) = unresponsive {
            return Some(Fault::Hang { tried });
        }
        let output_length = process.output().length();
        if std::mem::replace(&mut self.output_length, output_length) != output_length
            && let Some(fault) = Fault::of_output(process.output())
        {
            // It may be about to exit.
            let ended = self
                .setup
                .runtime
                .block_on(async { tokio::time::timeout(HANG_TIMEOUT / 3, process.wait()).await });
            return Some(ended.map_or(fault, |ended| Fault::of_exit(ended, process.output())));
        }
        match self.memory_checked.elapsed() >= MEMORY_INTERVAL {
            true => self.check_memory(),
            false => None,
        }
    }

    /// Tries to start a conversation; says what was tried if there was no response.
    fn handshake(&mut self, instance: &Instance, hang_timeout: Duration) -> Option<String> {
        self.unchecked = 0;
        let tries = u32::try_from(hang_timeout.as_secs()).map_or(u32::MAX, |tries| tries.max(1));
        let Setup { protocol, seed, .. } = self.setup;
        let port = instance.address.map_or(0, |address| address.port());
        let turn = (*seed, u64::from(port));
        let probing = probe::responder(protocol, &self.needs.mode, instance, tries, turn);
        // A handshake without a response would last for the idle timeout. Else the probe ends first, and says more.
        let most = hang_timeout.max(MIN_CHECK_TIMEOUT) + IDLE_TIMEOUT[1];
        let probing = async { tokio::time::timeout(most, probing).await };
        match self.setup.runtime.block_on(probing) {
            Ok(probed) => probed.err().map(|silent| silent.tried),
            Err(_) => Some(format!("probed for {hang_timeout:?}")),
        }
    }

    /// Checks that a server answers a conforming peer, and stops it.
    ///
    /// # Errors
    /// A message for the user, if it is silent.
    pub(super) fn must_answer(mut self) -> Result<(), String> {
        let Some(instance) = self.instance.clone() else {
            return Ok(());
        };
        let silent = self.handshake(&instance, CONFIRMED_HANG_TIMEOUT);
        let ended = self.process().and_then(Process::ended).is_some();
        let counts = !ended && !self.setup.is_stopped();
        self.stop();
        match silent.filter(|_| counts) {
            Some(tried) => Err(format!(
                "nothing was fuzzed: the implementation does not answer a conforming peer: {tried}"
            )),
            None => Ok(()),
        }
    }

    /// Checks liveness, if there were conversations since the last check.
    pub(super) fn check_liveness(&mut self, hang_timeout: Duration) -> Option<Fault> {
        let instance = self.instance.clone().filter(|_| self.unchecked > 0)?;
        let tried = self.handshake(&instance, hang_timeout);
        if let Some(ended) = self.process().and_then(Process::ended) {
            let process = self.process()?;
            return Some(Fault::of_exit(ended, process.output()));
        }
        tried.map(|tried| Fault::Hang { tried })
    }

    /// Stops a client after its conversation, and checks it.
    fn check_client(&self, instance: &Instance) -> Option<Fault> {
        let process = instance.process.as_deref()?;
        let exits_within = |timeout| {
            let waited = async { tokio::time::timeout(timeout, process.wait()).await };
            self.setup.runtime.block_on(waited).ok()
        };
        // A client that printed a report is about to exit.
        let by_itself = exits_within(IDLE_TIMEOUT[1]).or_else(|| {
            Fault::of_output(process.output())?;
            exits_within(HANG_TIMEOUT)
        });
        let stopped = self.setup.runtime.block_on(process.stop());
        let ended = stopped.ended;
        let status_counts = self.setup.iut.exit.status_tells;
        let is_crash = match by_itself {
            Some(ended) => ended.signal.is_some() || (status_counts && is_crash(ended.code)),
            None => false,
        };
        if is_crash {
            return Some(Fault::of_exit(ended, process.output()));
        }
        if stopped.forced {
            let tried = String::from("it ignores SIGTERM, and was killed");
            return Some(Fault::Hang { tried });
        }
        Fault::of_output(process.output()).map(|_| Fault::of_exit(ended, process.output()))
    }

    fn client(&self, main: &socket2::Socket) -> Result<Instance, String> {
        let local = main.local_addr().ok().and_then(|local| local.as_socket());
        let local = local.ok_or("the socket has no address")?;
        let _entered = self.setup.runtime.enter();
        let instance = self.launcher.initiator(&self.needs, local);
        instance.map_err(|error| error.to_string())
    }

    fn main(&self) -> Result<socket2::Socket, String> {
        let address = self.instance.as_ref().and_then(|instance| instance.address);
        let ip = address.map_or(
            Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            probe::local_address_for,
        );
        let socket = ip.and_then(open);
        socket.map_err(|error| format!("no UDP socket can be opened: {error}"))
    }

    fn script(&self, scenario: Scenario, address: Option<SocketAddr>, salt: u64) -> Script {
        let iut = &self.launcher.iut;
        let environment = Environment {
            protocol: self.setup.protocol,
            timing: iut.timing,
            stream: iut.stream,
            exit: iut.exit,
            iut: address,
            seed: self.setup.seed ^ salt,
            epoch: Clock::start().wall(Duration::ZERO),
            values: iut.values.clone(),
            security: Security::Tls,
            budget: self.setup.budget.clone(),
        };
        Script::of(&Program::new(scenario), environment)
    }
}

/// Key of processes that are started with the same arguments.
pub(super) fn group(needs: &Needs) -> String {
    serde_json::to_string(needs).unwrap_or_default()
}

fn peak_memory(instance: &Instance) -> Option<u64> {
    instance.process.as_ref()?.peak_memory()
}
