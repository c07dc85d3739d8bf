//! Captures of sessions without fault that lack packets, or have them in another order: nothing in
//! them is taken for a fault.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shakedown_protocol::MonitorSettings;

use super::healthy::{refused, reset, talk};
use super::table::{ACTION, EVENT, Table, in_virtual_time, pass, word};
use super::told::{Copy, Told};

/// Sessions of many kinds.
fn captures() -> Vec<Copy> {
    let files = in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        talk(&mut pair).await;
        for id in 21..30 {
            pair.ask(EVENT, &word(id)).await;
            pair.answer(EVENT, &word(id)).await;
        }
        pair.answer(ACTION, &word(124)).await;
        pass(3_000).await;
        pair.end().await;
        [
            table.capture(),
            reset().await.capture(),
            refused().await.capture(),
        ]
    });
    files.iter().map(|file| Copy::of(file)).collect()
}

fn has_no_finding(capture: &[u8]) {
    Told::of(capture, &MonitorSettings::default()).broke(&[]);
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
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let share = random.random_range(0.01..0.6);
            let lacking: Vec<_> = (0..whole.packets())
                .map(|_| random.random_bool(share))
                .collect();
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
