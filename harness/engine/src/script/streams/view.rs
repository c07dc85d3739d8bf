//! What a waiting step makes of what it sees: that it is complete, or why it fails.

use std::time::Duration;

use serde_json::Value;

use crate::script::Failure;
use crate::script::describe::human_time;
use crate::script::judge::Judge;
use crate::script::window::Window;

use super::acts::Target;
use super::connections::{Connection, Connections};
use super::ended::{ConnectionEnd, Moment};
use super::stream::Stream;
use super::web::WebState;

/// How far a waiting step is.
#[derive(Debug)]
pub(crate) enum WaitState {
    Pending,
    Done(Done),
    /// It cannot be met any more.
    Failed {
        failure: Box<Failure>,
        /// Whether because a connection ended in a way in which one ends if the scripted peer is late.
        by_end: bool,
    },
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
    /// What it waits on.
    pub(crate) target: Target,
    /// The connection as the step means it.
    pub(crate) called: &'a str,
    pub(crate) window: &'a Window,
}

impl WaitState {
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
    /// The connection that it waits on.
    ///
    /// # Errors
    /// It is not there any more.
    pub(crate) fn connection<'c>(
        &self,
        connections: &'c Connections,
    ) -> Result<&'c Connection, String> {
        let connection = connections.by_number.get(&self.target.connection()?);
        connection.ok_or_else(forgotten)
    }

    /// The stream that it waits on.
    ///
    /// # Errors
    /// It is not there any more.
    pub(crate) fn stream<'c>(
        &self,
        connections: &'c mut Connections,
    ) -> Result<&'c mut Stream, String> {
        let (connection, stream) = self.target.stream()?;
        let stream = connections.stream(connection, stream);
        stream.ok_or_else(forgotten)
    }

    /// HTTP/3 of the connection that it waits on.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn web<'c>(
        &self,
        connections: &'c mut Connections,
    ) -> Result<&'c mut WebState, String> {
        connections.web(self.target.connection()?)
    }

    fn failure(
        &self,
        moment: Moment,
        expected: &str,
        got: &str,
        slack: Option<Duration>,
    ) -> WaitState {
        let (expected, got) = (expected.to_owned(), got.to_owned());
        let mut failure = self.judge.failure(moment.at, expected, got);
        failure.packet = moment.packet;
        failure.slack = slack;
        let by_end = false;
        WaitState::Failed { failure, by_end }
    }

    /// What was expected came, at some time.
    pub(crate) fn came(&self, moment: Moment, expected: &str, said: String) -> WaitState {
        self.came_with(moment, expected, said, Vec::new())
    }

    /// The same, with values that get names.
    pub(crate) fn came_with(
        &self,
        moment: Moment,
        expected: &str,
        said: String,
        bound: Vec<(String, Value)>,
    ) -> WaitState {
        let window = self.window;
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
        WaitState::Done(Done {
            moment: Moment { at, ..moment },
            text: said,
            bound,
        })
    }

    /// Something else came, after which what is expected cannot come any more.
    pub(crate) fn instead(&self, moment: Moment, expected: &str, got: &str) -> WaitState {
        let window = self.window;
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
        let values = self.judge.context.values.iter();
        let doubtful = values.filter(|value| {
            let mut refusals = value.refused_by.iter();
            refusals.any(|refusal| got.contains(refusal) && !expected.contains(refusal))
        });
        let doubtful = doubtful.map(|value| format!("`{}`, {}", value.name, value.summary));
        match doubtful.collect::<Vec<_>>().join(", or ") {
            none if none.is_empty() => none,
            values => format!(" (is this right in [values] of the description: {values}?)"),
        }
    }

    /// What is expected has not come; fails if its time is over.
    pub(crate) fn not_yet(&self, expected: &str, got: &str) -> WaitState {
        let window = self.window;
        if self.now < window.upper {
            return WaitState::Pending;
        }
        let expected = format!("{expected} within {}", window.length());
        let moment = Moment {
            at: window.upper,
            packet: None,
        };
        self.failure(moment, &expected, got, Some(window.late_slack))
    }

    /// The same of something on its connection, which may have ended.
    pub(crate) fn not_yet_on(
        &self,
        connections: &Connections,
        expected: &str,
        got: &str,
    ) -> WaitState {
        let connection = self.connection(connections).ok();
        let ended = connection.and_then(|connection| connection.ended.as_ref());
        match ended {
            Some((moment, end)) => {
                let how = connection.and_then(Connection::how).unwrap_or_default();
                let got = format!("{got}, and {} was {how}", self.called);
                self.instead(*moment, expected, &got).by_end(self, end)
            }
            None => self.not_yet(expected, got),
        }
    }

    /// Something came that must not for as long as the step lasts.
    pub(crate) fn broken(&self, moment: Moment, expected: &str, got: &str) -> WaitState {
        let got = match moment.at.checked_sub(self.window.start) {
            Some(elapsed) => format!("{got} after {}", human_time(elapsed)),
            None => format!("{got}, before this step began"),
        };
        self.failure(moment, expected, &got, Some(self.window.late_slack))
    }

    /// Nothing came that must not, so far.
    pub(crate) fn lasted(&self, text: String) -> WaitState {
        match self.now >= self.window.upper {
            true => WaitState::done(self.window.upper, text),
            false => WaitState::Pending,
        }
    }
}

fn forgotten() -> String {
    "what this step waits for is forgotten".to_owned()
}
