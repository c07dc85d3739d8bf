//! The text and the level of requirements, for reports.

use shakedown_protocol::SPECIFICATIONS;
use shakedown_protocol::requirement::{Level, Requirement};

/// The requirement with this id, of whatever protocol.
pub(crate) fn find(id: &str) -> Option<&'static Requirement> {
    SPECIFICATIONS
        .into_iter()
        .find_map(|specification| specification.requirement(id))
}

/// All requirements of the protocols to which `ids` belong, in the specification's order.
pub(crate) fn all_beside<'a>(
    ids: impl Iterator<Item = &'a str> + Clone,
) -> Vec<&'static Requirement> {
    SPECIFICATIONS
        .into_iter()
        .filter(|specification| {
            ids.clone()
                .any(|id| specification.requirement(id).is_some())
        })
        .flat_map(|specification| (specification.requirements)())
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
