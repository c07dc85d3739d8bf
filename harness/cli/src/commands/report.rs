//! `shakedown report DIR...`.

use std::path::PathBuf;

use anstream::eprintln;
use shakedown_report::{Replay, check_together};

use crate::exit::{Exit, Failure, usage, warning_label};
use crate::logging::Global;
use crate::reports::{self, ReportArgs};

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: one report of the runs of two machines
  shakedown report shard-1 shard-2 --out reports/all")]
pub(crate) struct Args {
    /// Directories of reports, or files of events (events.jsonl)
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,

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
        check_together(&replays).map_err(|error| usage(error.to_string()))?;
        let directory = self.reports.directory()?;
        let mut sinks = self.reports.open(global, directory.as_ref(), false)?;
        for event in replays.iter().flat_map(|(_, replay)| &replay.events) {
            sinks.event(event);
        }
        let exit = sinks.record().exit();
        Ok(reports::close(sinks, exit))
    }
}
