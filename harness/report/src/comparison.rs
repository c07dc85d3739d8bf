//! What changed from one run to the next.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;

use indexmap::IndexMap;
use serde::Serialize;
use shakedown_capture::Capture;
use shakedown_engine::event::VerdictEvent;
use shakedown_engine::verdict::Verdict;

use crate::Record;
use crate::text::{clean_line, count};

/// Minimum change of a scenario's time, in seconds and as a share of the earlier time, that is notable.
const SECONDS: f64 = 0.25;
/// As of [`SECONDS`], and of packets.
const SHARE: f64 = 0.25;
/// Minimum change of a packet count that is notable, besides the share.
const PACKETS: u64 = 5;
/// How many such changes of a kind are shown, the largest first.
const SHOWN: usize = 20;

/// How two runs differ.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// The gravest first; times and packets by how much they changed, the rest by id.
    pub changes: Vec<Change>,
    /// Scenarios that are in both.
    pub in_both: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub what: ChangeKind,
    /// The scenario's or requirement's id.
    pub of: String,
    /// From what to what.
    pub how: String,
    /// By how much a time or a number changed, in thousandths of the smaller of both.
    #[serde(skip)]
    pub by: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It fails, or cannot be judged, and did not before or was not there.
    NewlyFailing,
    /// It failed, or could not be judged, and does not any more.
    NewlyPassing,
    /// It fails by other requirements.
    FailsOtherwise,
    /// Another change of a verdict.
    Verdict,
    /// A requirement's worst verdict is another one.
    Requirement,
    /// It was there before.
    Gone,
    /// It was not there before, and does not fail.
    New,
    /// It takes notably longer, or shorter.
    Time,
    /// Its capture has notably more packets, or fewer.
    Packets,
}

impl ChangeKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewlyFailing => "Newly failing",
            Self::NewlyPassing => "Newly passing",
            Self::FailsOtherwise => "Failing by another cause",
            Self::Verdict => "Other verdicts that changed",
            Self::Requirement => "Requirements whose verdict changed",
            Self::Gone => "Not played any more",
            Self::New => "Not played before",
            Self::Time => "Time that changed by a quarter or more",
            Self::Packets => "Packets that changed by a quarter or more",
        }
    }

    /// How many changes of this kind people are shown.
    const fn most_shown(self) -> usize {
        match self {
            Self::Time | Self::Packets => SHOWN,
            Self::NewlyFailing
            | Self::NewlyPassing
            | Self::FailsOtherwise
            | Self::Verdict
            | Self::Requirement
            | Self::Gone
            | Self::New => usize::MAX,
        }
    }
}

impl Comparison {
    /// Compares a run with an earlier one. Captures that are there are read, to count their packets.
    #[must_use]
    pub fn new(old: &Record, new: &Record) -> Self {
        let mut all = Self::default();
        for (id, now) in &new.verdicts {
            match old.verdicts.get(id) {
                Some(before) => {
                    all.in_both += 1;
                    all.scenario([before, now], [old, new]);
                }
                None if fails(now.verdict) => {
                    all.add(
                        ChangeKind::NewlyFailing,
                        id,
                        format!("{}; it was not there", now.verdict.name()),
                    );
                }
                None => all.add(ChangeKind::New, id, now.verdict.name().to_owned()),
            }
        }
        for (id, before) in &old.verdicts {
            if !new.verdicts.contains_key(id) {
                all.add(
                    ChangeKind::Gone,
                    id,
                    format!("{} before", before.verdict.name()),
                );
            }
        }
        let before: IndexMap<_, _> = old.requirements().into_iter().collect();
        for (id, now) in new.requirements() {
            if let Some(before) = before.get(&id).filter(|before| **before != now) {
                all.add(
                    ChangeKind::Requirement,
                    &id,
                    from_to(before.name(), now.name()),
                );
            }
        }
        all.changes
            .sort_by(|a, b| (a.what, b.by, &a.of).cmp(&(b.what, a.by, &b.of)));
        all
    }

    fn scenario(&mut self, [before, now]: [&VerdictEvent; 2], [old, new]: [&Record; 2]) {
        let id = &now.scenario;
        let verdicts = from_to(before.verdict.name(), now.verdict.name());
        let broken = [broken(old, id), broken(new, id)];
        match (fails(before.verdict), fails(now.verdict)) {
            (false, true) => self.add(ChangeKind::NewlyFailing, id, with(&verdicts, &broken[1])),
            (true, false) => self.add(ChangeKind::NewlyPassing, id, with(&verdicts, &broken[0])),
            (true, true) if broken[0] != broken[1] => {
                let [before, now] = broken.map(|ids| ids.join(" "));
                self.add(ChangeKind::FailsOtherwise, id, from_to(&before, &now));
            }
            _ if before.verdict != now.verdict => self.add(ChangeKind::Verdict, id, verdicts),
            _ => {}
        }
        // What ends by another verdict ends at another time.
        if before.verdict != now.verdict {
            return;
        }
        let (t, u) = (before.seconds, now.seconds);
        if (t - u).abs() >= SECONDS {
            let how = from_to(&format!("{t:.2} s"), &format!("{u:.2} s"));
            self.add_measured(ChangeKind::Time, id, [t, u], how);
        }
        if let (Some(t), Some(u)) = (packets(before), packets(now))
            && t.abs_diff(u) >= PACKETS
        {
            let how = from_to(&t.to_string(), &u.to_string());
            self.add_measured(ChangeKind::Packets, id, [t as f64, u as f64], how);
        }
    }

    fn add(&mut self, what: ChangeKind, of: &str, how: String) {
        let of = of.to_owned();
        let by = 0;
        self.changes.push(Change { what, of, how, by });
    }

    /// Adds what changed by such a share of the smaller of both.
    fn add_measured(&mut self, what: ChangeKind, of: &str, [before, now]: [f64; 2], how: String) {
        let share = (before - now).abs() / before.min(now);
        if share >= SHARE {
            self.add(what, of, how);
            if let Some(change) = self.changes.last_mut() {
                // Any share of zero is infinite.
                change.by = (share * 1_000.0) as u64;
            }
        }
    }

    /// The changes of each kind, the gravest first: its heading, those that people are shown, and how many more
    /// there are.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, &[Change], usize)> {
        let groups = self.changes.chunk_by(|a, b| a.what == b.what);
        let groups = groups.filter_map(|group| {
            let what = group.first()?.what;
            let shown = group.len().min(what.most_shown());
            let heading = format!("{} ({})", what.name(), group.len());
            Some((heading, &group[..shown], group.len() - shown))
        });
        groups.collect()
    }

    /// How many fail that did not.
    #[must_use]
    pub fn newly_failing(&self) -> usize {
        let failing = self
            .changes
            .iter()
            .filter(|one| one.what == ChangeKind::NewlyFailing);
        failing.count()
    }

    /// What it comes to, in a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let both = count(self.in_both as u64, "scenario");
        match self.newly_failing() {
            0 => format!("nothing fails newly; {both} in both runs"),
            failing => format!("{} newly; {both} in both runs", fail(failing)),
        }
    }

    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (heading, changes, more) in self.groups() {
            text += &format!("{heading}\n");
            for change in changes {
                text += &format!(
                    "  {}  {}\n",
                    clean_line(&change.of),
                    clean_line(&change.how)
                );
            }
            if more > 0 {
                text += &format!("  and {more} more\n");
            }
            text.push('\n');
        }
        text + &self.message() + "\n"
    }
}

const fn fails(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Fail | Verdict::Error | Verdict::Inconclusive
    )
}

/// `1 scenario fails`, `2 scenarios fail`.
fn fail(number: usize) -> String {
    let s = if number == 1 { "s" } else { "" };
    format!("{} fail{s}", count(number as u64, "scenario"))
}

fn from_to(before: &str, now: &str) -> String {
    format!("{before} → {now}")
}

fn with(verdicts: &str, broken: &[&str]) -> String {
    match broken.is_empty() {
        true => verdicts.to_owned(),
        false => format!("{verdicts}: {}", broken.join(" ")),
    }
}

/// The requirements that a scenario breaks.
fn broken<'a>(record: &'a Record, scenario: &'a str) -> Vec<&'a str> {
    let counted = record.findings_of(scenario).filter(|one| one.counts());
    let ids: BTreeSet<_> = counted.map(|one| one.requirement.as_str()).collect();
    ids.into_iter().collect()
}

/// Datagrams of a scenario's capture, if it is there and whole.
fn packets(verdict: &VerdictEvent) -> Option<u64> {
    let file = File::open(verdict.capture.as_ref()?).ok()?;
    let mut capture = Capture::open(BufReader::new(file)).ok()?;
    while capture.next_datagram().ok()?.is_some() {}
    Some(capture.statistics().datagrams)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shakedown_engine::event::Event;

    use super::*;
    use crate::fixture;

    /// The fixture's run with its verdicts changed.
    fn changed(change: impl Fn(&mut VerdictEvent)) -> Record {
        let mut events = fixture::run();
        for event in &mut events {
            if let Event::Verdict(verdict) = event {
                change(verdict);
            }
        }
        fixture::record(events)
    }

    fn compared(old: &Record, new: &Record) -> Vec<(ChangeKind, String)> {
        let comparison = Comparison::new(old, new);
        let changes = comparison.changes.into_iter();
        changes.map(|one| (one.what, one.how)).collect()
    }

    #[test]
    fn the_same_run_twice_differs_in_nothing() {
        let run = fixture::record(fixture::run());
        let comparison = Comparison::new(&run, &run);
        assert_eq!(comparison.changes, []);
        assert_eq!(
            comparison.message(),
            "nothing fails newly; 9 scenarios in both runs"
        );
    }

    #[test]
    fn what_fails_and_did_not_is_told_first_and_what_passes_again_next() {
        let old = changed(|one| {
            if fails(one.verdict) {
                one.verdict = Verdict::Pass;
            }
        });
        let new = fixture::record(fixture::run());
        let there = Comparison::new(&old, &new);
        let failing = new.verdicts.values().filter(|one| fails(one.verdict));
        assert_eq!(there.newly_failing(), failing.count());
        assert_eq!(there.changes[0].what, ChangeKind::NewlyFailing);
        let back = Comparison::new(&new, &old);
        assert_eq!(back.newly_failing(), 0);
        assert_eq!(back.changes[0].what, ChangeKind::NewlyPassing);
        assert!(
            back.changes[0].how.contains(" → pass"),
            "{}",
            back.changes[0].how
        );
    }

    #[test]
    fn a_scenario_that_is_not_in_both_is_told_and_fails_newly_only_if_it_fails() {
        let run = fixture::record(fixture::run());
        let mut less = run.clone();
        let (id, _) = less.verdicts.pop().unwrap();
        assert_eq!(compared(&run, &less)[0].0, ChangeKind::Gone);
        assert_eq!(Comparison::new(&less, &run).changes[0].of, id);
        let mut failing = run.verdicts[&id].clone();
        failing.verdict = Verdict::Fail;
        let mut more = less.clone();
        more.verdicts.insert(id, failing);
        assert_eq!(Comparison::new(&less, &more).newly_failing(), 1);
    }

    #[test]
    fn time_counts_from_a_quarter_of_a_second_and_of_the_time_on() {
        let run = changed(|one| one.seconds = 2.0);
        let slower = |seconds| compared(&run, &changed(|one| one.seconds = seconds));
        assert_eq!(slower(2.49), []);
        assert!(slower(2.6).contains(&(ChangeKind::Time, "2.00 s → 2.60 s".to_owned())));
        let short = changed(|one| one.seconds = 0.01);
        assert_eq!(compared(&short, &changed(|one| one.seconds = 0.2)), []);
    }

    #[test]
    fn the_largest_change_is_told_first_and_only_the_largest_are_shown() {
        let run = changed(|one| one.seconds = 1.0);
        let mut first = run.verdicts.values().next().unwrap().clone();
        let mut with = |seconds: fn(u32) -> f64| {
            let mut record = run.clone();
            record.verdicts.clear();
            for number in 0..23 {
                first.scenario = format!("s{number:02}");
                first.seconds = seconds(number);
                record
                    .verdicts
                    .insert(first.scenario.clone(), first.clone());
            }
            record
        };
        let old = with(|_| 1.0);
        // The last one takes half the time, which is as much as twice the time.
        let new = with(|number| {
            if number == 22 {
                0.5
            } else {
                2.0 + f64::from(number) / 10.0
            }
        });
        let comparison = Comparison::new(&old, &new);
        let order: Vec<_> = comparison
            .changes
            .iter()
            .map(|one| one.of.as_str())
            .collect();
        assert_eq!(order[..3], ["s21", "s20", "s19"]);
        assert_eq!(order[20..], ["s01", "s00", "s22"]);
        let text = comparison.text();
        assert!(
            text.starts_with("Time that changed by a quarter or more (23)\n  s21  "),
            "{text}"
        );
        assert!(
            text.contains("  s02  1.00 s → 2.20 s\n  and 3 more\n"),
            "{text}"
        );
    }

    #[test]
    fn packets_are_counted_in_the_captures() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden/proton");
        let with = |name: &str| {
            let path = golden.join(name).display().to_string();
            changed(move |one| one.capture = Some(path.clone()))
        };
        let few = with("pull/server/pipelined-requests-get-an-item-each.pcapng");
        assert_eq!(compared(&few, &few), []);
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/field");
        let many = golden.join("legacy-single.pcap").display().to_string();
        let many = changed(move |one| one.capture = Some(many.clone()));
        let told = compared(&few, &many);
        assert!(
            told.iter().all(|(what, _)| *what == ChangeKind::Packets),
            "{told:?}"
        );
        assert!(told[0].1.starts_with("9 → "), "{}", told[0].1);
    }
}
