use super::Search;
use crate::network::Fault;

/// Most faults that are tried one by one.
const MOST_ALONE: usize = 64;

impl Search<'_> {
    /// Puts in the place of chance what it did: all of it, else, where that cannot be said so or the
    /// control does not meet all of it, one fault alone.
    pub(super) fn nothing_by_chance(&mut self, happened: &[Fault]) {
        let Some(impair) = self.smallest.impair.clone() else {
            return;
        };
        let alone = happened.iter().take(MOST_ALONE).map(std::slice::from_ref);
        for faults in std::iter::once(happened).chain(alone) {
            let Ok(exact) = serde_json::to_value(impair.with_exact_faults(faults)) else {
                return;
            };
            let mut candidate = self.current.clone();
            if let Some(place) = candidate.get_mut("impair") {
                *place = exact;
            }
            if self.takes(candidate) {
                return;
            }
        }
    }
}
