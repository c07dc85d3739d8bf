use serde_json::json;

use super::super::inbox::MAX_WAITING;
use super::*;

#[test]
fn a_window_that_was_missed_because_the_harness_was_late_is_inconclusive() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.until(500).late(301).until(1_300);
    assert!(
        play.inconclusive()
            .ends_with("but the harness itself was late by 301 ms")
    );
}

#[test]
fn lateness_within_the_slack_excuses_nothing() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.until(500).late(300).until(1_300);
    assert_eq!(play.failed().got, "nothing");
}

#[test]
fn lateness_excuses_no_wrong_frame() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.until(500).late(900);
    play.gets(600, "ACK", json!({}));
    assert_eq!(play.failed().got, "ACK");
}

#[test]
fn lateness_before_the_window_opened_excuses_nothing() {
    let mut play = initiator(json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "expect": { "frame": "ACK", "within": "1s" } },
    ]));
    play.until(100).late(900);
    play.gets(200, "SYN", json!({})).until(2_000);
    assert_eq!(play.failed().got, "nothing");
}

#[test]
fn a_flood_is_kept_up_to_a_bound_and_the_outcome_says_so() {
    let mut play = Play::new(
        "responder",
        json!({
            "steps": [{ "wait": { "for": "1s" } }, { "expect": { "frame": "SYN-ACK", "within": "1s", "ignore": ["data"] } }],
        }),
    );
    let garbage = encode("data", json!({ "payload": { "hex": "00" } }));
    for _ in 0..MAX_WAITING + 5 {
        play.gets_at(1, 0, RESPONDER, &garbage);
    }
    play.until(1_000);
    assert_eq!(
        play.inconclusive(),
        "so much waited unread that 5 datagrams were not kept, and what they were cannot be judged"
    );
}

#[test]
fn a_flood_at_one_socket_hides_nothing_at_another() {
    let mut play = Play::new(
        "responder",
        json!({
            "sockets": { "other": { "other_port": {} } },
            "steps": [{ "expect": { "frame": "SYN-ACK", "within": "1s" } }],
        }),
    );
    for _ in 0..MAX_WAITING + 5 {
        play.gets_at(1, 1, RESPONDER, &[7; 3]);
    }
    play.gets(2, "SYN-ACK", json!({})).passed();
}

#[test]
fn a_script_of_endless_repetition_ends_with_an_error() {
    let play = responder(json!([{ "repeat": { "times": 4_000_000, "steps": [
        { "lose": { "frame": "START token" } }
    ] } }]));
    assert_eq!(play.error(), "more than 1000000 steps were played");
}

#[test]
fn what_the_step_that_failed_lets_pass_is_no_late_answer() {
    let mut play = responder(json!([
        { "send": { "frame": "START token" } },
        { "expect": { "frame": "connection-id", "within": "100ms", "ignore": ["data"] } },
    ]));
    let media = encode("data", json!({}));
    let name = encode("connection-id", json!({}));
    let at = Duration::from_millis(300);
    let passes = |play: &mut Play, bytes: &[u8]| play.script.passes_over(SocketId::MAIN, at, bytes);
    assert!(!passes(&mut play, &media), "no step has failed yet");
    play.until(200);
    play.failed();
    assert!(passes(&mut play, &media));
    assert!(!passes(&mut play, &name));
    assert!(
        play.script.passes_over(SocketId(1), at, &name),
        "it looks elsewhere"
    );
}
