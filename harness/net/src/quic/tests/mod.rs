//! The reference of `proton` over real endpoints on loopback.

mod tester;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use quinn::Endpoint;
use shakedown_protocol::Transport;
use shakedown_protocol::proton::{Client, ClientSettings, News, Server, ServerSettings};
use shakedown_protocol::streams::{Input, StreamMachine};
use tokio::time::timeout;

use super::Host;
use super::tls::{Identity, Secrets};
use super::transport::{PROTON, client_config, server_config};

/// Nothing on loopback takes longer, however busy the machine is.
const BOUND: Duration = Duration::from_secs(20);

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

struct Table {
    server: Server,
    host: Host,
    address: SocketAddr,
    secrets: Secrets,
}

impl Table {
    fn new(settings: ServerSettings) -> Self {
        let secrets = Secrets::default();
        let identity = Identity::self_signed().unwrap();
        let config = server_config(&PROTON, identity, &secrets).unwrap();
        let endpoint = Endpoint::server(config, loopback()).unwrap();
        let address = endpoint.local_addr().unwrap();
        Self {
            server: Server::new(settings),
            host: Host::new(endpoint, None),
            address,
            secrets,
        }
    }

    fn client(&self, alpn: &'static str) -> Guest {
        let transport = Transport { alpn, ..PROTON };
        let config = client_config(&transport, &Secrets::default()).unwrap();
        let mut endpoint = Endpoint::client(loopback()).unwrap();
        endpoint.set_default_client_config(config);
        Guest {
            client: Client::new(ClientSettings::default()),
            host: Host::new(endpoint, Some(self.address)),
        }
    }

    /// Serves until the client has news.
    async fn news(&mut self, guest: &mut Guest) -> News {
        let found = timeout(BOUND, async {
            loop {
                if let Some(news) = guest.client.take_news() {
                    return news;
                }
                tokio::select! {
                    () = self.host.next(&mut self.server) => {}
                    () = guest.host.next(&mut guest.client) => {}
                }
            }
        });
        found.await.unwrap()
    }

    /// Serves until a counter of the server says so.
    async fn serve_until(&mut self, what: impl Fn(&serde_json::Value) -> bool) {
        let served = timeout(BOUND, async {
            while !what(&self.server.counters()) {
                self.host.next(&mut self.server).await;
            }
        });
        served.await.unwrap();
    }
}

struct Guest {
    client: Client,
    host: Host,
}

impl Guest {
    fn connect(&mut self, resets: bool) {
        self.client.connect(resets).unwrap();
        self.host.obey(&mut self.client);
    }

    fn event(&mut self) {
        self.client.send_event(self.host.now()).unwrap();
        self.host.obey(&mut self.client);
    }
}

fn without_reset() -> ServerSettings {
    ServerSettings {
        resets: false,
        ..ServerSettings::default()
    }
}

#[tokio::test]
async fn a_client_gets_acks_answers_and_items_over_quic() {
    let mut table = Table::new(ServerSettings::default());
    let mut guest = table.client("proton");
    guest.connect(false);
    assert_eq!(table.news(&mut guest).await, News::Connected);
    guest.event();
    assert_eq!(table.news(&mut guest).await, News::Acked(1));
    guest.client.commit(guest.host.now(), 42).unwrap();
    guest.host.obey(&mut guest.client);
    let committed = News::Committed {
        request: 42,
        answer: 84,
    };
    assert_eq!(table.news(&mut guest).await, committed);
    guest.client.read_action(guest.host.now()).unwrap();
    guest.host.obey(&mut guest.client);
    assert_eq!(table.news(&mut guest).await, News::Item(123));
    guest.client.close(guest.host.now()).unwrap();
    guest.host.obey(&mut guest.client);
    table
        .serve_until(|counters| counters["ended"]["normal"] == 1)
        .await;
    let secrets = table.secrets.text();
    assert!(secrets.contains("CLIENT_TRAFFIC_SECRET_0 "), "{secrets}");
    assert!(
        secrets.contains("SERVER_HANDSHAKE_TRAFFIC_SECRET "),
        "{secrets}"
    );
}

#[tokio::test]
async fn without_reset_a_second_client_is_refused_and_the_first_goes_on() {
    let mut table = Table::new(without_reset());
    let (mut first, mut second) = (table.client("proton"), table.client("proton"));
    first.connect(false);
    assert_eq!(table.news(&mut first).await, News::Connected);
    second.connect(false);
    let refused = News::Closed {
        why: "Connection refused".into(),
        is_own: false,
    };
    assert_eq!(table.news(&mut second).await, refused);
    first.event();
    assert_eq!(table.news(&mut first).await, News::Acked(1));
}

#[tokio::test]
async fn a_second_client_that_resets_takes_the_place_of_the_first() {
    let mut table = Table::new(ServerSettings::default());
    let (mut first, mut second) = (table.client("proton"), table.client("proton"));
    first.connect(false);
    assert_eq!(table.news(&mut first).await, News::Connected);
    first.event();
    assert_eq!(table.news(&mut first).await, News::Acked(1));
    second.connect(true);
    assert_eq!(table.news(&mut second).await, News::Connected);
    second.event();
    // Three streams and the one that reset: the fourth is admitted when the first is done.
    assert_eq!(table.news(&mut second).await, News::Acked(1));
    second.client.read_action(second.host.now()).unwrap();
    second.host.obey(&mut second.client);
    assert_eq!(table.news(&mut second).await, News::Item(123));
    let closed = News::Closed {
        why: "the server closed it: reset by client".into(),
        is_own: false,
    };
    assert_eq!(table.news(&mut first).await, closed);
}

#[tokio::test]
async fn another_alpn_fails_the_handshake() {
    let mut table = Table::new(ServerSettings::default());
    let mut guest = table.client("h3");
    guest.connect(false);
    let News::Closed { why, .. } = table.news(&mut guest).await else {
        panic!("connected by another protocol's name");
    };
    // The alert no_application_protocol (120) as a QUIC code.
    assert_eq!(why, "the transport closed it with code 0x178");
}

#[tokio::test]
async fn a_stop_closes_in_peace() {
    let mut table = Table::new(ServerSettings::default());
    let mut guest = table.client("proton");
    guest.connect(false);
    assert_eq!(table.news(&mut guest).await, News::Connected);
    guest.event();
    assert_eq!(table.news(&mut guest).await, News::Acked(1));
    table.server.handle(table.host.now(), Input::Stop);
    table.host.obey(&mut table.server);
    let closed = News::Closed {
        why: "the server closed it: normal".into(),
        is_own: false,
    };
    assert_eq!(table.news(&mut guest).await, closed);
}
