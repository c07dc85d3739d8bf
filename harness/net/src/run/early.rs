//! What ends a run before everything was played.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use shakedown_engine::script::human_time;
use shakedown_engine::verdict::Verdict;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Why a run was cut short without an interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// A scenario failed, and the run was to end with that.
    FirstFailure,
    /// Its time limit.
    After(Duration),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstFailure => f.write_str("stopped at the first failure"),
            Self::After(limit) => write!(f, "stopped after {}", human_time(*limit)),
        }
    }
}

/// Stops a run when the user wants it to, at the first failure, or after a time.
#[derive(Debug)]
pub(super) struct Early {
    stop: watch::Sender<bool>,
    cut: OnceLock<Cut>,
    is_fail_fast: bool,
}

impl Early {
    pub(super) fn new(is_fail_fast: bool) -> Self {
        Self {
            stop: watch::Sender::new(false),
            cut: OnceLock::new(),
            is_fail_fast,
        }
    }

    /// Turns true when the run is to stop.
    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Looks at a verdict.
    pub(super) fn judged(&self, verdict: Verdict) {
        if self.is_fail_fast && verdict == Verdict::Fail && !*self.stop.borrow() {
            self.cut(Cut::FirstFailure);
        }
    }

    pub(super) fn cut(&self, why: Cut) {
        // The first reason is the reason.
        let _ = self.cut.set(why);
        self.stop.send_replace(true);
    }

    /// Why the run was cut short, unless it was interrupted.
    pub(super) fn why(&self) -> Option<Cut> {
        self.cut.get().copied()
    }
}

/// Waits for the user, and for the end of the time.
pub(super) fn watch_over(
    early: std::sync::Arc<Early>,
    mut user: watch::Receiver<bool>,
    limit: Option<Duration>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let over = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            wanted = user.wait_for(|stop| *stop) => if wanted.is_ok() {
                early.stop.send_replace(true);
            },
            () = over => early.cut(Cut::After(limit.unwrap_or_default())),
        }
    })
}
