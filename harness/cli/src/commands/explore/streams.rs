//! `shakedown explore PROTOCOL --swarm N` of a protocol that streams carry.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use anstream::stdout;
use serde_json::{Value, json};
use shakedown_engine::explore::streams::{self, Run};
use shakedown_protocol::Protocol;
use shakedown_report::text::count;

use super::swarm::{BATCH, VERSION, jobs, played};
use super::args::Args;
use crate::exit::{Exit, Failure, usage};
use crate::reports::Format;

/// Plays the runs and tells what came of them.
pub(super) fn run(protocol: &'static Protocol, args: &Args) -> Result<Exit, Failure> {
    let runs = checked(protocol, args)?;
    let mut report = RunsReport {
        protocol,
        args,
        runs,
        begun: Instant::now(),
        sums: BTreeMap::new(),
        broken: BTreeMap::new(),
        violating: 0,
    };
    report.event(|| {
        json!({ "type": "swarm-started", "version": VERSION, "protocol": protocol.id,
                "seed": args.seed, "runs": runs })
    })?;
    let jobs = jobs(args);
    let play = |seed| streams::run(protocol, seed, false);
    let mut first = 0;
    while first < runs {
        let end = runs.min(first + jobs * BATCH);
        for run in played(&play, args.seed, first..end, jobs)? {
            report.add(&run)?;
        }
        first = end;
    }
    report.finish()
}

/// How many runs there are to be; of the flags only those that mean something here may be given.
fn checked(protocol: &Protocol, args: &Args) -> Result<u64, Failure> {
    let Some(runs) = args.swarm else {
        return Err(usage(format!(
            "{} is explored by random runs only: say how many, for example `--swarm 1000`",
            protocol.id
        )));
    };
    let given = [
        ("--mode", args.mode.is_some()),
        ("--initiator", args.initiator.is_some()),
        ("--responder", args.responder.is_some()),
        ("--without", args.without.is_some()),
        ("--out", args.out.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(runs.get()),
        Some((flag, _)) => Err(usage(format!(
            "`{flag}` means nothing to random runs of {}: their seeds decide everything",
            protocol.id
        ))),
    }
}

/// What was told so far.
struct RunsReport<'a> {
    protocol: &'static Protocol,
    args: &'a Args,
    runs: u64,
    begun: Instant,
    /// What happened in all runs together.
    sums: BTreeMap<&'static str, u64>,
    broken: BTreeMap<String, u64>,
    /// Runs that break something.
    violating: u64,
}

impl RunsReport<'_> {
    fn add(&mut self, run: &Run) -> Result<(), Failure> {
        for (name, number) in &run.counts {
            *self.sums.entry(name).or_default() += number;
        }
        self.event(|| {
            let mut event = json!({ "type": "swarm-run", "seed": run.seed, "setting": run.setting,
                                    "violations": run.violations });
            for (name, number) in &run.counts {
                event[name] = json!(number);
            }
            event
        })?;
        let is_first = self.violating == 0 && !run.violations.is_empty();
        if (self.runs == 1 || is_first) && self.args.format == Format::Terminal {
            let told = streams::run(self.protocol, run.seed, true).map_err(usage)?;
            writeln!(stdout().lock(), "{}", told.story(self.protocol))?;
        }
        self.violating += u64::from(!run.violations.is_empty());
        for violation in &run.violations {
            *self.broken.entry(violation.requirement.clone()).or_default() += 1;
        }
        Ok(())
    }

    fn finish(self) -> Result<Exit, Failure> {
        let exit = match self.violating {
            0 => Exit::Success,
            _ => Exit::Fail,
        };
        self.event(|| {
            json!({ "type": "swarm-finished", "runs": self.runs, "sums": self.sums,
                    "violations": self.broken, "violating": self.violating,
                    "exit": exit as u8 })
        })?;
        if self.args.format == Format::Terminal {
            let mut out = stdout().lock();
            out.write_all(self.in_words().as_bytes())?;
            out.flush()?;
        }
        Ok(exit)
    }

    fn in_words(&self) -> String {
        let list = |counts: Vec<(&str, u64)>| {
            let words = counts.iter().map(|(name, number)| format!("{name} {number}"));
            words.collect::<Vec<_>>().join(", ")
        };
        let sums = self.sums.iter().map(|(name, number)| (*name, *number));
        let broken = self.broken.iter().map(|(id, number)| (id.as_str(), *number));
        let last = self.args.seed.wrapping_add(self.runs - 1);
        let seen = match self.violating {
            0 => "nothing that must not happen was seen".to_owned(),
            runs => format!("broken in {}: {}", count(runs, "run"), list(broken.collect())),
        };
        format!(
            "{} of {}, seeds {} to {last}, in {:.1} s\n  {}\n  {seen}\n",
            count(self.runs, "run"),
            self.protocol.id,
            self.args.seed,
            self.begun.elapsed().as_secs_f64(),
            list(sums.collect()),
        )
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
