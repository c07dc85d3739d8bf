//! `shakedown clean`: ends what runs left behind that could not end it themselves.

use std::io::Read;

use shakedown_net::process::{RunId, orphans, started_by};

use crate::exit::{Exit, Failure};
use crate::guard::end_all;
use crate::logging::Global;
use crate::reference::print_line;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every run does the same before it begins. A run that is still on loses nothing.

Example:
  shakedown clean")]
pub(crate) struct Args {
    /// Wait until standard input is closed, and end what this run started
    #[arg(long, hide = true)]
    after: Option<RunId>,
}

impl Args {
    pub(crate) fn execute(self, _: &Global) -> Result<Exit, Failure> {
        let processes = end_all(match self.after {
            None => orphans(),
            Some(run) => {
                // Whatever is read, its end is what counts.
                let _ = std::io::stdin().read_to_end(&mut Vec::new());
                started_by(run)
            }
        });
        for process in &processes {
            print_line(&format!("ended {process}, started by an earlier run"))?;
        }
        if processes.is_empty() && self.after.is_none() {
            print_line("no process of an earlier run is still running")?;
        }
        Ok(Exit::Success)
    }
}
