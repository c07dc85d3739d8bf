//! Fuzzing of an implementation with mutated conversations.
//!
//! Each worker starts a server process and executes conversations with it until a fault shows or it has executed
//! many; a client is started for each conversation. A fault is reproduced with a fresh process, reduced, and written.
//! Responses to mutated conversations are not judged, but now and then the same process has to pass a scenario that
//! a fresh process passes.

mod corpus_folder;
mod coverage;
mod event;
mod executor;
mod fault;
mod liveness;
mod target;
mod triage;
mod worker;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shakedown_engine::fuzzing::{Conversation, Corpus};
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Loaded, Scenario};
use shakedown_protocol::{Protocol, protocol};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::interval;

use crate::drive::{bound, wait};
use crate::launch::Launcher;
use crate::run::{controls_process, counts_slots, raise_file_limit, why_not_applicable};

use corpus_folder::CorpusFolder;
use target::{Setup, group};
use triage::{Timeouts, reproduce};
use worker::Worker;

pub use event::{FuzzCounts, FuzzEvent, FuzzFinding, FuzzPosition, FuzzSummary, VERSION};
pub use fault::Fault;
pub(crate) use fault::report;

/// Interval of progress events and of reading the corpus folder.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Most scenarios for checks, the shortest first, and the longest wait in one.
const MAX_CHECKS: usize = 6;
const MAX_CHECK_WAIT: Duration = Duration::from_secs(5);

/// Attempts to reproduce a finding.
const REPLAYS: u32 = 3;

/// Parameters of a run.
#[derive(Debug, Clone)]
pub struct FuzzSettings {
    pub iut: Iut,
    /// Scenarios to mutate; those that do not apply are ignored.
    pub scenarios: Vec<Loaded>,
    pub seed: u64,
    pub time: Option<Duration>,
    /// Most conversations to execute.
    pub inputs: Option<u64>,
    pub jobs: usize,
    /// Whether each process and its worker are pinned to one processor.
    pub pin: bool,
    /// Whether only random bytes are sent, as a baseline.
    pub unstructured: bool,
    /// Folder of the corpus.
    pub corpus: Option<PathBuf>,
    /// Folder for findings.
    pub findings: PathBuf,
    /// This program, for `{shakedown}` in descriptions.
    pub shakedown: String,
}

/// State that all workers share.
struct Shared {
    setup: Setup,
    begun: Instant,
    until: Option<Instant>,
    most: Option<u64>,
    pin: bool,
    unstructured: bool,
    inputs: AtomicU64,
    datagrams: AtomicU64,
    starts: AtomicU64,
    checks: AtomicU64,
    pool: Mutex<InputPool>,
    findings: Mutex<Findings>,
    /// Unmutated conversations by group.
    seeds: BTreeMap<String, Vec<Arc<Conversation>>>,
    /// Scenarios for checks by group.
    healthy: BTreeMap<String, Vec<Scenario>>,
    findings_folder: PathBuf,
    events: mpsc::UnboundedSender<FuzzEvent>,
}

/// The corpus, and those of its conversations that were not executed yet.
#[derive(Default)]
struct InputPool {
    corpus: Corpus,
    pending: BTreeMap<String, VecDeque<Arc<Conversation>>>,
    folder: Option<CorpusFolder>,
    /// Conversations that others added to the folder.
    imported: usize,
}

/// Findings so far.
#[derive(Default)]
struct Findings {
    causes: BTreeSet<String>,
    count: usize,
    notes: BTreeSet<String>,
    /// Why a worker failed.
    error: Option<String>,
}

/// Fuzzes an implementation until the time or the inputs are used up, or `stop` is true. The last event is
/// [`FuzzEvent::FuzzFinished`] with the summary that is returned.
pub async fn fuzz(
    settings: FuzzSettings,
    events: mpsc::UnboundedSender<FuzzEvent>,
    stop: watch::Receiver<bool>,
) -> FuzzSummary {
    raise_file_limit();
    let begun = Instant::now();
    let sender = events.clone();
    let summary = match begin(settings, events, stop.clone(), begun) {
        Ok((shared, jobs)) => run_workers(Arc::new(shared), jobs, stop).await,
        Err(why) => summary(FuzzCounts::default(), Vec::new(), false, (2, why)),
    };
    // The receiver may be gone.
    let _ = sender.send(FuzzEvent::FuzzFinished(summary.clone()));
    summary
}

/// Executes conversations in order with a fresh process, then plays `then`; again if no fault shows, since some depend
/// on time or on where memory lies. Returns the fault and the number of attempts.
///
/// # Errors
/// A message for the user, if they could not be executed.
pub async fn replay(
    iut: Iut,
    conversations: Vec<Conversation>,
    then: Option<Scenario>,
    seed: u64,
    shakedown: String,
    stop: watch::Receiver<bool>,
) -> Result<(Option<Fault>, u32), String> {
    let setup = Setup::of(Arc::new(iut), seed, shakedown, 1, stop)?;
    let conversations: Vec<_> = conversations.into_iter().map(Arc::new).collect();
    let reproduced = spawn_blocking(move || {
        let timeouts = Timeouts::long(&setup);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let fault = reproduce(&setup, &conversations, then.as_ref(), timeouts, None)?;
            if fault.is_some() || attempts >= REPLAYS || setup.is_stopped() {
                return Ok((fault, attempts));
            }
        }
    });
    reproduced
        .await
        .map_err(|error| format!("the replay failed: {error}"))?
}

/// The shared state, and the number of workers.
///
/// # Errors
/// A message for the user if the implementation cannot be fuzzed.
fn begin(
    settings: FuzzSettings,
    events: mpsc::UnboundedSender<FuzzEvent>,
    stop: watch::Receiver<bool>,
    begun: Instant,
) -> Result<(Shared, usize), String> {
    let iut = Arc::new(settings.iut);
    let launcher = Launcher::new(Arc::clone(&iut), settings.seed, settings.shakedown.clone());
    let jobs = match launcher.can_run_twice() {
        true => settings.jobs.max(1),
        false => 1,
    };
    let setup = Setup::of(
        Arc::clone(&iut),
        settings.seed,
        settings.shakedown,
        jobs,
        stop,
    )?;
    let protocol = setup.protocol;
    let mut pool = InputPool::default();
    let mut healthy: BTreeMap<String, Vec<Scenario>> = BTreeMap::new();
    let mut seeds: BTreeMap<String, Vec<Arc<Conversation>>> = BTreeMap::new();
    let mut scenarios = 0;
    for loaded in &settings.scenarios {
        let scenario = &loaded.scenario;
        if !is_suitable(&iut, scenario) {
            continue;
        }
        let asked = scenario.asked_of(&iut);
        let group = group(&asked.iut);
        let is_plain = !scenario.exclusive && scenario.impair.is_none() && !scenario.tolerant;
        if is_plain && wait(&asked, &iut) <= MAX_CHECK_WAIT {
            healthy
                .entry(group.clone())
                .or_default()
                .push(scenario.clone());
        }
        match Conversation::from_scenario(loaded, protocol) {
            Ok(conversation) => {
                let conversation = Arc::new(conversation);
                scenarios += usize::from(pool.add(&group, Arc::clone(&conversation)));
                seeds.entry(group).or_default().push(conversation);
            }
            Err(problems) => tracing::debug!("{}: {}", scenario.id, problems.render(false)),
        }
    }
    for checks in healthy.values_mut() {
        checks.sort_by_key(|scenario| bound(&scenario.asked_of(&iut), &iut));
        checks.truncate(MAX_CHECKS);
    }
    if scenarios == 0 {
        return Err(format!(
            "none of the selected scenarios can be played against {}",
            iut.name
        ));
    }
    if let Some(path) = &settings.corpus {
        let folder = CorpusFolder::open(path);
        pool.folder =
            Some(folder.map_err(|error| {
                format!("the folder {} cannot be used: {error}", path.display())
            })?);
    }
    let resumed = pool.import(&iut);
    let shared = Shared {
        setup,
        begun,
        until: settings.time.map(|time| begun + time),
        most: settings.inputs,
        pin: settings.pin,
        unstructured: settings.unstructured,
        inputs: AtomicU64::new(0),
        datagrams: AtomicU64::new(0),
        starts: AtomicU64::new(0),
        checks: AtomicU64::new(0),
        pool: Mutex::new(pool),
        findings: Mutex::default(),
        seeds,
        healthy,
        findings_folder: settings.findings,
        events,
    };
    shared.emit(FuzzEvent::FuzzStarted {
        version: VERSION,
        iut: iut.name.clone(),
        protocol: protocol.id.to_owned(),
        seed: settings.seed,
        jobs,
        scenarios,
        resumed,
    });
    Ok((shared, jobs))
}

/// Runs the workers to their end.
async fn run_workers(shared: Arc<Shared>, jobs: usize, stop: watch::Receiver<bool>) -> FuzzSummary {
    let workers = (0..jobs).map(|number| {
        let shared = Arc::clone(&shared);
        spawn_blocking(move || Worker::new(&shared, number).run())
    });
    let workers: Vec<_> = workers.collect();
    let progress = {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut ticks = interval(PROGRESS_INTERVAL);
            loop {
                ticks.tick().await;
                shared.pool().import(&shared.setup.iut);
                shared.emit(FuzzEvent::FuzzProgress(shared.counts()));
            }
        })
    };
    for worker in workers {
        let error = match worker.await {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why,
            Err(error) => format!("a worker failed: {error}"),
        };
        shared.findings().error.get_or_insert(error);
    }
    progress.abort();
    let counts = shared.counts();
    let interrupted = *stop.borrow();
    let findings = shared.findings();
    let notes = findings.notes.iter().cloned().collect();
    let inputs = counts.inputs;
    let result = match (&findings.error, findings.count) {
        (_, some) if some > 0 => (1, format!("{some} found in {inputs} conversations")),
        (Some(why), _) => (3, why.clone()),
        _ if interrupted => (130, format!("interrupted after {inputs} conversations")),
        _ if inputs == 0 => (
            2,
            "no conversation was over in the time that it was given".to_owned(),
        ),
        _ if counts.datagrams == 0 => {
            let why =
                "nothing was fuzzed: the implementation never sent anything, so it got nothing";
            (2, why.to_owned())
        }
        (None, _) => (0, format!("nothing was found in {inputs} conversations")),
    };
    summary(counts, notes, interrupted, result)
}

fn summary(
    counts: FuzzCounts,
    notes: Vec<String>,
    interrupted: bool,
    (exit, message): (u8, String),
) -> FuzzSummary {
    FuzzSummary {
        counts,
        notes,
        interrupted,
        exit,
        message,
    }
}

/// Whether a scenario can be mutated: no step controls the process, and no slots are counted.
fn is_suitable(iut: &Iut, scenario: &Scenario) -> bool {
    let name = scenario.id.split('/').next();
    let Some(known) = name.filter(|name| *name == iut.protocol).and_then(protocol) else {
        return false;
    };
    let is_client = iut.role == Protocol::ROLES[0];
    let suits_many = !counts_slots(known, &scenario.iut) && !controls_process(&scenario.steps);
    why_not_applicable(iut, scenario).is_none() && (is_client || suits_many)
}

impl InputPool {
    fn add(&mut self, group: &str, conversation: Arc<Conversation>) -> bool {
        let is_new = self.corpus.add(group, Arc::clone(&conversation));
        if is_new {
            self.pending
                .entry(group.to_owned())
                .or_default()
                .push_back(conversation);
        }
        is_new
    }

    /// Reads the conversations that others added to the folder. Returns their number.
    fn import(&mut self, iut: &Iut) -> usize {
        let read = self
            .folder
            .as_mut()
            .map(CorpusFolder::read_new)
            .unwrap_or_default();
        let suitable = read
            .into_iter()
            .filter(|one| is_suitable(iut, one.scenario()));
        let new = suitable.map(|one| {
            let group = group(&one.scenario().asked_of(iut).iut);
            usize::from(self.add(&group, Arc::new(one)))
        });
        let new = new.sum();
        self.imported += new;
        new
    }

    /// Adds a conversation that reached new behaviour.
    fn keep(&mut self, group: &str, conversation: &Arc<Conversation>) {
        if self.corpus.add(group, Arc::clone(conversation))
            && let Some(folder) = &mut self.folder
            && let Err(error) = folder.add(conversation)
        {
            tracing::warn!("a conversation cannot be written: {error}");
        }
    }
}

impl Shared {
    fn emit(&self, event: FuzzEvent) {
        // The receiver may be gone.
        let _ = self.events.send(event);
    }

    fn pool(&self) -> MutexGuard<'_, InputPool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the time is used up.
    fn is_late(&self) -> bool {
        self.setup.is_stopped() || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Whether the run is over.
    fn is_over(&self) -> bool {
        self.is_late()
            || self
                .most
                .is_some_and(|most| self.inputs.load(Ordering::Relaxed) >= most)
            || self.findings().error.is_some()
    }

    fn position(&self) -> FuzzPosition {
        FuzzPosition {
            inputs: self.inputs.load(Ordering::Relaxed),
            datagrams: self.datagrams.load(Ordering::Relaxed),
            seconds: self.begun.elapsed().as_secs_f64(),
        }
    }

    fn counts(&self) -> FuzzCounts {
        let seconds = self.begun.elapsed().as_secs_f64();
        let inputs = self.inputs.load(Ordering::Relaxed);
        let datagrams = self.datagrams.load(Ordering::Relaxed);
        let (behaviours, corpus, imported) = {
            let pool = self.pool();
            (pool.corpus.behaviours(), pool.corpus.len(), pool.imported)
        };
        FuzzCounts {
            seconds,
            inputs,
            inputs_per_second: inputs as f64 / seconds.max(f64::EPSILON),
            datagrams,
            datagrams_per_second: datagrams as f64 / seconds.max(f64::EPSILON),
            behaviours,
            corpus,
            imported,
            starts: self.starts.load(Ordering::Relaxed),
            checks: self.checks.load(Ordering::Relaxed),
            findings: self.findings().count,
        }
    }
}
