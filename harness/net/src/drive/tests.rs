use std::fs::File;
use std::net::SocketAddr;

use serde_json::{Value, json};
use shakedown_capture::Capture;
use shakedown_carrier::Security;
use shakedown_engine::iut::{Iut, Timing};
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::{Budget, Environment, ScriptOutcome};
use tempfile::TempDir;

use super::*;

/// A scenario against somebody who answers as the test wants.
struct Fixture {
    scenario: Scenario,
    iut: Iut,
    folder: TempDir,
    stop: watch::Sender<bool>,
}

impl Fixture {
    fn new(sockets: Value, steps: Value) -> Self {
        let scenario = json!({
            "id": "mediastream/legacy/responder/test", "title": "A test",
            "requirements": ["MS-L-03"], "iut": { "role": "responder", "mode": "legacy" },
            "sockets": sockets, "steps": steps,
        });
        let iut = "name = \"test\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
                   modes = [\"legacy\"]\n[stream]\nbits_per_second = 400000\n\
                   frames_per_second = 50\nseconds = 2\n";
        Self {
            scenario: serde_json::from_value(scenario).unwrap(),
            iut: toml::from_str(iut).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            stop: watch::Sender::new(false),
        }
    }

    /// Plays it while `other` does what it does with the implementation's socket.
    async fn play<F: Future>(&self, other: impl FnOnce(PeerSocket) -> F) -> DriveResult {
        let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = PeerSocket::bind(here).unwrap();
        let address = socket.local();
        let environment = Environment {
            protocol: shakedown_protocol::protocol("mediastream").unwrap(),
            timing: Timing::default(),
            stream: self.iut.stream,
            exit: self.iut.exit,
            iut: Some(address),
            seed: 1,
            epoch: Duration::ZERO,
            values: indexmap::IndexMap::new(),
            security: Security::Tls,
            budget: Budget::for_scripts(1),
        };
        let clock = Clock::start();
        let recorder = Recorder::create(&self.folder.path().join("it.pcapng"), clock, 0);
        let setup = Setup {
            script: Script::new(&self.scenario, environment),
            main: PeerSocket::bind(here).unwrap(),
            clock,
            capture: ScenarioCapture::Direct(Box::new(recorder)),
            instance: Instance::found(address),
            restart: Restart {
                launcher: Arc::new(Launcher::new(Arc::new(self.iut.clone()), 1, String::new())),
                needs: self.scenario.iut.clone(),
            },
            last_sent_at: Arc::default(),
        };
        let limit = bound(&self.scenario, &self.iut);
        let driven = ScenarioDriver::new(setup, limit, self.stop.subscribe()).run();
        tokio::pin!(driven);
        let other = other(socket);
        tokio::pin!(other);
        tokio::select! {
            driven = &mut driven => return driven,
            _ = &mut other => {}
        }
        driven.await
    }

    /// Source ports and payloads of the capture, in its order.
    fn capture(&self, driven: &DriveResult) -> Vec<(u16, Vec<u8>)> {
        let mut capture = Capture::open(File::open(&driven.recorded.path).unwrap()).unwrap();
        let mut packets = Vec::new();
        while let Some(datagram) = capture.next_datagram().unwrap() {
            packets.push((datagram.source.port(), datagram.payload.to_vec()));
        }
        packets
    }
}

async fn receive(socket: &PeerSocket) -> (SocketAddr, Vec<u8>) {
    let clock = Clock::start();
    loop {
        std::future::poll_fn(|context| socket.poll_readable(context)).await;
        if let Some(arrival) = socket.receive(&clock).unwrap() {
            return (arrival.from, arrival.payload);
        }
    }
}

fn connection_id() -> Vec<u8> {
    let vocabulary = shakedown_protocol::protocol("mediastream")
        .unwrap()
        .vocabulary;
    let fields = json!({ "connection_id": "an id" });
    vocabulary
        .encode("connection-id", fields.as_object().unwrap())
        .unwrap()
}

#[tokio::test]
async fn what_is_sent_and_what_comes_back_is_played_and_recorded_in_order() {
    let fixture = Fixture::new(
        json!({}),
        json!([
            { "send": { "frame": "START token" } },
            { "expect": { "frame": "connection-id", "within": "1s" } },
        ]),
    );
    let driven = fixture
        .play(async |socket| {
            let (from, _) = receive(&socket).await;
            socket.send(&connection_id(), from).await.unwrap();
        })
        .await;
    assert_eq!(driven.end, End::Played(ScriptOutcome::Passed));
    assert_eq!(driven.last_sent, Some(1));
    let packets: Vec<_> = fixture
        .capture(&driven)
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(packets, [b"START".to_vec(), connection_id()]);
}

#[tokio::test]
async fn an_answer_that_does_not_come_fails_the_step() {
    let fixture = Fixture::new(
        json!({}),
        json!([
            { "send": { "frame": "START token" } },
            { "expect": { "frame": "connection-id", "within": "100ms" } },
        ]),
    );
    let driven = fixture
        .play(async |_socket| std::future::pending::<()>().await)
        .await;
    let End::Played(ScriptOutcome::Failed(failure)) = driven.end else {
        panic!("{:?}", driven.end);
    };
    assert_eq!((failure.step.as_str(), failure.packet), ("1", None));
    assert!(
        failure.time >= Duration::from_millis(175),
        "{:?}",
        failure.time
    );
}

/// The first window is long past when the datagrams are read, but they came within it.
#[tokio::test]
async fn what_came_in_time_counts_however_much_came_before_it() {
    let fixture = Fixture::new(
        json!({}),
        json!([
            { "send": { "frame": "START token" } },
            { "expect": { "frame": "connection-id", "within": "1s", "ignore": ["START token"] } },
        ]),
    );
    let driven = fixture
        .play(async |socket| {
            let (from, _) = receive(&socket).await;
            for _ in 0..40 {
                socket.send(b"START", from).await.unwrap();
            }
            socket.send(&connection_id(), from).await.unwrap();
            let clock = Clock::start();
            // Nothing else in this test's one thread gets its turn until the window, with what is
            // granted besides, is past. It is long, for on a busy machine the answer takes its time.
            while clock.now() < Duration::from_millis(1_400) {
                std::hint::spin_loop();
            }
        })
        .await;
    assert_eq!(driven.end, End::Played(ScriptOutcome::Passed));
}

#[tokio::test]
async fn a_flood_at_one_socket_does_not_hide_another() {
    let fixture = Fixture::new(
        json!({ "port": { "other_port": {} } }),
        json!([
            { "send": { "frame": "START token" } },
            { "send": { "frame": "START token", "from": "port" } },
            { "expect": { "frame": "connection-id", "within": "5s", "at": "port" } },
        ]),
    );
    let driven = fixture
        .play(async |socket| {
            let (main, _) = receive(&socket).await;
            let (port, _) = receive(&socket).await;
            socket.send(&connection_id(), port).await.unwrap();
            loop {
                // More in each turn than is taken in one.
                for _ in 0..32 {
                    socket.send(b"START", main).await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
    assert_eq!(driven.end, End::Played(ScriptOutcome::Passed));
}

#[tokio::test]
async fn further_sockets_have_another_port_or_another_address() {
    let fixture = Fixture::new(
        json!({ "port": { "other_port": {} }, "address": { "other_address": {} } }),
        json!([
            { "send": { "frame": "START token" } },
            { "send": { "frame": "START token", "from": "port" } },
            { "send": { "frame": "START token", "from": "address" } },
        ]),
    );
    let mut sources = Vec::new();
    let driven = fixture
        .play(async |socket| {
            for _ in 0..3 {
                sources.push(receive(&socket).await.0);
            }
        })
        .await;
    assert_eq!(driven.end, End::Played(ScriptOutcome::Passed));
    let mut capture = Capture::open(File::open(&driven.recorded.path).unwrap()).unwrap();
    let mut sources = Vec::new();
    while let Some(datagram) = capture.next_datagram().unwrap() {
        sources.push(datagram.source);
    }
    let [main, port, address] = sources[..] else {
        panic!("{sources:?}");
    };
    assert_eq!(main.ip(), port.ip());
    assert_ne!(main.port(), port.port());
    assert_eq!(address.ip().to_string(), "127.0.0.2");
}

#[tokio::test]
async fn thousands_of_fresh_ports_are_sent_from_and_their_answers_recorded() {
    let fixture = Fixture::new(
        json!({}),
        json!([{ "send": { "frame": "START token", "from": "fresh", "times": 1000 } }, { "wait": { "for": "100ms" } }]),
    );
    let driven = fixture
        .play(async |socket| {
            loop {
                let (from, _) = receive(&socket).await;
                socket.send(&connection_id(), from).await.unwrap();
            }
        })
        .await;
    assert_eq!(driven.end, End::Played(ScriptOutcome::Passed));
    let packets = fixture.capture(&driven);
    let sources: std::collections::BTreeSet<u16> = packets
        .iter()
        .filter(|(_, payload)| payload == b"START")
        .map(|(port, _)| *port)
        .collect();
    assert!(sources.len() > 900, "{}", sources.len());
    assert!(
        packets
            .iter()
            .any(|(_, payload)| *payload == connection_id())
    );
}

#[tokio::test]
async fn an_interrupted_script_stops_and_its_capture_is_readable() {
    let fixture = Fixture::new(
        json!({}),
        json!([{ "send": { "frame": "START token" } }, { "wait": { "for": "60s" } }]),
    );
    let driven = fixture
        .play(async |socket| {
            receive(&socket).await;
            fixture.stop.send_replace(true);
        })
        .await;
    assert_eq!(driven.end, End::Interrupted);
    assert_eq!(fixture.capture(&driven).len(), 1);
}

#[tokio::test]
async fn whoever_sends_without_end_is_cut_off() {
    let fixture = Fixture::new(
        json!({}),
        json!([{ "send": { "frame": "START token" } }, { "wait": { "for": "60s" } }]),
    );
    let driven = fixture
        .play(async |socket| {
            let (from, _) = receive(&socket).await;
            loop {
                socket.send(&[0xee; 60_000], from).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
        .await;
    assert!(
        matches!(driven.end, End::Flooded(count) if count > 1000),
        "{:?}",
        driven.end
    );
}

#[tokio::test]
async fn a_datagram_that_udp_cannot_carry_makes_the_outcome_inconclusive() {
    let fixture = Fixture::new(
        json!({}),
        json!([{ "send_raw": { "hex": "00", "pad_to": 65508 } }]),
    );
    let driven = fixture
        .play(async |_socket| std::future::pending::<()>().await)
        .await;
    let End::Played(ScriptOutcome::Inconclusive { why, .. }) = driven.end else {
        panic!("{:?}", driven.end);
    };
    assert!(why.contains("65508 bytes could not be sent"), "{why}");
}
