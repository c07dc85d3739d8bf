//! Captures of sessions without fault that lack packets, or have them in another order: nothing in
//! them is taken for a fault.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shakedown_protocol::MonitorSettings;

use super::healthy::{exchange, refused, reset};
use super::judged::{Judged, Recording};
use super::network::in_virtual_time;
use super::setup::{ACTION, COMMIT, EVENT, Setup, wait, word};

/// Sessions of many kinds.
fn captures() -> Vec<Recording> {
    let files = in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.session().await;
        exchange(&mut pair).await;
        for id in 21..30 {
            pair.request(EVENT, &word(id)).await;
            pair.answer(EVENT, &word(id)).await;
        }
        pair.answer(ACTION, &word(124)).await;
        wait(3_000).await;
        pair.end().await;
        [
            setup.capture(),
            reset().await.capture(),
            refused().await.capture(),
        ]
    });
    files.iter().map(|file| Recording::of(file)).collect()
}

/// Which packets of so many are missing.
fn lacking(seed: u64, packets: usize) -> Vec<bool> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let share = random.random_range(0.01..0.6);
    (0..packets).map(|_| random.random_bool(share)).collect()
}

fn has_no_finding(capture: &[u8]) {
    Judged::of(capture, &MonitorSettings::default()).broke(&[]);
}

#[test]
fn a_capture_that_lacks_packets_in_a_row() {
    for whole in captures() {
        assert!(whole.packets() > 30);
        for first in (0..whole.packets()).step_by(3) {
            for length in [1, 3, 12] {
                let lacks = |number| (first..first + length).contains(&number);
                has_no_finding(&whole.without(lacks));
            }
        }
    }
}

#[test]
fn a_capture_that_lacks_packets_here_and_there() {
    for whole in captures() {
        for seed in 0..50 {
            let lacking = lacking(seed, whole.packets());
            has_no_finding(&whole.without(|number| lacking[number]));
        }
    }
}

#[test]
fn a_capture_of_one_direction() {
    for whole in captures() {
        for side in [true, false] {
            // After the handshake, and from the beginning.
            for from in [0, 8] {
                let lacks = |number| number >= from && whole.is_of_client(number) == side;
                has_no_finding(&whole.without(lacks));
            }
        }
    }
}

#[test]
fn a_capture_in_another_order() {
    for whole in captures() {
        for number in (0..whole.packets()).step_by(4) {
            for by in [1, 4] {
                has_no_finding(&whole.moved(number, by));
            }
        }
    }
}

#[test]
fn a_capture_that_begins_or_ends_in_the_middle() {
    for whole in captures() {
        for number in (0..whole.packets()).step_by(4) {
            for begins in [true, false] {
                has_no_finding(&whole.without(|other| (other < number) == begins));
            }
        }
    }
}

/// A session whose first ack is wrong, an id that does not rise and is acked, and a commit whose
/// answer comes twice, all of it on connections of their own.
fn faulty() -> Recording {
    Recording::of(&in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.session().await;
        pair.request(EVENT, &[word(1), word(2)].concat()).await;
        pair.answer(EVENT, &word(2)).await;
        pair.client.close(5);
        wait(50).await;
        let mut pair = setup.session().await;
        for _ in 0..2 {
            pair.request(EVENT, &word(7)).await;
            pair.answer(EVENT, &word(7)).await;
        }
        pair.end().await;
        let mut pair = setup.session().await;
        pair.request(COMMIT, &word(42)).await;
        pair.answer(COMMIT, &word(84)).await;
        pair.answer(COMMIT, &word(84)).await;
        wait(3_000).await;
        pair.end().await;
        setup.capture()
    }))
}

#[test]
fn a_fault_is_taken_for_no_other_one_where_packets_are_missing() {
    let whole = faulty();
    let faults = ["PR-E-01", "PR-E-02", "PR-E-04", "PR-K-01"];
    assert_eq!(
        Judged::of(&whole.without(|_| false), &MonitorSettings::default()).requirements(),
        ["PR-E-01", "PR-E-04", "PR-E-02", "PR-K-01"]
    );
    for seed in 0..50 {
        let lacking = lacking(seed, whole.packets());
        let judged = Judged::of(
            &whole.without(|number| lacking[number]),
            &MonitorSettings::default(),
        );
        let found = judged.requirements();
        assert!(found.iter().all(|it| faults.contains(it)), "{found:?}");
    }
}
