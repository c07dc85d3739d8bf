use std::path::{Path, PathBuf};
use std::time::Duration;

use shakedown_engine::event::Event;
use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_engine::script::ScriptOutcome;
use shakedown_engine::verdict::{CaptureEvidence, Composed, Evidence, Verdict, compose};
use shakedown_protocol::requirement::Level;

use super::Context;
use super::attempt::{Attempt, last_step};
use super::exclusive::{Concluded, TimingQuality};
use super::job::Job;
use super::judge::{self, CaptureFindings, Watched};
use super::result::ScenarioResult;
use crate::clock::Clock;
use crate::drive::{DriveResult, End};

/// Most attempts of a scenario if another one's datagram ended the shared process.
const ATTEMPTS: u32 = 3;

impl Job {
    /// Runs the scenario and judges it.
    pub(super) async fn play(self, context: &Context) -> ScenarioResult {
        let scenario = self.scenario.id.clone();
        context.emit(Event::ScenarioStarted { scenario });
        let clock = Clock::start();
        let played = self.judged(context).await;
        let verdict = match context.is_stopped() {
            true => Verdict::Inconclusive,
            false => Verdict::Error,
        };
        played.unwrap_or_else(|why| {
            ScenarioResult::not_played(&self.scenario, why, verdict, clock.now())
        })
    }

    async fn judged(&self, context: &Context) -> Result<ScenarioResult, String> {
        let path = context.capture_of(&self.scenario.id);
        let together = context.exclusive.together().await;
        let mut job = self.clone();
        let mut attempt = job.attempt(context, &path).await?;
        for _ in 1..ATTEMPTS {
            if !attempt.disturbed || context.is_stopped() {
                break;
            }
            job.plays += 1;
            attempt = job.attempt(context, &path).await?;
        }
        let mut concluded = job.conclude(context, attempt, &path).await?;
        let imposed = context.imposed_on(&self.scenario);
        while imposed.is_some_and(Impairment::is_random)
            && concluded.played.is_undecided()
            && job.spoilt < context.retries
            && !context.is_stopped()
        {
            job.spoilt += 1;
            concluded = job.play_again(context, &path).await?;
        }
        drop(together);
        if !concluded.is_doubtful {
            concluded.played.note_spoilt(job.spoilt);
        }
        if concluded.is_doubtful {
            concluded = job.look_again(context, concluded, &path).await?;
        }
        for finding in concluded.findings {
            context.emit(Event::Finding(finding));
        }
        Ok(concluded.played)
    }

    /// Plays the scenario again while nothing else runs: what was found then is believed. It is no
    /// better verdict in the place of a worse one, for a doubtful attempt has none.
    async fn look_again(
        &mut self,
        context: &Context,
        doubtful: Concluded,
        path: &Path,
    ) -> Result<Concluded, String> {
        let seen: Vec<&str> = doubtful.requirements().into_iter().collect();
        if !seen.is_empty() && context.exclusive.is_proven(&self.target, &doubtful).await {
            return Ok(doubtful);
        }
        let Some(_exclusive) = context
            .unless_stopped(context.exclusive.exclusively())
            .await
        else {
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
            false => format!("trust the findings about {}", seen.join(", ")),
        };
        again.played.notes.push(format!(
            "{}: retried while nothing else ran, since the machine was too busy to {seen}",
            self.scenario.id
        ));
        if again.is_doubtful {
            return Ok(again.undecided());
        }
        context.exclusive.prove(&self.target, &again).await;
        Ok(again)
    }

    async fn play_again(&mut self, context: &Context, path: &Path) -> Result<Concluded, String> {
        self.plays += 1;
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
            self.report_steps(context, &attempt.driven);
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
            counters,
            unexpected_end,
            process,
            mut notes,
            disturbed: _,
        } = attempt;
        let iut: &Iut = &self.launcher.iut;
        let mut recorded = driven.recorded;
        // After an unread flood, or an interruption, a comparison is useless.
        let is_whole = driven.drops == 0 && driven.end != End::Interrupted;
        if is_whole && let Err(why) = recorded.settle() {
            notes.push(format!(
                "{}: the tap's capture was judged: {why}",
                self.scenario.id
            ));
        }
        let gone = driven.ended.map_or(driven.took, |(_, at)| at);
        let watched = Watched {
            stopped: driven.stopped.iter().map(|at| clock.wall(*at)).collect(),
            until: clock.wall(gone.min(driven.took)),
        };
        let mut judged = match recorded.packets {
            // There was no traffic; that is no damage.
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
            counters: &counters,
            epoch: clock.wall(Duration::ZERO),
            capture: CaptureEvidence {
                path: path.exists().then_some(shown.as_str()),
                start: judged.start,
                observations: &judged.observations,
                payloads: &judged.payloads,
                damage: damage.as_deref(),
            },
            process,
            unexpected_end,
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

    fn report_steps(&self, context: &Context, driven: &DriveResult) {
        for step in &driven.events {
            context.emit(step.event(&self.scenario.id));
        }
    }
}

impl Context {
    pub(super) fn capture_of(&self, scenario: &str) -> PathBuf {
        self.captures.join(format!("{scenario}.pcapng"))
    }
}
