use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pieces::Pieces;
use super::{LARGEST_FRAME, MediaFrame, Part};
use crate::mediastream::frame::Header;

/// Most that incomplete frames may hold together, in bytes, bookkeeping included (MS-R-06).
pub(super) const LARGEST_TOTAL: usize = 64 * 1024 * 1024;
/// How long a frame may be incomplete (MS-R-05).
pub(super) const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a held frame and each of its pieces cost besides their bytes, rounded up.
const FRAME_COST: usize = 256;
const PIECE_COST: usize = 96;

/// Frames of which some datagrams came and some did not.
///
/// Nothing is allocated but for bytes that came: what a datagram says of the frame's length
/// reserves nothing (MS-R-06).
#[derive(Debug, Clone, Hash, Default)]
pub(super) struct Reassembly {
    partials: BTreeMap<u64, Partial>,
    /// When each is given up, earliest first.
    due: BTreeSet<(Duration, u64)>,
    held: usize,
}

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It completed its frame.
    Complete(MediaFrame),
    /// It was put aside until the rest comes.
    Held,
    /// All of its bytes are there already.
    Duplicate,
    /// It breaks a rule, by the cause under which it is counted.
    Invalid(&'static str),
    /// Its frame is too large, or there is no room for it (MS-R-06).
    Refused,
}

#[derive(Debug, Clone, Hash)]
struct Partial {
    since: Duration,
    cost: usize,
    body: Body,
}

#[derive(Debug, Clone, Hash)]
enum Body {
    /// Plain split: the datagrams in the order in which they came, and their length with headers.
    Split {
        header: Header,
        payload: Vec<u8>,
        bytes: usize,
    },
    /// Fragments; the timestamp is that of the fragment at offset 0 (MS-R-04).
    Fragments {
        total: u64,
        first: Option<Header>,
        pieces: Pieces,
    },
}

impl Reassembly {
    /// Takes a datagram of a frame that is not complete; `frame_bytes` is the length of a plain
    /// frame with its headers.
    pub(super) fn add(&mut self, now: Duration, part: &Part<'_>, frame_bytes: usize) -> Added {
        let number = part.header.sequence_number;
        if let Some(added) = refuse(part) {
            return added;
        }
        let known = self.partials.get(&number);
        if let Some(added) = known.and_then(|partial| partial.body.conflict(part, frame_bytes)) {
            return added;
        }
        let pieces = known.map_or(1, |partial| partial.body.new_pieces(part));
        let cost = part.payload.len() + pieces * PIECE_COST + known.map_or(FRAME_COST, |_| 0);
        if self.held + cost > LARGEST_TOTAL {
            self.remove(number);
            return Added::Refused;
        }
        self.held += cost;
        let due = &mut self.due;
        let partial = self.partials.entry(number).or_insert_with(|| {
            due.insert((now.saturating_add(REASSEMBLY_TIMEOUT), number));
            Partial::new(now, part)
        });
        partial.cost += cost;
        partial.body.put(part);
        if partial.body.is_complete(frame_bytes) {
            self.remove(number)
                .and_then(|partial| partial.body.finish())
                .map_or(Added::Held, Added::Complete)
        } else {
            Added::Held
        }
    }

    /// Gives up the frames that are incomplete for too long, and says how many.
    pub(super) fn expire(&mut self, now: Duration) -> u64 {
        let mut expired = 0;
        while let Some((due, number)) = self.due.first().copied()
            && due <= now
        {
            self.remove(number);
            expired += 1;
        }
        expired
    }

    /// When the next frame is given up.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Forgets everything (MS-D-09).
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes held, bookkeeping included.
    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    fn remove(&mut self, number: u64) -> Option<Partial> {
        let partial = self.partials.remove(&number)?;
        self.due
            .remove(&(partial.since.saturating_add(REASSEMBLY_TIMEOUT), number));
        self.held -= partial.cost;
        Some(partial)
    }
}

/// What is wrong with a datagram whatever came before it.
fn refuse(part: &Part<'_>) -> Option<Added> {
    let (offset, total) = part.position?;
    let end = offset.checked_add(part.payload.len() as u64);
    if end.is_none_or(|end| end > total) {
        return Some(Added::Invalid("fragment_bounds")); // MS-R-02
    }
    (total > LARGEST_FRAME).then_some(Added::Refused) // MS-R-06
}

impl Partial {
    fn new(now: Duration, part: &Part<'_>) -> Self {
        let body = match part.position {
            None => Body::Split {
                header: part.header,
                payload: Vec::new(),
                bytes: 0,
            },
            Some((_, total)) => Body::Fragments {
                total,
                first: None,
                pieces: Pieces::default(),
            },
        };
        Self {
            since: now,
            cost: 0,
            body,
        }
    }
}

impl Body {
    /// What is wrong with a datagram after those that came before it.
    fn conflict(&self, part: &Part<'_>, frame_bytes: usize) -> Option<Added> {
        match (self, part.position) {
            (Self::Split { bytes, .. }, None) => {
                // Without positions a repetition shows only in that it is too much.
                (bytes + part.bytes() > frame_bytes).then_some(Added::Duplicate)
            }
            (Self::Fragments { total, pieces, .. }, Some((offset, its_total))) => {
                if its_total != *total {
                    return Some(Added::Invalid("fragment_total_length")); // MS-R-02
                }
                let gaps = pieces.gaps(offset, part.payload.len() as u64);
                gaps.is_empty().then_some(Added::Duplicate)
            }
            (Self::Split { .. }, Some(_)) | (Self::Fragments { .. }, None) => {
                Some(Added::Invalid("mixed_carry")) // MS-R-07
            }
        }
    }

    /// How many pieces a datagram adds.
    fn new_pieces(&self, part: &Part<'_>) -> usize {
        match (self, part.position) {
            (Self::Fragments { pieces, .. }, Some((offset, _))) => {
                pieces.gaps(offset, part.payload.len() as u64).len()
            }
            (Self::Fragments { .. }, None) | (Self::Split { .. }, _) => 1,
        }
    }

    fn put(&mut self, part: &Part<'_>) {
        match (self, part.position) {
            (Self::Split { payload, bytes, .. }, _) => {
                payload.extend_from_slice(part.payload);
                *bytes += part.bytes();
            }
            (Self::Fragments { first, pieces, .. }, position) => {
                let offset = position.map_or(0, |(offset, _)| offset);
                if offset == 0 {
                    first.get_or_insert(part.header);
                }
                let gaps = pieces.gaps(offset, part.payload.len() as u64);
                pieces.fill(&gaps, offset, part.payload);
            }
        }
    }

    fn is_complete(&self, frame_bytes: usize) -> bool {
        match self {
            Self::Split { bytes, .. } => *bytes >= frame_bytes,
            Self::Fragments { total, pieces, .. } => pieces.covered() == *total,
        }
    }

    fn finish(self) -> Option<MediaFrame> {
        let (header, payload) = match self {
            Self::Split {
                header, payload, ..
            } => (header, payload),
            Self::Fragments { first, pieces, .. } => (first?, pieces.concat()),
        };
        Some(MediaFrame { header, payload })
    }
}
