use serde_json::json;

use super::*;

fn either() -> Value {
    json!([
        { "either": [
            { "title": "it rejects", "steps": [
                { "expect": { "frame": "SYN-ACK", "fields": { "accept": false }, "within": "1s" } },
                { "expect_nothing": { "for": "1s" } },
            ] },
            { "title": "it accepts", "steps": [
                { "expect": { "frame": "SYN-ACK", "fields": { "accept": true }, "within": "1s" } },
            ] },
            { "title": "it says nothing", "steps": [{ "expect_nothing": { "for": "500ms" } }] },
        ] },
        { "send": { "frame": "ACK" } },
    ])
}

#[test]
fn the_branch_that_takes_what_arrives_is_played_on() {
    let mut first = responder(either());
    first.gets(1, "SYN-ACK", json!({ "accept": false })).runs();
    first.until(1_001).passed();
    assert_eq!(first.said(), ["1001 ACK"]);
    let mut second = responder(either());
    second
        .gets(1, "SYN-ACK", json!({ "accept": true }))
        .passed();
    assert_eq!(second.script.events()[0].step, "0.1.0");
    assert!(
        second.script.events()[0]
            .text
            .starts_with("it accepts: got SYN-ACK")
    );
}

#[test]
fn a_branch_of_silence_is_taken_when_it_comes_true() {
    let mut play = responder(either());
    play.until(499).runs();
    play.until(500).passed();
}

#[test]
fn a_chosen_branch_is_not_left_again() {
    let mut play = responder(either());
    play.gets(1, "SYN-ACK", json!({ "accept": false }));
    play.gets(2, "SYN-ACK", json!({ "accept": true }));
    assert_eq!(play.failed().step, "0.0.1");
}

#[test]
fn when_no_branch_can_be_taken_each_is_told() {
    let mut play = responder(either());
    play.gets(1, "data", json!({ "payload": { "hex": "ff" } }));
    let failure = play.failed();
    assert_eq!(failure.step, "0");
    assert_eq!(failure.packet, Some(1));
    for title in [
        "it rejects: SYN-ACK",
        "it accepts: SYN-ACK",
        "it says nothing: nothing for",
    ] {
        assert!(failure.expected.contains(title), "{}", failure.expected);
    }
}

#[test]
fn a_branch_whose_time_is_over_is_out_and_the_others_go_on() {
    let mut play = responder(json!([{ "either": [
        { "title": "soon", "steps": [{ "expect": { "frame": "SYN-ACK", "within": "100ms" } }] },
        { "title": "later", "steps": [{ "expect": { "frame": "data", "within": "1s" } }] },
    ] }]));
    play.gets(1_000, "data", json!({})).passed();
}

#[test]
fn branches_may_choose_again() {
    let steps = json!([
        { "either": [
            { "title": "a", "steps": [{ "either": [
                { "title": "b", "steps": [{ "expect": { "frame": "SYN", "within": "1s" } }] },
                { "title": "c", "steps": [
                    { "expect": { "frame": "ACK", "within": "1s" } },
                    { "send": { "frame": "SYN" } },
                ] },
            ] }] },
            { "title": "d", "steps": [{ "expect": { "frame": "data", "within": "1s" } }] },
        ] },
        { "send": { "frame": "START token" } },
    ]);
    let mut inner = responder(steps.clone());
    inner.gets(1, "ACK", json!({})).passed();
    assert_eq!(inner.said(), ["1 SYN", "1 START token"]);
    let mut outer = responder(steps);
    outer.gets(1, "data", json!({})).passed();
    assert_eq!(outer.said(), ["1 START token"]);
}

#[test]
fn the_end_of_the_process_is_a_choice() {
    let mut play = initiator(json!([{ "either": [
        { "title": "it ends", "steps": [{ "expect_exit": { "within": "1s" } }] },
        { "title": "it tries again", "steps": [{ "expect": { "frame": "SYN", "within": "2s" } }] },
    ] }]));
    play.exits(10, Some(3)).passed();
    assert_eq!(
        play.script.events()[0].text,
        "it ends: the process ended: exit status 3"
    );
}

#[test]
fn what_arrives_elsewhere_is_no_matter_of_a_branch_that_comes_first() {
    let mut play = Play::new(
        "responder",
        json!({
            "sockets": { "other": { "other_port": {} } },
            "steps": [{ "either": [
                { "title": "there", "steps": [{ "expect": { "frame": "SYN-ACK", "within": "1s", "at": "other" } }] },
                { "title": "here", "steps": [{ "expect": { "frame": "data", "within": "1s" } }] },
            ] }],
        }),
    );
    play.gets(1, "data", data(1)).passed();
}

#[test]
fn media_may_begin_a_branch() {
    let mut play = responder(json!([{ "either": [
        { "title": "silence", "steps": [{ "expect_nothing": { "for": "1s" } }] },
        { "title": "media", "steps": [{ "expect_media": { "frames": 2 } }] },
    ] }]));
    play.gets(1, "data", data(1)).runs();
    play.gets(2, "data", data(2)).passed();
}

#[test]
fn frames_in_any_order_each_come_once() {
    let steps = json!([{ "expect_any": { "of": [
        { "frame": "SYN-ACK", "within": "1s" },
        { "frame": "connection-id", "within": "1s" },
    ] } }]);
    let mut play = responder(steps.clone());
    play.gets(1, "connection-id", json!({})).runs();
    play.gets(2, "SYN-ACK", json!({})).passed();
    let mut twice = responder(steps.clone());
    twice
        .gets(1, "SYN-ACK", json!({}))
        .gets(2, "SYN-ACK", json!({}));
    assert_eq!(twice.failed().expected, "connection-id");
    let mut never = responder(steps);
    never.gets(1, "SYN-ACK", json!({})).until(1_300);
    assert_eq!(
        never.complaint(),
        "connection-id within 1.3 s (tolerance added) | nothing"
    );
}

#[test]
fn a_repeated_list_is_played_so_often() {
    let mut play = responder(json!([
        { "repeat": { "times": 2, "steps": [
            { "repeat": { "times": 2, "steps": [{ "send": { "frame": "SYN" } }] } },
            { "wait": { "for": "10ms" } },
        ] } },
        { "repeat": { "times": 0, "steps": [{ "send": { "frame": "ACK" } }] } },
    ]));
    play.until(20).passed();
    assert_eq!(play.said(), ["0 SYN", "0 SYN", "10 SYN", "10 SYN"]);
}
