//! The text and the level of requirements, for reports.

use shakedown_protocol::PROTOCOLS;
use shakedown_protocol::requirement::{Level, Requirement};

/// The requirement with this id, of whatever protocol.
pub(crate) fn find(id: &str) -> Option<&'static Requirement> {
    PROTOCOLS
        .into_iter()
        .find_map(|protocol| protocol.requirement(id))
}

/// All requirements of the protocols to which `ids` belong, in the specification's order.
pub(crate) fn all_beside<'a>(
    ids: impl Iterator<Item = &'a str> + Clone,
) -> Vec<&'static Requirement> {
    PROTOCOLS
        .into_iter()
        .filter(|protocol| ids.clone().any(|id| protocol.requirement(id).is_some()))
        .flat_map(|protocol| (protocol.requirements)())
        .collect()
}

/// `MUST`, `SHOULD` or `MAY`.
pub(crate) const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    }
}
