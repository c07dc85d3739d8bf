//! `shakedown shrink SCENARIO-OR-TRACE`.

mod trial;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anstream::{eprintln, stdout};
use shakedown_engine::document::{self, Problems, requirement_meant};
use shakedown_engine::explore::Trace;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Loaded, Scenario};
use shakedown_engine::shrink::{
    Failure, Progress, Reduction, ShrinkError, Shrunk, Size, StopReason, shrink,
};
use shakedown_engine::simulation::Settings;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::{Level, Role};
use shakedown_report::text::{clean_line, count};

use crate::conduct::stopped;
use crate::exit::{Exit, Failure as Wrong, harness, usage};
use crate::guard::Guard;
use crate::logging::Global;
use crate::numbers::{ANY, AT_LEAST_1_U32, whole};
use crate::player::{Live, Player, Virtual};
use crate::reference::twin as twin_of;
use crate::vectors::{self, SelectionArgs, wrong_file};
use trial::Trial;

#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Reduce a failing scenario: remove steps, faults and fields, lower counts and shorten waits, as \
long as the same requirement is violated. In virtual time random impairment becomes the exact \
faults that matter.

Without --iut candidates run against the reference in virtual time. If the reference passes the \
scenario, it must pass the reduced one too.",
    after_help = "\
Examples:
  shakedown shrink found.json --iut my-server.toml
  shakedown shrink trace.json
  shakedown shrink found.json --iut my-server.toml --requirement MS-H-15 --confirm 5
  shakedown shrink mediastream/3way/responder/a-lost-syn-ack-is-repeated-twice --without MS-H-18"
)]
pub(crate) struct Args {
    /// A failing scenario (a file, or the id of a built-in one), or a trace with a violation
    #[arg(value_name = "SCENARIO-OR-TRACE")]
    scenario: String,

    /// Description of the implementation; it is started for each candidate
    #[arg(long, value_name = "FILE", conflicts_with = "without")]
    iut: Option<PathBuf>,

    /// Run against a mutant of the reference that violates this requirement [default: that of the
    /// trace, if it has one]
    #[arg(long, value_name = "ID")]
    without: Option<String>,

    /// The requirement that must stay violated [default: that of the first finding]
    #[arg(long, value_name = "ID")]
    requirement: Option<String>,

    /// Consecutive failures needed to accept a candidate [default: 3 with --iut, else 1, since
    /// virtual time is deterministic]
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroU32>(AT_LEAST_1_U32))]
    confirm: Option<NonZeroU32>,

    /// Maximum number of candidates
    #[arg(long, value_name = "N", default_value = "10000", value_parser = whole::<NonZeroU32>(AT_LEAST_1_U32))]
    tries: NonZeroU32,

    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(ANY))]
    seed: u64,

    /// Output file [default: NAME-shrunk.json next to the input]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite that file
    #[arg(long)]
    force: bool,
}

impl Args {
    /// Shrinks the scenario and writes what is left.
    pub(crate) fn execute(mut self, _global: &Global) -> Result<Exit, Wrong> {
        let loaded = match self.trace()? {
            Some(trace) => self.replayed(&trace)?,
            None => self.scenario()?,
        };
        let out = self.out(&loaded);
        if !self.force && out.exists() {
            return Err(exists(&out));
        }
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let (folder, out) = (folder.display(), out.display());
            return Err(usage(format!("there is no folder {folder} for {out}")));
        }
        let scenario = &loaded.scenario;
        let protocol = scenario
            .id
            .split('/')
            .next()
            .and_then(shakedown_protocol::protocol);
        let protocol = protocol.ok_or_else(|| usage(format!("{} has no protocol", scenario.id)))?;
        let iut = match &self.iut {
            Some(path) => vectors::description(path)?,
            None => vectors::reference(protocol, scenario.iut.role)?,
        };
        self.check(protocol, scenario, &iut)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        let runtime =
            runtime.map_err(|error| harness(format!("the runtime cannot be started: {error}")))?;
        let stop = stopped(&runtime)?;
        let captures = tempfile::tempdir()
            .map_err(|error| harness(format!("no folder for captures can be made: {error}")))?;
        let reference = self.reference(protocol, &iut);
        let twin = Settings {
            without: self.twin(protocol)?,
            ..reference.settings.clone()
        };
        let mut happened = None;
        let guard = Guard::begin()?;
        let player = match &self.iut {
            Some(_) => Player::Live(Live {
                iut: &iut,
                runtime: &runtime,
                stop: stop.clone(),
                seed: self.seed,
                shakedown: guard.program(),
                captures: captures.path(),
            }),
            None => {
                let twin = Virtual {
                    settings: twin,
                    ..reference
                };
                // What it cannot leave out it says at once.
                happened = twin.play(scenario).map_err(usage)?.happened;
                Player::Virtual(Box::new(twin))
            }
        };
        let mut trial = Trial {
            player,
            guard: reference.passes(scenario).then_some(reference),
            confirm: self.confirm(),
            failure: self.requirement.clone().map(|requirement| Failure {
                requirement,
                party: scenario.iut.role,
            }),
            finding: None,
            verdict: None,
        };
        let file = out.display().to_string();
        let reduction = Reduction {
            loaded: &loaded,
            file: &file,
            tries: self.tries.get(),
            happened: happened.as_deref(),
        };
        let start = Instant::now();
        let mut last = usize::MAX;
        let mut told = |progress: &Progress| {
            let steps = progress.size.steps;
            if steps < last && last < usize::MAX {
                let tries = count(progress.tries.into(), "candidate");
                eprintln!("{} left after {tries}", count(steps as u64, "step"));
            }
            last = steps;
            match *stop.borrow() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let shrunk = shrink(
            &reduction,
            &mut |candidate| trial.judge(candidate),
            &mut told,
        );
        let shrunk = shrunk.map_err(|error| self.unshrunk(error, &trial, *stop.borrow()))?;
        self.write(&out, &shrunk.text)?;
        let text = describe(
            &shrunk,
            &trial,
            scenario,
            &out,
            start.elapsed().as_secs_f64(),
        );
        let mut output = stdout().lock();
        output.write_all(text.as_bytes())?;
        output.flush()?;
        match shrunk.finished {
            StopReason::Minimal | StopReason::Tries => Ok(Exit::Success),
            StopReason::Stopped => Ok(Exit::Interrupted),
        }
    }

    /// The trace, if the file is one.
    fn trace(&self) -> Result<Option<Trace>, Wrong> {
        let path = Path::new(&self.scenario);
        if !path.is_file() {
            return Ok(None);
        }
        let unread = |problems: Problems| wrong_file(&problems);
        let text = document::read(path).map_err(unread)?;
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        match value.get("events").is_some() && value.get("steps").is_none() {
            true => Trace::parse(&self.scenario, &text)
                .map(Some)
                .map_err(unread),
            false => Ok(None),
        }
    }

    /// The scenario that replays a trace to the side at fault, against the twin that the trace names.
    fn replayed(&mut self, trace: &Trace) -> Result<Loaded, Wrong> {
        let path = Path::new(&self.scenario);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // `seed-7` of `seed-7.trace.json`.
        let name = file.split('.').next().unwrap_or_default();
        let loaded = trace.scenario(name, None);
        let loaded = loaded.map_err(|why| usage(format!("{}: {why}", self.scenario)))?;
        if self.iut.is_none() && self.without.is_none() {
            let side = match loaded.scenario.iut.role {
                Role::Initiator => &trace.initiator,
                Role::Responder => &trace.responder,
            };
            self.without = side.without.first().cloned();
        }
        Ok(loaded)
    }

    fn scenario(&self) -> Result<Loaded, Wrong> {
        let selection = SelectionArgs {
            scenarios: vec![self.scenario.clone()],
            ..SelectionArgs::default()
        };
        let mut selected = selection.select()?.scenarios;
        match (selected.pop(), selected.len()) {
            (Some(loaded), 0) => Ok(loaded),
            (_, others) => Err(usage(format!(
                "shrink takes one scenario and {:?} selects {}; name one",
                self.scenario,
                others + 1
            ))),
        }
    }

    /// The file of the result: beside the scenario's, or here for one that is built in.
    fn out(&self, loaded: &Loaded) -> PathBuf {
        if let Some(out) = &self.out {
            return out.clone();
        }
        let name = loaded.scenario.id.rsplit('/').next().unwrap_or_default();
        let file = format!("{name}-shrunk.json");
        match Path::new(&self.scenario).is_file() {
            true => Path::new(&self.scenario).with_file_name(file),
            false => PathBuf::from(file),
        }
    }

    /// Whether the requirements exist and the implementation is one for the scenario.
    fn check(&self, protocol: &Protocol, scenario: &Scenario, iut: &Iut) -> Result<(), Wrong> {
        if let Some(id) = &self.requirement
            && protocol.requirement(id).is_none()
        {
            let ids = (protocol.requirements)().iter().map(|one| one.id.as_str());
            let meant = requirement_meant(id, ids);
            return Err(usage(format!(
                "{} has no requirement `{id}`; {meant}",
                protocol.id
            )));
        }
        let role = scenario.iut.role;
        if iut.role != role || iut.protocol != protocol.id {
            return Err(usage(format!(
                "{} is for the {role} of {}, and {} is the {} of {}",
                scenario.id, protocol.id, iut.name, iut.role, iut.protocol
            )));
        }
        Ok(())
    }

    /// The reference, which is asked to stream what the implementation streams.
    fn reference(&self, protocol: &'static Protocol, iut: &Iut) -> Virtual {
        Virtual {
            protocol,
            settings: Settings::of(iut, self.seed, Level::May),
        }
    }

    fn twin(&self, protocol: &'static Protocol) -> Result<Option<&'static str>, Wrong> {
        let twin = self.without.as_ref();
        twin.map(|name| twin_of(protocol, name)).transpose()
    }

    fn confirm(&self) -> u32 {
        let usual = match self.iut {
            Some(_) => 3,
            None => 1,
        };
        self.confirm.map_or(usual, NonZeroU32::get)
    }

    fn write(&self, out: &Path, text: &str) -> Result<(), Wrong> {
        let mut options = OpenOptions::new();
        options.write(true).truncate(self.force);
        match self.force {
            true => options.create(true),
            false => options.create_new(true),
        };
        let written = options
            .open(out)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(out),
            _ => usage(format!("cannot write {}: {error}", out.display())),
        })
    }

    /// Why there is no result.
    fn unshrunk(&self, error: ShrinkError, trial: &Trial<'_>, is_stopped: bool) -> Wrong {
        let id = &self.scenario;
        let against = trial.against();
        match error {
            ShrinkError::File(problems) => usage(format!(
                "the small scenario's id comes from its file's name, which does not fit; give \
                 another by --out\n\n{}",
                problems.render(true)
            )),
            _ if is_stopped => Wrong {
                exit: Exit::Interrupted,
                message: String::from(
                    "interrupted before it was seen to fail; nothing was written",
                ),
            },
            ShrinkError::Passes => {
                let verdict = trial.verdict.as_deref().unwrap_or("pass");
                usage(format!(
                    "{id} does not fail against {against}: {verdict}; there is nothing to shrink"
                ))
            }
            ShrinkError::Other(other) => usage(format!(
                "{id} fails {other} and not {} against {against}; leave --requirement out, or name \
                 that one",
                self.requirement.as_deref().unwrap_or("always the same")
            )),
            ShrinkError::CannotTell(why) => {
                harness(format!("{id} cannot be judged against {against}: {why}"))
            }
        }
    }
}

/// The result for people.
fn describe(
    shrunk: &Shrunk,
    trial: &Trial<'_>,
    scenario: &Scenario,
    out: &Path,
    seconds: f64,
) -> String {
    let size = |size: &Size| {
        let steps = count(size.steps as u64, "step");
        format!("{steps}, {}", count(size.faults as u64, "fault"))
    };
    let mut lines = Vec::new();
    let failed = trial
        .failure
        .as_ref()
        .map_or("", |failure| &failure.requirement);
    lines.push(format!(
        "{} fails {failed} against {}",
        scenario.id,
        trial.against()
    ));
    lines.push(format!("  before   {}", size(&shrunk.before)));
    lines.push(format!("  after    {}", size(&shrunk.after)));
    let tries = count(shrunk.tries.into(), "candidate");
    let end = match shrunk.finished {
        StopReason::Minimal => "none of its steps can be left out",
        StopReason::Tries => "as many as --tries allows: it may not be the smallest",
        StopReason::Stopped => "interrupted: it may not be the smallest",
    };
    lines.push(format!("  tried    {tries} in {seconds:.1} s; {end}"));
    lines.push(match trial.guard {
        Some(_) => "  control  the reference passes it".to_owned(),
        None => "  control  none: the reference does not pass the scenario either, so that the \
                 fault may be the scenario's"
            .to_owned(),
    });
    if let Some(finding) = &trial.finding {
        let step = finding.step.as_ref().map(|step| format!(", step {step}"));
        lines.push(format!(
            "\n  {} {}",
            finding.requirement,
            clean_line(&finding.message)
        ));
        lines.push(format!(
            "  at {:.6} s{}",
            finding.time,
            step.unwrap_or_default()
        ));
    }
    lines.push(String::new());
    for line in shrunk.scenario.in_words() {
        let indent = 2 + 2 * line.depth;
        lines.push(format!(
            "{:indent$}{} {}",
            "",
            line.path,
            clean_line(&line.text)
        ));
    }
    lines.push(format!("\nwritten to {}\n", out.display()));
    lines.join("\n")
}

fn exists(out: &Path) -> Wrong {
    let out = out.display();
    usage(format!(
        "{out} is there already; --force overwrites it, --out names another file"
    ))
}
