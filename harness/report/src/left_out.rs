//! Scenarios that were not played since they do not apply, by mode.

use indexmap::IndexMap;

use crate::Record;
use crate::text::clean_line;

/// Those of one mode.
pub(crate) struct LeftOut {
    /// The protocol and the mode: `mediastream/3way`.
    pub(crate) mode: String,
    pub(crate) number: u64,
    /// Why, the most frequent reason first: `8 × no option; 4 × no media`.
    pub(crate) why: String,
}

/// One for each mode that has any.
pub(crate) fn by_mode(record: &Record) -> Vec<LeftOut> {
    let mut modes: IndexMap<String, IndexMap<String, u64>> = IndexMap::new();
    for verdict in record.by_id().into_iter().filter(|one| one.was_left_out()) {
        let parts = verdict.scenario.split('/');
        let mode: Vec<_> = parts.take(2).collect();
        let reasons = modes.entry(mode.join("/")).or_default();
        let reason = clean_line(verdict.reason.as_deref().unwrap_or("no reason was given"));
        *reasons.entry(reason).or_default() += 1;
    }
    let modes = modes.into_iter().map(|(mode, mut reasons)| {
        reasons.sort_by(|_, a, _, b| b.cmp(a));
        let why: Vec<_> = reasons
            .iter()
            .map(|(why, number)| format!("{number} × {why}"))
            .collect();
        LeftOut {
            mode,
            number: reasons.values().sum(),
            why: why.join("; "),
        }
    });
    modes.collect()
}
