use shakedown_engine::script::Budget;

use super::*;
use crate::clock::Clock;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

const DRIVER: u16 = 1;
const FRONT: u16 = 2;
const BACK: u16 = 3;
const IUT: u16 = 4;

/// What passed a relay: number, driver's edge or not, source, destination, payload.
type Passage = (u64, bool, u16, u16, &'static [u8]);

fn packets(passages: &[Passage], seen: &[(u16, u16, &[u8])]) -> Vec<(u64, u64)> {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(&folder.path().join("it.pcapng"), Clock::start(), 0);
    let mut edge = EdgeRecorder::new(Role::Responder, recorder, Budget::for_scripts(1).share());
    for (number, driver, source, destination, payload) in passages {
        edge.passed(&RelayedDatagram {
            number: *number,
            edge: if *driver {
                Role::Initiator
            } else {
                Role::Responder
            },
            came: true,
            at: Duration::ZERO,
            source: at(*source),
            destination: at(*destination),
            payload,
        });
    }
    let seen = seen
        .iter()
        .map(|(source, destination, payload)| DriverDatagram {
            flow: (at(*source), at(*destination)),
            digest: digest(payload),
        });
    let seen: Vec<_> = seen.collect();
    edge.packets_of(&seen).captured.into_iter().collect()
}

#[test]
fn of_a_flood_no_more_is_noted_than_there_is_memory_and_the_capture_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(&folder.path().join("it.pcapng"), Clock::start(), 0);
    let budget = Budget::for_scripts(1);
    let mut others = budget.share();
    while others.has_room() {
        others.take(1 << 20);
    }
    let mut edge = EdgeRecorder::new(Role::Responder, recorder, budget.share());
    let passed = RelayedDatagram {
        number: 0,
        edge: Role::Initiator,
        came: true,
        at: Duration::ZERO,
        source: at(DRIVER),
        destination: at(FRONT),
        payload: b"",
    };
    // This one's part is its own, whatever the others hold.
    let mut noted = 0;
    while !edge.size.full.load(Ordering::Relaxed) {
        noted += NOTE;
        assert!(noted <= 64 << 20, "there is no end of it");
        edge.passed(&passed);
    }
    let before = edge.share.held();
    edge.passed(&passed);
    assert_eq!(edge.share.held(), before);
    assert!(before >= 16 << 20, "{before}");
}

#[test]
fn what_was_lost_is_no_packet_and_what_came_twice_is_its_first() {
    let passages: [Passage; 5] = [
        (0, true, DRIVER, FRONT, b"same"),
        (1, true, DRIVER, FRONT, b"same"),
        (2, true, DRIVER, FRONT, b"same"),
        (2, false, BACK, IUT, b"same"),
        (2, false, BACK, IUT, b"same"),
    ];
    let sent: (u16, u16, &[u8]) = (DRIVER, FRONT, b"same");
    assert_eq!(packets(&passages, &[sent; 3]), [(3, 1)]);
}

#[test]
fn answers_that_overtake_each_other_are_told_apart() {
    let passages: [Passage; 4] = [
        (0, false, IUT, BACK, b"first"),
        (1, false, IUT, BACK, b"second"),
        (1, true, FRONT, DRIVER, b"second"),
        (0, true, FRONT, DRIVER, b"first"),
    ];
    let got: [(u16, u16, &[u8]); 2] = [(FRONT, DRIVER, b"second"), (FRONT, DRIVER, b"first")];
    assert_eq!(packets(&passages, &got), [(1, 2), (2, 1)]);
}

#[test]
fn a_datagram_that_the_driver_never_got_does_not_shift_the_others() {
    let passages: [Passage; 4] = [
        (0, false, IUT, BACK, b"a"),
        (0, true, FRONT, DRIVER, b"a"),
        (1, false, IUT, BACK, b"b"),
        (1, true, FRONT, DRIVER, b"b"),
    ];
    let got: [(u16, u16, &[u8]); 2] = [(FRONT, DRIVER, b"b"), (FRONT, DRIVER, b"unknown")];
    assert_eq!(packets(&passages, &got), [(1, 2)]);
}

#[test]
fn what_was_lost_is_told_by_the_packet_behind_it_or_by_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(&folder.path().join("it.pcapng"), Clock::start(), 0);
    let mut edge = EdgeRecorder::new(Role::Responder, recorder, Budget::for_scripts(1).share());
    let record = |edge: &mut EdgeRecorder, before| {
        let packets = Packets {
            captured: BTreeMap::new(),
            lost: BTreeMap::from([(7, before)]),
        };
        edge.comment(&packets, 7, format!("lost after {before}"));
    };
    record(&mut edge, 0);
    for number in 0..2 {
        edge.passed(&RelayedDatagram {
            number,
            edge: Role::Responder,
            came: true,
            at: Duration::ZERO,
            source: at(IUT),
            destination: at(BACK),
            payload: b"",
        });
    }
    record(&mut edge, 1);
    record(&mut edge, 2);
    edge.lost(0, Role::Responder);
    let comments = edge.recorder.finish().comments;
    let of = |packet| comments[&packet].as_slice();
    assert_eq!(comments.keys().collect::<Vec<_>>(), [&1, &2]);
    assert_eq!(of(1), [LOST]);
    let before = format!("{LOST} before this packet: lost after 1");
    let after = format!("{LOST} after this packet: lost after 2");
    assert_eq!(of(2), [before, after]);
}
