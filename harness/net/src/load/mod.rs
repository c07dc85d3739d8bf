//! A load: one scenario played many times at once against one process of an implementation.
//!
//! Each run has its own script and its own tuple; one event loop with one timer queue drives all.
//! Nothing is captured, so runs are judged by their steps alone, not by the monitor.

mod measure;
mod player;
mod suitable;
mod tuples;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use shakedown_carrier::Security;
use shakedown_engine::event::{
    Event, FindingEvent, LoadCause, LoadSummary, ProcessEvent, RunPlan, Summary, VERSION,
    VerdictEvent,
};
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::{Budget, Environment, Program, named_requirements};
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::requirement::Level;
use shakedown_protocol::{Protocol, ValueForm};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use crate::clock::Clock;
use crate::drive::bound;
use crate::kernel;
use crate::launch::{Instance, Launcher};
use crate::run::raise_file_limit;
use crate::stop::unless_stopped;

use player::{Loaded, Player};
use tuples::Tuples;

pub use suitable::why_not;
pub use tuples::MOST_PLAYS;

/// How long a session of which nothing more is known may go on besides its stream: the
/// retransmissions of a handshake take 3.5 s.
const HANDSHAKE: Duration = Duration::from_secs(4);

/// Most plays at the same time, where a server serves many.
const CONCURRENCY: u64 = 50;

/// The note about captures.
const NO_CAPTURE: &str = "nothing: a load records no packets, and its plays are judged by their \
                          steps alone";

/// A load that is wanted.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// The plan that is reported before a run.
    pub told: RunPlan,
    pub iut: Iut,
    pub scenario: Scenario,
    /// Number of runs, at most [`MOST_PLAYS`].
    pub repeat: u64,
    /// Concurrency; by default it depends on the protocol.
    pub concurrency: Option<u64>,
    pub seed: u64,
    /// This program, for `{shakedown}` in IUT descriptions.
    pub shakedown: String,
}

/// Runs a load test. Events are sent as they happen; the last is [`Event::RunFinished`] with the
/// summary that is returned. When `stop` turns true, current runs are aborted and the results so
/// far reported.
pub async fn load(
    mut plan: LoadSettings,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> Summary {
    raise_file_limit();
    plan.scenario = plan.scenario.asked_of(&plan.iut);
    let scenario = plan.scenario.id.clone();
    let tell = |event: Event| {
        // The receiver may be gone.
        let _ = events.send(event);
    };
    tell(Event::RunStarted {
        version: VERSION,
        iut: plan.iut.name.clone(),
        seed: plan.seed,
        capture: String::from(NO_CAPTURE),
        scenarios: 1,
        plan: plan.told.clone(),
    });
    tell(Event::ScenarioStarted { scenario });
    let summary = match play(&plan, &events, stop).await {
        Ok((told, summary)) => {
            told.into_iter().for_each(tell);
            summary
        }
        Err(why) => Summary {
            counts: IndexMap::new(),
            requirements: IndexMap::new(),
            exit: 2,
            message: why,
            failing: Vec::new(),
            waivers: Vec::new(),
            notes: Vec::new(),
            interrupted: false,
            seconds: 0.0,
        },
    };
    tell(Event::RunFinished(summary.clone()));
    summary
}

/// Starts the implementation, plays, and stops it.
///
/// # Errors
/// A human-readable error if it cannot be played at all.
async fn play(
    plan: &LoadSettings,
    events: &mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> Result<(Vec<Event>, Summary), String> {
    let name = &plan.iut.protocol;
    let protocol = shakedown_protocol::protocol(name)
        .ok_or_else(|| format!("there is no protocol {name:?}"))?;
    if let Some(why) = why_not(protocol, &plan.iut, &plan.scenario, plan.concurrency) {
        return Err(why);
    }
    let concurrency = plan.concurrency.unwrap_or(match protocol.serves_one {
        true => 1,
        false => CONCURRENCY,
    });
    let launcher = Launcher::new(
        Arc::new(plan.iut.clone()),
        plan.seed,
        plan.shakedown.clone(),
    );
    let launcher = launcher.of("load", &plan.scenario.iut);
    let launching = unless_stopped(&stop, launcher.responder(&plan.scenario.iut)).await;
    let launched = launching.ok_or("interrupted before the first play")?;
    let instance = launched.map_err(|error| error.to_string())?;
    let address = instance
        .address
        .ok_or("the implementation has no address to be reached at")?;
    let dropped_before = kernel::drops_at(address);
    let player = player(
        plan,
        protocol,
        concurrency,
        &launcher.iut,
        &instance,
        events,
        stop,
    )
    .map_err(|error| format!("there are no sockets for {concurrency} plays: {error}"))?;
    let loaded = spawn_blocking(move || player.run()).await;
    let dropped_by_iut = kernel::drops_at(address).saturating_sub(dropped_before);
    let process = process_event(
        &instance,
        loaded
            .as_ref()
            .is_ok_and(|it| it.as_ref().is_ok_and(|it| it.ended.is_some())),
    );
    if let Some(process) = &instance.process {
        process.stop().await;
    }
    let loaded = loaded
        .map_err(io::Error::other)
        .and_then(|loaded| loaded)
        .map_err(|error| format!("the load broke off: {error}"))?;
    Ok(Report {
        plan,
        concurrency,
        protocol,
        process,
        dropped_by_iut,
    }
    .of(loaded))
}

fn player(
    plan: &LoadSettings,
    protocol: &'static Protocol,
    concurrency: u64,
    iut: &Iut,
    instance: &Instance,
    events: &mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) -> io::Result<Player> {
    let address = instance.address.ok_or(io::ErrorKind::NotConnected)?;
    let stream = Duration::from_secs(u64::from(iut.stream.seconds));
    Ok(Player {
        program: Program::new(plan.scenario.clone()),
        environment: Environment {
            protocol,
            timing: iut.timing,
            stream: iut.stream,
            exit: iut.exit,
            iut: instance.address,
            seed: plan.seed,
            epoch: Clock::start().wall(Duration::ZERO),
            values: iut.values.clone(),
            security: Security::Tls,
            budget: Budget::for_scripts(usize::try_from(concurrency).unwrap_or(usize::MAX)),
        },
        scenario: plan.scenario.id.clone(),
        tuples: Tuples::open(address, stream.saturating_add(HANDSHAKE))?,
        plays: plan.repeat,
        concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
        limit: bound(&plan.scenario, iut),
        process: instance.process.clone(),
        events: events.clone(),
        stop,
    })
}

/// What became of the implementation's process, if it ended.
fn process_event(instance: &Instance, has_ended: bool) -> Option<ProcessEvent> {
    let process = instance.process.as_ref().filter(|_| has_ended)?;
    Some(ProcessEvent {
        status: process.ended()?.to_string(),
        output: process.output().tail(),
        last_packet: None,
    })
}

struct Report<'a> {
    plan: &'a LoadSettings,
    concurrency: u64,
    protocol: &'static Protocol,
    process: Option<ProcessEvent>,
    dropped_by_iut: u64,
}

impl Report<'_> {
    fn of(self, loaded: Loaded) -> (Vec<Event>, Summary) {
        let (interrupted, seconds) = (loaded.interrupted, loaded.took.as_secs_f64());
        let (completed, failed) = (loaded.measured.completed, loaded.measured.failed);
        let faults = loaded.measured.faults;
        let ended = loaded
            .ended
            .map(|ended| format!("its process ended ({ended}) after {completed} completed plays"));
        let numbers = loaded.measured.numbers(loaded.took);
        let summary = LoadSummary {
            scenario: self.plan.scenario.id.clone(),
            plays: self.plan.repeat,
            concurrency: self.concurrency,
            started: loaded.started,
            completed,
            failed,
            cut_off: loaded.cut_off,
            causes: numbers.causes,
            handshakes: numbers.handshakes,
            handshakes_per_second: numbers.per_second,
            best_second: numbers.best_second,
            time_to_handshake: numbers.time_to_handshake,
            time_to_first_media: numbers.time_to_first_media,
            peak_memory: loaded.peak_memory,
            dropped_by_iut: self.dropped_by_iut,
            dropped_by_us: loaded.dropped,
            course: numbers.course,
            seconds,
        };
        let all = self.plan.repeat;
        // What we did not read in time may be what plays waited for.
        let is_ours = failed > 0 && (faults == failed || loaded.dropped >= failed);
        let (verdict, exit) = match (&ended, failed) {
            _ if interrupted => (Verdict::Inconclusive, 130),
            (Some(_), _) => (Verdict::Fail, 1),
            (None, 0) if completed == all && all > 0 => (Verdict::Pass, 0),
            (None, 0) => (Verdict::Error, 2),
            (None, _) if is_ours => (Verdict::Inconclusive, 3),
            (None, _) => (Verdict::Fail, 1),
        };
        let mut message = match (interrupted, &ended) {
            (true, _) => format!("interrupted; {completed} of {all} plays completed"),
            (false, Some(ended)) => ended.clone(),
            (false, None) => format!("{completed} of {all} plays completed"),
        };
        if failed > 0 {
            message += &format!("; {failed} failed");
        }
        if is_ours && loaded.dropped > 0 {
            message += &format!(
                "; this program did not read {} datagrams in time",
                loaded.dropped
            );
        }
        let mut notes = Vec::new();
        if self.dropped_by_iut > 0 {
            notes.push(format!(
                "{} datagrams to the implementation were dropped by the system: it did not read \
                 them in time",
                self.dropped_by_iut
            ));
        }
        let shared = self.shared().filter(|_| verdict == Verdict::Fail);
        notes.extend(shared);
        let requirements = self.requirements(verdict, &summary.causes);
        let mut told: Vec<Event> = Vec::new();
        let findings = summary
            .causes
            .iter()
            .filter(|cause| !cause.requirement.is_empty());
        told.extend(findings.map(|cause| Event::Finding(self.finding(cause))));
        if let Some(why) = &ended {
            told.push(Event::Finding(self.unexpected_end(why)));
        }
        told.push(Event::LoadFinished(summary));
        told.push(Event::Verdict(VerdictEvent {
            scenario: self.plan.scenario.id.clone(),
            title: self.plan.scenario.title.clone(),
            verdict,
            reason: (verdict != Verdict::Pass).then(|| message.clone()),
            requirements: requirements.clone(),
            capture: None,
            seconds,
            process: self.process,
        }));
        let summary = Summary {
            waivers: Vec::new(),
            counts: IndexMap::from([(verdict.name().to_owned(), 1)]),
            requirements,
            exit,
            message,
            failing: Vec::new(),
            notes,
            interrupted,
            seconds,
        };
        (told, summary)
    }

    /// What else may explain failures where plays meet at what the description names, such as a meeting.
    fn shared(&self) -> Option<String> {
        let mut used = self.plan.scenario.values_used(self.protocol);
        let shared = used.find(|value| value.form == ValueForm::Uuid)?;
        let (name, summary) = (shared.name, shared.summary);
        Some(format!(
            "all plays share `{name}` ({summary}) and see each other there: a scenario that expects to be alone \
             fails for a right implementation, too"
        ))
    }

    /// Those that steps are judged by: the others would need a capture.
    fn requirements(&self, verdict: Verdict, causes: &[LoadCause]) -> IndexMap<String, Verdict> {
        let scenario = &self.plan.scenario;
        let first = scenario.requirements.first().cloned();
        let mut ids = named_requirements(scenario);
        ids.extend(first);
        let of = |id: String| {
            let failed = causes.iter().any(|cause| cause.requirement == id);
            let verdict = match verdict {
                _ if failed => verdict,
                Verdict::Pass => Verdict::Pass,
                Verdict::Advice
                | Verdict::Waived
                | Verdict::NotObserved
                | Verdict::NotApplicable
                | Verdict::Inconclusive
                | Verdict::Error
                | Verdict::Fail => Verdict::NotObserved,
            };
            (id, verdict)
        };
        ids.into_iter().map(of).collect()
    }

    fn finding(&self, cause: &LoadCause) -> FindingEvent {
        let rule = self.protocol.requirement(&cause.requirement);
        let all = self.plan.repeat;
        FindingEvent {
            requirement: cause.requirement.clone(),
            level: rule
                .map_or(Level::Must, |rule| rule.level)
                .name()
                .to_owned(),
            scenario: Some(self.plan.scenario.id.clone()),
            capture: None,
            packet: None,
            time: 0.0,
            message: format!("{} of {all} plays: {}", cause.plays, cause.message()),
            expected: cause.expected.clone(),
            got: format!("{} ({} of {all} plays)", cause.got, cause.plays),
            step: Some(cause.step.clone()),
            bytes: None,
            field: None,
            waived: None,
            advisory: false,
            off: None,
        }
    }

    fn unexpected_end(&self, why: &str) -> FindingEvent {
        let cause = LoadCause {
            requirement: self.protocol.survival.to_owned(),
            step: String::new(),
            plays: 1,
            expected: String::from("an implementation that lives on"),
            got: why.to_owned(),
        };
        FindingEvent {
            message: format!("expected {}, got {why}", cause.expected),
            got: why.to_owned(),
            step: None,
            ..self.finding(&cause)
        }
    }
}
