use serde_json::{Value, json};
use shakedown_capture::{Capture, Datagram, Packets};
use shakedown_protocol::ProtocolMonitor;
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::monitor::Monitor;

use super::*;
use crate::verdict::Verdict;

/// `mediastream` without a judge: what happens is tested here, not what is made of it.
static UNJUDGED: Protocol = Protocol {
    monitor: |_| ProtocolMonitor::Packets(Box::new(Mute)),
    ..PROTOCOL
};

struct Mute;

impl Monitor for Mute {
    fn datagram(&mut self, _: &Datagram<'_>, _: &mut dyn FnMut(Observation)) {}

    fn finish(&mut self, _: Duration, _: &mut dyn FnMut(Observation)) {}
}

fn run_with(settings: &Settings, role: &str, more: Value) -> Simulated {
    let mut scenario = json!({
        "id": "mediastream/3way/x", "title": "X", "requirements": ["MS-H-08"],
        "iut": { "role": role, "mode": "3way" },
    });
    let more = more.as_object().unwrap().clone();
    scenario.as_object_mut().unwrap().extend(more);
    let scenario: Scenario = serde_json::from_value(scenario).unwrap();
    simulate(&UNJUDGED, &scenario, settings).unwrap()
}

fn run(role: &str, more: Value) -> Simulated {
    run_with(&Settings::default(), role, more)
}

#[test]
fn what_is_missing_between_the_last_datagram_and_the_end_is_seen() {
    let found = |wait: &str| {
        let settings = Settings {
            without: Some("MS-H-18"),
            ..Settings::default()
        };
        let scenario = json!({
            "id": "mediastream/3way/x", "title": "X", "requirements": ["MS-H-18"],
            "iut": { "role": "responder", "mode": "3way" },
            "steps": [
                { "send": { "frame": "SYN", "fields": { "connection_id": "a" } } },
                { "expect": { "frame": "SYN-ACK", "within": "1s" } },
                { "wait": { "for": wait } },
            ],
        });
        let scenario: Scenario = serde_json::from_value(scenario).unwrap();
        let findings = simulate(&PROTOCOL, &scenario, &settings)
            .unwrap()
            .composed
            .findings;
        let mut findings = findings.iter();
        findings.any(|finding| finding.requirement == "MS-H-18")
    };
    assert!(!found("600ms"));
    assert!(found("800ms"));
}

fn handshake() -> Value {
    json!({ "steps": [
        { "send": { "frame": "SYN", "fields": { "connection_id": "a" } } },
        { "expect": { "frame": "SYN-ACK", "within": "1s", "bind": { "id": "connection_id" } } },
        { "send": { "frame": "ACK", "fields": { "connection_id": "$id" } } },
        { "expect_media": { "ignore": ["connection-id"] } },
    ] })
}

/// Time, source and destination of each packet.
fn packets(simulated: &Simulated) -> Vec<(Duration, String, String)> {
    let mut capture = Capture::open(&*simulated.capture).unwrap();
    let mut packets = Vec::new();
    while let Some(datagram) = capture.next_datagram().unwrap() {
        let (from, to) = (
            datagram.source.to_string(),
            datagram.destination.to_string(),
        );
        packets.push((datagram.time, from, to));
    }
    packets
}

#[test]
fn a_datagram_takes_100_microseconds_each_way() {
    let simulated = run("responder", handshake());
    assert_eq!(simulated.outcome, ScriptOutcome::Passed);
    let packets = packets(&simulated);
    let (main, responder) = ("127.0.0.1:10000".to_owned(), "127.0.0.1:4444".to_owned());
    assert_eq!(
        packets[0],
        (Duration::ZERO, main.clone(), responder.clone())
    );
    assert_eq!(packets[1], (2 * LATENCY, responder, main));
    assert_eq!(packets.len(), 2 + 1 + 1 + 100);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    let of = |seed| {
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        run_with(&settings, "responder", handshake())
    };
    assert_eq!(of(3), of(3));
    assert_ne!(of(3).capture, of(4).capture);
}

#[test]
fn packets_that_steps_refer_to_carry_comments() {
    let simulated = run("responder", handshake());
    let mut packets = Packets::open(&*simulated.capture).unwrap();
    let first = packets.next_packet().unwrap().unwrap();
    assert_eq!(first.comments(), ["step 0 send: SYN connection_id=\"a\""]);
}

#[test]
fn minutes_of_timers_pass_in_no_time_and_hours_are_given_up() {
    let wait = |span: &str| {
        run(
            "responder",
            json!({ "steps": [{ "wait": { "for": span } }] }),
        )
    };
    let minutes = wait("50m");
    assert_eq!(minutes.outcome, ScriptOutcome::Passed);
    assert!((minutes.composed.verdict.seconds - 3_000.0).abs() < 1e-9);
    let hours = wait("70m");
    assert_eq!(hours.composed.verdict.verdict, Verdict::Error);
    let reason = hours.composed.verdict.reason.unwrap();
    assert!(reason.contains("it takes more than 3600 s"), "{reason}");
}

#[test]
fn an_initiator_that_was_rejected_ends_with_status_1_and_one_that_was_served_with_0() {
    let play = |accept: bool, more: Value, status: &str| {
        let mut steps = vec![
            json!({ "expect": { "frame": "SYN", "within": "1s" } }),
            json!({ "send": { "frame": "SYN-ACK", "fields": { "accept": accept, "connection_id": "a" } } }),
        ];
        steps.extend(more.as_array().unwrap().clone());
        steps.push(
            json!({ "expect_exit": { "status": status, "within": "1s", "ignore": ["ACK"] } }),
        );
        run("initiator", json!({ "steps": steps })).outcome
    };
    assert_eq!(play(false, json!([]), "failure"), ScriptOutcome::Passed);
    let stream = json!([
        { "send": { "frame": "connection-id", "fields": { "connection_id": "a" } } },
        { "media": {} },
    ]);
    assert_eq!(play(true, stream.clone(), "success"), ScriptOutcome::Passed);
    assert!(matches!(
        play(true, stream, "failure"),
        ScriptOutcome::Failed(_)
    ));
}

#[test]
fn a_restarted_initiator_speaks_from_another_port_and_wishes_another_id() {
    let simulated = run(
        "initiator",
        json!({ "steps": [
        { "expect": { "frame": "SYN", "within": "1s", "bind": { "first": "connection_id" } } },
        { "restart_iut": {} },
        { "expect": { "frame": "SYN", "within": "1s", "fields": { "connection_id": { "not": "$first" } } } },
    ] }),
    );
    assert_eq!(simulated.outcome, ScriptOutcome::Passed);
    let packets = packets(&simulated);
    assert_ne!(packets[0].1, packets[1].1);
}

#[test]
fn another_address_is_another_address() {
    let simulated = run(
        "responder",
        json!({
            "sockets": { "port": { "other_port": {} }, "address": { "other_address": {} } },
            "steps": [
                { "send": { "frame": "ACK", "from": "port" } },
                { "send": { "frame": "ACK", "from": "address" } },
                { "send": { "frame": "ACK", "from": "fresh" } },
            ],
        }),
    );
    let from: Vec<_> = packets(&simulated)
        .into_iter()
        .map(|(_, from, _)| from)
        .collect();
    assert_eq!(
        from,
        ["127.0.0.1:10001", "127.0.0.2:10002", "127.0.0.1:10003"]
    );
}

#[test]
fn a_datagram_that_no_socket_can_send_is_a_stimulus_that_was_not_applied() {
    let simulated = run(
        "responder",
        json!({
            "steps": [{ "send_raw": { "hex": "00", "pad_to": 65508 } }],
        }),
    );
    let ScriptOutcome::Inconclusive { why, .. } = simulated.outcome else {
        panic!("{:?}", simulated.outcome);
    };
    assert!(why.contains("could not be applied"), "{why}");
}

#[test]
fn what_comes_to_a_closed_socket_is_on_the_wire_too() {
    let simulated = run(
        "responder",
        json!({ "steps": [
        { "repeat": { "times": 300, "steps": [{ "send": { "frame": "SYN", "from": "fresh" } }] } },
        { "wait": { "for": "100ms" } },
    ] }),
    );
    let answered = packets(&simulated)
        .into_iter()
        .filter(|(_, _, to)| !to.ends_with(":4444"));
    assert_eq!(answered.count(), 300);
}

/// The handshake through this network, which the scenario knows of or the settings impose.
fn impaired(impair: &str, by_scenario: bool) -> Simulated {
    let impair: Impairment = impair.parse().unwrap();
    let mut more = handshake();
    let mut settings = Settings::default();
    match by_scenario {
        true => more["impair"] = serde_json::to_value(&impair).unwrap(),
        false => settings.impair = Some(impair),
    }
    run_with(&settings, "responder", more)
}

#[test]
fn the_capture_of_an_impaired_link_is_taken_at_the_reference() {
    let seen = |impair| {
        let mut seen = packets(&impaired(impair, true));
        seen.truncate(3);
        let seen = seen.into_iter().map(|(time, from, _)| {
            let is_reference = from.ends_with(":4444");
            (time.as_micros(), is_reference)
        });
        seen.collect::<Vec<_>>()
    };
    let late = seen("delay=10ms");
    // SYN when it arrives, SYN-ACK when it leaves, ACK a round trip later.
    assert_eq!(late, [(10_100, false), (10_100, true), (30_300, false)]);
    let lost = seen("drop=SYN-ACK#1");
    // A SYN-ACK that is lost was sent; it is sent again after 500 ms.
    assert_eq!(lost, [(100, false), (100, true), (500_100, true)]);
    let cut = impaired("drop=SYN#1", true);
    assert_eq!(packets(&cut), []);
}

#[test]
fn a_scenario_answers_for_its_own_network_and_not_for_one_that_it_does_not_know() {
    let own = impaired("drop=SYN#1", true);
    assert!(matches!(own.outcome, ScriptOutcome::Failed(_)));
    assert_eq!(own.composed.verdict.verdict, Verdict::Fail);
    let imposed = impaired("drop=SYN#1", false);
    assert_eq!(imposed.composed.verdict.verdict, Verdict::Inconclusive);
    let reason = imposed.composed.verdict.reason.unwrap();
    assert!(reason.contains("(drop=SYN#1) may have done"), "{reason}");
}

/// An ACK that has to be met with silence, through this network.
fn silence(impair: &str) -> Simulated {
    let settings = Settings {
        impair: Some(impair.parse().unwrap()),
        ..Settings::default()
    };
    let more = json!({ "steps": [
        { "send": { "frame": "ACK" } },
        { "expect_nothing": { "for": "100ms" } },
    ] });
    run_with(&settings, "responder", more)
}

#[test]
fn silence_is_no_pass_where_the_network_kept_back_what_was_to_be_met_with_it() {
    let heard = silence("delay=10ms");
    assert_eq!(heard.outcome, ScriptOutcome::Passed);
    for (impair, part) in [
        ("drop=ACK#1", "lost 1"),
        ("corrupt=ACK#1@3", "corrupted 1"),
        ("outage=0s..1s", "lost 1"),
        ("delay=ACK#1+1s", "still had 1"),
        ("reorder=ACK#1+1", "still had 1"),
    ] {
        let simulated = silence(impair);
        let verdict = &simulated.composed.verdict;
        assert_eq!(verdict.verdict, Verdict::Inconclusive, "{impair}");
        let reason = verdict.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(part), "{impair}: {reason}");
    }
}

#[test]
fn what_the_scenario_says_of_the_network_comes_before_what_the_settings_say() {
    let mut more = handshake();
    more["impair"] = json!({ "delay": "5ms" });
    let settings = Settings {
        impair: Some("loss=1".parse().unwrap()),
        ..Settings::default()
    };
    let simulated = run_with(&settings, "responder", more);
    assert_eq!(simulated.outcome, ScriptOutcome::Passed);
}

#[test]
fn a_scenario_whose_harm_was_never_done_is_inconclusive() {
    let simulated = impaired("drop=SYN-ACK#9,delay=1ms", true);
    let ScriptOutcome::Inconclusive { why, .. } = simulated.outcome else {
        panic!("{:?}", simulated.outcome);
    };
    assert!(why.ends_with("drop=SYN-ACK#9"), "{why}");
}

#[test]
fn the_same_seed_does_the_same_harm() {
    let of = |seed| {
        let settings = Settings {
            seed,
            impair: Some(
                "loss=0.2,duplicate=0.2,jitter=30ms,corrupt=0.1"
                    .parse()
                    .unwrap(),
            ),
            ..Settings::default()
        };
        run_with(&settings, "responder", handshake())
    };
    assert_eq!(of(3), of(3));
    assert_ne!(packets(&of(3)).len(), packets(&of(4)).len());
}
