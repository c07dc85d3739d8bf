use std::collections::BTreeSet;
use std::io::Read;

use shakedown_capture::CaptureError;
use shakedown_capture::quic::EventKind;
use shakedown_protocol::pair::{Offer, Pairs, StreamObserver, TrafficEvent};
use shakedown_protocol::requirement::Role;

use crate::quic::each_event;

/// Most frames that are counted, above any stream of a matrix.
const MAX_FRAMES: usize = 1 << 22;

/// What the datagrams at one edge of a pair show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeTraffic {
    /// How often the initiator asked in its own way.
    pub asked: u64,
    /// Whether it asked in the older way before any media came.
    pub fell_back: bool,
    /// How a side refused at first, if one did.
    pub refusal: Option<String>,
    /// Granted stream, if the responder states it: frames per second, seconds.
    pub granted: (Option<u32>, Option<u32>),
    /// Datagrams of the responder, whatever they are.
    pub answers: u64,
    /// How often something came that the initiator came for.
    pub media: u64,
    /// How the responder broke off what the initiator asked for, if it did.
    pub broken: Option<String>,
    /// How much the initiator came for, where that is not media.
    pub wanted: Option<u64>,
    /// Whether some data was unreadable.
    pub is_hidden: bool,
    frames: BTreeSet<u64>,
}

impl EdgeTraffic {
    /// The next datagram passes.
    pub fn observe(&mut self, pairs: &Pairs, initiator: &Offer<'_>, from: Role, payload: &[u8]) {
        self.answers += u64::from(from == Role::Responder);
        if let Some(event) = pairs.event(initiator, from, payload) {
            self.take(event);
        }
    }

    /// Reads what the QUIC of this edge's capture says, with its secrets and those of a key log.
    ///
    /// # Errors
    /// [`CaptureError`] where the capture cannot be read.
    pub fn read(
        &mut self,
        capture: impl Read,
        key_log: &[u8],
        mut observer: Box<dyn StreamObserver>,
    ) -> Result<(), CaptureError> {
        self.wanted = Some(observer.wanted());
        // Of each connection and side of which something could not be read, or was.
        let mut hidden = BTreeSet::new();
        let mut read = BTreeSet::new();
        each_event(capture, key_log, &mut |event| {
            if let EventKind::Unreadable(unread) = event.kind
                && event.connection.is_some_and(|one| observer.follows(one))
            {
                hidden.insert((event.connection, unread.by));
            }
            if let EventKind::Packet(packet) = event.kind
                && packet.is_of_the_application()
            {
                read.insert((event.connection, Some(packet.by)));
            }
            observer.event(event, &mut |event| self.take(event));
        })?;
        self.is_hidden = !hidden.is_subset(&read);
        Ok(())
    }

    fn take(&mut self, event: TrafficEvent) {
        match event {
            TrafficEvent::Requests => self.asked += 1,
            TrafficEvent::FallsBack => self.fell_back |= self.media == 0,
            TrafficEvent::Refuses(how) => {
                self.refusal.get_or_insert(how);
            }
            TrafficEvent::Aborts(how) => {
                self.broken.get_or_insert(how);
            }
            TrafficEvent::Grants {
                frames_per_second,
                seconds,
            } => self.granted = (frames_per_second, seconds),
            TrafficEvent::Received(number) => {
                self.media += 1;
                if self.frames.len() < MAX_FRAMES {
                    self.frames.insert(number);
                }
            }
        }
    }

    /// What the initiator came for and got, frames of media for example, each number once.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames.len() as u64
    }
}
