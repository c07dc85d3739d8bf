use std::time::Duration;

use serde_json::{Map, json};
use shakedown_protocol::SEALED;
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn network(text: &str) -> Network<u32> {
    let impair: Impairment = text.parse().unwrap();
    impair.check(PROTOCOL.vocabulary).unwrap();
    Network::new(impair, PROTOCOL.vocabulary, 1)
}

fn frame(name: &str) -> Vec<u8> {
    let fields = match name {
        "ERROR" => Map::from_iter([("error_code".to_owned(), json!(1))]),
        _ => Map::new(),
    };
    PROTOCOL.vocabulary.encode(name, &fields).unwrap()
}

/// Sends frames of these names 1 ms apart, the tag their place from 1, and gives the tags of what
/// arrives with the milliseconds when it does.
fn arrivals(network: &mut Network<u32>, from: Role, names: &[&str]) -> Vec<(u32, u128)> {
    let mut arrived = Vec::new();
    for (index, name) in (0..).zip(names) {
        let now = MS * index;
        take(network, now, &mut arrived);
        network.send(now, from, index + 1, frame(name));
    }
    take_all(network, &mut arrived);
    arrived
}

fn take(network: &mut Network<u32>, now: Duration, arrived: &mut Vec<(u32, u128)>) {
    while let Some(arrival) = network.arrive(now) {
        assert!(arrival.at <= now);
        arrived.push((arrival.tag, arrival.at.as_millis()));
    }
}

fn take_all(network: &mut Network<u32>, arrived: &mut Vec<(u32, u128)>) {
    while let Some(deadline) = network.deadline() {
        take(network, deadline, arrived);
    }
    assert_eq!(network.on_the_way(), 0);
}

fn tags(text: &str, names: &[&str]) -> Vec<u32> {
    let arrived = arrivals(&mut network(text), Role::Initiator, names);
    arrived.into_iter().map(|(tag, _)| tag).collect()
}

#[test]
fn an_ideal_network_delivers_at_once_in_order() {
    let mut network = network("none");
    network.send(MS, Role::Initiator, 1, vec![1]);
    network.send(MS, Role::Responder, 2, vec![2]);
    assert_eq!(network.deadline(), Some(MS));
    assert_eq!(network.arrive(Duration::ZERO), None);
    let first = network.arrive(MS).unwrap();
    assert_eq!((first.at, first.from, first.tag), (MS, Role::Initiator, 1));
    assert_eq!(network.arrive(MS).unwrap().payload, [2]);
    assert_eq!(network.deadline(), None);
}

#[test]
fn latency_is_of_the_link_and_holds_both_ways() {
    let mut network = network("from=responder,delay=5ms").with_latency(MS);
    network.send(Duration::ZERO, Role::Initiator, 1, Vec::new());
    network.send(Duration::ZERO, Role::Responder, 2, Vec::new());
    let mut arrived = Vec::new();
    take_all(&mut network, &mut arrived);
    assert_eq!(arrived, [(1, 1), (2, 6)]);
}

#[test]
fn each_exact_fault_hits_its_datagram_and_no_other() {
    let names = ["SYN", "ACK", "SYN", "data", "SYN"];
    for (fault, arrive) in [
        ("drop=SYN#2", vec![1, 2, 4, 5]),
        ("drop=SYN", vec![2, 3, 4, 5]),
        ("drop=SYN#4", vec![1, 2, 3, 4, 5]),
        ("drop=responder:SYN#1", vec![1, 2, 3, 4, 5]),
        ("drop=initiator:SYN#1,drop=ACK#1", vec![3, 4, 5]),
        ("duplicate=SYN#2", vec![1, 2, 3, 3, 4, 5]),
        ("reorder=SYN#1+1", vec![2, 1, 3, 4, 5]),
        ("reorder=SYN#1+2", vec![2, 3, 1, 4, 5]),
        ("reorder=SYN#1+2,drop=SYN#2", vec![2, 4, 1, 5]),
        ("reorder=SYN#1+2,reorder=ACK#1+1", vec![3, 2, 4, 1, 5]),
        ("duplicate=ACK#1,reorder=ACK#1+2", vec![1, 3, 4, 2, 2, 5]),
        ("delay=SYN#2+2500us", vec![1, 2, 4, 5, 3]),
        ("drop=SYN#1,duplicate=SYN#1", vec![2, 3, 4, 5]),
    ] {
        assert_eq!(tags(fault, &names), arrive, "{fault}");
    }
}

#[test]
fn a_late_datagram_comes_so_much_later_and_the_others_do_not_wait() {
    let arrived = arrivals(
        &mut network("delay=SYN#1+300ms,delay=10ms"),
        Role::Initiator,
        &["SYN", "ACK"],
    );
    assert_eq!(arrived, [(2, 11), (1, 310)]);
}

#[test]
fn a_datagram_that_is_held_does_not_come_before_its_own_time() {
    let mut network = network("delay=SYN#1+300ms,reorder=SYN#1+1");
    let arrived = arrivals(&mut network, Role::Initiator, &["SYN", "ACK"]);
    assert_eq!(arrived, [(2, 1), (1, 300)]);
}

#[test]
fn waiting_for_an_earlier_datagram_is_no_queue() {
    let mut network = network("delay=0s..10m");
    let effects = (0..50).map(|_| network.send(MS, Role::Initiator, 0, Vec::new()));
    assert!(effects.into_iter().all(|effects| effects.lost.is_none()));
}

#[test]
fn a_flipped_bit_is_the_one_that_was_named() {
    for (bit, offset, mask) in [(0, 0, 1), (7, 0, 0x80), (208, 26, 1), (67 * 8 + 9, 1, 2)] {
        let mut network = network(&format!("corrupt=SYN#1@{bit}"));
        let effects = network.send(MS, Role::Initiator, 0, frame("SYN"));
        assert_eq!(effects.corrupted_bit, Some(bit % (67 * 8)));
        let mut wanted = frame("SYN");
        wanted[offset] ^= mask;
        assert_eq!(network.arrive(MS).unwrap().payload, wanted);
    }
}

#[test]
fn a_corrupt_datagram_differs_by_one_bit_and_one_with_a_wrong_checksum_does_not_arrive() {
    let mut corrupt = network("corrupt=1");
    corrupt.send(MS, Role::Initiator, 0, vec![0; 10]);
    corrupt.send(MS, Role::Initiator, 0, Vec::new());
    let arrived = corrupt.arrive(MS).unwrap();
    let ones: u32 = arrived.payload.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!(ones, 1);
    assert!(corrupt.arrive(MS).unwrap().payload.is_empty());
    assert_eq!(corrupt.counts(Role::Initiator).corrupted, 1);
    let mut checksum = network("checksum=1");
    let effects = checksum.send(MS, Role::Initiator, 0, vec![0; 10]);
    assert_eq!(effects.lost, Some(LossCause::Checksum));
    assert_eq!(checksum.deadline(), None);
}

#[test]
fn a_cut_loses_what_is_sent_in_it_counted_from_the_first_datagram() {
    let mut network = network("outage=1s..2s,outage=3s..4s");
    let base = Duration::from_secs(100);
    for (after, is_lost) in [
        (0, false),
        (999, false),
        (1_000, true),
        (1_999, true),
        (2_000, false),
        (3_500, true),
    ] {
        let effects = network.send(base + MS * after, Role::Responder, 0, Vec::new());
        assert_eq!(
            effects.lost,
            is_lost.then_some(LossCause::Outage),
            "{after}"
        );
    }
}

#[test]
fn a_datagram_that_nobody_overtakes_is_not_held_for_ever() {
    let held = |text, longest: Duration| {
        let mut network = network(text);
        let effects = network.send(MS, Role::Initiator, 7, frame("SYN"));
        assert!(effects.reordered);
        assert_eq!(network.on_the_way(), 1);
        assert_eq!(network.deadline(), Some(MS + longest));
        assert_eq!(network.arrive(longest), None);
        assert_eq!(network.arrive(MS + longest).unwrap().tag, 7);
    };
    held("reorder=1", LONGEST_REORDER);
    held("reorder=SYN#1+1", LONGEST_EXACT_REORDER);
}

#[test]
fn one_way_does_not_overtake_the_other() {
    let mut network = network("reorder=1");
    network.send(MS, Role::Initiator, 1, Vec::new());
    network.send(MS, Role::Responder, 2, Vec::new());
    assert_eq!(network.arrive(MS), None);
}

#[test]
fn where_all_are_overtaken_pairs_change_places() {
    assert_eq!(tags("reorder=1", &["SYN"; 6]), [2, 1, 4, 3, 6, 5]);
}

#[test]
fn what_comes_faster_than_the_rate_waits_and_at_last_is_lost() {
    let mut network = network("rate=1000");
    for tag in 0..3 {
        network.send(Duration::ZERO, Role::Initiator, tag, vec![0; 100]);
    }
    let mut arrived = Vec::new();
    take_all(&mut network, &mut arrived);
    assert_eq!(arrived, [(0, 100), (1, 200), (2, 300)]);
    let lost = (0..100).filter(|_| {
        let effects = network.send(MS * 1_000, Role::Initiator, 0, vec![0; 1_000]);
        effects.lost == Some(LossCause::Queue)
    });
    // One leaves each second, the last of them after it has waited for LONGEST_QUEUE.
    assert_eq!(lost.count(), 100 - 11);
}

#[test]
fn only_one_side_suffers_if_one_is_named() {
    let mut network = network("from=responder,loss=1");
    assert_eq!(network.send(MS, Role::Initiator, 0, Vec::new()).lost, None);
    let effects = network.send(MS, Role::Responder, 0, Vec::new());
    assert_eq!(effects.lost, Some(LossCause::Random));
}

#[test]
fn exact_faults_of_one_side_are_not_bound_to_the_side_that_suffers() {
    let mut network = network("from=responder,loss=1,duplicate=SYN#1");
    assert!(
        network
            .send(MS, Role::Initiator, 0, frame("SYN"))
            .duplicated
    );
}

#[test]
fn a_fault_that_found_no_datagram_is_told() {
    let mut network = network("drop=SYN#2,duplicate=ACK#1");
    network.send(MS, Role::Initiator, 0, frame("SYN"));
    network.send(MS, Role::Initiator, 0, frame("ACK"));
    let missed: Vec<_> = network.missed().map(ToString::to_string).collect();
    assert_eq!(missed, ["drop=SYN#2"]);
}

#[test]
fn what_does_not_decode_is_no_frame() {
    let mut network = network("drop=SYN#1");
    let mut short = frame("SYN");
    short.truncate(30);
    assert_eq!(network.send(MS, Role::Initiator, 0, short).lost, None);
    let effects = network.send(MS, Role::Initiator, 0, frame("SYN"));
    assert_eq!(effects.lost, Some(LossCause::Fault));
}

#[test]
fn a_healed_network_keeps_its_delay_and_delivers_what_it_holds() {
    let mut network = network("delay=2ms,reorder=1,loss=0,rate=1,outage=0s..1m,drop=ACK#1");
    let outage = network.send(Duration::ZERO, Role::Initiator, 1, frame("SYN"));
    assert_eq!(outage.lost, Some(LossCause::Outage));
    network.heal();
    let mut arrived = arrivals(&mut network, Role::Initiator, &["ACK", "SYN"]);
    assert_eq!(arrived, [(1, 2), (2, 3)]);
    let mut holds = super::Network::new("reorder=SYN#1+1".parse().unwrap(), PROTOCOL.vocabulary, 1);
    holds.send(Duration::ZERO, Role::Initiator, 9, frame("SYN"));
    holds.heal();
    arrived.clear();
    take_all(&mut holds, &mut arrived);
    assert_eq!(arrived, [(9, 10_000)]);
}

#[test]
fn what_happens_to_a_datagram_depends_on_its_own_share_alone() {
    let lost = |text: &str, both: bool| {
        let mut network = network(text);
        let effects = (0..200).map(|_| {
            if both {
                network.send(MS, Role::Responder, 0, vec![0; 9]);
            }
            network
                .send(MS, Role::Initiator, 0, vec![0; 9])
                .lost
                .is_some()
        });
        effects.collect::<Vec<_>>()
    };
    let alone = lost("loss=0.3,seed=5", false);
    for (other, both) in [
        ("loss=0.3,seed=5,duplicate=0.5,delay=1ms..9ms", false),
        ("loss=0.3,seed=5,corrupt=1,reorder=0.5,jitter=4ms", true),
        ("loss=0.3,seed=5,from=initiator", true),
    ] {
        assert_eq!(lost(other, both), alone, "{other}");
    }
    assert_ne!(lost("loss=0.3,seed=6", false), alone);
    let share = alone.iter().filter(|lost| **lost).count();
    assert!((40..=80).contains(&share), "{share} of 200");
}

#[test]
fn the_seed_of_the_owner_counts_where_the_impairment_has_none() {
    let lost = |text: &str, seed| {
        let mut network: Network<()> =
            Network::new(text.parse().unwrap(), PROTOCOL.vocabulary, seed);
        let effects = (0..64).map(|_| network.send(MS, Role::Initiator, (), Vec::new()).lost);
        effects.collect::<Vec<_>>()
    };
    assert_ne!(lost("loss=0.5", 1), lost("loss=0.5", 2));
    assert_eq!(lost("loss=0.5,seed=3", 1), lost("loss=0.5", 3));
}

#[test]
fn datagrams_that_cannot_be_read_are_named_by_their_numbers() {
    let impair: Impairment = "drop=DATAGRAM#2,delay=responder:DATAGRAM#3+20ms"
        .parse()
        .unwrap();
    impair.check(&SEALED).unwrap();
    let mut network = Network::new(impair, &SEALED, 0);
    let senders = [
        Role::Initiator,
        Role::Responder,
        Role::Responder,
        Role::Responder,
    ];
    for (n, from) in senders.into_iter().enumerate() {
        network.send(Duration::ZERO, from, n, vec![0xff; 3]);
    }
    let arrivals: Vec<_> = std::iter::from_fn(|| network.arrive(Duration::MAX))
        .map(|arrival| (arrival.tag, arrival.at.as_millis()))
        .collect();
    assert_eq!(arrivals, [(0, 0), (2, 0), (3, 20)]);
    assert_eq!(network.missed().count(), 0);
}

#[test]
fn no_other_name_is_known_of_datagrams_that_cannot_be_read() {
    let impair: Impairment = "drop=EVENT#2".parse().unwrap();
    let wrong = impair.check(&SEALED).unwrap_err().to_string();
    assert!(wrong.contains("no frame is called `EVENT`"), "{wrong}");
    assert!(SEALED.encode("DATAGRAM", &Map::new()).is_err());
}
