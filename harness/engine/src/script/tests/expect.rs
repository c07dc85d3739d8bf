use serde_json::json;

use super::*;

#[test]
fn the_expected_frame_completes_the_step_and_the_script() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.gets(400, "SYN", json!({ "connection_id": "a" }))
        .passed();
    let event = &play.script.events()[0];
    assert_eq!((event.step.as_str(), event.verb), ("0", "expect"));
    assert_eq!(event.time, Duration::from_millis(400));
    assert_eq!(event.text, "got SYN connection_id=\"a\"");
}

#[test]
fn a_matched_packet_gets_a_comment_that_names_the_step() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.gets(1, "SYN", json!({ "connection_id": "a" }));
    let text = "step 0 expect: got SYN connection_id=\"a\"".to_owned();
    assert_eq!(play.other, [Action::Comment { packet: 1, text }]);
}

#[test]
fn another_frame_fails_the_step_with_its_packet_and_bytes() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.gets(5, "ACK", json!({ "connection_id": "a" }));
    let failure = play.failed();
    assert_eq!(failure.requirement, "MS-H-01", "the scenario's first");
    assert_eq!((failure.step.as_str(), failure.packet), ("0", Some(1)));
    assert_eq!(
        failure.payload.as_deref(),
        Some(&*encode("ACK", json!({ "connection_id": "a" })))
    );
    assert_eq!(
        play.complaint(),
        "SYN within 1.3 s (tolerance added) | ACK connection_id=\"a\""
    );
}

#[test]
fn a_wrong_field_fails_the_step_and_is_located() {
    let mut play = initiator(json!([{ "expect": {
        "frame": "SYN", "within": "1s", "fields": { "connection_id": "b" }, "requirement": "MS-H-02"
    } }]));
    play.gets(5, "SYN", json!({ "connection_id": "a" }));
    let failure = play.failed();
    assert_eq!(failure.requirement, "MS-H-02");
    let field = failure.field.as_ref().unwrap();
    assert_eq!(
        (field.name.as_str(), field.offset, field.length),
        ("connection_id", 30, 37)
    );
    assert_eq!(
        play.complaint(),
        "SYN with connection_id \"b\" | SYN with connection_id \"a\""
    );
}

#[test]
fn within_is_stretched_by_a_quarter_and_50_ms() {
    let steps = json!([{ "expect": { "frame": "SYN", "within": "1s" } }]);
    initiator(steps.clone())
        .gets(1_300, "SYN", json!({}))
        .passed();
    let mut late = initiator(steps);
    late.gets(1_301, "SYN", json!({}));
    assert_eq!(
        late.complaint(),
        "SYN within 1.3 s (tolerance added) | nothing"
    );
    assert_eq!(late.failed().time, Duration::from_millis(1_300));
    assert_eq!(late.failed().packet, None);
}

#[test]
fn after_is_shortened_by_50_ms() {
    let steps = json!([{ "expect": { "frame": "SYN", "after": "400ms", "within": "1s" } }]);
    initiator(steps.clone())
        .gets(350, "SYN", json!({}))
        .passed();
    let mut early = initiator(steps);
    early.gets(349, "SYN", json!({}));
    assert_eq!(
        early.complaint(),
        "SYN not before 350 ms (tolerance taken off) after the step before | SYN after 349 ms"
    );
}

#[test]
fn after_is_never_shortened_below_0() {
    let steps = json!([{ "expect": { "frame": "SYN", "after": "40ms", "within": "1s" } }]);
    initiator(steps).gets(0, "SYN", json!({})).passed();
}

#[test]
fn what_comes_after_something_late_or_after_our_own_lateness_is_not_early() {
    let again =
        |after: &str| json!({ "expect": { "frame": "SYN", "after": after, "within": "1s" } });
    let steps = json!([
        { "expect": { "frame": "SYN", "within": "1s" } }, again("500ms"), again("1s")
    ]);
    let grid = |third: u64| {
        let mut play = initiator(steps.clone());
        play.gets(100, "SYN", json!({})).gets(760, "SYN", json!({}));
        play.gets(third, "SYN", json!({}));
        play
    };
    grid(1_550).passed();
    grid(1_549).failed();
    let steps = json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "wait": { "for": "200ms" } },
        { "lose": { "frame": "SYN-ACK", "fields": { "connection_id": "a" } } },
        again("300ms")
    ]);
    let mut play = initiator(steps);
    play.gets(100, "SYN", json!({})).late(150).until(450);
    play.gets(600, "SYN", json!({})).passed();
}

#[test]
fn a_window_counts_from_the_packet_that_matched_before() {
    let steps = json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "expect": { "frame": "SYN", "after": "500ms", "within": "500ms" } },
    ]);
    initiator(steps.clone())
        .gets(700, "SYN", json!({}))
        .gets(1_200, "SYN", json!({}))
        .passed();
    let mut late = initiator(steps);
    late.gets(700, "SYN", json!({}))
        .gets(1_376, "SYN", json!({}));
    assert!(
        late.complaint().starts_with("SYN within 675 ms"),
        "{}",
        late.complaint()
    );
}

#[test]
fn a_window_counts_from_the_send_before() {
    let mut play = responder(json!([
        { "wait": { "for": "1s" } },
        { "send": { "frame": "SYN" } },
        { "expect": { "frame": "SYN-ACK", "after": "400ms", "within": "500ms" } },
    ]));
    play.gets(
        1_500,
        "SYN-ACK",
        json!({ "accept": true, "connection_id": "a" }),
    )
    .passed();
}

#[test]
fn spans_may_depend_on_the_stream() {
    let steps = json!([{ "expect": {
        "frame": "START token", "after": "500ms + $frame_interval", "within": "$stream + $buffer_period"
    } }]);
    let mut play = initiator(steps.clone());
    play.gets(469, "START token", json!({}));
    assert!(
        play.complaint().contains("not before 470 ms"),
        "{}",
        play.complaint()
    );
    initiator(steps)
        .gets(8_800, "START token", json!({}))
        .passed();
}

#[test]
fn an_ignored_frame_is_counted_and_passed_over() {
    let mut play = Play::new(
        "initiator",
        json!({
            "ignore": ["SYN"],
            "steps": [{ "expect": { "frame": "ACK", "within": "1s", "ignore": ["data"] } }],
        }),
    );
    play.gets(1, "SYN", json!({}))
        .gets(2, "data", data(4))
        .gets(3, "SYN", json!({}));
    play.gets(4, "ACK", json!({ "connection_id": "a" }))
        .passed();
    assert_eq!(json!(play.script.ignored()), json!({ "SYN": 2, "data": 1 }));
}

#[test]
fn a_full_match_is_taken_even_where_the_frame_is_ignored() {
    let mut play = Play::new(
        "initiator",
        json!({
            "ignore": ["SYN"],
            "steps": [{ "expect": { "frame": "SYN", "within": "1s", "fields": { "connection_id": "b" } } }],
        }),
    );
    play.gets(1, "SYN", json!({ "connection_id": "a" })).runs();
    play.gets(2, "SYN", json!({ "connection_id": "b" }))
        .passed();
}

#[test]
fn arrivals_wait_in_order_for_the_steps_that_take_them() {
    let mut play = initiator(json!([
        { "wait": { "for": "1s" } },
        { "expect": { "frame": "SYN", "within": "1s", "fields": { "connection_id": "a" } } },
        { "expect": { "frame": "SYN", "within": "1s", "fields": { "connection_id": "b" } } },
    ]));
    play.gets(10, "SYN", json!({ "connection_id": "a" }));
    play.gets(20, "SYN", json!({ "connection_id": "b" })).runs();
    play.until(1_000).passed();
}

#[test]
fn what_arrives_at_another_socket_is_left_for_the_step_that_names_it() {
    let mut play = Play::new(
        "responder",
        json!({
            "sockets": { "other": { "other_port": {} } },
            "steps": [
                { "expect": { "frame": "SYN-ACK", "within": "1s" } },
                { "expect": { "frame": "data", "within": "1s", "at": "other" } },
            ],
        }),
    );
    play.gets_at(1, 1, RESPONDER, &encode("data", json!({})));
    play.gets_at(2, 0, RESPONDER, &encode("SYN-ACK", json!({})))
        .passed();
}

#[test]
fn what_arrives_at_a_fresh_socket_is_not_looked_at() {
    let mut play = responder(json!([
        { "send": { "frame": "SYN", "from": "fresh" } },
        { "expect_nothing": { "for": "1s" } },
    ]));
    play.gets_at(1, 1, RESPONDER, &encode("SYN-ACK", json!({})));
    play.until(1_000).passed();
}

#[test]
fn matchers_say_what_a_field_may_be() {
    let cases = [
        (
            json!({ "not": "a" }),
            "b",
            "a",
            "SYN with connection_id not \"a\"",
        ),
        (
            json!({ "any_of": ["a", "b"] }),
            "b",
            "c",
            "SYN with connection_id \"a\" or \"b\"",
        ),
        (
            json!({ "empty": true }),
            "",
            "a",
            "SYN with connection_id empty",
        ),
        (
            json!({ "empty": false }),
            "a",
            "",
            "SYN with connection_id not empty",
        ),
        (
            json!({ "not": { "any_of": ["", "a"] } }),
            "b",
            "a",
            "SYN with connection_id neither \"\" nor \"a\"",
        ),
    ];
    for (matcher, good, bad, wanted) in cases {
        let steps = json!([{ "expect": {
            "frame": "SYN", "within": "1s", "fields": { "connection_id": matcher }
        } }]);
        initiator(steps.clone())
            .gets(1, "SYN", json!({ "connection_id": good }))
            .passed();
        let mut play = initiator(steps);
        play.gets(1, "SYN", json!({ "connection_id": bad }));
        assert_eq!(play.failed().expected, wanted);
    }
}

#[test]
fn numbers_are_bounded_by_at_least_and_at_most() {
    for (matcher, good, bad) in [
        (json!({ "at_least": 5 }), 5, 4),
        (json!({ "at_most": 5 }), 5, 6),
    ] {
        let steps = json!([{ "expect": {
            "frame": "data", "within": "1s", "fields": { "sequence_number": matcher }
        } }]);
        initiator(steps.clone())
            .gets(1, "data", data(good))
            .passed();
        let mut play = initiator(steps);
        play.gets(1, "data", data(bad));
        assert_eq!(play.failed().field.as_ref().unwrap().offset, 2);
    }
}

#[test]
fn two_ways_to_write_the_same_bytes_are_equal() {
    let id = format!("6162{}", "00".repeat(35));
    let steps = json!([{ "expect": {
        "frame": "SYN", "within": "1s", "fields": { "connection_id": { "hex": id } }
    } }]);
    initiator(steps)
        .gets(1, "SYN", json!({ "connection_id": "ab" }))
        .passed();
    let steps = json!([{ "expect": {
        "frame": "data", "within": "1s", "fields": { "payload": { "hex": "000001000200" } }
    } }]);
    initiator(steps)
        .gets(1, "data", json!({ "payload": { "pattern": 6 } }))
        .passed();
}

#[test]
fn a_bound_value_is_expected_and_sent_again() {
    let mut play = initiator(json!([
        { "expect": { "frame": "SYN", "within": "1s", "bind": { "wished": "connection_id" } } },
        { "send": { "frame": "SYN-ACK", "fields": { "accept": true, "connection_id": "$wished" } } },
        { "expect": { "frame": "ACK", "within": "1s", "fields": { "connection_id": { "any_of": ["$wished"] } } } },
    ]));
    play.gets(1, "SYN", json!({ "connection_id": "w" }));
    assert_eq!(play.said(), ["1 SYN-ACK accept=true connection_id=\"w\""]);
    play.gets(2, "ACK", json!({ "connection_id": "w" }))
        .passed();
    assert_eq!(play.script.bindings()["wished"], "w");
}

#[test]
fn a_bound_number_is_a_number() {
    let mut play = initiator(json!([
        { "expect": { "frame": "data", "within": "1s", "bind": { "n": "sequence_number" } } },
        { "expect": { "frame": "data", "within": "1s", "fields": { "sequence_number": { "at_least": "$n" } } } },
    ]));
    play.gets(1, "data", data(9)).gets(2, "data", data(8));
    assert_eq!(
        play.failed().expected,
        "data with sequence_number at least 9"
    );
}

#[test]
fn a_doubled_dollar_is_one_and_no_name() {
    let mut play = Play::new(
        "responder",
        json!({
            "let": { "id": { "value": "x" } },
            "steps": [{ "send": { "frame": "SYN", "fields": { "connection_id": "$$id" } } }],
        }),
    );
    assert_eq!(play.until(1).said(), ["0 SYN connection_id=\"$id\""]);
}

#[test]
fn the_same_bytes_as_an_earlier_step_are_wanted() {
    let steps = json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "expect": { "frame": "SYN", "within": "1s", "same_as": 0 } },
    ]);
    let a = json!({ "connection_id": "a" });
    initiator(steps.clone())
        .gets(1, "SYN", a.clone())
        .gets(2, "SYN", a.clone())
        .passed();
    let mut play = initiator(steps);
    play.gets(1, "SYN", a)
        .gets(2, "SYN", json!({ "connection_id": "b" }));
    assert_eq!(
        play.complaint(),
        "SYN with the same bytes as in step 0: 0x61 at offset 30 | SYN with 0x62 at offset 30"
    );
    assert_eq!(play.failed().field.as_ref().unwrap().offset, 30);
}

#[test]
fn an_unknown_datagram_and_a_malformed_one_fail_a_step_too() {
    let steps = json!([{ "expect": { "frame": "SYN", "within": "1s" } }]);
    let mut unknown = initiator(steps.clone());
    unknown.gets_at(1, 0, RESPONDER, &[0xff, 0xee, 1]);
    assert_eq!(unknown.failed().got, "unknown datagram of 3 bytes (ffee01)");
    let mut malformed = initiator(steps);
    malformed.gets_at(1, 0, RESPONDER, &[0x00, 0x01, 1]);
    assert!(
        malformed
            .failed()
            .got
            .starts_with("malformed datagram of 3 bytes (SequenceNumber")
    );
}
