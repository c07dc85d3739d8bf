mod sending;
mod waiting;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::network::Impairment;
use crate::scenario::SocketNeed;

use crate::step::{Play, RestartIut, Wait};

use super::context::Context;
use super::course::Course;
use super::describe::human_time;
use super::inbox::Inbox;
use super::program::{Kind, Op, Program};
use super::send::Stimulus;
use super::wait::Waits;
use super::window::resolve;
use super::{Action, Environment, Failure, Input, ScriptOutcome, SocketId};
use sending::Sending;
use waiting::Waiter;

/// Most `fresh` sockets that are open at once.
const MAX_FRESH: usize = 256;
/// How long the driver may take to send.
const SEND_LIMIT: Duration = Duration::from_secs(30);
/// How long the driver may take to start the implementation again.
const RESTART_LIMIT: Duration = Duration::from_mins(30);

/// A scenario played over datagrams; see the [module](super) for the rules.
#[derive(Debug)]
pub(super) struct DatagramScript {
    pub(super) course: Course,
    pub(super) context: Context,
    /// When the first media arrived that a step looked at.
    pub(super) first_media: Option<Duration>,
    inbox: Inbox,
    doing: Doing,
    begun: bool,
    actions: VecDeque<Action>,
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

impl DatagramScript {
    /// A script at its beginning; `impair` is a network of which the scenario does not know, `tells`
    /// whether its steps are told.
    pub(super) fn new(
        program: &Program,
        environment: Environment,
        impair: Option<&Impairment>,
        tells: bool,
    ) -> Self {
        let (course, context) = Course::of(program, environment, impair, tells);
        Self::with(program, course, context)
    }

    /// One that cannot be played.
    pub(super) fn broken(program: &Program, environment: Environment, why: String) -> Self {
        let step = "0".to_owned();
        let outcome = Some(ScriptOutcome::Error { why, step });
        let course = Course::new(Arc::clone(&program.ops), outcome);
        Self::with(program, course, Context::empty(environment))
    }

    fn with(program: &Program, course: Course, context: Context) -> Self {
        let sockets = program.scenario.sockets.values();
        let sockets: Vec<_> = sockets
            .map(|need| matches!(need, SocketNeed::OtherAddress {}))
            .collect();
        Self {
            inbox: Inbox::new(1 + sockets.len()),
            next_socket: 1 + sockets.len(),
            course,
            context,
            first_media: None,
            doing: Doing::Nothing,
            begun: false,
            actions: VecDeque::new(),
            last_packet: None,
            sockets,
            fresh: VecDeque::new(),
            next_tag: 0,
        }
    }

    /// Takes one input at time `now`, which never falls.
    pub(super) fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.course.outcome.is_some() {
            return;
        }
        match input {
            Input::Begin => self.begin(now),
            Input::End => {}
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
                self.course
                    .inconclusive(format!("the stimulus could not be applied: {why}"));
            }
            Input::Tick => {}
            Input::Exited { code } => {
                let is_ours = matches!(self.doing, Doing::Restarting { .. });
                if !is_ours {
                    self.course.exited.get_or_insert((now, code));
                }
            }
            Input::Restarted => self.restarted(now),
            Input::Late(by) => self.course.lateness.note(now, by, self.course.mark),
        }
        if self.begun {
            self.advance(now);
        }
    }

    /// The next thing that it wants done; `None` when there is nothing more for now.
    pub(super) fn poll(&mut self) -> Option<Action> {
        let comment = self.course.to_comment.pop_front();
        let comment = comment.map(|(packet, text)| Action::Comment { packet, text });
        comment.or_else(|| self.actions.pop_front())
    }

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    pub(super) fn deadline(&self) -> Option<Duration> {
        if self.course.outcome.is_some() || !self.begun {
            return None;
        }
        match &self.doing {
            Doing::Nothing => None,
            Doing::Sending(sending, wait) => match sending.outstanding {
                Some((_, since)) => Some(since.saturating_add(SEND_LIMIT)),
                None => *wait,
            },
            Doing::Waiting(waiting) => {
                let due = waiting.waiters.iter().map(|waiter| waiter.awaited.due());
                due.min()
            }
            Doing::Sleeping { until, .. } => Some(*until),
            Doing::Restarting { since, .. } => Some(since.saturating_add(RESTART_LIMIT)),
        }
    }

    /// How many sockets besides `main` have a name.
    pub(super) const fn named_sockets(&self) -> usize {
        self.sockets.len()
    }

    fn begin(&mut self, now: Duration) {
        if self.begun {
            return;
        }
        self.begun = true;
        self.course.mark = now;
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
        while self.course.outcome.is_none() {
            let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
            let blocked = match doing {
                Doing::Nothing => {
                    self.begin_step(now);
                    None
                }
                Doing::Sending(sending, _) => self.send(now, sending),
                Doing::Waiting(waiting) => self.wait(now, waiting),
                Doing::Sleeping { op, until } if now >= until => {
                    self.course.complete(&op, until, "waited".to_owned(), None);
                    None
                }
                doing @ Doing::Sleeping { .. } => Some(doing),
                Doing::Restarting { since, .. } if now >= since.saturating_add(RESTART_LIMIT) => {
                    let limit = human_time(RESTART_LIMIT);
                    self.course.error(format!(
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
        let Some(op) = self.course.step() else {
            return;
        };
        match self.start(&op, now) {
            Ok(Some(doing)) => self.doing = doing,
            Ok(None) => {}
            Err(why) => self.course.error(why),
        }
    }

    /// What the step does; `None` if it is done or a jump.
    fn start(&mut self, op: &Arc<Op>, now: Duration) -> Result<Option<Doing>, String> {
        let (context, start) = (&self.context, self.course.mark);
        let waiting = |waiters| {
            Doing::Waiting(Waiting {
                op: Arc::clone(op),
                waiters,
                out: Vec::new(),
            })
        };
        let Some(play) = op.play() else {
            if let Kind::Either(branches) = &op.kind {
                let heads = self.course.heads(branches)?.into_iter();
                let waiters = heads.map(|(title, op)| waiter(&op, Some(title), start, context));
                return Ok(Some(waiting(waiters.collect::<Result<_, _>>()?)));
            }
            self.course.jumps(&op.kind);
            return Ok(None);
        };
        Ok(Some(match play {
            Play::Sends(step, _) => match step.stimulus(start, context)? {
                Stimulus::Leaves(from, source) => {
                    Doing::Sending(Sending::new(op, from, source), None)
                }
                Stimulus::Lost(datagram) => {
                    let text = format!("lost {}", context.describe(&datagram));
                    self.context.datagrams.insert(op.top, datagram);
                    let at = now.max(start);
                    self.course.complete(op, at, text, self.last_packet);
                    return Ok(None);
                }
            },
            Play::Waits(..) | Play::Watches(_) => waiting(vec![waiter(op, None, start, context)?]),
            Play::Sleeps(Wait { span }) => Doing::Sleeping {
                op: Arc::clone(op),
                until: start.saturating_add(resolve(span, &context.environment)),
            },
            Play::Restarts(RestartIut { kill }) => {
                self.actions.push_back(Action::RestartIut { kill: *kill });
                self.course.exited = None;
                self.inbox.clear();
                Doing::Restarting {
                    op: Arc::clone(op),
                    since: now,
                }
            }
            Play::Acts(_) | Play::Looks(_) => {
                let verb = op.verb();
                return Err(format!(
                    "`{verb}` is a step over streams; datagrams carry this protocol"
                ));
            }
            Play::Repeats(_) | Play::Chooses(_) => {
                return Err(format!("`{}` is played as its steps", op.verb()));
            }
        }))
    }

    /// A datagram of somebody else is no answer of the implementation, though it may want to be
    /// one: a SYN-ACK has to come from where the stream will (MS-H-05).
    fn stray(&mut self, from: SocketAddr, packet: Option<u64>) {
        if let Some(packet) = packet {
            let text = format!("from {from}, where the implementation is not: no step takes it");
            self.course.to_comment.push_back((packet, text));
        }
    }
}

/// A step that waits, or the first step of a branch that has this title.
fn waiter(
    op: &Arc<Op>,
    title: Option<String>,
    start: Duration,
    context: &Context,
) -> Result<Waiter, String> {
    let step: &dyn Waits = match op.play() {
        Some(Play::Waits(step, _)) => step,
        Some(Play::Watches(step)) => step,
        Some(_) | None => return Err(format!("{:?} is no step that waits", op.verb())),
    };
    Ok(Waiter {
        op: Arc::clone(op),
        title,
        awaited: step.wait(start, context)?,
    })
}
