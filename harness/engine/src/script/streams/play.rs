//! How the script goes from step to step.

use std::sync::Arc;
use std::time::Duration;

use crate::script::Failure;
use crate::script::context::Context;
use crate::script::describe::human_time;
use crate::script::program::{Kind, Op};
use crate::script::window::{resolve, slack};

use crate::step::{Play, RestartIut, Wait};

use super::acts::{Start, Target};
use super::view::{Done, Look, View};
use super::wait::Looks;
use super::world::Connections;
use super::{Doing, StreamScript, Waiter, Waiting};

/// How long the driver may take to start the implementation again.
pub(super) const RESTART_LIMIT: Duration = Duration::from_mins(30);
/// The shortest time for which an implementation waits for its peer.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

impl StreamScript {
    /// Plays on until something must be waited for.
    pub(super) fn advance(&mut self, now: Duration) {
        if !self.begun {
            return;
        }
        if let Some(by) = self.late.take() {
            self.course.lateness.note(now, by, self.course.mark);
        }
        while self.course.outcome.is_none() {
            let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
            let blocked = match doing {
                Doing::Nothing => {
                    self.begin_step(now);
                    None
                }
                Doing::Holding { op, until } => self.hold(now, op, until),
                Doing::Acting {
                    op,
                    ongoing,
                    packet,
                } => self.go_on(now, op, ongoing, packet),
                Doing::Waiting(waiting) => self.wait(now, waiting),
                Doing::Sleeping { op, until } if now >= until => {
                    let text = "waited".to_owned();
                    self.course.complete(&op, until, text, None);
                    None
                }
                doing @ Doing::Sleeping { .. } => Some(doing),
                Doing::Restarting { since, .. } if now >= since.saturating_add(RESTART_LIMIT) => {
                    let limit = human_time(RESTART_LIMIT);
                    let why = format!("the implementation was not started again in {limit}");
                    self.course.error(why);
                    None
                }
                doing @ Doing::Restarting { .. } => Some(doing),
            };
            if let Some(blocked) = blocked {
                self.doing = blocked;
                return;
            }
        }
        self.doing = Doing::Nothing;
        self.world.hang_up();
    }

    fn begin_step(&mut self, now: Duration) {
        if self.course.next >= self.course.ops.len() && !self.passed_over.is_empty() {
            return self.fail_passed_over();
        }
        let Some(op) = self.course.step() else {
            return;
        };
        if self.course.jumps(&op.kind) {
            return;
        }
        match self.start(&op, now) {
            Ok(doing) => self.doing = doing,
            Err(why) => self.course.error(why),
        }
    }

    /// A step was passed over, and nobody judged why.
    fn fail_passed_over(&mut self) {
        let passed_over = std::mem::take(&mut self.passed_over);
        let first = passed_over.into_values().min_by_key(|failure| failure.time);
        let Some(failure) = first else {
            return;
        };
        let ops = Arc::clone(&self.course.ops);
        if let Some(op) = ops.iter().find(|op| op.path == failure.step) {
            self.fail(op, vec![(String::new(), failure)], true);
        }
    }

    /// A step fails. `by_end`: because a connection ended, for which the implementation may have had
    /// its reasons if it was kept waiting.
    pub(super) fn fail(&mut self, op: &Op, mut out: Vec<(String, Box<Failure>)>, by_end: bool) {
        if by_end {
            let least = slack(LEAST_PATIENCE, &self.context.environment);
            for (_, failure) in &mut out {
                failure.slack = failure.slack.or(Some(least));
            }
            let lateness = &mut self.course.lateness;
            lateness.worst = lateness.worst.max(self.latest);
        }
        self.course.fail(op, out);
    }

    fn start(&mut self, op: &Arc<Op>, now: Duration) -> Result<Doing, String> {
        let (mark, context) = (self.course.mark, &self.context);
        let waiting = |waiters| {
            Doing::Waiting(Waiting {
                op: Arc::clone(op),
                waiters,
                out: Vec::new(),
                by_end: false,
            })
        };
        let Some(play) = op.play() else {
            let Kind::Either(branches) = &op.kind else {
                return Ok(Doing::Nothing);
            };
            let heads = self.course.heads(branches)?.into_iter();
            let waiters =
                heads.map(|(title, op)| waiter(&op, Some(title), mark, context, &self.world));
            return Ok(waiting(waiters.collect::<Result<_, _>>()?));
        };
        Ok(match play {
            Play::Acts(step) => self.act(op, step, now)?,
            Play::Looks(_) | Play::Watches(_) => {
                waiting(vec![waiter(op, None, mark, context, &self.world)?])
            }
            Play::Sleeps(Wait { span }) => Doing::Sleeping {
                op: Arc::clone(op),
                until: mark.saturating_add(resolve(span, &context.environment)),
            },
            Play::Restarts(RestartIut { kill }) => {
                self.wants_restart = Some(*kill);
                self.course.exited = None;
                // Who has asked so far is no more when the answer comes.
                self.world.forget_incoming();
                Doing::Restarting {
                    op: Arc::clone(op),
                    since: now,
                }
            }
            Play::Sends(..) | Play::Waits(..) => {
                let verb = op.verb();
                return Err(format!(
                    "`{verb}` is a step over datagrams; streams carry this protocol"
                ));
            }
            Play::Repeats(_) | Play::Chooses(_) => {
                return Err(format!("`{}` is played as its steps", op.verb()));
            }
        })
    }

    /// Lets waiting steps look; the first that is complete is taken.
    fn wait(&mut self, now: Duration, mut waiting: Waiting) -> Option<Doing> {
        let is_alone = waiting.waiters.len() == 1 && waiting.out.is_empty();
        let mut complete: Option<(usize, Done)> = None;
        let mut n = 0;
        while n < waiting.waiters.len() {
            let Waiter { op, watch, .. } = &mut waiting.waiters[n];
            let view = View {
                judge: op.judge(&self.context),
                now,
                exited: self.course.exited,
                is_alone,
            };
            match watch.look(&view, &mut self.world) {
                Look::Pending => n += 1,
                Look::Unfair(why) => {
                    self.course.inconclusive(why);
                    return None;
                }
                Look::Done(done) => {
                    let is_first = complete
                        .as_ref()
                        .is_none_or(|(_, first)| done.moment.at < first.moment.at);
                    if is_first {
                        complete = Some((n, done));
                    }
                    n += 1;
                }
                Look::Failed { failure, by_end } => {
                    waiting.by_end |= by_end;
                    let waiter = waiting.waiters.remove(n);
                    waiter.watch.let_go(&mut self.world);
                    let title = waiter.title.unwrap_or_default();
                    waiting.out.push((title, failure));
                }
            }
        }
        if let Some((n, done)) = complete {
            self.taken(waiting, n, done);
            return None;
        }
        if waiting.waiters.is_empty() {
            self.fail(&waiting.op, waiting.out, waiting.by_end);
            return None;
        }
        Some(Doing::Waiting(waiting))
    }

    fn taken(&mut self, mut waiting: Waiting, n: usize, done: Done) {
        let waiter = waiting.waiters.swap_remove(n);
        for other in &waiting.waiters {
            other.watch.let_go(&mut self.world);
        }
        waiter.watch.take(&mut self.world);
        for (name, value) in done.bound {
            self.context.bindings.set(&name, value);
        }
        if let Some(connection) = waiter.watch.judges_end_of() {
            self.passed_over.remove(&connection);
            self.judged.insert(connection);
        }
        let branch = waiter.title.map(|title| format!("{title}: "));
        let text = branch.unwrap_or_default() + &done.text;
        let moment = done.moment;
        self.course
            .complete(&waiter.op, moment.at, text, moment.packet);
    }
}

/// A step that waits, or the first step of a branch that has this title.
fn waiter(
    op: &Arc<Op>,
    title: Option<String>,
    at: Duration,
    context: &Context,
    world: &Connections,
) -> Result<Waiter, String> {
    let step: &dyn Looks = match op.play() {
        Some(Play::Looks(step)) => step,
        Some(Play::Watches(step)) => step,
        Some(_) | None => return Err(format!("{:?} is no step that waits", op.verb())),
    };
    let (target, called) = Target::of(step.on(), world)?;
    let start = Start {
        target,
        called,
        at,
        context,
    };
    Ok(Waiter {
        op: Arc::clone(op),
        title,
        watch: step.watch(&start)?,
    })
}
