//! A scenario against the reference machine in virtual time: one event loop, no socket, no clock.
//!
//! Both sides are on one [`Network`](crate::network::Network) whose link takes [`LATENCY`] each way.
//! It is ideal, in order and once, unless the scenario or the settings impair it. The capture of an
//! ideal link has the times of the scripted peer's side; that of an impaired one is taken at the
//! reference: what it sent when it sent it, and what reached it when it reached it. The same
//! scenario, settings and seed give the same bytes.
//!
//! The reference stands for a process: an initiator begins when the script does, and when its
//! machine is finished the process ends with status 0, or 1 if its session failed.

mod record;
mod reference;
mod virtual_run;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_capture::{AnnotateError, CaptureError, WriteError, annotate_with_key_log};
use shakedown_protocol::monitor::{Observation, Vantage};
use shakedown_protocol::requirement::Level;
use shakedown_protocol::{MonitorSettings, Protocol, StreamParameters};

use crate::iut::{Exit, Iut, Timing, Waiver};
use crate::judge::{is_of_iut, judge};
use crate::network::{Fault, Impairment};
use crate::scenario::Scenario;
use crate::script::{ScriptOutcome, StepEvent};
use crate::verdict::{
    CaptureEvidence, Composed, Counter, CounterValues, Evidence, MEMORY_AT_MOST, compose,
    under_impairment, unless_missed,
};

use record::RunRecord;
pub use virtual_run::LATENCY;
use virtual_run::VirtualRun;

/// What a simulation needs to know besides the scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub stream: StreamParameters,
    /// What the implementation is set up with, as its description has it.
    pub values: IndexMap<String, Value>,
    /// How punctual the implementation is.
    pub timing: Timing,
    /// What its exit status means.
    pub exit: Exit,
    /// Largest datagram that the reference is set up to send, in bytes; 65,507 if not given.
    pub max_datagram: Option<usize>,
    /// Random seed, on both sides.
    pub seed: u64,
    /// The weakest level whose findings count.
    pub level: Level,
    /// Id of a requirement that the reference is to break: a faulty twin of it, to see that a
    /// scenario finds it.
    pub without: Option<&'static str>,
    /// What the network does in scenarios that do not say it themselves. What a script misses then
    /// is the network's doing, and inconclusive.
    pub impair: Option<Impairment>,
}

impl Settings {
    /// The reference as a description says that it is started.
    #[must_use]
    pub fn of(iut: &Iut, seed: u64, level: Level) -> Self {
        Self {
            stream: iut.stream,
            values: iut.values.clone(),
            timing: iut.timing,
            exit: iut.exit,
            max_datagram: iut.max_datagram,
            seed,
            level,
            without: None,
            impair: None,
        }
    }

    /// The same with a network that draws other lots.
    #[must_use]
    pub fn drawn_again(&self, times: u32) -> Self {
        let impair = self.impair.as_ref();
        Self {
            impair: impair.map(|impair| impair.drawn_again(self.seed, times)),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn stream_of(&self, scenario: &Scenario) -> StreamParameters {
        scenario.iut.stream_for(self.stream)
    }

    /// What the network does in a scenario.
    #[must_use]
    pub fn impair_of<'a>(&'a self, scenario: &'a Scenario) -> Option<&'a Impairment> {
        scenario.impair.as_ref().or(self.impair.as_ref())
    }
}

impl Default for Settings {
    /// 100 frames of 1,000 bytes at 50 frames a second, and seed 1.
    fn default() -> Self {
        Self {
            stream: StreamParameters {
                bits_per_second: 400_000,
                frames_per_second: 50,
                seconds: 2,
            },
            values: IndexMap::new(),
            timing: Timing::default(),
            exit: Exit::default(),
            max_datagram: None,
            seed: 1,
            level: Level::Should,
            without: None,
            impair: None,
        }
    }
}

/// What a verdict in virtual time is to say, and to overlook.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reporting<'a> {
    /// Where the capture will be, if it is to be written.
    pub capture: Option<&'a str>,
    /// What the reference is known to break.
    pub waivers: &'a [Waiver],
}

/// A scenario that was simulated and judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// Verdict and findings; seconds are virtual.
    pub composed: Composed,
    /// How the script ended.
    pub outcome: ScriptOutcome,
    /// What the script did, step by step.
    pub events: Vec<StepEvent>,
    /// Frames that steps passed over, by name.
    pub ignored: IndexMap<String, u64>,
    /// The values that the scenario's names stood for at the end.
    pub bindings: IndexMap<String, Value>,
    /// The capture, a pcapng file with comments.
    pub capture: Vec<u8>,
    /// What the network did, as exact faults, if it left something to chance.
    pub happened: Option<Vec<Fault>>,
}

/// Why a scenario could not be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The reference cannot be what the scenario needs.
    #[error("the reference cannot be started: {0}")]
    Reference(String),
    /// The capture could not be written.
    #[error(transparent)]
    Capture(#[from] WriteError),
    /// More was sent than is kept.
    #[error("more than {} MiB were sent in virtual time", .0 / (1 << 20))]
    TooMuch(usize),
    /// Our own capture could not be read again.
    #[error("the simulated capture cannot be read: {0}")]
    Unreadable(#[from] CaptureError),
    /// Our own capture could not be commented.
    #[error("the simulated capture cannot be commented: {0}")]
    Comments(#[from] AnnotateError),
}

/// Plays a scenario against the protocol's reference and judges it.
///
/// # Errors
/// [`SimulationError`]; what is wrong with the scenario shows in the verdict instead.
pub fn simulate(
    protocol: &'static Protocol,
    scenario: &Scenario,
    settings: &Settings,
) -> Result<Simulated, SimulationError> {
    simulate_for(protocol, scenario, settings, Reporting::default())
}

/// The same for a report.
///
/// # Errors
/// [`SimulationError`], as of [`simulate`].
pub fn simulate_for(
    protocol: &'static Protocol,
    scenario: &Scenario,
    settings: &Settings,
    reporting: Reporting<'_>,
) -> Result<Simulated, SimulationError> {
    let mut played = VirtualRun::new(protocol, scenario, settings)?.play()?;
    let last = played.events.last().map(|event| event.step.as_str());
    let last = last.unwrap_or_default();
    played.outcome = match &settings.impair {
        Some(impair) if scenario.impair.is_none() => {
            let effects = &played.effects;
            under_impairment(protocol, scenario, played.outcome, impair, effects, last)
        }
        Some(_) | None => unless_missed(played.outcome, &played.missed, last),
    };
    let observed = observe(protocol, scenario, settings, &played)?;
    let evidence = Evidence {
        protocol,
        scenario,
        script: &played.outcome,
        judgements: &played.judgements,
        counters: &counted(protocol, scenario, &played.counters),
        epoch: Duration::ZERO,
        capture: CaptureEvidence {
            path: reporting.capture,
            start: played.first_packet,
            observations: &observed.observations,
            payloads: &observed.payloads,
            damage: None,
        },
        process: None,
        unexpected_end: played.unexpected_end,
        level: settings.level,
        waivers: reporting.waivers,
        seconds: played.end.as_secs_f64(),
    };
    let composed = compose(&evidence);
    let mut comments = played.comments;
    composed.comment(&mut comments);
    let mut capture = Vec::new();
    let key_log = played.key_log.as_bytes();
    annotate_with_key_log(&*played.capture, &mut capture, &comments, key_log)?;
    Ok(Simulated {
        composed,
        outcome: played.outcome,
        events: played.events,
        ignored: played.ignored,
        bindings: played.bindings,
        capture,
        happened: played.happened,
    })
}

/// Most bytes that the reference may hold back for a client that does not read: there is no other
/// memory to look at.
const MEMORY: u64 = 3 << 20;

/// The counters of the reference by the names of the specification.
fn counted(protocol: &Protocol, scenario: &Scenario, counters: &Value) -> CounterValues {
    let side = scenario.iut.role as usize;
    let places = protocol.counters.iter();
    let places = places.map(|(name, at)| ((*name).to_owned(), at[side].to_owned()));
    let places = places.collect();
    let names = scenario
        .inside
        .iter()
        .map(|counted| counted.counter.clone());
    let read = names.map(|name| {
        let counter = Counter::read(&name, &places, counters);
        (name, counter)
    });
    let memory = (MEMORY_AT_MOST.to_owned(), Counter::Is(MEMORY));
    read.chain([memory]).collect()
}

/// What the monitor says of a capture.
struct Observed {
    observations: Vec<Observation>,
    /// The payloads of packets that it names.
    payloads: BTreeMap<u64, Vec<u8>>,
}

fn observe(
    protocol: &'static Protocol,
    scenario: &Scenario,
    settings: &Settings,
    played: &RunRecord,
) -> Result<Observed, CaptureError> {
    let settings = MonitorSettings {
        vantage: Vantage::Sender,
        tolerance: settings.timing.tolerance(),
        buffer_period: settings.timing.buffer_period.as_fixed(),
        stream: Some(settings.stream_of(scenario)),
        max_datagram: settings.max_datagram,
        options: Some(scenario.iut.options.clone()),
        mode: Some(protocol.mode_of(&scenario.iut.mode).to_owned()),
        supervised: true,
        watched_until: Some(played.watched_until),
        stopped: played.stopped.clone(),
    };
    let mut observations = Vec::new();
    let mut payloads = BTreeMap::new();
    let judged = judge(
        &*played.capture,
        &[protocol],
        &settings,
        played.key_log.as_bytes(),
        &mut |said| {
            if !is_of_iut(&said.observation, scenario.iut.role, &played.own) {
                return;
            }
            if let (Observation::Finding(finding), Some(payload)) =
                (&said.observation, said.payload)
                && let Some(packet) = finding.packet
            {
                payloads.insert(packet, payload.to_vec());
            }
            observations.push(said.observation);
        },
    )?;
    match judged.damage {
        Some(damage) => Err(damage),
        None => Ok(Observed {
            observations,
            payloads,
        }),
    }
}
