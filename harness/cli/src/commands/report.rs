//! `shakedown report DIR...`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anstream::eprintln;
use shakedown_report::{Comparison, Record, Replay, check_together};

use crate::exit::{Exit, Failure, usage, warning_label};
use crate::logging::Global;
use crate::reports::{self, ReportArgs, ReportFormat};
use crate::run_directory::COMPARE;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shakedown report shard-1 shard-2 --out reports/all
  shakedown report reports/acme reports/other --out reports/both
  shakedown report --compare reports/yesterday reports/latest")]
pub(crate) struct Args {
    /// Report directories, or files of events (events.jsonl)
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,

    /// Compare two runs: new failures (exit code 1), what passes again, other changes of verdict,
    /// and notable changes of times and packet counts
    #[arg(long)]
    compare: bool,

    #[command(flatten)]
    reports: ReportArgs,
}

impl Args {
    /// Reads the events of the runs and reports them as one; the exit code is the one that the
    /// runs together have.
    pub(crate) fn execute(self, global: &Global) -> Result<Exit, Failure> {
        let replays = Replay::read_all(&self.runs).map_err(|error| usage(error.to_string()))?;
        for note in replays.iter().flat_map(|(_, replay)| &replay.notes) {
            eprintln!("{} {note}", warning_label());
        }
        self.spare_what_is_read()?;
        if self.compare {
            return self.compare(&replays);
        }
        check_together(&replays).map_err(|error| usage(error.to_string()))?;
        let directory = self.reports.directory()?;
        let mut sinks = self.reports.open(global, directory.as_ref(), false)?;
        for event in replays.iter().flat_map(|(_, replay)| &replay.events) {
            sinks.event(event);
        }
        let exit = sinks.record().exit();
        Ok(reports::close(sinks, exit))
    }

    /// Whether the reports go anywhere but into one of the runs, whose captures `--force` would remove.
    fn spare_what_is_read(&self) -> Result<(), Failure> {
        let out = self.reports.out.as_deref();
        let out = out.and_then(|out| out.canonicalize().ok());
        let is_there = |run: &&PathBuf| {
            let run = run.canonicalize().ok();
            let folder = run.as_deref().and_then(Path::parent);
            run.is_some() && (run == out || folder == out.as_deref())
        };
        let read = self.runs.iter().find(is_there);
        read.map_or(Ok(()), |run| {
            Err(usage(format!(
                "{} is one of the runs that are read; give another directory with --out",
                run.display()
            )))
        })
    }

    /// Reports how the second run differs from the first; with `--out`, also as a page.
    fn compare(&self, replays: &[(String, Replay)]) -> Result<Exit, Failure> {
        let [(_, old), (_, new)] = replays else {
            return Err(usage(format!(
                "--compare takes two runs, the earlier one first, and {} were given",
                replays.len()
            )));
        };
        let [old, new] = [old, new].map(|replay| {
            let mut record = Record::default();
            replay.events.iter().for_each(|event| record.add(event));
            record
        });
        let comparison = Comparison::new(&old, &new);
        if let Some(directory) = self.reports.directory()? {
            let page = comparison.page(&old, &new, directory.path());
            std::fs::write(directory.path().join(COMPARE), page)?;
        }
        let mut out = anstream::stdout().lock();
        match self.reports.format {
            ReportFormat::Terminal => out.write_all(comparison.text().as_bytes())?,
            ReportFormat::Json => {
                for change in &comparison.changes {
                    let line = serde_json::to_string(change).map_err(std::io::Error::from)?;
                    writeln!(out, "{line}")?;
                }
            }
            _ => {
                return Err(usage(String::from(
                    "--compare writes --format terminal or json",
                )));
            }
        }
        out.flush()?;
        Ok(match comparison.newly_failing() {
            0 => Exit::Success,
            _ => Exit::Fail,
        })
    }
}
