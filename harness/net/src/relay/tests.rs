use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::json;
use shakedown_engine::network::Delay;
use shakedown_engine::script::Budget;

use super::*;
use crate::socket::PeerSocket;

/// How long a test waits for what must come.
const BOUND: Duration = Duration::from_secs(10);

static VOCABULARY: &dyn Vocabulary = shakedown_protocol::mediastream::PROTOCOL.vocabulary;

/// Remembers what passed, in words: edge, direction and payload.
#[derive(Debug, Clone, Default)]
struct PassedLog(Arc<Mutex<Vec<String>>>);

impl Observer for PassedLog {
    fn opened(&mut self, edge: Role, address: SocketAddr) {
        let text = format!("{edge}: {}", address.ip());
        self.0.lock().unwrap().push(text);
    }

    fn passed(&mut self, passed: &RelayedDatagram<'_>) {
        let way = if passed.came { "came" } else { "left" };
        let payload = &passed.payload[..passed.payload.len().min(9)];
        let text = format!(
            "{}: {} {way} {}",
            passed.number,
            passed.edge,
            String::from_utf8_lossy(payload)
        );
        self.0.lock().unwrap().push(text);
    }

    fn lost(&mut self, number: u64, edge: Role) {
        let text = format!("{number}: {edge} lost");
        self.0.lock().unwrap().push(text);
    }
}

impl PassedLog {
    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Two peers with a relay in between.
struct Fixture {
    clock: Clock,
    initiator: PeerSocket,
    responder: PeerSocket,
    relay: Relay<PassedLog>,
    diary: PassedLog,
}

fn here() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn settings<O: Observer>(target: SocketAddr, impair: Impairment, observer: O) -> Settings<O> {
    Settings {
        listen: here(),
        target,
        impair,
        vocabulary: VOCABULARY,
        seed: 1,
        clock: Clock::start(),
        share: Budget::for_scripts(1).share(),
        observer,
    }
}

impl Fixture {
    fn new(impair: Impairment) -> Self {
        let diary = PassedLog::default();
        let responder = PeerSocket::bind(here()).unwrap();
        let settings = settings(responder.local(), impair, diary.clone());
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
    let fixture = Fixture::new(Impairment::default());
    fixture.ask(b"one").await;
    let (payload, from) = fixture.asked().await;
    assert_eq!(payload, b"one");
    fixture.responder.send(b"two", from).await.unwrap();
    let expected = (b"two".to_vec(), fixture.relay.address());
    assert_eq!(fixture.answered().await, expected);
    fixture.ask(b"").await;
    assert_eq!(fixture.asked().await, (Vec::new(), from));
    let stopped = fixture.relay.stop().await.unwrap();
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
    assert_eq!(fixture.diary.read(), seen);
}

#[tokio::test]
async fn another_port_and_another_address_stay_what_they_are_in_both_directions() {
    let fixture = Fixture::new(Impairment::default());
    let port = PeerSocket::bind(here()).unwrap();
    let address = PeerSocket::bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut seen = Vec::new();
    for socket in [&fixture.initiator, &port, &address, &fixture.initiator] {
        socket.send(b"?", fixture.relay.address()).await.unwrap();
        seen.push(fixture.asked().await.1);
    }
    assert_eq!(seen[0], seen[3]);
    assert_ne!(seen[0].port(), seen[1].port());
    assert_eq!(seen[2].ip(), address.local().ip());
    // Now the responder speaks to the first from elsewhere.
    let elsewhere = PeerSocket::bind("127.0.0.3:0".parse().unwrap()).unwrap();
    elsewhere.send(b"!", seen[0]).await.unwrap();
    let (payload, from) = fixture.answered().await;
    assert_eq!(
        (payload.as_slice(), from.ip()),
        (&b"!"[..], elsewhere.local().ip())
    );
    fixture.initiator.send(b"there", from).await.unwrap();
    let there = next(&elsewhere, &fixture.clock).await;
    assert_eq!(there, (b"there".to_vec(), seen[0]));
    // Each is answered where it asked.
    fixture.responder.send(b"port", seen[1]).await.unwrap();
    let expected = (b"port".to_vec(), fixture.relay.address());
    assert_eq!(next(&port, &fixture.clock).await, expected);
}

#[tokio::test]
async fn an_address_in_use_is_the_systems_error() {
    let taken = UdpSocket::bind(here()).unwrap();
    let settings = Settings {
        listen: taken.local_addr().unwrap(),
        ..settings(here(), Impairment::default(), ())
    };
    let error = Relay::start(settings).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

/// A frame with a connection id, by which tests tell datagrams apart.
fn frame(name: &str, id: &str) -> Vec<u8> {
    let fields = json!({ "connection_id": id });
    let fields = fields.as_object().unwrap().clone();
    VOCABULARY.encode(name, &fields).unwrap()
}

/// The id of a frame that was made so.
fn id(payload: &[u8]) -> String {
    let described = VOCABULARY.decode(payload).unwrap().unwrap();
    String::from(described.fields["connection_id"].as_str().unwrap())
}

/// The ids of the SYNs that reach the responder when the initiator sends `a`, `b` and `c`; as many
/// as are waited for.
async fn reached(impair: &str, count: usize) -> String {
    let fixture = Fixture::new(impair.parse().unwrap());
    for name in ["a", "b", "c"] {
        fixture.ask(&frame("SYN", name)).await;
    }
    let mut reached = String::new();
    for _ in 0..count {
        reached += &id(&fixture.asked().await.0);
    }
    let stopped = fixture.relay.stop().await.unwrap();
    assert_eq!(stopped.statistics.left, count as u64);
    assert_eq!((stopped.statistics.lost(), stopped.missed), (0, Vec::new()));
    reached
}

#[tokio::test]
async fn the_second_is_lost() {
    assert_eq!(reached("drop=SYN#2", 2).await, "ac");
}

#[tokio::test]
async fn the_first_comes_twice() {
    assert_eq!(reached("duplicate=SYN#1", 4).await, "aabc");
}

#[tokio::test]
async fn one_comes_after_later_ones() {
    assert_eq!(reached("reorder=SYN#1+2", 3).await, "bca");
    assert_eq!(
        reached("delay=SYN#2+60ms,delay=SYN#1+120ms", 3).await,
        "cba"
    );
}

#[tokio::test]
async fn answers_are_lost_and_repeated_too_and_each_kind_is_counted_by_itself() {
    let impair = "drop=SYN-ACK#2,duplicate=ACK#1,drop=SYN#1".parse().unwrap();
    let fixture = Fixture::new(impair);
    fixture.ask(&frame("SYN", "lost")).await;
    fixture.ask(&frame("SYN", "syn")).await;
    let (payload, from) = fixture.asked().await;
    assert_eq!(id(&payload), "syn");
    for name in ["first", "lost", "third"] {
        let answer = frame("SYN-ACK", name);
        fixture.responder.send(&answer, from).await.unwrap();
    }
    assert_eq!(id(&fixture.answered().await.0), "first");
    assert_eq!(id(&fixture.answered().await.0), "third");
    fixture.ask(&frame("ACK", "ack")).await;
    assert_eq!(id(&fixture.asked().await.0), "ack");
    assert_eq!(id(&fixture.asked().await.0), "ack");
    let stopped = fixture.relay.stop().await.unwrap();
    let (asked, answered) = (stopped.initiators, stopped.responders);
    assert_eq!((asked.sent, asked.lost, asked.duplicated), (3, 1, 1));
    assert_eq!((answered.sent, answered.lost), (3, 1));
}

#[tokio::test]
async fn frames_are_counted_over_all_ports() {
    let fixture = Fixture::new("drop=SYN#2".parse().unwrap());
    let other = PeerSocket::bind(here()).unwrap();
    fixture.ask(&frame("SYN", "first")).await;
    assert_eq!(id(&fixture.asked().await.0), "first");
    let relay = fixture.relay.address();
    for name in ["second", "third"] {
        other.send(&frame("SYN", name), relay).await.unwrap();
    }
    assert_eq!(id(&fixture.asked().await.0), "third");
}

#[tokio::test]
async fn a_fault_whose_datagram_was_never_sent_is_told() {
    let fixture = Fixture::new("drop=SYN#1,drop=ACK#2".parse().unwrap());
    fixture.ask(&frame("SYN", "lost")).await;
    fixture.ask(&frame("ACK", "ack")).await;
    fixture.asked().await;
    let missed = fixture.relay.stop().await.unwrap().missed;
    let missed: Vec<_> = missed.iter().map(|fault| fault.frame.as_str()).collect();
    assert_eq!(missed, ["ACK"]);
}

#[tokio::test]
async fn a_network_that_is_healed_loses_nothing_any_more() {
    let fixture = Fixture::new("loss=1".parse().unwrap());
    fixture.ask(b"lost").await;
    let came = || async {
        fixture
            .diary
            .read()
            .contains(&"0: initiator came lost".into())
    };
    while !came().await {
        tokio::task::yield_now().await;
    }
    fixture.relay.heal();
    // What was told comes before what is sent after it, or with it.
    let answered = async {
        loop {
            fixture.ask(b"again").await;
            let wait = Duration::from_millis(50);
            if tokio::time::timeout(wait, fixture.asked()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(BOUND, answered).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_kept_up_to_a_bound_and_what_is_not_is_told() {
    for length in [60_000, 0] {
        let (kept, refused) = flooded(length).await;
        assert_eq!(kept, MOST_BYTES / (task::EACH + length), "{length}");
        assert!(refused > 0, "{length}");
    }
}

/// How many datagrams of this length a relay keeps of twice as many as it has room for, and how many it
/// says to have lost.
async fn flooded(length: usize) -> (usize, u64) {
    let fixture = Fixture::new("delay=60s".parse().unwrap());
    let datagram = vec![7; length];
    let many = 2 * MOST_BYTES / (task::EACH + length);
    for n in 0..many {
        fixture.ask(&datagram).await;
        // No more is sent than the kernel has room for.
        while fixture.diary.read().len() < n {
            tokio::task::yield_now().await;
        }
    }
    let statistics = fixture.relay.stop().await.unwrap().statistics;
    assert!(statistics.lost() >= statistics.refused, "{statistics:?}");
    let kept = usize::try_from(statistics.came - statistics.refused).unwrap();
    (kept, statistics.refused)
}

#[tokio::test]
async fn what_is_delayed_arrives_not_before_and_not_much_after() {
    let delay = Duration::from_millis(50);
    let impair = Impairment {
        delay: Delay {
            least: delay,
            most: delay,
        },
        ..Impairment::default()
    };
    let fixture = Fixture::new(impair);
    let begin = fixture.clock.now();
    fixture.ask(b"slow").await;
    fixture.asked().await;
    let took = fixture.clock.now() - begin;
    assert!(took >= delay, "{took:?}");
    let late = fixture.relay.take_lateness();
    assert!(
        took <= delay + late + Duration::from_secs(1),
        "{took:?} {late:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_burst_is_lost() {
    let fixture = Fixture::new(Impairment::default());
    const MANY: u64 = 2_000;
    let all: Vec<_> = (0..MANY).collect();
    // Whoever has no privilege has small buffers.
    for some in all.chunks(200) {
        for n in some {
            fixture.ask(&n.to_le_bytes()).await;
        }
        for n in some {
            assert_eq!(fixture.asked().await.0, n.to_le_bytes());
        }
    }
    let statistics = fixture.relay.stop().await.unwrap().statistics;
    assert_eq!((statistics.left, statistics.lost()), (MANY, 0));
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
    let settings = settings(responder, Impairment::default(), ());
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
