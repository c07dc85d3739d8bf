//! A scenario's steps as a flat list with jumps, so that playing it needs a counter and no stack
//! of borrowed lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::document::Pointer;
use crate::scenario::{Scenario, each_step};
use crate::step::{Either, Play, Repeat, Step};

use super::context::Context;
use super::judge::Judge;

/// One step, or a jump.
#[derive(Debug)]
pub(crate) struct Instruction {
    /// Its place in the list.
    pub(crate) index: usize,
    /// The step's path, from 0: `3`, `5.0.1`.
    pub(crate) path: String,
    /// Index of the scenario's own step that it belongs to.
    pub(crate) top: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "each lies in an allocation of its own"
)]
pub(crate) enum Kind {
    Step(Step),
    /// Titles of the branches and where their steps begin.
    Either(Vec<(String, usize)>),
    /// The steps up to the `Again` before `end` are played `times` times.
    Repeat {
        times: u32,
        end: usize,
    },
    /// The end of a repeated list that begins at `start`.
    Again {
        start: usize,
    },
    /// Goes on at another place.
    Jump(usize),
}

impl Instruction {
    /// The step's verb as scenarios write it.
    pub(crate) fn verb(&self) -> &'static str {
        match &self.kind {
            Kind::Step(step) => step.verb(),
            Kind::Either(_) | Kind::Jump(_) => "either",
            Kind::Repeat { .. } | Kind::Again { .. } => "repeat",
        }
    }

    /// The requirements by which it is judged, as far as it names them itself.
    pub(crate) fn requirements(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Step(step) => step.form().requirements(),
            Kind::Either(_) | Kind::Repeat { .. } | Kind::Again { .. } | Kind::Jump(_) => {
                Vec::new()
            }
        }
    }
}

impl Instruction {
    /// The requirements by which it is judged: where it names none, the scenario's first.
    pub(crate) fn judged_by<'a>(&'a self, context: &'a Context) -> Vec<&'a str> {
        let named = self.requirements();
        match self.play().is_some_and(|play| play.judges()) && named.is_empty() {
            true => vec![&context.requirement],
            false => named,
        }
    }

    /// Whether only the exit status shows the expectation, and the status means nothing.
    pub(crate) fn is_by_status(&self, context: &Context) -> bool {
        let is_by_status = match &self.kind {
            Kind::Step(step) => step.form().is_by_status(),
            Kind::Either(_) | Kind::Repeat { .. } | Kind::Again { .. } | Kind::Jump(_) => false,
        };
        is_by_status && !context.environment.exit.status_tells
    }

    /// Makes failures by the requirement that the step names.
    pub(crate) fn judge<'a>(&'a self, context: &'a Context) -> Judge<'a> {
        let requirement = self.requirements().first().copied();
        Judge {
            requirement,
            ..self.own_judge(context)
        }
    }

    /// Makes failures by the scenario's first requirement.
    pub(crate) fn own_judge<'a>(&'a self, context: &'a Context) -> Judge<'a> {
        Judge {
            context,
            path: &self.path,
            requirement: None,
        }
    }

    /// What it does; `None` for a jump.
    pub(crate) fn play(&self) -> Option<Play<'_>> {
        match &self.kind {
            Kind::Step(step) => Some(step.play()),
            Kind::Either(_) | Kind::Repeat { .. } | Kind::Again { .. } | Kind::Jump(_) => None,
        }
    }
}

/// A scenario made ready to be played many times.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) ops: Arc<[Arc<Instruction>]>,
}

impl Program {
    /// Flattens the scenario's steps, once for all plays.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self {
            ops: compile(&scenario).into(),
            scenario: Arc::new(scenario),
        }
    }
}

/// The requirements that a scenario's steps name themselves.
#[must_use]
pub fn named_requirements(scenario: &Scenario) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    each_step(&scenario.steps, &Pointer::root(), &mut |step, _| {
        named.extend(step.form().requirements().into_iter().map(str::to_owned));
    });
    named
}

/// Flattens a scenario's steps.
pub(crate) fn compile(scenario: &Scenario) -> Vec<Arc<Instruction>> {
    let mut ops = Vec::new();
    for (top, step) in scenario.steps.iter().enumerate() {
        add(step, top.to_string(), top, &mut ops);
    }
    let numbered = ops.into_iter().enumerate();
    numbered
        .map(|(index, op)| Arc::new(Instruction { index, ..op }))
        .collect()
}

fn add(step: &Step, path: String, top: usize, ops: &mut Vec<Instruction>) {
    match step.play() {
        Play::Repeats(Repeat { times, steps }) => {
            let times = *times;
            let start = ops.len();
            push(Kind::Repeat { times, end: 0 }, path.clone(), top, ops);
            for (n, step) in steps.iter().enumerate() {
                add(step, format!("{path}.{n}"), top, ops);
            }
            push(Kind::Again { start: start + 1 }, path, top, ops);
            let end = ops.len();
            ops[start].kind = Kind::Repeat { times, end };
        }
        Play::Chooses(Either(branches)) => {
            let start = ops.len();
            push(Kind::Either(Vec::new()), path.clone(), top, ops);
            let mut begins = Vec::new();
            let mut jumps = Vec::new();
            for (b, branch) in branches.iter().enumerate() {
                begins.push((branch.title.clone(), ops.len()));
                for (n, step) in branch.steps.iter().enumerate() {
                    add(step, format!("{path}.{b}.{n}"), top, ops);
                }
                jumps.push(ops.len());
                push(Kind::Jump(0), path.clone(), top, ops);
            }
            let end = ops.len();
            for jump in jumps {
                ops[jump].kind = Kind::Jump(end);
            }
            ops[start].kind = Kind::Either(begins);
        }
        Play::Sleeps(_)
        | Play::Restarts(_)
        | Play::Watches(_)
        | Play::Sends(..)
        | Play::Waits(..)
        | Play::StreamAction(_)
        | Play::StreamWait(_) => push(Kind::Step(step.clone()), path, top, ops),
    }
}

fn push(kind: Kind, path: String, top: usize, ops: &mut Vec<Instruction>) {
    let index = ops.len();
    ops.push(Instruction {
        index,
        path,
        top,
        kind,
    });
}
