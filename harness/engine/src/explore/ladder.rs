use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anstyle::{AnsiColor, Effects, Style};
use shakedown_protocol::requirement::Role;

use super::{Event, Side, Trace, What};

/// Characters between the two lifelines.
const WIDTH: usize = 74;
/// Where an arrow is broken: the network had its datagram for a while, or for good.
const MIDDLE: usize = WIDTH / 2;
/// Frames of media that are drawn one by one; a longer run becomes one arrow.
const FEW: usize = 3;

const LOST: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().effects(Effects::DIMMED);

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
            told(&self.initiator),
            told(&self.responder),
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

fn told(side: &Side) -> String {
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

/// What stands between the lifelines.
enum Drawing<'t> {
    Arrow(Arrow<'t>),
    /// A run of media, from its first frame to this one.
    Media(Arrow<'t>, u64),
    /// A timer is due.
    Timer(Role),
    /// Something at a lifeline.
    Note(Role, String),
    /// Something of the network.
    Across(String),
}

struct Arrow<'t> {
    from: Role,
    shape: Shape,
    /// What is on its way.
    frame: &'t str,
    /// The number of the datagram, where its two halves are apart.
    number: Option<u64>,
    is_damaged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    Lost,
    Departure,
    Arrival,
    /// An arrival after the first.
    Again,
}

/// What becomes of each datagram.
struct Datagrams<'t> {
    /// Where it arrives, by its number.
    arrivals: BTreeMap<u64, Vec<usize>>,
    payloads: BTreeMap<u64, &'t str>,
    damaged: BTreeSet<u64>,
    /// Those that arrive before anything else happens to them: one line shows both ends.
    direct: BTreeSet<u64>,
}

impl<'t> Datagrams<'t> {
    fn of(events: &'t [Event]) -> Self {
        let mut arrivals: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut payloads = BTreeMap::new();
        let mut damaged = BTreeSet::new();
        for (place, event) in events.iter().enumerate() {
            if let What::Delivered {
                datagram, payload, ..
            } = &event.what
            {
                arrivals.entry(*datagram).or_default().push(place);
                if payloads.get(datagram) != Some(&payload.as_str()) {
                    damaged.insert(*datagram);
                }
            } else if let What::Sent {
                datagram, payload, ..
            } = &event.what
            {
                payloads.insert(*datagram, payload.as_str());
            }
        }
        let mut direct = BTreeSet::new();
        for (place, event) in events.iter().enumerate() {
            if let What::Sent {
                datagram,
                from,
                frame,
                ..
            } = &event.what
                && let Some(first) = arrivals.get(datagram).and_then(|places| places.first())
                && let Some(between) = events.get(place + 1..*first)
            {
                let sent = (event.at, *datagram, *from, media(frame).is_some());
                if is_calm(sent, between) {
                    direct.insert(*datagram);
                }
            }
        }
        Self {
            arrivals,
            payloads,
            damaged,
            direct,
        }
    }

    /// The line of an event, if it has one of its own.
    fn draw(&self, place: usize, event: &'t Event) -> Option<Drawing<'t>> {
        Some(match &event.what {
            What::Sent {
                datagram,
                from,
                frame,
                ..
            } => Drawing::Arrow(self.sent(*datagram, *from, frame)),
            What::Delivered {
                datagram,
                from,
                frame,
                payload,
            } => {
                let is_first = self.first(*datagram) == Some(place);
                if is_first && self.direct.contains(datagram) {
                    return None;
                }
                Drawing::Arrow(Arrow {
                    from: *from,
                    shape: if is_first {
                        Shape::Arrival
                    } else {
                        Shape::Again
                    },
                    frame,
                    number: Some(*datagram),
                    is_damaged: self.payloads.get(datagram) != Some(&payload.as_str()),
                })
            }
            What::Lost { .. } | What::Duplicated { .. } | What::Overtaken { .. } => return None,
            What::Timer { side } => Drawing::Timer(*side),
            What::State { side, from, to } => Drawing::Note(*side, format!("[{from} -> {to}]")),
            What::Ended { side, failure } => {
                let how = failure.as_deref().unwrap_or("the stream is complete");
                Drawing::Note(*side, format!("[ends: {how}]"))
            }
            What::Moved { side } => {
                Drawing::Across(format!("the {side} has another address from now on"))
            }
            What::Healed {} => Drawing::Across("the network heals".to_owned()),
        })
    }

    fn first(&self, datagram: u64) -> Option<usize> {
        self.arrivals.get(&datagram)?.first().copied()
    }

    fn sent(&self, datagram: u64, from: Role, frame: &'t str) -> Arrow<'t> {
        let shape = if !self.arrivals.contains_key(&datagram) {
            Shape::Lost
        } else if self.direct.contains(&datagram) {
            Shape::Whole
        } else {
            Shape::Departure
        };
        Arrow {
            from,
            shape,
            frame,
            number: (shape == Shape::Departure).then_some(datagram),
            is_damaged: shape == Shape::Whole && self.damaged.contains(&datagram),
        }
    }
}

/// Whether nothing happens between sending a datagram and its arrival that an arrow would cross. Media
/// may follow media.
fn is_calm((at, datagram, from, is_media): (u64, u64, Role, bool), between: &[Event]) -> bool {
    between.iter().all(|event| match &event.what {
        What::Delivered {
            datagram: other,
            from: side,
            ..
        } => *side == from && *other < datagram,
        What::Sent {
            from: side, frame, ..
        } => *side == from && (event.at == at || is_media && media(frame).is_some()),
        What::Timer { side } => event.at == at || is_media && *side == from,
        What::Moved { .. } | What::Healed {} => event.at == at,
        What::State { .. }
        | What::Ended { .. }
        | What::Lost { .. }
        | What::Duplicated { .. }
        | What::Overtaken { .. } => true,
    })
}

/// The number of a frame, if it is media.
fn media(frame: &str) -> Option<u64> {
    frame.rsplit_once(' ')?.1.parse().ok()
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

impl Arrow<'_> {
    fn label(&self) -> String {
        let number = self.number.map(|number| format!(" ({number})"));
        let number = number.unwrap_or_default();
        let damage = if self.is_damaged { ", damaged" } else { "" };
        let again = if self.shape == Shape::Again {
            " again"
        } else {
            ""
        };
        format!("{}{damage}{again}{number}", self.frame)
    }

    /// The arrow with this label, drawn from the left to the right and then turned if it must be.
    fn cells(&self, label: &str) -> String {
        let (begin, end, tip) = match self.shape {
            Shape::Whole => (0, WIDTH, '>'),
            Shape::Lost => (0, MIDDLE, 'X'),
            Shape::Departure => (0, MIDDLE, '\\'),
            Shape::Arrival | Shape::Again => (MIDDLE, WIDTH, '>'),
        };
        let mut cells: Vec<char> = (0..WIDTH)
            .map(|cell| {
                if (begin..end).contains(&cell) {
                    '-'
                } else {
                    ' '
                }
            })
            .collect();
        if let Some(cell) = cells.get_mut(end - 1) {
            *cell = tip;
        }
        if begin == MIDDLE
            && let Some(cell) = cells.get_mut(begin)
        {
            *cell = '\\';
        }
        let is_left = self.from == Role::Responder;
        if is_left {
            cells.reverse();
            for cell in &mut cells {
                *cell = match *cell {
                    '>' => '<',
                    '\\' => '/',
                    other => other,
                };
            }
        }
        let label: Vec<char> = format!(" {label} ").chars().take(end - begin - 5).collect();
        let place = if is_left {
            WIDTH - begin - 2 - label.len()
        } else {
            begin + 2
        };
        for (cell, letter) in cells.iter_mut().skip(place).zip(label) {
            *cell = letter;
        }
        cells.into_iter().collect()
    }
}

impl Drawing<'_> {
    /// Side and number, if it is an arrow of media from one lifeline to the other.
    fn whole_media(&self) -> Option<(Role, u64)> {
        match self {
            Self::Arrow(arrow) if arrow.shape == Shape::Whole && !arrow.is_damaged => {
                Some((arrow.from, media(arrow.frame)?))
            }
            Self::Arrow(_)
            | Self::Media(..)
            | Self::Timer(_)
            | Self::Note(..)
            | Self::Across(_) => None,
        }
    }

    fn style(&self) -> Option<Style> {
        match self {
            Self::Arrow(arrow) => match arrow.shape {
                Shape::Lost => Some(LOST),
                Shape::Again => Some(ODD),
                Shape::Arrival | Shape::Whole if arrow.is_damaged => Some(ODD),
                Shape::Arrival | Shape::Whole | Shape::Departure => None,
            },
            Self::Media(..) => None,
            Self::Timer(_) | Self::Note(..) => Some(DIM),
            Self::Across(_) => Some(ODD),
        }
    }

    /// What stands between the lifelines, exactly as wide as the room there.
    fn cells(&self) -> String {
        match self {
            Self::Arrow(arrow) => arrow.cells(&arrow.label()),
            Self::Media(arrow, last) => arrow.cells(&format!("{} to {last}", arrow.frame)),
            Self::Timer(side) => at_lifeline(*side, "(timer)"),
            Self::Note(side, text) => at_lifeline(*side, text),
            Self::Across(text) => {
                let text: String = text.chars().take(WIDTH - 10).collect();
                format!("{:~^WIDTH$}", format!(" {text} "))
            }
        }
    }
}

fn at_lifeline(side: Role, text: &str) -> String {
    let room = WIDTH - 2;
    let is_long = text.chars().count() > room;
    let text: String = text
        .chars()
        .take(if is_long { room - 3 } else { room })
        .collect();
    let text = if is_long { format!("{text}...") } else { text };
    match side {
        Role::Initiator => format!(" {text:room$} "),
        Role::Responder => format!(" {text:>room$} "),
    }
}

#[cfg(test)]
mod tests {
    use shakedown_protocol::StreamParameters;

    use super::super::Violation;
    use super::*;

    const MS: u64 = 1_000_000;

    fn trace(events: Vec<(u64, What)>) -> Trace {
        let side = |options: &[&str]| Side {
            mode: "3way".to_owned(),
            options: options.iter().map(ToString::to_string).collect(),
            without: Vec::new(),
        };
        let stream = StreamParameters {
            bits_per_second: 8_000,
            frames_per_second: 10,
            seconds: 1,
        };
        let (initiator, responder) = (side(&["fallback"]), side(&[]));
        let mut trace = Trace::new("mediastream", initiator, responder, stream, 7);
        let events = events
            .into_iter()
            .map(|(at, what)| Event { at: at * MS, what });
        trace.events = events.collect();
        trace
    }

    fn sent(datagram: u64, from: Role, frame: &str) -> What {
        What::Sent {
            datagram,
            from,
            address: 0,
            frame: frame.to_owned(),
            payload: "00".to_owned(),
        }
    }

    fn delivered(datagram: u64, from: Role, frame: &str, payload: &str) -> What {
        What::Delivered {
            datagram,
            from,
            frame: frame.to_owned(),
            payload: payload.to_owned(),
        }
    }

    fn state(side: Role, from: &str, to: &str) -> What {
        What::State {
            side,
            from: from.to_owned(),
            to: to.to_owned(),
        }
    }

    /// One of everything: lost, duplicated, overtaken, damaged, in a run.
    fn everything() -> Trace {
        let (i, r) = (Role::Initiator, Role::Responder);
        let mut events = vec![
            (0, sent(1, i, "SYN")),
            (0, state(i, "Closed", "SynSent")),
            (500, What::Timer { side: i }),
            (500, sent(2, i, "SYN")),
            (501, delivered(2, i, "SYN", "00")),
            (501, state(r, "Listen", "SynAckSent")),
            (501, sent(3, r, "SYN-ACK")),
            (501, sent(4, r, "connection-id")),
            (502, delivered(4, r, "connection-id", "00")),
            (503, delivered(3, r, "SYN-ACK", "00")),
            (503, sent(5, i, "ACK")),
            (504, delivered(5, i, "malformed", "01")),
            (505, delivered(3, r, "SYN-ACK", "00")),
            (600, What::Moved { side: i }),
            (700, What::Healed {}),
        ];
        for frame in 0..5 {
            let (number, label) = (6 + frame, format!("data {}", frame + 1));
            events.push((800 + 100 * frame, What::Timer { side: r }));
            events.push((800 + 100 * frame, sent(number, r, &label)));
            events.push((950 + 100 * frame, delivered(number, r, &label, "00")));
        }
        events.sort_by_key(|(at, _)| *at);
        let failure = Some(
            "a sentence that is far too long to stand between the lifelines of a \
                            diagram, whatever the diagram"
                .to_owned(),
        );
        events.push((2_000, What::Ended { side: i, failure }));
        events.push((
            2_000,
            What::Ended {
                side: r,
                failure: None,
            },
        ));
        let mut trace = trace(events);
        trace.settle();
        trace.violation = Some(Violation {
            requirement: "MS-H-25".to_owned(),
            party: Some(r),
            at: None,
            property: "both stream or both close".to_owned(),
        });
        trace
    }

    #[test]
    fn a_ladder_shows_what_the_network_did() {
        insta::assert_snapshot!(everything().ladder(false));
    }

    #[test]
    fn no_line_of_a_diagram_is_longer_than_100_characters() {
        let ladder = everything().ladder(false);
        assert!(ladder.lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn colours_add_nothing_but_themselves() {
        let trace = everything();
        let (plain, coloured) = (trace.ladder(false), trace.ladder(true));
        assert_ne!(plain, coloured);
        let mut stripped = String::new();
        let mut parts = coloured.split('\u{1b}');
        stripped.push_str(parts.next().unwrap());
        for part in parts {
            stripped.push_str(part.split_once('m').unwrap().1);
        }
        assert_eq!(stripped, plain);
    }
}
