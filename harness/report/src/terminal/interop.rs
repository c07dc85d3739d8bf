//! A table of implementations: the pairs that need a look, then rows of responders and columns of
//! initiators.

use console::{Alignment, measure_text_width, pad_str};
use indexmap::IndexSet;
use shakedown_engine::event::FindingEvent;
use shakedown_engine::interop::{PairEvent, SideEvent, Standing};
use shakedown_engine::verdict::Verdict;

use super::finding::{self, labelled};
use super::parts::{exit_style, findings, heading, process};
use super::style::{self, paint};
use crate::table::{demanded, label, legend, standing, words};
use crate::text::{clean_line, count, wrap};
use crate::{Record, Table};

/// Columns between which a column of the table is readable.
const COLUMN: std::ops::RangeInclusive<usize> = 12..=20;
/// Most columns that the names of rows take.
const LABEL: usize = 26;
const GAP: usize = 2;

/// The whole section; empty without an interoperability matrix.
pub(super) fn render(record: &Record, width: usize) -> String {
    let Some(table) = &record.table else {
        return String::new();
    };
    let mut sections = Vec::new();
    for pair in table.worst_first() {
        match pair.standing {
            Standing::NotAsDemanded
            | Standing::Breaks
            | Standing::Error
            | Standing::Inconclusive => {
                sections.push(self::pair(pair, record, width));
            }
            Standing::AsDemanded | Standing::LeftOpen | Standing::Excused => {}
        }
    }
    sections.push(self::table(table, width));
    sections.join("\n")
}

/// A pair with what was found about it.
fn pair(pair: &PairEvent, record: &Record, width: usize) -> String {
    let verdict = match pair.standing {
        Standing::AsDemanded | Standing::LeftOpen | Standing::Excused => Verdict::Pass,
        Standing::Inconclusive => Verdict::Inconclusive,
        Standing::Error => Verdict::Error,
        Standing::Breaks | Standing::NotAsDemanded => Verdict::Fail,
    };
    let mut text = heading(
        verdict,
        &pair.pair,
        &format!("{:.2} s", pair.seconds),
        width,
    );
    let plain = anstyle::Style::new();
    let outcome = format!("{}, {}: {}", pair.outcome.name(), standing(pair), pair.seen);
    text += &labelled(
        "outcome",
        &outcome,
        style::of_standing(pair.standing),
        width,
    );
    text += &labelled("demanded", &demanded(pair), plain, width);
    for note in &pair.notes {
        text += &labelled("note", note, plain, width);
    }
    let sides = [
        (
            "initiator",
            &pair.captures.initiator,
            &pair.processes.initiator,
        ),
        (
            "responder",
            &pair.captures.responder,
            &pair.processes.responder,
        ),
    ];
    for (side, capture, ended) in sides {
        let of_it = |finding: &&FindingEvent| finding.capture == *capture;
        let found = record.findings_of(&pair.pair).filter(of_it);
        let found = findings(found, 0, width);
        if ended.is_none() && capture.is_none() && found.is_empty() {
            continue;
        }
        text += &format!("  the {side}\n");
        if let Some(ended) = ended {
            text += &process(ended, width);
        }
        if let Some(capture) = capture {
            text += &finding::path("capture", capture);
        }
        text += &found;
    }
    match record.left_out(&pair.pair) {
        0 => text,
        more => text + &format!("\n  … {}\n", count(more, "more finding")),
    }
}

/// The table, in as many parts as the width asks for.
fn table(table: &Table, width: usize) -> String {
    let rows: Vec<String> = table
        .responders
        .iter()
        .map(|side| short(side, &table.responders))
        .collect();
    let longest = rows
        .iter()
        .map(|row| measure_text_width(row))
        .max()
        .unwrap_or(0);
    let first = longest.max("responder".len()).min(LABEL);
    let room = width.saturating_sub(first + GAP);
    let fitting = (room / (COLUMN.start() + GAP)).max(1);
    let initiators: Vec<&SideEvent> = table.initiators.iter().collect();
    let parts = initiators.len().div_ceil(fitting).max(1);
    let each = initiators.len().div_ceil(parts).max(1);
    let column = (room / each)
        .saturating_sub(GAP)
        .clamp(*COLUMN.start(), *COLUMN.end());
    let mut text = String::new();
    for line in wrap(&clean_line(&names(table)), width) {
        text += &format!("{}\n", paint(style::BOLD, &line));
    }
    for some in initiators.chunks(each) {
        text.push('\n');
        let heads = some.iter().map(|side| short(side, &table.initiators));
        let heads = heads.map(|head| (head, style::BOLD)).collect::<Vec<_>>();
        text += &row(("", style::BOLD), &heads, first, column);
        for (side, name) in table.responders.iter().zip(&rows) {
            let cells = some
                .iter()
                .map(|initiator| cell(table.cell(side, initiator)));
            let cells: Vec<_> = cells.collect();
            text += &row((name, style::BOLD), &cells, first, column);
        }
    }
    let legend = legend(table);
    if !legend.is_empty() {
        for line in wrap(&legend, width) {
            text += &format!("{}\n", paint(style::DIM, &line));
        }
    }
    text
}

/// Who stands in rows and who in columns.
fn names(table: &Table) -> String {
    let rows = Table::names(&table.responders).join(", ");
    let columns = Table::names(&table.initiators).join(", ");
    format!("responder / initiator: {rows} / {columns}")
}

fn short(side: &SideEvent, all: &IndexSet<SideEvent>) -> String {
    clean_line(&label(side, all))
}

fn cell(pair: Option<&PairEvent>) -> (String, anstyle::Style) {
    match pair {
        Some(pair) => (clean_line(&words(pair)), style::of_standing(pair.standing)),
        None => (String::from("-"), style::DIM),
    }
}

/// One row, whose cells may take several lines.
fn row(
    (name, name_style): (&str, anstyle::Style),
    cells: &[(String, anstyle::Style)],
    first: usize,
    column: usize,
) -> String {
    let mut columns = vec![(wrap(name, first), name_style, first)];
    for (cell, style) in cells {
        columns.push((wrap(cell, column), *style, column));
    }
    let height = columns
        .iter()
        .map(|(lines, ..)| lines.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for line in 0..height {
        let mut written = String::new();
        for (lines, style, wide) in &columns {
            let part = lines.get(line).map_or("", String::as_str);
            let part = paint(*style, part);
            written += &pad_str(&part, wide + GAP, Alignment::Left, None);
        }
        text += written.trim_end();
        text.push('\n');
    }
    text
}

/// The last lines: what it comes to.
pub(super) fn message(record: &Record, width: usize) -> String {
    let Some(table) = &record.table else {
        return String::new();
    };
    let mut text = String::new();
    let network = match &table.impair {
        Some(impair) => format!("impaired by {impair}"),
        None => String::from("not impaired"),
    };
    let line = format!(
        "seed {}; the network between them was {network}",
        table.seed
    );
    for line in wrap(&clean_line(&line), width) {
        text += &format!("{}\n", paint(style::DIM, &line));
    }
    let style = exit_style(record.exit()).effects(anstyle::Effects::BOLD);
    for line in wrap(&clean_line(&table.message()), width) {
        text += &format!("{}\n", paint(style, &line));
    }
    let counts: Vec<String> = table
        .counts()
        .into_iter()
        .map(|(standing, number)| format!("{number} {}", standing.name()))
        .collect();
    if !counts.is_empty() {
        let seconds: f64 = table.summaries.iter().map(|summary| summary.seconds).sum();
        let of = count(table.wanted as u64, "pair");
        let line = format!("{} of {of} in {seconds:.1} s", counts.join(", "));
        text += &(wrap(&line, width).join("\n") + "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::fixture::{self, record};

    fn plain(width: usize) -> String {
        let record = record(fixture::interop());
        let report = super::render(&record, width) + &super::message(&record, width);
        anstream::adapter::strip_str(&report).to_string()
    }

    #[test]
    fn a_table_with_every_standing() {
        insta::assert_snapshot!(plain(100));
    }

    #[test]
    fn a_table_that_is_too_wide_comes_in_parts() {
        let narrow = plain(76);
        assert!(
            narrow
                .lines()
                .filter(|line| line.contains("3way, fallback"))
                .count()
                >= 1
        );
        for width in [76, 100] {
            for line in plain(width).lines() {
                let is_path = line.contains("    capture ");
                assert!(line.chars().count() <= width || is_path, "{line}");
            }
        }
    }
}
