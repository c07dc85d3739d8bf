//! `shakedown explore PROTOCOL --swarm N`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use anstream::stdout;
use serde_json::{Value, json};
use shakedown_engine::document::{mode_meant, requirement_meant};
use shakedown_engine::explore::swarm::{Ending, Run, Swarm, Wish};
use shakedown_engine::explore::Trace;
use shakedown_protocol::Protocol;
use shakedown_report::text::count;

use super::args::Args;
use crate::exit::{Exit, Failure, usage};
use crate::reports::Format;

/// Version of the events, whose names and fields are a contract.
pub(super) const VERSION: u32 = 1;
/// Runs that one thread plays before they are told.
pub(super) const BATCH: u64 = 64;
/// Runs of which everything is written.
const MOST_WRITTEN: usize = 10;

/// Plays the runs and tells what came of them.
pub(super) fn run(protocol: &'static Protocol, args: &Args) -> Result<Exit, Failure> {
    let swarm = swarm(protocol, args)?;
    let runs = args.swarm.map_or(1, std::num::NonZeroU64::get);
    let jobs = jobs(args);
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).map_err(|error| {
            usage(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
    }
    let mut report = SwarmReport::begin(protocol, args, runs)?;
    let mut first = 0;
    while first < runs {
        let end = runs.min(first + jobs * BATCH);
        for run in played(&|seed| swarm.run(seed), args.seed, first..end, jobs)? {
            report.add(&run)?;
        }
        first = end;
    }
    report.finish()
}

/// How many runs are played at the same time.
pub(super) fn jobs(args: &Args) -> u64 {
    let jobs = args.jobs.map(std::num::NonZeroUsize::get);
    let jobs = jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    u64::try_from(jobs.unwrap_or(1)).unwrap_or(1)
}

/// The runs of a stretch of seeds, in their order.
pub(super) fn played<R: Send>(
    play: &(impl Fn(u64) -> Result<R, String> + Sync),
    seed: u64,
    stretch: std::ops::Range<u64>,
    jobs: u64,
) -> Result<Vec<R>, Failure> {
    let share = (stretch.end - stretch.start).div_ceil(jobs).max(1);
    let results: Vec<_> = std::thread::scope(|scope| {
        let starts = (stretch.start..stretch.end).step_by(usize::try_from(share).unwrap_or(1));
        let threads: Vec<_> = starts
            .map(|start| {
                let end = stretch.end.min(start + share);
                scope.spawn(move || {
                    let seeds = (start..end).map(|run| seed.wrapping_add(run));
                    seeds.map(play).collect::<Vec<_>>()
                })
            })
            .collect();
        let broke = || vec![Err("a run broke the harness".to_owned())];
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|runs| runs.unwrap_or_else(|_| broke())).collect()
    });
    let runs: Result<Vec<_>, _> = results.into_iter().collect();
    runs.map_err(usage)
}

/// What of a swarm was told so far.
struct SwarmReport<'a> {
    protocol: &'static Protocol,
    args: &'a Args,
    runs: u64,
    begun: Instant,
    endings: BTreeMap<Ending, u64>,
    failures: BTreeMap<&'static str, u64>,
    impairments: BTreeMap<&'static str, u64>,
    datagrams: u64,
    broken: BTreeMap<String, u64>,
    /// Runs that break something.
    violating: usize,
}

impl<'a> SwarmReport<'a> {
    fn begin(protocol: &'static Protocol, args: &'a Args, runs: u64) -> Result<Self, Failure> {
        let report = Self {
            protocol,
            args,
            runs,
            begun: Instant::now(),
            endings: BTreeMap::new(),
            failures: BTreeMap::new(),
            impairments: BTreeMap::new(),
            datagrams: 0,
            broken: BTreeMap::new(),
            violating: 0,
        };
        report.event(|| {
            json!({ "type": "swarm-started", "version": VERSION, "protocol": protocol.id,
                    "seed": args.seed, "runs": runs })
        })?;
        Ok(report)
    }

    fn add(&mut self, run: &Run) -> Result<(), Failure> {
        *self.endings.entry(run.ending).or_default() += 1;
        if let Some(failure) = run.failure {
            *self.failures.entry(failure).or_default() += 1;
        }
        for name in impairments(run) {
            *self.impairments.entry(name).or_default() += 1;
        }
        self.datagrams += run.datagrams;
        self.event(|| {
            json!({ "type": "swarm-run", "seed": run.seed, "initiator": run.initiator,
                    "responder": run.responder, "profile": run.profile.to_string(),
                    "ending": run.ending, "failure": run.failure, "datagrams": run.datagrams,
                    "hash": run.hash, "violations": run.violations })
        })?;
        if self.runs > 1 && run.violations.is_empty() {
            return Ok(());
        }
        let trace = run.trace(self.protocol);
        let is_shown = self.runs == 1 || self.violating == 0;
        if is_shown && self.args.format == Format::Terminal {
            let mut out = stdout().lock();
            let colours = std::io::stdout().is_terminal();
            writeln!(out, "profile: {}\n{}", run.profile, trace.ladder(colours))?;
        }
        if run.violations.is_empty() {
            return Ok(());
        }
        for violation in &run.violations {
            *self.broken.entry(violation.requirement.clone()).or_default() += 1;
        }
        self.violating += 1;
        match &self.args.out {
            Some(folder) if self.violating <= MOST_WRITTEN => write(folder, run, &trace),
            Some(_) | None => Ok(()),
        }
    }

    fn finish(self) -> Result<Exit, Failure> {
        let exit = match self.violating {
            0 => Exit::Success,
            _ => Exit::Fail,
        };
        let seconds = self.begun.elapsed().as_secs_f64();
        self.event(|| {
            let endings: serde_json::Map<String, Value> = self
                .endings
                .iter()
                .map(|(ending, runs)| (ending.name().to_owned(), json!(runs)))
                .collect();
            json!({ "type": "swarm-finished", "runs": self.runs, "datagrams": self.datagrams,
                    "endings": endings, "failures": self.failures, "impairments": self.impairments,
                    "violations": self.broken, "violating": self.violating,
                    "exit": exit as u8 })
        })?;
        if self.args.format == Format::Terminal {
            let mut out = stdout().lock();
            out.write_all(self.in_words(seconds).as_bytes())?;
            out.flush()?;
        }
        Ok(exit)
    }

    fn in_words(&self, seconds: f64) -> String {
        let list = |counts: Vec<(&str, u64)>| {
            let words = counts.iter().map(|(name, runs)| format!("{name} {runs}"));
            words.collect::<Vec<_>>().join(", ")
        };
        let endings = self.endings.iter().map(|(ending, runs)| (ending.name(), *runs));
        let failures = self.failures.iter().map(|(name, runs)| (*name, *runs));
        let impairments = self.impairments.iter().map(|(name, runs)| (*name, *runs));
        let broken = self.broken.iter().map(|(id, runs)| (id.as_str(), *runs));
        let last = self.args.seed.wrapping_add(self.runs - 1);
        let mut lines = vec![
            format!(
                "{} of {}, seeds {} to {last}, {} in {seconds:.1} s",
                count(self.runs, "run"),
                self.protocol.id,
                self.args.seed,
                count(self.datagrams, "datagram"),
            ),
            format!("  impaired   {}", list(impairments.collect())),
            format!("  ended      {}", list(endings.collect())),
        ];
        if !self.failures.is_empty() {
            lines.push(format!("  failed     {}", list(failures.collect())));
        }
        lines.push(match self.violating {
            0 => "  nothing that must not happen was seen".to_owned(),
            runs => format!("  broken in {}: {}", count(runs as u64, "run"), list(broken.collect())),
        });
        lines.join("\n") + "\n"
    }

    /// One line of `--format json`.
    fn event(&self, event: impl FnOnce() -> Value) -> Result<(), Failure> {
        if self.args.format == Format::Json {
            let mut out = stdout().lock();
            writeln!(out, "{}", event())?;
        }
        Ok(())
    }
}

/// The kinds of impairments that a run could have.
fn impairments(run: &Run) -> Vec<&'static str> {
    let (profile, impair) = (&run.profile, &run.profile.impair);
    let kinds = [
        ("loss", impair.loss > 0.0),
        ("duplication", impair.duplicate > 0.0),
        ("reordering", impair.reorder > 0.0),
        ("corruption", impair.corrupt > 0.0),
        ("wrong checksums", impair.checksum > 0.0),
        ("delay", !impair.delay.most.is_zero()),
        ("jitter", !impair.jitter.is_zero()),
        ("rate", impair.rate.is_some()),
        ("outages", !impair.outage.is_empty()),
        ("exact faults", !impair.faults.is_empty()),
        ("clock skew", profile.skew.is_some()),
        ("another address", profile.moves.is_some()),
    ];
    let happened = kinds.into_iter().filter(|(_, happens)| *happens);
    happened.map(|(name, _)| name).collect()
}

/// Writes what is needed to look at a run and to play it again.
fn write(folder: &Path, run: &Run, trace: &Trace) -> Result<(), Failure> {
    let name = format!("seed-{}", run.seed);
    let file = |end: &str, bytes: &[u8]| {
        let path = folder.join(format!("{name}{end}"));
        std::fs::write(&path, bytes)
            .map_err(|error| usage(format!("cannot write {}: {error}", path.display())))
    };
    file(".trace.json", trace.to_json().as_bytes())?;
    file(".txt", trace.ladder(false).as_bytes())?;
    for (capture, side) in run.captures.iter().zip(["initiator", "responder"]) {
        file(&format!(".{side}.pcapng"), capture)?;
    }
    // The first violation that can be replayed.
    let scenarios = run.violations.iter().filter_map(|violation| {
        let trace = Trace {
            violation: Some(violation.clone()),
            ..trace.clone()
        };
        trace.scenario(&name, None).ok()
    });
    match scenarios.into_iter().next() {
        Some(loaded) => file(".json", loaded.text.as_bytes()),
        None => Ok(()),
    }
}

fn swarm(protocol: &'static Protocol, args: &Args) -> Result<Swarm, Failure> {
    let both = match &args.mode {
        Some(mode) => Wish::Mode(checked(protocol, mode)?),
        None => Wish::Any,
    };
    let side = |given: &Option<String>| match given {
        Some(given) => exactly(protocol, given),
        None => Ok(both.clone()),
    };
    let without = args.without.iter().map(|id| match protocol.requirement(id) {
        Some(requirement) => Ok(requirement.id.clone()),
        None => {
            let ids = (protocol.requirements)().iter().map(|one| one.id.as_str());
            let meant = requirement_meant(id, ids);
            let message = format!("{} has no requirement `{id}`; {meant}", protocol.id);
            Err(usage(message))
        }
    });
    Ok(Swarm {
        protocol,
        initiator: side(&args.initiator)?,
        responder: side(&args.responder)?,
        without: without.collect::<Result<_, _>>()?,
    })
}

/// `3way+start3,allow_legacy_start`.
fn exactly(protocol: &Protocol, given: &str) -> Result<Wish, Failure> {
    let mut words = given.split(',').map(str::trim);
    let mode = words.next().unwrap_or_default().replace('+', ",");
    let mode = checked(protocol, &mode)?;
    let options = words.map(|word| match protocol.option(word) {
        Ok(_) => Ok(word.to_owned()),
        Err(why) => Err(usage(format!("{given:?}: {why}"))),
    });
    Ok(Wish::Exactly(mode, options.collect::<Result<_, _>>()?))
}

fn checked(protocol: &Protocol, mode: &str) -> Result<String, Failure> {
    if protocol.has_mode(mode) {
        return Ok(mode.to_owned());
    }
    let meant = mode_meant(mode, protocol.modes).map(|meant| format!("; {meant}"));
    let meant = meant.unwrap_or_default();
    Err(usage(format!("{} has no mode `{mode}`{meant}", protocol.id)))
}
