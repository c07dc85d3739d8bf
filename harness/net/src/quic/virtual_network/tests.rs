use std::time::{Duration, Instant};

use shakedown_capture::Capture;
use shakedown_protocol::proton::{ClientEvent, ClientSettings, STARTUP_DELAY, ServerSettings};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::StreamMachine;

use super::world::{RigClient, World, in_virtual_time};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn world() -> World {
    World::new(ServerSettings::default(), "", 1)
}

fn closed(why: &str, is_own: bool) -> ClientEvent {
    let why = why.to_owned();
    ClientEvent::Closed { why, is_own }
}

/// Events, a request with its answer, an item, and the end in peace; what came instead if the
/// connection ended before.
async fn try_talk(world: &mut World, guest: &mut RigClient) -> Result<(), ClientEvent> {
    for id in 1..=5 {
        assert_eq!(guest.ask(|it, now| it.send_event(now)), Ok(id));
    }
    guest.ask(|it, now| it.commit(now, 42)).unwrap();
    guest.ask(|it, now| it.read_action(now)).unwrap();
    let (mut acks, mut committed, mut item) = (Vec::new(), None, None);
    while acks.len() < 5 || committed.is_none() || item.is_none() {
        match world.news(guest).await {
            ClientEvent::Acked(id) => acks.push(id),
            ClientEvent::Committed { request, answer } => committed = Some((request, answer)),
            ClientEvent::Item(value) => item = Some(value),
            other @ (ClientEvent::Closed { .. } | ClientEvent::Connected) => return Err(other),
        }
    }
    assert_eq!(acks, [1, 2, 3, 4, 5]);
    assert_eq!((committed, item), (Some((42, 84)), Some(123)));
    guest.ask(|it, now| it.close(now)).unwrap();
    world.live(guest, SECOND).await;
    Ok(())
}

async fn talk(world: &mut World, guest: &mut RigClient) {
    assert_eq!(try_talk(world, guest).await, Ok(()));
}

#[test]
fn an_idle_connection_stays_open_for_ten_minutes_that_take_no_time() {
    let began = Instant::now();
    in_virtual_time(async {
        let mut world = world();
        let mut guest = world.connected(false).await;
        world.live(&mut guest, 10 * MINUTE).await;
        assert!(guest.client.has_connection());
        assert!(world.network.now() >= 10 * MINUTE);
        let kept_alive = world.network.counts(Role::Initiator).sent;
        assert!(kept_alive >= 600, "{kept_alive}");
        assert_eq!(guest.ask(|it, now| it.send_event(now)), Ok(1));
        assert_eq!(world.news(&mut guest).await, ClientEvent::Acked(1));
        guest.ask(|it, now| it.close(now)).unwrap();
        world.live(&mut guest, SECOND).await;
        world.assert_in_order(1);
    });
    assert!(began.elapsed() < 30 * SECOND, "{:?}", began.elapsed());
}

#[test]
fn a_request_that_takes_four_minutes_is_answered_and_events_go_on() {
    in_virtual_time(async {
        let settings = ServerSettings {
            commit_delay: 4 * MINUTE,
            ..ServerSettings::default()
        };
        let mut world = World::new(settings, "", 1);
        let mut guest = world.connected(false).await;
        guest.ask(|it, now| it.commit(now, 7)).unwrap();
        let asked = world.network.now();
        for id in 1..=3 {
            world.live(&mut guest, MINUTE).await;
            guest.ask(|it, now| it.send_event(now)).unwrap();
            assert_eq!(world.news(&mut guest).await, ClientEvent::Acked(id));
        }
        let committed = ClientEvent::Committed {
            request: 7,
            answer: 14,
        };
        assert_eq!(world.news(&mut guest).await, committed);
        let took = world.network.now() - asked;
        assert!(
            (4 * MINUTE..4 * MINUTE + SECOND).contains(&took),
            "{took:?}"
        );
        guest.ask(|it, now| it.close(now)).unwrap();
        world.live(&mut guest, SECOND).await;
        world.assert_in_order(1);
    });
}

#[test]
fn a_request_without_an_answer_closes_with_code_4_after_five_minutes() {
    in_virtual_time(async {
        let settings = ServerSettings {
            commit_delay: 6 * MINUTE,
            ..ServerSettings::default()
        };
        let mut world = World::new(settings, "", 1);
        let mut guest = world.connected(false).await;
        let asked = world.network.now();
        guest.ask(|it, now| it.commit(now, 7)).unwrap();
        let why = "the server did not answer or read within 5 minutes";
        assert_eq!(world.news(&mut guest).await, closed(why, true));
        let took = world.network.now() - asked;
        assert!(
            (5 * MINUTE..5 * MINUTE + SECOND).contains(&took),
            "{took:?}"
        );
        world.live(&mut guest, 2 * MINUTE).await;
        let ended = &world.server.counters()["ended"];
        assert_eq!(ended["operation timeout"], 1, "{ended}");
        world.assert_broken(&["PR-K-01"]);
    });
}

#[test]
fn a_client_that_vanishes_is_gone_after_five_seconds_and_the_next_is_served() {
    in_virtual_time(async {
        let mut world = world();
        let guest = world.connected(false).await;
        world.live_alone(SECOND).await;
        guest.freeze.set(true);
        world.live_alone(4 * SECOND).await;
        assert_eq!(world.server.counters()["ended"], serde_json::json!({}));
        world.live_alone(2 * SECOND).await;
        let ended = &world.server.counters()["ended"];
        assert_eq!(ended["idle timeout"], 1, "{ended}");
        let mut next = world.connected(false).await;
        talk(&mut world, &mut next).await;
        assert_eq!(world.server.counters()["commits"], 1);
    });
}

#[test]
fn a_second_client_that_resets_takes_the_place_of_the_first() {
    in_virtual_time(async {
        let mut world = world();
        let mut first = world.connected(false).await;
        world.live(&mut first, SECOND).await;
        let mut second = world.connected(true).await;
        talk(&mut world, &mut second).await;
        let reset = closed("the server closed it: reset by client", false);
        assert_eq!(world.news(&mut first).await, reset);
        world.assert_in_order(2);
    });
}

#[test]
fn sessions_are_right_on_a_network_that_loses_repeats_swaps_and_damages() {
    let (mut lost, mut failed) = (0, 0);
    for seed in 0..100 {
        in_virtual_time(async {
            let impair = "loss=0.2,duplicate=0.1,reorder=0.2,corrupt=0.05,delay=5ms..30ms";
            let mut world = World::new(ServerSettings::default(), impair, seed);
            loop {
                let mut guest = world.client(ClientSettings::default());
                guest.connect(false);
                let talked = match world.news(&mut guest).await {
                    ClientEvent::Connected => try_talk(&mut world, &mut guest).await,
                    other => Err(other),
                };
                // All tries of a handshake may be lost, at either side.
                match talked {
                    Ok(()) => break,
                    Err(ClientEvent::Closed { is_own: false, .. }) => failed += 1,
                    Err(other) => panic!("seed {seed}: {other:?}"),
                }
                world.live(&mut guest, STARTUP_DELAY).await;
            }
            world.assert_no_findings();
            lost += world.network.counts(Role::Initiator).lost;
        });
    }
    assert!(lost > 500, "{lost}");
    assert!(failed < 10, "{failed}");
}

#[test]
fn exact_faults_hit_the_datagram_of_that_number() {
    let first_flight = |impair: &str| {
        in_virtual_time(async {
            let mut world = World::new(ServerSettings::default(), impair, 1);
            let mut guest = world.connected(false).await;
            let connected = world.network.now();
            talk(&mut world, &mut guest).await;
            world.assert_in_order(1);
            assert_eq!(world.network.missed(), []);
            (connected, world.network.counts(Role::Initiator).lost)
        })
    };
    let (at_once, nothing) = first_flight("delay=1ms");
    assert_eq!(nothing, 0);
    // The first is sent again after the first timeout of the handshake.
    let (later, one) = first_flight("delay=1ms,drop=initiator:DATAGRAM#1");
    assert_eq!(one, 1);
    assert!(
        at_once < SECOND / 10 && later > at_once + SECOND / 2,
        "{at_once:?} {later:?}"
    );
    let (cut, some) = first_flight("delay=1ms,outage=0s..2s");
    assert!(some > 1 && cut > 2 * SECOND, "{some} {cut:?}");
}

#[test]
fn the_same_seed_gives_the_same_packets_at_the_same_times() {
    let shape = |seed| {
        in_virtual_time(async {
            let impair = "loss=0.1,reorder=0.1,delay=1ms..40ms";
            let mut world = World::new(ServerSettings::default(), impair, seed);
            let mut guest = world.connected(false).await;
            world.live(&mut guest, 2 * MINUTE).await;
            talk(&mut world, &mut guest).await;
            let capture = world.capture();
            let mut packets = Capture::open(&capture[..]).unwrap();
            let mut shape = Vec::new();
            while let Some(it) = packets.next_datagram().unwrap() {
                shape.push((it.time, it.source, it.destination, it.length));
            }
            shape
        })
    };
    let first = shape(7);
    assert!(first.len() > 200);
    assert_eq!(shape(7), first);
    assert_ne!(shape(8), first);
}
