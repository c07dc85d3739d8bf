//! The requirements that a capture alone can show broken, as a small set.

/// A requirement of `seen: wire`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Rule {
    W01,
    W09,
    W10,
    W12,
    W18,
    L01,
    L02,
    L03,
    H01,
    H02,
    H03,
    H05,
    H06,
    H07,
    H09,
    H10,
    H15,
    H16,
    H18,
    H22,
    S01,
    S02,
    S03,
    S04,
    S08,
    S10,
    S13,
    S15,
    S16,
    D01,
    D02,
    D03,
    D04,
    D05,
    D06,
    D07,
    D11,
    D12,
    R01,
}

impl Rule {
    /// All of them, in the specification's order.
    pub(super) const ALL: [Self; 39] = [
        Self::W01,
        Self::W09,
        Self::W10,
        Self::W12,
        Self::W18,
        Self::L01,
        Self::L02,
        Self::L03,
        Self::H01,
        Self::H02,
        Self::H03,
        Self::H05,
        Self::H06,
        Self::H07,
        Self::H09,
        Self::H10,
        Self::H15,
        Self::H16,
        Self::H18,
        Self::H22,
        Self::S01,
        Self::S02,
        Self::S03,
        Self::S04,
        Self::S08,
        Self::S10,
        Self::S13,
        Self::S15,
        Self::S16,
        Self::D01,
        Self::D02,
        Self::D03,
        Self::D04,
        Self::D05,
        Self::D06,
        Self::D07,
        Self::D11,
        Self::D12,
        Self::R01,
    ];

    /// Whether it binds the responder as the one that sends media, and nobody else.
    const fn is_of_the_sender(self) -> bool {
        match self {
            Self::W09
            | Self::D01
            | Self::D02
            | Self::D03
            | Self::D04
            | Self::D05
            | Self::D06
            | Self::D07
            | Self::D12
            | Self::R01 => true,
            Self::W01
            | Self::W10
            | Self::W12
            | Self::W18
            | Self::L01
            | Self::L02
            | Self::L03
            | Self::H01
            | Self::H02
            | Self::H03
            | Self::H05
            | Self::H06
            | Self::H07
            | Self::H09
            | Self::H10
            | Self::H15
            | Self::H16
            | Self::H18
            | Self::H22
            | Self::S01
            | Self::S02
            | Self::S03
            | Self::S04
            | Self::S08
            | Self::S10
            | Self::S13
            | Self::S15
            | Self::S16
            | Self::D11 => false,
        }
    }

    /// The requirement's id.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::W01 => "MS-W-01",
            Self::W09 => "MS-W-09",
            Self::W10 => "MS-W-10",
            Self::W12 => "MS-W-12",
            Self::W18 => "MS-W-18",
            Self::L01 => "MS-L-01",
            Self::L02 => "MS-L-02",
            Self::L03 => "MS-L-03",
            Self::H01 => "MS-H-01",
            Self::H02 => "MS-H-02",
            Self::H03 => "MS-H-03",
            Self::H05 => "MS-H-05",
            Self::H06 => "MS-H-06",
            Self::H07 => "MS-H-07",
            Self::H09 => "MS-H-09",
            Self::H10 => "MS-H-10",
            Self::H15 => "MS-H-15",
            Self::H16 => "MS-H-16",
            Self::H18 => "MS-H-18",
            Self::H22 => "MS-H-22",
            Self::S01 => "MS-S-01",
            Self::S02 => "MS-S-02",
            Self::S03 => "MS-S-03",
            Self::S04 => "MS-S-04",
            Self::S08 => "MS-S-08",
            Self::S10 => "MS-S-10",
            Self::S13 => "MS-S-13",
            Self::S15 => "MS-S-15",
            Self::S16 => "MS-S-16",
            Self::D01 => "MS-D-01",
            Self::D02 => "MS-D-02",
            Self::D03 => "MS-D-03",
            Self::D04 => "MS-D-04",
            Self::D05 => "MS-D-05",
            Self::D06 => "MS-D-06",
            Self::D07 => "MS-D-07",
            Self::D11 => "MS-D-11",
            Self::D12 => "MS-D-12",
            Self::R01 => "MS-R-01",
        }
    }
}

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rules(u64);

impl Rules {
    /// Adds a rule; whether it was not in the set before.
    pub(super) const fn insert(&mut self, rule: Rule) -> bool {
        let bit = 1 << rule as u8;
        let new = self.0 & bit == 0;
        self.0 |= bit;
        new
    }

    /// Whether the rule is in the set.
    pub(super) const fn contains(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u8) != 0
    }

    /// Without those that bind the responder as the one that sends media.
    pub(super) fn without_the_senders(self) -> Self {
        let mut rules = Self::default();
        for rule in Rule::ALL {
            if self.contains(rule) && !rule.is_of_the_sender() {
                rules.insert(rule);
            }
        }
        rules
    }

    /// The ids, in the specification's order.
    pub(super) fn ids(self) -> Vec<&'static str> {
        let rules = Rule::ALL.into_iter();
        rules
            .filter(|rule| self.contains(*rule))
            .map(Rule::id)
            .collect()
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
        assert_eq!(Rule::ALL.map(Rule::id).to_vec(), wire);
    }
}
