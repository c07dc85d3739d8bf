//! Plans for machines and monitors of proton, written step by step.

use shakedown_protocol::proton::fuzz::{FuzzInput, Step, StepKind};

/// A plan that is being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft(Vec<(StepKind, u8, u8, Vec<u8>)>);

impl Draft {
    pub(crate) fn step(mut self, what: StepKind, connection: u8, stream: u8, bytes: &[u8]) -> Self {
        self.0.push((what, connection, stream, bytes.to_vec()));
        self
    }

    pub(crate) fn wait(self, milliseconds: u32) -> Self {
        self.step(StepKind::Wait, 0, 0, &milliseconds.to_le_bytes())
    }

    pub(crate) fn word(self, connection: u8, stream: u8, word: u32) -> Self {
        self.step(StepKind::Bytes, connection, stream, &word.to_le_bytes())
    }

    /// The steps of another draft after these.
    pub(crate) fn then(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        self
    }

    /// Every step `times` times.
    pub(crate) fn each(&self, times: usize) -> Self {
        let steps = self
            .0
            .iter()
            .flat_map(|step| std::iter::repeat_n(step.clone(), times));
        Self(steps.collect())
    }

    pub(crate) fn reversed(&self) -> Self {
        Self(self.0.iter().rev().cloned().collect())
    }

    /// The same with options, as bytes.
    pub(crate) fn with(&self, options: u8) -> Vec<u8> {
        let steps = self.0.iter().map(|(what, connection, stream, bytes)| Step {
            what: *what,
            connection: *connection,
            stream: *stream,
            bytes,
        });
        FuzzInput {
            options,
            steps: steps.collect(),
        }
        .write()
    }
}
