use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shakedown_engine::network::{Arrival, Network};
use shakedown_engine::script::Share;
use shakedown_protocol::event_loop::Link;
use shakedown_protocol::requirement::Role;

use crate::clock::Clock;
use crate::probe::local_address_for;

use super::paths::{NoPath, Path, Paths};
use super::sockets::{Received, Sockets, stand_in};
use super::{
    MOST_BYTES, MOST_SOCKETS, Observer, RelayResult, RelayedDatagram, Settings, Statistics,
};

/// Datagrams that are sent, or come meanwhile, before anything else gets its turn.
const BATCH: u64 = 256;

/// A command to a relay.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Heal,
    End,
}

/// A relay at work.
pub(super) struct Task<O> {
    observer: O,
    clock: Clock,
    sockets: Sockets,
    /// The address of ours at each edge, the initiators' and the responders'.
    own: (IpAddr, IpAddr),
    target: SocketAddr,
    network: Network<Flight>,
    came: Vec<Received>,
    /// The memory of what is on its way.
    flying: Arc<Mutex<Share>>,
    statistics: Statistics,
    late: Arc<AtomicU64>,
    /// The latest time that was passed to the network.
    told: Duration,
}

/// What it takes to know of a datagram on its way, in bytes: an empty one takes memory, too.
pub(super) const EACH: usize = 256;

/// A datagram on its way; it counts among the bytes that are, as often as it will arrive.
#[derive(Debug)]
struct Flight {
    number: u64,
    way: Path,
    bytes: usize,
    flying: Arc<Mutex<Share>>,
}

/// The share, which only this thread uses.
fn share(flying: &Mutex<Share>) -> MutexGuard<'_, Share> {
    flying.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flight {
    fn new(number: u64, way: Path, bytes: usize, flying: &Arc<Mutex<Share>>) -> Self {
        share(flying).take(bytes);
        let flying = Arc::clone(flying);
        Self {
            number,
            way,
            bytes,
            flying,
        }
    }
}

impl Clone for Flight {
    fn clone(&self) -> Self {
        Self::new(self.number, self.way, self.bytes, &self.flying)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        share(&self.flying).give_back(self.bytes);
    }
}

impl<O: Observer> Task<O> {
    /// A relay whose first socket is open at `address`.
    pub(super) fn new(
        settings: Settings<O>,
        sockets: Sockets,
        address: SocketAddr,
        late: Arc<AtomicU64>,
    ) -> Self {
        let mut observer = settings.observer;
        observer.opened(Role::Initiator, address);
        Self {
            observer,
            clock: settings.clock,
            sockets,
            own: (address.ip(), address.ip()),
            target: settings.target,
            network: Network::new(settings.impair, settings.vocabulary, settings.seed),
            came: Vec::new(),
            flying: Arc::new(Mutex::new(settings.share)),
            statistics: Statistics::default(),
            late,
            told: Duration::ZERO,
        }
    }

    /// Relays until it is stopped, or its owner is gone.
    ///
    /// # Errors
    /// The system's, if it cannot wait for datagrams.
    pub(super) fn run(mut self, told: &Receiver<Command>) -> io::Result<RelayResult<O>> {
        // Without a way there nothing can be opened toward it either, which is counted then.
        self.own.1 = local_address_for(self.target).unwrap_or(self.own.1);
        let mut paths = Paths::new(self.target, MOST_SOCKETS);
        loop {
            let more = self.take(&mut paths);
            let more = self.deliver(&mut paths) || more;
            if self.is_over(told) {
                // Earlier datagrams belong to it.
                self.take(&mut paths);
                self.deliver(&mut paths);
                return Ok(self.end());
            }
            if !more {
                let now = self.clock.now();
                let deadline = self.network.deadline();
                self.sockets
                    .wait(deadline.map(|at| at.saturating_sub(now)))?;
            }
        }
    }

    /// Handles commands. Returns whether to stop.
    fn is_over(&mut self, told: &Receiver<Command>) -> bool {
        loop {
            match told.try_recv() {
                Ok(Command::Heal) => self.network.heal(),
                Ok(Command::End) | Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    fn end(self) -> RelayResult<O> {
        let dropped = self.sockets.drops();
        RelayResult {
            initiators: self.network.counts(Role::Initiator),
            responders: self.network.counts(Role::Responder),
            missed: self.network.missed().cloned().collect(),
            observer: self.observer,
            statistics: Statistics {
                dropped,
                ..self.statistics
            },
            sockets: self.sockets.keep(),
        }
    }

    /// Hands what has come to the network. Whether there may be more is the result.
    fn take(&mut self, paths: &mut Paths) -> bool {
        let mut came = std::mem::take(&mut self.came);
        let more = self.sockets.take(&self.clock, &mut came);
        for received in came.drain(..) {
            self.accept(paths, received);
        }
        self.came = came;
        more
    }

    fn accept(&mut self, paths: &mut Paths, received: Received) {
        let number = self.statistics.came;
        self.statistics.came += 1;
        let Received {
            edge,
            socket,
            from,
            at,
            payload,
        } = received;
        if let Some(destination) = self.sockets.local(edge, socket) {
            self.observer.passed(&RelayedDatagram {
                number,
                edge,
                came: true,
                at,
                source: from,
                destination,
                payload: &payload,
            });
        }
        let bytes = EACH + payload.len();
        let has_room = {
            let flying = share(&self.flying);
            flying.has_room() && flying.held() + bytes <= MOST_BYTES
        };
        let way = self.way(paths, edge, socket, from).filter(|_| has_room);
        let Some(way) = way else {
            self.statistics.refused += 1;
            return;
        };
        let flight = Flight::new(number, way, bytes, &self.flying);
        self.told = self.told.max(at);
        let effects = self.network.send(self.told, edge, flight, payload);
        if effects.lost.is_some() {
            self.observer.lost(number, edge);
        }
    }

    /// How a datagram goes on; a socket is opened for who is new.
    fn way(
        &mut self,
        paths: &mut Paths,
        edge: Role,
        socket: usize,
        from: SocketAddr,
    ) -> Option<Path> {
        match paths.way(edge, socket, from) {
            Ok(way) => return Some(way),
            Err(NoPath::Full | NoPath::NoSocket) => return None,
            Err(NoPath::Stranger) => {}
        }
        let other = edge.peer();
        let own = match other {
            Role::Initiator => self.own.0,
            Role::Responder => self.own.1,
        };
        let address = SocketAddr::new(stand_in(own, from.ip()), 0);
        match self.sockets.open(other, address) {
            Ok(local) => {
                self.observer.opened(other, local);
                paths.add(other, from);
                paths.way(edge, socket, from).ok()
            }
            Err(error) => {
                tracing::debug!("no socket of a relay can be opened for {from}: {error}");
                None
            }
        }
    }

    /// Sends what has arrived. Whether there may be more is the result.
    fn deliver(&mut self, paths: &mut Paths) -> bool {
        let (came, left) = (self.statistics.came, self.statistics.left);
        while self.statistics.came - came < BATCH && self.statistics.left - left < BATCH {
            let Some(arrival) = self.network.arrive(self.clock.now()) else {
                return false;
            };
            // Earlier arrivals precede it in every recording.
            self.take(paths);
            self.send(&arrival);
        }
        true
    }

    fn send(&mut self, arrival: &Arrival<Flight>) {
        let Path { edge, socket, to } = arrival.tag.way;
        let at = self.clock.now();
        if let Err(error) = self.sockets.send((edge, socket), &arrival.payload, to) {
            tracing::debug!("{} bytes for {to}: {error}", arrival.payload.len());
            self.statistics.unsent += 1;
            return;
        }
        self.statistics.left += 1;
        let late = at.saturating_sub(arrival.at);
        self.statistics.late = self.statistics.late.max(late);
        let nanoseconds = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
        self.late.fetch_max(nanoseconds, Ordering::Relaxed);
        if let Some(source) = self.sockets.local(edge, socket) {
            self.observer.passed(&RelayedDatagram {
                number: arrival.tag.number,
                edge,
                came: false,
                at,
                source,
                destination: to,
                payload: &arrival.payload,
            });
        }
    }
}
