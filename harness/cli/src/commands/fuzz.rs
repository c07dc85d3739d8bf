//! `shakedown fuzz --iut FILE [SCENARIO...]`.

mod output;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anstream::eprintln;
use shakedown_engine::document;
use shakedown_engine::fuzzing::Conversation;
use shakedown_engine::iut::Iut;
use shakedown_net::fuzz::{FuzzSettings, fuzz, replay};
use shakedown_report::text::count;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use self::output::FuzzOutput;
use crate::conduct::stopped;
use crate::exit::{Exit, Failure, error_label, harness, usage};
use crate::guard::Guard;
use crate::logging::Global;
use crate::numbers::{ANY, AT_LEAST_1, JOBS, whole};
use crate::reference::{any_seed, print_line};
use crate::reports::{ReportArgs, ReportFormat};
use crate::run_directory::FINDINGS;
use crate::vectors::{self, SelectionArgs, wrong_file};

/// Time limit for stopping processes.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Fuzz an implementation with inputs that are derived from the applicable scenarios. Frames are \
mutated by their structure and byte by byte; steps are dropped, repeated, swapped and delayed. \
The responses are not judged. A finding is that the process exits, hangs, prints a sanitizer \
report, grows, or fails a scenario afterwards that a fresh process passes.

Each finding is reproduced with a fresh process, reduced, and written as a scenario with its \
capture.",
    after_help = "\
Examples:
  shakedown fuzz --iut my-server.toml
  shakedown fuzz --iut my-server.toml --time 10m --corpus corpus/my-server
  shakedown fuzz --iut my-client.toml --inputs 1000 --seed 7 mediastream/3way
  shakedown fuzz --iut my-server.toml --replay reports/latest/findings/exit-0011223344556677.json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,

    /// Description of the implementation; it is restarted as needed
    #[arg(long, value_name = "FILE")]
    iut: PathBuf,

    /// Time limit [default: 60s, or none with --inputs]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,

    /// Maximum number of inputs
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroU64>(AT_LEAST_1))]
    inputs: Option<NonZeroU64>,

    /// Random seed [default: a new one, which is printed]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(ANY))]
    seed: Option<u64>,

    /// Processes of the implementation to fuzz in parallel
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole::<NonZeroUsize>(JOBS))]
    jobs: NonZeroUsize,

    /// Keep each process and the worker that talks to it on one processor
    #[arg(long)]
    pin: bool,

    /// Corpus folder: inputs that reached new behaviour; read at the start, extended by new ones,
    /// and shareable between runs
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,

    /// Send random bytes only, as a baseline
    #[arg(long, hide = true)]
    unstructured: bool,

    /// Only replay this input against a fresh process; several are replayed in order
    #[arg(long, value_name = "FILE", conflicts_with_all = ["time", "inputs", "jobs", "pin", "corpus", "out"])]
    replay: Vec<PathBuf>,

    /// With --replay: a scenario that the same process must then pass
    #[arg(long, value_name = "SCENARIO", requires = "replay")]
    then: Option<String>,

    #[command(flatten)]
    reports: ReportArgs,
}

impl Args {
    /// Fuzzes, or replays a finding.
    pub(crate) fn execute(self, global: &Global) -> Result<Exit, Failure> {
        let iut = vectors::description(&self.iut)?;
        let seed = self.seed.unwrap_or_else(any_seed);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        let runtime =
            runtime.map_err(|error| harness(format!("the runtime cannot be started: {error}")))?;
        let exit = match self.replay.is_empty() {
            true => self.fuzz(iut, seed, &runtime, global),
            false => self.replay(iut, seed, &runtime),
        };
        // Dropping tasks kills the processes that they started.
        runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        exit
    }

    fn fuzz(
        self,
        iut: Iut,
        seed: u64,
        runtime: &Runtime,
        global: &Global,
    ) -> Result<Exit, Failure> {
        let selected = self.selection.select()?;
        let guard = Guard::begin()?;
        let directory = self.reports.directory_for(&format!("{}-fuzz", iut.name))?;
        let time = match (self.time, self.inputs) {
            (None, None) => Some(Duration::from_secs(60)),
            (time, _) => time,
        };
        let is_json = match self.reports.format {
            ReportFormat::Terminal => false,
            ReportFormat::Json => true,
            _ => {
                return Err(usage(String::from(
                    "fuzz writes --format terminal or json; report.html has all findings",
                )));
            }
        };
        let mut output = FuzzOutput::new(directory.path(), &self.iut, is_json, global)?;
        let settings = FuzzSettings {
            iut,
            scenarios: selected.scenarios,
            seed,
            time,
            inputs: self.inputs.map(NonZeroU64::get),
            jobs: self.jobs.get(),
            pin: self.pin,
            unstructured: self.unstructured,
            corpus: self.corpus,
            findings: directory.path().join(FINDINGS),
            shakedown: guard.program(),
        };
        let stop = stopped(runtime)?;
        let summary = runtime.block_on(async {
            let (events, mut received) = mpsc::unbounded_channel();
            let fuzzing = tokio::spawn(fuzz(settings, events, stop));
            while let Some(event) = received.recv().await {
                output.event(&event)?;
            }
            let summary = fuzzing.await;
            summary.map_err(|error| harness(format!("the run failed: {error}")))
        })?;
        match Exit::ALL
            .into_iter()
            .find(|known| *known as u8 == summary.exit)
        {
            Some(Exit::Usage) => Err(usage(summary.message)),
            Some(Exit::Harness) | None => Err(harness(summary.message)),
            Some(other) => {
                if is_json && other != Exit::Success {
                    eprintln!("{} {}", error_label(), summary.message);
                }
                Ok(other)
            }
        }
    }

    fn replay(&self, iut: Iut, seed: u64, runtime: &Runtime) -> Result<Exit, Failure> {
        let mut conversations = Vec::new();
        for path in &self.replay {
            let read = document::read(path);
            let read = read.and_then(|text| Conversation::read(&path.display().to_string(), &text));
            conversations.push(read.map_err(|problems| wrong_file(&problems))?);
        }
        let then = self.then.as_ref().map(|then| {
            let selection = SelectionArgs {
                scenarios: vec![then.clone()],
                ..SelectionArgs::default()
            };
            let mut selected = selection.select()?.scenarios;
            match (selected.pop(), selected.len()) {
                (Some(one), 0) => Ok(one.scenario),
                (_, others) => Err(usage(format!(
                    "--then takes one scenario and {then:?} selects {}",
                    others + 1
                ))),
            }
        });
        let then = then.transpose()?;
        let guard = Guard::begin()?;
        let stop = stopped(runtime)?;
        let replaying = replay(iut, conversations, then, seed, guard.program(), stop);
        match runtime.block_on(replaying).map_err(harness)? {
            (Some(fault), 1) => {
                print_line(&fault.to_string())?;
                Ok(Exit::Fail)
            }
            (Some(fault), attempts) => {
                let before = count(u64::from(attempts - 1), "attempt");
                print_line(&format!("{fault}\nnot reproduced in {before} before"))?;
                Ok(Exit::Fail)
            }
            (None, attempts) => {
                let attempts = count(u64::from(attempts), "attempt");
                print_line(&format!("no fault in {attempts}"))?;
                Ok(Exit::Success)
            }
        }
    }
}
