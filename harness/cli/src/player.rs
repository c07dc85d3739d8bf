//! Who plays a candidate of `shrink`: the reference in virtual time, or an implementation over sockets.

use std::path::Path;

use shakedown_engine::event::{Event, FindingEvent, RunPlan, VerdictEvent};
use shakedown_engine::iut::Iut;
use shakedown_engine::network::Fault;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::ScriptOutcome;
use shakedown_engine::simulation::{Settings, simulate};
use shakedown_net::run::{Assignment, CaptureBy, Plan, run};
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Level;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// Plays a scenario once.
pub(crate) enum Player<'a> {
    /// The reference or a faulty twin of it, in virtual time.
    Virtual(Box<Virtual>),
    /// An implementation over sockets.
    Live(Live<'a>),
}

/// The reference in virtual time.
#[derive(Debug, Clone)]
pub(crate) struct Virtual {
    pub(crate) protocol: &'static Protocol,
    /// Settings of the scripted peer and the reference.
    pub(crate) settings: Settings,
}

/// An implementation over sockets.
pub(crate) struct Live<'a> {
    pub(crate) iut: &'a Iut,
    /// Where it is played.
    pub(crate) runtime: &'a Runtime,
    /// Turns true when the user wants an end.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) seed: u64,
    pub(crate) shakedown: String,
    /// A folder for captures that are discarded.
    pub(crate) captures: &'a Path,
}

/// A scenario played once.
#[derive(Debug)]
pub(crate) struct PlayResult {
    pub(crate) verdict: VerdictEvent,
    pub(crate) findings: Vec<FindingEvent>,
    /// What a network that leaves something to chance did, where that is known.
    pub(crate) happened: Option<Vec<Fault>>,
}

impl Player<'_> {
    /// Plays a scenario.
    ///
    /// # Errors
    /// A human-readable error, if it could not be played.
    pub(crate) fn play(&self, scenario: &Scenario) -> Result<PlayResult, String> {
        match self {
            Self::Virtual(reference) => reference.play(scenario),
            Self::Live(live) => live.play(scenario),
        }
    }
}

impl Virtual {
    /// Plays a scenario.
    ///
    /// # Errors
    /// A human-readable error, if it could not be played.
    pub(crate) fn play(&self, scenario: &Scenario) -> Result<PlayResult, String> {
        let simulated = simulate(self.protocol, scenario, &self.settings);
        let simulated = simulated.map_err(|error| error.to_string())?;
        Ok(PlayResult {
            verdict: simulated.composed.verdict,
            findings: simulated.composed.findings,
            happened: simulated.happened,
        })
    }

    /// Whether every step was played and nothing was found.
    pub(crate) fn passes(&self, scenario: &Scenario) -> bool {
        simulate(self.protocol, scenario, &self.settings).is_ok_and(|simulated| {
            let found = &simulated.composed.findings;
            simulated.outcome == ScriptOutcome::Passed && !found.iter().any(FindingEvent::counts)
        })
    }
}

impl Live<'_> {
    fn play(&self, scenario: &Scenario) -> Result<PlayResult, String> {
        let plan = Plan {
            told: RunPlan::default(),
            assignments: vec![Assignment {
                iut: self.iut.clone(),
                scenarios: vec![scenario.clone()],
                is_full: false,
            }],
            jobs: 1,
            seed: self.seed,
            captures: self.captures.to_owned(),
            capture: CaptureBy::Tap,
            impair: None,
            without: None,
            slow: true,
            level: Level::May,
            retries: 1,
            fail_fast: false,
            timeout: None,
            verbose: false,
            shakedown: self.shakedown.clone(),
        };
        let (events, mut told) = mpsc::unbounded_channel();
        let summary = self.runtime.block_on(run(plan, events, self.stop.clone()));
        if summary.interrupted {
            return Err(String::from("interrupted"));
        }
        let mut findings = Vec::new();
        let mut judged = None;
        while let Ok(event) = told.try_recv() {
            match event {
                Event::Finding(finding) => findings.push(finding),
                Event::Verdict(verdict) => judged = Some(verdict),
                // The rest is discarded.
                _ => {}
            }
        }
        // A run that was broken off has no verdict, and says why.
        let verdict = judged.ok_or(summary.message)?;
        Ok(PlayResult {
            verdict,
            findings,
            happened: None,
        })
    }
}
