//! All tuples of a capture, as many as live at once.

use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;

use super::candidate::{Candidate, Opening};
use super::flow::Flow;
use super::order::Origin;
use super::scope::Context;
use super::session::{PreviousSession, Session};
use super::time::Moment;
use crate::mediastream::frame::flag;
use crate::monitor::Datagram;

/// Most tuples that are remembered at once.
const MOST: usize = 32_768;

/// After so long without a datagram a session is over.
const IDLE: Duration = Duration::from_secs(60);

/// After so long without a datagram a candidate is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// How often idle tuples are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// A tuple, whichever way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key(SocketAddr, SocketAddr);

impl Key {
    #[inline]
    fn new(one: SocketAddr, other: SocketAddr) -> Self {
        if one <= other {
            Self(one, other)
        } else {
            Self(other, one)
        }
    }
}

#[derive(Debug)]
enum Slot {
    Candidate(Box<Candidate>),
    Flow(Box<Flow>),
}

/// All tuples that live.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: IndexMap<Key, Slot>,
    /// The tuple on which an initiator last asked with a SYN.
    asking: IndexMap<SocketAddr, Key>,
    swept: Option<Moment>,
    newest: Option<usize>,
}

impl Table {
    /// The next packet of the capture.
    pub(super) fn observe(&mut self, packet: &Datagram<'_>, context: &mut Context<'_>) {
        self.sweep(context);
        let key = Key::new(packet.source, packet.destination);
        let index = match self.newest.filter(|index| {
            self.slots
                .get_index(*index)
                .is_some_and(|(known, _)| *known == key)
        }) {
            Some(index) => index,
            None => self.index(key, packet, &context.now),
        };
        self.newest = Some(index);
        let Some((_, slot)) = self.slots.get_index_mut(index) else {
            return;
        };
        match slot {
            Slot::Flow(flow) => {
                flow.observe(packet, context);
                if packet.payload.starts_with(&flag::SYN.to_le_bytes()) {
                    self.asking.insert(packet.source, key);
                } else if packet.payload.starts_with(&flag::ACK.to_le_bytes()) {
                    self.acked_elsewhere(key, packet, context);
                }
            }
            Slot::Candidate(candidate) => {
                if let Some(opening) = candidate.observe(packet, context) {
                    let flow = open(opening, candidate, packet, context);
                    *slot = Slot::Flow(Box::new(flow));
                    self.opened(opening, index, packet, &context.now);
                }
            }
        }
    }

    /// The capture is over.
    pub(super) fn finish(&mut self, context: &mut Context<'_>) {
        for (_, slot) in std::mem::take(&mut self.slots) {
            if let Slot::Flow(mut flow) = slot {
                flow.close(false, context);
            }
        }
        *self = Self::default();
    }

    fn index(&mut self, key: Key, packet: &Datagram<'_>, at: &Moment) -> usize {
        let entry = self.slots.entry(key);
        let index = entry.index();
        entry.or_insert_with(|| Slot::Candidate(Box::new(Candidate::new(packet, at))));
        index
    }

    /// A flow was opened: what it says of others.
    fn opened(&mut self, opening: Opening, index: usize, packet: &Datagram<'_>, at: &Moment) {
        if opening == Opening::Frame(flag::SYN)
            && let Some((key, _)) = self.slots.get_index(index)
        {
            self.asking.insert(packet.source, *key);
        }
        if matches!(opening, Opening::Frame(flag::SYN_ACK) | Opening::Media) {
            self.elsewhere(opening, index, packet, at);
        }
    }

    /// A responder speaks to an initiator that asked another address.
    fn elsewhere(&mut self, opening: Opening, index: usize, packet: &Datagram<'_>, at: &Moment) {
        let id = match self.slots.get_index(index) {
            Some((_, Slot::Flow(flow))) => flow.session.id,
            _ => None,
        };
        let Some(key) = self.asking.get(&packet.destination) else {
            return;
        };
        if let Some(Slot::Flow(flow)) = self.slots.get_mut(key)
            && flow.parties.responder != packet.source
        {
            if opening == Opening::Frame(flag::SYN_ACK) {
                flow.answered_by(packet, at);
            } else {
                flow.streamed_by(packet.source, id, at);
            }
        }
    }

    /// An initiator sends its ACK to another address, on the tuple `key`, than it asked.
    fn acked_elsewhere(&mut self, key: Key, packet: &Datagram<'_>, context: &mut Context<'_>) {
        let asked = self
            .asking
            .get(&packet.source)
            .filter(|asked| **asked != key);
        if let Some(Slot::Flow(flow)) = asked.and_then(|asked| self.slots.get_mut(asked)) {
            flow.acked_elsewhere(packet, context);
        }
    }

    fn sweep(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let is_due = self
            .swept
            .is_none_or(|swept| now.since(&swept).is_none_or(|passed| passed >= SWEEP));
        if self.slots.len() >= MOST {
            let worth = |slot: &Slot| match slot {
                Slot::Candidate(candidate) => (0, candidate.last.packet),
                Slot::Flow(flow) if !flow.session.stream.has_begun() => (1, flow.last.packet),
                Slot::Flow(flow) => (2, flow.last.packet),
            };
            let mut all: Vec<(u8, u64)> = self.slots.values().map(worth).collect();
            let middle = all.len() / 2;
            let (_, median, _) = all.select_nth_unstable(middle);
            let median = *median;
            self.retain(|slot| worth(slot) > median, context);
        } else if is_due {
            self.swept = Some(now);
            let lives = |slot: &Slot| {
                let (last, patience) = match slot {
                    Slot::Candidate(candidate) => (candidate.last, FORGOTTEN),
                    Slot::Flow(flow) => (flow.last, IDLE),
                };
                now.since(&last).is_none_or(|idle| idle < patience)
            };
            self.retain(lives, context);
        }
    }

    fn retain(&mut self, keep: impl Fn(&Slot) -> bool, context: &mut Context<'_>) {
        let before = self.slots.len();
        self.slots.retain(|_, slot| {
            let kept = keep(slot);
            if let (false, Slot::Flow(flow)) = (kept, slot) {
                flow.close(false, context);
            }
            kept
        });
        if self.slots.len() < before {
            self.newest = None;
            let slots = &self.slots;
            self.asking.retain(|_, key| slots.contains_key(key));
        }
    }
}

/// Makes a flow of a candidate, and shows it the packet that opened it.
fn open(
    opening: Opening,
    candidate: &Candidate,
    packet: &Datagram<'_>,
    context: &mut Context<'_>,
) -> Flow {
    let parties = opening.parties(packet);
    let name = candidate
        .name
        .filter(|(from, _)| *from == parties.responder);
    let is_first = opening.is_first();
    let highest = candidate.highest(parties.responder).filter(|_| is_first);
    let before = PreviousSession {
        highest,
        last: highest,
        ..PreviousSession::default()
    };
    let (origin, first) = if is_first {
        (Origin::Start, context.now)
    } else {
        (Origin::Middle, candidate.first)
    };
    let mut session = Session::new(opening.mode(), origin, &first, before);
    session.id = name.map(|(_, id)| id);
    session.datagrams = if is_first { 0 } else { candidate.datagrams - 1 };
    session.is_upload = opening == Opening::Join;
    let mut flow = Flow::new(parties, session, &context.now);
    flow.begin(opening, candidate, packet, context);
    flow
}
