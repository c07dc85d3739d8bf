//! What all protocols have, whatever carries them: numbered requirements, and names of their sides.

use crate::requirement::{Requirement, Role};
use crate::{mediastream, proton};

/// A protocol's rules, and the words in which they speak of it.
#[derive(Clone, Copy)]
pub struct Specification {
    /// The protocol's id: `proton`.
    pub id: &'static str,
    /// What its specification calls the side that speaks first, and the other one.
    pub sides: [&'static str; 2],
    /// Its requirements, in the specification's order.
    pub requirements: fn() -> &'static [Requirement],
}

/// Every protocol's, in the order in which they are listed: those of [`crate::PROTOCOLS`], and
/// those that streams carry.
pub static SPECIFICATIONS: [&Specification; 2] =
    [&mediastream::SPECIFICATION, &proton::SPECIFICATION];

impl Specification {
    /// The requirement with this id.
    #[must_use]
    pub fn requirement(&self, id: &str) -> Option<&'static Requirement> {
        (self.requirements)()
            .iter()
            .find(|requirement| requirement.id == id)
    }

    /// What the specification calls this side.
    #[must_use]
    pub const fn side(&self, role: Role) -> &'static str {
        let [first, other] = self.sides;
        match role {
            Role::Initiator => first,
            Role::Responder => other,
        }
    }
}

impl std::fmt::Debug for Specification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Specification")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_names_one_requirement_of_all_protocols() {
        let mut ids = BTreeSet::new();
        for specification in SPECIFICATIONS {
            for requirement in (specification.requirements)() {
                assert!(
                    ids.insert(&requirement.id),
                    "{} stands twice",
                    requirement.id
                );
                assert_eq!(
                    specification.requirement(&requirement.id),
                    Some(requirement)
                );
            }
        }
    }

    #[test]
    fn the_rules_of_proton_bind_the_sides_that_they_name() {
        let rules = (proton::SPECIFICATION.requirements)();
        assert_eq!(rules.len(), 31);
        for rule in rules {
            let sides = rule
                .roles
                .iter()
                .map(|role| proton::SPECIFICATION.side(*role));
            let sides: Vec<_> = sides.collect();
            match rule.binds.as_str() {
                "both" => assert_eq!(sides, ["client", "server"], "{}", rule.id),
                one => assert_eq!(sides, [one], "{}", rule.id),
            }
        }
    }
}
