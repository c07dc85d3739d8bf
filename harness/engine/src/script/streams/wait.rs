//! What a step waits for over streams, by arrivals and the time.

use std::fmt::Debug;
use std::time::Duration;

use shakedown_protocol::streams::ConnectionNumber;

use crate::step::names::On;

use super::acts::Start;
use super::connections::Connections;
use super::view::{Look, View};

/// A step that waits.
pub(crate) trait Looks {
    /// Where it looks.
    fn on(&self) -> On<'_>;

    /// What it waits for from there on.
    ///
    /// # Errors
    /// It names what there is not, or what it waits for is nothing.
    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String>;
}

/// What a step waits for.
pub(crate) trait Watch: Debug + Send {
    /// The last moment of its time.
    fn due(&self) -> Duration;

    /// Checks arrivals and the time.
    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look;

    /// Takes what completed it, and gives names to what it found.
    fn take(&self, _: &mut Connections) {}

    /// It waits no more, whatever came of it.
    fn let_go(&self, _: &mut Connections) {}

    /// The connection whose end it has judged when it is complete.
    fn judges_end_of(&self) -> Option<ConnectionNumber> {
        None
    }
}
