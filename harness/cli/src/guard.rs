//! Nothing that a run starts outlives it, however it ends.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anstream::eprintln;
use shakedown_net::process::{MarkedProcess, RunId, end, orphans};

use crate::exit::{Failure, harness, warning_label};

/// How long what a run left behind may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// This program as a second process, which ends what the run started when the run is gone, also by SIGKILL.
/// It notices by the end of its standard input.
#[derive(Debug)]
pub(crate) struct Guard {
    path: String,
    process: Option<Child>,
}

/// Stops processes, and returns them.
pub(crate) fn end_all(processes: Vec<MarkedProcess>) -> Vec<MarkedProcess> {
    end(&processes, GRACE);
    processes
}

impl Guard {
    /// Ends what earlier runs left, and begins to watch over this one.
    pub(crate) fn begin() -> Result<Self, Failure> {
        let path = own_path()?;
        for process in end_all(orphans()) {
            let label = warning_label();
            eprintln!(
                "{label} an earlier run was killed and left {process} running, which was ended now"
            );
        }
        let guard = |run: RunId| {
            Command::new(&path)
                .args(["clean", "--after", &run.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                // What a terminal sends to the run, such as Ctrl+C, does not end it.
                .process_group(0)
                .spawn()
        };
        let process = RunId::this().map(guard).transpose();
        let process =
            process.map_err(|error| harness(format!("{path} cannot be started: {error}")))?;
        Ok(Self { path, process })
    }

    /// Watches over nothing: in virtual time no process is started.
    pub(crate) fn of_nothing() -> Result<Self, Failure> {
        let path = own_path()?;
        let process = None;
        Ok(Self { path, process })
    }

    /// This program, which the reference is started from.
    pub(crate) fn program(&self) -> String {
        self.path.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.stdin.take());
            // Its end is not ours to judge.
            let _ = process.wait();
        }
    }
}

fn own_path() -> Result<String, Failure> {
    let path = std::env::current_exe()
        .map_err(|error| harness(format!("this program does not know its own path: {error}")))?;
    path.into_os_string()
        .into_string()
        .map_err(|path| harness(format!("this program's path {} is no text", path.display())))
}
