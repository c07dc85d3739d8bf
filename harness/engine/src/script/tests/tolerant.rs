use super::*;

fn tolerant(steps: Value) -> Play {
    Play::new("responder", json!({ "tolerant": true, "steps": steps }))
}

#[test]
fn what_a_tolerant_scenario_did_not_want_and_what_did_not_come_are_passed_over() {
    let mut play = tolerant(json!([
        { "expect": { "frame": "SYN-ACK", "fields": { "accept": true }, "within": "1s" } },
        { "send": { "frame": "ACK" } },
    ]));
    play.gets(1, "SYN-ACK", json!({ "accept": false }));
    play.gets_at(2, 0, RESPONDER, b"no frame at all").runs();
    play.until(2_000).passed();
    assert_eq!(play.said(), ["1300 ACK"]);
}

#[test]
fn a_choice_none_of_whose_branches_comes_true_is_passed_over_as_a_whole() {
    let mut play = tolerant(json!([
        { "either": [
            { "title": "a", "steps": [{ "expect": { "frame": "SYN-ACK", "within": "1s" } }, { "send": { "frame": "SYN" } }] },
            { "title": "b", "steps": [{ "expect": { "frame": "data", "within": "1s" } }, { "send": { "frame": "SYN" } }] },
        ] },
        { "send": { "frame": "ACK" } },
    ]));
    play.until(2_000).passed();
    assert_eq!(play.said(), ["1300 ACK"]);
}

#[test]
fn a_step_that_needs_what_never_came_is_passed_over() {
    let mut play = tolerant(json!([
        { "expect": { "frame": "SYN-ACK", "within": "1s", "bind": { "id": "connection_id" } } },
        { "send": { "frame": "ACK", "fields": { "connection_id": "$id" } } },
        { "send": { "frame": "SYN" } },
    ]));
    play.until(2_000).passed();
    assert_eq!(play.said(), ["1300 SYN"]);
}

#[test]
fn what_is_settled_is_not_waited_for_and_what_follows_has_its_whole_window() {
    let mut play = tolerant(json!([
        { "expect": { "frame": "SYN-ACK", "within": "1s" } },
        { "wait": { "for": "10s" } },
        { "send": { "frame": "SYN" } },
        { "expect": { "frame": "SYN-ACK", "within": "1s" } },
    ]));
    for _ in 0..2 {
        play.script.settle(play.now);
        play.input(Input::Tick);
    }
    assert_eq!(play.said(), ["0 SYN"]);
    play.until(1_299).runs();
    play.gets(1_299, "SYN-ACK", json!({})).passed();
    let last = play.script.events().last().map(|event| event.text.clone());
    assert!(last.is_some_and(|text| text.starts_with("got SYN-ACK")));
}
