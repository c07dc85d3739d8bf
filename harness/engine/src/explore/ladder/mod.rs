//! A trace as a ladder diagram.

mod datagrams;
mod drawing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anstyle::Style;
use shakedown_protocol::requirement::Role;

use self::datagrams::Datagrams;
use self::drawing::{Drawing, LOST, WIDTH, media};
use super::{Side, Trace};

/// Frames of media that are drawn one by one; a longer run becomes one arrow.
const FEW: usize = 3;

impl Trace {
    /// The trace as a ladder diagram: two lifelines, the time in seconds, an arrow for each
    /// datagram. An arrow that ends in `X` was lost. One that is broken at `\` or `/` was on its way
    /// while something else happened: its other half, with the same number, is further down, and
    /// stands there twice if the datagram was duplicated. No line of it is longer than 100
    /// characters; below it stands what is broken.
    #[must_use]
    pub fn ladder(&self, colours: bool) -> String {
        let paint = |style: Option<Style>, text: &str| match style {
            Some(style) if colours => format!("{style}{text}{style:#}"),
            Some(_) | None => text.to_owned(),
        };
        let mut text = self.head();
        for row in together(self.rows()) {
            let time = Duration::from_nanos(row.at).as_secs_f64();
            let line = format!("{time:11.6}  |{}|", row.drawing.cells());
            text.push_str(&paint(row.drawing.style(), &line));
            text.push('\n');
        }
        if let Some(violation) = &self.violation {
            let party = violation.party.map(|party| format!(" by the {party}"));
            let party = party.unwrap_or_default();
            let verdict = format!("{} is broken{party}:", violation.requirement);
            let verdict = paint(Some(LOST), &verdict);
            text.push_str(&format!("\n{verdict} {}\n", violation.property));
        }
        text
    }

    fn head(&self) -> String {
        let (left, right) = (Role::Initiator.name(), Role::Responder.name());
        let gap = WIDTH + 2 - left.len() - right.len();
        format!(
            "{}, seed {}\n  initiator: {}\n  responder: {}\n\n{:>11}  {left}{:gap$}{right}\n",
            self.protocol,
            self.seed,
            settings_of(&self.initiator),
            settings_of(&self.responder),
            "seconds",
            "",
        )
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let datagrams = Datagrams::of(&self.events);
        let rows = self.events.iter().enumerate();
        rows.filter_map(|(place, event)| {
            let drawing = datagrams.draw(place, event)?;
            let at = event.at;
            Some(Row { at, drawing })
        })
        .collect()
    }
}

fn settings_of(side: &Side) -> String {
    let mut text = side.mode.clone();
    for option in &side.options {
        text.push_str(&format!(", {option}"));
    }
    for requirement in &side.without {
        text.push_str(&format!(", without {requirement}"));
    }
    text
}

/// A line of the diagram.
struct Row<'t> {
    at: u64,
    drawing: Drawing<'t>,
}

/// Timers that only send media are left out, and a long run of media becomes one line.
fn together(rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    let mut kept: Vec<Row<'_>> = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while let Some(row) = rows.next() {
        let is_for_media = match (&row.drawing, rows.peek().map(|next| &next.drawing)) {
            (Drawing::Timer(side), Some(Drawing::Arrow(arrow))) => {
                arrow.from == *side && media(arrow.frame).is_some()
            }
            _ => false,
        };
        if !is_for_media {
            kept.push(row);
        }
    }
    let mut lines: Vec<Row<'_>> = Vec::new();
    let mut run: Vec<Row<'_>> = Vec::new();
    for row in kept {
        let number = row.drawing.whole_media();
        let goes_on = match (
            run.last().and_then(|last| last.drawing.whole_media()),
            number,
        ) {
            (Some((side, before)), Some((from, number))) => side == from && number == before + 1,
            (_, number) => number.is_some() && run.is_empty(),
        };
        if !goes_on {
            shorten(&mut run, &mut lines);
        }
        match number {
            Some(_) => run.push(row),
            None => lines.push(row),
        }
    }
    shorten(&mut run, &mut lines);
    lines
}

/// Moves a run of media to `lines`, as one of them if it is long.
fn shorten<'t>(run: &mut Vec<Row<'t>>, lines: &mut Vec<Row<'t>>) {
    let last = run.last().and_then(|last| last.drawing.whole_media());
    match (last, run.len() > FEW) {
        (Some((_, last)), true) => {
            let first = run.drain(..).next();
            if let Some(Row {
                at,
                drawing: Drawing::Arrow(arrow),
            }) = first
            {
                let drawing = Drawing::Media(arrow, last);
                lines.push(Row { at, drawing });
            }
        }
        _ => lines.append(run),
    }
}
