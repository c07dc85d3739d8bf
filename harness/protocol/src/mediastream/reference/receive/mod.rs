//! The receiving side of media (specification, section 4).

mod numbers;
mod pieces;
mod reassembly;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::counters::Counters;
use crate::mediastream::frame::{Data, Fragment, Header};
use crate::mediastream::pattern;

pub(super) use numbers::{Inserted, Numbers};
use reassembly::{Added, Reassembly};

/// Longest frame that is taken, in bytes (MS-R-06).
pub(super) const LARGEST_FRAME: u64 = 16 * 1024 * 1024;

/// A datagram of media.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    header: Header,
    /// FragmentOffset and TotalLength of a fragment.
    position: Option<(u64, u64)>,
    payload: &'a [u8],
}

/// A frame that came in full.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct MediaFrame {
    /// Its number and its timestamp (MS-R-04).
    pub(super) header: Header,
    /// Its bytes, headers taken off.
    pub(super) payload: Vec<u8>,
}

/// Duplicate and reassembly state of one tuple.
#[derive(Debug, Clone, Hash)]
pub(super) struct Receiver {
    /// Frames of the whole stream.
    frames: u64,
    /// Bytes of a plain frame, headers of its datagrams included.
    frame_bytes: usize,
    verify: bool,
    completed: Numbers,
    reassembly: Reassembly,
    highest: u64,
    damaged: u64,
}

impl Receiver {
    pub(super) fn new(frames: u64, frame_bytes: usize, verify: bool) -> Self {
        Self {
            frames,
            frame_bytes,
            verify,
            completed: Numbers::default(),
            reassembly: Reassembly::default(),
            highest: 0,
            damaged: 0,
        }
    }

    /// Takes a datagram of media; the frame that it completes, if it does.
    pub(super) fn receive(
        &mut self,
        now: Duration,
        part: &Part<'_>,
        counters: &mut Counters,
    ) -> Option<MediaFrame> {
        self.expire(now, counters);
        let number = part.header.sequence_number;
        if number == 0 || number > self.frames {
            counters.invalid("sequence_number"); // MS-D-01, MS-D-07
            return None;
        }
        if self.completed.contains(number) {
            counters.duplicates += 1; // MS-D-08
            return None;
        }
        let added = self.reassembly.add(now, part, self.frame_bytes);
        if matches!(added, Added::Complete(_) | Added::Held) {
            self.note(part, counters);
        }
        match added {
            Added::Complete(frame) => return self.complete(frame, counters),
            Added::Held => {}
            Added::Duplicate => counters.duplicates += 1,
            Added::Invalid(cause) => counters.invalid(cause),
            Added::Refused => counters.resource_rejections += 1,
        }
        None
    }

    /// Drops what is incomplete for too long (MS-R-05).
    pub(super) fn expire(&mut self, now: Duration, counters: &mut Counters) {
        counters.reassembly_timeouts += self.reassembly.expire(now);
    }

    /// When something may have to be dropped.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.reassembly.deadline()
    }

    /// Forgets duplicates and incomplete frames: restarted numbers are new (MS-D-09).
    pub(super) fn flush(&mut self) {
        self.completed.clear();
        self.reassembly.clear();
        self.highest = 0;
    }

    /// Whether something of the last frame came.
    pub(super) const fn has_seen_the_last(&self) -> bool {
        self.highest == self.frames
    }

    /// Datagrams whose payload was not the pattern.
    pub(super) const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Looks at a datagram that was taken.
    fn note(&mut self, part: &Part<'_>, counters: &mut Counters) {
        let number = part.header.sequence_number;
        counters.sequence_gaps += number.saturating_sub(self.highest.saturating_add(1));
        self.highest = self.highest.max(number);
        if self.verify && pattern::first_difference(part.payload).is_some() {
            counters.invalid("payload"); // MS-D-11
            self.damaged += 1;
        }
    }

    fn complete(&mut self, frame: MediaFrame, counters: &mut Counters) -> Option<MediaFrame> {
        match self.completed.insert(frame.header.sequence_number) {
            Inserted::New => {
                counters.frames += 1;
                Some(frame)
            }
            Inserted::Known => {
                counters.duplicates += 1;
                None
            }
            Inserted::Full => {
                counters.resource_rejections += 1;
                None
            }
        }
    }
}

impl Part<'_> {
    /// Length of the datagram.
    const fn bytes(&self) -> usize {
        let header = match self.position {
            None => Header::LENGTH,
            Some(_) => Fragment::HEADER_LENGTH,
        };
        header + self.payload.len()
    }
}

impl<'a> From<Data<'a>> for Part<'a> {
    fn from(data: Data<'a>) -> Self {
        Self {
            header: data.header,
            position: None,
            payload: data.payload,
        }
    }
}

impl<'a> From<Fragment<'a>> for Part<'a> {
    fn from(fragment: Fragment<'a>) -> Self {
        Self {
            header: fragment.header,
            position: Some((fragment.fragment_offset, fragment.total_length)),
            payload: fragment.payload,
        }
    }
}
