//! Two endpoints whose every byte a test decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig, TransportConfig,
    VarInt,
};
use rustls::{KeyLog, RootCertStore};
use shakedown_capture::annotate_with_key_log;
use shakedown_carrier::Identity;
use shakedown_protocol::proton::TRANSPORT;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{MonitorSettings, Transport};
use tokio::time::timeout;

use super::judged::Judged;
use super::network::{SERVER, VirtualNetwork, in_virtual_time};

/// The bytes that name the streams.
pub(crate) const EVENT: u8 = 1;
pub(crate) const COMMIT: u8 = 2;
pub(crate) const ACTION: u8 = 3;
pub(crate) const RESET: u8 = 0xFF;

/// Lets virtual time pass, so that what was written is sent and comes.
pub(crate) async fn wait(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// What is said of one connection with its three streams.
pub(crate) fn session(test: impl AsyncFnOnce(&mut Pair)) -> Judged {
    connection(async |pair| {
        pair.open(&[EVENT, COMMIT, ACTION]).await;
        test(pair).await;
    })
}

/// What is said of one connection.
pub(crate) fn connection(test: impl AsyncFnOnce(&mut Pair)) -> Judged {
    in_virtual_time(async {
        let setup = Setup::new();
        test(&mut setup.connect().await).await;
        setup.judge(None)
    })
}

/// A server's endpoint, and a network on which its clients are recorded.
pub(crate) struct Setup {
    pub(crate) network: VirtualNetwork,
    server: Endpoint,
    client: ClientConfig,
    secrets: Arc<Secrets>,
}

/// The secrets of TLS, as lines of a key log.
#[derive(Debug, Default)]
struct Secrets(Mutex<String>);

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let (client, secret) = (hex::encode(client_random), hex::encode(secret));
        let line = format!("{label} {client} {secret}\n");
        self.0.lock().unwrap().push_str(&line);
    }
}

fn transport_config(transport: &Transport) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .keep_alive_interval(transport.keep_alive)
        .max_idle_timeout(Some(transport.idle_timeout.try_into().unwrap()))
        .max_concurrent_bidi_streams(VarInt::from_u32(transport.bidirectional))
        .max_concurrent_uni_streams(VarInt::from_u32(transport.unidirectional))
        .datagram_receive_buffer_size(None)
        // Merged datagrams cannot be separated in a capture.
        .enable_segmentation_offload(false);
    Arc::new(config)
}

/// One end of a connection.
pub(crate) struct End {
    pub(crate) connection: Connection,
    streams: Vec<(u8, SendStream, RecvStream)>,
}

pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with("", TRANSPORT)
    }

    /// The same on a network that is not an ideal one, or with other parameters of both ends.
    pub(crate) fn with(impair: &str, transport: Transport) -> Self {
        Self::recorded(impair, transport, Role::Initiator)
    }

    /// The same, recorded at the server.
    pub(crate) fn recorded_at_server(transport: Transport) -> Self {
        Self::recorded("", transport, Role::Responder)
    }

    fn recorded(impair: &str, transport: Transport, side: Role) -> Self {
        let network = VirtualNetwork::new(impair, side);
        let secrets = Arc::<Secrets>::default();
        let identity = Identity::own().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(identity.chain[0].clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = [&rustls::version::TLS13];
        let mut client = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![transport.alpn.into()];
        client.key_log = secrets.clone();
        let client = QuicClientConfig::try_from(client).unwrap();
        let mut client = ClientConfig::new(Arc::new(client));
        client.transport_config(transport_config(&transport));
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .unwrap();
        server.alpn_protocols = vec![transport.alpn.into()];
        server.key_log = secrets.clone();
        let server = QuicServerConfig::try_from(server).unwrap();
        let mut server = ServerConfig::with_crypto(Arc::new(server));
        server.transport_config(transport_config(&transport));
        Self {
            server: network.endpoint(Some(server)),
            network,
            client,
            secrets,
        }
    }

    /// A client's endpoint, on a port of its own.
    pub(crate) fn client(&self) -> Endpoint {
        let mut endpoint = self.network.endpoint(None);
        endpoint.set_default_client_config(self.client.clone());
        endpoint
    }

    /// A connection, from this endpoint.
    pub(crate) async fn connect_from(&self, client: &Endpoint) -> Pair {
        let connecting = client.connect(SERVER, "localhost").unwrap();
        let accepting = async { self.server.accept().await.unwrap().await.unwrap() };
        let (client, server) = tokio::join!(connecting, accepting);
        Pair {
            client: End::new(client.unwrap()),
            server: End::new(server),
        }
    }

    /// A connection, from a port of its own.
    pub(crate) async fn connect(&self) -> Pair {
        self.connect_from(&self.client()).await
    }

    /// A connection with its three streams.
    pub(crate) async fn session(&self) -> Pair {
        let mut pair = self.connect().await;
        pair.open(&[EVENT, COMMIT, ACTION]).await;
        pair
    }

    /// A connection that the server refuses in the handshake.
    pub(crate) async fn refuse(&self) {
        let client = self.client();
        let connecting = client.connect(SERVER, "localhost").unwrap();
        let refusing = async { self.server.accept().await.unwrap().refuse() };
        let (client, ()) = tokio::join!(connecting, refusing);
        assert!(client.is_err());
        wait(50).await;
    }

    /// The capture, which ends with it.
    pub(crate) fn capture(&self) -> Vec<u8> {
        let recording = self.network.take_recording();
        let key_log = self.secrets.0.lock().unwrap();
        let mut capture = Vec::new();
        let comments = BTreeMap::new();
        annotate_with_key_log(&*recording, &mut capture, &comments, key_log.as_bytes()).unwrap();
        capture
    }

    /// What `check` says of the capture, which ends with it.
    pub(crate) fn judge(&self, profile: Option<&str>) -> Judged {
        let settings = MonitorSettings {
            mode: profile.map(str::to_owned),
            ..MonitorSettings::default()
        };
        Judged::of(&self.capture(), &settings)
    }
}

impl Pair {
    /// The client opens streams by these names, one after the other.
    pub(crate) async fn open(&mut self, names: &[u8]) {
        for name in names {
            self.client.open(&[*name]).await;
            self.server.accept().await;
        }
    }

    /// Bytes of the client, read by the server.
    pub(crate) async fn request(&mut self, stream: u8, bytes: &[u8]) {
        self.client.write(stream, bytes).await;
        assert_eq!(self.server.read(stream, bytes.len()).await, bytes);
    }

    /// Bytes of the server, read by the client.
    pub(crate) async fn answer(&mut self, stream: u8, bytes: &[u8]) {
        self.server.write(stream, bytes).await;
        assert_eq!(self.client.read(stream, bytes.len()).await, bytes);
    }

    /// The client ends it in peace.
    pub(crate) async fn end(&self) {
        self.client.close(0);
        wait(50).await;
    }
}

pub(crate) const fn word(word: u32) -> [u8; 4] {
    word.to_le_bytes()
}

impl End {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            streams: Vec::new(),
        }
    }

    /// Opens a stream; the first byte is its name.
    pub(crate) async fn open(&mut self, first: &[u8]) {
        let (mut send, receive) = self.connection.open_bi().await.unwrap();
        send.write_all(first).await.unwrap();
        self.streams.push((first[0], send, receive));
    }

    /// Takes the next stream and its name.
    pub(crate) async fn accept(&mut self) {
        let (send, mut receive) = self.connection.accept_bi().await.unwrap();
        let mut name = [0];
        receive.read_exact(&mut name).await.unwrap();
        self.streams.push((name[0], send, receive));
    }

    /// The newest stream with this name.
    fn stream(&mut self, name: u8) -> &mut (u8, SendStream, RecvStream) {
        let mut all = self.streams.iter_mut().rev();
        all.find(|(known, ..)| *known == name).unwrap()
    }

    /// Writes bytes, and lets them leave before what is written next.
    pub(crate) async fn write(&mut self, stream: u8, bytes: &[u8]) {
        self.stream(stream).1.write_all(bytes).await.unwrap();
        wait(5).await;
    }

    /// Writes bytes as long as the other side lets it.
    pub(crate) async fn fill(&mut self, stream: u8, bytes: &[u8]) {
        let all = self.stream(stream).1.write_all(bytes);
        assert!(timeout(Duration::from_secs(1), all).await.is_err());
    }

    pub(crate) async fn read(&mut self, stream: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = self.stream(stream).2.read_exact(&mut bytes);
        timeout(Duration::from_secs(60), read)
            .await
            .unwrap()
            .unwrap();
        bytes
    }

    pub(crate) async fn fin(&mut self, stream: u8) {
        self.stream(stream).1.finish().unwrap();
        wait(5).await;
    }

    pub(crate) fn close(&self, code: u32) {
        self.connection.close(VarInt::from_u32(code), b"");
    }
}
