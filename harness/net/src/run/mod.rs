//! A run: scenarios played side by side against implementations under test, each judged by its
//! capture.

mod capture;
mod exclusive;
mod foresee;
mod group;
mod in_virtual_time;
mod judge;
mod meet;
mod observe;
mod plan;
mod play;
mod result;
mod summary;
mod supported;
mod target;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use shakedown_engine::event::{Event, Summary, VERSION};
use shakedown_engine::iut::Date;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::{Needs, Scenario};
use shakedown_engine::script::Budget;
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::requirement::Level;
use tokio::sync::{AcquireError, Mutex, Semaphore, SemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::Clock;
use crate::drive::bound;
use crate::launch::Launcher;
use crate::socket::PeerSocket;
use crate::stop::unless_stopped;

pub use capture::CaptureBy;
pub use foresee::{Foreseen, foresee};
pub use in_virtual_time::run_in_virtual_time;
pub use plan::{Assignment, Plan};

use capture::Live;
use exclusive::ExclusiveRuns;
use group::Group;
pub(crate) use judge::judge;
use plan::{too_slow, why_too_slow};
use play::Job;
use result::ScenarioResult;
use summary::Ending;
use supported::controls_process;
pub(crate) use supported::why_not_applicable;
use target::Target;

/// How long after the start of one scenario the next one is started: processes that all begin at
/// once would keep each other, and us, from being in time.
const APART: Duration = Duration::from_millis(20);

/// How many files the program wants to have open: a flood is sent from thousands of ports.
const FILES: u64 = 16_384;

/// Raises the limit of open files, as far as the system lets us.
pub(crate) fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = soft.max(FILES.min(hard));
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
    });
    if let Err(error) = raised {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

/// Runs a plan. Events are told as they come; the last is [`Event::RunFinished`] with the summary
/// that is returned. When `stop` turns true, scenarios that are being played are cut off and judged
/// as far as they came.
pub async fn run(
    plan: Plan,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> Summary {
    let clock = Clock::start();
    raise_file_limit();
    // The kernel begins to stamp arrivals when the first socket wants it; this one wants it early.
    let _stamps = PeerSocket::bind(([127, 0, 0, 1], 0).into());
    let mut ending = Ending {
        selected: plan.assignments.iter().map(|a| a.scenarios.len()).sum(),
        is_part: plan.told.part.is_some(),
        ..Ending::default()
    };
    let names: Vec<&str> = plan
        .assignments
        .iter()
        .map(|a| a.iut.name.as_str())
        .collect();
    let (live, capture) = capture::begin(&plan).unwrap_or_else(|why| {
        ending.broken_off = Some(why);
        (None, "nothing".into())
    });
    if let Some(impair) = &plan.impair {
        ending.notes.push(through(impair));
    }
    let context = Arc::new(Context {
        events,
        stop,
        seed: plan.seed,
        captures: plan.captures,
        live,
        impair: plan.impair.filter(|impair| !impair.is_ideal()),
        slow: plan.slow,
        level: plan.level,
        retries: plan.retries,
        verbose: plan.verbose,
        turns: AtomicU64::new(1_000_000),
        places: Semaphore::new(plan.jobs.max(1)),
        budget: Budget::for_scripts(plan.jobs),
        next_start: Mutex::new(Instant::now()),
        exclusive: ExclusiveRuns::default(),
        played: Mutex::default(),
    });
    context.tell(Event::RunStarted {
        version: VERSION,
        iut: names.join(", "),
        seed: plan.seed,
        capture,
        scenarios: ending.selected,
        plan: plan.told,
    });
    let mut targets = Vec::new();
    for assignment in plan.assignments {
        let Some(protocol) = shakedown_protocol::protocol(&assignment.iut.protocol) else {
            let name = &assignment.iut.protocol;
            ending.broken_off = Some(format!("there is no protocol {name:?}"));
            continue;
        };
        let launcher = Launcher::new(Arc::new(assignment.iut), plan.seed, plan.shakedown.clone());
        let target = Target {
            protocol,
            launcher: Arc::new(launcher),
            is_full: assignment.is_full,
            gone: OnceLock::new(),
        };
        targets.push((Arc::new(target), assignment.scenarios));
    }
    if ending.broken_off.is_none() {
        ending.broken_off = context.run_all(&targets).await.err();
    }
    let today = clock.today();
    context.close(&targets, today, &mut ending).await;
    ending.took = clock.now();
    let summary = ending.summary();
    context.tell(Event::RunFinished(summary.clone()));
    summary
}

/// What a run says of a network that was asked for on the command line.
fn through(impair: &Impairment) -> String {
    format!("played through a network: {impair}")
}

/// What all scenarios of a run share.
#[derive(Debug)]
struct Context {
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
    seed: u64,
    captures: PathBuf,
    /// The live capture beside the tap, if there is to be one.
    live: Option<Live>,
    impair: Option<Impairment>,
    slow: bool,
    level: Level,
    retries: u32,
    verbose: bool,
    turns: AtomicU64,
    /// One for each scenario that may be played at the same time.
    places: Semaphore,
    /// What all of them may hold of what they have received.
    budget: Budget,
    /// When the next scenario may be started.
    next_start: Mutex<Instant>,
    exclusive: ExclusiveRuns,
    played: Mutex<Vec<(Arc<Target>, ScenarioResult)>>,
}

impl Context {
    fn tell(&self, event: Event) {
        // Whoever does not listen any more does not want to know.
        let _ = self.events.send(event);
    }

    /// What the network does in a scenario: what it says itself, else what was asked for.
    fn impair_of<'a>(&'a self, scenario: &'a Scenario) -> Option<&'a Impairment> {
        scenario.impair.as_ref().or(self.impair.as_ref())
    }

    /// What the network does in a scenario that knows nothing of it.
    fn imposed_on(&self, scenario: &Scenario) -> Option<&Impairment> {
        self.impair.as_ref().filter(|_| scenario.impair.is_none())
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// A number that no other probe of the run has.
    fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// The result of `work`, or `None` as soon as the run is interrupted.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        unless_stopped(&self.stop, work).await
    }

    /// Plays everything. Implementations are independent of each other; scenarios that need the
    /// whole machine come at the end.
    ///
    /// # Errors
    /// A sentence for people if an implementation never answers, or not any more.
    async fn run_all(
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

    /// The scenarios that the implementation claims to support and that do not wait for too long; the
    /// others are told.
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

    /// Asks the implementation, started in each way that is needed, whether it is there. Scenarios
    /// that need it in a way in which it does not answer are told and not played: they would find
    /// silence where silence is right.
    ///
    /// # Errors
    /// A sentence for people if it answers in no way.
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
        let mut silent: Vec<(Needs, String)> = Vec::new();
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
                if let Ok((needs, Err(why))) = probed {
                    silent.push((needs, why));
                }
            }
            let first = silent.first();
            if let Some((_, why)) = first.filter(|_| silent.len() >= some.len()) {
                // Nothing of the first ones answered: it is not there.
                let name = &target.iut().name;
                return Err(format!("{name} does not answer: {why}"));
            }
        }
        let clock = Clock::start();
        let mut answering = Vec::new();
        for job in jobs {
            match silent.iter().find(|(needs, _)| *needs == job.scenario.iut) {
                None => answering.push(job),
                Some((_, why)) => {
                    let why = format!("it did not answer before the scenario: {why}");
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

    /// Plays the scenarios of one implementation side by side, as far as it can run more than once.
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
            // One process, which serves one client at a time.
            _ if target.serves_one() => {
                for job in jobs {
                    let patience = target.patience_after(&job.scenario);
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

    /// Plays a scenario unless the run is interrupted or the implementation gone. If the harness itself breaks in it, the
    /// others go on.
    async fn play_one(self: &Arc<Self>, job: Job) {
        if self.is_stopped() || job.target.gone.get().is_some() {
            return;
        }
        let clock = Clock::start();
        let (context, own) = (Arc::clone(self), job.clone());
        let played = tokio::spawn(async move { own.play(&context).await }).await;
        match played {
            Ok(played) => self.keep(&job, played).await,
            Err(error) => {
                let why = format!("the harness broke: {error}");
                let played =
                    ScenarioResult::not_played(&job.scenario, why, Verdict::Error, clock.now());
                self.done(&job, played).await;
            }
        }
    }

    async fn done(&self, job: &Job, played: ScenarioResult) {
        self.tell(Event::Verdict(played.verdict.clone()));
        self.keep(job, played).await;
    }

    async fn keep(&self, job: &Job, played: ScenarioResult) {
        let target = Arc::clone(&job.target);
        self.played.lock().await.push((target, played));
    }

    /// What there is to say at the end of a run.
    async fn close(
        &self,
        targets: &[(Arc<Target>, Vec<Scenario>)],
        today: Date,
        ending: &mut Ending,
    ) {
        ending.interrupted = self.is_stopped();
        let mut played = std::mem::take(&mut *self.played.lock().await);
        for (target, scenarios) in targets {
            let left_out = match self.slow {
                true => Vec::new(),
                false => too_slow(target.iut(), scenarios),
            };
            let of_it = played.extract_if(.., |(of, _)| Arc::ptr_eq(of, target));
            let of_it: Vec<_> = of_it.map(|(_, played)| played).collect();
            let is_all = target.gone.get().is_none();
            ending.add(
                target.iut(),
                target.is_full,
                is_all,
                today,
                of_it,
                &left_out,
            );
        }
    }
}

/// Whether nothing else may run at the same time: the scenario says so, or it stops a process that
/// others use.
fn needs_all(job: &Job) -> bool {
    let shares = job.target.is_shared() && controls_process(&job.scenario.steps);
    job.scenario.exclusive || shares
}
