//! How a step ends, and what is told of it.

use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;

use super::{MAX_COMMENTS, MAX_EVENTS, Script};
use crate::script::describe::human_time;
use crate::script::program::Op;
use crate::script::wait::status;
use crate::script::{Action, Failure, ScriptOutcome, StepEvent};

impl Script {
    /// What a step did, in words, if anybody wants to know.
    pub(super) fn told(&self, text: impl FnOnce() -> String) -> String {
        match self.tells {
            true => text(),
            false => String::new(),
        }
    }

    pub(super) fn complete(&mut self, op: &Op, at: Duration, text: String, packet: Option<u64>) {
        self.comment(op, packet, &text);
        self.event(op, at, text);
        self.mark = at;
        self.lateness.forget_before(at);
        self.completed[op.index] = true;
        self.next = op.index + 1;
    }

    /// Ends the script with what its last hope failed by.
    pub(super) fn fail(&mut self, op: &Op, mut out: Vec<(String, Box<Failure>)>) {
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
        failure.judged = self.judged();
        if choices > 1 {
            failure.step.clone_from(&op.path);
        }
        if let Some((at, code)) = self.exited {
            let status = status(code);
            let before = human_time(failure.time.saturating_sub(at));
            if at <= failure.time && !failure.got.contains(&status) {
                failure.got += &format!(" (the process had ended {before} before: {status})");
            }
        }
        let text = format!("expected {}, got {}", failure.expected, failure.got);
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

    /// Requirements named by steps all of which were completed.
    pub(super) fn judged(&self) -> Vec<String> {
        let mut all: IndexMap<&str, bool> = IndexMap::new();
        for (op, completed) in self.ops.iter().zip(&self.completed) {
            for requirement in op.requirements() {
                *all.entry(requirement).or_insert(true) &= *completed;
            }
        }
        let judged = all.into_iter().filter(|(_, completed)| *completed);
        judged
            .map(|(requirement, _)| requirement.to_owned())
            .collect()
    }

    pub(super) fn inconclusive(&mut self, why: String) {
        let step = self.path();
        self.outcome = Some(ScriptOutcome::Inconclusive { why, step });
    }

    pub(super) fn error(&mut self, why: String) {
        let step = self.path();
        self.outcome = Some(ScriptOutcome::Error { why, step });
    }

    /// The path of the step that is played, or of the last.
    pub(super) fn path(&self) -> String {
        let op = self.ops.get(self.next).or(self.ops.last());
        op.map(|op| op.path.clone()).unwrap_or_default()
    }

    pub(super) fn event(&mut self, op: &Op, time: Duration, text: String) {
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

    pub(super) fn comment(&mut self, op: &Op, packet: Option<u64>, text: &str) {
        if packet.is_some() && self.comments[op.index] < MAX_COMMENTS {
            self.comments[op.index] += 1;
            self.comment_always(op, packet, text);
        }
    }

    pub(super) fn comment_always(&mut self, op: &Op, packet: Option<u64>, text: &str) {
        if let Some(packet) = packet {
            let text = format!("step {} {}: {text}", op.path, op.verb());
            self.actions.push_back(Action::Comment { packet, text });
        }
    }

    /// A datagram of somebody else is no answer of the implementation, though it may want to be
    /// one: a SYN-ACK has to come from where the stream will (MS-H-05).
    pub(super) fn stray(&mut self, from: SocketAddr, packet: Option<u64>) {
        if let Some(packet) = packet {
            let text = format!("from {from}, where the implementation is not: no step takes it");
            self.actions.push_back(Action::Comment { packet, text });
        }
    }
}
