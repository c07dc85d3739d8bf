//! Sockets of endpoints that tell what passes, and that can seem to stand still.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Endpoint, ServerConfig, UdpPoller};

use super::underlay::Underlay;
use crate::probe::local_address_for;

/// Stops an endpoint from sending and from hearing anything, as if its process were suspended, while
/// its timers go on.
#[derive(Debug, Clone, Default)]
pub struct Freeze(Arc<AtomicBool>);

impl Freeze {
    /// Lets nothing pass from now on, or everything again.
    pub fn set(&self, is_frozen: bool) {
        self.0.store(is_frozen, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Is told what passes through sockets.
pub trait PacketObserver: Debug + Send + Sync {
    /// A datagram has left for `destination`, or has come from `source`. One is told after the
    /// other, in the order in which they passed; it must not take long.
    fn packet(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]);
}

/// What is done at the sockets of endpoints besides sending and receiving. By default nothing.
///
/// Sockets of clones are frozen together, and what passes through them is told in one order.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    freeze: Freeze,
    witness: Option<Arc<Witness>>,
}

/// Who is told, one thing at a time.
#[derive(Debug)]
struct Witness {
    observer: Arc<dyn PacketObserver>,
    /// Held from passing to telling, so that an answer is not told before what it answers.
    passing: Mutex<()>,
}

impl Watch {
    /// Tells what passes to `observer`. What a freeze drops is not told.
    #[must_use]
    pub fn telling(observer: Arc<dyn PacketObserver>) -> Self {
        Self {
            freeze: Freeze::default(),
            witness: Some(Arc::new(Witness {
                observer,
                passing: Mutex::new(()),
            })),
        }
    }

    /// The same for sockets that `freeze` stops.
    #[must_use]
    pub fn with_freeze(&self, freeze: Freeze) -> Self {
        Self {
            freeze,
            witness: self.witness.clone(),
        }
    }

    /// What stops these sockets.
    #[must_use]
    pub const fn freeze(&self) -> &Freeze {
        &self.freeze
    }

    /// An endpoint on `address` that is watched; with a configuration for connections that come in
    /// it is a server.
    ///
    /// # Errors
    /// Those of [`Underlay::socket`].
    pub fn endpoint(
        &self,
        underlay: &dyn Underlay,
        address: SocketAddr,
        server: Option<ServerConfig>,
    ) -> io::Result<Endpoint> {
        let config = underlay.endpoint_config();
        let socket = Arc::new(Watched::new(underlay.socket(address)?, self.clone())?);
        Endpoint::new_with_abstract_socket(config, server, socket, underlay.runtime())
    }
}

/// A socket that is watched.
struct Watched {
    socket: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    watch: Watch,
    /// From which of our addresses a peer is reached, where the socket is bound to all of them.
    facing: Mutex<BTreeMap<IpAddr, IpAddr>>,
}

impl Watched {
    fn new(socket: Arc<dyn AsyncUdpSocket>, watch: Watch) -> io::Result<Self> {
        Ok(Self {
            local: socket.local_addr()?,
            socket,
            watch,
            facing: Mutex::default(),
        })
    }

    /// The address of ours for what is exchanged with `peer`; `known` is what the packet says of it.
    fn own(&self, peer: SocketAddr, known: Option<IpAddr>) -> SocketAddr {
        let bound = Some(self.local.ip()).filter(|ip| !ip.is_unspecified());
        let ip = known.or(bound).unwrap_or_else(|| {
            let mut facing = lock(&self.facing);
            let ip = facing.entry(peer.ip());
            *ip.or_insert_with(|| local_address_for(peer).unwrap_or(self.local.ip()))
        });
        SocketAddr::new(ip, self.local.port())
    }

    fn tell(&self, witness: &Witness, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        // Sockets for both versions show IPv4 addresses as IPv6 ones.
        let [from, to] = [from, to].map(|it| SocketAddr::new(it.ip().to_canonical(), it.port()));
        witness.observer.packet(from, to, payload);
    }

    fn tell_sent(&self, witness: &Witness, transmit: &Transmit<'_>) {
        let to = transmit.destination;
        let own = self.own(to, transmit.src_ip);
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        for payload in transmit.contents.chunks(size.max(1)) {
            self.tell(witness, own, to, payload);
        }
    }

    fn tell_received(&self, witness: &Witness, buffer: &[u8], meta: &RecvMeta) {
        let own = self.own(meta.addr, meta.dst_ip);
        let received = buffer.get(..meta.len).unwrap_or(buffer);
        for payload in received.chunks(meta.stride.max(1)) {
            self.tell(witness, meta.addr, own, payload);
        }
    }
}

impl AsyncUdpSocket for Watched {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.watch.freeze.is_set() {
            return Ok(());
        }
        let Some(witness) = &self.watch.witness else {
            return self.socket.try_send(transmit);
        };
        let _passing = lock(&witness.passing);
        self.socket.try_send(transmit)?;
        self.tell_sent(witness, transmit);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let witness = self.watch.witness.as_deref();
        let _passing = witness.map(|witness| lock(&witness.passing));
        loop {
            let received = self.socket.poll_recv(context, buffers, meta);
            let Poll::Ready(Ok(count)) = received else {
                return received;
            };
            if self.watch.freeze.is_set() {
                continue;
            }
            if let Some(witness) = witness {
                for (buffer, meta) in buffers.iter().zip(&*meta).take(count) {
                    self.tell_received(witness, buffer, meta);
                }
            }
            return received;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

impl Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("local", &self.local)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::super::tls::Secrets;
    use super::super::transport::{PROTON, any_address_for, client_config, server_config};
    use super::super::underlay::Real;
    use super::*;
    use shakedown_carrier::Identity;

    const BOUND: Duration = Duration::from_secs(20);

    type Packet = (SocketAddr, SocketAddr, Vec<u8>);

    #[derive(Debug, Default)]
    struct Notes(Mutex<Vec<Packet>>);

    impl PacketObserver for Notes {
        fn packet(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
            lock(&self.0).push((source, destination, payload.to_vec()));
        }
    }

    impl Notes {
        fn take(&self) -> Vec<Packet> {
            std::mem::take(&mut *lock(&self.0))
        }
    }

    fn loopback() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    struct Pair {
        server: Endpoint,
        client: Endpoint,
        seen: [Arc<Notes>; 2],
        freeze: Freeze,
    }

    impl Pair {
        fn new() -> Self {
            let seen = [Arc::<Notes>::default(), Arc::<Notes>::default()];
            let [at_server, at_client] = seen.clone().map(|notes| Watch::telling(notes));
            let secrets = Secrets::default();
            let config = server_config(&PROTON, Identity::self_signed().unwrap(), &secrets);
            let server = at_server.endpoint(&Real, loopback(), Some(config.unwrap()));
            let server = server.unwrap();
            let anywhere = any_address_for(server.local_addr().unwrap());
            let mut client = at_client.endpoint(&Real, anywhere, None).unwrap();
            client.set_default_client_config(client_config(&PROTON, &secrets).unwrap());
            Self {
                server,
                client,
                seen,
                freeze: at_client.freeze().clone(),
            }
        }

        async fn connect(&self) -> [quinn::Connection; 2] {
            let address = self.server.local_addr().unwrap();
            let connecting = self.client.connect(address, "localhost").unwrap();
            let accepting = async { self.server.accept().await.unwrap().await.unwrap() };
            let connected = timeout(BOUND, async { tokio::join!(accepting, connecting) });
            let (server, client) = connected.await.unwrap();
            [server, client.unwrap()]
        }
    }

    #[tokio::test]
    async fn both_ends_tell_the_same_packets_with_the_same_addresses() {
        let pair = Pair::new();
        let [server, client] = pair.connect().await;
        client.close(0_u32.into(), b"");
        timeout(BOUND, server.closed()).await.unwrap();
        let addresses = [&pair.server, &pair.client].map(|it| it.local_addr().unwrap().port());
        let [mut at_server, mut at_client] = pair.seen.map(|notes| notes.take());
        let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let [server, client] = addresses.map(here);
        assert_eq!((at_client[0].0, at_client[0].1), (client, server));
        assert!(at_client.iter().any(|it| (it.0, it.1) == (server, client)));
        let is_up = |it: &Packet| it.0 == client;
        at_server.retain(is_up);
        at_client.retain(is_up);
        // Who has closed repeats it to whom it still hears.
        assert!(at_server.len() > 2 && at_client.starts_with(&at_server));
    }

    #[tokio::test]
    async fn nothing_passes_while_the_sockets_are_frozen_and_nothing_is_told() {
        let pair = Pair::new();
        let [server, client] = pair.connect().await;
        pair.freeze.set(true);
        let [at_server, at_client] = pair.seen.clone();
        at_client.take();
        at_server.take();
        client.close(9_u32.into(), b"");
        server.close(8_u32.into(), b"");
        timeout(BOUND, pair.client.wait_idle()).await.unwrap();
        assert_eq!(at_client.take(), []);
        let port = pair.client.local_addr().unwrap().port();
        assert!(at_server.take().iter().all(|it| it.0.port() != port));
    }

    /// A socket that takes everything and has two datagrams in one buffer.
    #[derive(Debug)]
    struct Merging(Arc<dyn AsyncUdpSocket>);

    impl AsyncUdpSocket for Merging {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            Arc::clone(&self.0).create_io_poller()
        }

        fn try_send(&self, _: &Transmit<'_>) -> io::Result<()> {
            Ok(())
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            buffers: &mut [IoSliceMut<'_>],
            meta: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            buffers[0][..5].copy_from_slice(b"abcde");
            meta[0] = RecvMeta {
                addr: (Ipv4Addr::LOCALHOST, 9).into(),
                len: 5,
                stride: 3,
                ecn: None,
                dst_ip: Some(Ipv4Addr::new(127, 0, 0, 3).into()),
            };
            Poll::Ready(Ok(1))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok((Ipv4Addr::UNSPECIFIED, 7).into())
        }
    }

    #[tokio::test]
    async fn merged_datagrams_are_told_one_by_one() {
        let notes = Arc::<Notes>::default();
        let inner = Arc::new(Merging(Real.socket(loopback()).unwrap()));
        let watched = Watched::new(inner, Watch::telling(notes.clone())).unwrap();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let transmit = Transmit {
            destination: peer,
            ecn: None,
            contents: b"12345",
            segment_size: Some(2),
            src_ip: None,
        };
        watched.try_send(&transmit).unwrap();
        let mut room = [0; 9];
        let mut meta = [RecvMeta::default()];
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut buffers = [IoSliceMut::new(&mut room)];
        let received = watched.poll_recv(&mut context, &mut buffers, &mut meta);
        assert!(matches!(received, Poll::Ready(Ok(1))));
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 7));
        let addressed = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 3), 7));
        let sent = [&b"12"[..], b"34", b"5"].map(|it| (own, peer, it.to_vec()));
        let came = [&b"abc"[..], b"de"].map(|it| (peer, addressed, it.to_vec()));
        assert_eq!(notes.take(), [&sent[..], &came[..]].concat());
    }

    #[tokio::test]
    async fn a_socket_that_is_taken_is_refused() {
        let first = Real.socket(loopback()).unwrap();
        let second = Real.socket(first.local_addr().unwrap());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
