//! The requirements that a capture alone can show broken: one row each.

use crate::requirement::Role;

/// Whom a rule binds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Binds {
    Initiator,
    Responder,
    /// The responder, as the sender of media; the initiator in an upload.
    Sender,
    /// Whoever sends media: it binds both.
    EitherSender,
    /// Whoever sent the datagram: it binds both.
    Either,
}

macro_rules! rules {
    ($($rule:ident $id:literal $binds:ident,)*) => {
        /// A requirement of `seen: wire`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Rule { $($rule),* }

        impl Rule {
            /// All of them, in the specification's order.
            const ALL: &[Self] = &[$(Self::$rule),*];

            pub(super) const fn id(self) -> &'static str {
                match self { $(Self::$rule => $id),* }
            }

            const fn binds(self) -> Binds {
                match self { $(Self::$rule => Binds::$binds),* }
            }
        }
    };
}

rules! {
    W01 "MS-W-01" Either,
    W09 "MS-W-09" EitherSender,
    W10 "MS-W-10" Either,
    W12 "MS-W-12" Either,
    W18 "MS-W-18" Either,
    L01 "MS-L-01" Initiator,
    L02 "MS-L-02" Initiator,
    L03 "MS-L-03" Responder,
    H01 "MS-H-01" Initiator,
    H02 "MS-H-02" Initiator,
    H03 "MS-H-03" Initiator,
    H05 "MS-H-05" Responder,
    H06 "MS-H-06" Responder,
    H07 "MS-H-07" Responder,
    H09 "MS-H-09" Initiator,
    H10 "MS-H-10" Initiator,
    H15 "MS-H-15" Responder,
    H16 "MS-H-16" Responder,
    H18 "MS-H-18" Responder,
    H22 "MS-H-22" Responder,
    S01 "MS-S-01" Initiator,
    S02 "MS-S-02" Responder,
    S03 "MS-S-03" Initiator,
    S04 "MS-S-04" Responder,
    S08 "MS-S-08" Initiator,
    S10 "MS-S-10" Initiator,
    S13 "MS-S-13" Responder,
    S15 "MS-S-15" Either,
    S16 "MS-S-16" Either,
    D01 "MS-D-01" Sender,
    D02 "MS-D-02" Sender,
    D03 "MS-D-03" Sender,
    D04 "MS-D-04" Sender,
    D05 "MS-D-05" Sender,
    D06 "MS-D-06" Sender,
    D07 "MS-D-07" Sender,
    D11 "MS-D-11" EitherSender,
    D12 "MS-D-12" Sender,
    D13 "MS-D-13" Sender,
    R01 "MS-R-01" EitherSender,
}

impl Rule {
    /// Who breaks it, where `from` sent the datagram and `sender` sends the media.
    pub(super) const fn party(self, from: Role, sender: Role) -> Role {
        match self.binds() {
            Binds::Initiator => Role::Initiator,
            Binds::Responder => Role::Responder,
            Binds::Sender | Binds::EitherSender => sender,
            Binds::Either => from,
        }
    }
}

/// A set of rules.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules(u64);

impl Rules {
    /// Adds a rule; whether it was not in the set before.
    pub(super) const fn insert(&mut self, rule: Rule) -> bool {
        let is_new = !self.contains(rule);
        self.0 |= 1 << rule as u8;
        is_new
    }

    pub(super) const fn contains(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u8) != 0
    }

    /// The ids, in the specification's order. Of an `is_upload` without those that bind the responder as
    /// the sender of media: the media of an initiator says nothing of a responder.
    pub(super) fn ids(self, is_upload: bool) -> Vec<&'static str> {
        let rules = Rule::ALL
            .iter()
            .copied()
            .filter(|rule| self.contains(*rule));
        let told = rules.filter(|rule| !is_upload || rule.binds() != Binds::Sender);
        told.map(Rule::id).collect()
    }
}

impl std::ops::BitOr for Rules {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::Sub for Rules {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediastream::PROTOCOL;
    use crate::requirement::Seen;

    #[test]
    fn the_rules_are_exactly_the_requirements_that_are_seen_on_the_wire() {
        let requirements = (PROTOCOL.requirements)().iter();
        let wire: Vec<&str> = requirements
            .filter(|requirement| requirement.seen.contains(&Seen::Wire))
            .map(|requirement| requirement.id.as_str())
            .collect();
        assert_eq!(Rules(u64::MAX).ids(false), wire);
    }
}
