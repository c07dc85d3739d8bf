use std::collections::BTreeMap;

/// A set of frame numbers, kept as ranges: a stream without gaps takes one entry, whatever its
/// length. The number of ranges is bounded, so that a hostile sender cannot fill memory.
#[derive(Debug, Clone, Hash, Default)]
pub(in super::super) struct Numbers {
    /// First number of a range to its last one.
    ranges: BTreeMap<u64, u64>,
    count: u64,
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Inserted {
    New,
    /// It was there already.
    Known,
    /// There are [`Numbers::RANGES`] ranges, and it touches none of them.
    Full,
}

impl Numbers {
    /// Most ranges that are kept.
    pub(in super::super) const RANGES: usize = 65_536;

    pub(in super::super) fn contains(&self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back();
        before.is_some_and(|(_, last)| *last >= number)
    }

    pub(in super::super) fn insert(&mut self, number: u64) -> Inserted {
        if self.contains(number) {
            return Inserted::Known;
        }
        let before = self.ranges.range(..number).next_back();
        let before = before.filter(|(_, last)| last.checked_add(1) == Some(number));
        let after = number.checked_add(1);
        let after = after.and_then(|first| self.ranges.get_key_value(&first));
        let (first, last) = match (before, after) {
            (None, None) if self.ranges.len() >= Self::RANGES => return Inserted::Full,
            (before, after) => (
                before.map_or(number, |(first, _)| *first),
                after.map_or(number, |(_, last)| *last),
            ),
        };
        if last != number {
            self.ranges.remove(&(number + 1));
        }
        self.ranges.insert(first, last);
        self.count += 1;
        Inserted::New
    }

    /// How many there are.
    pub(in super::super) const fn count(&self) -> u64 {
        self.count
    }

    pub(in super::super) fn clear(&mut self) {
        self.ranges.clear();
        self.count = 0;
    }

    /// What is missing of `1..=end`, for people: `3, 17-19 and more`.
    pub(in super::super) fn missing(&self, end: u64) -> String {
        const SHOWN: usize = 8;
        let lasts = self.ranges.values().map(|last| last.saturating_add(1));
        let starts = std::iter::once(1).chain(lasts);
        let ends = self.ranges.keys().map(|first| first.saturating_sub(1));
        let ends = ends.chain(std::iter::once(end));
        let gaps = starts.zip(ends).map(|(first, last)| (first, last.min(end)));
        let mut gaps = gaps.filter(|(first, last)| first <= last);
        let shown: Vec<_> = gaps.by_ref().take(SHOWN).map(text).collect();
        let more = if gaps.next().is_some() {
            " and more"
        } else {
            ""
        };
        shown.join(", ") + more
    }
}

fn text((first, last): (u64, u64)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn numbers(list: &[u64]) -> Numbers {
        let mut numbers = Numbers::default();
        for number in list {
            numbers.insert(*number);
        }
        numbers
    }

    #[test]
    fn a_stream_in_any_order_ends_as_one_range() {
        let numbers = numbers(&[2, 1, 5, 4, 3, 6]);
        assert_eq!(numbers.ranges, BTreeMap::from([(1, 6)]));
        assert_eq!(numbers.count(), 6);
    }

    #[test]
    fn what_is_missing_is_said_in_ranges() {
        assert_eq!(numbers(&[1, 2, 4, 9, 10]).missing(10), "3, 5-8");
        assert_eq!(numbers(&[]).missing(3), "1-3");
        assert_eq!(numbers(&[1, 2, 3]).missing(3), "");
        let odd: Vec<_> = (0..40).map(|n| 2 * n + 1).collect();
        let expected = "2, 4, 6, 8, 10, 12, 14, 16 and more";
        assert_eq!(numbers(&odd).missing(80), expected);
    }

    #[test]
    fn sparse_numbers_of_a_hostile_sender_are_refused_at_the_bound() {
        let mut numbers = Numbers::default();
        for n in 0..Numbers::RANGES as u64 {
            assert_eq!(numbers.insert(3 * n), Inserted::New);
        }
        assert_eq!(numbers.insert(u64::MAX), Inserted::Full);
        assert_eq!(numbers.insert(1), Inserted::New);
        assert_eq!(numbers.insert(1), Inserted::Known);
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_inserted(
            list in prop::collection::vec(prop_oneof![0_u64..30, u64::MAX - 5..=u64::MAX], 0..60),
        ) {
            let mut model = BTreeSet::new();
            let mut numbers = Numbers::default();
            for number in list {
                let expected = if model.insert(number) { Inserted::New } else { Inserted::Known };
                prop_assert_eq!(numbers.insert(number), expected);
            }
            prop_assert_eq!(numbers.count(), model.len() as u64);
            for number in (0..31).chain(u64::MAX - 6..=u64::MAX) {
                prop_assert_eq!(numbers.contains(number), model.contains(&number));
            }
        }
    }
}
