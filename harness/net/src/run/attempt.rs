//! One attempt to play a scenario: what is started for it, what it comes to, and what becomes of
//! what was started.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::event::ProcessEvent;
use shakedown_engine::script::{ScriptOutcome, is_crash};
use shakedown_engine::verdict::{CounterValues, UnexpectedEnd, under_impairment, unless_missed};
use tokio::time::timeout;

use super::Context;
use super::group::Lease;
use super::job::Job;
use crate::clock::Clock;
use crate::drive::{DriveResult, End, bound_through};
use crate::fuzz;
use crate::kernel;
use crate::launch::{Instance, open_sockets, ready_within};
use crate::probe;

/// What an attempt may take besides its parts: a start, a handshake, and a machine with much to do.
const SPARE: Duration = Duration::from_secs(120);

/// One attempt, before it is judged.
pub(super) struct Attempt {
    pub(super) driven: DriveResult,
    pub(super) clock: Clock,
    pub(super) outcome: ScriptOutcome,
    pub(super) counters: CounterValues,
    pub(super) unexpected_end: Option<UnexpectedEnd>,
    pub(super) process: Option<ProcessEvent>,
    /// Whether another scenario's datagram ended the implementation.
    pub(super) disturbed: bool,
    pub(super) notes: Vec<String>,
}

impl Job {
    /// Starts what is needed, plays the script, asks whether the implementation is still there, and
    /// stops what was started.
    pub(super) async fn attempt(&self, context: &Context, path: &Path) -> Result<Attempt, String> {
        let lease = match &self.group {
            Some(group) => {
                let lease = context.unless_stopped(group.enter()).await;
                Some(lease.ok_or_else(|| String::from("the run was interrupted"))??)
            }
            None => None,
        };
        let within = self.longest(context);
        let attempt = timeout(within, self.attempt_with(context, lease, path)).await;
        attempt.unwrap_or_else(|_| Err(format!("it was not over within {within:?}")))
    }

    /// What starting the implementation, the script, the question after it and the end of the process
    /// cannot exceed: each has its own bound, and whatever one of them forgets is bounded by this.
    fn longest(&self, context: &Context) -> Duration {
        let iut = &self.launcher.iut;
        let script = bound_through(&self.scenario, iut, context.impair_of(&self.scenario));
        let process = iut.start.as_ref().map_or(Duration::ZERO, |start| {
            let grace = start.grace.resolve(&iut.environment());
            ready_within(start).saturating_add(grace)
        });
        let answer = Duration::from_secs(self.target.later_tries(&self.scenario).into());
        let parts = [process.saturating_mul(2), answer, SPARE];
        parts.into_iter().fold(script, Duration::saturating_add)
    }

    async fn attempt_with(
        &self,
        context: &Context,
        lease: Option<Lease>,
        path: &Path,
    ) -> Result<Attempt, String> {
        let met = self.meet(context, lease.as_ref(), path).await?;
        let last_sent = lease
            .as_ref()
            .map(|lease| Arc::clone(&lease.last_sent))
            .unwrap_or_default();
        let clock = met.clock;
        let memory_before = peak_memory(Some(&met.instance));
        let printed_before = printed(&met.instance);
        let mut driven = self.drive(context, met, last_sent).await;
        let mut notes = Vec::new();
        let mut outcome = match context.imposed_on(&self.scenario) {
            Some(impair) => {
                let last_step = last_step(&driven);
                under_impairment(
                    self.target.protocol,
                    &self.scenario,
                    outcome(&driven),
                    impair,
                    &driven.effects,
                    &last_step,
                )
            }
            None => unless_missed(outcome(&driven), &driven.missed, &last_step(&driven)),
        };
        let memory_after = peak_memory(driven.instance.as_ref());
        let asked = self.asked(driven.instance.as_ref(), lease.is_some()).await;
        let mut unexpected_end = self
            .unexpected_end(context, &mut driven, &mut outcome)
            .await;
        let mut disturbed = false;
        if let (Some(group), Some(lease)) = (&self.group, &lease) {
            let gone = unexpected_end.is_some() || lease.instance.has_ended();
            let is_killer = group.leave(lease, gone).await;
            group.keep(driven.sockets.take()).await;
            disturbed = gone && !is_killer;
            if disturbed {
                unexpected_end = None;
            }
        }
        let process = self.part(&driven, lease.is_some(), &mut notes).await;
        if self.scenario.tolerant && !disturbed {
            unexpected_end = unexpected_end.or_else(|| report(&driven, printed_before));
        }
        let mut counters = match asked {
            Some(counters) => counters,
            None => {
                let since = clock.wall(Duration::ZERO);
                self.left(driven.instance.as_ref(), since).await
            }
        };
        self.add_memory(&mut counters, memory_before, memory_after);
        Ok(Attempt {
            driven,
            clock,
            outcome,
            counters,
            unexpected_end,
            process,
            disturbed,
            notes,
        })
    }

    /// Whether the implementation is gone and should not be.
    async fn unexpected_end(
        &self,
        context: &Context,
        driven: &mut DriveResult,
        outcome: &mut ScriptOutcome,
    ) -> Option<UnexpectedEnd> {
        let time = driven.ended.map_or(driven.took, |(_, at)| at);
        let packet = driven.last_sent;
        let unexpected_end = |got: String| UnexpectedEnd { time, got, packet };
        let instance = driven.instance.as_ref()?;
        if self.scenario.iut.role == self.target.asks() {
            // Its exit status is the script's affair; only a crash is an accident.
            let ended = instance.process.as_ref()?.ended()?;
            let tells = self.launcher.iut.exit.status_tells;
            let crashed = ended.signal.is_some() || (tells && is_crash(ended.code));
            if !crashed {
                return None;
            }
            return Some(unexpected_end(format!("its process ended ({ended})")));
        }
        if driven.end == End::Interrupted || context.is_stopped() {
            return None;
        }
        let survival = String::from(self.target.protocol.survival);
        let is_about_survival = self.scenario.requirements.contains(&survival);
        // Where the network may have spoiled the script, its end says nothing.
        let is_imposed = context.imposed_on(&self.scenario).is_some();
        let passed = *outcome == ScriptOutcome::Passed || is_imposed;
        // A server for one stream may end in peace when the stream is over.
        let in_peace = |code: Option<i32>| code == Some(0) && passed && !is_about_survival;
        if let Some((ended, _)) = driven.ended {
            let got = format!("its process ended in the scenario ({ended})");
            return (!in_peace(ended.code)).then(|| unexpected_end(got));
        }
        let (protocol, mode) = (self.target.protocol, &self.scenario.iut.mode);
        let turn = (context.seed, context.turn());
        let tries = self.target.later_tries(&self.scenario);
        let asked = probe::responder(protocol, mode, instance, tries, turn);
        let silent = match context.unless_stopped(asked).await? {
            Ok(socket) => {
                driven.sockets.keep(socket);
                return None;
            }
            Err(silent) => silent,
        };
        self.target.fell_silent(&silent.tried);
        let ended = instance
            .process
            .as_ref()
            .and_then(|process| process.ended());
        match ended {
            Some(ended) if in_peace(ended.code) => None,
            Some(ended) => Some(unexpected_end(format!(
                "its process ended right after the scenario ({ended})"
            ))),
            None if is_about_survival || !passed || self.group.is_some() => Some(unexpected_end(
                format!("no answer after the scenario: {}", silent.tried),
            )),
            // It may be made for one peer in its life; that it harmed itself is not shown.
            None => {
                *outcome = ScriptOutcome::Inconclusive {
                    why: format!("it does not answer any more after the last step: {silent}"),
                    step: last_step(driven),
                };
                None
            }
        }
    }

    /// Stops what was started for this scenario alone, and says what became of the process.
    async fn part(
        &self,
        driven: &DriveResult,
        is_shared: bool,
        notes: &mut Vec<String>,
    ) -> Option<ProcessEvent> {
        let instance = driven.instance.as_ref()?;
        let process = instance.process.as_ref()?;
        let mut status = match process.ended() {
            Some(ended) => ended.to_string(),
            None => format!("running; {}", open_sockets(process)),
        };
        if !is_shared {
            let stopped = process.stop().await;
            if stopped.forced {
                status += "; it ignored SIGTERM and was killed";
                notes.push(format!(
                    "{} ignores SIGTERM: its process was killed",
                    self.target.launcher.iut.name
                ));
            }
        }
        let is_left = |address: &SocketAddr| !is_shared && kernel::is_bound(*address);
        if let Some(address) = instance.address.filter(is_left) {
            let who = match kernel::holder_of(address) {
                Some((pid, name)) => format!(
                    "process {pid} ({name}) still holds it: it seems to be a daemon of it; `kill {pid}` ends it"
                ),
                None => String::from("it is still bound: something that it started goes on"),
            };
            notes.push(format!(
                "{} is gone from UDP {address}, and {who}",
                self.target.launcher.iut.name
            ));
        }
        for daemon in process.daemons() {
            notes.push(format!(
                "{} left {daemon} running, which was killed",
                self.target.launcher.iut.name
            ));
        }
        Some(ProcessEvent {
            status,
            output: process.output().tail(),
            last_packet: driven.last_sent,
        })
    }
}

/// The length of what its process has printed so far.
fn printed(instance: &Instance) -> u64 {
    let process = instance.process.as_ref();
    process.map_or(0, |process| process.output().length())
}

/// A report of a fault that its process printed since then: what it survived is such a finding of fuzzing.
fn report(driven: &DriveResult, since: u64) -> Option<UnexpectedEnd> {
    let process = driven.instance.as_ref()?.process.as_ref()?;
    let report = fuzz::report(&process.output().since(since))?;
    Some(UnexpectedEnd {
        time: driven.took,
        got: format!("it printed: {report}"),
        packet: driven.last_sent,
    })
}

/// The most memory that an implementation has held so far, if its process is ours.
fn peak_memory(instance: Option<&Instance>) -> Option<u64> {
    instance?.process.as_ref()?.peak_memory()
}

/// The outcome of the script, or what stood in its way.
fn outcome(driven: &DriveResult) -> ScriptOutcome {
    let step = last_step(driven);
    match &driven.end {
        End::Played(outcome) => outcome.clone(),
        End::Interrupted => ScriptOutcome::Inconclusive {
            why: String::from("the run was interrupted"),
            step,
        },
        End::OutOfTime(limit) => ScriptOutcome::Error {
            why: format!("the script did not end within {limit:?}, which its steps cannot exceed"),
            step,
        },
        End::Flooded(packets) => ScriptOutcome::Inconclusive {
            why: format!("it was cut off after {packets} packets, many times what the stream has"),
            step,
        },
    }
}

/// The path of the step that was played last.
pub(super) fn last_step(driven: &DriveResult) -> String {
    let last = driven.events.last();
    last.map_or_else(|| String::from("0"), |event| event.step.clone())
}
