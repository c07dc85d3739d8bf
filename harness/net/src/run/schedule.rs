//! Which scenarios of a run are run, in which order, and which of them in parallel.

use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::scenario::{Needs, Scenario};
use shakedown_engine::verdict::Verdict;
use tokio::sync::{AcquireError, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::group::Group;
use super::job::Job;
use super::plan::why_too_slow;
use super::result::ScenarioResult;
use super::supported::{controls_process, why_not_applicable};
use super::target::Unreached;
use super::{Context, Target};
use crate::clock::Clock;
use crate::drive::bound;

/// How long after the start of one scenario the next one is started: processes that all begin at
/// once would keep each other, and us, from being in time.
const APART: Duration = Duration::from_millis(20);

impl Context {
    /// Plays everything. Implementations are independent of each other; scenarios that need the
    /// whole machine come at the end.
    ///
    /// # Errors
    /// A human-readable error if an implementation never answers, or not any more.
    pub(super) async fn run_all(
        self: &Arc<Self>,
        targets: &[(Arc<Target>, Vec<Scenario>)],
    ) -> Result<(), String> {
        let mut ready = Vec::new();
        for (target, scenarios) in targets {
            let jobs = self.applicable(target, scenarios).await;
            let Some(jobs) = self.unless_stopped(self.answering(target, jobs)).await else {
                return Ok(());
            };
            ready.push(jobs?);
        }
        let mut last = Vec::new();
        let mut tasks = JoinSet::new();
        for jobs in ready {
            let (alone, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(needs_all);
            last.extend(alone);
            let context = Arc::clone(self);
            tasks.spawn(async move { context.play_together(rest).await });
        }
        while tasks.join_next().await.is_some() {}
        for job in last {
            self.play_one(job).await;
        }
        let broken_off = targets.iter().find_map(|(target, _)| target.broken_off());
        broken_off.map_or(Ok(()), Err)
    }

    /// The applicable scenarios that do not wait for too long; the others are reported.
    async fn applicable(&self, target: &Arc<Target>, scenarios: &[Scenario]) -> Vec<Job> {
        let clock = Clock::start();
        let mut jobs = Vec::new();
        for scenario in scenarios {
            let too_slow = || (!self.slow).then(|| why_too_slow(scenario, target.iut()))?;
            let why_not = why_not_applicable(target.iut(), scenario).or_else(too_slow);
            let scenario = scenario.asked_of(target.iut());
            let launcher = target.launcher.of(&scenario.id, &scenario.iut);
            let counters = self
                .capture_of(&scenario.id)
                .with_extension("counters.json");
            let job = Job {
                target: Arc::clone(target),
                launcher: Arc::new(launcher.with_counters(counters)),
                scenario: Arc::new(scenario),
                group: None,
                spoilt: 0,
                plays: 0,
            };
            match why_not {
                None => jobs.push(job),
                Some(why) => {
                    let played = ScenarioResult::not_played(
                        &job.scenario,
                        why,
                        Verdict::NotApplicable,
                        clock.now(),
                    );
                    self.done(&job, played).await;
                }
            }
        }
        jobs
    }

    /// Probes the implementation, started in each way that is needed. Scenarios that need it in a
    /// way in which it does not respond are reported and not run: silence would pass where silence
    /// is right.
    ///
    /// # Errors
    /// A human-readable error if it answers in no way.
    async fn answering(&self, target: &Arc<Target>, jobs: Vec<Job>) -> Result<Vec<Job>, String> {
        let mut ways: Vec<Needs> = Vec::new();
        for job in &jobs {
            if !ways.contains(&job.scenario.iut) {
                ways.push(job.scenario.iut.clone());
            }
        }
        let width = match target.launcher.can_run_twice() {
            true => 4,
            false => 1,
        };
        let mut silent: Vec<(Needs, Unreached)> = Vec::new();
        let mut is_there = false;
        for some in ways.chunks(width) {
            let mut probes = JoinSet::new();
            for needs in some.iter().cloned() {
                let (target, turn) = (Arc::clone(target), (self.seed, self.turn()));
                probes.spawn(async move {
                    let asked = target.probe(&needs, turn).await;
                    (needs, asked)
                });
            }
            while let Some(probed) = probes.join_next().await {
                match probed {
                    Ok((_, Ok(()))) => is_there = true,
                    Ok((needs, Err(why))) => silent.push((needs, why)),
                    Err(_) => {}
                }
            }
            if let Some((_, why)) = silent.first().filter(|_| !is_there) {
                // Nothing of the first ones answered: it is not there.
                let name = &target.iut().name;
                return Err(match why {
                    Unreached::NotStarted(why) => format!("{name}: {why}"),
                    Unreached::Silent(why) => format!("{name} does not answer: {why}"),
                });
            }
        }
        let clock = Clock::start();
        let mut answering = Vec::new();
        for job in jobs {
            match silent.iter().find(|(needs, _)| *needs == job.scenario.iut) {
                None => answering.push(job),
                Some((_, why)) => {
                    let why = format!("before the scenario: {why}");
                    let played = ScenarioResult::not_played(
                        &job.scenario,
                        why,
                        Verdict::Inconclusive,
                        clock.now(),
                    );
                    self.done(&job, played).await;
                }
            }
        }
        Ok(answering)
    }

    /// Runs the scenarios of one implementation in parallel, if several processes of it can run.
    async fn play_together(self: &Arc<Self>, mut jobs: Vec<Job>) {
        let Some(target) = jobs.first().map(|job| Arc::clone(&job.target)) else {
            return;
        };
        // The longest first, so that none is left over at the end.
        jobs.sort_by_key(|job| std::cmp::Reverse(bound(&job.scenario, &job.launcher.iut)));
        let mut groups: Vec<Arc<Group>> = Vec::new();
        if target.is_shared() {
            for job in &mut jobs {
                let needs = &job.scenario.iut;
                if target.counts_slots(needs) {
                    continue;
                }
                let known = groups.iter().find(|group| group.needs == *needs);
                let group = known.cloned().unwrap_or_else(|| {
                    let launcher = Arc::new(target.launcher.of("shared", needs));
                    let group = Group::new(launcher, target.protocol, needs.clone());
                    groups.push(Arc::new(group));
                    Arc::clone(&groups[groups.len() - 1])
                });
                job.group = Some(group);
            }
        }
        let is_started = target.iut().start.is_some();
        let can_run_twice = target.launcher.can_run_twice();
        match (is_started && !can_run_twice, target.is_shared()) {
            // One process, which serves one scenario at a time.
            _ if target.serves_one() => {
                for job in jobs {
                    let patience = target.pause_after(&job.scenario);
                    self.play_one(job).await;
                    if target.gone.get().is_some() {
                        break;
                    }
                    self.unless_stopped(sleep(patience)).await;
                }
            }
            // One port: one process after the other.
            (true, false) => {
                for job in jobs {
                    self.play_one(job).await;
                }
            }
            (true, true) => {
                for group in &groups {
                    let is_in = |job: &Job| {
                        job.group
                            .as_ref()
                            .is_some_and(|own| Arc::ptr_eq(own, group))
                    };
                    let (now, later) = jobs.into_iter().partition(is_in);
                    jobs = later;
                    self.play_side_by_side(now).await;
                    group.stop().await;
                }
                for job in jobs {
                    self.play_one(job).await;
                }
            }
            (false, _) => self.play_side_by_side(jobs).await,
        }
        for group in groups {
            group.stop().await;
        }
    }

    async fn play_side_by_side(self: &Arc<Self>, jobs: Vec<Job>) {
        let mut tasks = JoinSet::new();
        for job in jobs {
            let context = Arc::clone(self);
            tasks.spawn(async move {
                let place = context.unless_stopped(context.place()).await;
                if let Some(Ok(_place)) = place {
                    context.play_one(job).await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// A place for one scenario, when it is free and the last start is long enough ago.
    async fn place(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        let place = self.places.acquire().await?;
        let mut next = self.next_start.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + APART;
        Ok(place)
    }

    /// Plays a scenario unless the run is interrupted or the implementation gone. If the harness
    /// itself breaks in it, the others go on.
    async fn play_one(self: &Arc<Self>, job: Job) {
        if self.is_stopped() || job.target.gone.get().is_some() {
            return;
        }
        let clock = Clock::start();
        let (context, own) = (Arc::clone(self), job.clone());
        let played = tokio::spawn(async move { own.play(&context).await }).await;
        match played {
            Ok(played) => self.done(&job, played).await,
            Err(error) => {
                let why = format!("the harness broke: {error}");
                let played =
                    ScenarioResult::not_played(&job.scenario, why, Verdict::Error, clock.now());
                self.done(&job, played).await;
            }
        }
    }
}

/// Whether nothing else may run at the same time: the scenario says so, or it stops a process that
/// others use.
fn needs_all(job: &Job) -> bool {
    let shares = job.target.is_shared() && controls_process(&job.scenario.steps);
    job.scenario.exclusive || shares
}
