use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use shakedown_capture::quic::{Decoder, EventKind, Limits};
use shakedown_capture::{Capture, Item, Packets};
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Loaded;
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::proton::PROTOCOL;

use super::*;

/// Three streams that say which they are, on a connection of this name.
fn opening(connection: &str) -> Vec<Value> {
    let mut steps = vec![
        json!({ "connect": { "as": connection } }),
        json!({ "expect_connected": { "connection": connection, "within": "5s" } }),
    ];
    for (kind, byte) in [("event", "01"), ("commit", "02"), ("action", "03")] {
        let stream = format!("{connection}_{kind}");
        steps.push(json!({ "open": { "stream": stream, "connection": connection } }));
        steps.push(json!({ "write": { "stream": stream, "hex": byte } }));
    }
    steps
}

/// A scenario for a server.
fn scenario(steps: &[Vec<Value>], impair: Option<Value>) -> Scenario {
    let mut whole = json!({
        "id": "proton/any/server/it",
        "title": "It",
        "requirements": ["PR-E-01"],
        "iut": { "role": "server", "mode": "any", "options": ["commit_delay=240"] },
        "steps": steps.concat(),
    });
    if let Some(impair) = impair {
        whole["impair"] = impair;
    }
    let loaded = Loaded::parse("it.json", &whole.to_string());
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .scenario
}

fn simulate(scenario: &Scenario, settings: &Settings) -> Simulated {
    simulate_over_streams(&PROTOCOL, scenario, settings, Reporting::default()).unwrap()
}

fn event(id: u32, ack: u32) -> Vec<Value> {
    vec![
        json!({ "write": { "stream": "main_event", "u32": [id] } }),
        json!({ "read": { "stream": "main_event", "u32": [ack], "within": "5s" } }),
    ]
}

#[test]
fn four_minutes_pass_in_no_time_and_the_capture_needs_no_key_log() {
    let began = Instant::now();
    let commit = vec![
        json!({ "write": { "stream": "main_commit", "u32": [21] } }),
        json!({ "read": {
            "stream": "main_commit", "u32": [42], "after": "239s", "within": "241s"
        } }),
        json!({ "close": { "code": 0 } }),
    ];
    let scenario = scenario(&[opening("main"), event(1, 1), commit], None);
    let simulated = simulate(&scenario, &Settings::default());
    let verdict = &simulated.composed.verdict;
    assert_eq!(verdict.verdict, Verdict::Pass, "{:#?}", simulated.composed);
    assert!((240.0..241.0).contains(&verdict.seconds), "{verdict:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
    let mut decoder = Decoder::new(Limits::default());
    let mut said = Vec::new();
    let mut tell = |event: &shakedown_capture::quic::Event<'_>| match event.kind {
        EventKind::StreamBytes { bytes, .. } => said.push(bytes.to_vec()),
        EventKind::Unreadable(unreadable) => panic!("{unreadable:?}"),
        _ => {}
    };
    let mut capture = Capture::open(&simulated.capture[..]).unwrap();
    while let Some(item) = capture.next_item().unwrap() {
        match item {
            Item::KeyLog(key_log) => decoder.add_secrets(key_log, &mut tell),
            Item::Datagram(datagram) => decoder.datagram(&datagram, &mut tell),
        }
    }
    decoder.finish(&mut tell);
    assert!(said.contains(&vec![42, 0, 0, 0]), "{said:?}");
}

#[test]
fn what_is_not_as_expected_fails_at_a_packet_with_a_comment() {
    let scenario = scenario(&[opening("main"), event(7, 8)], None);
    let simulated = simulate(&scenario, &Settings::default());
    assert_eq!(simulated.composed.verdict.verdict, Verdict::Fail);
    let finding = &simulated.composed.findings[0];
    assert_eq!(finding.requirement, "PR-E-01");
    let mut packets = Packets::open(&simulated.capture[..]).unwrap();
    let mut commented = Vec::new();
    while let Some(packet) = packets.next_packet().unwrap() {
        if packet.comments().iter().any(|it| it.contains("FAILED")) {
            commented.push(packet.number);
        }
    }
    assert_eq!(Some(commented), finding.packet.map(|packet| vec![packet]));
}

#[test]
fn a_server_that_is_started_again_has_ended_its_connections_in_peace() {
    let again = vec![
        json!({ "restart_iut": {} }),
        json!({ "expect_close": { "code": [0], "within": "1s" } }),
    ];
    let scenario = scenario(
        &[opening("main"), event(1, 1), again, opening("next")],
        None,
    );
    let simulated = simulate(&scenario, &Settings::default());
    let verdict = &simulated.composed.verdict;
    assert_eq!(verdict.verdict, Verdict::Pass, "{:#?}", simulated.outcome);
}

#[test]
fn exact_faults_of_a_scenario_hit_datagrams_and_those_that_hit_none_are_told() {
    let lost = json!({ "faults": [{ "drop": { "frame": "DATAGRAM", "from": "client" } }] });
    let hit = scenario(&[opening("main"), event(1, 1)], Some(lost));
    let simulated = simulate(&hit, &Settings::default());
    assert_eq!(simulated.composed.verdict.verdict, Verdict::Pass);
    assert!(simulated.composed.verdict.seconds > 0.5, "no timeout");
    let none = json!({ "faults": [{ "drop": { "frame": "DATAGRAM", "nth": 9999 } }] });
    let missed = scenario(&[opening("main"), event(1, 1)], Some(none));
    let simulated = simulate(&missed, &Settings::default());
    assert_eq!(simulated.composed.verdict.verdict, Verdict::Inconclusive);
}

#[test]
fn what_fails_on_a_network_that_was_imposed_is_inconclusive() {
    let settings = Settings {
        impair: Some("delay=20ms".parse::<Impairment>().unwrap()),
        ..Settings::default()
    };
    let right = scenario(&[opening("main"), event(7, 7)], None);
    let wrong = scenario(&[opening("main"), event(7, 8)], None);
    let verdict = |scenario| simulate(scenario, &settings).composed.verdict.verdict;
    assert_eq!(verdict(&right), Verdict::Pass);
    assert_eq!(verdict(&wrong), Verdict::Inconclusive);
}

#[test]
fn another_carrier_is_refused() {
    let path = "../../vectors/mediastream/scenarios/3way/responder";
    let file = std::fs::read_dir(path).unwrap().next().unwrap().unwrap();
    let loaded = Loaded::read(Path::new(&file.path())).unwrap();
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let settings = Settings::default();
    let refused =
        simulate_over_streams(protocol, &loaded.scenario, &settings, Reporting::default());
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("streams do not carry mediastream"), "{why}");
}
