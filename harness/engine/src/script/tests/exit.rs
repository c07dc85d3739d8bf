use serde_json::json;

use super::*;

#[test]
fn the_end_of_the_process_completes_expect_exit() {
    let steps =
        json!([{ "expect_exit": { "status": "failure", "after": "400ms", "within": "1s" } }]);
    initiator(steps.clone()).exits(500, Some(1)).passed();
    let mut early = initiator(steps.clone());
    early.exits(200, Some(1));
    assert_eq!(
        early.complaint(),
        "the process to run for 350 ms at least | it ended after 200 ms: exit status 1"
    );
    let mut late = initiator(steps.clone());
    late.until(1_300);
    assert_eq!(late.failed().got, "it runs on");
    let mut well = initiator(steps.clone());
    well.exits(500, Some(0));
    assert_eq!(well.failed().got, "exit status 0");
    let mut killed = initiator(steps);
    killed.exits(500, None);
    assert_eq!(killed.failed().got, "ended by a signal");
}

#[rstest::rstest]
fn a_crash_is_no_error_message(
    #[values(json!({ "within": "1s" }), json!({ "within": "1s", "status": "failure" }))] end: Value,
    #[values(Some(101), Some(134), Some(139), None)] code: Option<i32>,
) {
    let mut play = initiator(json!([{ "expect_exit": end }]));
    play.exits(500, code);
    play.failed();
}

#[test]
fn a_status_of_minus_1_is_an_error_message() {
    let end = json!({ "within": "1s", "status": "failure" });
    let mut play = initiator(json!([{ "expect_exit": end }]));
    play.exits(500, Some(255));
    play.until(1_000).passed();
}

#[test]
fn a_process_that_ended_before_all_was_sent_is_too_early() {
    let steps = |tempted: bool| {
        json!([
            { "expect": { "frame": "SYN", "within": "1s" } },
            { "media": { "frames": 3 } },
            { "expect_nothing": { "for": "100ms" } },
            { "expect_exit": { "status": "success", "within": "1s", "tempted": tempted } },
        ])
    };
    let mut early = initiator(steps(false));
    early
        .gets(100, "SYN", json!({}))
        .exits(159, Some(0))
        .until(1_000);
    assert_eq!(
        early.complaint(),
        "the process to run until everything was sent | it ended 1 ms before: exit status 0"
    );
    let mut right = initiator(steps(false));
    right.gets(100, "SYN", json!({})).exits(160, Some(0));
    right.until(1_000).passed();
    let mut tempted = initiator(steps(true));
    tempted.gets(100, "SYN", json!({})).exits(159, Some(0));
    tempted.until(1_000).passed();
}

#[test]
fn a_process_that_ended_before_the_step_began_is_not_too_early() {
    let mut play = initiator(json!([
        { "wait": { "for": "1s" } },
        { "expect_exit": { "status": "success", "within": "1s" } },
    ]));
    play.exits(400, Some(0)).until(1_000).passed();
}

#[test]
fn where_the_exit_status_tells_nothing_any_end_will_do() {
    let body = json!({ "steps": [{ "expect_exit": { "status": "failure", "within": "1s" } }] });
    let exit = Exit {
        status_tells: false,
    };
    Play::with_exit("initiator", body, exit)
        .exits(5, Some(0))
        .passed();
}

#[test]
fn a_frame_before_the_end_of_the_process_fails_expect_exit_unless_ignored() {
    let steps = json!([{ "expect_exit": { "within": "1s", "ignore": ["SYN"] } }]);
    initiator(steps.clone())
        .gets(1, "SYN", json!({}))
        .exits(2, Some(1))
        .passed();
    let mut play = initiator(steps);
    play.gets(1, "ACK", json!({})).exits(2, Some(1));
    assert_eq!(
        play.complaint(),
        "the end of the implementation's process | ACK"
    );
}

#[test]
fn a_failure_says_that_the_process_had_ended() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.exits(300, Some(101)).until(1_300);
    assert_eq!(
        play.failed().got,
        "nothing (the process had ended 1 s before: exit status 101)"
    );
}

#[test]
fn who_was_gone_before_the_question_broke_what_the_scenario_is_about() {
    let fails_by = |ended| {
        let mut play = initiator(json!([
            { "expect_nothing": { "for": "1s" } },
            { "expect": { "frame": "ACK", "within": "1s", "requirement": "MS-H-05" } },
        ]));
        play.until(ended).exits(ended, Some(1)).until(2_500);
        play.failed().requirement.clone()
    };
    assert_eq!(fails_by(500), "MS-H-01");
    assert_eq!(fails_by(1_200), "MS-H-05");
}

#[test]
fn a_failure_names_the_requirements_that_were_judged_before() {
    let mut play = initiator(json!([
        { "expect": { "frame": "SYN", "within": "1s", "requirement": "MS-H-02" } },
        { "expect": { "frame": "SYN", "within": "1s", "requirement": "MS-H-03" } },
        { "expect": { "frame": "ACK", "within": "1s", "requirement": "MS-H-03" } },
    ]));
    play.gets(1, "SYN", json!({}))
        .gets(2, "SYN", json!({}))
        .gets(3, "SYN", json!({}));
    play.failed();
    let judged = play.script.judgements().judged;
    assert!(judged.iter().eq(["MS-H-02"]), "{judged:?}");
}

#[test]
fn a_syn_ack_from_another_port_of_the_responder_is_taken_by_no_step() {
    let mut play = responder(json!([{ "expect": { "frame": "SYN-ACK", "within": "1s" } }]));
    play.gets_at(1, 0, "127.0.0.1:4445", &encode("SYN-ACK", json!({})));
    play.runs();
    let comment = play.other.iter().find_map(|action| match action {
        Action::Comment { packet: 1, text } => Some(text.clone()),
        _ => None,
    });
    assert_eq!(
        comment.as_deref(),
        Some("from 127.0.0.1:4445, where the implementation is not: no step takes it")
    );
    play.gets(2, "SYN-ACK", json!({})).passed();
}

#[test]
fn a_sum_of_a_bound_number_is_expected_and_sent() {
    let mut play = initiator(json!([
        { "expect": { "frame": "data", "within": "1s", "bind": { "n": "sequence_number" } } },
        { "send": { "frame": "data", "fields": { "sequence_number": { "sum": ["$n", 2] } } } },
        { "expect": { "frame": "data", "within": "1s", "fields": { "sequence_number": { "sum": ["$n", -1] } } } },
    ]));
    play.gets(1, "data", data(9));
    assert!(
        play.said()[0].contains("sequence_number=11"),
        "{:?}",
        play.said()
    );
    play.gets(2, "data", data(9));
    assert_eq!(play.failed().expected, "data with sequence_number 8");
}
