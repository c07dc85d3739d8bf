//! A scenario's steps as a flat list with jumps, so that playing it needs a counter and no stack
//! of borrowed lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::scenario::{
    Expect, ExpectAny, ExpectExit, ExpectMedia, ExpectNothing, Media, Mutate, Scenario, Send,
    SendRaw, Span, Step,
    streams::{self, over_streams},
};

/// One step, or a jump.
#[derive(Debug)]
pub(super) struct Op {
    /// Its place in the list.
    pub(super) index: usize,
    /// The step's path, from 0: `3`, `5.0.1`.
    pub(super) path: String,
    /// Index of the scenario's own step that it belongs to.
    pub(super) top: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Send(Send),
    SendRaw(SendRaw),
    Mutate(Mutate),
    Lose(Send),
    Media(Media),
    Expect(Expect),
    ExpectAny(ExpectAny),
    ExpectNothing(ExpectNothing),
    ExpectMedia(ExpectMedia),
    ExpectExit(ExpectExit),
    Wait(Span),
    RestartIut,
    /// A step that there is only over streams.
    OverStreams(Box<Step>),
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

impl Op {
    /// The step's verb as scenarios write it.
    pub(super) fn verb(&self) -> &'static str {
        match &self.kind {
            Kind::Send(_) => "send",
            Kind::SendRaw(_) => "send_raw",
            Kind::Mutate(_) => "mutate",
            Kind::Lose(_) => "lose",
            Kind::Media(_) => "media",
            Kind::Expect(_) => "expect",
            Kind::ExpectAny(_) => "expect_any",
            Kind::ExpectNothing(_) => "expect_nothing",
            Kind::ExpectMedia(_) => "expect_media",
            Kind::ExpectExit(_) => "expect_exit",
            Kind::Wait(_) => "wait",
            Kind::RestartIut => "restart_iut",
            Kind::OverStreams(step) => step.verb(),
            Kind::Either(_) | Kind::Jump(_) => "either",
            Kind::Repeat { .. } | Kind::Again { .. } => "repeat",
        }
    }

    /// The requirements by which it is judged, as far as it names them itself.
    pub(super) fn requirements(&self) -> impl Iterator<Item = &str> {
        let own = match &self.kind {
            Kind::Expect(expect) => expect.requirement.as_deref(),
            Kind::ExpectNothing(silence) => silence.requirement.as_deref(),
            Kind::ExpectMedia(media) => media.requirement.as_deref(),
            Kind::ExpectExit(exit) => exit.requirement.as_deref(),
            Kind::OverStreams(step) => streams::requirement(step),
            _ => None,
        };
        let members = match &self.kind {
            Kind::ExpectAny(any) => any.of.as_slice(),
            _ => &[],
        };
        let members = members.iter().filter_map(|one| one.requirement.as_deref());
        own.into_iter().chain(members)
    }
}

/// A scenario made ready to be played many times.
#[derive(Debug, Clone)]
pub struct Program {
    pub(super) scenario: Arc<Scenario>,
    pub(super) ops: Arc<[Arc<Op>]>,
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
    let ops = compile(scenario);
    let named = ops.iter().flat_map(|op| op.requirements());
    named.map(str::to_owned).collect()
}

/// Flattens a scenario's steps.
pub(super) fn compile(scenario: &Scenario) -> Vec<Arc<Op>> {
    let mut ops = Vec::new();
    for (top, step) in scenario.steps.iter().enumerate() {
        add(step, top.to_string(), top, &mut ops);
    }
    let numbered = ops.into_iter().enumerate();
    numbered
        .map(|(index, op)| Arc::new(Op { index, ..op }))
        .collect()
}

fn add(step: &Step, path: String, top: usize, ops: &mut Vec<Op>) {
    let kind = match step {
        Step::Send(send) => Kind::Send(send.clone()),
        Step::SendRaw(raw) => Kind::SendRaw(raw.clone()),
        Step::Mutate(mutate) => Kind::Mutate(mutate.clone()),
        Step::Lose(send) => Kind::Lose(send.clone()),
        Step::Media(media) => Kind::Media(media.clone()),
        Step::Expect(expect) => Kind::Expect(expect.clone()),
        Step::ExpectAny(any) => Kind::ExpectAny(any.clone()),
        Step::ExpectNothing(silence) => Kind::ExpectNothing(silence.clone()),
        Step::ExpectMedia(media) => Kind::ExpectMedia(media.clone()),
        Step::ExpectExit(exit) => Kind::ExpectExit(exit.clone()),
        Step::Wait(wait) => Kind::Wait(wait.span),
        Step::RestartIut(_) => Kind::RestartIut,
        step @ over_streams!() => Kind::OverStreams(Box::new(step.clone())),
        Step::Repeat(repeat) => {
            let start = ops.len();
            push(
                Kind::Repeat {
                    times: repeat.times,
                    end: 0,
                },
                path.clone(),
                top,
                ops,
            );
            for (n, step) in repeat.steps.iter().enumerate() {
                add(step, format!("{path}.{n}"), top, ops);
            }
            push(Kind::Again { start: start + 1 }, path, top, ops);
            let times = repeat.times;
            ops[start].kind = Kind::Repeat {
                times,
                end: ops.len(),
            };
            return;
        }
        Step::Either(branches) => {
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
            return;
        }
    };
    push(kind, path, top, ops);
}

fn push(kind: Kind, path: String, top: usize, ops: &mut Vec<Op>) {
    let index = ops.len();
    ops.push(Op {
        index,
        path,
        top,
        kind,
    });
}
