//! A run in virtual time: the reference and the scripted peer in this process, without a socket and
//! without a clock. The same plan gives the same events and the same captures, byte for byte,
//! whatever the machine and however many scenarios are played at the same time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use shakedown_engine::event::{Event, Summary, VERSION, VIRTUAL};
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::simulation::{Reporting, Settings, Simulated, simulate_for};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::Protocol;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::early::Cut;
use super::result::ScenarioResult;
use super::summary::Ending;
use super::{Plan, why_not_applicable};
use crate::clock::Clock;

/// Runs a plan in virtual time. The implementations are the reference, set up as they are
/// described; how packets are recorded and which program is this are of no meaning here. Events
/// come in the order of the scenarios; the last is [`Event::RunFinished`] with the summary that is
/// returned. Every length of time in them is virtual.
pub async fn run_in_virtual_time(
    plan: Plan,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> Summary {
    let today = Clock::start().today();
    let names = plan.names();
    let mut ending = Ending::at_the_begin_of(&plan);
    let impair = plan.impair.filter(|impair| !impair.is_ideal());
    let emit = |event| {
        // The receiver may be gone.
        let _ = events.send(event);
    };
    emit(Event::RunStarted {
        version: VERSION,
        iut: twin(names, plan.without),
        seed: plan.seed,
        capture: VIRTUAL.to_owned(),
        scenarios: ending.selected,
        plan: plan.told,
    });
    // More than there are processors would only wait for each other.
    let width = plan
        .jobs
        .min(available_parallelism().map_or(1, usize::from));
    let places = Arc::new(Semaphore::new(width.max(1)));
    let captures: Arc<Path> = plan.captures.into();
    let is_last = |judged: &[ScenarioResult]| {
        let last = judged.last().map(|one| one.verdict.verdict);
        plan.fail_fast && last == Some(Verdict::Fail)
    };
    for assignment in plan.assignments {
        if ending.cut.is_some() {
            break;
        }
        let Some(protocol) = shakedown_protocol::protocol(&assignment.iut.protocol) else {
            let name = &assignment.iut.protocol;
            ending.broken_off = Some(format!("there is no protocol {name:?}"));
            continue;
        };
        let target = Arc::new(Target {
            protocol,
            settings: Settings {
                impair: impair.clone(),
                without: plan.without,
                ..Settings::of(&assignment.iut, plan.seed, plan.level)
            },
            iut: assignment.iut,
            captures: Arc::clone(&captures),
            verbose: plan.verbose,
            retries: plan.retries,
        });
        let mut judged = Vec::new();
        let mut playing: VecDeque<(Scenario, JoinHandle<SimulatedResult>)> = VecDeque::new();
        for scenario in assignment.scenarios {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                break;
            };
            if *stop.borrow() || is_last(&judged) {
                break;
            }
            let (target, own) = (Arc::clone(&target), scenario.clone());
            let task = tokio::task::spawn_blocking(move || {
                let told = target.play(&own);
                drop(place);
                told
            });
            playing.push_back((scenario, task));
            while !is_last(&judged) && playing.front().is_some_and(|(_, task)| task.is_finished()) {
                if let Some((scenario, task)) = playing.pop_front() {
                    judged.push(report_result(&scenario, task, &emit).await);
                }
            }
        }
        for (scenario, task) in playing {
            match is_last(&judged) {
                // What was begun meanwhile is not judged: which scenarios that are is chance.
                true => drop(task.await),
                false => judged.push(report_result(&scenario, task, &emit).await),
            }
        }
        ending.cut = is_last(&judged).then_some(Cut::FirstFailure);
        ending.interrupted |= *stop.borrow() || ending.cut.is_some();
        ending.add(&target.iut, assignment.is_full, true, today, judged, &[]);
    }
    // As if one scenario had been played after the other.
    let seconds: f64 = ending.verdicts.iter().map(|of| of.seconds).sum();
    ending.took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let summary = ending.summary();
    emit(Event::RunFinished(summary.clone()));
    summary
}

/// The name of the implementation; that of a twin says so.
fn twin(name: String, without: Option<&str>) -> String {
    match without {
        Some(requirement) => format!("{name}, a faulty twin without {requirement}"),
        None => name,
    }
}

/// The reference in a role, and what all its scenarios share.
struct Target {
    protocol: &'static Protocol,
    iut: Iut,
    settings: Settings,
    captures: Arc<Path>,
    verbose: bool,
    /// Retries of a scenario that the network spoiled.
    retries: u32,
}

/// Events of a scenario, besides its verdict.
struct SimulatedResult {
    events: Vec<Event>,
    played: ScenarioResult,
}

/// Reports the result of a scenario. If the harness fails in it, the others continue.
async fn report_result(
    scenario: &Scenario,
    task: JoinHandle<SimulatedResult>,
    emit: &impl Fn(Event),
) -> ScenarioResult {
    let SimulatedResult { events, played } = task.await.unwrap_or_else(|error| {
        let why = format!("the harness broke: {error}");
        not(scenario, why, Verdict::Error)
    });
    for event in events {
        emit(event);
    }
    emit(Event::Verdict(played.verdict.clone()));
    played
}

fn not(scenario: &Scenario, why: String, verdict: Verdict) -> SimulatedResult {
    SimulatedResult {
        events: Vec::new(),
        played: ScenarioResult::not_played(scenario, why, verdict, Duration::ZERO),
    }
}

impl Target {
    /// Plays a scenario, judges it and writes its capture.
    fn play(&self, scenario: &Scenario) -> SimulatedResult {
        if let Some(why) = why_not_applicable(&self.iut, scenario) {
            return not(scenario, why, Verdict::NotApplicable);
        }
        let path = self.captures.join(format!("{}.pcapng", scenario.id));
        let shown = path.display().to_string();
        let reporting = Reporting {
            capture: Some(&shown),
            waivers: &self.iut.waive,
        };
        let played = scenario.asked_of(&self.iut);
        let mut spoilt = 0;
        let mut result = loop {
            let settings = self.settings.drawn_again(spoilt);
            let simulated = simulate_for(self.protocol, &played, &settings, reporting);
            let attempt = match simulated {
                Ok(simulated) => self.write_capture(simulated, &path),
                Err(error) => not(scenario, error.to_string(), Verdict::Error),
            };
            let imposed = settings.impair.filter(|_| scenario.impair.is_none());
            let is_random = imposed.is_some_and(|impair| impair.is_random());
            if !is_random || !attempt.played.is_undecided() || spoilt == self.retries {
                break attempt;
            }
            spoilt += 1;
        };
        result.played.note_spoilt(spoilt);
        let scenario = scenario.id.clone();
        result.events.insert(0, Event::ScenarioStarted { scenario });
        result
    }

    fn write_capture(&self, simulated: Simulated, path: &Path) -> SimulatedResult {
        let composed = simulated.composed;
        let mut verdict = composed.verdict;
        let mut findings = composed.findings;
        if let Err(why) = write(path, &simulated.capture) {
            // A verdict without its evidence is none.
            let why = format!("{} cannot be written: {why}", path.display());
            verdict.verdict = verdict.verdict.max(Verdict::Inconclusive);
            verdict.reason = Some(
                verdict
                    .reason
                    .map_or(why.clone(), |reason| format!("{reason}; {why}")),
            );
            verdict.capture = None;
            findings
                .iter_mut()
                .for_each(|finding| finding.capture = None);
        }
        let mut events = Vec::new();
        if self.verbose {
            let steps = simulated.events.iter();
            events.extend(steps.map(|step| step.event(&verdict.scenario)));
        }
        events.extend(findings.into_iter().map(Event::Finding));
        SimulatedResult {
            events,
            played: ScenarioResult {
                verdict,
                waived: composed.waived,
                notes: Vec::new(),
            },
        }
    }
}

/// Writes a capture, and the folders to it.
fn write(path: &Path, capture: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, capture)
}
