//! The execution of a script's steps, its outcome and its events: the same over datagrams and over
//! streams.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::context::Context;
use super::describe::human_time;
use super::lateness::Lateness;
use super::outcome::exit_status;
use super::path::Path;
use super::program::{Instruction, Kind, Program};
use super::{Environment, Failure, Judgements, ScriptOutcome, StepEvent};
use crate::network::Impairment;

/// Most steps that are played, those of repeated lists each time.
const MAX_STEPS: u64 = 1_000_000;
/// Most events that are kept; the first ones are.
pub(crate) const MAX_EVENTS: usize = 4_096;
/// Most comments by one step.
pub(crate) const MAX_COMMENTS: u32 = 16;
/// How long the driver may take to start the implementation again.
const RESTART_LIMIT: Duration = Duration::from_mins(30);

/// The state of a script's execution.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    pub(crate) ops: Arc<[Arc<Instruction>]>,
    pub(crate) has_begun: bool,
    /// What is waited for before the next step.
    pause: Option<Pause>,
    /// Whether the implementation is to be stopped and started again, and whether it is killed.
    restart: Option<bool>,
    /// Index of the step that comes next.
    pub(crate) next: usize,
    /// How often the repeated lists that are being played are still to be played.
    loops: Vec<u32>,
    /// When the step before was completed.
    pub(crate) mark: Duration,
    /// Whether a step that fails or cannot be played is passed over.
    tolerant: bool,
    /// What the scenario is about: the first of its requirements.
    about: Option<String>,
    /// By how much its time is ahead of the driver's: what was settled was not waited for.
    ahead: Duration,
    /// Whether steps are reported: events and comments.
    pub(crate) tells: bool,
    pub(crate) events: Vec<StepEvent>,
    /// Frames that steps passed over, by name.
    pub(crate) ignored: IndexMap<String, u64>,
    /// How many comments each step has made.
    pub(crate) comments: Vec<u32>,
    /// Comments for packets of the capture, by their numbers.
    pub(crate) to_comment: VecDeque<(u64, String)>,
    pub(crate) completed: Vec<bool>,
    played: u64,
    pub(crate) outcome: Option<ScriptOutcome>,
    /// When the implementation's process ended by itself, and its exit status.
    pub(crate) exited: Option<(Duration, Option<i32>)>,
    pub(crate) lateness: Lateness,
}

/// A step in which arrivals are not consumed.
#[derive(Debug)]
enum Pause {
    Sleeping {
        op: Arc<Instruction>,
        until: Duration,
    },
    Restarting {
        op: Arc<Instruction>,
        since: Duration,
    },
}

impl Execution {
    /// A play at its beginning; `outcome` if it is over before.
    pub(crate) fn new(ops: Arc<[Arc<Instruction>]>, outcome: Option<ScriptOutcome>) -> Self {
        Self {
            comments: vec![0; ops.len()],
            completed: vec![false; ops.len()],
            ops,
            tells: true,
            outcome,
            ..Self::default()
        }
    }

    /// The start of a program with its context; `impair` is a network that the scenario does not
    /// account for, `tells` whether steps are reported.
    pub(crate) fn of(
        program: &Program,
        environment: Environment,
        impair: Option<&Impairment>,
        tells: bool,
    ) -> (Self, Context) {
        let (mut context, outcome) = match Context::new(&program.scenario, environment.clone()) {
            Ok(context) => (context, None),
            Err(why) => {
                let step = "let".to_owned();
                let outcome = ScriptOutcome::Error { why, step };
                (Context::empty(environment), Some(outcome))
            }
        };
        if let Some(impair) = impair {
            context.path = Path::through(impair, &context.environment);
        }
        let mut execution = Self::new(Arc::clone(&program.ops), outcome);
        execution.tells = tells;
        execution.tolerant = program.scenario.tolerant;
        execution.about = program.scenario.requirements.first().cloned();
        (execution, context)
    }

    /// The first step begins at `now`.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.has_begun = true;
        self.mark = now;
    }

    /// The play's own time at `now` of the driver's.
    pub(crate) const fn time(&self, now: Duration) -> Duration {
        now.saturating_add(self.ahead)
    }

    /// Nothing more comes for what was sent so far: what is waited for until `due`, of the driver's time, is
    /// over `now`.
    pub(crate) fn settle(&mut self, now: Duration, due: Duration) {
        if !matches!(self.pause, Some(Pause::Restarting { .. })) {
            self.ahead = self.ahead.saturating_add(due.saturating_sub(now));
        }
    }

    pub(crate) const fn is_tolerant(&self) -> bool {
        self.tolerant
    }

    /// Whether no step goes on: the play has not begun, waits for time or a restart, or is over.
    pub(crate) fn is_held(&mut self, now: Duration) -> bool {
        if self.outcome.is_some() || !self.has_begun {
            return true;
        }
        match self.pause.take() {
            None => return false,
            Some(Pause::Sleeping { op, until }) if now >= until => {
                self.complete(&op, until, "waited".to_owned(), None);
                return false;
            }
            Some(Pause::Restarting { since, .. }) if now >= since.saturating_add(RESTART_LIMIT) => {
                let limit = human_time(RESTART_LIMIT);
                self.error(format!(
                    "the implementation was not started again in {limit}"
                ));
            }
            pause => self.pause = pause,
        }
        true
    }

    /// When it goes on at the latest; `own` is when a step does.
    pub(crate) fn deadline(&self, own: impl FnOnce() -> Option<Duration>) -> Option<Duration> {
        if self.outcome.is_some() || !self.has_begun {
            return None;
        }
        let due = match &self.pause {
            None => own(),
            Some(Pause::Sleeping { until, .. }) => Some(*until),
            Some(Pause::Restarting { since, .. }) => Some(since.saturating_add(RESTART_LIMIT)),
        };
        due.map(|due| due.saturating_sub(self.ahead))
    }

    /// Lets that much time go by.
    pub(crate) fn sleep(&mut self, op: &Arc<Instruction>, span: Duration) {
        let (op, until) = (Arc::clone(op), self.mark.saturating_add(span));
        self.pause = Some(Pause::Sleeping { op, until });
    }

    /// Lets the implementation be stopped, or killed, and started again.
    pub(crate) fn restart(&mut self, op: &Arc<Instruction>, since: Duration, kill: bool) {
        let op = Arc::clone(op);
        self.pause = Some(Pause::Restarting { op, since });
        self.restart = Some(kill);
        self.exited = None;
    }

    /// What [`Execution::restart`] requests, returned once.
    pub(crate) const fn take_restart(&mut self) -> Option<bool> {
        self.restart.take()
    }

    /// What [`Execution::restart`] asked for is done. `false` if it did not.
    pub(crate) fn restarted(&mut self, now: Duration) -> bool {
        let restarting = |pause: &mut Pause| matches!(pause, Pause::Restarting { .. });
        let Some(Pause::Restarting { op, .. }) = self.pause.take_if(restarting) else {
            return false;
        };
        if self.outcome.is_none() {
            let text = "started the implementation again".to_owned();
            self.complete(&op, now, text, None);
        }
        true
    }

    /// The implementation's process ended, with this exit status.
    pub(crate) fn exits(&mut self, now: Duration, code: Option<i32>) {
        if !matches!(self.pause, Some(Pause::Restarting { .. })) {
            self.exited.get_or_insert((now, code));
        }
    }

    /// The step that comes next, past all jumps; `None` if the play is over, by this or before.
    pub(crate) fn step(&mut self) -> Option<Arc<Instruction>> {
        while self.outcome.is_none() {
            let Some(op) = self.ops.get(self.next).cloned() else {
                self.outcome = Some(ScriptOutcome::Passed);
                break;
            };
            self.played += 1;
            if self.played > MAX_STEPS {
                self.error(format!("more than {MAX_STEPS} steps were played"));
            } else if !self.jumps(&op.kind) {
                return Some(op);
            }
        }
        None
    }

    /// Goes where a jump leads. `false` if it is none.
    fn jumps(&mut self, kind: &Kind) -> bool {
        match kind {
            Kind::Repeat { times: 0, end } => self.next = *end,
            Kind::Repeat { times, .. } => {
                self.loops.push(*times);
                self.next += 1;
            }
            Kind::Again { start } => {
                let left = self.loops.pop().unwrap_or(1) - 1;
                if left > 0 {
                    self.loops.push(left);
                }
                self.next = if left > 0 { *start } else { self.next + 1 };
            }
            Kind::Jump(to) => self.next = *to,
            _ => return false,
        }
        true
    }

    /// The first steps of branches with the branches' titles; where that is a choice again, of its
    /// branches.
    ///
    /// # Errors
    /// A branch has no steps.
    pub(crate) fn heads(
        &self,
        branches: &[(String, usize)],
    ) -> Result<Vec<(String, Arc<Instruction>)>, String> {
        let mut heads = Vec::new();
        self.add_heads(branches, "", &mut heads)?;
        match heads.is_empty() {
            true => Err("a choice has no branch to take".to_owned()),
            false => Ok(heads),
        }
    }

    fn add_heads(
        &self,
        branches: &[(String, usize)],
        prefix: &str,
        heads: &mut Vec<(String, Arc<Instruction>)>,
    ) -> Result<(), String> {
        for (title, begin) in branches {
            let title = format!("{prefix}{title}");
            let op = self.ops.get(*begin).ok_or("a branch has no steps")?;
            match &op.kind {
                Kind::Either(inner) => self.add_heads(inner, &format!("{title}: "), heads)?,
                _ => heads.push((title, Arc::clone(op))),
            }
        }
        Ok(())
    }

    /// What a step did, as text, if steps are reported.
    pub(crate) fn report(&self, text: impl FnOnce() -> String) -> String {
        match self.tells {
            true => text(),
            false => String::new(),
        }
    }

    pub(crate) fn complete(
        &mut self,
        op: &Instruction,
        at: Duration,
        text: String,
        packet: Option<u64>,
    ) {
        self.comment(op, packet, &text);
        self.event(op, at, text);
        self.mark = at;
        self.lateness.forget_before(at);
        self.completed[op.index] = true;
        self.next = op.index + 1;
    }

    /// Ends the script with what its last hope failed by.
    pub(crate) fn fail(&mut self, op: &Instruction, mut out: Vec<(String, Box<Failure>)>) {
        let slack = out.iter().filter_map(|(_, failure)| failure.slack).max();
        let requirement = out.first().map(|(_, failure)| failure.requirement.clone());
        let choices = out.len();
        let each = |part: fn(&Failure) -> &str| {
            let each = out
                .iter()
                .map(|(title, failure)| format!("{title}: {}", part(failure)));
            each.collect::<Vec<_>>().join("; ")
        };
        let (expected, got) = match choices {
            1 => (None, None),
            _ => {
                let wanted = each(|failure| &failure.expected);
                (
                    Some(format!("one of these: {wanted}")),
                    Some(each(|failure| &failure.got)),
                )
            }
        };
        let Some((_, mut failure)) = out.pop() else {
            return;
        };
        failure.expected = expected.unwrap_or(failure.expected);
        failure.got = got.unwrap_or(failure.got);
        failure.requirement = requirement.unwrap_or(failure.requirement);
        failure.since = self.mark;
        if choices > 1 {
            failure.step.clone_from(&op.path);
        }
        if let Some((at, code)) = self.exited {
            let status = exit_status(code);
            let before = human_time(failure.time.saturating_sub(at));
            if at <= failure.time && !failure.got.contains(&status) {
                failure.got += &format!(" (the process had ended {before} before: {status})");
                // Who was gone before the question was put broke no rule of answering it.
                if at < self.mark
                    && let Some(about) = &self.about
                {
                    failure.requirement.clone_from(about);
                }
            }
        }
        let text = format!("expected {}, got {}", failure.expected, failure.got);
        if self.tolerant {
            self.mark = self.mark.max(failure.time);
            return self.pass_over(op, &text);
        }
        self.event(op, failure.time, text.clone());
        let late = self.lateness.worst;
        if slack.is_some_and(|slack| late > slack) {
            let late = human_time(late);
            let why = format!("{text}; but the harness itself was late by {late}");
            self.outcome = Some(ScriptOutcome::Inconclusive {
                why,
                step: failure.step,
            });
            return;
        }
        self.comment_always(
            op,
            failure.packet,
            &format!("FAILED {}: {text}", failure.requirement),
        );
        self.outcome = Some(ScriptOutcome::Failed(failure));
    }

    /// A step cannot be played.
    pub(crate) fn cannot(&mut self, op: &Instruction, why: String) {
        match self.tolerant {
            true => self.pass_over(op, &why),
            false => self.error(why),
        }
    }

    /// The stimulus of a step was not applied.
    pub(crate) fn unfit_for(&mut self, op: &Instruction, why: &str) {
        match self.tolerant {
            true => self.pass_over(op, why),
            false => self.unfit(why),
        }
    }

    /// Goes on behind a step as if it were not there.
    fn pass_over(&mut self, op: &Instruction, why: &str) {
        self.event(op, self.mark, format!("passed over: {why}"));
        self.next = match &op.kind {
            // All branches of a choice end with a jump past it.
            Kind::Either(_) => {
                let behind = self
                    .ops
                    .iter()
                    .skip(op.index)
                    .find_map(|later| match later.kind {
                        Kind::Jump(to) if later.path == op.path => Some(to),
                        _ => None,
                    });
                behind.unwrap_or(op.index + 1)
            }
            Kind::Step(_) | Kind::Repeat { .. } | Kind::Again { .. } | Kind::Jump(_) => {
                op.index + 1
            }
        };
    }

    /// The kinds of steps that wait, and how many of each came true and did not, by powers of two.
    pub(crate) fn shape(&self) -> String {
        let mut kinds: BTreeMap<(&str, bool), u32> = BTreeMap::new();
        let waiting = self.ops.iter().zip(&self.completed);
        for (op, completed) in waiting.filter(|(op, _)| op.play().is_some_and(|play| play.judges()))
        {
            *kinds.entry((op.verb(), *completed)).or_default() += 1;
        }
        let kinds = kinds.iter();
        let kinds: Vec<_> = kinds
            .map(|((verb, completed), count)| format!("{verb}:{completed}*{}", count.ilog2()))
            .collect();
        kinds.join(" ")
    }

    /// What the steps say of requirements by now: those that they name, and the scenario's first for
    /// those that name none.
    pub(crate) fn judgements(&self, context: &Context) -> Judgements {
        let has_passed = self.outcome == Some(ScriptOutcome::Passed);
        let mut open = BTreeSet::new();
        let mut said = Judgements::default();
        for (op, completed) in self.ops.iter().zip(&self.completed) {
            let list = match (completed, op.is_by_status(context)) {
                (true, false) => &mut said.judged,
                (true, true) => &mut said.untold,
                (false, _) => &mut open,
            };
            list.extend(op.judged_by(context).into_iter().map(str::to_owned));
        }
        if !has_passed {
            said.judged.retain(|id| !open.contains(id));
        }
        said.untold.retain(|id| !said.judged.contains(id));
        said
    }

    /// A stimulus was not applied.
    pub(crate) fn unfit(&mut self, why: &str) {
        self.inconclusive(format!("the stimulus could not be applied: {why}"));
    }

    pub(crate) fn inconclusive(&mut self, why: String) {
        let step = self.path();
        self.outcome = Some(ScriptOutcome::Inconclusive { why, step });
    }

    pub(crate) fn error(&mut self, why: String) {
        let step = self.path();
        self.outcome = Some(ScriptOutcome::Error { why, step });
    }

    /// The path of the current step, or of the last.
    pub(crate) fn path(&self) -> String {
        let op = self.ops.get(self.next).or(self.ops.last());
        op.map(|op| op.path.clone()).unwrap_or_default()
    }

    pub(crate) fn event(&mut self, op: &Instruction, time: Duration, text: String) {
        if self.tells && self.events.len() < MAX_EVENTS {
            let (step, verb) = (op.path.clone(), op.verb());
            self.events.push(StepEvent {
                step,
                verb,
                time,
                text,
            });
        }
    }

    pub(crate) fn comment(&mut self, op: &Instruction, packet: Option<u64>, text: &str) {
        if packet.is_some() && self.comments[op.index] < MAX_COMMENTS {
            self.comments[op.index] += 1;
            self.comment_always(op, packet, text);
        }
    }

    pub(crate) fn comment_always(&mut self, op: &Instruction, packet: Option<u64>, text: &str) {
        if let Some(packet) = packet {
            let text = format!("step {} {}: {text}", op.path, op.verb());
            self.to_comment.push_back((packet, text));
        }
    }
}
