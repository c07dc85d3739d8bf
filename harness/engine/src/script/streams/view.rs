//! What a waiting step makes of what it sees: that it is complete, or why it fails.

use std::time::Duration;

use serde_json::Value;
use shakedown_protocol::streams::ConnectionNumber;

use crate::script::Failure;
use crate::script::describe::human_time;
use crate::script::judge::Judge;
use crate::script::window::{Window, slack};

use super::connections::Connections;
use super::ended::{ConnectionEnd, Moment};

/// What a waiting step sees.
#[derive(Debug)]
pub(crate) enum Look {
    Pending,
    Done(Done),
    /// It cannot be met any more.
    Failed {
        failure: Box<Failure>,
        /// Whether because a connection ended in a way in which one ends if the scripted peer is late.
        by_end: bool,
    },
    /// It cannot be judged.
    Unfair(String),
}

/// How a waiting step was completed.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) moment: Moment,
    pub(crate) text: String,
    pub(crate) bound: Vec<(String, Value)>,
}

/// The view of a waiting step on arrivals and the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) judge: Judge<'a>,
    pub(crate) now: Duration,
    /// When the process ended, and its exit status.
    pub(crate) exited: Option<(Duration, Option<i32>)>,
    /// Whether no other step waits, so that what it has looked at need not be kept.
    pub(crate) is_alone: bool,
}

impl Look {
    /// The same, if it failed because a connection ended so.
    pub(crate) fn by_end(self, view: &View<'_>, end: &ConnectionEnd) -> Self {
        let words = view.judge.context.environment.protocol.stream_decoders;
        let is_timeout = |code: u64| words.is_none_or(|words| (words.is_timeout)(code));
        match self {
            Self::Failed { failure, .. } => Self::Failed {
                failure,
                by_end: match end {
                    ConnectionEnd::Application { code, .. } => is_timeout(*code),
                    _ => true,
                },
            },
            other => other,
        }
    }

    /// What it waits for is not there any more.
    pub(crate) fn forgotten() -> Self {
        Self::Unfair("what this step waits for is forgotten".to_owned())
    }

    /// It is complete by nothing that a packet shows.
    pub(crate) const fn done(at: Duration, text: String) -> Self {
        Self::Done(Done {
            moment: Moment { at, packet: None },
            text,
            bound: Vec::new(),
        })
    }
}

impl View<'_> {
    fn failure(&self, moment: Moment, expected: &str, got: &str, slack: Option<Duration>) -> Look {
        let (expected, got) = (expected.to_owned(), got.to_owned());
        let mut failure = self.judge.failure(moment.at, expected, got);
        failure.packet = moment.packet;
        failure.slack = slack;
        let by_end = false;
        Look::Failed { failure, by_end }
    }

    /// What was expected came, at some time.
    pub(crate) fn came(
        &self,
        window: &Window,
        moment: Moment,
        expected: &str,
        said: String,
        bound: Vec<(String, Value)>,
    ) -> Look {
        let elapsed = human_time(moment.at.saturating_sub(window.start));
        if moment.at > window.upper {
            let expected = format!("{expected} within {}", window.length());
            let got = format!("that only after {elapsed}");
            return self.failure(moment, &expected, &got, Some(window.late_slack));
        }
        if window.is_early(moment.at) {
            let (expected, got) = match window.lower.checked_sub(window.start) {
                Some(early) => (
                    format!(
                        "{expected} not before {} (tolerance taken off) after the step before",
                        human_time(early)
                    ),
                    format!("that after {elapsed}"),
                ),
                None => (
                    format!("{expected} not before what the step before got"),
                    format!(
                        "that {} earlier",
                        human_time(window.start.saturating_sub(moment.at))
                    ),
                ),
            };
            let slack = Some(window.early_slack);
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
    pub(crate) fn instead(
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
        let got = format!("{got}{}", self.doubt(&expected, &got));
        self.failure(moment, &expected, &got, None)
    }

    /// What else may be to blame: a value of the description that is not the implementation's.
    fn doubt(&self, expected: &str, got: &str) -> String {
        let values = self.judge.context.environment.protocol.values.iter();
        let mut doubtful = values.filter(|value| {
            let mut refusals = value.refused_by.iter();
            refusals.any(|refusal| got.contains(refusal) && !expected.contains(refusal))
        });
        doubtful.next().map_or_else(String::new, |value| {
            let (name, what) = (value.name, value.summary);
            format!(" (is `{name}` in [values] of the description right: {what}?)")
        })
    }

    /// What is expected has not come; fails if its time is over.
    pub(crate) fn not_yet(&self, window: &Window, expected: &str, got: &str) -> Look {
        if self.now < window.upper {
            return Look::Pending;
        }
        let expected = format!("{expected} within {}", window.length());
        let moment = Moment {
            at: window.upper,
            packet: None,
        };
        let slack = window.late_slack;
        self.failure(moment, &expected, got, Some(slack))
    }

    /// The same of something on a connection that may have ended.
    pub(crate) fn not_yet_on(
        &self,
        number: ConnectionNumber,
        connections: &Connections,
        window: &Window,
        expected: &str,
        got: &str,
    ) -> Look {
        let connection = connections.by_number.get(&number);
        let ended = connection.and_then(|connection| {
            let (moment, end) = connection.ended.as_ref()?;
            Some((*moment, end, connection.how().unwrap_or_default()))
        });
        match ended {
            Some((moment, end, how)) => {
                let got = format!("{got}, and the connection was {how}");
                self.instead(window, moment, expected, &got)
                    .by_end(self, end)
            }
            None => self.not_yet(window, expected, got),
        }
    }

    /// Something must not come for this long.
    pub(crate) fn broken(
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
            &self.judge.context.environment,
        );
        self.failure(moment, expected, &got, Some(slack))
    }

    /// Nothing came that must not, so far.
    pub(crate) fn lasted(&self, end: Duration, text: String) -> Look {
        match self.now >= end {
            true => Look::done(end, text),
            false => Look::Pending,
        }
    }
}
