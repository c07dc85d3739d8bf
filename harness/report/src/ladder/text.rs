//! A ladder in columns, for a terminal.

use anstyle::Style;
use console::measure_text_width;

use super::{Frame, Ladder, RowContent};
use crate::terminal::style::{BAD, BOLD, DIM, paint};
use crate::text::{fit, wrap};

/// Columns of the time, and the space behind it.
const TIME: usize = 12;
/// Columns between two peers, at least.
const LEAST: usize = 8;

impl Ladder {
    /// In lines of at most `width` columns, but for what cannot be narrower; with colours, which
    /// are left out by [`Self::plain`].
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let columns = self.columns(width);
        let mut text = String::new();
        let mut names = " ".repeat(TIME);
        for (peer, (letter, column)) in self.peers.iter().zip(('A'..).zip(&columns)) {
            text += &format!("{} {}\n", paint(BOLD, &letter.to_string()), peer.label());
            names += &" ".repeat((TIME + column).saturating_sub(measure_text_width(&names)));
            names.push(letter);
        }
        text += &line(&names, BOLD);
        for row in &self.rows {
            match &row.what {
                RowContent::Frame(frame) => {
                    let style = match (row.findings.is_empty(), frame.lost) {
                        (false, _) => BAD,
                        (true, true) => DIM,
                        (true, false) => Style::new(),
                    };
                    text += &self.arrow(row.time, frame, &columns, style);
                }
                RowContent::Missed => {}
                RowContent::Gap(rows) => {
                    let gap = format!("{}… {rows} lines are left out", " ".repeat(TIME));
                    text += &line(&gap, DIM);
                }
            }
            for finding in &row.findings {
                let missed = matches!(row.what, RowContent::Missed);
                let mut beginning = match missed {
                    true => format!("{:>10.6}  ✗ missed ", row.time),
                    false => format!("{}✗ ", " ".repeat(TIME)),
                };
                for part in wrap(finding, width.saturating_sub(TIME + 9).max(LEAST)) {
                    text += &line(&format!("{beginning}{part}"), BAD);
                    beginning = " ".repeat(TIME + 2);
                }
            }
        }
        for note in &self.notes {
            text += &line(&fit(note, width), DIM);
        }
        text
    }

    /// The same without colours.
    #[must_use]
    pub fn plain(&self, width: usize) -> String {
        console::strip_ansi_codes(&self.text(width)).into_owned()
    }

    /// Where the lines of the peers stand, from the end of the times on.
    fn columns(&self, width: usize) -> Vec<usize> {
        let gaps = self.peers.len().saturating_sub(1).max(1);
        let each = width.saturating_sub(TIME + 1) / gaps;
        (0..self.peers.len())
            .map(|peer| peer * each.max(LEAST))
            .collect()
    }

    /// A frame between the lines of its peers.
    fn arrow(&self, time: f64, frame: &Frame, columns: &[usize], style: Style) -> String {
        let time = format!("{time:>10.6}  ");
        let (left, right) = (frame.from.min(frame.to), frame.from.max(frame.to));
        let name = frame.label();
        let end = columns.last().map_or(0, |last| last + 1);
        let (Some(a), Some(b)) = (columns.get(left), columns.get(right)) else {
            return String::new();
        };
        let room = (b - a).saturating_sub(5);
        let told = frame.details();
        if left == right || measure_text_width(&name) > room {
            // There is no room for its name on the arrow.
            let label = format!("{name}{told}");
            let label = line(&format!("{time}{}", fit(&label, end)), style);
            return match left == right {
                true => label,
                false => label + &self.shaft(&" ".repeat(TIME), frame, "", columns, style),
            };
        }
        let told = fit(&told, room.saturating_sub(measure_text_width(&name)));
        let label = match told.as_str() {
            "" | "…" | " …" | ",…" => format!(" {name} "),
            told => format!(" {name}{told} "),
        };
        self.shaft(&time, frame, &label, columns, style)
    }

    fn shaft(
        &self,
        start: &str,
        frame: &Frame,
        label: &str,
        columns: &[usize],
        style: Style,
    ) -> String {
        let (left, right) = (frame.from.min(frame.to), frame.from.max(frame.to));
        let stroke = if frame.lost { "╌" } else { "─" };
        let mut text = start.to_owned();
        for (place, column) in columns.iter().enumerate() {
            if (left + 1..right).contains(&place) {
                continue;
            }
            text += &" ".repeat((TIME + column).saturating_sub(measure_text_width(&text)));
            text.push('│');
            if place != left {
                continue;
            }
            let inner = columns[right] - column - 1;
            let before = (inner - measure_text_width(label)) / 2;
            let mut shaft = stroke.repeat(before) + label;
            shaft += &stroke.repeat(inner - measure_text_width(&shaft));
            let head = match (frame.lost, frame.from == left) {
                (true, _) => '✗',
                (false, true) => '►',
                (false, false) => '◄',
            };
            text += &with_head(&shaft, head, frame.from == left);
        }
        line(&text, style)
    }
}

/// A line in a style, without the spaces at its end.
fn line(text: &str, style: Style) -> String {
    format!("{}\n", paint(style, text.trim_end()))
}

/// The stroke at the end of the shaft becomes its head.
fn with_head(shaft: &str, head: char, is_right: bool) -> String {
    let mut strokes: Vec<char> = shaft.chars().collect();
    let end = match is_right {
        true => strokes.last_mut(),
        false => strokes.first_mut(),
    };
    if let Some(end) = end {
        *end = head;
    }
    strokes.into_iter().collect()
}
