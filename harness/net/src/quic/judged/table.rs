//! Two endpoints whose every byte a test decides.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint, RecvStream, SendStream, VarInt};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{MonitorSettings, Transport};
use tempfile::TempDir;
use tokio::time::timeout;

use super::super::tls::Secrets;
use super::super::transport::{PROTON, any_address_for, client_config, server_config};
use super::super::underlay::Underlay;
use super::super::virtual_network::{VirtualNetwork, runtime};
use super::super::{Freeze, Recording, Watch};
use super::told::Told;
use crate::clock::Clock;
use crate::drive::Recorder;
use shakedown_carrier::Identity;

const NAME: &str = "it.pcapng";

/// The bytes that name the streams.
pub(super) const EVENT: u8 = 1;
pub(super) const COMMIT: u8 = 2;
pub(super) const ACTION: u8 = 3;
pub(super) const RESET: u8 = 0xFF;

/// Runs a test in virtual time.
pub(super) fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    runtime().unwrap().block_on(test)
}

/// Lets virtual time pass, so that what was written is sent and comes.
pub(super) async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// A server's endpoint, and a network on which its clients are recorded.
pub(super) struct Table {
    pub(super) network: VirtualNetwork,
    address: SocketAddr,
    endpoint: Endpoint,
    secrets: Secrets,
    pub(super) freeze: Freeze,
    watch: Watch,
    folder: TempDir,
    recording: Arc<Recording>,
    parameters: Transport,
}

/// One end of a connection.
pub(super) struct End {
    pub(super) connection: Connection,
    streams: Vec<(u8, SendStream, RecvStream)>,
}

pub(super) struct Pair {
    pub(super) client: End,
    pub(super) server: End,
}

impl Table {
    pub(super) fn new() -> Self {
        Self::with("", PROTON)
    }

    /// The same on a network that is not an ideal one, or with other parameters of both ends.
    pub(super) fn with(impair: &str, parameters: Transport) -> Self {
        Self::recorded(impair, parameters, false)
    }

    /// The same, recorded at the server.
    pub(super) fn at_server(impair: &str, parameters: Transport) -> Self {
        Self::recorded(impair, parameters, true)
    }

    fn recorded(impair: &str, parameters: Transport, at_server: bool) -> Self {
        let impair = match impair {
            "" => shakedown_engine::network::Impairment::default(),
            some => some.parse().unwrap(),
        };
        let network = VirtualNetwork::new(impair, 7);
        let secrets = Secrets::default();
        let config = server_config(&parameters, Identity::self_signed().unwrap(), &secrets);
        let address = (Ipv4Addr::LOCALHOST, 4_433).into();
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start_virtual();
        let recorder = Recorder::create(&folder.path().join(NAME), clock, 0);
        let recording = Arc::new(Recording::new(recorder, clock));
        let freeze = Freeze::default();
        let (blind, seeing) = (Watch::default(), Watch::telling(recording.clone()));
        let (server, watch) = match at_server {
            true => (seeing, blind),
            false => (blind, seeing),
        };
        let edge = network.edge(Role::Responder);
        let endpoint = server.endpoint(&edge, address, Some(config.unwrap()));
        Self {
            network,
            address,
            endpoint: endpoint.unwrap(),
            secrets,
            watch: watch.with_freeze(freeze.clone()),
            freeze,
            folder,
            recording,
            parameters,
        }
    }

    /// A client's endpoint, on a port of its own.
    pub(super) fn guest(&self) -> Endpoint {
        let edge = self.network.edge(Role::Initiator);
        let anywhere = any_address_for(self.address);
        let mut endpoint = self.watch.endpoint(&edge, anywhere, None).unwrap();
        let config = client_config(&self.parameters, &self.secrets).unwrap();
        endpoint.set_default_client_config(config);
        endpoint
    }

    /// A socket to which a client may move, not recorded at it.
    pub(super) fn other_socket(&self) -> Arc<dyn quinn::AsyncUdpSocket> {
        let edge = self.network.edge(Role::Initiator);
        edge.socket(any_address_for(self.address)).unwrap()
    }

    /// A connection, from this endpoint.
    pub(super) async fn connect_from(&self, guest: &Endpoint) -> Pair {
        let (client, server) = tokio::join!(
            async {
                guest
                    .connect(self.address, "localhost")
                    .unwrap()
                    .await
                    .unwrap()
            },
            async { self.endpoint.accept().await.unwrap().await.unwrap() },
        );
        Pair {
            client: End::new(client),
            server: End::new(server),
        }
    }

    /// A connection, from a port of its own.
    pub(super) async fn connect(&self) -> Pair {
        self.connect_from(&self.guest()).await
    }

    /// A connection that the server refuses in the handshake.
    pub(super) async fn refused(&self) {
        let guest = self.guest();
        let (client, ()) = tokio::join!(
            async { guest.connect(self.address, "localhost").unwrap().await },
            async { self.endpoint.accept().await.unwrap().refuse() },
        );
        assert!(client.is_err());
        pass(50).await;
    }

    /// A connection with its three streams.
    pub(super) async fn set_up(&self) -> Pair {
        let mut pair = self.connect().await;
        pair.name(&[EVENT, COMMIT, ACTION]).await;
        pair
    }

    pub(super) fn capture(&self) -> Vec<u8> {
        let mut recorded = self.recording.finish().unwrap();
        recorded.key_log = self.secrets.text();
        assert_eq!(recorded.problem, None);
        recorded.complete(&BTreeMap::new()).unwrap();
        std::fs::read(self.folder.path().join(NAME)).unwrap()
    }

    /// What `check` says of the recording, which ends it.
    pub(super) fn judged(&self, profile: Option<&str>) -> Told {
        let settings = MonitorSettings {
            mode: profile.map(str::to_owned),
            ..MonitorSettings::default()
        };
        Told::of(&self.capture(), &settings)
    }
}

impl Pair {
    /// The client opens streams by these names, one after the other.
    pub(super) async fn name(&mut self, names: &[u8]) {
        for name in names {
            self.client.open(&[*name]).await;
            self.server.accept().await;
        }
    }

    /// Bytes of the client, heard by the server.
    pub(super) async fn ask(&mut self, stream: u8, bytes: &[u8]) {
        self.client.say(stream, bytes).await;
        assert_eq!(self.server.hear(stream, bytes.len()).await, bytes);
    }

    /// Bytes of the server, heard by the client.
    pub(super) async fn answer(&mut self, stream: u8, bytes: &[u8]) {
        self.server.say(stream, bytes).await;
        assert_eq!(self.client.hear(stream, bytes.len()).await, bytes);
    }

    /// The client ends it in peace.
    pub(super) async fn end(self) {
        self.client.close(0);
        pass(50).await;
    }
}

pub(super) const fn word(word: u32) -> [u8; 4] {
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
    pub(super) async fn open(&mut self, first: &[u8]) {
        let (mut send, receive) = self.connection.open_bi().await.unwrap();
        send.write_all(first).await.unwrap();
        self.streams.push((first[0], send, receive));
    }

    /// Takes the next stream and its name.
    pub(super) async fn accept(&mut self) {
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
    pub(super) async fn say(&mut self, stream: u8, bytes: &[u8]) {
        self.stream(stream).1.write_all(bytes).await.unwrap();
        pass(5).await;
    }

    /// Writes bytes as long as the other side lets it.
    pub(super) async fn fill(&mut self, stream: u8, bytes: &[u8]) {
        let all = self.stream(stream).1.write_all(bytes);
        assert!(timeout(Duration::from_secs(1), all).await.is_err());
    }

    pub(super) async fn hear(&mut self, stream: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let heard = self.stream(stream).2.read_exact(&mut bytes);
        timeout(Duration::from_secs(60), heard)
            .await
            .unwrap()
            .unwrap();
        bytes
    }

    pub(super) async fn fin(&mut self, stream: u8) {
        self.stream(stream).1.finish().unwrap();
        pass(5).await;
    }

    pub(super) fn close(&self, code: u32) {
        self.connection.close(VarInt::from_u32(code), b"");
    }
}
