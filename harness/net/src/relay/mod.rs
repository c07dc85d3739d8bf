//! The relay: a network with faults between two live peers.
//!
//! The initiator speaks to the relay's address. For each address and port that it speaks from, the
//! relay has a socket of its own toward the responder, at the same loopback address where it is
//! one. For each other address and port that responds there, it has one toward the initiator. So
//! another port stays another port and another address another address, in both directions, and the
//! relay is transparent to both sides.
//!
//! In between is a [`Network`](shakedown_engine::network::Network) in real time. What comes is
//! stamped by the kernel, and leaves as soon as it is due: a thread of its own waits for nothing else.
//! The relay loses nothing by itself:
//! where it must (more senders or bytes on their way than its bounds allow, or a kernel's buffer
//! that ran over), [`Statistics::lost`] says so, and nothing that is judged by the lack of a datagram
//! may then be more than inconclusive.

mod paths;
mod sockets;
mod task;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use shakedown_engine::network::{Counts, Fault, Impairment};
use shakedown_engine::script::Share;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;
use tokio::sync::oneshot;

use crate::clock::Clock;

use self::sockets::Sockets;
use self::task::{Command, Task};

pub use self::sockets::HeldSockets;

/// Sockets of one relay at most: an initiator that floods uses a port for each datagram.
pub const MOST_SOCKETS: usize = 8_192;

/// Bytes of what is on its way through one relay at most, with what it takes to know the way; tests come to the
/// end of fewer. What all relays of a run hold comes out of its budget.
pub const MOST_BYTES: usize = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// What a relay needs to know.
pub struct Settings<O> {
    /// Where the initiator's side finds it; port 0 for one that this program has not used lately.
    pub listen: SocketAddr,
    /// Where the responder is.
    pub target: SocketAddr,
    /// What the network does.
    pub impair: Impairment,
    /// The names of the frames that exact faults count.
    pub vocabulary: &'static dyn Vocabulary,
    /// Random seed, unless the impairment has its own.
    pub seed: u64,
    /// The clock whose time [`RelayedDatagram::at`] is.
    pub clock: Clock,
    /// The memory for what is on its way.
    pub share: Share,
    /// Who sees what passes.
    pub observer: O,
}

/// Sees every datagram at both edges of a relay.
pub trait Observer: Send + 'static {
    /// A socket was opened at an edge. Nothing has passed through it yet.
    fn opened(&mut self, edge: Role, address: SocketAddr);

    /// A datagram passed an edge. Times at one edge rise, but for what was read after something
    /// later was sent.
    fn passed(&mut self, passed: &RelayedDatagram<'_>);

    /// The datagram with this number, which was the last to come to the relay, at this edge, is lost.
    fn lost(&mut self, number: u64, edge: Role);
}

impl Observer for () {
    fn opened(&mut self, _edge: Role, _address: SocketAddr) {}

    fn passed(&mut self, _passed: &RelayedDatagram<'_>) {}

    fn lost(&mut self, _number: u64, _edge: Role) {}
}

/// A datagram at an edge of the relay, as a capture there would show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayedDatagram<'a> {
    /// Which datagram, counted from 0 as they come to the relay. It keeps its number: it has it at
    /// the edge where it comes and, if it is not lost, once or more at the other.
    pub number: u64,
    pub edge: Role,
    /// Whether it came to the relay there; else it left it.
    pub came: bool,
    /// When, by the clock of the settings.
    pub at: Duration,
    /// Its source: an address of the relay's if it left it.
    pub source: SocketAddr,
    /// Its destination: an address of the relay's if it came.
    pub destination: SocketAddr,
    pub payload: &'a [u8],
}

/// A running relay, in its own thread. Dropping it stops it.
#[derive(Debug)]
pub struct Relay<O> {
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    bell: Arc<EventFd>,
    late: Arc<AtomicU64>,
    stopped: Option<oneshot::Receiver<io::Result<RelayResult<O>>>>,
}

/// What is left of a relay.
#[derive(Debug)]
pub struct RelayResult<O> {
    /// Who saw what passed.
    pub observer: O,
    pub statistics: Statistics,
    /// What the network did to what the initiators sent.
    pub initiators: Counts,
    /// What it did to what the responders sent.
    pub responders: Counts,
    /// The exact faults whose datagram was never sent.
    pub missed: Vec<Fault>,
    /// Its sockets; keep them until both sides are stopped.
    pub sockets: HeldSockets,
}

/// What a relay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Datagrams that came to it.
    pub came: u64,
    /// Datagrams that left it.
    pub left: u64,
    /// Datagrams that the kernel dropped because they were not read fast enough.
    pub dropped: u64,
    /// Datagrams for which there was no socket or no room.
    pub refused: u64,
    /// Datagrams that the system would not send.
    pub unsent: u64,
    /// The worst time by which one left later than it should have.
    pub late: Duration,
}

impl Statistics {
    /// Datagrams that the relay itself has lost.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.dropped + self.refused + self.unsent
    }
}

impl<O: Observer> Relay<O> {
    /// Opens the relay's address and begins to relay.
    ///
    /// # Errors
    /// The system's.
    pub fn start(settings: Settings<O>) -> io::Result<Self> {
        let mut sockets = Sockets::new()?;
        let bell = sockets.bell();
        let address = sockets.open(Role::Initiator, settings.listen)?;
        let (commands, told) = mpsc::channel();
        let (done, stopped) = oneshot::channel();
        let late = Arc::new(AtomicU64::new(0));
        let task = Task::new(settings, sockets, address, Arc::clone(&late));
        let name = String::from("relay");
        std::thread::Builder::new().name(name).spawn(move || {
            // The owner may have dropped the relay.
            let _ = done.send(task.run(&told));
        })?;
        Ok(Self {
            address,
            commands,
            bell,
            late,
            stopped: Some(stopped),
        })
    }

    /// Ends it. What is still on its way is gone.
    ///
    /// # Errors
    /// Why it ended before.
    pub async fn stop(mut self) -> io::Result<RelayResult<O>> {
        self.command(Command::End);
        match self.stopped.take() {
            Some(stopped) => stopped
                .await
                .unwrap_or_else(|_| Err(io::Error::other("the relay broke"))),
            None => Err(io::Error::other("the relay has ended")),
        }
    }
}

impl<O> Relay<O> {
    /// Where the initiator's side finds it.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the network is an ideal one; what is on its way arrives.
    pub fn heal(&self) {
        self.command(Command::Heal);
    }

    /// By how much a datagram left later than it should have, at worst, since this was asked last.
    #[must_use]
    pub fn take_lateness(&self) -> Duration {
        Duration::from_nanos(self.late.swap(0, Ordering::Relaxed))
    }

    fn command(&self, command: Command) {
        // A relay that has ended reports that when it is stopped.
        let _ = self.commands.send(command);
        let _ = self.bell.write(1);
    }
}

impl<O> Drop for Relay<O> {
    fn drop(&mut self) {
        self.command(Command::End);
    }
}
