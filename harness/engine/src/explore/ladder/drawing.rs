//! A line of the diagram, and how it is drawn.

use anstyle::{AnsiColor, Effects, Style};
use shakedown_protocol::requirement::Role;

/// Characters between the two lifelines.
pub(super) const WIDTH: usize = 74;
/// Where an arrow is broken: the network had its datagram for a while, or for good.
const MIDDLE: usize = WIDTH / 2;

pub(super) const LOST: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().effects(Effects::DIMMED);

/// What stands between the lifelines.
pub(super) enum Drawing<'t> {
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

pub(super) struct Arrow<'t> {
    pub(super) from: Role,
    pub(super) shape: Shape,
    /// What is on its way.
    pub(super) frame: &'t str,
    /// The number of the datagram, where its two halves are apart.
    pub(super) number: Option<u64>,
    pub(super) is_damaged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Whole,
    Lost,
    Departure,
    Arrival,
    /// An arrival after the first.
    Again,
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
    pub(super) fn whole_media(&self) -> Option<(Role, u64)> {
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

    pub(super) fn style(&self) -> Option<Style> {
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
    pub(super) fn cells(&self) -> String {
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

/// The number of a frame, if it is media.
pub(super) fn media(frame: &str) -> Option<u64> {
    frame.rsplit_once(' ')?.1.parse().ok()
}
