//! What passes through watched sockets, in a capture.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::PacketObserver;
use crate::clock::Clock;
use crate::drive::{Recorded, Recorder};

/// Records what passes through watched sockets, with the time of its clock.
///
/// Sockets may outlive the recording; what passes after its end is not recorded.
#[derive(Debug)]
pub struct Recording {
    clock: Clock,
    recorder: Mutex<Option<Recorder>>,
}

impl Recording {
    /// A recording into `recorder`, which is to have this clock, too.
    #[must_use]
    pub const fn new(recorder: Recorder, clock: Clock) -> Self {
        Self {
            clock,
            recorder: Mutex::new(Some(recorder)),
        }
    }

    /// Ends the recording; `None` if it has ended before.
    #[must_use]
    pub fn finish(&self) -> Option<Recorded> {
        self.recorder().take().map(Recorder::finish)
    }

    fn recorder(&self) -> MutexGuard<'_, Option<Recorder>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PacketObserver for Recording {
    fn packet(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let now = self.clock.now();
        if let Some(recorder) = self.recorder().as_mut() {
            recorder.record(now, source, destination, payload);
        }
    }
}
