use super::Search;
use crate::network::Fault;

/// Most faults that are tried one by one.
const MAX_SINGLE_FAULTS: usize = 64;

impl Search<'_> {
    /// Replaces random faults with the exact ones that they caused: all of them, else, where the
    /// control does not meet all of them, a single one.
    pub(super) fn replace_random_faults(&mut self, happened: &[Fault]) {
        let Some(impair) = self.smallest.impair.clone() else {
            return;
        };
        let alone = happened
            .iter()
            .take(MAX_SINGLE_FAULTS)
            .map(std::slice::from_ref);
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
