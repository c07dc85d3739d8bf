//! Streams of events for the tests of every sink, as `events.jsonl` has them.

use shakedown_engine::event::Event;

use crate::Record;

pub(crate) fn record(events: Vec<Event>) -> Record {
    let mut record = Record::default();
    for event in &events {
        record.add(event);
    }
    record
}

/// A run with passes, failures, a waived and an advisory finding, a process that died, and each of
/// the other verdicts.
pub(crate) fn run() -> Vec<Event> {
    read(include_str!("fixture/run.jsonl"))
}

/// A run that was interrupted while a scenario ran.
pub(crate) fn interrupted() -> Vec<Event> {
    read(include_str!("fixture/interrupted.jsonl"))
}

/// Three captures: without a finding, with one, and one that is damaged.
pub(crate) fn check() -> Vec<Event> {
    read(include_str!("fixture/check.jsonl"))
}

/// A run whose every text tries to be more than text.
pub(crate) fn hostile() -> Vec<Event> {
    read(include_str!("fixture/hostile.jsonl"))
}

/// A table with a pair of every standing, findings, a process that died, and hostile names.
pub(crate) fn interop() -> Vec<Event> {
    read(include_str!("fixture/interop.jsonl"))
}

fn read(lines: &str) -> Vec<Event> {
    let events = lines.lines().map(serde_json::from_str);
    events.collect::<Result<_, _>>().unwrap()
}
