use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::machine::{Outcome, Output};

/// What a machine wants done or known and was not asked for yet.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Outputs(VecDeque<Output>);

impl Outputs {
    pub(super) fn pop(&mut self) -> Option<Output> {
        self.0.pop_front()
    }

    pub(super) fn push(&mut self, output: Output) {
        self.0.push_back(output);
    }

    pub(super) fn send(&mut self, to: SocketAddr, payload: Vec<u8>) {
        self.push(Output::Send { to, payload });
    }

    /// A session goes from one state to another.
    pub(super) fn transition(
        &mut self,
        peer: SocketAddr,
        from: &'static str,
        to: &'static str,
        why: &'static str,
    ) {
        self.push(Output::Transition {
            peer,
            from,
            to,
            why,
        });
    }

    /// A session is over.
    pub(super) fn end(&mut self, peer: SocketAddr, outcome: Outcome) {
        self.push(Output::Ended { peer, outcome });
    }
}
