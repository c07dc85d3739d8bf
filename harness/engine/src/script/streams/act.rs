//! The steps that act: what they ask for, and when that cannot be done.

use std::sync::Arc;
use std::time::Duration;

use shakedown_protocol::streams::ConnectionNumber;

use crate::script::describe::human_time;
use crate::script::program::Instruction;
use crate::step::Play;
use crate::step::names::Subject;

use super::acts::{ActionResult, OngoingAction, Progress, Start, StreamAction, Target, WhenClosed};
use super::ended::Moment;
use super::{Activity, StreamScript};

/// How long what acts on a connection waits for its handshake; QUIC gives up before.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// A step that acts on a connection, as text.
struct Acting<'a> {
    op: &'a Arc<Instruction>,
    step: &'a dyn StreamAction,
    number: ConnectionNumber,
    /// The connection as the step means it.
    called: &'a str,
}

impl StreamScript {
    /// Does what a step wants done; gives what there is to wait for.
    pub(super) fn act(
        &mut self,
        op: &Arc<Instruction>,
        step: &dyn StreamAction,
        now: Duration,
    ) -> Result<Activity, String> {
        let (target, called) = Target::of(step.subject(), &self.connections)?;
        if let Ok(number) = target.connection() {
            let acting = Acting {
                op,
                step,
                number,
                called: &called,
            };
            if let Some(instead) = self.instead(&acting, target, now)? {
                return Ok(instead);
            }
        }
        let packet = self.connections.next_packet();
        let start = Start {
            target,
            called,
            at: now,
            context: &self.context,
        };
        Ok(match step.act(&start, &mut self.connections)? {
            ActionResult::Done(text) => {
                // Its comment stands at the packet that comes next.
                let at = now.max(self.execution.mark);
                self.execution.complete(op, at, text, packet);
                Activity::Nothing
            }
            ActionResult::Goes(ongoing) => Activity::Acting {
                op: Arc::clone(op),
                ongoing,
                packet,
            },
            ActionResult::Unfit(why) => {
                self.execution.unfit_for(op, &why);
                Activity::Nothing
            }
        })
    }

    /// What is done instead where a step cannot act on its connection now.
    fn instead(
        &mut self,
        acting: &Acting<'_>,
        target: Target,
        now: Duration,
    ) -> Result<Option<Activity>, String> {
        let called = acting.called;
        let Some(connection) = self.connections.by_number.get(&acting.number) else {
            return Err(format!("{called} is forgotten"));
        };
        if let Some((moment, ended)) = connection.ended.clone() {
            let how = connection.how().unwrap_or_default();
            let misses = match acting
                .step
                .when_closed(target, &ended, &mut self.connections)
            {
                WhenClosed::Acts => return Ok(None),
                WhenClosed::Skipped => false,
                WhenClosed::Missed => true,
                WhenClosed::Invalid => {
                    return Err(format!("{called} was closed by an earlier step"));
                }
            };
            return Ok(Some(self.pass_over(acting, now, moment, &how, misses)));
        }
        if connection.connected.is_none() && acting.step.needs_handshake() {
            return Ok(Some(Activity::Holding {
                op: Arc::clone(acting.op),
                until: now.saturating_add(HANDSHAKE_LIMIT),
            }));
        }
        let stream = target.stream().ok().filter(|_| acting.step.sends());
        let stream = stream.and_then(|(_, id)| connection.streams.get(&id));
        let Some((moment, code)) = stream.and_then(|stream| stream.stopped) else {
            return Ok(None);
        };
        let name = match acting.step.subject() {
            Subject::Stream(name, _) | Subject::Session(name, _) | Subject::Request(name, _) => {
                name
            }
            Subject::Nothing | Subject::Connection(..) => "",
        };
        let how = format!("no more was wanted of `{name}` (STOP_SENDING, code {code})");
        Ok(Some(self.pass_over(acting, now, moment, &how, true)))
    }

    /// A step cannot act any more. `misses`: its stimulus is missed, unless a step judged the end
    /// of the connection.
    fn pass_over(
        &mut self,
        acting: &Acting<'_>,
        now: Duration,
        moment: Moment,
        how: &str,
        misses: bool,
    ) -> Activity {
        let Acting {
            op, called, number, ..
        } = acting;
        if misses && !self.judged.contains(number) {
            let expected = format!("{called} open for `{}`", op.verb());
            let before = human_time(now.saturating_sub(moment.at));
            let got = format!("{how} {before} before");
            let mut failure = op.own_judge(&self.context).failure(now, expected, got);
            failure.packet = moment.packet;
            self.passed_over.entry(*number).or_insert(failure);
        }
        let text = format!("passed over: {called}: {how}");
        let at = now.max(self.execution.mark);
        self.execution.complete(op, at, text, None);
        Activity::Nothing
    }

    /// Waits for the handshake before it acts.
    pub(super) fn hold(
        &mut self,
        now: Duration,
        op: Arc<Instruction>,
        until: Duration,
    ) -> Option<Activity> {
        let Some(Play::StreamAction(step)) = op.play() else {
            return None;
        };
        let number = match Target::of(step.subject(), &self.connections) {
            Ok((target, _)) => target.connection(),
            Err(why) => {
                self.execution.cannot(&op, why);
                return None;
            }
        };
        let connection = number
            .ok()
            .and_then(|number| self.connections.by_number.get(&number));
        let is_ready = connection
            .is_none_or(|connection| connection.connected.is_some() || connection.ended.is_some());
        if is_ready {
            match self.act(&op, step, now) {
                Ok(activity) => self.activity = activity,
                Err(why) => self.execution.cannot(&op, why),
            }
            return None;
        }
        if now >= until {
            let limit = human_time(HANDSHAKE_LIMIT);
            let expected = format!("the handshake done for `{}`", op.verb());
            let got = format!("no end of it in {limit}");
            let failure = op.own_judge(&self.context).failure(now, expected, got);
            self.fail(&op, vec![(String::new(), failure)], false);
            return None;
        }
        Some(Activity::Holding { op, until })
    }

    /// Goes on with a step that acts for a while.
    pub(super) fn go_on(
        &mut self,
        now: Duration,
        op: Arc<Instruction>,
        mut ongoing: Box<dyn OngoingAction>,
        packet: Option<u64>,
    ) -> Option<Activity> {
        match ongoing.go_on(now, &mut self.execution.mark, &mut self.connections) {
            Progress::On => {
                return Some(Activity::Acting {
                    op,
                    ongoing,
                    packet,
                });
            }
            Progress::Done(text) => {
                let mark = self.execution.mark;
                self.execution.complete(&op, mark, text, packet);
            }
            // It goes through `act` again, which passes it over.
            Progress::Ended => self.activity = Activity::Holding { op, until: now },
            Progress::Unfit(why) => self.execution.unfit_for(&op, &why),
            Progress::Broken(why) => self.execution.cannot(&op, why),
        }
        None
    }
}
