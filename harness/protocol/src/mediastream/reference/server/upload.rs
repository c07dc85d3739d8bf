use std::time::Duration;

use super::super::deviation::Deviation;
use super::super::receive::Receiver;
use super::super::settings::Settings;
use crate::mediastream::frame::ConnectionId;

/// A stream that a client sends.
#[derive(Debug)]
pub(super) struct Upload {
    /// The name that was sent to it.
    pub(super) id: ConnectionId,
    pub(super) receiver: Receiver,
    /// Frames that are there.
    pub(super) frames: u64,
    /// When its slot was given.
    pub(super) begun: Duration,
    /// When media came last.
    pub(super) contact: Option<Duration>,
    /// The time under which it stands in the list of timers.
    pub(super) armed: Option<Duration>,
}

impl Upload {
    pub(super) fn new(now: Duration, id: ConnectionId, settings: &Settings) -> Self {
        let (frames, bytes) = (settings.stream.frames(), settings.frame_bytes());
        Self {
            id,
            receiver: Receiver::new(frames, bytes, settings.verify),
            frames: 0,
            begun: now,
            contact: None,
            armed: None,
        }
    }

    /// The state in the specification's words.
    pub(super) const fn state(&self) -> &'static str {
        match self.contact {
            None => "Established",
            Some(_) => "Streaming",
        }
    }

    /// When it was silent for a buffer period.
    pub(super) fn silent_at(&self, settings: &Settings) -> Duration {
        let contact = self
            .contact
            .filter(|_| !settings.lacks(Deviation::SilentSinceJoin));
        let contact = contact.unwrap_or(self.begun);
        contact.saturating_add(settings.buffer_period)
    }

    /// When something is due.
    pub(super) fn deadline(&self, settings: &Settings) -> Duration {
        let silent = self.silent_at(settings);
        self.receiver
            .deadline()
            .map_or(silent, |due| due.min(silent))
    }
}
