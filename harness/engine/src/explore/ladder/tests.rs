use shakedown_protocol::StreamParameters;

use super::*;
use crate::explore::{Event, EventKind, Violation};

const MS: u64 = 1_000_000;

fn trace(events: Vec<(u64, EventKind)>) -> Trace {
    let side = |options: &[&str]| Side {
        mode: "3way".to_owned(),
        options: options.iter().map(ToString::to_string).collect(),
        without: Vec::new(),
    };
    let stream = StreamParameters {
        bits_per_second: 8_000,
        frames_per_second: 10,
        seconds: 1,
    };
    let (initiator, responder) = (side(&["fallback"]), side(&[]));
    let mut trace = Trace::new("mediastream", initiator, responder, stream, 7);
    let events = events
        .into_iter()
        .map(|(at, what)| Event { at: at * MS, what });
    trace.events = events.collect();
    trace
}

fn sent(datagram: u64, from: Role, frame: &str) -> EventKind {
    EventKind::Sent {
        datagram,
        from,
        address: 0,
        frame: frame.to_owned(),
        payload: "00".to_owned(),
    }
}

fn delivered(datagram: u64, from: Role, frame: &str, payload: &str) -> EventKind {
    EventKind::Delivered {
        datagram,
        from,
        frame: frame.to_owned(),
        payload: payload.to_owned(),
    }
}

fn state(side: Role, from: &str, to: &str) -> EventKind {
    EventKind::State {
        side,
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

/// One of everything: lost, duplicated, overtaken, damaged, in a run.
fn everything() -> Trace {
    let (i, r) = (Role::Initiator, Role::Responder);
    let mut events = vec![
        (0, sent(1, i, "SYN")),
        (0, state(i, "Closed", "SynSent")),
        (500, EventKind::Timer { side: i }),
        (500, sent(2, i, "SYN")),
        (501, delivered(2, i, "SYN", "00")),
        (501, state(r, "Listen", "SynAckSent")),
        (501, sent(3, r, "SYN-ACK")),
        (501, sent(4, r, "connection-id")),
        (502, delivered(4, r, "connection-id", "00")),
        (503, delivered(3, r, "SYN-ACK", "00")),
        (503, sent(5, i, "ACK")),
        (504, delivered(5, i, "malformed", "01")),
        (505, delivered(3, r, "SYN-ACK", "00")),
        (600, EventKind::Moved { side: i }),
        (700, EventKind::Healed {}),
    ];
    for frame in 0..5 {
        let (number, label) = (6 + frame, format!("data {}", frame + 1));
        events.push((800 + 100 * frame, EventKind::Timer { side: r }));
        events.push((800 + 100 * frame, sent(number, r, &label)));
        events.push((950 + 100 * frame, delivered(number, r, &label, "00")));
    }
    events.sort_by_key(|(at, _)| *at);
    let failure = Some(
        "a sentence that is far too long to stand between the lifelines of a \
                        diagram, whatever the diagram"
            .to_owned(),
    );
    events.push((2_000, EventKind::Ended { side: i, failure }));
    events.push((
        2_000,
        EventKind::Ended {
            side: r,
            failure: None,
        },
    ));
    let mut trace = trace(events);
    trace.settle();
    trace.violation = Some(Violation {
        requirement: "MS-H-25".to_owned(),
        party: Some(r),
        at: None,
        property: "both stream or both close".to_owned(),
    });
    trace
}

#[test]
fn a_ladder_shows_what_the_network_did() {
    insta::assert_snapshot!(everything().ladder(false));
}

#[test]
fn no_line_of_a_diagram_is_longer_than_100_characters() {
    let ladder = everything().ladder(false);
    assert!(ladder.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn colours_add_nothing_but_themselves() {
    let trace = everything();
    let (plain, coloured) = (trace.ladder(false), trace.ladder(true));
    assert_ne!(plain, coloured);
    let mut stripped = String::new();
    let mut parts = coloured.split('\u{1b}');
    stripped.push_str(parts.next().unwrap());
    for part in parts {
        stripped.push_str(part.split_once('m').unwrap().1);
    }
    assert_eq!(stripped, plain);
}
