//! A ladder in a page: each line is inline SVG, and opens to show the frame's fields and bytes.

use maud::{Markup, html};

use super::{Frame, Ladder, Row, RowContent};
use crate::hexdump::{ROW, row as hex_row};

/// How it looks. Lines scale with the page, letters do not.
pub(crate) const STYLE: &str = "
.ladder { margin: .6rem 0; font-size: .85rem; }
.ladder details { margin: 0; }
.ladder summary, .ladder .line { display: grid; grid-template-columns: 5.2rem minmax(0, 1fr); padding: 0; list-style: none; }
.ladder summary::-webkit-details-marker { display: none; }
.ladder summary:hover { background: var(--soft); }
.ladder time { font-variant-numeric: tabular-nums; text-align: right; padding-right: .5rem; align-self: center; color: var(--quiet); }
.ladder svg { display: block; font: .8rem ui-monospace, monospace; } .ladder svg .head { overflow: visible; }
.ladder svg text { fill: currentColor; paint-order: stroke; stroke: var(--page); stroke-width: 3px; } .ladder svg line { stroke: currentColor; }
.ladder svg .life { opacity: .35; } .ladder svg .fields { opacity: .75; }
.ladder .lost line.shaft { stroke-dasharray: 4 3; }
.ladder .broken, .ladder .broken strong { color: var(--bad); }
.ladder p { margin: .1rem 0 .3rem 5.2rem; } .ladder pre { margin: .2rem 0 .5rem 5.2rem; }
.ladder ol { margin: 0 0 .3rem; padding-left: 1.6rem; list-style: upper-alpha; overflow-wrap: anywhere; }
@media print { .ladder svg { font-size: .62rem; } .ladder details:not([open])::details-content { content-visibility: hidden; block-size: 0; } }
@media (max-width: 40rem) { .ladder p, .ladder pre { margin-left: 0; } .ladder .line, .ladder summary { grid-template-columns: 4.4rem minmax(0, 1fr); } }
";

/// The place of the first peer, and the way from the first to the last, in percent.
const FIRST: f64 = 4.0;
const WAY: f64 = 92.0;

/// The ladder as a figure.
pub(crate) fn drawn(ladder: &Ladder) -> Markup {
    html! {
        @if !ladder.is_empty() {
            figure.ladder aria-label="the exchange" {
                ol { @for peer in &ladder.peers { li { (peer.label()) } } }
                div.line {
                    time {} svg width="100%" height="18" aria-hidden="true" {
                        @for (place, letter) in ('A'..).take(ladder.peers.len()).enumerate() {
                            text x=(at(ladder, place)) y="14" text-anchor="middle" { (letter) }
                        }
                    }
                }
                @for row in &ladder.rows { (line(row, ladder)) }
                @for note in &ladder.notes { p.unsure { (note) } }
            }
        }
    }
}

fn line(row: &Row, ladder: &Ladder) -> Markup {
    let class = if row.findings.is_empty() {
        ""
    } else {
        "broken"
    };
    html! {
        @match &row.what {
            RowContent::Frame(frame) => {
                details class=(class) {
                    summary { time { (format!("{:.6}", row.time)) } (arrow(frame, ladder)) }
                    pre { (all_of(row, frame)) }
                }
                @for finding in &row.findings { p.broken { "✗ " (finding) } }
            },
            RowContent::Missed => {
                div.line.broken {
                    time { (format!("{:.6}", row.time)) }
                    svg width="100%" height="18" role="img" aria-label="missed" {
                        (lives(ladder))
                        line x1=(at(ladder, 0)) x2=(at(ladder, ladder.peers.len().saturating_sub(1))) y1="9" y2="9" stroke-dasharray="2 5" {}
                        text x="50%" y="14" text-anchor="middle" { "✗" }
                    }
                }
                @for finding in &row.findings { p.broken { strong { "✗ missed " } (finding) } }
            },
            RowContent::Gap(rows) => p { "… " (rows) " lines are left out" },
        }
    }
}

/// An arrow with its label between the lines of the peers.
fn arrow(frame: &Frame, ladder: &Ladder) -> Markup {
    let (from, to) = (place(ladder, frame.from), place(ladder, frame.to));
    let (left, right) = (from.min(to), from.max(to));
    let is_right = to > from;
    let end = match (frame.lost, is_right) {
        (false, _) => to,
        (true, true) => right - WAY / 12.0,
        (true, false) => left + WAY / 12.0,
    };
    let head = match (frame.lost, is_right) {
        (true, _) => "M-4 -4 L4 4 M-4 4 L4 -4",
        (false, true) => "M-7 -4 L0 0 L-7 4",
        (false, false) => "M7 -4 L0 0 L7 4",
    };
    let (label, told) = (frame.label(), frame.details());
    let class = if frame.lost { "lost" } else { "" };
    html! {
        svg width="100%" height="32" class=(class) role="img" aria-label=(spoken(frame, ladder)) {
            title { (label) (told) }
            (lives(ladder))
            @if left < right {
                line.shaft x1=(percent(from)) x2=(percent(end)) y1="23" y2="23" {}
                svg.head x=(percent(end)) y="23" width="1" height="1" {
                    path d=(head) stroke="currentColor" fill="none" {}
                }
            }
            svg x=(percent(left + 1.0)) width=(percent(99.0 - left)) height="20" {
                text x="3" y="15" {
                    (label) @if frame.lost { " (lost)" }
                    tspan.fields { (told) }
                }
            }
        }
    }
}

/// The arrow in words, for those who do not see it.
fn spoken(frame: &Frame, ladder: &Ladder) -> String {
    let letter = |place: usize| ('A'..).nth(place.min(ladder.peers.len())).unwrap_or('?');
    let lost = if frame.lost { ", lost" } else { "" };
    let (from, to) = (letter(frame.from), letter(frame.to));
    format!("{} from {from} to {to}{lost}", frame.label())
}

/// The lines of the peers.
fn lives(ladder: &Ladder) -> Markup {
    html! {
        @for peer in 0..ladder.peers.len() {
            line.life x1=(at(ladder, peer)) x2=(at(ladder, peer)) y1="0" y2="100%" {}
        }
    }
}

/// Everything about a frame: its fields, what the steps say, its bytes.
fn all_of(row: &Row, frame: &Frame) -> String {
    let mut text = match row.packet {
        Some(packet) => format!("packet {packet}: {}", frame.name),
        None => frame.name.clone(),
    };
    for field in &frame.all {
        text += &format!("\n  {field}");
    }
    for step in &row.steps {
        text += &format!("\n{step}");
    }
    for (number, bytes) in frame.bytes.chunks(ROW).enumerate() {
        text += &format!("\n{}", hex_row(number * ROW, bytes));
    }
    text
}

fn at(ladder: &Ladder, peer: usize) -> String {
    percent(place(ladder, peer))
}

/// The place of a peer's line, in percent of the width.
fn place(ladder: &Ladder, peer: usize) -> f64 {
    let gaps = ladder.peers.len().saturating_sub(1).max(1);
    FIRST + WAY * peer as f64 / gaps as f64
}

fn percent(share: f64) -> String {
    format!("{share:.1}%")
}
