//! Endpoints in one process, without a socket, in virtual time.
//!
//! Their runtime is a [`runtime`] whose clock stands still while anything can be done and then
//! jumps to the next timer: ten minutes of an idle connection take a fraction of a second. That
//! holds as long as nothing in it blocks, reads the system's clock, or waits for anything but
//! timers and other tasks. Timers are in whole milliseconds, and so is everything that happens.
//!
//! Everything random that the network and the endpoints themselves do comes from one seed: what is
//! lost, and what quinn draws. The keys of TLS do not, so the bytes of packets differ from run to
//! run. Their number, times, directions and lengths do not, as long as the handshake fits into
//! datagrams that are padded (a signature may be a byte longer or shorter) and the owner polls its
//! hosts in the same order.

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, EndpointConfig, Runtime, TokioRuntime, UdpPoller};
use shakedown_engine::network::{Counts, Fault, Impairment, Network};
use shakedown_protocol::SEALED;
use shakedown_protocol::event_loop::Link as _;
use shakedown_protocol::requirement::Role;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::underlay::Underlay;

/// From sending to arriving, each way: the least that timers can tell apart.
pub const LATENCY: Duration = Duration::from_millis(1);

/// Ports of sockets that may have any, in the order in which they are opened.
const FIRST_PORT: u16 = 40_000;

/// A runtime whose time is virtual.
///
/// # Errors
/// The system's, if there can be none.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
}

/// The network between the endpoints of a virtual world.
#[derive(Debug, Clone)]
pub struct VirtualNetwork(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    seed: u64,
    state: Mutex<State>,
    /// Something is on its way.
    sent: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    network: Network<Way>,
    boxes: BTreeMap<SocketAddr, Inbox>,
    /// Sockets that were opened so far.
    opened: u64,
}

/// Where a datagram goes.
#[derive(Debug, Clone)]
struct Way {
    from: SocketAddr,
    to: SocketAddr,
    ecn: Option<EcnCodepoint>,
}

/// What has arrived at a socket and was not read so far.
#[derive(Debug, Default)]
struct Inbox {
    letters: VecDeque<(Way, Vec<u8>)>,
    reader: Option<Waker>,
}

impl VirtualNetwork {
    /// A network that does what `impair` says; datagrams have no names but their numbers
    /// ([`SEALED`]). Everything random comes from the seed of `impair`, else from `seed`.
    ///
    /// To be called in a [`runtime`].
    #[must_use]
    pub fn new(impair: Impairment, seed: u64) -> Self {
        let seed = impair.seed.unwrap_or(seed);
        let sent = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            start: Instant::now(),
            seed,
            state: Mutex::new(State {
                network: Network::new(impair, &SEALED, seed).with_latency(LATENCY),
                boxes: BTreeMap::new(),
                opened: 0,
            }),
            sent: Arc::clone(&sent),
        });
        tokio::spawn(deliver(Arc::downgrade(&shared), sent));
        Self(shared)
    }

    /// Where the endpoints of one side are: the initiators of a stream protocol are its clients.
    #[must_use]
    pub fn edge(&self, role: Role) -> Edge {
        Edge {
            network: self.clone(),
            role,
        }
    }

    /// The virtual time, from the beginning of the network on.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// What became of the datagrams that this side sent.
    #[must_use]
    pub fn counts(&self, from: Role) -> Counts {
        self.0.state().network.counts(from)
    }

    /// The exact faults whose datagram was not sent so far.
    #[must_use]
    pub fn missed(&self) -> Vec<Fault> {
        self.0.state().network.missed().cloned().collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what has arrived into its letterbox, and says when the next thing will.
    fn deliver(&self) -> Option<Instant> {
        let now = self.start.elapsed();
        let mut state = self.state();
        while let Some(arrival) = state.network.arrive(now) {
            // Nobody may be there any more.
            if let Some(letterbox) = state.boxes.get_mut(&arrival.tag.to) {
                letterbox.letters.push_back((arrival.tag, arrival.payload));
                if let Some(reader) = letterbox.reader.take() {
                    reader.wake();
                }
            }
        }
        Some(self.start + state.network.deadline()?)
    }
}

/// Who was waiting for the network is to hear that there is none any more.
impl Drop for Shared {
    fn drop(&mut self) {
        self.sent.notify_one();
    }
}

/// Lets datagrams arrive as long as there is a network.
async fn deliver(network: Weak<Shared>, sent: Arc<Notify>) {
    while let Some(next) = network.upgrade().map(|shared| shared.deliver()) {
        let arrival = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = sent.notified() => {}
            () = arrival => {}
        }
    }
}

/// One side of a virtual network. Its sockets are at loopback addresses.
#[derive(Debug, Clone)]
pub struct Edge {
    network: VirtualNetwork,
    role: Role,
}

impl Underlay for Edge {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime)
    }

    fn socket(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut state = self.network.0.state();
        let address = state.free(address)?;
        state.boxes.insert(address, Inbox::default());
        state.opened += 1;
        Ok(Arc::new(Socket {
            network: Arc::clone(&self.network.0),
            role: self.role,
            address,
        }))
    }

    /// Endpoints that draw from the seed of the network, each from a part of its own.
    fn endpoint_config(&self) -> EndpointConfig {
        let mut seed = [0; 32];
        let parts = [self.network.0.seed, self.network.0.state().opened];
        for (bytes, part) in seed.chunks_exact_mut(8).zip(parts) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        let mut config = EndpointConfig::default();
        config.rng_seed(Some(seed));
        config
    }
}

impl State {
    /// The address that a socket gets that is to be bound to this one.
    fn free(&self, wanted: SocketAddr) -> io::Result<SocketAddr> {
        let ip = match wanted.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let taken = || io::Error::from(io::ErrorKind::AddrInUse);
        let is_free = |address: &SocketAddr| !self.boxes.contains_key(address);
        if wanted.port() != 0 {
            let address = SocketAddr::new(ip, wanted.port());
            return Some(address).filter(is_free).ok_or_else(taken);
        }
        // A port is not given out twice as long as there are others.
        let offset = u16::try_from(self.opened % u64::from(u16::MAX - FIRST_PORT));
        let first = FIRST_PORT + offset.unwrap_or_default();
        let ports = (first..=u16::MAX).chain(FIRST_PORT..first);
        let mut addresses = ports.map(|port| SocketAddr::new(ip, port));
        addresses.find(is_free).ok_or_else(taken)
    }
}

/// A socket of a virtual network.
#[derive(Debug)]
struct Socket {
    network: Arc<Shared>,
    role: Role,
    address: SocketAddr,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.network.state().boxes.remove(&self.address);
    }
}

/// There is always room for one more.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let now = self.network.start.elapsed();
        let mut state = self.network.state();
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        for payload in transmit.contents.chunks(size.max(1)) {
            let way = Way {
                from: self.address,
                to: transmit.destination,
                ecn: transmit.ecn,
            };
            state.network.send(now, self.role, way, payload.to_vec());
        }
        self.network.sent.notify_one();
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.network.state();
        let letterbox = state.boxes.entry(self.address).or_default();
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            let Some((way, payload)) = letterbox.letters.pop_front() else {
                break;
            };
            // As a system does, it cuts what the reader has no room for.
            let length = payload.len().min(buffer.len());
            buffer[..length].copy_from_slice(&payload[..length]);
            *meta = RecvMeta {
                addr: way.from,
                len: length,
                stride: length,
                ecn: way.ecn,
                dst_ip: Some(way.to.ip()),
            };
            count += 1;
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        letterbox.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}
