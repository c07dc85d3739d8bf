//! Every way in which the network can treat the datagrams of one initiator and one responder, within
//! bounds: the reference machines themselves, forked at each choice, under stateright's checker.
//!
//! **What is explored.** Each way keeps its order, and what is sent arrives before the next timer is
//! due. But datagrams may be lost, may be doubled, and may stay behind: what stays behind, and the copy
//! of a doubled datagram, arrive at any later time, after any number of other datagrams and of timers,
//! also when everything else is over. In a slow net ([`Bounds::slow`]) timers may be due while
//! datagrams are on their way. At each step the next datagram of a way arrives, is lost, is doubled or
//! stays behind; one that stayed behind arrives; or the next timer is due: the earlier one of both
//! sides, and each of them first where both are due at once. How often the network does something is
//! bounded ([`Bounds`]), and all runs within the bounds are explored to their end.
//!
//! **What is not.** Time stands still between timers: what arrives, arrives at a time at which some timer
//! was due. Delays are those that change the order of events, not each number of milliseconds.
//! Neither side moves to another address, and nothing arrives damaged.
//!
//! States are known by a digest of 64 bits, as is usual: that two of ten million are taken for one has a
//! chance of one in 400,000.

mod channel;
mod retrace;
mod state;
mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, ReferenceSettings, StreamParameters};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{Side, Trace};
use state::{Action, Context, State};
use steps::{RESPONDER, Steps};

/// The stream of an exploration: two frames of 32 bytes, half a second apart. What matters of media is
/// when it begins and when it ends.
pub const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 512,
    frames_per_second: 2,
    seconds: 1,
};

/// How often the network may do what, in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Datagrams that are lost, of both directions together.
    pub loss: u8,
    /// Datagrams of which a copy arrives too.
    pub dup: u8,
    /// Datagrams that stay behind: later ones arrive before them, and they arrive at any time.
    pub reorder: u8,
    /// Timers that are due while datagrams are on their way that did not stay behind.
    pub slow: u8,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            loss: 3,
            dup: 2,
            reorder: 2,
            slow: 0,
        }
    }
}

/// A pair of reference machines, and what the network may do to them.
#[derive(Debug, Clone)]
pub struct Setup {
    pub protocol: &'static Protocol,
    pub initiator: Side,
    pub responder: Side,
    pub stream: StreamParameters,
    /// What the network may do.
    pub bounds: Bounds,
    /// Random seed, on both sides.
    pub seed: u64,
    pub threads: usize,
    /// Further settings of both machines by name, as flags of `serve` and `connect` give them.
    pub extra: Vec<(String, String)>,
}

/// How far an exploration has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// States that were reached, each as often as it was.
    pub generated: usize,
    /// Different ones among them.
    pub distinct: usize,
    /// Steps of the longest way to a new state.
    pub depth: usize,
    /// Whether a violation was found, and its shortest trace is being looked for.
    pub tracing: bool,
}

/// What an exploration came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Explored {
    /// How far it came; until the first violation, if there is one.
    pub progress: Progress,
    /// Whether every state within the bounds was reached. If not, nothing is known of the others.
    pub complete: bool,
    /// The shortest run that breaks a requirement, if one does. Without `complete` it may be missing
    /// though a violation was found: the search for the shortest was ended.
    pub violation: Option<Trace>,
}

/// An exploration whose threads are at work.
pub struct Running<'a> {
    progress: &'a dyn Fn() -> Progress,
    flags: &'a Flags,
}

impl Running<'_> {
    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        (self.progress)()
    }

    /// It was enough: the threads come to an end.
    pub fn end(&self) {
        self.flags.end.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.progress().fmt(f)
    }
}

/// Waits for the threads of an exploration, as [`join`] does, and looks at it meanwhile.
pub type Wait<'a> = &'a mut dyn FnMut(&Running<'_>, Vec<JoinHandle<()>>) -> std::thread::Result<()>;

/// Waits until all threads of an exploration have ended.
///
/// # Errors
/// The message of the first one that panicked.
pub fn join(threads: Vec<JoinHandle<()>>) -> std::thread::Result<()> {
    threads.into_iter().try_for_each(JoinHandle::join)
}

/// Explores until everything is known, a requirement is broken or `wait` has seen enough. The threads of
/// the checker work while `wait` waits for them: it is called once for each search, that for the
/// shortest run among them.
///
/// # Errors
/// A human-readable error if the machines cannot be what the setup says, or if one of them panicked.
pub fn explore(setup: &Setup, wait: Wait<'_>) -> Result<Explored, String> {
    let found = search(setup, setup.threads.max(1), false, wait)?;
    let Found {
        progress,
        is_cut,
        path,
    } = found;
    if path.is_none() {
        return Ok(Explored {
            progress,
            complete: !is_cut,
            violation: None,
        });
    }
    // Of several threads, the first to find something need not have found the shortest run.
    let path = match setup.threads {
        0 | 1 => path,
        _ => search(setup, 1, true, wait)?.path.or(path),
    };
    let violation = path.map(|path| retrace::trace(setup, &path)).transpose()?;
    Ok(Explored {
        progress,
        complete: false,
        violation,
    })
}

struct Found {
    progress: Progress,
    is_cut: bool,
    path: Option<Vec<Action>>,
}

/// Breadth first: with one thread the first state that breaks a rule is one with the fewest steps.
fn search(setup: &Setup, threads: usize, tracing: bool, wait: Wait<'_>) -> Result<Found, String> {
    let flags = Arc::new(Flags::default());
    let context = setup.context()?;
    let space = Space {
        begin: setup.begin(&context, &mut |_| {})?,
        context,
        flags: Arc::clone(&flags),
    };
    let mut checker = space
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::Any)
        .spawn_bfs();
    let handles = checker.handles();
    let progress = || Progress {
        generated: checker.state_count(),
        distinct: checker.unique_state_count(),
        depth: checker.max_depth(),
        tracing,
    };
    let running = Running {
        progress: &progress,
        flags: &flags,
    };
    wait(&running, handles).map_err(|_| "a machine panicked while it was explored".to_owned())?;
    let progress = progress();
    // The way to what was found is walked again, through the same choices.
    flags.end.store(false, Ordering::Relaxed);
    let path = checker
        .discoveries()
        .remove(CONFORMS)
        .map(stateright::Path::into_actions);
    Ok(Found {
        progress,
        is_cut: flags.is_cut.load(Ordering::Relaxed),
        path,
    })
}

impl Setup {
    fn context(&self) -> Result<Context, String> {
        let exploration = self.protocol.exploration;
        let exploration = exploration
            .ok_or_else(|| format!("{} has no facts to explore it by", self.protocol.id))?;
        Ok(Context {
            exploration,
            convergence: (exploration.convergence)(&self.initiator.mode),
            steps: Steps::default(),
        })
    }

    /// Both machines, and the first step of the initiator.
    fn begin(
        &self,
        context: &Context,
        note: &mut impl FnMut(state::Note<'_>),
    ) -> Result<State, String> {
        let machine = |role, side: &Side| {
            let without = side.without.iter();
            let without = without.map(|id| ("without".to_owned(), id.clone()));
            let settings = ReferenceSettings {
                role,
                mode: side.mode.clone(),
                options: side.options.clone(),
                stream: self.stream,
                peer: (role == Role::Initiator).then_some(RESPONDER),
                // The two sides draw different numbers.
                seed: self.seed ^ (u64::from(role == Role::Responder) << 63),
                epoch: Duration::ZERO,
                extra: self.extra.iter().cloned().chain(without).collect(),
            };
            let made = self.protocol.fork(&settings);
            made.map_err(|why| format!("the {role} cannot be `{side}`: {why}"))
        };
        let initiator = machine(Role::Initiator, &self.initiator)?;
        let responder = machine(Role::Responder, &self.responder)?;
        let facts = (context.exploration.facts)(&self.initiator.offer(), &self.responder.offer());
        Ok(State::new(
            context,
            initiator,
            responder,
            facts,
            self.bounds,
            note,
        ))
    }
}

/// The only property that the checker knows: states say themselves what they break.
const CONFORMS: &str = "conforms";

struct Space {
    context: Context,
    begin: State,
    flags: Arc<Flags>,
}

#[derive(Default)]
struct Flags {
    /// Nothing more shall be explored.
    end: AtomicBool,
    /// A state was not explored because of that.
    is_cut: AtomicBool,
    /// A state that breaks a rule was found.
    found: AtomicBool,
}

impl Model for Space {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.flags.end.load(Ordering::Relaxed) {
            self.flags.is_cut.store(true, Ordering::Relaxed);
            return;
        }
        state.actions(actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(state.after(&self.context, action, &mut |_| {}))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // The checker keeps the last state that it found, and the first one is the nearest.
        vec![Property::always(CONFORMS, |space: &Self, state: &State| {
            state.broken.is_none() || space.flags.found.swap(true, Ordering::Relaxed)
        })]
    }
}
