//! The reference of `proton` in a virtual world, for tests.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shakedown_capture::{Tap, WriterSettings, annotate_with_key_log};
use shakedown_engine::judge::judge_all;
use shakedown_engine::network::Impair;
use shakedown_protocol::MonitorSettings;
use shakedown_protocol::monitor::Observation;
use shakedown_protocol::proton::{Client, ClientSettings, News, Server, ServerSettings};
use shakedown_protocol::requirement::Role;
use tokio::time::timeout;

use super::super::tls::{Identity, Secrets};
use super::super::transport::{PROTON, any_address_for};
use super::super::{Freeze, Host, PacketObserver, Watch};
use super::{VirtualNetwork, runtime};

/// A packet at the clients: when it passed, from where, to where.
pub(super) type Packet = (Duration, SocketAddr, SocketAddr, Vec<u8>);

/// What passed at the clients.
#[derive(Debug)]
struct Notes {
    network: VirtualNetwork,
    packets: Mutex<Vec<Packet>>,
}

impl PacketObserver for Notes {
    fn packet(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let packet = (self.network.now(), source, destination, payload.to_vec());
        let mut packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        packets.push(packet);
    }
}

/// A server, and a network on which clients are recorded.
pub(super) struct World {
    pub(super) network: VirtualNetwork,
    pub(super) server: Server,
    host: Host,
    pub(super) address: SocketAddr,
    secrets: Secrets,
    notes: Arc<Notes>,
    watch: Watch,
}

/// A client with its endpoint.
pub(super) struct Guest {
    pub(super) client: Client,
    host: Host,
    pub(super) freeze: Freeze,
}

/// Runs a test in virtual time.
pub(super) fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    runtime().unwrap().block_on(test)
}

impl World {
    pub(super) fn new(settings: ServerSettings, impair: &str, seed: u64) -> Self {
        let impair = match impair {
            "" => Impair::default(),
            some => some.parse().unwrap(),
        };
        let network = VirtualNetwork::new(impair, seed);
        let secrets = Secrets::default();
        let config = PROTON.server(Identity::self_signed().unwrap(), &secrets);
        let address = (Ipv4Addr::LOCALHOST, 4_433).into();
        let edge = network.edge(Role::Responder);
        let endpoint = Watch::default().endpoint(&edge, address, Some(config.unwrap()));
        let notes = Arc::new(Notes {
            network: network.clone(),
            packets: Mutex::default(),
        });
        Self {
            network,
            server: Server::new(settings),
            host: Host::new(endpoint.unwrap(), None),
            address,
            secrets,
            watch: Watch::telling(notes.clone()),
            notes,
        }
    }

    pub(super) fn client(&self, settings: ClientSettings) -> Guest {
        let freeze = Freeze::default();
        let edge = self.network.edge(Role::Initiator);
        let anywhere = any_address_for(self.address);
        let watch = self.watch.with_freeze(freeze.clone());
        let mut endpoint = watch.endpoint(&edge, anywhere, None).unwrap();
        endpoint.set_default_client_config(PROTON.client(&self.secrets).unwrap());
        Guest {
            client: Client::new(settings),
            host: Host::new(endpoint, Some(self.address)),
            freeze,
        }
    }

    /// Lets both sides live for so long.
    pub(super) async fn live(&mut self, guest: &mut Guest, span: Duration) {
        let both = async {
            loop {
                self.step(guest).await;
            }
        };
        assert!(timeout(span, both).await.is_err());
    }

    /// Lets the server live for so long, and nobody else.
    pub(super) async fn live_alone(&mut self, span: Duration) {
        let alone = async {
            loop {
                self.host.next(&mut self.server).await;
            }
        };
        assert!(timeout(span, alone).await.is_err());
    }

    async fn step(&mut self, guest: &mut Guest) {
        tokio::select! {
            biased;
            () = self.host.next(&mut self.server) => {}
            () = guest.host.next(&mut guest.client) => {}
        }
    }

    /// Lets both sides live until the client has news; it gets some within an hour.
    pub(super) async fn news(&mut self, guest: &mut Guest) -> News {
        let found = timeout(Duration::from_secs(3_600), async {
            loop {
                if let Some(news) = guest.client.take_news() {
                    return news;
                }
                self.step(guest).await;
            }
        });
        found.await.unwrap()
    }

    /// A client that is connected.
    pub(super) async fn connected(&mut self, resets: bool) -> Guest {
        let mut guest = self.client(ClientSettings::default());
        guest.connect(resets);
        assert_eq!(self.news(&mut guest).await, News::Connected);
        guest
    }

    /// The packets at the clients so far.
    pub(super) fn packets(&self) -> Vec<Packet> {
        let packets = self.notes.packets.lock();
        packets.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The capture of the clients' side, with its secrets.
    pub(super) fn capture(&self) -> Vec<u8> {
        let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).unwrap();
        for (time, source, destination, payload) in self.packets() {
            tap.record(time, source, destination, &payload).unwrap();
        }
        let mut capture = Vec::new();
        let (plain, secrets) = (tap.into_inner(), self.secrets.text());
        let none = BTreeMap::new();
        annotate_with_key_log(&plain[..], &mut capture, &none, secrets.as_bytes()).unwrap();
        capture
    }

    /// What the monitor says, which has to have read everything.
    pub(super) fn judged(&self) -> Vec<Observation> {
        let mut said = Vec::new();
        let settings = MonitorSettings::default();
        let capture = self.capture();
        let judged = judge_all(&capture[..], &[], &settings, b"", &mut |it| {
            said.push(it.observation);
        });
        let judged = judged.unwrap();
        assert!(judged.damage.is_none() && judged.without_secrets == 0);
        said
    }

    /// Asserts that there were so many sessions and that no requirement was broken in them.
    pub(super) fn assert_in_order(&self, sessions: usize) {
        let said = self.assert_no_findings();
        let is_session = |it: &&Observation| matches!(it, Observation::Session(_));
        assert_eq!(
            said.iter().filter(is_session).count(),
            sessions,
            "{said:#?}"
        );
    }

    /// Asserts that no requirement was broken; what the monitor says besides.
    pub(super) fn assert_no_findings(&self) -> Vec<Observation> {
        let said = self.judged();
        let is_finding = |it: &Observation| matches!(it, Observation::Finding(_));
        assert!(!said.iter().any(is_finding), "{said:#?}");
        said
    }
}

impl Guest {
    pub(super) fn connect(&mut self, resets: bool) {
        self.client.connect(resets).unwrap();
        self.host.obey(&mut self.client);
    }

    /// Asks the client for something.
    pub(super) fn ask<T>(&mut self, what: impl FnOnce(&mut Client, Duration) -> T) -> T {
        let asked = what(&mut self.client, self.host.now());
        self.host.obey(&mut self.client);
        asked
    }
}
