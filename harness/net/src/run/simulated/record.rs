use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shakedown_capture::{Tap, WriteError, WriterSettings};

use crate::clock::Clock;
use crate::quic::PacketObserver;

/// The capture of a scenario in virtual time, in memory.
#[derive(Debug)]
pub(super) struct Record {
    clock: Clock,
    kept: Mutex<Kept>,
}

/// What there is of the capture.
#[derive(Debug)]
struct Kept {
    tap: Tap<Vec<u8>>,
    /// Time of the first packet.
    start: Option<Duration>,
    problem: Option<WriteError>,
}

/// A capture that has ended.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The file, without comments and secrets.
    pub(super) capture: Vec<u8>,
    pub(super) start: Duration,
}

impl Record {
    pub(super) fn new(clock: Clock, about: &WriterSettings) -> Result<Self, WriteError> {
        Ok(Self {
            clock,
            kept: Mutex::new(Kept {
                tap: Tap::new(Vec::new(), about)?,
                start: None,
                problem: None,
            }),
        })
    }

    /// The number of the newest packet, if there is one.
    pub(super) fn newest(&self) -> Option<u64> {
        Some(self.kept().tap.packets()).filter(|packets| *packets > 0)
    }

    /// What was recorded so far; what passes from now on is not in it.
    pub(super) fn take(&self, about: &WriterSettings) -> Result<Recorded, WriteError> {
        let empty = Tap::new(Vec::new(), about)?;
        let mut kept = self.kept();
        if let Some(problem) = kept.problem.take() {
            return Err(problem);
        }
        Ok(Recorded {
            capture: std::mem::replace(&mut kept.tap, empty).into_inner(),
            start: kept.start.unwrap_or_default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PacketObserver for Record {
    fn packet(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let now = self.clock.now();
        let mut kept = self.kept();
        match kept.tap.record(now, source, destination, payload) {
            Ok(_) => {
                kept.start.get_or_insert(now);
            }
            Err(problem) => {
                kept.problem.get_or_insert(problem);
            }
        }
    }
}
