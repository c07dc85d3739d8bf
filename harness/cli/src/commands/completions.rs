//! `shakedown completions SHELL`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Cli;
use crate::exit::{Exit, Failure};
use crate::logging::Global;

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  shakedown completions bash > ~/.local/share/bash-completion/completions/shakedown")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    /// Writes the script to standard output.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "shakedown", &mut script);
        let mut out = std::io::stdout().lock();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Exit::Success)
    }
}
