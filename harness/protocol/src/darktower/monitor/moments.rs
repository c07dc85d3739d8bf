use shakedown_wire::quic::Packet;

use crate::monitor::at::At;
use crate::requirement::Role;

/// Numbers that were skipped so shortly before a packet may be of one that the capture lacks.
const SHORTLY: u64 = 3;

/// Something that a side did, by its place in [`Moments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(usize);

/// When the sides did what counts: a capture may have packets in another order than they were sent, and
/// their numbers tell.
#[derive(Debug, Default)]
pub(super) struct Moments {
    all: Vec<(At, Option<u64>)>,
    /// Those of the packets of the client and the server that are being read.
    open: [Vec<usize>; 2],
    /// The number after the largest one of each side, and the last one that was skipped.
    next: [Option<u64>; 2],
    skipped: [Option<u64>; 2],
    /// Packets are missing: their numbers are, or they are acknowledged and were not seen.
    pub(super) gaps: bool,
}

impl Moments {
    /// A side does something in the packet that is being read.
    pub(super) fn now(&mut self, by: Role, at: At) -> Moment {
        if let Some(place) = self.open[index(by)].last()
            && let Some((known, _)) = self.all.get(*place)
            && known.packet == at.packet
        {
            return Moment(*place);
        }
        let place = self.all.len();
        self.all.push((at, None));
        self.open[index(by)].push(place);
        Moment(place)
    }

    /// The packet that was read ends.
    pub(super) fn packet(&mut self, packet: &Packet) {
        let by = packet.by.index();
        // Packets of the handshake have numbers of their own.
        let number = packet.is_of_the_application().then_some(packet.number);
        for place in self.open[by].drain(..) {
            if let Some((_, known)) = self.all.get_mut(place) {
                *known = number;
            }
        }
        let Some(number) = number else {
            return;
        };
        // One number may be left out on purpose (RFC 9000, section 21.4), and some count their
        // handshake packets in the same row.
        let next = self.next[by];
        if let Some(next) = next.filter(|next| number > *next) {
            self.skipped[by] = Some(number - 1);
            self.gaps |= number > next + 1;
        }
        self.next[by] = next.max(Some(number.saturating_add(1)));
        self.gaps |= packet.acknowledges.is_some_and(|these| these.unseen);
    }

    pub(super) fn at(&self, moment: Moment) -> Option<At> {
        self.all.get(moment.0).map(|(at, _)| *at)
    }

    /// Whether a side did the one after the other, and not in the same packet.
    pub(super) fn is_after(&self, one: Moment, other: Moment) -> bool {
        let (Some((one_at, one)), Some((other_at, other))) =
            (self.all.get(one.0), self.all.get(other.0))
        else {
            return false;
        };
        match (one, other) {
            (Some(one), Some(other)) => one > other,
            _ => one_at.packet > other_at.packet,
        }
    }

    /// Whether a packet of the side may be missing.
    pub(super) fn lacks(&self, by: Role) -> bool {
        self.skipped[index(by)].is_some()
    }

    /// Whether a packet of the side may be missing that it sent shortly before.
    pub(super) fn lacks_before(&self, by: Role, moment: Moment) -> bool {
        let number = self.all.get(moment.0).and_then(|(_, number)| *number);
        let near = |(skipped, number): (u64, u64)| number.abs_diff(skipped) <= SHORTLY;
        self.skipped[index(by)].zip(number).is_some_and(near)
    }
}

/// 0 for the client, 1 for the server.
pub(super) const fn index(role: Role) -> usize {
    match role {
        Role::Initiator => 0,
        Role::Responder => 1,
    }
}
