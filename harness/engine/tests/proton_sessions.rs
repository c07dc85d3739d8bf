//! The reference server and clients of `proton` over QUIC, in virtual time: what takes minutes, what a network does to
//! them, and that the monitor finds nothing wrong in what they send.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::iter;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use shakedown_capture::{Tap, WriterSettings};
use shakedown_carrier::{Carrier, Effect, Security, Settings, Socket};
use shakedown_engine::judge::judge;
use shakedown_engine::network::{Counts, Impairment, Network};
use shakedown_protocol::event_loop::{EventLoop, Next};
use shakedown_protocol::monitor::Observation;
use shakedown_protocol::proton::{
    Client, ClientEvent, ClientSettings, PROTOCOL, STARTUP_DELAY, Server, ServerSettings, TRANSPORT,
};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{MonitorSettings, SEALED};

const LATENCY: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SERVER: SocketAddr = SocketAddr::new(LOCALHOST, 4_433);
/// The port of the first client; the others follow.
const CLIENT_PORT: u16 = 40_000;

/// A server and its clients on one network, recorded at the clients.
struct Sessions {
    server: Carrier<Server>,
    clients: Vec<ClientSide>,
    /// What is on its way: from whom, and to whom.
    event_loop: EventLoop<Network<[SocketAddr; 2]>>,
    tap: Tap<Vec<u8>>,
    seed: u64,
}

struct ClientSide {
    carrier: Carrier<Client>,
    address: SocketAddr,
    /// Nothing that it sends or that is sent to it passes, as if its process were suspended.
    is_cut_off: bool,
}

impl Sessions {
    fn new(settings: ServerSettings, impair: &str, seed: u64) -> Self {
        let impair = match impair {
            "" => Impairment::default(),
            some => some.parse().unwrap(),
        };
        let network = Network::new(impair, &SEALED, seed).with_latency(LATENCY);
        let quic = Settings::new(TRANSPORT, Security::Seeded(seed));
        let mut server = Carrier::server(Server::new(settings), &quic).unwrap();
        server.tick(Duration::ZERO);
        Self {
            server,
            clients: Vec::new(),
            event_loop: EventLoop::new(network),
            tap: Tap::new(Vec::new(), &WriterSettings::default()).unwrap(),
            seed,
        }
    }

    fn now(&self) -> Duration {
        self.event_loop.now()
    }

    fn counts_of_clients(&self) -> Counts {
        self.event_loop.network.counts(Role::Initiator)
    }

    /// Another client, which begins to connect.
    fn connect(&mut self, resets: bool) -> usize {
        let number = self.clients.len();
        let seed = self.seed + ((number as u64) << 32);
        let quic = Settings::new(TRANSPORT, Security::Seeded(seed));
        let client = Client::new(ClientSettings::default());
        let mut carrier = Carrier::client(client, SERVER, &quic).unwrap();
        carrier.tick(self.now());
        self.clients.push(ClientSide {
            carrier,
            address: SocketAddr::new(LOCALHOST, CLIENT_PORT + u16::try_from(number).unwrap()),
            is_cut_off: false,
        });
        self.ask(number, |client, _| client.connect(resets))
            .unwrap();
        number
    }

    fn connected(&mut self, resets: bool) -> usize {
        let client = self.connect(resets);
        assert_eq!(self.event(client), ClientEvent::Connected);
        client
    }

    /// Asks a client for something.
    fn ask<T>(&mut self, client: usize, what: impl FnOnce(&mut Client, Duration) -> T) -> T {
        let now = self.now();
        let answer = self.clients[client].carrier.ask(now, |it| what(it, now));
        self.send();
        answer
    }

    /// What a client has to tell next; it has something within an hour.
    fn event(&mut self, client: usize) -> ClientEvent {
        let end = self.now() + 60 * MINUTE;
        loop {
            if let Some(event) = self.clients[client].carrier.machine_mut().poll_event() {
                return event;
            }
            assert!(self.next(end), "client {client} has nothing to tell");
        }
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now() + span;
        while self.next(end) {}
    }

    /// What happens next; whether there is anything until `end`.
    fn next(&mut self, end: Duration) -> bool {
        let clients = self.clients.iter().map(|client| client.carrier.deadline());
        let deadlines: Vec<_> = iter::once(self.server.deadline()).chain(clients).collect();
        let next = self.event_loop.next_until(end, &deadlines);
        let now = self.now();
        match next {
            Some(Next::Arrival(arrival)) => {
                let [from, to] = arrival.tag;
                let client = self.clients.iter_mut().find(|client| client.address == to);
                match client {
                    None => self
                        .server
                        .receive(now, Socket::MAIN, from, &arrival.payload),
                    Some(client) if client.is_cut_off => {}
                    Some(client) => {
                        self.tap.record(now, from, to, &arrival.payload).unwrap();
                        client
                            .carrier
                            .receive(now, Socket::MAIN, from, &arrival.payload);
                    }
                }
            }
            Some(Next::Deadline(0)) => self.server.tick(now),
            Some(Next::Deadline(place)) => self.clients[place - 1].carrier.tick(now),
            None => return false,
        }
        self.send();
        true
    }

    /// Puts on its way what both sides want to send.
    fn send(&mut self) {
        let now = self.now();
        let network = &mut self.event_loop.network;
        while let Some(effect) = self.server.poll() {
            if let Effect::Send { to, payload, .. } = effect {
                network.send(now, Role::Responder, [SERVER, to], payload);
            }
        }
        for client in &mut self.clients {
            while let Some(effect) = client.carrier.poll() {
                if let Effect::Send { to, payload, .. } = effect
                    && !client.is_cut_off
                {
                    self.tap.record(now, client.address, to, &payload).unwrap();
                    network.send(now, Role::Initiator, [client.address, to], payload);
                }
            }
        }
    }

    /// How connections of the server ended.
    fn ended(&self) -> serde_json::Value {
        use shakedown_protocol::streams::StreamMachine as _;
        self.server.machine().counters()["ended"].clone()
    }

    /// Events, a request with its answer, an item, and the end in peace; what came instead if the connection ended
    /// before.
    fn try_everything(&mut self, client: usize) -> Result<(), ClientEvent> {
        for id in 1..=5 {
            assert_eq!(self.ask(client, |it, now| it.send_event(now)), Ok(id));
        }
        self.ask(client, |it, now| it.commit(now, 42)).unwrap();
        self.ask(client, |it, now| it.read_action(now)).unwrap();
        let (mut acks, mut committed, mut item) = (Vec::new(), None, None);
        while acks.len() < 5 || committed.is_none() || item.is_none() {
            match self.event(client) {
                ClientEvent::Acked(id) => acks.push(id),
                ClientEvent::Committed { request, answer } => committed = Some((request, answer)),
                ClientEvent::Item(value) => item = Some(value),
                other @ (ClientEvent::Closed { .. } | ClientEvent::Connected) => return Err(other),
            }
        }
        assert_eq!(acks, [1, 2, 3, 4, 5]);
        assert_eq!((committed, item), (Some((42, 84)), Some(123)));
        self.close(client);
        Ok(())
    }

    fn close(&mut self, client: usize) {
        self.ask(client, |it, now| it.close(now)).unwrap();
        self.run_for(SECOND);
    }

    /// The recording, which ends with it, and what the monitor says of it.
    fn judged(mut self) -> (Vec<u8>, Vec<Observation>) {
        let clients = self.clients.iter_mut();
        let key_log: String = clients
            .map(|client| client.carrier.take_secrets())
            .collect();
        let capture = self.tap.into_inner();
        let mut said = Vec::new();
        let judged = judge(
            &*capture,
            &[&PROTOCOL],
            &MonitorSettings::default(),
            key_log.as_bytes(),
            &mut |it| said.push(it.observation),
        );
        let judged = judged.unwrap();
        assert!(judged.damage.is_none() && judged.unjudged.is_empty());
        (capture, said)
    }

    /// Asserts that these requirements were broken and no other, in so many sessions.
    fn assert_broken(self, expected: &[&str], sessions: usize) {
        let (_, said) = self.judged();
        let mut broken = Vec::new();
        let mut count = 0;
        for it in &said {
            match it {
                Observation::Finding(finding) => broken.push(finding.requirement),
                Observation::Session(_) => count += 1,
                Observation::Inconclusive(_) => {}
            }
        }
        assert_eq!((&*broken, count), (expected, sessions), "{said:#?}");
    }
}

fn sessions() -> Sessions {
    Sessions::new(ServerSettings::default(), "", 1)
}

/// Whose server takes so long for an answer.
fn with_commits_of(commit_delay: Duration) -> Sessions {
    let settings = ServerSettings {
        commit_delay,
        ..ServerSettings::default()
    };
    Sessions::new(settings, "", 1)
}

fn closed(why: &str, is_own: bool) -> ClientEvent {
    let why = why.to_owned();
    ClientEvent::Closed { why, is_own }
}

#[test]
fn an_idle_connection_stays_open_for_ten_minutes() {
    let mut sessions = sessions();
    let client = sessions.connected(false);
    sessions.run_for(10 * MINUTE);
    assert!(sessions.clients[client].carrier.machine().has_connection());
    let kept_alive = sessions.counts_of_clients().sent;
    assert!(kept_alive >= 600, "{kept_alive}");
    assert_eq!(sessions.ask(client, |it, now| it.send_event(now)), Ok(1));
    assert_eq!(sessions.event(client), ClientEvent::Acked(1));
    sessions.close(client);
    sessions.assert_broken(&[], 1);
}

#[test]
fn a_request_that_takes_four_minutes_is_answered_and_events_go_on() {
    let mut sessions = with_commits_of(4 * MINUTE);
    let client = sessions.connected(false);
    sessions.ask(client, |it, now| it.commit(now, 7)).unwrap();
    let asked = sessions.now();
    for id in 1..=3 {
        sessions.run_for(MINUTE);
        sessions.ask(client, |it, now| it.send_event(now)).unwrap();
        assert_eq!(sessions.event(client), ClientEvent::Acked(id));
    }
    let (request, answer) = (7, 14);
    assert_eq!(
        sessions.event(client),
        ClientEvent::Committed { request, answer }
    );
    let took = sessions.now() - asked;
    assert!(
        (4 * MINUTE..4 * MINUTE + SECOND).contains(&took),
        "{took:?}"
    );
    sessions.close(client);
    sessions.assert_broken(&[], 1);
}

#[test]
fn a_request_without_an_answer_closes_with_code_4_after_five_minutes() {
    let mut sessions = with_commits_of(6 * MINUTE);
    let client = sessions.connected(false);
    let asked = sessions.now();
    sessions.ask(client, |it, now| it.commit(now, 7)).unwrap();
    let why = "the server did not answer or read within 5 minutes";
    assert_eq!(sessions.event(client), closed(why, true));
    let took = sessions.now() - asked;
    assert!(
        (5 * MINUTE..5 * MINUTE + SECOND).contains(&took),
        "{took:?}"
    );
    sessions.run_for(2 * MINUTE);
    assert_eq!(sessions.ended(), json!({ "operation timeout": 1 }));
    sessions.assert_broken(&["PR-K-01"], 1);
}

#[test]
fn a_client_that_vanishes_is_gone_after_five_seconds_and_the_next_is_served() {
    let mut sessions = sessions();
    let client = sessions.connected(false);
    sessions.run_for(SECOND);
    sessions.clients[client].is_cut_off = true;
    sessions.run_for(4 * SECOND);
    assert_eq!(sessions.ended(), json!({}));
    sessions.run_for(2 * SECOND);
    assert_eq!(sessions.ended(), json!({ "idle timeout": 1 }));
    let next = sessions.connected(false);
    assert_eq!(sessions.try_everything(next), Ok(()));
    assert_eq!(sessions.ended(), json!({ "idle timeout": 1, "normal": 1 }));
}

#[test]
fn a_second_client_that_resets_takes_the_place_of_the_first() {
    let mut sessions = sessions();
    let first = sessions.connected(false);
    sessions.run_for(SECOND);
    let second = sessions.connected(true);
    assert_eq!(sessions.try_everything(second), Ok(()));
    let reset = closed("the server closed it: reset by client", false);
    assert_eq!(sessions.event(first), reset);
    sessions.assert_broken(&[], 2);
}

#[test]
fn sessions_are_right_on_a_network_that_loses_repeats_swaps_and_damages() {
    let impair = "loss=0.2,duplicate=0.1,reorder=0.2,corrupt=0.05,delay=5ms..30ms";
    let (mut lost, mut failed) = (0, 0);
    for seed in 0..100 {
        let mut sessions = Sessions::new(ServerSettings::default(), impair, seed);
        loop {
            let client = sessions.connect(false);
            let ended = match sessions.event(client) {
                ClientEvent::Connected => sessions.try_everything(client),
                other => Err(other),
            };
            // All tries of a handshake may be lost, at either side.
            match ended {
                Ok(()) => break,
                Err(ClientEvent::Closed { is_own: false, .. }) => failed += 1,
                Err(other) => panic!("seed {seed}: {other:?}"),
            }
            sessions.run_for(STARTUP_DELAY);
        }
        lost += sessions.counts_of_clients().lost;
        let (_, said) = sessions.judged();
        let is_finding = |it: &Observation| matches!(it, Observation::Finding(_));
        assert!(!said.iter().any(is_finding), "seed {seed}: {said:#?}");
    }
    assert!(lost > 500, "{lost}");
    assert!(failed < 10, "{failed}");
}

#[test]
fn exact_faults_hit_the_datagram_of_that_number() {
    /// How long it took to connect, and how many datagrams of the client were lost.
    fn connecting(impair: &str) -> (Duration, u64) {
        let mut sessions = Sessions::new(ServerSettings::default(), impair, 1);
        let client = sessions.connected(false);
        let connected = sessions.now();
        assert_eq!(sessions.try_everything(client), Ok(()));
        assert_eq!(sessions.event_loop.network.missed().count(), 0);
        let lost = sessions.counts_of_clients().lost;
        sessions.assert_broken(&[], 1);
        (connected, lost)
    }
    let (at_once, nothing) = connecting("delay=1ms");
    assert_eq!(nothing, 0);
    // The first is sent again after the first timeout of the handshake.
    let (later, one) = connecting("delay=1ms,drop=initiator:DATAGRAM#1");
    assert_eq!(one, 1);
    assert!(at_once < SECOND / 10, "{at_once:?}");
    assert!(later > at_once + SECOND / 2, "{later:?}");
    let (cut, some) = connecting("delay=1ms,outage=0s..2s");
    assert!(some > 1 && cut > 2 * SECOND, "{some} {cut:?}");
}

#[test]
fn the_same_seed_gives_the_same_capture() {
    let capture = |seed| {
        let impair = "loss=0.1,reorder=0.1,delay=1ms..40ms";
        let mut sessions = Sessions::new(ServerSettings::default(), impair, seed);
        let client = sessions.connected(false);
        sessions.run_for(2 * MINUTE);
        assert_eq!(sessions.try_everything(client), Ok(()));
        assert!(sessions.tap.packets() > 200);
        sessions.judged().0
    };
    let first = capture(7);
    assert!(capture(7) == first);
    assert!(capture(8) != first);
}
