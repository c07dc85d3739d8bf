use std::ops::Range;

use shakedown_wire::quic::{Acknowledged, Carried};

/// Most parts that are kept; with more, nothing is known of what follows.
const MOST: usize = 1_024;

/// Offsets of QUIC are below this. What carries no byte has a place above.
const OPENED: u64 = 1 << 62;
const RESET: u64 = OPENED + 1;
const STOPPED: u64 = OPENED + 2;

/// Datagrams are of no stream.
const NO_STREAM: u64 = u64::MAX;

/// What one side sent, and what of it its peer has: it acknowledged a packet that carried it, the first one or one
/// in which it was sent again.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    /// In the order of their streams and places there. Those next to each other that the peer has are one.
    parts: Vec<Part>,
    /// Frames of the packet that is being read.
    frames: Vec<(u64, Range<u64>)>,
    /// Parts that were seen so far.
    seen: u64,
    /// The largest packet number that the peer acknowledged.
    largest: u64,
    is_full: bool,
}

#[derive(Debug)]
struct Part {
    stream: u64,
    places: Range<u64>,
    /// Which one it was, from 1.
    number: u64,
    /// The packets that carried it; none if the peer has it.
    packets: Vec<u64>,
}

impl Part {
    const fn is_delivered(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether it may be lost for good: what carries no byte and ends nothing need not be sent again.
    const fn is_sent_once(&self) -> bool {
        self.stream == NO_STREAM || self.places.start == OPENED
    }
}

impl Outstanding {
    /// The packet that is being read carries this.
    pub(super) fn carries(&mut self, stream: u64, carried: Carried) {
        let places = match carried {
            Carried::Bytes {
                offset,
                length,
                fin,
            } => offset..offset.saturating_add(length + u64::from(fin)),
            Carried::Reset => {
                // The bytes before it are not sent again.
                let of = |part: &Part| part.stream == stream && part.places.end <= OPENED;
                self.parts.retain(|part| part.is_delivered() || !of(part));
                RESET..RESET + 1
            }
            Carried::Stop => STOPPED..STOPPED + 1,
        };
        let places = match places.is_empty() {
            true => OPENED..OPENED + 1,
            false => places,
        };
        self.frames.push((stream, places));
    }

    /// The packet that is being read carries a datagram, which is not sent again.
    pub(super) fn carries_datagram(&mut self) {
        self.frames.push((NO_STREAM, self.seen..self.seen + 1));
    }

    /// The packet that was read has this number.
    pub(super) fn sent(&mut self, packet: u64) {
        for (stream, places) in std::mem::take(&mut self.frames) {
            let begin = self
                .parts
                .partition_point(|part| (part.stream, part.places.end) <= (stream, places.start));
            let mut from = places.start;
            let mut new = Vec::new();
            let known = self.parts.iter_mut().skip(begin);
            for part in known.take_while(|part| part.stream == stream) {
                if part.places.start >= places.end {
                    break;
                }
                if part.places.start > from {
                    new.push(from..part.places.start);
                }
                from = part.places.end;
                let is_whole = places.start <= part.places.start && part.places.end <= places.end;
                if is_whole && !part.is_delivered() && part.packets.len() < MOST {
                    part.packets.push(packet);
                }
            }
            if from < places.end {
                new.push(from..places.end);
            }
            for places in new {
                self.insert(stream, places, packet);
            }
        }
    }

    fn insert(&mut self, stream: u64, places: Range<u64>, packet: u64) {
        self.seen += 1;
        self.is_full |= self.parts.len() >= MOST;
        if self.is_full {
            return;
        }
        let place = (stream, places.start);
        let at = self
            .parts
            .partition_point(|part| (part.stream, part.places.start) < place);
        let part = Part {
            stream,
            places,
            number: self.seen,
            packets: vec![packet],
        };
        self.parts.insert(at, part);
    }

    /// Takes an acknowledgement of the peer.
    pub(super) fn acknowledged(&mut self, acknowledged: &Acknowledged) {
        self.largest = self.largest.max(acknowledged.largest);
        for part in &mut self.parts {
            if part
                .packets
                .iter()
                .any(|packet| acknowledged.covers(*packet))
            {
                part.packets.clear();
            }
        }
        // A stream of which the peer has something is open.
        let mut open = None;
        for part in &mut self.parts {
            if part.is_delivered() {
                open = Some(part.stream);
            } else if part.places.start == OPENED && open == Some(part.stream) {
                part.packets.clear();
            }
        }
        self.parts.dedup_by(|next, part| {
            let is_one = part.is_delivered()
                && next.is_delivered()
                && (part.stream, part.places.end) == (next.stream, next.places.start);
            if is_one {
                part.places.end = next.places.end;
            }
            is_one
        });
    }

    /// The number that the next part will have.
    pub(super) const fn next(&self) -> u64 {
        self.seen + 1
    }

    /// Whether the peer has all of these parts, and those before them that are sent until they are there.
    pub(super) fn is_delivered(&self, parts: &Range<u64>) -> bool {
        let is_there = |part: &Part| {
            let is_given_up = part.is_sent_once() && part.number < parts.start;
            part.is_delivered() || part.number >= parts.end || is_given_up
        };
        !self.is_full && self.parts.iter().all(is_there)
    }

    /// Whether the peer has something of this stream.
    pub(super) fn has_some_of(&self, stream: u64) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| part.stream == stream && part.is_delivered())
    }

    /// Whether the peer has the first byte of this stream.
    pub(super) fn has_begin_of(&self, stream: u64) -> bool {
        let mut parts = self.parts.iter().filter(|part| part.is_delivered());
        parts.any(|part| (part.stream, part.places.start) == (stream, 0))
    }

    /// Whether there is more of this stream than its first byte.
    pub(super) fn is_longer(&self, stream: u64) -> bool {
        let mut parts = self.parts.iter();
        parts
            .any(|part| part.stream == stream && part.places.end > 1 && part.places.start != OPENED)
    }

    /// Whether the peer has a packet and not what was sent before it.
    pub(super) fn has_gap(&self) -> bool {
        let lasting = self.parts.iter().filter(|part| !part.is_sent_once());
        let mut first = lasting.filter_map(|part| part.packets.first());
        self.is_full || first.any(|first| *first < self.largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Range<u64> = u64::MAX..u64::MAX;

    fn to(part: u64) -> Range<u64> {
        part..part + 1
    }

    fn bytes(offset: u64, length: u64) -> Carried {
        Carried::Bytes {
            offset,
            length,
            fin: false,
        }
    }

    fn acknowledges(largest: u64, newest: u64) -> Acknowledged {
        Acknowledged {
            largest,
            newest,
            unseen: false,
        }
    }

    /// What a side has sent, each in a packet of its own, from 0 on.
    fn sent(frames: &[(u64, Carried)]) -> Outstanding {
        let mut outstanding = Outstanding::default();
        for (packet, (stream, carried)) in (0..).zip(frames) {
            outstanding.carries(*stream, *carried);
            outstanding.sent(packet);
        }
        outstanding
    }

    #[test]
    fn what_was_sent_again_is_there_with_either_packet() {
        let again = [(0, bytes(0, 5)), (0, bytes(5, 4)), (0, bytes(0, 9))];
        for (newest, is_there) in [(0b100, false), (0b110, true), (0b10, false), (0b1, true)] {
            let mut outstanding = sent(&again);
            outstanding.acknowledged(&acknowledges(2, newest));
            assert_eq!(outstanding.next(), 3);
            assert_eq!(
                outstanding.is_delivered(&to(1)),
                newest != 0b10,
                "{newest:b}"
            );
            assert_eq!(outstanding.is_delivered(&to(2)), is_there, "{newest:b}");
        }
    }

    #[test]
    fn a_part_of_what_was_lost_is_not_all_of_it() {
        let mut outstanding = sent(&[(0, bytes(0, 5)), (4, bytes(0, 1)), (0, bytes(2, 3))]);
        outstanding.acknowledged(&acknowledges(2, 0b11));
        assert!(!outstanding.is_delivered(&to(1)) && outstanding.has_gap());
        assert!(outstanding.has_begin_of(4) && !outstanding.has_some_of(0));
        outstanding.acknowledged(&acknowledges(2, 0b111));
        assert!(outstanding.is_delivered(&ALL) && !outstanding.has_gap());
    }

    #[test]
    fn what_the_peer_has_may_come_again() {
        let mut outstanding = sent(&[(0, bytes(4, 4)), (0, bytes(0, 4))]);
        outstanding.acknowledged(&acknowledges(1, 0b11));
        assert_eq!(outstanding.parts.len(), 1);
        outstanding.carries(0, bytes(2, 8));
        outstanding.sent(2);
        assert!(outstanding.is_delivered(&to(2)) && !outstanding.is_delivered(&to(3)));
        assert_eq!(outstanding.next(), 4);
    }

    #[test]
    fn a_reset_stands_for_the_bytes_before_it() {
        let frames = [(0, bytes(0, 4)), (0, Carried::Reset), (4, Carried::Stop)];
        let mut outstanding = sent(&frames);
        outstanding.acknowledged(&acknowledges(1, 0b1));
        assert!(outstanding.is_delivered(&to(2)) && !outstanding.is_delivered(&to(3)));
    }

    #[test]
    fn an_end_and_a_datagram_are_parts_too() {
        let end = Carried::Bytes {
            offset: 4,
            length: 0,
            fin: true,
        };
        let mut outstanding = sent(&[(0, bytes(0, 4)), (0, end)]);
        outstanding.carries_datagram();
        outstanding.sent(2);
        outstanding.acknowledged(&acknowledges(0, 0b1));
        assert!(outstanding.is_delivered(&to(1)) && !outstanding.is_delivered(&to(2)));
        outstanding.acknowledged(&acknowledges(1, 0b1));
        assert!(outstanding.is_delivered(&to(2)) && !outstanding.is_delivered(&to(3)));
    }

    #[test]
    fn what_is_not_sent_again_keeps_nothing_back_that_follows() {
        let mut outstanding = sent(&[(0, bytes(0, 1)), (4, bytes(0, 0))]);
        outstanding.carries_datagram();
        outstanding.sent(2);
        outstanding.carries(0, bytes(1, 4));
        outstanding.sent(3);
        outstanding.acknowledged(&acknowledges(3, 0b1001));
        assert!(outstanding.is_delivered(&to(4)) && outstanding.is_delivered(&ALL));
        assert!(!outstanding.has_gap());
        for lost in [to(2), to(3), 2..5] {
            assert!(!outstanding.is_delivered(&lost), "{lost:?}");
        }
        outstanding.carries(4, bytes(0, 1));
        outstanding.sent(4);
        outstanding.acknowledged(&acknowledges(4, 0b1));
        assert!(outstanding.is_delivered(&to(2)) && !outstanding.is_delivered(&to(3)));
    }

    #[test]
    fn of_more_parts_than_are_kept_nothing_is_known() {
        let frames: Vec<_> = (0..=MOST as u64).map(|at| (0, bytes(2 * at, 1))).collect();
        let mut outstanding = sent(&frames);
        outstanding.acknowledged(&acknowledges(MOST as u64, u64::MAX));
        assert!(!outstanding.is_delivered(&ALL) && outstanding.has_gap());
    }
}
