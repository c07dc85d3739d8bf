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
use super::inbox::Inbox;
use super::program::{Op, Program};
use super::send::Stimulus;
use super::wait::{Awaited, Waits};
use super::waiting::{Waiter, Waiting};
use super::window::resolve;
use super::{Action, Environment, Input, ScriptOutcome, SocketId};
use sending::Sending;

/// Most `fresh` sockets that are open at once.
const MAX_FRESH: usize = 256;
/// How long the driver may take to send.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// A scenario played over datagrams; see the [module](super) for the rules.
#[derive(Debug)]
pub(super) struct DatagramScript {
    pub(super) course: Course,
    pub(super) context: Context,
    /// When the first media arrived that a step looked at.
    pub(super) first_media: Option<Duration>,
    inbox: Inbox,
    doing: Doing,
    actions: VecDeque<Action>,
    /// The last packet of the capture that the script knows of.
    last_packet: Option<u64>,
    /// Sockets to open at the beginning.
    sockets: Vec<bool>,
    fresh: VecDeque<SocketId>,
    next_socket: usize,
    next_tag: u64,
    /// The step that failed, to be asked about what comes later.
    failed: Option<Waiter<dyn Awaited>>,
}

#[derive(Debug)]
enum Doing {
    /// The next step is to be begun.
    Nothing,
    Sending(Sending, Option<Duration>),
    Waiting(Waiting<dyn Awaited>),
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
            inbox: Inbox::new(1 + sockets.len(), &context.environment.budget),
            next_socket: 1 + sockets.len(),
            course,
            context,
            first_media: None,
            doing: Doing::Nothing,
            actions: VecDeque::new(),
            last_packet: None,
            sockets,
            fresh: VecDeque::new(),
            next_tag: 0,
            failed: None,
        }
    }

    /// Takes one input at time `now`, which never falls.
    pub(super) fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.course.outcome.is_some() {
            return;
        }
        let now = self.course.time(now);
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
            Input::Refused { why } => self.course.unfit(why),
            Input::Tick => {}
            Input::Exited { code } => self.course.exits(now, code),
            Input::Restarted => {
                // A responder says nothing by itself: what came was the old process's. What an
                // initiator says first may have come before its start was reported.
                if self.course.restarted(now) {
                    self.context.due = now;
                    if self.context.environment.iut.is_some() {
                        self.inbox.clear();
                    }
                }
            }
            Input::Late(by) => self.course.lateness.note(now, by, self.course.mark),
        }
        self.advance(now);
    }

    /// The next thing that it wants done; `None` when there is nothing more for now.
    pub(super) fn poll(&mut self) -> Option<Action> {
        let comment = self.course.to_comment.pop_front();
        let comment = comment.map(|(packet, text)| Action::Comment { packet, text });
        let action = comment.or_else(|| self.actions.pop_front());
        action.or_else(|| {
            let kill = self.course.take_restart()?;
            Some(Action::RestartIut { kill })
        })
    }

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.course.deadline(|| match &self.doing {
            Doing::Nothing => None,
            Doing::Sending(sending, wait) => match sending.outstanding {
                Some((_, since)) => Some(since.saturating_add(SEND_LIMIT)),
                None => *wait,
            },
            Doing::Waiting(waiting) => waiting.due(|awaited| awaited.due()),
        })
    }

    /// Nothing more comes for what was sent so far.
    pub(super) fn settle(&mut self, now: Duration) {
        if let Some(due) = self.deadline() {
            self.course.settle(now, due);
            self.advance(self.course.time(now));
        }
    }

    /// Whether it waits for nothing but the moment of its next datagram.
    pub(super) const fn paces_itself(&self) -> bool {
        matches!(&self.doing, Doing::Sending(sending, Some(_)) if sending.outstanding.is_none())
    }

    /// How many sockets besides `main` have a name.
    pub(super) const fn named_sockets(&self) -> usize {
        self.sockets.len()
    }

    fn begin(&mut self, now: Duration) {
        if self.course.has_begun {
            return;
        }
        self.course.begin(now);
        self.context.due = now;
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
        while !self.course.is_held(now) {
            let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
            let blocked = match doing {
                Doing::Nothing => {
                    self.begin_step(now);
                    None
                }
                Doing::Sending(sending, _) => self.send(now, sending),
                Doing::Waiting(waiting) => self.wait(now, waiting),
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
        self.context.begin_step(now);
        match self.start(&op, now) {
            Ok(doing) => self.doing = doing,
            Err(why) => self.course.cannot(&op, why),
        }
    }

    /// What there is to do for the step.
    fn start(&mut self, op: &Arc<Op>, now: Duration) -> Result<Doing, String> {
        let (context, start) = (&self.context, self.course.mark);
        match op.play() {
            None | Some(Play::Waits(..) | Play::Watches(_)) => {
                let wait = |op: &Op| awaited(op, start, context);
                return Waiting::begin(op, &self.course, wait).map(Doing::Waiting);
            }
            Some(Play::Sends(step, _)) => match step.stimulus(start, context)? {
                Stimulus::Leaves(from, source) => {
                    return Ok(Doing::Sending(Sending::new(op, from, source), None));
                }
                Stimulus::Lost(datagram) => {
                    let text = format!("lost {}", context.describe(&datagram));
                    self.context.datagrams.insert(op.top, datagram);
                    let at = now.max(start);
                    self.course.complete(op, at, text, self.last_packet);
                }
            },
            Some(Play::Sleeps(Wait { span })) => {
                let span = resolve(span, &context.environment);
                self.context.due = context.due.saturating_add(span);
                self.course.sleep(op, span);
            }
            Some(Play::Restarts(RestartIut { kill })) => {
                self.course.restart(op, now, *kill);
                self.inbox.clear();
            }
            Some(Play::Acts(_) | Play::Looks(_)) => {
                let verb = op.verb();
                return Err(format!(
                    "`{verb}` is a step over streams; datagrams carry this protocol"
                ));
            }
            Some(Play::Repeats(_) | Play::Chooses(_)) => {
                return Err(format!("`{}` is played as its steps", op.verb()));
            }
        }
        Ok(Doing::Nothing)
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

fn awaited(op: &Op, start: Duration, context: &Context) -> Result<Box<dyn Awaited>, String> {
    let step: &dyn Waits = match op.play() {
        Some(Play::Waits(step, _)) => step,
        Some(Play::Watches(step)) => step,
        Some(_) | None => return Err(format!("{:?} is no step that waits", op.verb())),
    };
    step.wait(start, context)
}
