//! Fuzzing: conversations that are grown from scenarios are had with an implementation under test, to find
//! some that it does not outlive.
//!
//! Each worker has a process of a server, and has conversations with it until something shows or it has had
//! many; a client is started for each. What shows is seen again with a fresh process, made small, and
//! written. What a mutated conversation is answered is nobody's business; but now and then the same process
//! has to pass a scenario that it passes when it is fresh.

mod confirm;
mod event;
mod folder;
mod life;
mod question;
mod seen;
mod sign;
mod talk;
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

use confirm::{Patience, trial};
use folder::Folder;
use life::{Setup, group};
use worker::Worker;

pub use event::{FuzzCounts, FuzzEvent, FuzzFinding, FuzzMoment, FuzzSummary, VERSION};
pub use sign::Sign;

/// How often progress is told, and the folder of the corpus looked at.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How many scenarios show that a process still serves, the quickest, and how long one may have to wait.
const CHECKS: usize = 6;
const LONGEST_CHECK: Duration = Duration::from_secs(5);

/// What is wanted.
#[derive(Debug, Clone)]
pub struct FuzzSettings {
    pub iut: Iut,
    /// What conversations are grown from; those that do not apply are left out.
    pub scenarios: Vec<Loaded>,
    pub seed: u64,
    pub time: Option<Duration>,
    /// Most conversations.
    pub inputs: Option<u64>,
    pub jobs: usize,
    /// Whether each process and whoever speaks with it stay on one processor.
    pub pin: bool,
    /// Whether what is sent is any bytes, whatever is known of the protocol.
    pub unstructured: bool,
    /// Where conversations are kept that reach something new.
    pub corpus: Option<PathBuf>,
    /// Where findings are written.
    pub findings: PathBuf,
    /// This program, for `{shakedown}` in descriptions.
    pub shakedown: String,
}

/// What all workers share.
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
    grown: Mutex<Grown>,
    found: Mutex<Found>,
    /// The scenarios as conversations, as they are, by the way in which the implementation is started.
    seeds: BTreeMap<String, Vec<Arc<Conversation>>>,
    /// Scenarios that show quickly whether a process serves, by the way in which it is started.
    healthy: BTreeMap<String, Vec<Scenario>>,
    findings: PathBuf,
    events: mpsc::UnboundedSender<FuzzEvent>,
}

/// The corpus, and what of it was not had yet.
#[derive(Default)]
struct Grown {
    corpus: Corpus,
    pending: BTreeMap<String, VecDeque<Arc<Conversation>>>,
    folder: Option<Folder>,
    /// Conversations of others.
    heard: usize,
}

/// What was found.
#[derive(Default)]
struct Found {
    causes: BTreeSet<String>,
    findings: usize,
    notes: BTreeSet<String>,
    /// Why nothing more can be done.
    broken: Option<String>,
}

/// Fuzzes an implementation. Events are told as they come; the last is [`FuzzEvent::FuzzFinished`] with the
/// summary that is returned. When `stop` turns true it ends soon.
pub async fn fuzz(
    settings: FuzzSettings,
    events: mpsc::UnboundedSender<FuzzEvent>,
    stop: watch::Receiver<bool>,
) -> FuzzSummary {
    raise_file_limit();
    let begun = Instant::now();
    let told = events.clone();
    let summary = match begin(settings, events, stop.clone(), begun) {
        Ok((shared, jobs)) => played(Arc::new(shared), jobs, stop).await,
        Err(why) => summary(FuzzCounts::default(), Vec::new(), false, (2, why)),
    };
    // Whoever does not listen any more does not want to know.
    let _ = told.send(FuzzEvent::FuzzFinished(summary.clone()));
    summary
}

/// Has conversations once more, in their order, with a fresh process of the implementation, and lets somebody
/// who does everything right play `then`; tells what shows.
///
/// # Errors
/// A sentence for people, if they could not be had.
pub async fn replay(
    iut: Iut,
    conversations: Vec<Conversation>,
    then: Option<Scenario>,
    seed: u64,
    shakedown: String,
    stop: watch::Receiver<bool>,
) -> Result<Option<Sign>, String> {
    let setup = Setup::of(Arc::new(iut), seed, shakedown, 1, stop)?;
    let conversations: Vec<_> = conversations.into_iter().map(Arc::new).collect();
    let played = spawn_blocking(move || {
        trial(
            &setup,
            &conversations,
            then.as_ref(),
            Patience::long(&setup),
            None,
        )
    });
    played.await.map_err(|error| format!("it broke: {error}"))?
}

/// Has what workers share, and how many there are.
///
/// # Errors
/// A sentence for people if the implementation cannot be fuzzed.
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
    let mut grown = Grown::default();
    let mut healthy: BTreeMap<String, Vec<Scenario>> = BTreeMap::new();
    let mut seeds: BTreeMap<String, Vec<Arc<Conversation>>> = BTreeMap::new();
    let mut scenarios = 0;
    for loaded in &settings.scenarios {
        let scenario = &loaded.scenario;
        if !is_played(&iut, scenario) {
            continue;
        }
        let asked = scenario.asked_of(&iut);
        let group = group(&asked.iut);
        let is_plain = !scenario.exclusive && scenario.impair.is_none() && !scenario.tolerant;
        if is_plain && wait(&asked, &iut) <= LONGEST_CHECK {
            healthy
                .entry(group.clone())
                .or_default()
                .push(scenario.clone());
        }
        match Conversation::grown_from(loaded, protocol) {
            Ok(conversation) => {
                let conversation = Arc::new(conversation);
                scenarios += usize::from(grown.add(&group, Arc::clone(&conversation)));
                seeds.entry(group).or_default().push(conversation);
            }
            Err(problems) => tracing::debug!("{}: {}", scenario.id, problems.render(false)),
        }
    }
    for checks in healthy.values_mut() {
        checks.sort_by_key(|scenario| bound(&scenario.asked_of(&iut), &iut));
        checks.truncate(CHECKS);
    }
    if scenarios == 0 {
        return Err(format!(
            "none of the selected scenarios can be played against {}",
            iut.name
        ));
    }
    if let Some(path) = &settings.corpus {
        let folder = Folder::open(path);
        grown.folder =
            Some(folder.map_err(|error| {
                format!("the folder {} cannot be used: {error}", path.display())
            })?);
    }
    let resumed = grown.hear(&iut);
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
        grown: Mutex::new(grown),
        found: Mutex::default(),
        seeds,
        healthy,
        findings: settings.findings,
        events,
    };
    shared.tell(FuzzEvent::FuzzStarted {
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

/// Lets the workers work.
async fn played(shared: Arc<Shared>, jobs: usize, stop: watch::Receiver<bool>) -> FuzzSummary {
    let workers = (0..jobs).map(|number| {
        let shared = Arc::clone(&shared);
        spawn_blocking(move || Worker::new(&shared, number).run())
    });
    let workers: Vec<_> = workers.collect();
    let teller = {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut beat = interval(TELL_EVERY);
            loop {
                beat.tick().await;
                shared.grown().hear(&shared.setup.iut);
                shared.tell(FuzzEvent::FuzzProgress(shared.counts()));
            }
        })
    };
    for worker in workers {
        let broken = match worker.await {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why,
            Err(error) => format!("a worker broke: {error}"),
        };
        shared.found().broken.get_or_insert(broken);
    }
    teller.abort();
    let counts = shared.counts();
    let interrupted = *stop.borrow();
    let found = shared.found();
    let notes = found.notes.iter().cloned().collect();
    let inputs = counts.inputs;
    let end = match (&found.broken, found.findings) {
        (_, some) if some > 0 => (1, format!("{some} found in {inputs} conversations")),
        (Some(why), _) => (3, why.clone()),
        _ if interrupted => (130, format!("interrupted after {inputs} conversations")),
        (None, _) => (0, format!("nothing was found in {inputs} conversations")),
    };
    summary(counts, notes, interrupted, end)
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

/// Whether conversations can be grown from a scenario: no step is about the process, and nobody counts how
/// many it serves.
fn is_played(iut: &Iut, scenario: &Scenario) -> bool {
    let name = scenario.id.split('/').next();
    let Some(known) = name.filter(|name| *name == iut.protocol).and_then(protocol) else {
        return false;
    };
    let is_client = iut.role == Protocol::ROLES[0];
    let suits_many = !counts_slots(known, &scenario.iut) && !controls_process(&scenario.steps);
    why_not_applicable(iut, scenario).is_none() && (is_client || suits_many)
}

impl Grown {
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

    /// Takes what others have put into the folder. How many that were is the result.
    fn hear(&mut self, iut: &Iut) -> usize {
        let heard = self
            .folder
            .as_mut()
            .map(Folder::new_ones)
            .unwrap_or_default();
        let own = heard
            .into_iter()
            .filter(|one| is_played(iut, one.scenario()));
        let new = own.map(|one| {
            let group = group(&one.scenario().asked_of(iut).iut);
            usize::from(self.add(&group, Arc::new(one)))
        });
        let new = new.sum();
        self.heard += new;
        new
    }

    /// Keeps a conversation that reached something new.
    fn keep(&mut self, group: &str, conversation: &Arc<Conversation>) {
        if self.corpus.add(group, Arc::clone(conversation))
            && let Some(folder) = &mut self.folder
            && let Err(error) = folder.keep(conversation)
        {
            tracing::warn!("a conversation cannot be kept: {error}");
        }
    }
}

impl Shared {
    fn tell(&self, event: FuzzEvent) {
        // Whoever does not listen any more does not want to know.
        let _ = self.events.send(event);
    }

    fn grown(&self) -> MutexGuard<'_, Grown> {
        self.grown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the time is over.
    fn is_late(&self) -> bool {
        self.setup.is_stopped() || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Whether there is nothing more to do.
    fn is_over(&self) -> bool {
        self.is_late()
            || self
                .most
                .is_some_and(|most| self.inputs.load(Ordering::Relaxed) >= most)
            || self.found().broken.is_some()
    }

    fn moment(&self) -> FuzzMoment {
        FuzzMoment {
            inputs: self.inputs.load(Ordering::Relaxed),
            datagrams: self.datagrams.load(Ordering::Relaxed),
            seconds: self.begun.elapsed().as_secs_f64(),
        }
    }

    fn counts(&self) -> FuzzCounts {
        let seconds = self.begun.elapsed().as_secs_f64();
        let inputs = self.inputs.load(Ordering::Relaxed);
        let datagrams = self.datagrams.load(Ordering::Relaxed);
        let (behaviours, corpus, heard) = {
            let grown = self.grown();
            (grown.corpus.behaviours(), grown.corpus.len(), grown.heard)
        };
        FuzzCounts {
            seconds,
            inputs,
            inputs_per_second: inputs as f64 / seconds.max(f64::EPSILON),
            datagrams,
            datagrams_per_second: datagrams as f64 / seconds.max(f64::EPSILON),
            behaviours,
            corpus,
            heard,
            starts: self.starts.load(Ordering::Relaxed),
            checks: self.checks.load(Ordering::Relaxed),
            findings: self.found().findings,
        }
    }
}
