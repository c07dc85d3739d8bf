//! One process of the implementation, and the conversations that are had with it.

mod served;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shakedown_carrier::Security;
use shakedown_engine::fuzzing::{Behaviour, Conversation, Volley};
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Needs, Scenario};
use shakedown_engine::script::{
    Budget, Environment, Program, Script, SocketId, fingerprint, is_crash,
};
use shakedown_protocol::Protocol;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::question::{Question, open};
use super::seen::Seen;
use super::sign::Sign;
use super::talk::{End, Pace, State, Talk};
use crate::clock::Clock;
use crate::drive::Recorder;
use crate::launch::{Instance, Launcher};
use crate::probe;
use crate::process::Process;

/// How long an answer is waited for while conversations are had.
pub(super) const HANGS_AFTER: Duration = Duration::from_secs(3);
/// The same where a finding is confirmed: half-open sessions may take all room for 10 s.
pub(super) const SURELY_HANGS_AFTER: Duration = Duration::from_secs(12);
/// How long a quick conversation may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long the first answer of a server is waited for.
const ANSWERED: Duration = Duration::from_secs(1);
/// Bounds of the silence after which nothing more comes, where no question tells.
const PATIENCE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];
/// How many times the slowest answer that is.
const TIMES: u32 = 2;
/// The same where all was read, which its QUIC may say before it has looked at it; that is learned from the first
/// conversations of a process.
const SETTLED: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(20)];
const LEARNS: u32 = 6;
/// Conversations of which each got an answer before it is asked whether the process lives, where that takes a
/// handshake.
const ASK_AFTER: u32 = 8;
/// What a server that is asked whether it lives is given at the least.
const TRY: Duration = Duration::from_millis(1_500);
/// How often the memory of the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a peer that does everything right is turned away for good reasons, such as sessions that have yet
/// to run out; over QUIC, besides the idle timeout.
const BUSY: Duration = Duration::from_secs(12);

/// What all lives have in common.
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

/// A process of the implementation; a client has another one for each conversation.
pub(super) struct Life<'a> {
    setup: &'a Setup,
    launcher: Launcher,
    needs: Needs,
    instance: Option<Instance>,
    question: Option<Question>,
    memory: Option<u64>,
    looked: Instant,
    printed: u64,
    patience: Duration,
    /// By how much the latest answer came after all was read, and how many conversations were had.
    latest: Duration,
    conversations: u32,
    /// Conversations since it was last asked whether it lives.
    unasked: u32,
}

/// What came of a conversation.
pub(super) struct Had {
    pub(super) sign: Option<Sign>,
    /// What the implementation did, and how far it came: numbers.
    pub(super) behaviours: Vec<u64>,
    /// Datagrams that were sent.
    pub(super) datagrams: u64,
    /// The conversation with the datagrams that followed it, if something showed after these.
    pub(super) followed: Option<Conversation>,
}

impl Setup {
    /// What there is for so many workers; called in the runtime.
    ///
    /// # Errors
    /// A sentence for people, if the implementation cannot be fuzzed.
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
                "the description of {} has no [start]: what is fuzzed is started again and again",
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

    /// Whether the implementation speaks first.
    pub(super) fn is_client(&self) -> bool {
        self.iut.role == Protocol::ROLES[0]
    }

    /// How long a peer that does everything right may be turned away.
    pub(super) fn busy(&self) -> Duration {
        let idle = self
            .protocol
            .transport
            .map(|transport| transport.idle_timeout);
        BUSY + idle.unwrap_or_default()
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

impl<'a> Life<'a> {
    /// Starts the implementation as `needs` say, if it is a server.
    ///
    /// # Errors
    /// A sentence for people.
    pub(super) fn begin(setup: &'a Setup, needs: &Needs) -> Result<Self, String> {
        let launcher = Launcher::new(Arc::clone(&setup.iut), setup.seed, setup.shakedown.clone());
        let mut life = Self {
            launcher: launcher.of("fuzz", needs),
            setup,
            needs: needs.clone(),
            instance: None,
            question: None,
            memory: None,
            looked: Instant::now(),
            printed: 0,
            patience: PATIENCE[1],
            latest: Duration::ZERO,
            conversations: 0,
            unasked: 0,
        };
        if setup.is_client() {
            return Ok(life);
        }
        let instance = setup.runtime.block_on(life.launcher.responder(needs));
        let instance = instance.map_err(|error| error.to_string())?;
        let address = instance
            .address
            .ok_or("the implementation has no address")?;
        life.memory = peak_memory(&instance);
        life.printed = instance
            .process
            .as_ref()
            .map_or(0, |process| process.output().length());
        life.question = Question::find(setup.protocol, &needs.mode, address, setup.seed)
            .map_err(|error| format!("no question can be asked: {error}"))?;
        life.instance = Some(instance);
        Ok(life)
    }

    /// Has a conversation and looks how the implementation fares; records it if there is to be a capture.
    ///
    /// # Errors
    /// A sentence for people, if it could not be had.
    pub(super) fn have(
        &mut self,
        conversation: &Conversation,
        capture: Option<&Path>,
        hangs_after: Duration,
        volley: Option<&mut Volley>,
    ) -> Result<Had, String> {
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
        let first = match self.setup.is_client() {
            true => self.launcher.iut.timing.connect.as_fixed(),
            // Whoever has answered does so soon.
            false if self.conversations > 1 => Some(ANSWERED / 5),
            false => Some(ANSWERED),
        };
        let first = first.unwrap_or(LONGEST);
        let settled = match self.conversations {
            ..=LEARNS => SETTLED[1],
            _ => (self.latest * TIMES).clamp(SETTLED[0], PATIENCE[1]),
        };
        let pace = Pace::Quick {
            patience: self.patience.max(settled),
            settled,
            first,
        };
        let mut talk = Talk {
            script: &mut script,
            address: instance.address,
            process: instance.process.as_deref(),
            question: self.question.as_mut(),
            pace,
            vocabulary: self.setup.protocol.on_the_wire(),
            clock,
            limit: LONGEST.saturating_add(if self.setup.is_client() {
                first
            } else {
                Duration::ZERO
            }),
            hangs_after,
            stop: &self.setup.stop,
            recorder: recorder.as_mut(),
            seen: Seen::of(self.setup.protocol, &self.needs.mode),
            behaviour: Behaviour::default(),
            slowest: Duration::ZERO,
            latest: Duration::ZERO,
            sockets: [(SocketId::MAIN, main)].into(),
            state: State::new(),
        };
        let failed = |error: std::io::Error| format!("a socket failed: {error}");
        let mut end = talk.run().map_err(failed)?;
        if talk.question.is_some() && matches!(end, End::Played | End::CutOff) {
            end = talk.ask().map_err(failed)?;
        }
        let mut sent = Vec::new();
        if let (Some(volley), Some(_), End::Played) = (volley, &talk.question, end) {
            end = talk.volley(volley, &mut sent).map_err(failed)?;
        }
        let (datagrams, heard) = (talk.state.leaving, talk.state.datagrams);
        let now = talk.clock.now();
        let seen = talk.seen.take().map(|seen| seen.finish(now));
        let (mut behaviour, slowest) = (talk.behaviour, talk.slowest);
        self.latest = self.latest.max(talk.latest);
        if slowest > Duration::ZERO {
            let patience = (slowest * TIMES).max(self.patience / 2);
            self.patience = patience.clamp(PATIENCE[0], PATIENCE[1]);
        }
        let sign = match self.setup.is_client() {
            true => self.parted(&instance),
            false => self.fares(&instance, end, hangs_after, heard > 0),
        };
        behaviour.ended(
            sign.as_ref()
                .map_or_else(String::new, |sign| sign.cause("")),
        );
        if let Some(recorder) = recorder {
            let recorded = recorder.finish();
            recorded.complete(&recorded.comments)?;
        }
        let group = group(&self.needs);
        let mut behaviours = vec![behaviour.digest(&group, &script)];
        behaviours.extend(seen.into_iter().flatten());
        let followed = sign
            .is_some()
            .then(|| conversation.followed_by(script.bindings(), &sent));
        Ok(Had {
            sign,
            behaviours,
            datagrams,
            followed: followed.filter(|_| !sent.is_empty()).and_then(Result::ok),
        })
    }

    /// Looks at its memory.
    pub(super) fn memory(&mut self) -> Option<Sign> {
        self.looked = Instant::now();
        let (before, now) = (self.memory?, peak_memory(self.instance.as_ref()?)?);
        let (grew_by, bound) = (now.saturating_sub(before), self.setup.iut.memory_at_most);
        (grew_by > bound).then_some(Sign::Memory { grew_by, bound })
    }

    /// Stops it.
    pub(super) fn end(self) {
        if let Some(process) = self.process() {
            self.setup.runtime.block_on(process.stop());
        }
    }

    fn process(&self) -> Option<&Process> {
        self.instance.as_ref()?.process.as_deref()
    }

    /// How a server fares after a conversation.
    fn fares(
        &mut self,
        instance: &Instance,
        end: End,
        hangs_after: Duration,
        was_heard: bool,
    ) -> Option<Sign> {
        let process = instance.process.as_deref()?;
        let silent = match (end, &self.question) {
            (End::Silent, _) => Some(format!("asked for {hangs_after:?}")),
            (End::Ended, _) | (End::Played, Some(_)) => None,
            (End::CutOff, _) if self.setup.is_stopped() => None,
            (End::Played, None) if was_heard && self.unasked < ASK_AFTER => {
                self.unasked += 1;
                None
            }
            (End::Played | End::CutOff, _) => self.silent(instance, hangs_after),
        };
        if let Some(ended) = process.ended() {
            return Some(Sign::of_end(ended, process.output()));
        }
        if let Some(tried) = silent {
            return Some(Sign::Hang { tried });
        }
        let printed = process.output().length();
        if std::mem::replace(&mut self.printed, printed) != printed
            && let Some(sign) = Sign::of_output(process.output())
        {
            // It may be on its way to its end.
            let ended = self
                .setup
                .runtime
                .block_on(async { tokio::time::timeout(HANGS_AFTER / 3, process.wait()).await });
            return Some(ended.map_or(sign, |ended| Sign::of_end(ended, process.output())));
        }
        match self.looked.elapsed() >= LOOK_EVERY {
            true => self.memory(),
            false => None,
        }
    }

    /// Whether it answers what begins a conversation: what was tried, if it does not.
    fn silent(&mut self, instance: &Instance, hangs_after: Duration) -> Option<String> {
        self.unasked = 0;
        let tries = u32::try_from(hangs_after.as_secs()).map_or(u32::MAX, |tries| tries.max(1));
        let Setup { protocol, seed, .. } = self.setup;
        let port = instance.address.map_or(0, |address| address.port());
        let turn = (*seed, u64::from(port));
        let asked = probe::responder(protocol, &self.needs.mode, instance, tries, turn);
        // A handshake that nobody answers would go on for as long as an idle connection may.
        let asked = async { tokio::time::timeout(hangs_after.max(TRY), asked).await };
        match self.setup.runtime.block_on(asked) {
            Ok(asked) => asked.err().map(|silent| silent.tried),
            Err(_) => Some(format!("it was asked for {hangs_after:?}")),
        }
    }

    /// Asks whether it lives, if that was put off.
    pub(super) fn lives(&mut self, hangs_after: Duration) -> Option<Sign> {
        let instance = self.instance.clone().filter(|_| self.unasked > 0)?;
        let tried = self.silent(&instance, hangs_after);
        if let Some(ended) = self.process().and_then(Process::ended) {
            let process = self.process()?;
            return Some(Sign::of_end(ended, process.output()));
        }
        tried.map(|tried| Sign::Hang { tried })
    }

    /// How a client fares, which ends with its conversation.
    fn parted(&self, instance: &Instance) -> Option<Sign> {
        let process = instance.process.as_deref()?;
        let end_within = |patience| {
            let waited = async { tokio::time::timeout(patience, process.wait()).await };
            self.setup.runtime.block_on(waited).ok()
        };
        // One that has complained is on its way to its end.
        let by_itself = end_within(PATIENCE[1]).or_else(|| {
            Sign::of_output(process.output())?;
            end_within(HANGS_AFTER)
        });
        let stopped = self.setup.runtime.block_on(process.stop());
        let ended = stopped.ended;
        let tells = self.setup.iut.exit.status_tells;
        let is_crash = match by_itself {
            Some(ended) => ended.signal.is_some() || (tells && is_crash(ended.code)),
            None => false,
        };
        if is_crash {
            return Some(Sign::of_end(ended, process.output()));
        }
        if stopped.forced {
            let tried = String::from("it ignores SIGTERM, and was killed");
            return Some(Sign::Hang { tried });
        }
        Sign::of_output(process.output()).map(|_| Sign::of_end(ended, process.output()))
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

/// What tells processes apart that are started in other ways.
pub(super) fn group(needs: &Needs) -> String {
    serde_json::to_string(needs).unwrap_or_default()
}

fn peak_memory(instance: &Instance) -> Option<u64> {
    instance.process.as_ref()?.peak_memory()
}
