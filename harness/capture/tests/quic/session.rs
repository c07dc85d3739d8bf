//! Sessions of a real client and a real server over loopback, recorded at the client.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{
    AsyncUdpSocket, ClientConfig, Connection, ConnectionId, ConnectionIdGenerator, Endpoint,
    EndpointConfig, Runtime, ServerConfig, TokioRuntime, TransportConfig, UdpPoller, VarInt,
};
use rustls::CipherSuite;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use shakedown_capture::{Tap, WriterSettings};

/// A datagram at the client's socket.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.source, self.destination)
    }
}

/// What was recorded of a session.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) datagrams: Vec<Recorded>,
    pub(crate) key_log: String,
}

/// How the ends are made.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) suite: CipherSuite,
    /// Length of the ids that each end gives out.
    pub(crate) client_ids: usize,
    pub(crate) server_ids: usize,
    /// The server asks for a proof of the client's address.
    pub(crate) retry: bool,
    /// The server asks for another ClientHello.
    pub(crate) hello_retry: bool,
    /// Each so many datagrams of the client, one is recorded and then lost.
    pub(crate) lose: Option<usize>,
    /// The server takes early data.
    pub(crate) early: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            suite: CipherSuite::TLS13_AES_128_GCM_SHA256,
            client_ids: 8,
            server_ids: 8,
            retry: false,
            hello_retry: false,
            lose: None,
            early: true,
        }
    }
}

/// A client and a server, and what was recorded at the client.
pub(crate) struct Pair {
    options: Options,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    edge: Arc<Mutex<Vec<Recorded>>>,
    keys: Arc<Keys>,
    tls: Tls,
}

#[derive(Clone)]
struct Tls {
    client: rustls::ClientConfig,
    server: rustls::ServerConfig,
}

/// Runs a session to its end.
pub(crate) fn record(options: Options, talk: impl AsyncFnOnce(&Pair)) -> Recording {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let pair = Pair::new(options);
        let patience = Duration::from_secs(60);
        let talked = tokio::time::timeout(patience, talk(&pair)).await;
        talked.expect("the session ends in time");
        pair.client.wait_idle().await;
        pair.so_far()
    })
}

impl Pair {
    fn new(options: Options) -> Self {
        let keys = Arc::new(Keys::default());
        let tls = Tls::new(&options, &keys);
        let edge = Arc::default();
        let ids = |length| {
            let mut config = EndpointConfig::default();
            config.cid_generator(move || Box::new(Ids { length, next: 0 }));
            config
        };
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime);
        let server = Endpoint::new(
            ids(options.server_ids),
            Some(server_config(tls.server.clone())),
            socket(),
            Arc::clone(&runtime),
        );
        let client = Endpoint::new_with_abstract_socket(
            ids(options.client_ids),
            None,
            Edge::new(&edge, &options),
            runtime,
        );
        Self {
            options,
            client: client.expect("a client"),
            server: server.expect("a server"),
            edge,
            keys,
            tls,
        }
    }

    /// What was recorded until now.
    pub(crate) fn so_far(&self) -> Recording {
        Recording {
            datagrams: lock(&self.edge).clone(),
            key_log: lock(&self.keys.0).clone(),
        }
    }

    /// A connection, as both ends see it.
    pub(crate) async fn connect(&self) -> (Connection, Connection) {
        let connecting = self.connecting();
        let (client, server) = tokio::join!(connecting, self.accept());
        (client.expect("connected"), server)
    }

    pub(crate) fn connecting(&self) -> quinn::Connecting {
        let crypto = QuicClientConfig::try_from(self.tls.client.clone()).or_else(|_| {
            // Initial packets have another suite than the rest.
            let initial = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
            let initial = initial.tls13().and_then(|it| it.quic_suite());
            let client = Arc::new(self.tls.client.clone());
            QuicClientConfig::with_initial(client, initial.expect("a suite of QUIC"))
        });
        let mut config = ClientConfig::new(Arc::new(crypto.expect("a configuration")));
        config.transport_config(Arc::new(transport()));
        let address = self.server.local_addr().expect("bound");
        self.client
            .connect_with(config, address, "localhost")
            .expect("connecting")
    }

    pub(crate) async fn accept(&self) -> Connection {
        let mut incoming = self.server.accept().await.expect("open");
        if self.options.retry {
            incoming.retry().expect("not validated yet");
            incoming = self.server.accept().await.expect("open");
            assert!(incoming.remote_address_validated());
        }
        incoming.await.expect("accepted")
    }

    /// The client goes on from another port.
    pub(crate) fn move_client(&self) {
        let edge = Edge::new(&self.edge, &self.options);
        self.client.rebind_abstract(edge).expect("moved");
    }

    /// From now on the server knows no protocol that the client offers.
    pub(crate) fn refuse_protocols(&self) {
        let mut tls = self.tls.server.clone();
        tls.alpn_protocols = vec![b"unheard-of".to_vec()];
        self.server.set_server_config(Some(server_config(tls)));
    }

    /// Refuses the next connection.
    pub(crate) async fn refuse(&self) {
        self.server.accept().await.expect("open").refuse();
    }

    /// Whether the next connection fails.
    pub(crate) async fn accept_failing(&self) -> bool {
        let incoming = self.server.accept().await.expect("open");
        incoming.await.is_err()
    }

    /// From now on the server takes no early data.
    pub(crate) fn reject_early_data(&self) {
        let mut tls = self.tls.server.clone();
        tls.max_early_data_size = 0;
        self.server.set_server_config(Some(server_config(tls)));
    }
}

fn server_config(tls: rustls::ServerConfig) -> ServerConfig {
    // It has all suites, that of Initial packets among them.
    let crypto = QuicServerConfig::try_from(tls).expect("a configuration");
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    config
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .enable_segmentation_offload(false)
        .max_concurrent_bidi_streams(VarInt::from_u32(50))
        .max_idle_timeout(Some(VarInt::from_u32(30_000).into()));
    transport
}

impl Tls {
    fn new(options: &Options, keys: &Arc<Keys>) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let own = own.expect("a certificate");
        let certificate = own.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let mut provider = rustls::crypto::ring::default_provider();
        provider
            .cipher_suites
            .retain(|it| it.suite() == options.suite);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).expect("a root");
        let mut client = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"other".to_vec(), b"proton".to_vec()];
        client.enable_early_data = true;
        client.key_log = Arc::clone(keys) as Arc<dyn rustls::KeyLog>;
        let mut provider = rustls::crypto::ring::default_provider();
        if options.hello_retry {
            // The client offers it, and sends no share for it.
            let group = rustls::NamedGroup::secp384r1;
            provider.kx_groups.retain(|it| it.name() == group);
        }
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
            .expect("a certificate with its key");
        server.alpn_protocols = vec![b"proton".to_vec()];
        server.max_early_data_size = if options.early { u32::MAX } else { 0 };
        Self { client, server }
    }
}

/// Keeps the secrets of TLS as a key log.
#[derive(Debug, Default)]
struct Keys(Mutex<String>);

impl rustls::KeyLog for Keys {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|it| format!("{it:02x}"))
                .collect::<String>()
        };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        lock(&self.0).push_str(&line);
    }
}

/// Gives out ids that look random, and are never the same where they have two bytes or more.
#[derive(Debug)]
struct Ids {
    length: usize,
    next: u64,
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        self.next += 1;
        let mut id = [0x5a; 20];
        id[..8].copy_from_slice(&self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        ConnectionId::new(&id[..self.length])
    }

    fn cid_len(&self) -> usize {
        self.length
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The client's socket, which records and loses.
struct Edge {
    inner: Arc<dyn AsyncUdpSocket>,
    log: Arc<Mutex<Vec<Recorded>>>,
    lose: Option<usize>,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edge")
    }
}

impl Edge {
    fn new(log: &Arc<Mutex<Vec<Recorded>>>, options: &Options) -> Arc<Self> {
        Arc::new(Self {
            inner: TokioRuntime.wrap_udp_socket(socket()).expect("a socket"),
            log: Arc::clone(log),
            lose: options.lose,
        })
    }
}

impl AsyncUdpSocket for Edge {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut log = lock(&self.log);
        let is_lost = self.lose.is_some_and(|each| log.len() % each == each - 1);
        if !is_lost {
            self.inner.try_send(transmit)?;
        }
        log.push(Recorded {
            source: self.inner.local_addr()?,
            destination: transmit.destination,
            payload: transmit.contents.to_vec(),
        });
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.inner.poll_recv(context, buffers, meta);
        if let Poll::Ready(Ok(count)) = received {
            let mut log = lock(&self.log);
            for (buffer, meta) in buffers.iter().zip(&meta[..count]) {
                for payload in buffer[..meta.len].chunks(meta.stride) {
                    log.push(Recorded {
                        source: meta.addr,
                        destination: self.inner.local_addr()?,
                        payload: payload.to_vec(),
                    });
                }
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// Time of a packet in the captures that are made here.
pub(crate) fn time(number: usize) -> Duration {
    Duration::from_secs(1_700_000_000) + Duration::from_millis(number as u64)
}

impl Recording {
    /// A capture with the secrets before the packet at `secrets`, counted from 0; none if `None`.
    pub(crate) fn pcapng(&self, secrets: Option<usize>) -> Vec<u8> {
        let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).expect("memory");
        let secret = |at: usize, tap: &mut Tap<Vec<u8>>| {
            if secrets == Some(at) {
                tap.record_key_log(self.key_log.as_bytes()).expect("memory");
            }
        };
        for (number, it) in self.datagrams.iter().enumerate() {
            secret(number, &mut tap);
            tap.record(time(number), it.source, it.destination, &it.payload)
                .expect("memory");
        }
        secret(self.datagrams.len(), &mut tap);
        tap.into_inner()
    }
}
