//! One pair at work.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::event::ProcessEvent;
use shakedown_engine::interop::{Pair, PairOutcome, PairVerdict, ProcessEnd, Standing};
use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_engine::verdict::{Place, weigh};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::clock::Clock;
use crate::launch::{Instance, LaunchError, Launcher, open_sockets, ready_within};
use crate::probe;
use crate::process::ProcessExit;
use crate::relay::{self, Relay, RelayResult};

use super::Context;
use super::fairness::{PairResult, ProcessorWait};
use super::key_logs::KeyLogs;
use super::observer::{Edge, Edges};
use super::sides::{SideFindings, found};

/// What a pair may take besides its timers and its stream: to start, and to be a little late.
const SPARE: Duration = Duration::from_secs(10);

/// What a pair may take besides its parts: to start and to end, to be judged, and a machine with much to do.
const MOST: Duration = Duration::from_secs(120);

/// How long is listened when the initiator has ended, at least.
const LINGER: Duration = Duration::from_millis(250);

/// How often it is looked how long the implementations waited for a processor.
const BEAT: Duration = Duration::from_millis(50);

/// Why a pair came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By itself, or after all the time that it was given.
    Over,
    Interrupted,
}

impl Context {
    /// Starts both sides, lets them meet, stops them, and judges.
    pub(super) async fn play(&self, pair: &Pair) -> PairResult {
        let clock = Clock::start();
        let within = self.longest(pair);
        let mut result = match timeout(within, self.meet(pair, clock)).await {
            Ok(Ok(result)) => result,
            Ok(Err(result)) => *result,
            Err(_) => {
                let why = format!("it was not over within {within:?}");
                PairResult::error(pair, why, &clock)
            }
        };
        result.pair.seconds = clock.now().as_secs_f64();
        result
    }

    /// What starting both sides, their meeting and their end cannot exceed: each has its own bound, and
    /// whatever one of them forgets is bounded by this.
    fn longest(&self, pair: &Pair) -> Duration {
        let sides = [&pair.initiator, &pair.responder].into_iter();
        let starts = sides.filter_map(|side| self.launchers.get(side.iut)?.iut.start.as_ref());
        // One may be started twice, the one that is to be there before, too.
        let starts = starts.map(|start| {
            let grace = start.grace.as_fixed().unwrap_or_default();
            ready_within(start).saturating_add(grace).saturating_mul(2)
        });
        starts.fold(
            self.time_limit(pair).saturating_add(MOST),
            Duration::saturating_add,
        )
    }

    /// The time limit of a pair: longer than any conforming peer takes.
    fn time_limit(&self, pair: &Pair) -> Duration {
        let asks = self.launchers.get(pair.initiator.iut);
        let buffer = asks.and_then(|asks| asks.iut.timing.buffer_period.as_fixed());
        let pairs = self.plan.protocol.pairs;
        let handshake = pairs.map(|pairs| (pairs.handshake_timeout)(&pair.initiator.offer()));
        let stream = Duration::from_secs(u64::from(pair.stream.seconds));
        (handshake.unwrap_or_default() + buffer.unwrap_or_default() + stream) * 2 + SPARE
    }

    async fn meet(&self, pair: &Pair, clock: Clock) -> Result<PairResult, Box<PairResult>> {
        let error = |why: String| Box::new(PairResult::error(pair, why, &clock));
        let cut_off = || Box::new(cut_off(pair));
        let place = |index: usize| {
            let launcher = self.launchers.get(index);
            launcher.ok_or_else(|| error(String::from("there is no such implementation")))
        };
        let mut asks = place(pair.initiator.iut)?.of(&pair.id, &pair.initiator.needs);
        let mut answers = place(pair.responder.iut)?.of(&pair.id, &pair.responder.needs);
        let mut key_logs = KeyLogs::default();
        let folder = self.plan.captures.join(&pair.id);
        if self.plan.protocol.transport.is_some() {
            let mut wanted = |launcher, name| {
                let wanted = key_logs.wanted(launcher, &folder, name);
                wanted.map_err(|why| error(format!("{}: {why}", folder.display())))
            };
            answers = wanted(answers, "responder")?;
            asks = wanted(asks, "initiator")?;
        }
        let launching = answers.responder(&pair.responder.needs);
        let launched = self.unless_stopped(launching).await.ok_or_else(cut_off)?;
        let responder = launched.map_err(|why| {
            self.cannot_be_run(&answers.iut.name, &why);
            Box::new(not_ready(pair, why))
        })?;
        let target = responder.address;
        let target = target.ok_or_else(|| error(String::from("the responder has no address")))?;
        let (whole, is_whole) = watch::channel(false);
        let (connected, is_connected) = watch::channel(false);
        let paths = self.captures_of(pair);
        let edges = Edges::new(
            self.plan.protocol,
            pair,
            self.plan.impair != Impairment::default(),
            [&paths[0], &paths[1]],
            clock,
            whole,
            connected,
        );
        let relay = Relay::start(relay::Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            target,
            impair: self.plan.impair.clone(),
            vocabulary: self.plan.protocol.on_the_wire(),
            seed: answers.seed,
            clock,
            share: self.budget.share(),
            observer: edges,
        });
        let relay = relay.map_err(|why| error(format!("no relay can be set up: {why}")))?;
        let earlier = match &pair.initiator.earlier {
            None => None,
            Some(needs) => {
                let earlier = key_logs.wanted(asks.of(&pair.id, needs), &folder, "earlier");
                let earlier = earlier.map_err(|why| error(why.to_string()))?;
                let started = earlier.initiator(needs, relay.address());
                let started = started.map_err(|why| error(why.to_string()))?;
                let is_there = self.unless_stopped(is_there(&started, is_connected)).await;
                if !is_there.ok_or_else(cut_off)? {
                    return Err(Box::new(never_there(pair, &started)));
                }
                Some(started)
            }
        };
        let initiator = asks.initiator(&pair.initiator.needs, relay.address());
        let initiator = initiator.map_err(|why| {
            self.cannot_be_run(&asks.iut.name, &why);
            error(why.to_string())
        })?;
        let (end, waited) = self
            .wait(pair, &asks, [&initiator, &responder], is_whole)
            .await;
        // What becomes of the processes from here on is our doing.
        let ends = [process_end(&initiator), process_end(&responder)];
        let processes = [process(&initiator), process(&responder)];
        let stopped = relay.stop().await;
        for one in { earlier.iter() }.chain([&initiator, &responder]) {
            stop(one).await;
        }
        let secrets = key_logs.take();
        let stopped = stopped.map_err(|why| error(format!("the relay broke: {why}")))?;
        if end == End::Interrupted {
            return Err(cut_off());
        }
        // One that runs already and keeps silent, as some pairs demand, may not be there.
        if responder.process.is_none() && stopped.observer.responder.traffic.answers == 0 {
            let mode = &pair.responder.needs.mode;
            let turn = (answers.seed, 0);
            let protocol = self.plan.protocol;
            let asked = probe::responder(protocol, mode, &responder, probe::LATER_TRIES, turn);
            asked.await.map_err(|silent| error(silent.to_string()))?;
        }
        let iuts = [&asks.iut, &answers.iut];
        let mut result = self.judged(pair, iuts, stopped, ends, secrets, clock).await;
        result.waited = result.waited.max(waited);
        if !result.pair.standing.is_fine() {
            let [initiator, responder] = processes;
            result.pair.processes.initiator = initiator;
            result.pair.processes.responder = responder;
        }
        Ok(result)
    }

    /// Notes that a program is not there or is none: no pair of it can be judged.
    fn cannot_be_run(&self, name: &str, why: &LaunchError) {
        if matches!(why, LaunchError::Start(_)) {
            // The first one is reported.
            let _ = self.unstartable.set(format!("{name} cannot be run: {why}"));
        }
    }

    fn captures_of(&self, pair: &Pair) -> [PathBuf; 2] {
        let folder = self.plan.captures.join(&pair.id);
        ["initiator", "responder"].map(|edge| folder.join(format!("{edge}.pcapng")))
    }

    /// Waits until the initiator has ended and its peer's last datagrams arrived, but no longer
    /// than a conforming peer takes. Returns how long a side waited for a processor.
    async fn wait(
        &self,
        pair: &Pair,
        asks: &Launcher,
        [initiator, responder]: [&Instance; 2],
        mut whole: watch::Receiver<bool>,
    ) -> (End, Duration) {
        let begin = Instant::now();
        let buffer = asks.iut.timing.buffer_period.as_fixed().unwrap_or_default();
        let mut until = begin + self.time_limit(pair);
        let linger = match pair.stream.frames() {
            0 => LINGER,
            _ => LINGER.max(pair.stream.interval() * 5),
        };
        let mut processor_waits = [ProcessorWait::default(), ProcessorWait::default()];
        let mut stop = self.stop.clone();
        let (mut has_ended, mut has_whole) = (false, false);
        loop {
            processor_waits[0].look(initiator.process.as_deref());
            processor_waits[1].look(responder.process.as_deref());
            let now = Instant::now();
            if now >= until {
                break;
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return (End::Interrupted, Duration::ZERO),
                () = ended(initiator), if !has_ended => {
                    has_ended = true;
                    until = until.min(Instant::now() + linger);
                }
                is = whole.wait_for(|whole| *whole), if !has_whole => {
                    has_whole = true;
                    // One that plays on is not waited for longer than it would wait for media.
                    if is.is_ok() && !has_ended {
                        until = until.min(Instant::now() + buffer.mul_f64(1.25) + Duration::from_secs(1));
                    }
                }
                () = sleep_until(until.min(now + BEAT)) => {}
            }
        }
        let waited = processor_waits.iter().map(ProcessorWait::waited).max();
        (End::Over, waited.unwrap_or_default())
    }

    /// Judges how it ended and both captures, which get the secrets.
    async fn judged(
        &self,
        pair: &Pair,
        iuts: [&Arc<Iut>; 2],
        stopped: RelayResult<Edges>,
        ends: [ProcessEnd; 2],
        secrets: String,
        clock: Clock,
    ) -> PairResult {
        let RelayResult {
            mut observer,
            statistics,
            missed,
            sockets: _sockets,
            ..
        } = stopped;
        let tells = iuts[0].exit.status_tells;
        let (protocol, level) = (self.plan.protocol, self.plan.level);
        let waivers = iuts.map(|iut| iut.waive.clone());
        let paths = self.captures_of(pair);
        let (own, iuts) = (pair.clone(), iuts.map(Arc::clone));
        let both = tokio::task::spawn_blocking(move || {
            observer.read_streams([&paths[0], &paths[1]], secrets.as_bytes());
            let verdict = observer.evidence(ends[0], ends[1], tells).judge();
            let Edges {
                initiator,
                responder,
                ..
            } = observer;
            let found = |iut, side, mut edge: Edge| {
                edge.recorder.secrets(&secrets);
                found(protocol, &own.id, iut, side, edge, level)
            };
            let initiator = found(&iuts[0], &own.initiator, initiator);
            let responder = found(&iuts[1], &own.responder, responder);
            (verdict, initiator, responder)
        })
        .await;
        let (verdict, mut initiator, mut responder) = match both {
            Ok(both) => both,
            Err(error) => {
                return PairResult::error(pair, format!("judging failed: {error}"), &clock);
            }
        };
        let PairVerdict {
            outcome,
            standing,
            seen,
        } = verdict;
        let mut result = PairResult::new(pair, outcome, standing, seen);
        let streams = matches!(outcome, PairOutcome::Streams | PairOutcome::FallsBack);
        if self.plan.must_stream && !streams && standing.is_fine() {
            result.pair.standing = Standing::NotAsDemanded;
            result.pair.demanded = Some(PairOutcome::Streams);
            result.pair.because = vec![String::from("--expect streams")];
        }
        result.waited = statistics.late;
        result
            .pair
            .captures
            .initiator
            .clone_from(&initiator.capture);
        result
            .pair
            .captures
            .responder
            .clone_from(&responder.capture);
        if outcome == PairOutcome::Dies {
            let (side, dead) = match ends[0] {
                ProcessEnd::Ended { code: None } => (&mut initiator, 0),
                ProcessEnd::Ran | ProcessEnd::Ended { .. } => (&mut responder, 1),
            };
            let place = Place {
                protocol,
                id: &pair.id,
                capture: side.capture.as_deref(),
                start: Duration::ZERO,
            };
            let mut death = place.of_unexpected_end(clock.now(), &result.pair.seen);
            weigh(&mut death, protocol, level, &waivers[dead]);
            side.findings.push(death);
        }
        result.take(initiator);
        result.take(responder);
        let missed = missed
            .iter()
            .map(|fault| format!("{fault} met no datagram"));
        result.pair.notes.extend(missed);
        let lost = statistics.lost();
        if lost > 0 {
            result.distrust(format!("{lost} datagrams were lost between the two by us"));
        }
        result
    }
}

impl PairResult {
    /// What was found about a side.
    fn take(&mut self, found: SideFindings) {
        for finding in found.findings {
            if finding.counts() {
                if self.pair.standing != Standing::NotAsDemanded {
                    self.pair.standing = Standing::Breaks;
                }
                if !self.pair.findings.contains(&finding.requirement) {
                    self.pair.findings.push(finding.requirement.clone());
                }
            } else if let Some(because) = &finding.waived {
                let note = format!("{} is waived: {because}", finding.requirement);
                self.pair.notes.push(note);
            }
            self.findings.push(finding);
        }
        self.pair.notes.extend(found.notes);
        if let Some(damage) = found.damage {
            self.distrust(format!("a capture is not whole: {damage}"));
        }
    }

    /// Something was not seen: without a finding that bytes show, nothing is decided.
    fn distrust(&mut self, why: String) {
        self.pair.notes.push(why);
        if self.pair.findings.is_empty() {
            self.pair.standing = Standing::Inconclusive;
        }
    }
}

/// A pair that was interrupted.
fn cut_off(pair: &Pair) -> PairResult {
    let seen = String::from("it was interrupted");
    PairResult::new(pair, PairOutcome::CutOff, Standing::Inconclusive, seen)
}

/// A responder that could not be started, or did not become ready.
fn not_ready(pair: &Pair, why: LaunchError) -> PairResult {
    let (standing, process) = match &why {
        LaunchError::Exited { ended, output } => (
            Standing::NotAsDemanded,
            Some((
                format!("ended before it was ready ({ended})"),
                output.clone(),
            )),
        ),
        LaunchError::NotReady {
            missing, output, ..
        } => (
            Standing::NotAsDemanded,
            Some((format!("not ready: {missing}"), output.clone())),
        ),
        LaunchError::Description(_)
        | LaunchError::Placeholder(_)
        | LaunchError::Start(_)
        | LaunchError::PortInUse { .. }
        | LaunchError::NoPort { .. } => (Standing::Error, None),
    };
    let seen = match &process {
        Some((status, _)) => format!("the responder {}", status.trim_start_matches("is ")),
        None => why.to_string(),
    };
    let mut result = PairResult::new(pair, PairOutcome::NotStarted, standing, seen);
    result.pair.processes.responder = process.map(|(status, output)| ProcessEvent {
        status,
        output,
        last_packet: None,
    });
    result
}

/// Whether an initiator is connected, with its streams named, within [`SPARE`].
async fn is_there(instance: &Instance, mut connected: watch::Receiver<bool>) -> bool {
    let is_connected = tokio::select! {
        biased;
        () = ended(instance) => false,
        connected = timeout(SPARE, connected.wait_for(|is| *is)) => connected.is_ok(),
    };
    sleep(LINGER).await;
    is_connected && !instance.has_ended()
}

/// The initiator that was to be there before did not connect.
fn never_there(pair: &Pair, earlier: &Instance) -> PairResult {
    let seen = "the initiator that is to be served already was not, so nobody asked after it";
    let (outcome, standing) = (PairOutcome::NotStarted, Standing::Inconclusive);
    let mut result = PairResult::new(pair, outcome, standing, seen.to_owned());
    result.pair.processes.initiator = process(earlier);
    result
}

async fn ended(instance: &Instance) {
    match &instance.process {
        Some(process) => drop(process.wait().await),
        None => std::future::pending().await,
    }
}

fn process_end(instance: &Instance) -> ProcessEnd {
    let ended = instance
        .process
        .as_ref()
        .and_then(|process| process.ended());
    match ended {
        Some(ProcessExit { code, .. }) => ProcessEnd::Ended { code },
        None => ProcessEnd::Ran,
    }
}

/// The state of a process before it was stopped.
fn process(instance: &Instance) -> Option<ProcessEvent> {
    let process = instance.process.as_ref()?;
    let status = match process.ended() {
        Some(ended) => ended.to_string(),
        None => format!("running; {}", open_sockets(process)),
    };
    Some(ProcessEvent {
        status,
        output: process.output().tail(),
        last_packet: None,
    })
}

async fn stop(instance: &Instance) {
    if let Some(process) = &instance.process {
        process.stop().await;
    }
}
