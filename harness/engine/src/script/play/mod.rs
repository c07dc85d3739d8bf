mod sending;
mod telling;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::network::Impair;
use crate::scenario::{Scenario, SocketNeed};

use super::context::Context;
use super::describe::human_time;
use super::inbox::Inbox;
use super::media::MediaRun;
use super::program::{Kind, Op, Program, compile};
use super::send::{self, From, Sending, Source};
use super::wait::Waiter;
use super::window::{Path, resolve};
use super::{Action, Environment, Failure, Input, ScriptOutcome, SocketId, StepEvent};

/// Most `fresh` sockets that are open at once.
const MAX_FRESH: usize = 256;
/// Most steps that are played, those of repeated lists each time.
const MAX_STEPS: u64 = 1_000_000;
/// Most events that are kept; the first ones are.
const MAX_EVENTS: usize = 4_096;
/// Most comments by one step.
const MAX_COMMENTS: u32 = 16;
/// How long the driver may take to send.
const SEND_LIMIT: Duration = Duration::from_secs(30);
/// How long the driver may take to start the implementation again.
const RESTART_LIMIT: Duration = Duration::from_secs(60);

/// A scenario being played; see the [module](super) for the rules.
#[derive(Debug)]
pub struct Script {
    ops: Arc<[Arc<Op>]>,
    context: Context,
    /// Whether steps are told: events and comments.
    tells: bool,
    /// When the first media arrived that a step looked at.
    first_media: Option<Duration>,
    inbox: Inbox,
    doing: Doing,
    /// Index of the step that comes next.
    next: usize,
    /// How often the repeated lists that are being played are still to be played.
    loops: Vec<u32>,
    /// When the step before was completed.
    mark: Duration,
    begun: bool,
    actions: VecDeque<Action>,
    events: Vec<StepEvent>,
    comments: Vec<u32>,
    ignored: IndexMap<String, u64>,
    completed: Vec<bool>,
    played: u64,
    outcome: Option<ScriptOutcome>,
    exited: Option<(Duration, Option<i32>)>,
    lateness: Lateness,
    /// The last packet of the capture that the script knows of.
    last_packet: Option<u64>,
    /// Sockets to open at the beginning.
    sockets: Vec<bool>,
    fresh: VecDeque<SocketId>,
    next_socket: usize,
    next_tag: u64,
}

#[derive(Debug)]
enum Doing {
    /// The next step is to be begun.
    Nothing,
    Sending(Sending, Option<Duration>),
    Waiting(Waiting),
    Sleeping {
        op: Arc<Op>,
        until: Duration,
    },
    Restarting {
        op: Arc<Op>,
        since: Duration,
    },
}

/// A step that waits, or the first steps of the branches of an `either`.
#[derive(Debug)]
struct Waiting {
    op: Arc<Op>,
    waiters: Vec<Waiter>,
    out: Vec<(String, Box<Failure>)>,
}

/// How late the driver was while the current window was open.
#[derive(Debug, Default)]
struct Lateness {
    worst: Duration,
    last: Duration,
}

impl Script {
    /// A script at its beginning. The scenario was checked when it was loaded; what is wrong with
    /// it nevertheless becomes an [error](ScriptOutcome::Error) when it is played.
    #[must_use]
    pub fn new(scenario: &Scenario, environment: Environment) -> Self {
        Self::with(compile(scenario).into(), scenario, environment)
    }

    /// One of many plays of a program: it tells nothing of its steps but the outcome.
    #[must_use]
    pub fn of(program: &Program, environment: Environment) -> Self {
        let ops = Arc::clone(&program.ops);
        Self {
            tells: false,
            ..Self::with(ops, &program.scenario, environment)
        }
    }

    /// The same played through a network of which the scenario does not know: windows give way to
    /// its delays. Those of its own network they know by themselves.
    #[must_use]
    pub fn through(mut self, impair: &Impair) -> Self {
        self.context.path = Path::through(impair, &self.context.environment);
        self
    }

    fn with(ops: Arc<[Arc<Op>]>, scenario: &Scenario, environment: Environment) -> Self {
        let sockets = scenario.sockets.values();
        let sockets: Vec<_> = sockets
            .map(|need| matches!(need, SocketNeed::OtherAddress {}))
            .collect();
        let (context, outcome) = match Context::new(scenario, environment.clone()) {
            Ok(context) => (context, None),
            Err(why) => {
                let step = "let".to_owned();
                (
                    Context::empty(environment),
                    Some(ScriptOutcome::Error { why, step }),
                )
            }
        };
        Self {
            inbox: Inbox::new(1 + sockets.len()),
            comments: vec![0; ops.len()],
            completed: vec![false; ops.len()],
            next_socket: 1 + sockets.len(),
            ops,
            context,
            tells: true,
            first_media: None,
            doing: Doing::Nothing,
            next: 0,
            loops: Vec::new(),
            mark: Duration::ZERO,
            begun: false,
            actions: VecDeque::new(),
            events: Vec::new(),
            ignored: IndexMap::new(),
            played: 0,
            outcome,
            exited: None,
            lateness: Lateness::default(),
            last_packet: None,
            sockets,
            fresh: VecDeque::new(),
            next_tag: 0,
        }
    }

    /// Takes one input at time `now`, which never falls.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.outcome.is_some() {
            return;
        }
        match input {
            Input::Begin => self.begin(now),
            Input::Datagram {
                socket,
                from,
                payload,
                packet,
            } => {
                self.last_packet = packet.or(self.last_packet);
                match self.context.environment.is_from_iut(from) {
                    true => self.inbox.arrive(socket, from, now, payload, packet),
                    false => self.stray(from, packet),
                }
            }
            Input::Sent { tag, packet } => self.sent(now, tag, packet),
            Input::Refused { why } => {
                self.inconclusive(format!("the stimulus could not be applied: {why}"));
            }
            Input::Tick => {}
            Input::Exited { code } => {
                let is_ours = matches!(self.doing, Doing::Restarting { .. });
                if !is_ours {
                    self.exited.get_or_insert((now, code));
                }
            }
            Input::Restarted => self.restarted(now),
            Input::Late(by) => self.lateness.note(now, by, self.mark),
        }
        if self.begun {
            self.advance(now);
        }
    }

    /// The next thing that it wants done; `None` when there is nothing more for now.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.outcome.is_some() || !self.begun {
            return None;
        }
        match &self.doing {
            Doing::Nothing => None,
            Doing::Sending(sending, wait) => match sending.outstanding {
                Some((_, since)) => Some(since.saturating_add(SEND_LIMIT)),
                None => *wait,
            },
            Doing::Waiting(waiting) => waiting.waiters.iter().map(Waiter::due).min(),
            Doing::Sleeping { until, .. } => Some(*until),
            Doing::Restarting { since, .. } => Some(since.saturating_add(RESTART_LIMIT)),
        }
    }

    /// How it ended, once it did. What [`Script::poll`] still has are comments.
    #[must_use]
    pub const fn outcome(&self) -> Option<&ScriptOutcome> {
        self.outcome.as_ref()
    }

    /// When the first media arrived that a step has looked at, by the driver's clock.
    #[must_use]
    pub const fn first_media(&self) -> Option<Duration> {
        self.first_media
    }

    /// What was done so far, step by step; the first 4,096.
    #[must_use]
    pub fn events(&self) -> &[StepEvent] {
        &self.events
    }

    /// Frames that steps passed over, by name.
    #[must_use]
    pub const fn ignored(&self) -> &IndexMap<String, u64> {
        &self.ignored
    }

    /// The values that names stand for by now.
    #[must_use]
    pub fn bindings(&self) -> &IndexMap<String, Value> {
        self.context.bindings.all()
    }

    fn begin(&mut self, now: Duration) {
        if self.begun {
            return;
        }
        self.begun = true;
        self.mark = now;
        for (n, other_address) in self.sockets.iter().enumerate() {
            let socket = SocketId(n + 1);
            self.actions.push_back(Action::Open {
                socket,
                other_address: *other_address,
            });
        }
    }

    /// Plays on until something must be waited for.
    fn advance(&mut self, now: Duration) {
        while self.outcome.is_none() {
            let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
            let blocked = match doing {
                Doing::Nothing => {
                    self.begin_step(now);
                    None
                }
                Doing::Sending(sending, _) => self.send(now, sending),
                Doing::Waiting(waiting) => self.wait(now, waiting),
                Doing::Sleeping { op, until } if now >= until => {
                    self.complete(&op, until, "waited".to_owned(), None);
                    None
                }
                doing @ Doing::Sleeping { .. } => Some(doing),
                Doing::Restarting { since, .. } if now >= since.saturating_add(RESTART_LIMIT) => {
                    let limit = human_time(RESTART_LIMIT);
                    self.error(format!(
                        "the implementation was not started again in {limit}"
                    ));
                    None
                }
                doing @ Doing::Restarting { .. } => Some(doing),
            };
            if let Some(blocked) = blocked {
                self.doing = blocked;
                return;
            }
        }
    }

    fn begin_step(&mut self, now: Duration) {
        let Some(op) = self.ops.get(self.next).cloned() else {
            self.outcome = Some(ScriptOutcome::Passed);
            return;
        };
        self.played += 1;
        if self.played > MAX_STEPS {
            self.error(format!("more than {MAX_STEPS} steps were played"));
            return;
        }
        match self.start(&op, now) {
            Ok(Some(doing)) => self.doing = doing,
            Ok(None) => {}
            Err(why) => self.error(why),
        }
    }

    /// What the step does; `None` if it is done or a jump.
    fn start(&mut self, op: &Arc<Op>, now: Duration) -> Result<Option<Doing>, String> {
        let context = &self.context;
        let same = |datagram: Vec<u8>, times: Option<u32>| Source::Same {
            datagram,
            left: times.unwrap_or(1),
        };
        let doing = match &op.kind {
            Kind::Send(send) => {
                let datagram = send::typed(&send.frame, &send.fields, context)?;
                let from = From::named(send.from.as_deref(), context)?;
                Doing::Sending(Sending::new(op, from, same(datagram, send.times)), None)
            }
            Kind::SendRaw(raw) => {
                let from = From::named(raw.from.as_deref(), context)?;
                Doing::Sending(
                    Sending::new(op, from, same(send::raw(raw)?, raw.times)),
                    None,
                )
            }
            Kind::Mutate(mutate) => {
                let from = From::named(mutate.from.as_deref(), context)?;
                let datagram = send::mutated(mutate, context)?;
                Doing::Sending(Sending::new(op, from, same(datagram, None)), None)
            }
            Kind::Media(media) => {
                let from = From::named(media.from.as_deref(), context)?;
                let run = MediaRun::new(media, self.mark, &context.environment);
                Doing::Sending(Sending::new(op, from, Source::Media(run)), None)
            }
            Kind::Lose(send) => {
                let datagram = send::typed(&send.frame, &send.fields, context)?;
                let text = format!("lost {}", context.describe(&datagram));
                self.context.datagrams.insert(op.top, datagram);
                self.complete(op, now.max(self.mark), text, self.last_packet);
                return Ok(None);
            }
            Kind::Wait(span) => {
                let until = self
                    .mark
                    .saturating_add(resolve(span, &context.environment));
                Doing::Sleeping {
                    op: Arc::clone(op),
                    until,
                }
            }
            Kind::RestartIut => {
                self.actions.push_back(Action::RestartIut);
                self.exited = None;
                self.inbox.clear();
                Doing::Restarting {
                    op: Arc::clone(op),
                    since: now,
                }
            }
            Kind::Expect(_)
            | Kind::ExpectAny(_)
            | Kind::ExpectNothing(_)
            | Kind::ExpectMedia(_)
            | Kind::ExpectExit(_) => {
                let waiters = vec![Waiter::new(op, self.mark, context)?];
                Doing::Waiting(Waiting {
                    op: Arc::clone(op),
                    waiters,
                    out: Vec::new(),
                })
            }
            Kind::Either(branches) => {
                let mut waiters = Vec::new();
                self.heads(branches, "", &mut waiters)?;
                if waiters.is_empty() {
                    return Err("a choice has no branch to take".to_owned());
                }
                Doing::Waiting(Waiting {
                    op: Arc::clone(op),
                    waiters,
                    out: Vec::new(),
                })
            }
            Kind::OverStreams(step) => {
                let verb = step.verb();
                return Err(format!(
                    "`{verb}` is a step over streams; datagrams carry this protocol"
                ));
            }
            Kind::Repeat { times: 0, end } => {
                self.next = *end;
                return Ok(None);
            }
            Kind::Repeat { times, .. } => {
                self.loops.push(*times);
                self.next += 1;
                return Ok(None);
            }
            Kind::Again { start } => {
                let left = self.loops.pop().unwrap_or(1) - 1;
                if left > 0 {
                    self.loops.push(left);
                }
                self.next = if left > 0 { *start } else { self.next + 1 };
                return Ok(None);
            }
            Kind::Jump(to) => {
                self.next = *to;
                return Ok(None);
            }
        };
        Ok(Some(doing))
    }

    /// The first steps of branches; where that is a choice again, of its branches.
    fn heads(
        &self,
        branches: &[(String, usize)],
        prefix: &str,
        waiters: &mut Vec<Waiter>,
    ) -> Result<(), String> {
        for (title, begin) in branches {
            let title = format!("{prefix}{title}");
            let op = self.ops.get(*begin).ok_or("a branch has no steps")?;
            match &op.kind {
                Kind::Either(inner) => self.heads(inner, &format!("{title}: "), waiters)?,
                _ => {
                    let waiter = Waiter::new(op, self.mark, &self.context)?;
                    waiters.push(waiter.titled(title));
                }
            }
        }
        Ok(())
    }
}

impl Lateness {
    fn note(&mut self, now: Duration, by: Duration, window: Duration) {
        let fresh = self.last < window;
        self.worst = if fresh { by } else { self.worst.max(by) };
        self.last = now;
    }

    /// A window opens at `start`: what was late before it does not count.
    fn forget_before(&mut self, start: Duration) {
        if self.last < start {
            self.worst = Duration::ZERO;
        }
    }
}
