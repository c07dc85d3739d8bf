//! What a step waits for over datagrams: something that takes arrivals, or time.

use std::fmt::Debug;
use std::time::Duration;

use serde_json::Value;

use super::context::{Context, Decoded};
use super::inbox::Arrival;
use super::judge::Judge;
use super::media::Part;
use super::{Failure, SocketId};

/// A step that waits.
pub(crate) trait Waits {
    /// What it waits for, begun at `start`.
    ///
    /// # Errors
    /// It names what the scenario does not have.
    fn wait(&self, start: Duration, context: &Context) -> Result<Box<dyn Awaited>, String>;
}

/// What a step waits for.
pub(crate) trait Awaited: Debug + Send {
    /// The sockets that it looks at.
    fn sockets(&self) -> &[SocketId];

    /// The last moment of its time.
    fn due(&self) -> Duration;

    /// Whether its time is over when something happens at `at`.
    fn is_over_at(&self, at: Duration) -> bool {
        at > self.due()
    }

    /// Whether the end of the process is what it waits for.
    fn wants_exit(&self) -> bool {
        false
    }

    /// Takes an arrival at one of its sockets, or does not.
    fn offer(&mut self, judge: &Judge<'_>, arrival: &Arrival, decoded: &Decoded) -> Offer;

    /// Its window is over. `late` is the next arrival, after it.
    fn end(&self, judge: &Judge<'_>, late: Option<&Arrival>) -> End;

    /// The process ended at `at`; only asked if it [wants that](Self::wants_exit).
    fn exited(&self, judge: &Judge<'_>, _at: Duration, _code: Option<i32>) -> End {
        self.end(judge, None)
    }

    /// Its report when an arrival completes it.
    fn summary(&self, datagram: &[u8], context: &Context) -> String {
        format!("got {}", context.describe(datagram))
    }

    /// Before when nothing was to complete it, if it says so.
    fn opens(&self) -> Option<Duration> {
        None
    }

    /// What is to come of the last frame of media, if that came in part only.
    fn media_part(&self) -> Option<Part> {
        None
    }
}

/// What a waiting step makes of an arrival.
pub(crate) enum Offer {
    /// It does not look at that socket.
    Elsewhere,
    /// It passes over the frame of this name.
    Ignored(&'static str),
    /// It takes it, and remembers these values.
    Taken {
        /// Whether the step is complete.
        done: bool,
        bound: Vec<(String, Value)>,
    },
    Failed(Box<Failure>),
    /// The scenario is wrong.
    Broken(String),
}

/// What a waiting step makes of the end of its time, or of the process.
pub(crate) enum End {
    /// It is complete: at this time, with this report.
    Done(Duration, String),
    Failed(Box<Failure>),
}
