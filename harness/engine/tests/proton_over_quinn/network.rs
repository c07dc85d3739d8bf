//! A network for endpoints of quinn, without a socket and in virtual time.
//!
//! The clock of its runtime stands still while anything can be done and then jumps to the next timer. What the network
//! and the endpoints draw comes from one seed; the keys of TLS do not.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, UdpPoller};
use shakedown_capture::{Tap, WriterSettings};
use shakedown_engine::network::{Impairment, Network};
use shakedown_protocol::SEALED;
use shakedown_protocol::event_loop::Link as _;
use shakedown_protocol::requirement::Role;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// From sending to arriving, each way: the least that timers can tell apart.
const LATENCY: Duration = Duration::from_millis(1);
const SEED: u64 = 7;

pub(crate) const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4_433);
/// The port of the first socket of a client; the others follow.
const CLIENT_PORT: u16 = 40_000;

/// Runs a test in virtual time.
pub(crate) fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

/// The network between a server and its clients, recorded at one of its sides.
#[derive(Debug, Clone)]
pub(crate) struct VirtualNetwork(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    state: Mutex<State>,
    /// Something is on its way.
    sent: Notify,
}

#[derive(Debug)]
struct State {
    network: Network<Route>,
    inboxes: BTreeMap<SocketAddr, Inbox>,
    /// Sockets that were opened so far.
    opened: u16,
    recorded: Role,
    tap: Tap<Vec<u8>>,
    /// Nothing passes sockets of clients.
    clients_are_cut_off: bool,
}

#[derive(Debug, Clone)]
struct Route {
    from: SocketAddr,
    to: SocketAddr,
}

/// What has arrived at a socket and was not read so far.
#[derive(Debug, Default)]
struct Inbox {
    datagrams: VecDeque<(Route, Vec<u8>)>,
    reader: Option<Waker>,
}

impl VirtualNetwork {
    /// A network that does what `impair` says, and is recorded at the sockets of this side.
    pub(crate) fn new(impair: &str, recorded: Role) -> Self {
        let impair = match impair {
            "" => Impairment::default(),
            some => some.parse().unwrap(),
        };
        let shared = Arc::new(Shared {
            start: Instant::now(),
            state: Mutex::new(State {
                network: Network::new(impair, &SEALED, SEED).with_latency(LATENCY),
                inboxes: BTreeMap::new(),
                opened: 0,
                recorded,
                tap: Tap::new(Vec::new(), &WriterSettings::default()).unwrap(),
                clients_are_cut_off: false,
            }),
            sent: Notify::new(),
        });
        tokio::spawn(deliver(Arc::clone(&shared)));
        Self(shared)
    }

    /// Lets nothing pass the clients' sockets from now on, as if their process were suspended, or everything again.
    pub(crate) fn cut_off_clients(&self, are_cut_off: bool) {
        self.0.state().clients_are_cut_off = are_cut_off;
    }

    pub(crate) fn endpoint(&self, server: Option<ServerConfig>) -> Endpoint {
        let mut config = EndpointConfig::default();
        let opened = self.0.state().opened;
        config.rng_seed(Some([u8::try_from(opened).unwrap(); 32]));
        let socket = match server {
            Some(_) => self.socket(SERVER),
            None => self.client_socket(),
        };
        let runtime = Arc::new(TokioRuntime);
        Endpoint::new_with_abstract_socket(config, server, socket, runtime).unwrap()
    }

    /// A socket at a port that no other had.
    pub(crate) fn client_socket(&self) -> Arc<dyn AsyncUdpSocket> {
        let port = CLIENT_PORT + self.0.state().opened;
        self.socket((Ipv4Addr::LOCALHOST, port).into())
    }

    fn socket(&self, address: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        let mut state = self.0.state();
        state.inboxes.insert(address, Inbox::default());
        state.opened += 1;
        let network = Arc::clone(&self.0);
        Arc::new(Socket { network, address })
    }

    /// The recording so far, which begins anew.
    pub(crate) fn take_recording(&self) -> Vec<u8> {
        let new = Tap::new(Vec::new(), &WriterSettings::default()).unwrap();
        std::mem::replace(&mut self.0.state().tap, new).into_inner()
    }
}

/// Lets datagrams arrive, until the runtime ends.
async fn deliver(network: Arc<Shared>) {
    loop {
        let next = network.arrive();
        let arrival = async {
            match next {
                Some(next) => sleep_until(network.start + next).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = network.sent.notified() => {}
            () = arrival => {}
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Puts what has arrived where it is read, and says when the next thing will arrive.
    fn arrive(&self) -> Option<Duration> {
        let now = self.start.elapsed();
        let mut state = self.state();
        while let Some(arrival) = state.network.arrive(now) {
            let to = arrival.from.peer();
            // Nobody may be there any more.
            if !state.inboxes.contains_key(&arrival.tag.to)
                || !state.passes(now, to, &arrival.tag, &arrival.payload)
            {
                continue;
            }
            let inbox = state.inboxes.get_mut(&arrival.tag.to).unwrap();
            inbox.datagrams.push_back((arrival.tag, arrival.payload));
            if let Some(reader) = inbox.reader.take() {
                reader.wake();
            }
        }
        state.network.deadline()
    }
}

impl State {
    /// Whether a datagram passes a socket of this side, which is recorded.
    fn passes(&mut self, now: Duration, side: Role, route: &Route, payload: &[u8]) -> bool {
        if side == Role::Initiator && self.clients_are_cut_off {
            return false;
        }
        if side == self.recorded {
            self.tap.record(now, route.from, route.to, payload).unwrap();
        }
        true
    }
}

#[derive(Debug)]
struct Socket {
    network: Arc<Shared>,
    address: SocketAddr,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.network.state().inboxes.remove(&self.address);
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
        let side = match self.address == SERVER {
            true => Role::Responder,
            false => Role::Initiator,
        };
        let route = Route {
            from: self.address,
            to: transmit.destination,
        };
        let payload = transmit.contents;
        let mut state = self.network.state();
        if state.passes(now, side, &route, payload) {
            state.network.send(now, side, route, payload.to_vec());
            self.network.sent.notify_one();
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.network.state();
        let inbox = state.inboxes.entry(self.address).or_default();
        let Some((route, payload)) = inbox.datagrams.pop_front() else {
            inbox.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        buffers[0][..payload.len()].copy_from_slice(&payload);
        meta[0] = RecvMeta {
            addr: route.from,
            len: payload.len(),
            stride: payload.len(),
            ecn: None,
            dst_ip: Some(route.to.ip()),
        };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}
