//! `shakedown man DIR`.

use std::path::PathBuf;

use clap::CommandFactory;

use crate::Cli;
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  shakedown man ~/.local/share/man/man1 && man shakedown-run")]
pub(crate) struct Args {
    /// Output directory, created if missing
    directory: PathBuf,
}

impl Args {
    /// Writes a page for the program and one for each command.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let directory = &self.directory;
        std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
            .map_err(|error| usage(format!("{}: {error}", directory.display())))?;
        Ok(Exit::Success)
    }
}
