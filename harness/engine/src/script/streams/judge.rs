//! What a waiting step makes of what it sees: that it is complete, or why it fails.

use std::time::Duration;

use serde_json::Value;

use crate::script::Failure;
use crate::script::context::Context;
use crate::script::describe::human_time;
use crate::script::program::Op;
use crate::script::window::{Window, slack};

use super::world::Moment;

/// What a waiting step sees.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing that decides.
    Pending,
    /// It is complete.
    Done(Done),
    /// It cannot be met any more.
    Failed {
        failure: Box<Failure>,
        /// Whether because a connection ended.
        by_end: bool,
    },
    /// It cannot be judged.
    Unfair(String),
}

/// How a waiting step was completed.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) moment: Moment,
    pub(super) text: String,
    /// Values to remember.
    pub(super) bound: Vec<(String, Value)>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) context: &'a Context,
    pub(super) now: Duration,
    /// When the process ended, and its exit status.
    pub(super) exited: Option<(Duration, Option<i32>)>,
}

impl Look {
    /// The same, if it failed because a connection ended.
    pub(super) fn by_end(self) -> Self {
        match self {
            Self::Failed { failure, .. } => Self::Failed {
                failure,
                by_end: true,
            },
            other => other,
        }
    }
}

/// Makes failures of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) op: &'a Op,
    pub(super) view: View<'a>,
    pub(super) requirement: Option<&'a str>,
}

impl Judge<'_> {
    fn failure(&self, moment: Moment, expected: &str, got: &str, slack: Option<Duration>) -> Look {
        let Self {
            op,
            view,
            requirement,
        } = self;
        let (expected, got) = (expected.to_owned(), got.to_owned());
        let failure = view
            .context
            .failure(op, *requirement, moment.at, expected, got);
        let failure = Box::new(Failure {
            packet: moment.packet,
            slack,
            ..*failure
        });
        let by_end = false;
        Look::Failed { failure, by_end }
    }

    /// Whether something came before its window opens. Without `after`, what came before the step
    /// began is as good as any.
    pub(super) fn is_early(&self, window: &Window, moment: Moment) -> bool {
        window.lower > window.start && moment.at < window.lower
    }

    /// What was expected came, at some time.
    pub(super) fn came(
        &self,
        window: &Window,
        moment: Moment,
        expected: &str,
        said: String,
        bound: Vec<(String, Value)>,
    ) -> Look {
        let environment = &self.view.context.environment;
        let elapsed = human_time(moment.at.saturating_sub(window.start));
        if moment.at > window.upper {
            let expected = format!("{expected} within {}", window.length());
            let got = format!("that only after {elapsed}");
            return self.failure(
                moment,
                &expected,
                &got,
                Some(window.late_slack(environment)),
            );
        }
        if self.is_early(window, moment) {
            let early = human_time(window.lower.saturating_sub(window.start));
            let expected = format!(
                "{expected} not before {early} (tolerance taken off) after the step before"
            );
            let got = format!("that after {elapsed}");
            let slack = Some(window.early_slack(environment));
            return self.failure(moment, &expected, &got, slack);
        }
        let at = moment.at.max(window.start);
        Look::Done(Done {
            moment: Moment { at, ..moment },
            text: said,
            bound,
        })
    }

    /// Something else came, after which what is expected cannot come any more.
    pub(super) fn instead(
        &self,
        window: &Window,
        moment: Moment,
        expected: &str,
        got: &str,
    ) -> Look {
        let expected = format!("{expected} within {}", window.length());
        let elapsed = moment.at.checked_sub(window.start);
        let got = match elapsed {
            Some(elapsed) => format!("{got} after {}", human_time(elapsed)),
            None => {
                let before = human_time(window.start.saturating_sub(moment.at));
                format!("{got} {before} before this step began")
            }
        };
        self.failure(moment, &expected, &got, None)
    }

    /// What is expected has not come; fails if its time is over.
    pub(super) fn not_yet(&self, window: &Window, expected: &str, got: &str) -> Look {
        if self.view.now < window.upper {
            return Look::Pending;
        }
        let expected = format!("{expected} within {}", window.length());
        let moment = Moment {
            at: window.upper,
            packet: None,
        };
        let slack = window.late_slack(&self.view.context.environment);
        self.failure(moment, &expected, got, Some(slack))
    }

    /// Something came that must not, for so long.
    pub(super) fn broken(
        &self,
        span: std::ops::Range<Duration>,
        moment: Moment,
        expected: &str,
        got: &str,
    ) -> Look {
        let got = match moment.at.checked_sub(span.start) {
            Some(elapsed) => format!("{got} after {}", human_time(elapsed)),
            None => format!("{got}, before this step began"),
        };
        let slack = slack(
            span.end.saturating_sub(span.start),
            &self.view.context.environment,
        );
        self.failure(moment, expected, &got, Some(slack))
    }
}

pub(super) fn done(moment: Moment, text: String) -> Look {
    // The end of a time is nothing that a packet shows.
    let moment = Moment {
        packet: None,
        ..moment
    };
    Look::Done(Done {
        moment,
        text,
        bound: Vec::new(),
    })
}
