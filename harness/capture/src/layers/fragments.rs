use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use etherparse::IpNumber;
use etherparse::defrag::IpDefragBuf;

use super::{Fragment, IpPacket};
use crate::FragmentStatistics;

/// How long the pieces of a datagram are waited for, as Linux does.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of all incomplete datagrams together, as much as Linux allows.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Stretches with gaps between them that one incomplete datagram may have. 65,535 bytes in pieces
/// of 576 that arrive in the worst order have 57.
const MAX_STRETCHES: usize = 128;

/// What makes pieces belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) interface: u32,
    pub(crate) vlan: u32,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) identification: u32,
    pub(crate) protocol: IpNumber,
}

/// What a piece made of its datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pending,
    /// It is complete: the IP payload.
    Complete(Vec<u8>),
}

/// Puts fragmented IP packets together, within bounds of memory and time.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// Incomplete datagrams in the order of their first pieces.
    pending: BTreeMap<u64, Pending>,
    order: HashMap<Key, u64>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Pending {
    key: Key,
    since: Duration,
    buffer: IpDefragBuf,
}

impl Reassembly {
    /// Adds a piece that came at `now`.
    pub(crate) fn add(
        &mut self,
        key: Key,
        packet: &IpPacket<'_>,
        fragment: Fragment,
        now: Duration,
        statistics: &mut FragmentStatistics,
    ) -> Outcome {
        statistics.pieces += 1;
        self.expire(now, statistics);
        if packet.payload.len() < packet.length {
            // What was not captured cannot be put together; the other pieces time out.
            statistics.cut_pieces += 1;
            return Outcome::Pending;
        }
        let number = *self.order.entry(key).or_insert_with(|| {
            self.next += 1;
            let buffer = IpDefragBuf::new(key.protocol, Vec::new(), Vec::new());
            let since = now;
            self.pending
                .insert(self.next, Pending { key, since, buffer });
            self.next
        });
        let Some(pending) = self.pending.get_mut(&number) else {
            return Outcome::Pending;
        };
        let buffer = &mut pending.buffer;
        match overlap(buffer, fragment, packet.payload) {
            Overlap::None => {}
            Overlap::Repeated => {
                statistics.repeated_pieces += 1;
                return Outcome::Pending;
            }
            Overlap::Conflict => {
                // RFC 5722 and RFC 8200 for IPv6; Linux does the same for IPv4.
                statistics.overlapping += 1;
                self.drop(number);
                return Outcome::Pending;
            }
        }
        let before = buffer.data().capacity();
        let added = buffer.add(fragment.offset, fragment.more, packet.payload);
        self.bytes += buffer.data().capacity() - before;
        if added.is_err() || buffer.sections().len() > MAX_STRETCHES {
            statistics.malformed += 1;
            self.drop(number);
        } else if buffer.is_complete() {
            return self.complete(number, statistics);
        }
        while self.bytes > MAX_BYTES
            && let Some((&oldest, _)) = self.pending.first_key_value()
        {
            statistics.over_limit += 1;
            self.drop(oldest);
        }
        Outcome::Pending
    }

    /// The capture is over: what is incomplete remains so.
    pub(crate) fn finish(&mut self, statistics: &mut FragmentStatistics) {
        statistics.incomplete += self.pending.len() as u64;
        *self = Self::default();
    }

    fn complete(&mut self, number: u64, statistics: &mut FragmentStatistics) -> Outcome {
        statistics.reassembled += 1;
        match self.drop(number) {
            Some(pending) => Outcome::Complete(pending.buffer.take_bufs().0),
            None => Outcome::Pending,
        }
    }

    fn expire(&mut self, now: Duration, statistics: &mut FragmentStatistics) {
        while let Some((&oldest, pending)) = self.pending.first_key_value()
            && now.saturating_sub(pending.since) > TIMEOUT
        {
            statistics.incomplete += 1;
            self.drop(oldest);
        }
    }

    fn drop(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        self.order.remove(&pending.key);
        self.bytes -= pending.buffer.data().capacity();
        Some(pending)
    }
}

enum Overlap {
    None,
    /// All of it is there already, with the same bytes.
    Repeated,
    Conflict,
}

fn overlap(buffer: &IpDefragBuf, fragment: Fragment, payload: &[u8]) -> Overlap {
    let from = usize::from(fragment.offset.byte_offset());
    let to = from + payload.len();
    for section in buffer.sections() {
        let (start, end) = (usize::from(section.start), usize::from(section.end));
        if start <= from && to <= end && start < end && from < to {
            return if buffer.data().get(from..to) == Some(payload) {
                Overlap::Repeated
            } else {
                Overlap::Conflict
            };
        }
        if start < to && from < end {
            return Overlap::Conflict;
        }
    }
    Overlap::None
}
