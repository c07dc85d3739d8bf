use serde_json::json;

use super::*;

#[test]
fn silence_lasts_exactly_as_long_as_it_is_wanted() {
    let steps = json!([{ "expect_nothing": { "for": "1s" } }]);
    initiator(steps.clone()).until(999).runs();
    initiator(steps.clone()).until(1_000).passed();
    initiator(steps.clone())
        .gets(1_000, "SYN", json!({}))
        .passed();
    let mut broken = initiator(steps);
    broken.gets(999, "SYN", json!({}));
    assert_eq!(broken.complaint(), "nothing for 1 s | SYN after 999 ms");
}

#[test]
fn the_next_window_counts_from_the_end_of_the_silence_however_late_that_is_seen() {
    let mut play = initiator(json!([
        { "expect_nothing": { "for": "1s" } },
        { "expect": { "frame": "SYN", "within": "1s" } },
    ]));
    play.now = Duration::from_millis(1_400);
    play.input(Input::Tick);
    assert_eq!(play.script.deadline(), Some(Duration::from_millis(2_300)));
}

#[test]
fn what_is_left_in_the_inbox_breaks_the_silence() {
    let mut play = initiator(json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "wait": { "for": "1s" } },
        { "expect_nothing": { "for": "1s" } },
    ]));
    play.gets(1, "SYN", json!({}))
        .gets(500, "ACK", json!({}))
        .until(1_001);
    assert_eq!(play.failed().packet, Some(2));
}

#[test]
fn only_the_named_frames_break_a_silence_that_names_some() {
    let steps = json!([{ "expect_nothing": { "for": "1s", "of": ["ACK"] } }]);
    initiator(steps.clone())
        .gets(1, "SYN", json!({}))
        .until(1_000)
        .passed();
    let mut broken = initiator(steps);
    broken.gets(1, "ACK", json!({}));
    assert_eq!(broken.complaint(), "no ACK for 1 s | ACK after 1 ms");
}

#[test]
fn silence_is_wanted_at_all_sockets_unless_one_is_named() {
    let body = |at: Value| {
        json!({
            "sockets": { "other": { "other_port": {} } },
            "steps": [{ "expect_nothing": at }],
        })
    };
    let syn = encode("SYN", json!({}));
    let mut all = Play::new("responder", body(json!({ "for": "1s" })));
    all.gets_at(1, 1, RESPONDER, &syn);
    assert_eq!(all.failed().got, "SYN at \"other\" after 1 ms");
    let mut one = Play::new("responder", body(json!({ "for": "1s", "at": "main" })));
    one.gets_at(1, 1, RESPONDER, &syn).until(1_000).passed();
}

#[test]
fn ignored_frames_do_not_break_the_silence() {
    let steps = json!([{ "expect_nothing": { "for": "1s", "ignore": ["SYN"] } }]);
    initiator(steps)
        .gets(1, "SYN", json!({}))
        .until(1_000)
        .passed();
}

#[test]
fn what_comes_during_a_wait_is_kept() {
    let mut play = initiator(json!([
        { "wait": { "for": "1s" } },
        { "expect": { "frame": "SYN", "within": "1ms" } },
    ]));
    play.gets(500, "SYN", json!({})).runs();
    play.until(1_000).passed();
}
