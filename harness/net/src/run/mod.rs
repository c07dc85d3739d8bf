//! A run: scenarios run in parallel against implementations under test, each judged by its
//! capture.

mod attempt;
mod capture;
mod early;
mod exclusive;
mod group;
mod in_virtual_time;
mod job;
mod judge;
mod meet;
mod observe;
mod plan;
mod play;
mod preflight;
mod result;
mod schedule;
mod summary;
mod supported;
mod target;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use shakedown_engine::event::{Event, Summary, VERSION};
use shakedown_engine::iut::Date;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::Budget;
use shakedown_protocol::requirement::Level;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::launch::Launcher;
use crate::socket::PeerSocket;
use crate::stop::unless_stopped;

pub use capture::CaptureBy;
pub use in_virtual_time::run_in_virtual_time;
pub use plan::{Assignment, Plan};
pub use preflight::{Preflight, preflight};

use capture::Live;
use early::{Early, watch_over};
use exclusive::ExclusiveRuns;
use job::Job;
pub(crate) use judge::{Watched, judge};
use plan::too_slow;
use result::ScenarioResult;
use summary::Ending;
pub(crate) use supported::{controls_process, why_not_applicable};
use target::Target;
pub(crate) use target::counts_slots;

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

/// Executes a plan. Events are sent as they happen; the last is [`Event::RunFinished`] with the
/// summary that is returned. When `stop` turns true, running scenarios are aborted and judged as
/// far as they got.
pub async fn run(
    plan: Plan,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> Summary {
    let clock = Clock::start();
    raise_file_limit();
    // The kernel begins to stamp arrivals when the first socket wants it; this one wants it early.
    let _stamps = PeerSocket::bind(([127, 0, 0, 1], 0).into());
    let names = plan.names();
    let mut ending = Ending::at_the_begin_of(&plan);
    let (live, capture) = capture::begin(&plan).unwrap_or_else(|why| {
        ending.broken_off = Some(why);
        (None, "nothing".into())
    });
    let early = Arc::new(Early::new(plan.fail_fast));
    let watching = watch_over(Arc::clone(&early), stop, plan.timeout);
    let context = Arc::new(Context {
        events,
        stop: early.stopped(),
        early,
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
    context.emit(Event::RunStarted {
        version: VERSION,
        iut: names,
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
    watching.abort();
    context.close(&targets, today, &mut ending).await;
    ending.took = clock.now();
    let summary = ending.summary();
    context.emit(Event::RunFinished(summary.clone()));
    summary
}

/// What all scenarios of a run share.
#[derive(Debug)]
struct Context {
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
    early: Arc<Early>,
    seed: u64,
    captures: PathBuf,
    /// The live capture besides the tap, if enabled.
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
    fn emit(&self, event: Event) {
        // The receiver may be gone.
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

    async fn done(&self, job: &Job, played: ScenarioResult) {
        self.early.judged(played.verdict.verdict);
        self.emit(Event::Verdict(played.verdict.clone()));
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
        ending.cut = self.early.why();
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
