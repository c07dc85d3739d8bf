//! The reference of `proton` in a virtual world, for tests.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::judge::judge;
use shakedown_engine::network::Impairment;
use shakedown_protocol::MonitorSettings;
use shakedown_protocol::monitor::Observation;
use shakedown_protocol::proton::{Client, ClientEvent, ClientSettings, Server, ServerSettings};
use shakedown_protocol::requirement::Role;
use tempfile::TempDir;
use tokio::time::timeout;

use super::super::tls::Secrets;
use super::super::transport::{PROTON, any_address_for, client_config, server_config};
use super::super::{Freeze, Host, Recording, Watch};
use super::{VirtualNetwork, runtime};
use crate::clock::Clock;
use crate::drive::Recorder;
use shakedown_carrier::Identity;

const NAME: &str = "it.pcapng";

/// A server, and a network on which clients are recorded.
pub(super) struct World {
    pub(super) network: VirtualNetwork,
    pub(super) server: Server,
    host: Host,
    pub(super) address: SocketAddr,
    secrets: Secrets,
    folder: TempDir,
    recording: Arc<Recording>,
    watch: Watch,
}

/// A client with its endpoint.
pub(super) struct RigClient {
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
            "" => Impairment::default(),
            some => some.parse().unwrap(),
        };
        let network = VirtualNetwork::new(impair, seed);
        let secrets = Secrets::default();
        let config = server_config(&PROTON, Identity::self_signed().unwrap(), &secrets);
        let address = (Ipv4Addr::LOCALHOST, 4_433).into();
        let edge = network.edge(Role::Responder);
        let endpoint = Watch::default().endpoint(&edge, address, Some(config.unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start_virtual();
        let recorder = Recorder::create(&folder.path().join(NAME), clock, 0);
        let recording = Arc::new(Recording::new(recorder, clock));
        Self {
            network,
            server: Server::new(settings),
            host: Host::new(endpoint.unwrap(), None),
            address,
            secrets,
            folder,
            watch: Watch::telling(recording.clone()),
            recording,
        }
    }

    pub(super) fn client(&self, settings: ClientSettings) -> RigClient {
        let freeze = Freeze::default();
        let edge = self.network.edge(Role::Initiator);
        let anywhere = any_address_for(self.address);
        let watch = self.watch.with_freeze(freeze.clone());
        let mut endpoint = watch.endpoint(&edge, anywhere, None).unwrap();
        endpoint.set_default_client_config(client_config(&PROTON, &self.secrets).unwrap());
        RigClient {
            client: Client::new(settings),
            host: Host::new(endpoint, Some(self.address)),
            freeze,
        }
    }

    /// Lets both sides live for so long.
    pub(super) async fn live(&mut self, guest: &mut RigClient, span: Duration) {
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

    async fn step(&mut self, guest: &mut RigClient) {
        tokio::select! {
            biased;
            () = self.host.next(&mut self.server) => {}
            () = guest.host.next(&mut guest.client) => {}
        }
    }

    /// Lets both sides live until the client has news; it gets some within an hour.
    pub(super) async fn news(&mut self, guest: &mut RigClient) -> ClientEvent {
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
    pub(super) async fn connected(&mut self, resets: bool) -> RigClient {
        let mut guest = self.client(ClientSettings::default());
        guest.connect(resets);
        assert_eq!(self.news(&mut guest).await, ClientEvent::Connected);
        guest
    }

    /// The capture of the clients' side with its secrets, which ends it.
    pub(super) fn capture(&self) -> Vec<u8> {
        let mut recorded = self.recording.finish().unwrap();
        recorded.key_log = self.secrets.text();
        assert_eq!(recorded.problem, None);
        recorded.complete(&BTreeMap::new()).unwrap();
        std::fs::read(self.folder.path().join(NAME)).unwrap()
    }

    /// What the monitor says, which has to have read everything.
    pub(super) fn judged(&self) -> Vec<Observation> {
        let mut said = Vec::new();
        let settings = MonitorSettings::default();
        let capture = self.capture();
        let judged = judge(
            &capture[..],
            &[&shakedown_protocol::proton::PROTOCOL],
            &settings,
            b"",
            &mut |it| {
                said.push(it.observation);
            },
        );
        let judged = judged.unwrap();
        assert!(judged.damage.is_none() && judged.blind.is_empty());
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

    /// Asserts that these requirements were broken, and no other.
    pub(super) fn assert_broken(&self, expected: &[&str]) {
        let said = self.judged();
        let broken = |it: &Observation| match it {
            Observation::Finding(finding) => Some(finding.requirement),
            Observation::Inconclusive(_) | Observation::Session(_) => None,
        };
        let found: Vec<_> = said.iter().filter_map(broken).collect();
        assert_eq!(found, expected, "{said:#?}");
    }

    /// Asserts that no requirement was broken; what the monitor says besides.
    pub(super) fn assert_no_findings(&self) -> Vec<Observation> {
        let said = self.judged();
        let is_finding = |it: &Observation| matches!(it, Observation::Finding(_));
        assert!(!said.iter().any(is_finding), "{said:#?}");
        said
    }
}

impl RigClient {
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
