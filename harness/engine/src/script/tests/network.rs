use serde_json::json;

use super::*;

#[test]
fn an_answer_may_take_as_much_longer_as_the_network_takes_there_and_back() {
    let steps = json!([{ "expect": { "frame": "SYN", "within": "1s" } }]);
    let mut play = Play::through("delay=50ms..100ms", steps.clone());
    play.until(1_499).runs();
    play.until(1_500);
    assert_eq!(
        play.complaint(),
        "SYN within 1.5 s (tolerance and the network's delay added) | nothing"
    );
    let mut ideal = Play::through("drop=SYN#2", steps);
    ideal.until(1_300);
    let wanted = "SYN within 1.3 s (tolerance added) | nothing";
    assert_eq!(ideal.complaint(), wanted);
}

#[test]
fn media_and_the_end_of_the_process_may_take_longer_too() {
    let mut play = Play::through(
        "delay=100ms",
        json!([{ "expect_exit": { "within": "1s" } }, { "expect_media": { "within": "1s" } }]),
    );
    play.exits(1_490, Some(0)).until(2_980).runs();
    play.until(2_990).failed();
}

#[test]
fn a_frame_may_seem_early_by_how_much_the_one_before_was_held_up() {
    let steps = json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "expect": { "frame": "SYN", "after": "500ms", "within": "500ms" } },
    ]);
    let mut play = Play::through("delay=50ms..100ms", steps.clone());
    play.gets(100, "SYN", json!({})).gets(500, "SYN", json!({}));
    play.passed();
    let mut play = Play::through("delay=50ms..100ms", steps.clone());
    play.gets(100, "SYN", json!({})).gets(499, "SYN", json!({}));
    play.failed();
    let mut steady = Play::through("delay=100ms", steps);
    steady
        .gets(100, "SYN", json!({}))
        .gets(549, "SYN", json!({}));
    steady.failed();
}

#[test]
fn delays_of_the_other_side_make_no_frame_seem_early() {
    let steps = json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "expect": { "frame": "SYN", "after": "500ms", "within": "500ms" } },
    ]);
    let mut play = Play::through("delay=0ms..100ms,from=responder", steps);
    play.gets(100, "SYN", json!({})).gets(549, "SYN", json!({}));
    play.failed();
}
