//! The pairs of the compatibility table of `docs/mediastream.md`, as it spells them.

/// Its columns.
pub const INITIATORS: [&str; 5] = [
    "legacy",
    "3way",
    "3way, fallback",
    "start3",
    "start3, fallback",
];

/// Its rows.
pub const RESPONDERS: [&str; 11] = [
    "legacy",
    "3way",
    "3way, allow_legacy_start",
    "3way, optimistic_start",
    "start3",
    "start3, allow_legacy_start",
    "start3, begin_immediately",
    "3way+start3",
    "3way+start3, allow_legacy_start",
    "3way+start3, optimistic_start",
    "3way+start3, begin_immediately",
];

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../../docs/mediastream.md");

    #[test]
    fn these_are_the_columns_and_rows_of_the_page() {
        let rows = PAGE
            .lines()
            .skip_while(|line| !line.starts_with("| responder / initiator |"))
            .take_while(|line| line.starts_with('|'))
            .filter(|line| !line.starts_with("|---"));
        let table: Vec<Vec<_>> = rows
            .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        assert_eq!(table[0][1..], INITIATORS);
        let rows: Vec<_> = table[1..].iter().map(|row| row[0]).collect();
        assert_eq!(rows, RESPONDERS);
    }
}
