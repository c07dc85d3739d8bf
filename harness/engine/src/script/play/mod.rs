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
use super::execution::Execution;
use super::inbox::Inbox;
use super::program::{Instruction, Program};
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
    pub(super) execution: Execution,
    pub(super) context: Context,
    /// When the first media arrived that a step looked at.
    pub(super) first_media: Option<Duration>,
    inbox: Inbox,
    activity: Activity,
    actions: VecDeque<Action>,
    /// The last packet of the capture that the script knows of.
    last_packet: Option<u64>,
    /// Sockets to open at the beginning.
    sockets: Vec<bool>,
    fresh: VecDeque<SocketId>,
    next_socket: usize,
    next_tag: u64,
    /// The step that failed, which judges late arrivals.
    failed: Option<Waiter<dyn Awaited>>,
}

#[derive(Debug)]
enum Activity {
    /// The next step starts.
    Nothing,
    Sending(Sending, Option<Duration>),
    Waiting(Waiting<dyn Awaited>),
}

impl DatagramScript {
    /// A script at its start; `impair` is a network that the scenario does not account for,
    /// `tells` whether its steps are reported.
    pub(super) fn new(
        program: &Program,
        environment: Environment,
        impair: Option<&Impairment>,
        tells: bool,
    ) -> Self {
        let (execution, context) = Execution::of(program, environment, impair, tells);
        Self::with(program, execution, context)
    }

    /// One that cannot be played.
    pub(super) fn broken(program: &Program, environment: Environment, why: String) -> Self {
        let step = "0".to_owned();
        let outcome = Some(ScriptOutcome::Error { why, step });
        let execution = Execution::new(Arc::clone(&program.ops), outcome);
        Self::with(program, execution, Context::empty(environment))
    }

    fn with(program: &Program, execution: Execution, context: Context) -> Self {
        let sockets = program.scenario.sockets.values();
        let sockets: Vec<_> = sockets
            .map(|need| matches!(need, SocketNeed::OtherAddress {}))
            .collect();
        Self {
            inbox: Inbox::new(1 + sockets.len(), &context.environment.budget),
            next_socket: 1 + sockets.len(),
            execution,
            context,
            first_media: None,
            activity: Activity::Nothing,
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
        if self.execution.outcome.is_some() {
            return;
        }
        let now = self.execution.time(now);
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
            Input::Refused { why } => self.execution.unfit(why),
            Input::Tick => {}
            Input::Exited { code } => self.execution.exits(now, code),
            Input::Restarted => {
                // A responder sends nothing unprompted: the datagram is the old process's. An
                // initiator's first datagram may have arrived before its start was reported.
                if self.execution.restarted(now) {
                    self.context.due = now;
                    if self.context.environment.iut.is_some() {
                        self.inbox.clear();
                    }
                }
            }
            Input::Late(by) => self.execution.lateness.note(now, by, self.execution.mark),
        }
        self.advance(now);
    }

    /// The next thing that it wants done; `None` when there is nothing more for now.
    pub(super) fn poll(&mut self) -> Option<Action> {
        let comment = self.execution.to_comment.pop_front();
        let comment = comment.map(|(packet, text)| Action::Comment { packet, text });
        let action = comment.or_else(|| self.actions.pop_front());
        action.or_else(|| {
            let kill = self.execution.take_restart()?;
            Some(Action::RestartIut { kill })
        })
    }

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.execution.deadline(|| match &self.activity {
            Activity::Nothing => None,
            Activity::Sending(sending, wait) => match sending.outstanding {
                Some((_, since)) => Some(since.saturating_add(SEND_LIMIT)),
                None => *wait,
            },
            Activity::Waiting(waiting) => waiting.due(|awaited| awaited.due()),
        })
    }

    /// Nothing more comes for what was sent so far.
    pub(super) fn settle(&mut self, now: Duration) {
        if let Some(due) = self.deadline() {
            self.execution.settle(now, due);
            self.advance(self.execution.time(now));
        }
    }

    /// Whether it waits for nothing but the moment of its next datagram.
    pub(super) const fn paces_itself(&self) -> bool {
        matches!(&self.activity, Activity::Sending(sending, Some(_)) if sending.outstanding.is_none())
    }

    /// How many sockets besides `main` have a name.
    pub(super) const fn named_sockets(&self) -> usize {
        self.sockets.len()
    }

    fn begin(&mut self, now: Duration) {
        if self.execution.has_begun {
            return;
        }
        self.execution.begin(now);
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
        while !self.execution.is_held(now) {
            let activity = std::mem::replace(&mut self.activity, Activity::Nothing);
            let blocked = match activity {
                Activity::Nothing => {
                    self.begin_step(now);
                    None
                }
                Activity::Sending(sending, _) => self.send(now, sending),
                Activity::Waiting(waiting) => self.wait(now, waiting),
            };
            if let Some(blocked) = blocked {
                self.activity = blocked;
                return;
            }
        }
    }

    fn begin_step(&mut self, now: Duration) {
        let Some(op) = self.execution.step() else {
            return;
        };
        self.context.begin_step(now);
        match self.start(&op, now) {
            Ok(activity) => self.activity = activity,
            Err(why) => self.execution.cannot(&op, why),
        }
    }

    /// What there is to do for the step.
    fn start(&mut self, op: &Arc<Instruction>, now: Duration) -> Result<Activity, String> {
        let (context, start) = (&self.context, self.execution.mark);
        match op.play() {
            None | Some(Play::Waits(..) | Play::Watches(_)) => {
                let wait = |op: &Instruction| awaited(op, start, context);
                return Waiting::begin(op, &self.execution, wait).map(Activity::Waiting);
            }
            Some(Play::Sends(step, _)) => match step.stimulus(start, context)? {
                Stimulus::Leaves(from, source) => {
                    return Ok(Activity::Sending(Sending::new(op, from, source), None));
                }
                Stimulus::Lost(datagram) => {
                    let text = format!("lost {}", context.describe(&datagram));
                    self.context.datagrams.insert(op.top, datagram);
                    let at = now.max(start);
                    self.execution.complete(op, at, text, self.last_packet);
                }
            },
            Some(Play::Sleeps(Wait { span })) => {
                let span = resolve(span, &context.environment);
                self.context.due = context.due.saturating_add(span);
                self.execution.sleep(op, span);
            }
            Some(Play::Restarts(RestartIut { kill })) => {
                self.execution.restart(op, now, *kill);
                self.inbox.clear();
            }
            Some(Play::StreamAction(_) | Play::StreamWait(_)) => {
                let verb = op.verb();
                return Err(format!(
                    "`{verb}` is a step over streams; datagrams carry this protocol"
                ));
            }
            Some(Play::Repeats(_) | Play::Chooses(_)) => {
                return Err(format!("`{}` is played as its steps", op.verb()));
            }
        }
        Ok(Activity::Nothing)
    }

    /// A datagram from another source is no response of the implementation, though it may be meant
    /// as one: a SYN-ACK has to come from the stream's address (MS-H-05).
    fn stray(&mut self, from: SocketAddr, packet: Option<u64>) {
        if let Some(packet) = packet {
            let text = format!("from {from}, where the implementation is not: no step takes it");
            self.execution.to_comment.push_back((packet, text));
        }
    }
}

fn awaited(
    op: &Instruction,
    start: Duration,
    context: &Context,
) -> Result<Box<dyn Awaited>, String> {
    let step: &dyn Waits = match op.play() {
        Some(Play::Waits(step, _)) => step,
        Some(Play::Watches(step)) => step,
        Some(_) | None => return Err(format!("{:?} is no step that waits", op.verb())),
    };
    step.wait(start, context)
}
