//! `shakedown explore PROTOCOL --swarm N`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anstream::stdout;
use serde_json::{Value, json};
use shakedown_engine::document::{mode_meant, requirement_meant};
use shakedown_engine::explore::swarm::{Evidence, Run, Swarm};
use shakedown_engine::explore::{Side, Trace};
use shakedown_protocol::Protocol;
use shakedown_protocol::exploration::{RunSettings, SideChoice};
use shakedown_protocol::requirement::Role;
use shakedown_report::Ladder;
use shakedown_report::text::count;

use super::args::Args;
use crate::exit::{Exit, Failure, usage};
use crate::reports::{Format, width};

/// Version of the events, whose names and fields are a contract.
const VERSION: u32 = 2;
/// Runs per thread between progress reports.
const BATCH: u64 = 64;
/// Runs of which everything is written.
const MOST_WRITTEN: usize = 10;

/// Executes the runs and reports the results.
pub(super) fn run(protocol: &'static Protocol, args: &Args, runs: u64) -> Result<Exit, Failure> {
    let swarm = swarm(protocol, args)?;
    let jobs = jobs(args);
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).map_err(|error| {
            usage(format!(
                "cannot make the folder {}: {error}",
                folder.display()
            ))
        })?;
    }
    let mut report = SwarmReport::begin(&swarm, args, runs)?;
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
fn jobs(args: &Args) -> u64 {
    let jobs = args.jobs.map(std::num::NonZeroUsize::get);
    let jobs = jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    u64::try_from(jobs.unwrap_or(1)).unwrap_or(1)
}

/// The runs of a stretch of seeds, in their order.
fn played<R: Send>(
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
        joined
            .flat_map(|runs| runs.unwrap_or_else(|_| broke()))
            .collect()
    });
    let runs: Result<Vec<_>, _> = results.into_iter().collect();
    runs.map_err(usage)
}

/// What of a swarm was reported so far.
struct SwarmReport<'a> {
    swarm: &'a Swarm,
    args: &'a Args,
    runs: u64,
    begun: Instant,
    endings: BTreeMap<&'static str, u64>,
    failures: BTreeMap<&'static str, u64>,
    impairments: BTreeMap<&'static str, u64>,
    /// What happened in all runs together.
    sums: BTreeMap<&'static str, u64>,
    broken: BTreeMap<String, u64>,
    /// Runs that break something.
    violating: usize,
}

impl<'a> SwarmReport<'a> {
    fn begin(swarm: &'a Swarm, args: &'a Args, runs: u64) -> Result<Self, Failure> {
        let report = Self {
            swarm,
            args,
            runs,
            begun: Instant::now(),
            endings: BTreeMap::new(),
            failures: BTreeMap::new(),
            impairments: BTreeMap::new(),
            sums: BTreeMap::new(),
            broken: BTreeMap::new(),
            violating: 0,
        };
        report.event(|| {
            json!({ "type": "swarm-started", "version": VERSION, "protocol": swarm.protocol.id,
                    "seed": args.seed, "runs": runs })
        })?;
        Ok(report)
    }

    fn add(&mut self, run: &Run) -> Result<(), Failure> {
        if let Some(ending) = run.ending {
            *self.endings.entry(ending).or_default() += 1;
        }
        if let Some(failure) = run.failure {
            *self.failures.entry(failure).or_default() += 1;
        }
        for name in impairments(run) {
            *self.impairments.entry(name).or_default() += 1;
        }
        for (name, number) in &run.counts {
            *self.sums.entry(name).or_default() += number;
        }
        self.event(|| as_json(run))?;
        if self.runs > 1 && run.violations.is_empty() {
            return Ok(());
        }
        let is_broken = !run.violations.is_empty();
        let is_shown =
            self.args.format == Format::Terminal && (self.runs == 1 || self.violating == 0);
        let is_written = is_broken && self.args.out.is_some() && self.violating < MOST_WRITTEN;
        if is_shown || is_written {
            let evidence = self.swarm.evidence(run.seed).map_err(usage)?;
            if is_shown {
                writeln!(
                    stdout().lock(),
                    "{}",
                    drawn(self.swarm.protocol, &evidence)?
                )?;
            }
            if let Some(folder) = self.args.out.as_deref().filter(|_| is_written) {
                write(folder, self.swarm.protocol, &evidence)?;
            }
        }
        self.violating += usize::from(is_broken);
        for violation in &run.violations {
            *self
                .broken
                .entry(violation.requirement.clone())
                .or_default() += 1;
        }
        Ok(())
    }

    fn finish(self) -> Result<Exit, Failure> {
        let exit = match self.violating {
            0 => Exit::Success,
            _ => Exit::Fail,
        };
        let seconds = self.begun.elapsed().as_secs_f64();
        self.event(|| {
            json!({ "type": "swarm-finished", "runs": self.runs, "sums": self.sums,
                    "datagrams": self.sums.get("datagrams"), "endings": self.endings,
                    "failures": self.failures, "impairments": self.impairments,
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
        let list = |counts: &BTreeMap<&'static str, u64>| {
            let words = counts.iter().map(|(name, runs)| format!("{name} {runs}"));
            words.collect::<Vec<_>>().join(", ")
        };
        let last = self.args.seed.wrapping_add(self.runs - 1);
        let mut lines = vec![format!(
            "{} of {}, seeds {} to {last}, in {seconds:.1} s",
            count(self.runs, "run"),
            self.swarm.protocol.id,
            self.args.seed,
        )];
        let counts = [
            ("impaired", &self.impairments),
            ("happened", &self.sums),
            ("ended", &self.endings),
            ("failed", &self.failures),
        ];
        let counts = counts.into_iter().filter(|(_, counts)| !counts.is_empty());
        lines.extend(counts.map(|(what, counts)| format!("  {what:<10} {}", list(counts))));
        let broken = self.broken.iter().map(|(id, runs)| format!("{id} {runs}"));
        let broken = broken.collect::<Vec<_>>().join(", ");
        lines.push(match self.violating {
            0 => "  no violation".to_owned(),
            runs => format!("  broken in {}: {broken}", count(runs as u64, "run")),
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

/// What an event says of a run.
fn as_json(run: &Run) -> Value {
    let mut event = json!({ "type": "swarm-run", "seed": run.seed, "setting": run.setting,
                            "profile": run.profile.to_string(), "hash": run.hash,
                            "violations": run.violations });
    if let Some(([initiator, responder], _)) = &run.pair {
        event["initiator"] = json!(initiator);
        event["responder"] = json!(responder);
        event["ending"] = json!(run.ending);
        event["failure"] = json!(run.failure);
    }
    for (name, number) in &run.counts {
        event[name] = json!(number);
    }
    event
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
        ("pulled cables", !profile.outages.is_empty()),
    ];
    let happened = kinds.into_iter().filter(|(_, happens)| *happens);
    happened.map(|(name, _)| name).collect()
}

/// The run as a ladder: of an initiator and a responder from all that happened, of others from the capture at the edge
/// of the server, or of the first client where the server is none of the reference.
fn drawn(protocol: &Protocol, evidence: &Evidence) -> Result<String, Failure> {
    let server = protocol.side(Role::Responder);
    let captures = &evidence.captures;
    let of_server = captures.iter().find(|(name, _)| name == server);
    let capture = of_server.or(captures.first());
    let Some((_, capture)) = capture.filter(|_| evidence.trace.is_none()) else {
        return Ok(evidence.text(protocol, std::io::stdout().is_terminal()));
    };
    let ladder = Ladder::read(&capture[..], &[], &[]);
    let ladder = ladder.map_err(|error| usage(error.to_string()))?;
    let drawing = ladder.since(Duration::ZERO).text(width());
    Ok(evidence.around_drawing(protocol, &drawing))
}

/// Writes what is needed to look at a run and, if it can be, to play it again.
fn write(folder: &Path, protocol: &Protocol, evidence: &Evidence) -> Result<(), Failure> {
    let name = format!("seed-{}", evidence.run.seed);
    let file = |end: &str, bytes: &[u8]| {
        let path = folder.join(format!("{name}{end}"));
        std::fs::write(&path, bytes)
            .map_err(|error| usage(format!("cannot write {}: {error}", path.display())))
    };
    file(".txt", evidence.text(protocol, false).as_bytes())?;
    for (side, capture) in &evidence.captures {
        file(&format!(".{side}.pcapng"), capture)?;
    }
    let Some(trace) = &evidence.trace else {
        return Ok(());
    };
    file(".trace.json", trace.to_json().as_bytes())?;
    // The first violation that can be replayed.
    let scenarios = evidence.run.violations.iter().filter_map(|violation| {
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
        Some(mode) => SideChoice::Mode(checked(protocol, mode)?),
        None => SideChoice::Any,
    };
    let side = |given: &Option<String>| match given {
        Some(given) => exactly(protocol, given),
        None => Ok(both.clone()),
    };
    let without = args.without.iter().map(|name| match protocol.twin(name) {
        Ok(Some(twin)) => Ok(twin.name.to_owned()),
        Ok(None) => {
            let ids = (protocol.requirements)().iter().map(|one| one.id.as_str());
            let meant = requirement_meant(name, ids);
            let message = format!("{} has no requirement `{name}`; {meant}", protocol.id);
            Err(usage(message))
        }
        Err(why) => Err(usage(format!("`{name}` {why}"))),
    });
    let settings = RunSettings {
        initiator: side(&args.initiator)?,
        responder: side(&args.responder)?,
        without: without.collect::<Result<_, _>>()?,
    };
    Ok(Swarm { protocol, settings })
}

/// `3way+start3,allow_legacy_start`.
fn exactly(protocol: &Protocol, given: &str) -> Result<SideChoice, Failure> {
    let side: Side = given.parse().map_err(usage)?;
    for option in &side.options {
        let known = protocol.option(option);
        known.map_err(|why| usage(format!("{given:?}: {why}")))?;
    }
    let mode = checked(protocol, &side.mode)?;
    Ok(SideChoice::Exactly(mode, side.options))
}

fn checked(protocol: &Protocol, mode: &str) -> Result<String, Failure> {
    if protocol.has_mode(mode) {
        return Ok(mode.to_owned());
    }
    let meant = mode_meant(mode, protocol.modes).map(|meant| format!("; {meant}"));
    let meant = meant.unwrap_or_default();
    Err(usage(format!(
        "{} has no mode `{mode}`{meant}",
        protocol.id
    )))
}
