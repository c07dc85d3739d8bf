//! Implementations under test as processes: started, watched, and ended with all that they started.

mod command;
mod environment;
mod exit;
mod mark;
mod output;
mod printed;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::kernel;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

pub(crate) use command::expand;
pub use command::{CertificateFile, PlaceholderError, Placeholders, command};
pub use environment::ProcessEnvironment;
pub(crate) use environment::located;
pub use exit::ProcessExit;
pub use mark::{MarkedProcess, RunId, end, orphans, started_by};
pub use output::Output;
pub(crate) use printed::{bounded, printed};

use mark::Mark;

/// How long the rest of a process's output is waited for once it ended. Something that it started
/// may hold the streams open.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(300);

/// How long the end of a process that was killed is waited for. One that the kernel holds (a broken disk)
/// does not end.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// The variable that names the file for TLS secrets.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// A process that we started, in its own process group. When this is dropped the whole group
/// is killed.
#[derive(Debug)]
pub struct Process {
    group: Arc<Group>,
    output: Output,
    ended: watch::Receiver<Option<FinalState>>,
    grace: Duration,
}

/// The exit of a process, and what it left behind.
#[derive(Debug, Clone)]
struct FinalState {
    ended: ProcessExit,
    /// Processes that it had started in sessions of their own.
    daemons: Vec<MarkedProcess>,
}

/// The number of the next process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A program that cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("{program} cannot be started: {why}")]
pub struct StartError {
    pub program: String,
    pub why: String,
}

impl Process {
    /// Starts `words` (program and arguments) there. `wanted` is the text that
    /// [`Output::wait_for_line`] waits for; `grace` is the time that the process has to end after
    /// SIGTERM; `key_log` the file to which it is asked to write the secrets of its TLS sessions.
    ///
    /// # Errors
    /// [`StartError`], a human-readable sentence.
    pub fn start(
        words: &[OsString],
        surroundings: &ProcessEnvironment,
        wanted: Option<&str>,
        grace: Duration,
        key_log: Option<&Path>,
    ) -> Result<Self, StartError> {
        let (program, arguments) = words.split_first().ok_or_else(|| StartError {
            program: String::from("the implementation"),
            why: PlaceholderError::NoProgram.to_string(),
        })?;
        let mark = Mark::new(NEXT.fetch_add(1, Ordering::Relaxed));
        let mut child = surroundings
            .call(program)?
            .args(arguments)
            .envs(mark.map(|mark| (mark::VARIABLE, mark.to_string())))
            .envs(key_log.map(|path| (KEY_LOG, path)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| StartError {
                program: program.to_string_lossy().into_owned(),
                why: reason(&error),
            })?;
        let group = Arc::new(Group::of(&child));
        let output = Output::new(wanted);
        let drains = [
            child.stdout.take().map(|stream| output.drain(stream)),
            child.stderr.take().map(|stream| output.drain(stream)),
        ];
        let (sender, ended) = watch::channel(None);
        tokio::spawn(watch_over(child, Arc::clone(&group), mark, drains, sender));
        Ok(Self {
            group,
            output,
            ended,
            grace,
        })
    }

    #[must_use]
    pub const fn output(&self) -> &Output {
        &self.output
    }

    /// The process group's number, as long as something of it may live.
    #[must_use]
    pub fn group(&self) -> Option<i32> {
        self.group.id().map(Pid::as_raw)
    }

    /// The most memory that it and what it started have held so far, where the system reports it.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        kernel::peak_memory(self.group()?)
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<ProcessExit> {
        self.ended.borrow().as_ref().map(|exit| exit.ended)
    }

    /// What it left running in sessions of their own, which was killed when it ended.
    #[must_use]
    pub fn daemons(&self) -> Vec<MarkedProcess> {
        let exit = self.ended.borrow();
        exit.as_ref()
            .map_or_else(Vec::new, |exit| exit.daemons.clone())
    }

    /// Waits until it ends.
    pub async fn wait(&self) -> ProcessExit {
        let mut ended = self.ended.clone();
        let seen = ended.wait_for(Option::is_some).await;
        // The task that waits for the child reports its end before it is gone, unless the runtime
        // itself is shut down.
        let seen = seen.ok();
        let exit = seen.as_ref().and_then(|seen| seen.as_ref());
        exit.map_or(ProcessExit::UNKNOWN, |exit| exit.ended)
    }

    /// Ends it: SIGTERM to its group, after the grace SIGKILL. Returns how it ended and whether it
    /// had to be killed.
    pub async fn stop(&self) -> StopResult {
        if let Some(ended) = self.ended() {
            return StopResult {
                ended,
                forced: false,
            };
        }
        self.group.signal(Signal::SIGTERM);
        match timeout(self.grace, self.wait()).await {
            Ok(ended) => StopResult {
                ended,
                forced: false,
            },
            Err(_) => StopResult {
                ended: self.kill().await,
                forced: true,
            },
        }
    }

    /// Kills it, with its group, and returns how it ended.
    pub async fn kill(&self) -> ProcessExit {
        self.group.signal(Signal::SIGKILL);
        let killed = timeout(KILLED_WITHIN, self.wait()).await;
        killed.unwrap_or(ProcessExit::UNKNOWN)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.signal(Signal::SIGKILL);
    }
}

/// How a process that was stopped ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopResult {
    pub ended: ProcessExit,
    /// Whether it did not end after SIGTERM and had to be killed.
    pub forced: bool,
}

/// Waits for the child, stops what it left behind, and reports the end.
async fn watch_over(
    mut child: Child,
    group: Arc<Group>,
    mark: Option<Mark>,
    drains: [Option<JoinHandle<()>>; 2],
    ended: watch::Sender<Option<FinalState>>,
) {
    let status = child.wait().await;
    // The group's number stays taken as long as something of it lives; it is given up at once, so
    // that a signal never reaches an unrelated process.
    group.end();
    let daemons = spawn_blocking(move || {
        let daemons = mark.map_or_else(Vec::new, Mark::processes);
        end(&daemons, Duration::ZERO);
        daemons
    });
    let daemons = daemons.await.unwrap_or_default();
    for mut drain in drains.into_iter().flatten() {
        if timeout(DRAIN_TIMEOUT, &mut drain).await.is_err() {
            drain.abort();
        }
    }
    let exit = status.map_or(ProcessExit::UNKNOWN, ProcessExit::from);
    ended.send_replace(Some(FinalState {
        ended: exit,
        daemons,
    }));
}

/// The process group of a child that may still live.
#[derive(Debug)]
struct Group(Mutex<Option<Pid>>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(Mutex::new(id.map(Pid::from_raw)))
    }

    fn id(&self) -> Option<Pid> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        let group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = *group {
            log_failure(id, killpg(id, signal));
        }
    }

    /// The child is gone: kills what it left behind, and forgets the group.
    fn end(&self) {
        let mut group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = group.take() {
            log_failure(id, killpg(id, Signal::SIGKILL));
        }
    }
}

fn log_failure(id: Pid, result: nix::Result<()>) {
    match result {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!("process group {id} cannot be signalled: {error}"),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => String::from("there is no such program"),
        io::ErrorKind::PermissionDenied => {
            String::from("it may not be executed (permission denied)")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
