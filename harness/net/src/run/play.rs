use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::event::{Event, ProcessEvent};
use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::{ScriptOutcome, is_crash};
use shakedown_engine::verdict::{
    CaptureEvidence, Composed, Death, Evidence, Inside, Verdict, compose, under_impairment,
    unless_missed,
};
use shakedown_protocol::requirement::Level;
use tokio::time::timeout;

use super::exclusive::{Concluded, TimingQuality};
use super::group::{Group, Lease};
use super::judge::{self, CaptureFindings, Watched};
use super::result::ScenarioResult;
use super::{Context, Target};
use crate::clock::Clock;
use crate::drive::{Driven, End, bound_through};
use crate::kernel;
use crate::launch::{Instance, Launcher, open_sockets, ready_within};
use crate::probe;

/// How often a scenario is played at most if another one's datagram ended the process that both
/// used.
const ATTEMPTS: u32 = 3;

/// What an attempt may take besides its parts: a start, a handshake, and a machine with much to do.
const SPARE: Duration = Duration::from_secs(120);

/// One scenario to be played against one implementation.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) target: Arc<Target>,
    /// How the implementation is started for this scenario.
    pub(super) launcher: Arc<Launcher>,
    pub(super) scenario: Arc<Scenario>,
    /// The process that it shares with others; `None` if it has its own, or the implementation runs
    /// already.
    pub(super) group: Option<Arc<Group>>,
    /// How often it was played before because of what the network did, which then draws other lots.
    pub(super) spoilt: u32,
}

/// One attempt, before it is judged.
struct Attempt {
    driven: Driven,
    clock: Clock,
    outcome: ScriptOutcome,
    inside: Inside,
    death: Option<Death>,
    process: Option<ProcessEvent>,
    /// Whether the implementation was gone through somebody else's datagram.
    disturbed: bool,
    notes: Vec<String>,
}

impl Job {
    /// Plays the scenario, judges it and tells what came out.
    pub(super) async fn play(self, context: &Context) -> ScenarioResult {
        let scenario = self.scenario.id.clone();
        context.tell(Event::ScenarioStarted { scenario });
        let clock = Clock::start();
        let played = self.judged(context).await;
        let verdict = match context.is_stopped() {
            true => Verdict::Inconclusive,
            false => Verdict::Error,
        };
        let played = played.unwrap_or_else(|why| {
            ScenarioResult::not_played(&self.scenario, why, verdict, clock.now())
        });
        context.tell(Event::Verdict(played.verdict.clone()));
        played
    }

    async fn judged(&self, context: &Context) -> Result<ScenarioResult, String> {
        let path = context.capture_of(&self.scenario.id);
        let together = context.exclusive.together().await;
        let mut attempt = self.attempt(context, &path).await?;
        for _ in 1..ATTEMPTS {
            if !attempt.disturbed || context.is_stopped() {
                break;
            }
            attempt = self.attempt(context, &path).await?;
        }
        let mut concluded = self.conclude(context, attempt, &path).await?;
        let mut job = self.clone();
        let imposed = context.imposed_on(&self.scenario);
        while imposed.is_some_and(Impairment::has_random_faults)
            && concluded.played.is_undecided()
            && job.spoilt < context.retries
            && !context.is_stopped()
        {
            job.spoilt += 1;
            let attempt = job.attempt(context, &path).await?;
            concluded = job.conclude(context, attempt, &path).await?;
        }
        drop(together);
        if !concluded.is_doubtful {
            concluded.played.note_spoilt(job.spoilt);
        }
        if concluded.is_doubtful {
            concluded = self.look_again(context, concluded, &path).await?;
        }
        for finding in concluded.findings {
            context.tell(Event::Finding(finding));
        }
        Ok(concluded.played)
    }

    /// Plays the scenario again while nothing else runs: what was found then is believed. It is no
    /// better verdict in the place of a worse one, for a doubtful attempt has none.
    async fn look_again(
        &self,
        context: &Context,
        doubtful: Concluded,
        path: &Path,
    ) -> Result<Concluded, String> {
        let seen: Vec<&str> = doubtful.requirements().collect();
        if !seen.is_empty() && context.exclusive.is_proven(&self.target, &doubtful).await {
            return Ok(doubtful);
        }
        let Some(_alone) = context.unless_stopped(context.exclusive.alone()).await else {
            return Ok(doubtful.undecided());
        };
        let first = path.with_extension("first.pcapng");
        // Where nothing was captured there is nothing to keep.
        let is_kept = std::fs::rename(path, &first).is_ok();
        let mut again = self.play_again(context, path).await?;
        for _ in 1..context.retries {
            if again.passes() || context.is_stopped() {
                break;
            }
            again = self.play_again(context, path).await?;
        }
        if !seen.is_empty() && again.passes() && context.retries == 0 {
            return Ok(again.flaky(&doubtful, is_kept.then_some(&first)));
        }
        let seen = match seen.is_empty() {
            true => String::from("observe time fairly"),
            false => format!("believe what was found about {}", seen.join(", ")),
        };
        again.played.notes.push(format!(
            "{}: played again in quiet, for the machine was too busy to {seen}",
            self.scenario.id
        ));
        if again.is_doubtful {
            return Ok(again.undecided());
        }
        context.exclusive.prove(&self.target, &again).await;
        Ok(again)
    }

    async fn play_again(&self, context: &Context, path: &Path) -> Result<Concluded, String> {
        let attempt = self.attempt(context, path).await?;
        self.conclude(context, attempt, path).await
    }

    async fn conclude(
        &self,
        context: &Context,
        mut attempt: Attempt,
        path: &Path,
    ) -> Result<Concluded, String> {
        if attempt.disturbed {
            attempt.outcome = ScriptOutcome::Inconclusive {
                why: String::from("the process ended by a datagram of another scenario"),
                step: last_step(&attempt.driven),
            };
        }
        if context.verbose {
            self.tell_steps(context, &attempt.driven);
        }
        let timing = TimingQuality::of(&mut attempt.driven, attempt.clock, &attempt.outcome);
        let (job, level, path) = (self.clone(), context.level, path.to_owned());
        let judging = move || {
            let judged = job.judge(attempt, &path, level, &timing);
            (judged, timing)
        };
        let judged = tokio::task::spawn_blocking(judging).await;
        let judged = judged.map_err(|error| format!("judging it failed: {error}"))?;
        let ((composed, notes), timing) = judged;
        let mut concluded = Concluded {
            is_doubtful: false,
            findings: composed.findings,
            played: ScenarioResult {
                verdict: composed.verdict,
                waived: composed.waived,
                notes,
            },
        };
        concluded.is_doubtful = concluded.may_be_busy(&self.target, &timing);
        Ok(concluded)
    }

    /// Starts what is needed, plays the script, asks whether the implementation is still there, and
    /// stops what was started.
    async fn attempt(&self, context: &Context, path: &Path) -> Result<Attempt, String> {
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
        let mut death = self.death(context, &mut driven, &mut outcome).await;
        let mut disturbed = false;
        if let (Some(group), Some(lease)) = (&self.group, &lease) {
            let gone = death.is_some() || lease.instance.has_ended();
            let is_killer = group.leave(lease, gone).await;
            group.keep(driven.sockets.take()).await;
            disturbed = gone && !is_killer;
            if disturbed {
                death = None;
            }
        }
        let process = self.part(&driven, lease.is_some(), &mut notes).await;
        let mut inside = match asked {
            Some(inside) => inside,
            None => {
                let since = clock.wall(Duration::ZERO);
                self.left(driven.instance.as_ref(), since).await
            }
        };
        self.add_memory(&mut inside, memory_before, memory_after);
        Ok(Attempt {
            driven,
            clock,
            outcome,
            inside,
            death,
            process,
            disturbed,
            notes,
        })
    }

    /// Whether the implementation is gone and should not be.
    async fn death(
        &self,
        context: &Context,
        driven: &mut Driven,
        outcome: &mut ScriptOutcome,
    ) -> Option<Death> {
        let time = driven.ended.map_or(driven.took, |(_, at)| at);
        let packet = driven.last_sent;
        let death = |got: String| Death { time, got, packet };
        let instance = driven.instance.as_ref()?;
        if self.scenario.iut.role == self.target.asks() {
            // Its exit status is the script's affair; only a crash is an accident.
            let ended = instance.process.as_ref()?.ended()?;
            let tells = self.launcher.iut.exit.status_tells;
            let crashed = ended.signal.is_some() || (tells && is_crash(ended.code));
            if !crashed {
                return None;
            }
            return Some(death(format!("its process ended ({ended})")));
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
            return (!in_peace(ended.code)).then(|| death(got));
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
            Some(ended) => Some(death(format!(
                "its process ended right after the scenario ({ended})"
            ))),
            None if is_about_survival || !passed || self.group.is_some() => Some(death(format!(
                "no answer after the scenario: {}",
                silent.tried
            ))),
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
        driven: &Driven,
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

    /// Judges an attempt by its capture, and writes comments into it.
    fn judge(
        &self,
        attempt: Attempt,
        path: &Path,
        level: Level,
        timing: &TimingQuality,
    ) -> (Composed, Vec<String>) {
        let Attempt {
            driven,
            clock,
            outcome,
            inside,
            death,
            process,
            mut notes,
            disturbed: _,
        } = attempt;
        let iut: &Iut = &self.launcher.iut;
        let mut recorded = driven.recorded;
        // Where a flood was not read, or nobody waits for it any more, it would be compared in vain.
        let is_whole = driven.drops == 0 && driven.end != End::Interrupted;
        if is_whole && let Err(why) = recorded.settle() {
            notes.push(format!(
                "{}: its capture is the tap's, because {why}",
                self.scenario.id
            ));
        }
        let gone = driven.ended.map_or(driven.took, |(_, at)| at);
        let watched = Watched {
            stopped: driven.stopped.iter().map(|at| clock.wall(*at)).collect(),
            until: clock.wall(gone.min(driven.took)),
        };
        let mut judged = match recorded.packets {
            // Nobody said a word; that is no damage.
            0 => CaptureFindings::default(),
            _ => judge::judge(
                &recorded.path,
                self.target.protocol,
                iut,
                &self.scenario.iut,
                &driven.own,
                recorded.key_log.as_bytes(),
                Some(watched),
            ),
        };
        timing.forgive(self.target.protocol, level, &mut judged.observations);
        let drops = (driven.drops > 0).then(|| {
            let drops = driven.drops;
            format!("{drops} datagrams were dropped because they were not read fast enough")
        });
        let damage = recorded.problem.clone().or(drops).or(judged.damage);
        let shown = path.display().to_string();
        let mut composed = compose(&Evidence {
            protocol: self.target.protocol,
            scenario: &self.scenario,
            script: &outcome,
            judgements: &driven.judgements,
            inside: &inside,
            epoch: clock.wall(Duration::ZERO),
            capture: CaptureEvidence {
                path: path.exists().then_some(shown.as_str()),
                start: judged.start,
                observations: &judged.observations,
                payloads: &judged.payloads,
                damage: damage.as_deref(),
            },
            process,
            death,
            level,
            waivers: &iut.waive,
            seconds: driven.took.as_secs_f64(),
        });
        if composed.verdict.verdict == Verdict::Pass {
            composed.verdict.process = None;
        }
        let mut comments = std::mem::take(&mut recorded.comments);
        composed.comment(&mut comments);
        notes.extend(recorded.complete(&comments).err());
        (composed, notes)
    }

    fn tell_steps(&self, context: &Context, driven: &Driven) {
        for step in &driven.events {
            context.tell(step.told(&self.scenario.id));
        }
    }
}

/// The most memory that an implementation has held so far, if its process is ours.
fn peak_memory(instance: Option<&Instance>) -> Option<u64> {
    instance?.process.as_ref()?.peak_memory()
}

/// The outcome of the script, or what stood in its way.
fn outcome(driven: &Driven) -> ScriptOutcome {
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
fn last_step(driven: &Driven) -> String {
    let last = driven.events.last();
    last.map_or_else(|| String::from("0"), |event| event.step.clone())
}

impl Context {
    pub(super) fn capture_of(&self, scenario: &str) -> PathBuf {
        self.captures.join(format!("{scenario}.pcapng"))
    }
}
