//! The interoperability matrix: every initiator asks every responder, through a relay that
//! records what passes at both edges and, if asked, impairs it. Neither side knows of that.
//!
//! Each side is judged from the capture at its own edge, how a pair ended from the wire and the
//! processes.

mod cell;
mod ending;
mod fairness;
mod key_logs;
mod observer;
mod sides;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shakedown_engine::event::{Event, VERSION};
use shakedown_engine::interop::{InteropStarted, InteropSummary, Pair, PairEvent, Side};
use shakedown_engine::iut::{Date, Iut};
use shakedown_engine::network::Impairment;
use shakedown_engine::script::Budget;
use shakedown_protocol::Protocol;
use shakedown_protocol::pair::DemandedEnd;
use shakedown_protocol::requirement::Level;
use tokio::sync::{Mutex, RwLock, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::launch::Launcher;
use crate::run::raise_file_limit;
use crate::socket::PeerSocket;
use crate::stop::unless_stopped;

use ending::Ending;

/// How long after the start of one pair the next one is started: processes that all begin at once
/// would keep each other, and us, from being in time.
const APART: Duration = Duration::from_millis(40);

/// The pairs, and how they are played.
#[derive(Debug, Clone)]
pub struct MatrixSettings {
    /// The implementations; pairs name them by their place.
    pub iuts: Vec<Iut>,
    /// The protocol that they all speak.
    pub protocol: &'static Protocol,
    /// The pairs that are to be judged.
    pub pairs: Vec<Pair>,
    /// What the network between them does.
    pub impair: Impairment,
    /// The same as it was asked for, for people; `None` if nothing was.
    pub impair_text: Option<String>,
    /// Pairs to run in parallel.
    pub jobs: usize,
    pub seed: u64,
    /// The folder of the captures; it is made if need be.
    pub captures: PathBuf,
    /// The weakest level whose findings count.
    pub level: Level,
    /// Whether every pair has to stream, whatever the specification demands of it.
    pub must_stream: bool,
    /// This program, for `{shakedown}` in descriptions.
    pub shakedown: String,
}

/// What all pairs share.
struct Context {
    plan: MatrixSettings,
    launchers: Vec<Launcher>,
    /// Held while running an implementation that allows only one process.
    turns: Vec<Mutex<()>>,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
    places: Semaphore,
    /// What all relays may hold of what is on its way.
    budget: Budget,
    next_start: Mutex<Instant>,
    /// Read-locked by pairs that run in parallel, write-locked by one that runs exclusively.
    quiet: RwLock<()>,
    judged: Mutex<Vec<PairEvent>>,
    /// Why a program cannot be run.
    unstartable: OnceLock<String>,
}

/// Judges every pair of a plan. Events are sent as they happen; the last is
/// [`Event::InteropFinished`] with the summary that is returned. When `stop` turns true, pairs
/// that run are aborted and reported as such.
pub async fn interop(
    plan: MatrixSettings,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> InteropSummary {
    let clock = Clock::start();
    raise_file_limit();
    // The kernel begins to stamp arrivals when the first socket wants it; this one wants it early.
    let _stamps = PeerSocket::bind(([127, 0, 0, 1], 0).into());
    let launcher =
        |iut: &Iut| Launcher::new(Arc::new(iut.clone()), plan.seed, plan.shakedown.clone());
    let context = Arc::new(Context {
        launchers: plan.iuts.iter().map(launcher).collect(),
        turns: plan.iuts.iter().map(|_| Mutex::default()).collect(),
        events,
        stop,
        places: Semaphore::new(plan.jobs.max(1)),
        budget: Budget::for_scripts(plan.jobs),
        next_start: Mutex::new(Instant::now()),
        quiet: RwLock::default(),
        judged: Mutex::default(),
        unstartable: OnceLock::new(),
        plan,
    });
    context.emit(Event::InteropStarted(context.started()));
    let mut pairs = context.plan.pairs.clone();
    // Those that wait for nothing take the longest; they come first, so that none is left over.
    pairs.sort_by_key(|pair| match pair.demand.end {
        DemandedEnd::FallsBack | DemandedEnd::Waits => 0,
        DemandedEnd::TimesOut | DemandedEnd::NotSaid => 1,
        DemandedEnd::Streams | DemandedEnd::Refuses => 2,
    });
    let mut tasks = JoinSet::new();
    for pair in pairs {
        let context = Arc::clone(&context);
        tasks.spawn(async move { context.judge(pair).await });
    }
    while tasks.join_next().await.is_some() {}
    let today = clock.today();
    let ending = Ending {
        pairs: std::mem::take(&mut *context.judged.lock().await),
        wanted: context.plan.pairs.len(),
        failing: context.past_waivers(today),
        unstartable: context.unstartable.get().cloned(),
        interrupted: context.is_stopped(),
        took: clock.now(),
    };
    let summary = ending.summary();
    context.emit(Event::InteropFinished(summary.clone()));
    summary
}

impl Context {
    fn emit(&self, event: Event) {
        // The receiver may be gone.
        let _ = self.events.send(event);
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    fn started(&self) -> InteropStarted {
        let mut responders = Vec::new();
        let mut initiators = Vec::new();
        for pair in &self.plan.pairs {
            for (side, all) in [
                (&pair.responder, &mut responders),
                (&pair.initiator, &mut initiators),
            ] {
                let side = Side::event(side);
                if !all.contains(&side) {
                    all.push(side);
                }
            }
        }
        InteropStarted {
            version: VERSION,
            protocol: self.plan.protocol.id.to_owned(),
            seed: self.plan.seed,
            impair: self.plan.impair_text.clone(),
            responders,
            initiators,
            pairs: self.plan.pairs.len(),
        }
    }

    /// The result of `work`, or `None` as soon as all is interrupted.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        unless_stopped(&self.stop, work).await
    }

    /// Judges a pair when a slot is free, and reports the result. If the harness fails in it, the
    /// others continue.
    async fn judge(self: &Arc<Self>, pair: Pair) {
        let place = self.unless_stopped(self.places.acquire()).await;
        let Some(Ok(_place)) = place else {
            return;
        };
        let Some(_turns) = self.unless_stopped(self.turns_of(&pair)).await else {
            return;
        };
        if self.unless_stopped(self.turn_to_start()).await.is_none() {
            return;
        }
        let id = pair.id.clone();
        self.emit(Event::PairStarted { pair: id });
        let clock = Clock::start();
        let (context, own) = (Arc::clone(self), pair.clone());
        let judged = tokio::spawn(async move { context.fairly(&own).await }).await;
        let judged = judged.unwrap_or_else(|error| {
            let why = format!("the harness broke: {error}");
            fairness::PairResult::error(&pair, why, &clock)
        });
        for finding in judged.findings {
            self.emit(Event::Finding(finding));
        }
        self.emit(Event::Pair(judged.pair.clone()));
        self.judged.lock().await.push(judged.pair);
    }

    /// Waits until the last start is long enough ago.
    async fn turn_to_start(&self) {
        let mut next = self.next_start.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + APART;
    }

    /// The turns of those of whom only one process can run, always in the same order.
    async fn turns_of(&self, pair: &Pair) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        let mut places = [pair.initiator.iut, pair.responder.iut];
        places.sort_unstable();
        let mut turns = Vec::new();
        for place in places {
            let alone = self.launchers.get(place).filter(|one| !one.can_run_twice());
            if let (Some(_), Some(turn)) = (alone, self.turns.get(place)) {
                turns.push(turn.lock().await);
            }
        }
        turns
    }

    /// Waivers whose day is past.
    fn past_waivers(&self, today: Date) -> Vec<String> {
        let waivers = self
            .plan
            .iuts
            .iter()
            .flat_map(|iut| iut.waive.iter().map(move |w| (iut, w)));
        let past = waivers.filter(|(_, waiver)| waiver.is_past(today));
        past.map(|(iut, waiver)| {
            let (name, id, until) = (&iut.name, &waiver.requirement, &waiver.until);
            format!("{name}: the waiver of {id} counts until {until} only")
        })
        .collect()
    }
}
