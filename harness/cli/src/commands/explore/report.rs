//! What `explore` prints: progress, a paragraph or a row for each pair, and the sum.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anstream::{eprint, stdout};
use indicatif::HumanCount;
use serde_json::{Value, json};
use shakedown_engine::explore::exhaustive::{Bounds, Explored, Progress, Setup};
use shakedown_protocol::Protocol;
use shakedown_report::text::{count, fit};

use crate::exit::Exit;

/// Prints human-readable text or JSON.
pub(super) struct Report {
    protocol: &'static Protocol,
    is_json: bool,
    /// Whether progress is shown.
    is_live: bool,
    pairs: usize,
    told: usize,
    states: usize,
    took: Duration,
}

/// A pair that was explored.
pub(super) struct Pair<'a> {
    pub(super) setup: &'a Setup,
    pub(super) explored: &'a Explored,
    pub(super) took: Duration,
    /// Where the trace was written.
    pub(super) file: Option<&'a Path>,
}

impl Report {
    pub(super) const fn new(
        protocol: &'static Protocol,
        is_json: bool,
        is_live: bool,
        pairs: usize,
    ) -> Self {
        Self {
            protocol,
            is_json,
            is_live,
            pairs,
            told: 0,
            states: 0,
            took: Duration::ZERO,
        }
    }

    /// A line on the terminal that the next one overwrites.
    pub(super) fn progress(&self, setup: &Setup, progress: Progress, took: Duration) {
        if !self.is_live {
            return;
        }
        let doing = match progress.tracing {
            true => "looking for the shortest run",
            false => "exploring",
        };
        let line = format!(
            "{doing} {} at {}: {} states, depth {}, {} a second",
            setup.initiator,
            setup.responder,
            grouped(progress.distinct),
            progress.depth,
            grouped(per_second(progress.distinct, took)),
        );
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        eprint!("\r\x1b[K{}", fit(&line, width.saturating_sub(1)));
    }

    pub(super) fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        if self.is_live {
            eprint!("\r\x1b[K");
        }
        let is_first = self.told == 0;
        self.told += 1;
        self.states += pair.explored.progress.distinct;
        self.took += pair.took;
        let mut out = stdout().lock();
        if self.is_json {
            writeln!(out, "{}", as_json(pair))?;
        } else if self.pairs > 1 {
            if is_first {
                writeln!(out, "Every run {}.\n", within(pair.setup))?;
                writeln!(
                    out,
                    "{}",
                    row([
                        "responder",
                        "initiator",
                        "states",
                        "reached",
                        "deep",
                        "time",
                        ""
                    ])
                )?;
            }
            writeln!(out, "{}", as_row(pair))?;
            write_violation(&mut out, pair)?;
        } else {
            as_text(&mut out, pair)?;
            write_violation(&mut out, pair)?;
        }
        out.flush()
    }

    /// The sum of all pairs.
    pub(super) fn end(&self, violations: usize, cut: usize, exit: Exit) -> io::Result<()> {
        let mut out = stdout().lock();
        let peak = peak_memory();
        if self.is_json {
            let json = json!({
                "type": "explore-finished",
                "pairs": self.pairs,
                "violations": violations,
                "incomplete": cut,
                "states": self.states,
                "seconds": self.took.as_secs_f64(),
                "peak_memory_bytes": peak,
                "exit": exit as u8,
            });
            writeln!(out, "{json}")?;
            return out.flush();
        }
        if self.pairs > 1 {
            writeln!(
                out,
                "\n{} pairs: {} states in {}, {} a second",
                self.pairs,
                grouped(self.states),
                seconds(self.took),
                grouped(per_second(self.states, self.took)),
            )?;
            write_properties(&mut out, self.protocol)?;
        }
        if let Some(peak) = peak {
            writeln!(out, "at most {} MB of memory", peak / 1_000_000)?;
        }
        let verdict = match (violations, cut) {
            (0, 0) => "complete: no violation".to_owned(),
            (0, cut) => format!(
                "NOT complete: {} cut short; no violation in the explored part",
                count(cut as u64, "exploration")
            ),
            (violations, _) => format!("{} found", count(violations as u64, "violation")),
        };
        writeln!(out, "{verdict}")?;
        out.flush()
    }
}

fn as_text(out: &mut impl Write, pair: &Pair<'_>) -> io::Result<()> {
    let Pair {
        setup,
        explored,
        took,
        ..
    } = pair;
    let progress = explored.progress;
    writeln!(out, "{} at {}", setup.initiator, setup.responder)?;
    writeln!(out, "every run {}", within(setup))?;
    writeln!(
        out,
        "{} states, reached {} times, depth {}, in {}: {} a second",
        grouped(progress.distinct),
        grouped(progress.generated),
        progress.depth,
        seconds(*took),
        grouped(per_second(progress.distinct, *took)),
    )?;
    write_properties(out, setup.protocol)
}

fn write_properties(out: &mut impl Write, protocol: &Protocol) -> io::Result<()> {
    writeln!(out, "\nchecked in every state:")?;
    for (property, ids) in properties(protocol) {
        writeln!(out, "  {property} ({})", ids.join(", "))?;
    }
    writeln!(out)
}

fn write_violation(out: &mut impl Write, pair: &Pair<'_>) -> io::Result<()> {
    let Some(trace) = &pair.explored.violation else {
        return Ok(());
    };
    let colours = io::stdout().is_terminal();
    writeln!(out, "\nthe shortest run with a violation:\n")?;
    write!(out, "{}", trace.ladder(colours))?;
    match pair.file {
        Some(file) => writeln!(out, "\nwritten to {}\n", file.display()),
        None => writeln!(out, "\n--out DIR writes it to files\n"),
    }
}

fn properties(
    protocol: &Protocol,
) -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    let known = protocol.exploration.map(|known| known.properties);
    known.unwrap_or_default().iter()
}

fn as_row(pair: &Pair<'_>) -> String {
    let progress = pair.explored.progress;
    row([
        &pair.setup.responder.to_string(),
        &pair.setup.initiator.to_string(),
        &grouped(progress.distinct).to_string(),
        &grouped(progress.generated).to_string(),
        &progress.depth.to_string(),
        &seconds(pair.took),
        verdict(pair.explored),
    ])
}

fn row(cells: [&str; 7]) -> String {
    let [responder, initiator, states, reached, deep, time, verdict] = cells;
    let row = format!(
        "{responder:<31}  {initiator:<16}  {states:>10}  {reached:>11}  {deep:>4}  {time:>8}  {verdict}"
    );
    row.trim_end().to_owned()
}

fn as_json(pair: &Pair<'_>) -> Value {
    let Pair {
        setup,
        explored,
        took,
        file,
    } = pair;
    let Bounds {
        loss,
        dup,
        reorder,
        slow,
    } = setup.bounds;
    let properties = properties(setup.protocol);
    let properties =
        properties.map(|(property, ids)| json!({ "property": property, "requirements": ids }));
    let properties: Vec<Value> = properties.collect();
    let violation = explored.violation.as_ref();
    json!({
        "type": "explored",
        "protocol": setup.protocol.id,
        "initiator": setup.initiator,
        "responder": setup.responder,
        "bounds": { "loss": loss, "dup": dup, "reorder": reorder, "slow": slow },
        "seed": setup.seed,
        "threads": setup.threads,
        "states": explored.progress.distinct,
        "reached": explored.progress.generated,
        "depth": explored.progress.depth,
        "seconds": took.as_secs_f64(),
        "states_per_second": per_second(explored.progress.distinct, *took),
        "peak_memory_bytes": peak_memory(),
        "complete": explored.complete,
        "properties": properties,
        "violation": violation.and_then(|trace| trace.violation.as_ref()),
        "trace": violation,
        "file": file.map(|file| file.display().to_string()),
    })
}

fn verdict(explored: &Explored) -> &'static str {
    match (&explored.violation, explored.complete) {
        (Some(_), _) => "BROKEN",
        (None, true) => "complete",
        (None, false) => "cut short",
    }
}

/// `within 3 losses, 2 duplicates and 2 reordered datagrams, seed 1`.
fn within(setup: &Setup) -> String {
    let Bounds {
        loss,
        dup,
        reorder,
        slow,
    } = setup.bounds;
    let mut text = format!(
        "within {}, {} and {}",
        plural(loss, "loss", "losses"),
        plural(dup, "duplicate", "duplicates"),
        plural(reorder, "reordered datagram", "reordered datagrams"),
    );
    if slow > 0 {
        text += &format!(", {} early", plural(slow, "timer", "timers"));
    }
    text + &format!(", seed {}", setup.seed)
}

fn plural(number: u8, one: &str, more: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {more}"),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn per_second(states: usize, took: Duration) -> usize {
    let millis = took.as_millis().max(1);
    usize::try_from(states as u128 * 1_000 / millis).unwrap_or(usize::MAX)
}

/// `1,234,567`.
const fn grouped(number: usize) -> HumanCount {
    HumanCount(number as u64)
}

/// The most memory that the program had at a time, in bytes, where the system reports it.
fn peak_memory() -> Option<u64> {
    let status = procfs::process::Process::myself().ok()?.status().ok()?;
    Some(status.vmhwm? * 1024)
}
