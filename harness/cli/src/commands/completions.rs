//! `shakedown completions SHELL`.

use std::io::Write;

use clap::builder::PossibleValuesParser;

use crate::completing;
use crate::exit::{Exit, Failure};
use crate::logging::Global;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The script asks the program at each Tab: it completes modes, ids of scenarios, requirements and twins, and files \
of the right kind, too.

Examples:
  shakedown completions bash > ~/.local/share/bash-completion/completions/shakedown
  shakedown completions fish > ~/.config/fish/completions/shakedown.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_parser = PossibleValuesParser::new(completing::shells()))]
    shell: String,
}

impl Args {
    /// Writes the script to standard output.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let script = completing::script(&self.shell)?;
        let mut out = std::io::stdout().lock();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Exit::Success)
    }
}
