use std::time::Duration;

use crate::scenario::{self, Span};
use crate::step::{Demand, Time};

use super::Environment;
use super::context::Context;
use super::describe::human_time;

/// What every window is stretched by besides the tolerance. Over datagrams nothing else is granted to what
/// comes too early: a busy machine makes timers late, not fast.
const GRACE: Duration = Duration::from_millis(50);

/// When something must happen, by the driver's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: Duration,
    /// Arrivals before this are too early; 0 if none are. Over streams that may be before the step began:
    /// `after` 0 s wants it not to come before what completed the step before.
    pub(crate) lower: Duration,
    pub(crate) upper: Duration,
    /// What the spans were, without tolerance.
    pub(crate) after: Duration,
    /// When `after` is over, without tolerance.
    pub(crate) opens: Duration,
    pub(crate) within: Duration,
    /// By how much something may be too early, or too late.
    pub(crate) early_slack: Duration,
    pub(crate) late_slack: Duration,
    /// What was added to it for the network.
    pub(crate) round_trip: Duration,
}

impl Window {
    pub(crate) fn new(
        start: Duration,
        after: Option<&Span>,
        within: &Span,
        context: &Context,
    ) -> Self {
        let environment = &context.environment;
        let length = |span| (resolve(span, environment), stretch(span, environment));
        let after = match (after, environment.protocol.transport) {
            (None, _) => None,
            (Some(span), None) => Some((context.due.min(start), resolve(span, environment), GRACE)),
            // What a side of a connection saw last, and when, is known to a share only.
            (Some(span), Some(_)) => {
                let (after, slack) = length(span);
                Some((start, after, slack))
            }
        };
        let mut window = Self::between(start, after, length(within), context);
        // Over datagrams, arrivals before the start of the step count too.
        if environment.protocol.transport.is_none() && window.lower <= start {
            window.lower = Duration::ZERO;
        }
        window
    }

    /// The time that a step demands, begun at `start`.
    ///
    /// # Errors
    /// It demands none.
    pub(crate) fn of(
        demand: Option<Demand<'_>>,
        start: Duration,
        context: &Context,
    ) -> Result<Self, String> {
        match demand.and_then(|demand| demand.time) {
            Some(Time::Within(after, within)) => Ok(Self::new(start, after, within, context)),
            Some(Time::For(span)) => Ok(Self::lasting(start, span, context)),
            None => Err("it does not say how long it waits".to_owned()),
        }
    }

    /// The time for which something must last, without tolerance.
    fn lasting(start: Duration, span: &Span, context: &Context) -> Self {
        let length = resolve(span, &context.environment);
        let slack = slack(length, &context.environment);
        Self {
            start,
            lower: Duration::ZERO,
            upper: start.saturating_add(length),
            after: Duration::ZERO,
            opens: start,
            within: length,
            early_slack: slack,
            late_slack: slack,
            round_trip: Duration::ZERO,
        }
    }

    /// The window for what is made of many intervals, such as the frames of a stream.
    pub(crate) fn of_many(start: Duration, within: Duration, context: &Context) -> Self {
        let slack = context.environment.timing.tolerance().of_many(within);
        let within = (within, slack.saturating_add(GRACE));
        Self::between(start, None, within, context)
    }

    /// Both spans, each with its slack; the first, if there is one, with the moment that it counts from.
    fn between(
        start: Duration,
        after: Option<(Duration, Duration, Duration)>,
        (within, late_slack): (Duration, Duration),
        context: &Context,
    ) -> Self {
        let path = context.path;
        let (base, after, early_slack) = after.unwrap_or((start, Duration::ZERO, start));
        // The step before may have been a datagram that took longer on its way than this one.
        let early = early_slack.saturating_add(path.unsteady);
        let late = within.saturating_add(late_slack);
        let late = late.saturating_add(path.round_trip);
        Self {
            start,
            lower: base.saturating_add(after).saturating_sub(early),
            upper: start.saturating_add(late),
            after,
            opens: base.saturating_add(after),
            within,
            early_slack,
            late_slack,
            round_trip: path.round_trip,
        }
    }

    /// Whether something came before it opens.
    pub(crate) fn is_early(&self, at: Duration) -> bool {
        at < self.lower
    }

    /// How long it is open, in words.
    pub(crate) fn length(&self) -> String {
        let within = human_time(self.upper.saturating_sub(self.start));
        match self.round_trip.is_zero() {
            true => format!("{within} (tolerance added)"),
            false => format!("{within} (tolerance and the network's delay added)"),
        }
    }
}

/// What a span of this length is stretched or shortened by.
pub(crate) fn slack(span: Duration, environment: &Environment) -> Duration {
    let tolerance = environment.timing.tolerance();
    tolerance.of(span).saturating_add(GRACE)
}

/// The same for a span that may be made of many intervals: it then depends on what is streamed.
fn stretch(span: &Span, environment: &Environment) -> Duration {
    let length = resolve(span, environment);
    match span.is_of_frames() {
        false => slack(length, environment),
        true => {
            let tolerance = environment.timing.tolerance();
            tolerance.of_many(length).saturating_add(GRACE)
        }
    }
}

/// The length of a span in this environment.
pub(crate) fn resolve(span: &Span, environment: &Environment) -> Duration {
    let lengths = scenario::Environment::new(&environment.stream, &environment.timing);
    span.resolve(&lengths)
}
