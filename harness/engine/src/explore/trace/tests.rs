use shakedown_protocol::mediastream::PROTOCOL;

use super::*;

fn trace() -> Trace {
    let side = || Side {
        mode: "3way".to_owned(),
        options: Vec::new(),
        without: Vec::new(),
    };
    let stream = StreamParameters {
        bits_per_second: 8_000,
        frames_per_second: 10,
        seconds: 1,
    };
    Trace::new("mediastream", side(), side(), stream, 7)
}

fn sent(at: u64, datagram: u64) -> Event {
    let what = EventKind::Sent {
        datagram,
        from: Role::Initiator,
        address: 0,
        frame: "SYN".to_owned(),
        payload: "0001".to_owned(),
    };
    Event { at, what }
}

fn delivered(at: u64, datagram: u64) -> Event {
    let what = EventKind::Delivered {
        datagram,
        from: Role::Initiator,
        frame: "SYN".to_owned(),
        payload: "0001".to_owned(),
    };
    Event { at, what }
}

#[test]
fn what_was_sent_and_delivered_tells_what_the_network_did() {
    let mut trace = trace();
    trace.events = vec![
        sent(1, 1),
        sent(2, 2),
        sent(3, 3),
        delivered(4, 2),
        delivered(5, 1),
        delivered(6, 2),
    ];
    trace.settle();
    let mishaps: Vec<_> = trace
        .events
        .iter()
        .filter(|event| {
            !matches!(
                event.what,
                EventKind::Sent { .. } | EventKind::Delivered { .. }
            )
        })
        .map(|event| (event.at, event.what.clone()))
        .collect();
    let expected = [
        (1, EventKind::Overtaken { datagram: 1 }),
        (2, EventKind::Duplicated { datagram: 2 }),
        (3, EventKind::Lost { datagram: 3 }),
    ];
    assert_eq!(mishaps, expected);
    let settled = trace.clone();
    trace.settle();
    assert_eq!(trace, settled);
}

#[test]
fn a_trace_is_read_as_it_was_written() {
    let mut trace = trace();
    trace.events = vec![sent(1, 1), delivered(5, 1)];
    trace.violation = Some(Violation {
        requirement: "MS-H-18".to_owned(),
        party: Some(Role::Responder),
        at: Some(5),
        property: "both stream or both close".to_owned(),
    });
    let read = Trace::parse("trace.json", &trace.to_json()).unwrap();
    assert_eq!(read, trace);
}

#[test]
fn what_is_wrong_with_a_trace_is_told_with_its_place() {
    let mut trace = trace();
    trace.version = 2;
    trace.responder.mode = "4way".to_owned();
    trace.events = vec![sent(5, 1), delivered(1, 1)];
    let problems = Trace::parse("trace.json", &trace.to_json()).unwrap_err();
    insta::assert_snapshot!(problems.render(false));
}

#[test]
fn frames_are_named_and_media_numbered() {
    let words = PROTOCOL.vocabulary;
    let encode = |frame| words.encode(frame, &serde_json::Map::new()).unwrap();
    assert_eq!(frame_text(&PROTOCOL, &encode("SYN")), "SYN");
    assert_eq!(frame_text(&PROTOCOL, &encode("data")), "data 1");
    assert_eq!(frame_text(&PROTOCOL, &[0x00, 0x01, 0x00]), "malformed");
    assert_eq!(frame_text(&PROTOCOL, &[0xff; 50]), "unknown");
}
