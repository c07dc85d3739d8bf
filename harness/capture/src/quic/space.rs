//! The packet numbers of one end that were seen.

/// Window of packet numbers below the largest one in which duplicates are detected.
const WINDOW: u64 = 4_096;
const WORDS: usize = (WINDOW / 64) as usize;

/// A packet number space in one direction.
#[derive(Debug)]
pub(super) struct Space {
    largest: Option<u64>,
    /// One bit for each number of the window, at the number modulo its size.
    seen: [u64; WORDS],
}

impl Default for Space {
    fn default() -> Self {
        Self {
            largest: None,
            seen: [0; WORDS],
        }
    }
}

impl Space {
    /// The number after the largest one seen.
    pub(super) fn expected(&self) -> u64 {
        self.largest.map_or(0, |largest| largest + 1)
    }

    /// Whether the number is larger than all that were seen.
    pub(super) fn is_newest(&self, number: u64) -> bool {
        self.largest < Some(number)
    }

    /// Whether the number was seen; also `true` for one that is too old to know.
    pub(super) fn has(&self, number: u64) -> bool {
        let Some(behind) = self.largest.and_then(|largest| largest.checked_sub(number)) else {
            return false;
        };
        let (word, bit) = place(number);
        behind >= WINDOW || self.seen[word] & bit != 0
    }

    /// Notes a packet number. `false` if it was seen before, or is too old to know.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        match self.largest {
            Some(largest) if number <= largest => {
                if largest - number >= WINDOW {
                    return false;
                }
            }
            Some(largest) if number - largest < WINDOW => {
                for skipped in largest + 1..number {
                    let (word, bit) = place(skipped);
                    self.seen[word] &= !bit;
                }
                let (word, bit) = place(number);
                self.seen[word] &= !bit;
                self.largest = Some(number);
            }
            Some(_) | None => {
                self.seen = [0; WORDS];
                self.largest = Some(number);
            }
        }
        let (word, bit) = place(number);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}

const fn place(number: u64) -> (usize, u64) {
    let at = number % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_new_once_in_any_order() {
        let mut space = Space::default();
        for number in [5, 3, 4_099, 4, 4_098] {
            assert!(space.insert(number), "{number}");
            assert!(!space.insert(number), "{number}");
        }
        assert!(!space.insert(3), "too old to tell");
        assert!([3, 4, 5, 4_098, 4_099].into_iter().all(|n| space.has(n)));
        assert!([6, 4_097, 4_100].into_iter().all(|n| !space.has(n)));
        assert_eq!(space.expected(), 4_100);
    }

    proptest! {
        #[test]
        fn a_number_is_never_taken_for_new_twice(
            numbers in prop::collection::vec(0_u64..20_000, 0..300),
        ) {
            let mut space = Space::default();
            let mut seen = BTreeSet::new();
            for number in numbers {
                let old = space.expected() > number + WINDOW;
                prop_assert_eq!(space.insert(number), seen.insert(number) && !old);
            }
        }
    }
}
