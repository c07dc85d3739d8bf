use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use shakedown_engine::network::Delay;

use super::*;
use crate::socket::PeerSocket;

/// How long a test waits for what must come.
const BOUND: Duration = Duration::from_secs(10);

/// Remembers what passed, in words: edge, direction and payload.
#[derive(Debug, Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Observer for Diary {
    fn opened(&mut self, edge: Role, address: SocketAddr) {
        let text = format!("{edge}: {}", address.ip());
        self.0.lock().unwrap().push(text);
    }

    fn passed(&mut self, passed: &Passed<'_>) {
        let way = if passed.came { "came" } else { "left" };
        let text = format!(
            "{}: {} {way} {}",
            passed.number,
            passed.edge,
            String::from_utf8_lossy(passed.payload)
        );
        self.0.lock().unwrap().push(text);
    }
}

impl Diary {
    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Two peers with a relay in between.
struct Stage {
    clock: Clock,
    initiator: PeerSocket,
    responder: PeerSocket,
    relay: Relay<Diary>,
    diary: Diary,
}

fn here() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn settings<O: Observer>(target: Option<SocketAddr>, impair: Impair, observer: O) -> Settings<O> {
    Settings {
        listen: here(),
        target,
        impair,
        vocabulary: shakedown_protocol::protocol("mediastream")
            .unwrap()
            .vocabulary,
        seed: 1,
        clock: Clock::start(),
        observer,
    }
}

impl Stage {
    fn new(impair: Impair) -> Self {
        let diary = Diary::default();
        let responder = PeerSocket::bind(here()).unwrap();
        let settings = settings(Some(responder.local()), impair, diary.clone());
        Self {
            clock: settings.clock,
            initiator: PeerSocket::bind(here()).unwrap(),
            responder,
            relay: Relay::start(settings).unwrap(),
            diary,
        }
    }

    /// Sends something to the relay.
    async fn ask(&self, payload: &[u8]) {
        let relay = self.relay.address();
        self.initiator.send(payload, relay).await.unwrap();
    }

    /// What comes to the responder next, and from where.
    async fn asked(&self) -> (Vec<u8>, SocketAddr) {
        next(&self.responder, &self.clock).await
    }

    /// What comes to the initiator next, and from where.
    async fn answered(&self) -> (Vec<u8>, SocketAddr) {
        next(&self.initiator, &self.clock).await
    }
}

async fn next(socket: &PeerSocket, clock: &Clock) -> (Vec<u8>, SocketAddr) {
    let wait = async {
        loop {
            std::future::poll_fn(|context| socket.poll_readable(context)).await;
            if let Some(arrival) = socket.receive(clock).unwrap() {
                return (arrival.payload, arrival.from);
            }
        }
    };
    tokio::time::timeout(BOUND, wait).await.unwrap()
}

#[tokio::test]
async fn both_directions_are_relayed_and_seen_at_both_edges() {
    let stage = Stage::new(Impair::default());
    stage.ask(b"one").await;
    let (payload, from) = stage.asked().await;
    assert_eq!(payload, b"one");
    stage.responder.send(b"two", from).await.unwrap();
    let expected = (b"two".to_vec(), stage.relay.address());
    assert_eq!(stage.answered().await, expected);
    stage.ask(b"").await;
    assert_eq!(stage.asked().await, (Vec::new(), from));
    let stopped = stage.relay.stop().await.unwrap();
    assert_eq!((stopped.statistics.came, stopped.statistics.left), (3, 3));
    assert_eq!(stopped.statistics.lost(), 0);
    let seen = [
        "initiator: 127.0.0.1",
        "0: initiator came one",
        "responder: 127.0.0.1",
        "0: responder left one",
        "1: responder came two",
        "1: initiator left two",
        "2: initiator came ",
        "2: responder left ",
    ];
    assert_eq!(stage.diary.read(), seen);
}

#[tokio::test]
async fn another_port_and_another_address_stay_what_they_are_in_both_directions() {
    let stage = Stage::new(Impair::default());
    let port = PeerSocket::bind(here()).unwrap();
    let address = PeerSocket::bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut seen = Vec::new();
    for socket in [&stage.initiator, &port, &address, &stage.initiator] {
        socket.send(b"?", stage.relay.address()).await.unwrap();
        seen.push(stage.asked().await.1);
    }
    assert_eq!(seen[0], seen[3]);
    assert_ne!(seen[0].port(), seen[1].port());
    assert_eq!(seen[2].ip(), address.local().ip());
    // Now the responder speaks to the first from elsewhere.
    let elsewhere = PeerSocket::bind("127.0.0.3:0".parse().unwrap()).unwrap();
    elsewhere.send(b"!", seen[0]).await.unwrap();
    let (payload, from) = stage.answered().await;
    assert_eq!(
        (payload.as_slice(), from.ip()),
        (&b"!"[..], elsewhere.local().ip())
    );
    stage.initiator.send(b"there", from).await.unwrap();
    let there = next(&elsewhere, &stage.clock).await;
    assert_eq!(there, (b"there".to_vec(), seen[0]));
    // Each is answered where it asked.
    stage.responder.send(b"port", seen[1]).await.unwrap();
    let expected = (b"port".to_vec(), stage.relay.address());
    assert_eq!(next(&port, &stage.clock).await, expected);
}

#[tokio::test]
async fn a_target_that_is_learned_later_gets_what_was_sent_before() {
    let settings = settings(None, Impair::default(), ());
    let clock = settings.clock;
    let relay = Relay::start(settings).unwrap();
    let initiator = PeerSocket::bind(here()).unwrap();
    initiator.send(b"early", relay.address()).await.unwrap();
    let responder = PeerSocket::bind(here()).unwrap();
    relay.aim(responder.local());
    relay.aim(here());
    assert_eq!(next(&responder, &clock).await.0, b"early");
}

#[tokio::test]
async fn a_relay_that_was_never_aimed_ends_too() {
    let settings = settings(None, Impair::default(), ());
    let relay = Relay::start(settings).unwrap();
    let stopped = tokio::time::timeout(BOUND, relay.stop()).await.unwrap();
    assert_eq!(stopped.unwrap().statistics, Statistics::default());
}

#[tokio::test]
async fn an_address_in_use_is_the_systems_error() {
    let taken = UdpSocket::bind(here()).unwrap();
    let settings = Settings {
        listen: taken.local_addr().unwrap(),
        ..settings(None, Impair::default(), ())
    };
    let error = Relay::start(settings).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn what_is_delayed_arrives_not_before_and_not_much_after() {
    let delay = Duration::from_millis(50);
    let impair = Impair {
        delay: Delay {
            least: delay,
            most: delay,
        },
        ..Impair::default()
    };
    let stage = Stage::new(impair);
    let begin = stage.clock.now();
    stage.ask(b"slow").await;
    stage.asked().await;
    let took = stage.clock.now() - begin;
    assert!(took >= delay, "{took:?}");
    let late = stage.relay.take_lateness();
    assert!(
        took <= delay + late + Duration::from_secs(1),
        "{took:?} {late:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_burst_is_lost() {
    let stage = Stage::new(Impair::default());
    const MANY: usize = 2_000;
    for n in 0..MANY {
        stage.ask(&n.to_le_bytes()).await;
    }
    for n in 0..MANY {
        assert_eq!(stage.asked().await.0, n.to_le_bytes());
    }
    let statistics = stage.relay.stop().await.unwrap().statistics;
    assert_eq!((statistics.left, statistics.lost()), (MANY as u64, 0));
}

/// Prints how long a round trip takes, without a relay in between and with one.
#[test]
#[ignore = "a measurement: cargo test --release -p shakedown-net --lib -- --ignored --nocapture idle_relay"]
#[expect(clippy::print_stdout, reason = "this is what a measurement is for")]
fn how_long_a_round_trip_through_an_idle_relay_takes() {
    let echo = UdpSocket::bind(here()).unwrap();
    let responder = echo.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = echo.recv_from(&mut buffer) {
            if length == 0 || echo.send_to(&buffer[..length], from).is_err() {
                return;
            }
        }
    });
    let settings = settings(Some(responder), Impair::default(), ());
    let relay = Relay::start(settings).unwrap();
    let socket = UdpSocket::bind(here()).unwrap();
    for (name, to) in [("direct", responder), ("relayed", relay.address())] {
        let mut buffer = [0; 2_000];
        let mut trip = |_| {
            let begin = Instant::now();
            socket.send_to(&[7; 1_000], to).unwrap();
            socket.recv_from(&mut buffer).unwrap();
            begin.elapsed()
        };
        let mut trips: Vec<_> = (0..20_000).map(&mut trip).collect();
        trips.sort_unstable();
        let [half, most, worst] = [trips.len() / 2, trips.len() * 99 / 100, trips.len() - 1];
        let [half, most, worst] = [trips[half], trips[most], trips[worst]];
        println!("{name}: median {half:?}, 99% {most:?}, worst {worst:?}");
    }
    socket.send_to(&[], responder).unwrap();
}
