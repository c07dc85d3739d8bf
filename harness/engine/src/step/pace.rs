use std::time::Duration;

use super::Step;
use crate::iut::{Iut, Ready};
use crate::scenario::Span;

/// How long steps take against an implementation.
#[derive(Debug, Clone, Copy)]
pub struct Pace<'a> {
    iut: &'a Iut,
    each: Duration,
}

impl<'a> Pace<'a> {
    /// Against this implementation; each step may take `each` besides what it waits.
    #[must_use]
    pub const fn new(iut: &'a Iut, each: Duration) -> Self {
        Self { iut, each }
    }

    /// How long these steps take at most.
    #[must_use]
    pub fn longest(&self, steps: &[Step]) -> Duration {
        let lengths = steps.iter().map(|step| step.form().longest(self));
        lengths
            .map(|length| length.saturating_add(self.each))
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    /// How long these steps take at least if every one succeeds: what nothing can shorten.
    #[must_use]
    pub fn shortest(&self, steps: &[Step]) -> Duration {
        let lengths = steps.iter().map(|step| step.form().shortest(self));
        lengths.fold(Duration::ZERO, Duration::saturating_add)
    }

    pub(super) fn exactly(&self, span: &Span) -> Duration {
        span.resolve(&self.iut.environment())
    }

    /// A span with the tolerance added.
    pub(super) fn stretched(&self, span: &Span) -> Duration {
        self.tolerated(self.exactly(span))
    }

    /// The time of these frames, or of the whole stream, with the tolerance added.
    pub(super) fn frames(&self, count: Option<u64>) -> Duration {
        let stream = &self.iut.stream;
        let count = count.unwrap_or_else(|| stream.frames());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.tolerated(stream.interval().saturating_mul(count))
    }

    /// What the description gives a restart: its end, and until it is ready and accepts.
    pub(super) fn restart(&self) -> Duration {
        let start = self.iut.start.as_ref();
        let waits = start.into_iter().flat_map(|start| {
            let after = match start.ready {
                Ready::After(span) => Some(span),
                Ready::Line(_) | Ready::Port(_) => None,
            };
            [Some(start.grace), Some(start.ready_within), after]
        });
        let waits = waits.chain([Some(self.iut.timing.startup_delay)]);
        waits.flatten().map(|span| self.exactly(&span)).sum()
    }

    /// The time of consecutive datagrams: a thousand take less than a second, even from separate
    /// sockets.
    pub(super) fn burst(times: Option<u32>) -> Duration {
        Duration::from_millis(u64::from(times.unwrap_or(1)))
    }

    fn tolerated(&self, length: Duration) -> Duration {
        length.saturating_add(self.iut.timing.tolerance().of_many(length))
    }
}
