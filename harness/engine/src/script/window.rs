use std::time::Duration;

use crate::scenario::{self, Span};

use super::Environment;

/// What every window is stretched by besides the tolerance.
const GRACE: Duration = Duration::from_millis(50);

/// When something must happen, by the driver's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// When it opened.
    pub(super) start: Duration,
    /// Not before.
    pub(super) lower: Duration,
    /// Not after.
    pub(super) upper: Duration,
    /// What the spans were, without tolerance.
    pub(super) after: Duration,
    pub(super) within: Duration,
}

impl Window {
    pub(super) fn new(
        start: Duration,
        after: Option<&Span>,
        within: &Span,
        environment: &Environment,
    ) -> Self {
        let after = after.map_or(Duration::ZERO, |span| resolve(span, environment));
        Self::between(start, after, resolve(within, environment), environment)
    }

    pub(super) fn between(
        start: Duration,
        after: Duration,
        within: Duration,
        environment: &Environment,
    ) -> Self {
        let early = after.saturating_sub(slack(after, environment));
        let late = within.saturating_add(slack(within, environment));
        Self {
            start,
            lower: start.saturating_add(early),
            upper: start.saturating_add(late),
            after,
            within,
        }
    }

    /// By how much something may be too early.
    pub(super) fn early_slack(&self, environment: &Environment) -> Duration {
        slack(self.after, environment)
    }

    /// By how much something may be too late.
    pub(super) fn late_slack(&self, environment: &Environment) -> Duration {
        slack(self.within, environment)
    }
}

/// What a span of this length is stretched or shortened by.
pub(super) fn slack(span: Duration, environment: &Environment) -> Duration {
    let share = span.as_secs_f64() * environment.tolerance.max(0.0);
    let share = Duration::try_from_secs_f64(share).unwrap_or(Duration::MAX);
    share.saturating_add(GRACE)
}

/// The length of a span in this environment.
pub(super) fn resolve(span: &Span, environment: &Environment) -> Duration {
    let lengths = scenario::Environment::new(&environment.stream, environment.buffer_period);
    span.resolve(&lengths)
}
