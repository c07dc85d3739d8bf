use indexmap::{IndexMap, IndexSet};
use shakedown_engine::event::{
    CheckSummary, Event, FindingEvent, SessionEvent, Summary, VerdictEvent,
};
use shakedown_engine::verdict::Verdict;

/// What a stream of events has told so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// The run, if it is one.
    pub run: Option<Run>,
    /// Scenarios that began and have no verdict yet, in the order in which they began.
    pub running: IndexSet<String>,
    /// Scenarios judged, by id.
    pub verdicts: IndexMap<String, VerdictEvent>,
    /// Findings, in the order in which they came.
    pub findings: Vec<FindingEvent>,
    /// Sessions found in captures.
    pub sessions: Vec<SessionEvent>,
    /// How the run ended, once it did.
    pub summary: Option<Summary>,
    /// Captures checked.
    pub checks: Vec<CheckSummary>,
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The implementation's name.
    pub iut: String,
    /// Seed of everything random.
    pub seed: u64,
    /// How packets are recorded, and why.
    pub capture: String,
    /// Scenarios selected.
    pub scenarios: usize,
}

impl Record {
    /// Takes the next event.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::RunStarted {
                version: _,
                iut,
                seed,
                capture,
                scenarios,
            } => {
                self.run = Some(Run {
                    iut: iut.clone(),
                    seed: *seed,
                    capture: capture.clone(),
                    scenarios: *scenarios,
                });
            }
            Event::ScenarioStarted { scenario } => {
                self.running.insert(scenario.clone());
            }
            Event::Step { .. } => {}
            Event::Session(session) => self.sessions.push(session.clone()),
            Event::Finding(finding) => self.findings.push(finding.clone()),
            Event::Verdict(verdict) => {
                self.running.shift_remove(&verdict.scenario);
                self.verdicts
                    .insert(verdict.scenario.clone(), verdict.clone());
            }
            Event::RunFinished(summary) => self.summary = Some(summary.clone()),
            Event::CheckFinished(check) => self.checks.push(check.clone()),
        }
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

    /// The verdicts by id.
    #[must_use]
    pub fn by_id(&self) -> Vec<&VerdictEvent> {
        let mut verdicts: Vec<&VerdictEvent> = self.verdicts.values().collect();
        verdicts.sort_by(|a, b| a.scenario.cmp(&b.scenario));
        verdicts
    }

    /// The findings of a scenario.
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
            *known = add(*known, *verdict);
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
        match (&self.run, &self.summary) {
            (Some(_), Some(summary)) => !summary.interrupted,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

/// The sum of two verdicts on one requirement.
fn add(a: Verdict, b: Verdict) -> Verdict {
    const SILENT: [Verdict; 2] = [Verdict::NotApplicable, Verdict::NotObserved];
    match (SILENT.contains(&a), SILENT.contains(&b)) {
        (true, false) => b,
        (false, true) => a,
        (true, true) => a.min(b),
        (false, false) => a.max(b),
    }
}
