//! A table of implementations in Markdown.

use std::fmt::Write;
use std::path::Path;

use shakedown_engine::interop::{PairEvent, Standing};

use super::text::{code, escape, link};
use crate::Record;
use crate::table::{Table, demanded, label, legend, standing, words};
use crate::text::count;

/// The whole section; empty without an interoperability matrix.
pub(super) fn render(record: &Record, directory: &Path) -> String {
    let Some(table) = &record.table else {
        return String::new();
    };
    let responders = Table::names(&table.responders).join(", ");
    let initiators = Table::names(&table.initiators).join(", ");
    let mut text = format!(
        "# Shakedown: {} with {}\n\n**{}**\n\n",
        escape(&responders),
        escape(&initiators),
        escape(&table.message())
    );
    let counts: Vec<String> = table
        .counts()
        .iter()
        .map(|(standing, number)| format!("{number} {}", standing.name()))
        .collect();
    let network = match &table.impair {
        Some(impair) => format!("impaired by {}", escape(impair)),
        None => "not impaired".to_owned(),
    };
    let _ = writeln!(
        text,
        "{} of {}; seed {}; the network between them was {network}.\n",
        counts.join(", "),
        count(table.wanted as u64, "pair"),
        escape(&table.seed),
    );
    for note in table.summaries.iter().flat_map(|summary| &summary.notes) {
        let _ = writeln!(text, "> {}\n", escape(note));
    }
    text += &matrix(table);
    text += &details(table, directory);
    text
}

fn matrix(table: &Table) -> String {
    let mut text = String::from("| responder / initiator |");
    for side in &table.initiators {
        let _ = write!(text, " {} |", escape(&label(side, &table.initiators)));
    }
    text += "\n|---|";
    text += &"---|".repeat(table.initiators.len());
    text.push('\n');
    for responder in &table.responders {
        let _ = write!(text, "| {} |", escape(&label(responder, &table.responders)));
        for initiator in &table.initiators {
            let cell = table
                .cell(responder, initiator)
                .map_or_else(|| "-".to_owned(), cell);
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    let legend = legend(table);
    if !legend.is_empty() {
        let _ = writeln!(text, "\n{}", escape(&legend));
    }
    text
}

fn cell(pair: &PairEvent) -> String {
    let words = escape(&words(pair));
    match pair.standing.is_fine() {
        true => words,
        false => format!("**{words}**"),
    }
}

/// The pairs that did not end as they have to, with their captures.
fn details(table: &Table, directory: &Path) -> String {
    let pairs = table.worst_first();
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter(|pair| pair.standing != Standing::AsDemanded)
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n## What was not in order\n\n\
         | pair | standing | outcome | demanded | found | captures |\n|---|---|---|---|---|---|\n",
    );
    for pair in pairs {
        let captures = [&pair.captures.initiator, &pair.captures.responder];
        let captures = captures.into_iter().flatten();
        let captures: Vec<_> = captures.map(|path| link(Some(path), directory)).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {}: {} | {} | {} | {} |",
            code(&pair.pair),
            standing(pair),
            pair.outcome.name(),
            escape(&pair.seen),
            escape(&demanded(pair)),
            escape(&pair.findings.join(" ")),
            captures.join(" "),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::fixture::{self, record};

    #[test]
    fn a_table_with_every_standing() {
        let record = record(fixture::interop());
        insta::assert_snapshot!(super::render(&record, Path::new("reports/interop")));
    }

    #[test]
    fn the_legend_says_when_a_flag_demanded_the_stream() {
        let mut record = record(fixture::interop());
        let table = record.table.as_mut().unwrap();
        let pair = table.pairs.values_mut().next().unwrap();
        pair.because = vec!["--expect streams".to_owned()];
        let said = super::render(&record, Path::new(""));
        assert!(said.contains("or by --expect streams"), "{said}");
    }
}
