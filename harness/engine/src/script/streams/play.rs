//! How the script goes from step to step.

use std::sync::Arc;
use std::time::Duration;

use crate::script::Failure;
use crate::script::ScriptOutcome;
use crate::script::context::Context;
use crate::script::program::Instruction;
use crate::script::waiting::Waiting;
use crate::script::window::{Window, resolve, slack};

use crate::step::{Play, RestartIut, Wait};

use super::acts::{Start, Target};
use super::connections::Connections;
use super::view::{Done, View, WaitState};
use super::wait::{PendingWait, StreamWait};
use super::{Activity, StreamScript};

/// The shortest time for which an implementation waits for its peer.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

impl StreamScript {
    /// Plays on until something must be waited for.
    pub(super) fn advance(&mut self, now: Duration) {
        if !self.execution.has_begun {
            return;
        }
        if let Some(by) = self.late.take() {
            self.execution.lateness.note(now, by, self.execution.mark);
        }
        while !self.execution.is_held(now) {
            let activity = std::mem::replace(&mut self.activity, Activity::Nothing);
            let blocked = match activity {
                Activity::Nothing => {
                    self.begin_step(now);
                    None
                }
                Activity::Holding { op, until } => self.hold(now, op, until),
                Activity::Acting {
                    op,
                    ongoing,
                    packet,
                } => self.go_on(now, op, ongoing, packet),
                Activity::Waiting { waiting, by_end } => self.wait(now, waiting, by_end),
            };
            if let Some(blocked) = blocked {
                self.activity = blocked;
                return;
            }
        }
        if self.execution.outcome.is_some() {
            self.activity = Activity::Nothing;
            self.connections.hang_up();
        }
    }

    fn begin_step(&mut self, now: Duration) {
        let Some(op) = self.execution.step() else {
            if self.execution.outcome == Some(ScriptOutcome::Passed) {
                self.fail_passed_over();
            }
            return;
        };
        self.context.begin_step(now);
        match self.start(&op, now) {
            Ok(activity) => self.activity = activity,
            Err(why) => self.execution.cannot(&op, why),
        }
    }

    /// A step was skipped, and no step judged why.
    fn fail_passed_over(&mut self) {
        let passed_over = std::mem::take(&mut self.passed_over);
        if self.execution.is_tolerant() {
            return;
        }
        let first = passed_over.into_values().min_by_key(|failure| failure.time);
        let Some(failure) = first else {
            return;
        };
        let ops = Arc::clone(&self.execution.ops);
        if let Some(op) = ops.iter().find(|op| op.path == failure.step) {
            self.fail(op, vec![(String::new(), failure)], true);
        }
    }

    /// A step fails. `by_end`: because a connection ended in a way in which one ends if the scripted peer is
    /// late.
    pub(super) fn fail(
        &mut self,
        op: &Instruction,
        mut out: Vec<(String, Box<Failure>)>,
        by_end: bool,
    ) {
        if by_end {
            let least = slack(LEAST_PATIENCE, &self.context.environment);
            for (_, failure) in &mut out {
                failure.slack = failure.slack.or(Some(least));
            }
            let lateness = &mut self.execution.lateness;
            lateness.worst = lateness.worst.max(self.latest);
        }
        self.execution.fail(op, out);
    }

    fn start(&mut self, op: &Arc<Instruction>, now: Duration) -> Result<Activity, String> {
        let (mark, context) = (self.execution.mark, &self.context);
        match op.play() {
            None | Some(Play::StreamWait(_) | Play::Watches(_)) => {
                let begin = |op: &Instruction| begin(op, mark, context, &self.connections);
                return Ok(Activity::Waiting {
                    waiting: Waiting::begin(op, &self.execution, begin)?,
                    by_end: false,
                });
            }
            Some(Play::StreamAction(step)) => return self.act(op, step, now),
            Some(Play::Sleeps(Wait { span })) => {
                self.execution
                    .sleep(op, resolve(span, &context.environment));
            }
            Some(Play::Restarts(RestartIut { kill })) => {
                self.execution.restart(op, now, *kill);
                // Who has asked so far is no more when the answer comes.
                self.connections.forget_incoming();
            }
            Some(Play::Sends(..) | Play::Waits(..)) => {
                let verb = op.verb();
                return Err(format!(
                    "`{verb}` is a step over datagrams; streams carry this protocol"
                ));
            }
            Some(Play::Repeats(_) | Play::Chooses(_)) => {
                return Err(format!("`{}` is played as its steps", op.verb()));
            }
        }
        Ok(Activity::Nothing)
    }

    /// Lets waiting steps look; the first that is complete is taken.
    fn wait(
        &mut self,
        now: Duration,
        mut waiting: Waiting<PendingWait>,
        mut by_end: bool,
    ) -> Option<Activity> {
        let is_alone = waiting.waiters.len() == 1 && waiting.out.is_empty();
        let mut complete: Option<(usize, Done)> = None;
        let mut n = 0;
        while n < waiting.waiters.len() {
            let waiter = &mut waiting.waiters[n];
            let PendingWait {
                target,
                called,
                window,
                expectation,
            } = &mut *waiter.awaited;
            let view = View {
                judge: waiter.op.judge(&self.context),
                now,
                exited: self.execution.exited,
                is_alone,
                target: *target,
                called,
                window,
            };
            let polled = expectation.poll(&view, &mut self.connections);
            let state = match polled {
                Ok(state) => state,
                Err(why) => {
                    self.execution.inconclusive(why);
                    return None;
                }
            };
            match state {
                WaitState::Pending => n += 1,
                WaitState::Done(done) => {
                    let is_first = complete
                        .as_ref()
                        .is_none_or(|(_, first)| done.moment.at < first.moment.at);
                    if is_first {
                        complete = Some((n, done));
                    }
                    n += 1;
                }
                WaitState::Failed {
                    failure,
                    by_end: is_end,
                } => {
                    by_end |= is_end;
                    let waiter = waiting.give_up(n, failure);
                    let PendingWait { target, .. } = *waiter.awaited;
                    waiter
                        .awaited
                        .expectation
                        .let_go(target, &mut self.connections);
                }
            }
        }
        if let Some((n, done)) = complete {
            self.taken(waiting, n, done);
            return None;
        }
        if waiting.waiters.is_empty() {
            self.fail(&waiting.op, waiting.out, by_end);
            return None;
        }
        Some(Activity::Waiting { waiting, by_end })
    }

    fn taken(&mut self, mut waiting: Waiting<PendingWait>, n: usize, done: Done) {
        let waiter = waiting.waiters.swap_remove(n);
        for other in &waiting.waiters {
            let PendingWait {
                target,
                expectation,
                ..
            } = &*other.awaited;
            expectation.let_go(*target, &mut self.connections);
        }
        let PendingWait {
            target,
            expectation,
            ..
        } = &*waiter.awaited;
        expectation.take(*target, &mut self.connections);
        for (name, value) in done.bound {
            self.context.bindings.set(&name, value);
        }
        if expectation.judges_end()
            && let Ok(connection) = target.connection()
        {
            self.passed_over.remove(&connection);
            self.judged.insert(connection);
        }
        let (moment, text) = (done.moment, waiter.titled(&done.text));
        self.execution
            .complete(&waiter.op, moment.at, text, moment.packet);
    }
}

fn begin(
    op: &Instruction,
    at: Duration,
    context: &Context,
    connections: &Connections,
) -> Result<Box<PendingWait>, String> {
    let step: &dyn StreamWait = match op.play() {
        Some(Play::StreamWait(step)) => step,
        Some(Play::Watches(step)) => step,
        Some(_) | None => return Err(format!("{:?} is no step that waits", op.verb())),
    };
    let (target, called) = Target::of(step.subject(), connections)?;
    let start = Start {
        target,
        called,
        at,
        context,
    };
    Ok(Box::new(PendingWait {
        target,
        window: Window::of(step.demand(), at, context)?,
        expectation: step.begin(&start)?,
        called: start.called,
    }))
}
