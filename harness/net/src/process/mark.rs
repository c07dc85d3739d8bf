//! The mark in the environment of each process that we start. What the process starts inherits it,
//! so it is found where its process group does not help: daemons with their own session, and what a run left
//! behind that was killed.

use std::fmt;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::{ProcState, Process, all_processes};

/// The variable that holds the mark.
pub(super) const VARIABLE: &str = "SHAKEDOWN_STARTED_BY";

/// How often it is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A run of this program. The moment of its start, in ticks since the machine's, distinguishes it
/// from later processes with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId {
    pid: i32,
    start: u64,
}

/// The mark of one process of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    run: RunId,
    /// Which of the run's processes it is.
    number: u64,
}

/// A process that carries a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedProcess {
    pid: i32,
    name: String,
}

impl RunId {
    /// This run; `None` where the system does not report it.
    #[must_use]
    pub fn this() -> Option<Self> {
        let stat = Process::myself().ok()?.stat().ok()?;
        Some(Self {
            pid: stat.pid,
            start: stat.starttime,
        })
    }

    fn is_alive(self) -> bool {
        let stat = Process::new(self.pid).and_then(|process| process.stat());
        stat.is_ok_and(|stat| {
            let state = stat.state().unwrap_or(ProcState::Running);
            stat.starttime == self.start && !matches!(state, ProcState::Zombie | ProcState::Dead)
        })
    }
}

impl Mark {
    pub(super) fn new(number: u64) -> Option<Self> {
        RunId::this().map(|run| Self { run, number })
    }

    /// The processes that carry it.
    pub(super) fn processes(self) -> Vec<MarkedProcess> {
        marked(|mark| mark == self)
    }
}

#[must_use]
pub fn started_by(run: RunId) -> Vec<MarkedProcess> {
    marked(|mark| mark.run == run)
}

/// What runs started that are gone.
#[must_use]
pub fn orphans() -> Vec<MarkedProcess> {
    marked(|mark| !mark.run.is_alive())
}

/// Ends processes: SIGTERM, and SIGKILL for those that live after `grace`.
pub fn end(processes: &[MarkedProcess], grace: Duration) {
    let deadline = Instant::now() + grace;
    for process in processes {
        process.signal(Signal::SIGTERM);
    }
    while processes.iter().any(MarkedProcess::lives) && Instant::now() < deadline {
        sleep(LOOK_EVERY);
    }
    for process in processes.iter().filter(|process| process.lives()) {
        process.signal(Signal::SIGKILL);
    }
}

impl MarkedProcess {
    pub(super) fn lives(&self) -> bool {
        Process::new(self.pid).is_ok_and(|process| mark_of(&process).is_some())
    }

    fn signal(&self, signal: Signal) {
        // One that has ended meanwhile needs none.
        let _ = kill(Pid::from_raw(self.pid), signal);
    }
}

impl fmt::Display for MarkedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start)
    }
}

impl FromStr for RunId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once(':');
        numbers
            .and_then(|(pid, start)| {
                Some(Self {
                    pid: pid.parse().ok()?,
                    start: start.parse().ok()?,
                })
            })
            .ok_or("it is the number of a process, a colon, and the tick of its start")
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.run, self.number)
    }
}

impl FromStr for Mark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (run, number) = text.rsplit_once(':').ok_or("it has no number")?;
        Ok(Self {
            run: run.parse()?,
            number: number.parse().map_err(|_| "its number is none")?,
        })
    }
}

/// The processes that carry a mark of this kind. Another container has process numbers of its own, so what
/// runs there is left alone.
fn marked(is_wanted: impl Fn(Mark) -> bool) -> Vec<MarkedProcess> {
    let Ok(processes) = all_processes() else {
        return Vec::new();
    };
    let here = Process::myself().ok().and_then(|own| namespace(&own));
    let wanted = processes
        .flatten()
        .filter(|process| mark_of(process).is_some_and(&is_wanted) && namespace(process) == here);
    let named = wanted.map(|process| MarkedProcess {
        pid: process.pid(),
        name: process
            .stat()
            .map_or_else(|_| String::from("a program"), |stat| stat.comm),
    });
    named.collect()
}

/// The mark of a process that has not ended, as far as we may look.
fn mark_of(process: &Process) -> Option<Mark> {
    let environment = process.environ().ok()?;
    let mark = environment.get(std::ffi::OsStr::new(VARIABLE))?;
    mark.to_str()?.parse().ok()
}

/// Which process numbers a process sees.
fn namespace(process: &Process) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{}/ns/pid", process.pid())).ok()
}
