use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Budget, Share, SocketId};

/// Most datagrams that wait unread at one socket.
pub(crate) const MAX_WAITING: usize = 65_536;

/// A datagram that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// Its place among all arrivals.
    order: u64,
    pub(crate) socket: SocketId,
    pub(crate) at: Duration,
    pub(crate) payload: Vec<u8>,
    pub(crate) packet: Option<u64>,
}

impl Arrival {
    /// One that is in no queue.
    pub(crate) fn alone(socket: SocketId, at: Duration, payload: &[u8]) -> Self {
        Self {
            order: 0,
            socket,
            at,
            payload: payload.to_vec(),
            packet: None,
        }
    }
}

/// What arrived and was not looked at yet: one bounded queue for each socket that has a name, so
/// that an implementation that floods one of them can neither exhaust memory nor hide the others.
#[derive(Debug)]
pub(crate) struct Inbox {
    queues: Vec<Queue>,
    next: u64,
    share: Share,
}

#[derive(Debug, Default)]
struct Queue {
    arrivals: VecDeque<Arrival>,
    /// Arrivals that were not kept.
    dropped: u64,
    /// Source of the last datagram, kept or not.
    source: Option<SocketAddr>,
}

impl Inbox {
    pub(crate) fn new(sockets: usize, budget: &Budget) -> Self {
        let queues = (0..sockets).map(|_| Queue::default()).collect();
        Self {
            queues,
            next: 0,
            share: budget.share(),
        }
    }

    /// Keeps a datagram if its socket has a name and there is room.
    pub(crate) fn arrive(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        at: Duration,
        payload: &[u8],
        packet: Option<u64>,
    ) {
        let Some(queue) = self.queues.get_mut(socket.0) else {
            return;
        };
        queue.source = Some(from);
        let full = queue.arrivals.len() >= MAX_WAITING || !self.share.has_room();
        // Once something is missing nothing may follow: what is kept must be without a gap.
        if full || queue.dropped > 0 {
            queue.dropped += 1;
            return;
        }
        self.share.take(cost(payload));
        queue.arrivals.push_back(Arrival {
            order: self.next,
            socket,
            at,
            payload: payload.to_vec(),
            packet,
        });
        self.next += 1;
    }

    /// The oldest arrival at one of `sockets`.
    pub(crate) fn oldest(&self, sockets: &[SocketId]) -> Option<&Arrival> {
        let fronts = sockets
            .iter()
            .filter_map(|socket| self.queue(*socket)?.arrivals.front());
        fronts.min_by_key(|arrival| arrival.order)
    }

    /// Takes the oldest arrival at a socket.
    pub(crate) fn take(&mut self, socket: SocketId) -> Option<Arrival> {
        let queue = self.queues.get_mut(socket.0)?;
        let arrival = queue.arrivals.pop_front()?;
        self.share.give_back(cost(&arrival.payload));
        Some(arrival)
    }

    /// How many datagrams were not kept at the first of `sockets` that has been read up to there.
    pub(crate) fn missing(&self, sockets: &[SocketId]) -> Option<(SocketId, u64)> {
        sockets.iter().find_map(|socket| {
            let queue = self.queue(*socket)?;
            (queue.arrivals.is_empty() && queue.dropped > 0).then_some((*socket, queue.dropped))
        })
    }

    /// Source of the last datagram at a socket.
    pub(crate) fn source(&self, socket: SocketId) -> Option<SocketAddr> {
        self.queue(socket)?.source
    }

    pub(crate) fn clear(&mut self) {
        for queue in &mut self.queues {
            for arrival in &queue.arrivals {
                self.share.give_back(cost(&arrival.payload));
            }
            *queue = Queue::default();
        }
    }

    fn queue(&self, socket: SocketId) -> Option<&Queue> {
        self.queues.get(socket.0)
    }
}

/// What a datagram that waits holds of the budget.
const fn cost(payload: &[u8]) -> usize {
    payload.len() + size_of::<Arrival>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_after_what_was_not_kept_though_there_is_room_again() {
        let mut inbox = Inbox::new(1, &Budget::for_scripts(1));
        let arrive = |inbox: &mut Inbox, bytes| {
            let from = SocketAddr::from(([127, 0, 0, 1], 9));
            inbox.arrive(SocketId(0), from, Duration::ZERO, &vec![0; bytes], None);
        };
        arrive(&mut inbox, 256 << 20);
        arrive(&mut inbox, 1);
        assert!(inbox.take(SocketId(0)).is_some());
        arrive(&mut inbox, 1);
        assert!(inbox.take(SocketId(0)).is_none());
        assert_eq!(inbox.missing(&[SocketId(0)]), Some((SocketId(0), 2)));
    }
}
