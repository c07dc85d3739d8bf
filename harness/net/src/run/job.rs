use std::sync::Arc;

use shakedown_engine::scenario::Scenario;

use super::Target;
use super::group::Group;
use crate::launch::Launcher;

/// One scenario to be played against one implementation.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) target: Arc<Target>,
    /// How the implementation is started for this scenario.
    pub(super) launcher: Arc<Launcher>,
    pub(super) scenario: Arc<Scenario>,
    /// The process that it shares with others; `None` if it has its own, or the implementation runs
    /// already.
    pub(super) group: Option<Arc<Group>>,
    /// How often it was played before because of what the network did, which then draws other lots.
    pub(super) spoilt: u32,
    /// How often it was played before, for whatever reason: each attempt has its own ids, since a
    /// running implementation knows those of the others.
    pub(super) plays: u64,
}
