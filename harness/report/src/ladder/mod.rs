//! The exchange in a capture as a ladder: time down, peers across, frames by their names.
//!
//! [`Ladder::read`] makes it from a capture and what was found in it; [`Ladder::text`] draws it in columns,
//! and the pages of runs in SVG.

mod page;
mod read;
mod text;

use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_engine::event::FindingEvent;

pub(crate) use page::{STYLE, drawn};

/// Frames with sender, receiver and time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ladder {
    /// From left to right: at most [`Ladder::MOST_PEERS`].
    pub peers: Vec<Peer>,
    pub rows: Vec<Row>,
    /// What must be known besides: packets that are left out, a capture that is damaged.
    pub notes: Vec<String>,
    /// When its times begin, in the time of the capture.
    start: Duration,
}

/// One end of the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    /// What it is, if the capture shows it: `client`, `scripted peer`.
    pub is: Option<&'static str>,
    /// Whether further addresses stand here, since there are too many of them.
    pub and_others: bool,
}

/// One line of a ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Seconds from the first datagram.
    pub time: f64,
    /// The packet's number in the capture, from 1.
    pub packet: Option<u64>,
    pub what: RowContent,
    /// What is broken here, or missed: requirement and words.
    pub findings: Vec<String>,
    /// What the scenario's steps say of it.
    pub steps: Vec<String>,
}

/// What a line of a ladder shows.
#[derive(Debug, Clone, PartialEq)]
pub enum RowContent {
    /// A frame, or several alike in a row.
    Frame(Frame),
    /// Something had to come and did not. What it is, is its finding.
    Missed,
    /// This many lines are omitted here.
    Gap(usize),
}

/// A frame on its way. Peers are places in [`Ladder::peers`].
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub from: usize,
    pub to: usize,
    pub name: String,
    /// The fields worth showing, in a line; long values are cut.
    pub fields: String,
    /// All of them, whole: `accept=true`.
    pub all: Vec<String>,
    /// The first bytes of the datagram, if it is not encrypted, or of what a stream carries.
    pub bytes: Vec<u8>,
    /// Whether it got lost on the way.
    pub lost: bool,
    /// How many there are in a row.
    pub count: u64,
    /// Seconds from the first to the last of them.
    pub lasts: f64,
}

impl Ladder {
    /// Most peers that have a place of their own.
    pub const MOST_PEERS: usize = 6;

    /// Of a capture that lies at this path, with what was found in it; in a few lines. `None` if it
    /// cannot be read or holds nothing that can be drawn.
    pub(crate) fn of<'a>(
        capture: &str,
        findings: impl Iterator<Item = &'a FindingEvent>,
    ) -> Option<Self> {
        const FEW: usize = 60;
        let source = BufReader::new(File::open(capture).ok()?);
        let ladder = Self::read(source, &[], &findings.collect::<Vec<_>>()).ok()?;
        Some(ladder.shortened(FEW)).filter(|ladder| !ladder.rows.is_empty())
    }

    /// The same with times from another moment on, which is one of the capture's clock.
    #[must_use]
    pub fn since(mut self, start: Duration) -> Self {
        let later = self.start.as_secs_f64() - start.as_secs_f64();
        self.rows.iter_mut().for_each(|row| row.time += later);
        Self { start, ..self }
    }

    /// The same with at most about this many rows: the first, the last, and those around findings.
    #[must_use]
    pub fn shortened(mut self, most: usize) -> Self {
        let all = self.rows.len();
        if all <= most {
            return self;
        }
        let around = (most / 10).max(1);
        let broken = |row: &Row| !row.findings.is_empty();
        let near = |at: usize| {
            let from = at.saturating_sub(around);
            let until = (at + around + 1).min(all);
            self.rows[from..until].iter().any(broken)
        };
        let (mut left, mut kept) = (most, vec![false; all]);
        let ends = (all - most / 5..all).chain(0..most / 5);
        let near = (0..all).filter(|at| near(*at));
        for at in ends.chain(near).chain(0..all) {
            if left > 0 && !std::mem::replace(&mut kept[at], true) {
                left -= 1;
            }
        }
        let mut rows: Vec<Row> = Vec::with_capacity(most * 2);
        for (row, is_kept) in self.rows.into_iter().zip(kept) {
            match (is_kept, rows.last_mut()) {
                (true, _) => rows.push(row),
                (
                    false,
                    Some(Row {
                        what: RowContent::Gap(more),
                        ..
                    }),
                ) => *more += 1,
                (false, _) => rows.push(Row::new(row.time, None, RowContent::Gap(1))),
            }
        }
        self.rows = rows;
        self
    }

    /// Whether there is anything to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Row {
    pub(crate) const fn new(time: f64, packet: Option<u64>, what: RowContent) -> Self {
        Self {
            time,
            packet,
            what,
            findings: Vec::new(),
            steps: Vec::new(),
        }
    }
}

impl Frame {
    /// Its name, or of several that were folded how many there are.
    pub(crate) fn label(&self) -> String {
        match self.count {
            0 | 1 => self.name.clone(),
            count => format!("… {count} × {}", self.name),
        }
    }

    /// The text after its label: its fields, or their duration.
    pub(crate) fn details(&self) -> String {
        match self.count {
            0 | 1 if self.fields.is_empty() => String::new(),
            0 | 1 => format!(" {}", self.fields),
            _ => format!(", {:.1} s", self.lasts),
        }
    }
}

impl Peer {
    pub(crate) fn label(&self) -> String {
        let others = if self.and_others { " and others" } else { "" };
        match self.is {
            Some(is) => format!("{}{others} ({is})", self.address),
            None => format!("{}{others}", self.address),
        }
    }
}
