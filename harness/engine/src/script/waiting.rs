//! The steps that wait at one time: one, or the first ones of the branches of an `either`.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use super::execution::Execution;
use super::program::{Instruction, Kind};

/// A step that waits, on its way, by what it waits for.
#[derive(Debug)]
pub(crate) struct Waiter<W: ?Sized> {
    pub(crate) op: Arc<Instruction>,
    /// The branch that it begins; empty if it begins none.
    title: String,
    pub(crate) awaited: Box<W>,
}

/// A step that waits, or the first steps of the branches of an `either`.
#[derive(Debug)]
pub(crate) struct Waiting<W: ?Sized> {
    pub(crate) op: Arc<Instruction>,
    pub(crate) waiters: Vec<Waiter<W>>,
    /// Branches that are out, and why.
    pub(crate) out: Vec<(String, Box<Failure>)>,
}

impl<W: ?Sized> Waiter<W> {
    /// What it did, with the branch that it begins.
    pub(crate) fn titled(&self, text: &str) -> String {
        match self.title.as_str() {
            "" => text.to_owned(),
            title => format!("{title}: {text}"),
        }
    }
}

impl<W: ?Sized> Waiting<W> {
    /// Begins to wait; `wait` gives what a step waits for.
    ///
    /// # Errors
    /// A branch has no steps, or a step waits for nothing.
    pub(crate) fn begin(
        op: &Arc<Instruction>,
        execution: &Execution,
        wait: impl Fn(&Instruction) -> Result<Box<W>, String>,
    ) -> Result<Self, String> {
        let heads = match &op.kind {
            Kind::Either(branches) => execution.heads(branches)?,
            Kind::Step(_) | Kind::Repeat { .. } | Kind::Again { .. } | Kind::Jump(_) => {
                vec![(String::new(), Arc::clone(op))]
            }
        };
        let waiters = heads.into_iter().map(|(title, op)| {
            Ok::<_, String>(Waiter {
                awaited: wait(&op)?,
                op,
                title,
            })
        });
        Ok(Self {
            op: Arc::clone(op),
            waiters: waiters.collect::<Result<_, _>>()?,
            out: Vec::new(),
        })
    }

    /// The first of what is due of them.
    pub(crate) fn due(&self, due: impl Fn(&W) -> Duration) -> Option<Duration> {
        let all = self.waiters.iter();
        all.map(|waiter| due(&waiter.awaited)).min()
    }

    /// Waiter `n` cannot be met any more.
    pub(crate) fn give_up(&mut self, n: usize, failure: Box<Failure>) -> Waiter<W> {
        let mut waiter = self.waiters.remove(n);
        self.out.push((std::mem::take(&mut waiter.title), failure));
        waiter
    }
}
