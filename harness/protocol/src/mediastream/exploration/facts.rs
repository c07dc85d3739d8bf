//! The facts about both sides' traffic that the rules need. All are derived from the wire and from
//! the ends of sessions, not from a machine's internals.

use std::hash::{Hash, Hasher};

use super::digested::DigestedFrame;
use super::rules::{self, Due};
use super::state::{Asking, Basis, Reply, Served};
use crate::exploration::{Facts, RuleViolation};
use crate::machine::Outcome;
use crate::requirement::Role;

/// What is known of both sides.
#[derive(Debug, Clone)]
pub(super) struct BothSides {
    /// Whether the responder streams before the ACK.
    is_optimistic: bool,
    initiator: Asking,
    responder: Served,
    step: Option<Box<Step>>,
}

/// What a side does now, and has to do.
#[derive(Debug, Clone)]
struct Step {
    side: Role,
    cause: Option<DigestedFrame>,
    due: Due,
    reply: Reply,
}

impl BothSides {
    pub(super) const fn new(is_optimistic: bool) -> Self {
        Self {
            is_optimistic,
            initiator: Asking::Nothing,
            responder: Served::NONE,
            step: None,
        }
    }
}

impl Facts for BothSides {
    fn fork(&self) -> Box<dyn Facts> {
        Box::new(self.clone())
    }

    fn digest(&self, mut hasher: &mut dyn Hasher) {
        (self.initiator, self.responder).hash(&mut hasher);
    }

    fn wakes(&mut self, side: Role, datagram: Option<&[u8]>) {
        let cause = datagram.map(DigestedFrame::of);
        let due = cause.map_or(Due::Anything, |said| {
            Due::of(self.initiator, &self.responder, side, said)
        });
        if let (Role::Responder, Some(said)) = (side, cause) {
            self.responder.reached(said);
        }
        self.step = Some(Box::new(Step {
            side,
            cause,
            due,
            reply: Reply::default(),
        }));
    }

    fn sends(&mut self, payload: &[u8]) -> Option<RuleViolation> {
        let said = DigestedFrame::of(payload);
        let step = self.step.as_mut()?;
        step.reply.spoke = true;
        step.reply.answered |= matches!(step.due, Due::Answer(answer, _) if answer == said);
        match step.side {
            Role::Initiator => {
                let before = self.initiator;
                self.initiator.sent(said);
                rules::initiator_sends(before, said, step.cause)
            }
            Role::Responder => {
                let before = self.responder;
                self.responder.sent(said, step.cause);
                rules::responder_sends(&before, said, self.is_optimistic)
            }
        }
    }

    fn changes(&mut self, from: &str, to: &str) {
        let Some(step) = &mut self.step else {
            return;
        };
        step.reply.changed = true;
        step.reply.restarted |= from == "Listen" || to == "Closed";
        match step.side {
            Role::Initiator => self.initiator.entered(to),
            Role::Responder => self.responder.left(from, step.cause),
        }
    }

    fn ends(&mut self, outcome: &Outcome) -> Option<RuleViolation> {
        let step = self.step.as_mut()?;
        step.reply.changed = true;
        step.reply.restarted = true;
        let broken = match step.side {
            Role::Initiator => {
                let before = std::mem::replace(&mut self.initiator, Asking::Over);
                rules::gives_up_early(before)
            }
            Role::Responder => {
                let before = std::mem::replace(&mut self.responder, Served::NONE);
                rules::drops_early(&before)
            }
        };
        let timed_out = matches!(outcome, Outcome::Failed(failure) if failure.cause == "timeout");
        broken.filter(|_| timed_out)
    }

    fn settled(&mut self) -> Option<RuleViolation> {
        let step = self.step.take()?;
        step.due.judge(step.reply)
    }

    fn is_one_sided(&self) -> bool {
        match (self.initiator, self.responder.basis) {
            (Asking::Session(_), Basis::Nothing) => true,
            (Asking::Over, basis) => !matches!(basis, Basis::Nothing),
            _ => false,
        }
    }

    fn stuck(&self) -> Option<RuleViolation> {
        rules::stuck(self.initiator, &self.responder)
    }
}
