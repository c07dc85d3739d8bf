use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};
use shakedown_engine::event::{
    CheckSummary, Event, FindingEvent, LoadSummary, PlannedImplementation, SessionEvent, Summary,
    VerdictEvent, WaiverEvent, matches_nothing,
};
use shakedown_engine::interop::Standing;
use shakedown_engine::verdict::Verdict;

use crate::Table;
use crate::again::Call;

/// The state of an event stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// The run, if it is one; several that are reported as one are added up.
    pub run: Option<Run>,
    /// Scenarios and pairs that began and have no verdict yet, in the order in which they began.
    pub running: IndexSet<String>,
    /// Scenarios judged, by id.
    pub verdicts: IndexMap<String, VerdictEvent>,
    /// Findings, in the order in which they came; of one scenario or capture the first
    /// [`Record::MOST_FINDINGS`] that count and as many that do not, so that memory stays bounded.
    pub findings: Vec<FindingEvent>,
    /// How many there were of each scenario or capture, those that count and those that do not.
    numbers: IndexMap<String, [u64; 2]>,
    /// Sessions found in captures, the first [`Record::MOST_SESSIONS`]; [`CheckSummary::sessions`]
    /// counts those of its capture all.
    pub sessions: Vec<SessionEvent>,
    /// What load runs measured.
    pub loads: Vec<LoadSummary>,
    /// How the run ended, once it did; of several runs, all that did.
    pub summary: Option<Summary>,
    pub checks: Vec<CheckSummary>,
    /// Implementations that were set against each other.
    pub table: Option<Table>,
    /// If runs of several implementations are merged: each run, by its name.
    pub implementations: IndexMap<String, Self>,
    /// The implementation of the run that began last.
    newest: String,
}

/// How a run began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// The implementation's name; of several, joined.
    pub iut: String,
    /// Whether the reference of this program was tested.
    pub reference: bool,
    /// Random seed; of several, joined.
    pub seed: String,
    /// How packets are recorded, and why; of several ways, joined.
    pub capture: String,
    pub scenarios: usize,
    /// How many of them are played.
    pub played: usize,
    /// Ids of the scenarios that it plays.
    pub selected: IndexSet<String>,
    /// Runs that began and have not come to their end.
    pub open: usize,
    /// The parts of a split run that began: `2/3`.
    pub parts: BTreeSet<String>,
    /// How each of them was called.
    pub(crate) calls: Vec<Call>,
}

impl Record {
    /// Most findings of one scenario or capture that are kept, of each kind.
    pub const MOST_FINDINGS: u64 = 200;

    /// Most sessions that are kept, so that memory stays bounded when a capture holds a scan.
    pub const MOST_SESSIONS: usize = 1_000;

    /// Takes the next event.
    pub fn add(&mut self, event: &Event) {
        if let Event::RunStarted { iut, .. } = event {
            let is_another = !self.newest.is_empty() && self.newest != *iut;
            if is_another && self.implementations.is_empty() {
                let first = self.clone();
                self.implementations.insert(self.newest.clone(), first);
            }
            self.newest.clone_from(iut);
        }
        if !self.implementations.is_empty() {
            let one = self.implementations.entry(self.newest.clone());
            one.or_default().add(event);
        }
        match event {
            Event::RunStarted {
                version: _,
                iut,
                seed,
                capture,
                scenarios,
                plan,
            } => {
                let run = self.run.get_or_insert_default();
                run.reference |= plan.reference;
                join(&mut run.iut, iut);
                join(&mut run.seed, &seed.to_string());
                join(&mut run.capture, capture);
                run.scenarios = run.scenarios.saturating_add(*scenarios);
                let planned = plan.implementations.iter();
                let played = planned.map(PlannedImplementation::played);
                run.played = played.fold(run.played, usize::saturating_add);
                run.selected.extend(plan.selected.iter().cloned());
                run.parts.extend(plan.part.clone());
                run.calls.extend(Call::new(plan, *seed));
                run.open += 1;
            }
            Event::ScenarioStarted { scenario } => {
                self.running.insert(scenario.clone());
            }
            Event::Step { .. } | Event::LoadProgress(_) | Event::Digest { .. } => {}
            Event::LoadFinished(load) => self.loads.push(load.clone()),
            Event::Session(session) => {
                if self.sessions.len() < Self::MOST_SESSIONS {
                    self.sessions.push(session.clone());
                }
            }
            Event::Finding(finding) => self.add_finding(finding),
            Event::Verdict(verdict) => {
                self.running.shift_remove(&verdict.scenario);
                let known = self.verdicts.get(&verdict.scenario);
                // Judged in several runs: a verdict never improves.
                if known.is_none_or(|known| known.verdict <= verdict.verdict) {
                    let id = verdict.scenario.clone();
                    self.verdicts.insert(id, verdict.clone());
                }
            }
            Event::RunFinished(summary) => {
                if let Some(run) = &mut self.run {
                    run.open = run.open.saturating_sub(1);
                }
                match &mut self.summary {
                    Some(all) => join_summary(all, summary),
                    None => self.summary = Some(summary.clone()),
                }
                self.judge_waivers_of_all_parts();
            }
            Event::CheckFinished(check) => self.checks.push(check.clone()),
            Event::InteropStarted(started) => match &mut self.table {
                Some(table) => table.join(started),
                None => self.table = Some(Table::new(started)),
            },
            Event::PairStarted { pair } => {
                self.running.insert(pair.clone());
            }
            Event::Pair(pair) => {
                self.running.shift_remove(&pair.pair);
                if let Some(table) = &mut self.table {
                    table.add(pair);
                }
            }
            Event::InteropFinished(summary) => {
                if let Some(table) = &mut self.table {
                    table.finish(summary);
                }
            }
        }
    }

    /// Once all shards of a run have reported: a waiver that matched nothing in any of
    /// them fails the run, as it fails one that is not split.
    fn judge_waivers_of_all_parts(&mut self) {
        let (Some(run), Some(all)) = (&self.run, &mut self.summary) else {
            return;
        };
        let last = run.parts.last().and_then(|part| part.split_once('/'));
        let total = last.and_then(|(_, total)| total.parse().ok());
        if run.open > 0 || all.interrupted || total != Some(run.parts.len()) {
            return;
        }
        let stale = all.waivers.iter().filter(|one| one.matched == Some(false));
        let stale: Vec<_> = stale
            .map(|one| matches_nothing(&one.iut, &one.waiver))
            .collect();
        for message in stale {
            all.exit = worse(all.exit, 1);
            all.message = format!("{message}; {}", all.message);
            all.failing.push(message);
        }
    }

    fn add_finding(&mut self, finding: &FindingEvent) {
        let place = finding.scenario.as_deref().or(finding.capture.as_deref());
        let place = place.unwrap_or_default().to_owned();
        let number = &mut self.numbers.entry(place).or_default()[usize::from(!finding.counts())];
        *number += 1;
        if *number <= Self::MOST_FINDINGS {
            self.findings.push(finding.clone());
        }
    }

    /// How many findings of a scenario, or of a capture that was checked, were not kept.
    #[must_use]
    pub fn left_out(&self, place: &str) -> u64 {
        let numbers = self.numbers.get(place).into_iter().flatten();
        numbers
            .map(|number| number.saturating_sub(Self::MOST_FINDINGS))
            .sum()
    }

    /// The verdicts, worst first and then by id.
    #[must_use]
    pub fn worst_first(&self) -> Vec<&VerdictEvent> {
        let mut verdicts: Vec<&VerdictEvent> = self.verdicts.values().collect();
        verdicts.sort_by(|a, b| {
            let worse = b.verdict.cmp(&a.verdict);
            worse.then_with(|| a.scenario.cmp(&b.scenario))
        });
        verdicts
    }

    /// How many scenarios were played and judged.
    #[must_use]
    pub fn played(&self) -> usize {
        let verdicts = self.verdicts.values();
        verdicts.filter(|verdict| !verdict.was_left_out()).count()
    }

    #[must_use]
    pub fn by_id(&self) -> Vec<&VerdictEvent> {
        let mut verdicts: Vec<&VerdictEvent> = self.verdicts.values().collect();
        verdicts.sort_by(|a, b| a.scenario.cmp(&b.scenario));
        verdicts
    }

    /// The scenarios that were to be played and have no verdict, by id.
    #[must_use]
    pub fn unjudged(&self) -> Vec<&str> {
        let selected = self.run.iter().flat_map(|run| &run.selected);
        let all: IndexSet<&str> = selected.chain(&self.running).map(String::as_str).collect();
        let mut unjudged: Vec<&str> = all.into_iter().collect();
        unjudged.retain(|id| !self.verdicts.contains_key(*id));
        unjudged.sort_unstable();
        unjudged
    }

    pub fn findings_of<'a>(&'a self, scenario: &'a str) -> impl Iterator<Item = &'a FindingEvent> {
        self.findings
            .iter()
            .filter(move |finding| finding.scenario.as_deref() == Some(scenario))
    }

    /// The findings of a capture that was checked.
    pub fn findings_in<'a>(&'a self, capture: &'a str) -> impl Iterator<Item = &'a FindingEvent> {
        self.findings.iter().filter(move |finding| {
            finding.scenario.is_none() && finding.capture.as_deref() == Some(capture)
        })
    }

    /// How many scenarios have each verdict, from the worst to the best, without the zeroes.
    #[must_use]
    pub fn counts(&self) -> Vec<(Verdict, usize)> {
        let of = |verdict| {
            let same = self.verdicts.values().filter(|v| v.verdict == verdict);
            (verdict, same.count())
        };
        let all = Verdict::ALL.into_iter().rev().map(of);
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// The worst verdict on each requirement, in the specification's order. Where one capture or
    /// scenario judged it, those to which it did not apply, or that did not observe it, say nothing.
    #[must_use]
    pub fn requirements(&self) -> Vec<(String, Verdict)> {
        let told = self.summary.iter().flat_map(|s| &s.requirements);
        let checked = self.checks.iter().flat_map(|c| &c.requirements);
        let judged = self.verdicts.values().flat_map(|v| &v.requirements);
        // Without a summary the run was cut off: the verdicts so far are all there is.
        let judged = judged.filter(|_| self.summary.is_none());
        let mut worst: IndexMap<&str, Verdict> = IndexMap::new();
        for (id, verdict) in told.chain(checked).chain(judged) {
            let known = worst.entry(id).or_insert(*verdict);
            *known = known.with(*verdict);
        }
        let order = |id: &str| {
            let all = crate::requirements::all_beside(std::iter::once(id));
            let place = all.iter().position(|requirement| requirement.id == id);
            place.unwrap_or(usize::MAX)
        };
        let mut all: Vec<(String, Verdict)> = worst
            .into_iter()
            .map(|(id, verdict)| (id.to_owned(), verdict))
            .collect();
        all.sort_by_cached_key(|(id, _)| (order(id), id.clone()));
        all
    }

    /// Whether the run came to its end; what was only a check did.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_open = self.run.as_ref().is_some_and(|run| run.open > 0);
        let is_set = self
            .table
            .as_ref()
            .is_some_and(|table| !table.is_complete());
        !is_open && !is_set && !self.summary.as_ref().is_some_and(|s| s.interrupted)
    }

    /// The exit code that the runs and checks together have; a run without an end is an error, and
    /// where there was neither there was nothing to judge. What was judged counts, whatever the events
    /// say of how they ended.
    #[must_use]
    pub fn exit(&self) -> u8 {
        let told = self.summary.iter().map(|summary| summary.exit);
        let checked = self.checks.iter().map(|check| check.exit);
        let met = self.table.iter().flat_map(|table| &table.summaries);
        let met = met.map(|summary| summary.exit);
        let cut = (!self.is_complete()).then_some(3);
        told.chain(checked)
            .chain(met)
            .chain(cut)
            .chain(self.judged())
            .reduce(worse)
            .unwrap_or(2)
    }

    /// The exit codes that follow from what was judged.
    fn judged(&self) -> impl Iterator<Item = u8> {
        let of_verdicts = self
            .verdicts
            .values()
            .filter_map(|event| match event.verdict {
                Verdict::Fail => Some(1),
                Verdict::Error | Verdict::Inconclusive => Some(3),
                Verdict::Pass
                | Verdict::Advice
                | Verdict::Waived
                | Verdict::NotObserved
                | Verdict::NotApplicable => None,
            });
        // What a capture leaves in doubt is no reason to fail.
        let checked = self
            .checks
            .iter()
            .flat_map(|check| check.requirements.values());
        let broken = checked
            .filter(|verdict| **verdict == Verdict::Fail)
            .map(|_| 1);
        let pairs = self.table.iter().flat_map(|table| table.counts());
        let of_pairs = pairs.filter_map(|(standing, _)| match standing {
            Standing::NotAsDemanded | Standing::Breaks => Some(1),
            Standing::Error | Standing::Inconclusive => Some(3),
            Standing::AsDemanded | Standing::LeftOpen | Standing::Excused => None,
        });
        let failing = self.summary.iter().flat_map(|summary| &summary.failing);
        of_verdicts
            .chain(broken)
            .chain(of_pairs)
            .chain(failing.map(|_| 1))
    }
}

/// Exit codes, the one that applies first coming first.
const EXITS: [u8; 5] = [130, 2, 1, 3, 0];

/// The exit code of two that applies first.
fn worse(a: u8, b: u8) -> u8 {
    let rank = |exit| EXITS.iter().position(|known| *known == exit);
    if rank(a) <= rank(b) { a } else { b }
}

/// Adds a name to a list, once.
fn join(all: &mut String, name: &str) {
    if !all.split("; ").any(|known| known == name) {
        let separator = if all.is_empty() { "" } else { "; " };
        *all += separator;
        *all += name;
    }
}

/// Adds the end of another run.
fn join_summary(all: &mut Summary, other: &Summary) {
    for (verdict, number) in &other.counts {
        *all.counts.entry(verdict.clone()).or_default() += number;
    }
    for (id, verdict) in &other.requirements {
        let known = all.requirements.entry(id.clone()).or_insert(*verdict);
        *known = known.with(*verdict);
    }
    all.exit = worse(all.exit, other.exit);
    if all.message != other.message {
        all.message = format!("{}; {}", all.message, other.message);
    }
    let new = other.failing.iter();
    let new = new.filter(|reason| !all.failing.contains(reason));
    let new: Vec<String> = new.cloned().collect();
    all.failing.extend(new);
    let new = other.notes.iter().filter(|note| !all.notes.contains(note));
    let new: Vec<String> = new.cloned().collect();
    all.notes.extend(new);
    for waiver in &other.waivers {
        let is_it =
            |one: &&mut WaiverEvent| (&one.iut, &one.waiver) == (&waiver.iut, &waiver.waiver);
        match all.waivers.iter_mut().find(is_it) {
            // Matched in one of them, or not known in one of them, or matched in none.
            Some(known) => {
                known.matched = match (known.matched, waiver.matched) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (None, _) | (_, None) => None,
                    (Some(false), Some(false)) => Some(false),
                }
            }
            None => all.waivers.push(waiver.clone()),
        }
    }
    all.interrupted |= other.interrupted;
    all.seconds += other.seconds;
}

#[cfg(test)]
mod tests;
