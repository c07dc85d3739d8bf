//! What a step waits for over streams, by arrivals and the time.

use std::fmt::Debug;

use crate::script::window::Window;
use crate::step::Verb;
use crate::step::names::Subject;

use super::acts::{Start, Target};
use super::connections::Connections;
use super::view::{View, WaitState};

/// A step that waits.
pub(crate) trait StreamWait: Verb {
    /// What it waits on.
    fn subject(&self) -> Subject<'_>;

    /// What it waits for from there on.
    ///
    /// # Errors
    /// What it waits for is nothing.
    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String>;
}

/// What a step waits for.
pub(crate) trait Expectation: Debug + Send {
    /// Checks arrivals and the time.
    ///
    /// # Errors
    /// Why it cannot be judged.
    fn poll(&mut self, view: &View<'_>, connections: &mut Connections)
    -> Result<WaitState, String>;

    /// Takes what completed it, and gives names to what it found.
    fn take(&self, _: Target, _: &mut Connections) {}

    /// It waits no more, whatever came of it.
    fn let_go(&self, _: Target, _: &mut Connections) {}

    /// Whether it has judged the end of the connection when it is complete.
    fn judges_end(&self) -> bool {
        false
    }
}

/// A step that waits, on its way.
#[derive(Debug)]
pub(crate) struct PendingWait {
    /// What it waits on.
    pub(super) target: Target,
    /// The connection as the step means it.
    pub(super) called: String,
    pub(super) window: Window,
    pub(super) expectation: Box<dyn Expectation>,
}
