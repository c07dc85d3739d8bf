use rstest::rstest;

use super::*;

fn closing() -> Play {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
        { "expect_close": { "code": [5], "within": "1s" } },
    ]));
    play.connected(0, 0);
    play
}

#[test]
fn a_window_that_was_not_observed_fairly_judges_nothing() {
    let mut play = closing();
    play.script.late(Duration::from_millis(301));
    play.until(1_300);
    let why = "expected the connection closed with code 5 within 1.3 s (tolerance added), got it \
               lives on; but the harness itself was late by 301 ms";
    assert_eq!(play.inconclusive(), why);
    let mut play = closing();
    play.script.late(Duration::from_millis(300));
    play.until(1_300);
    play.fails();
}

#[test]
fn lateness_before_the_window_does_not_count_against_time() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
        { "wait": { "for": "1s" } },
        { "expect_close": { "code": [5], "within": "1s" } },
    ]));
    play.script.late(Duration::from_millis(500));
    play.connected(10, 0).until(2_310);
    play.fails();
}

#[test]
fn an_unexpected_end_after_lateness_may_be_the_harness_s_fault() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
        { "wait": { "for": "1s" } },
        { "expect_close": { "code": [5], "within": "1s" } },
    ]));
    play.script.late(Duration::from_secs(2));
    play.connected(10, 0).until(1_100).code(1_200, 3, "");
    let why = play.inconclusive();
    assert!(why.ends_with("late by 2 s"), "{why}");
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(7)]
fn no_lateness_of_the_harness_explains_a_code_that_means_no_timeout(#[case] code: u64) {
    let mut play = closing();
    play.script.late(Duration::from_secs(2));
    play.code(200, code, "");
    play.fails();
}

#[test]
fn what_the_driver_cannot_do_makes_the_script_inconclusive() {
    let mut play = closing();
    play.script.refused(play.now, "no port is free");
    assert_eq!(
        play.inconclusive(),
        "the stimulus could not be applied: no port is free"
    );
}

#[test]
fn a_connection_that_cannot_be_begun_here_is_no_finding() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_close": { "or": ["refused"], "within": "1s" } },
    ]));
    play.closed(10, 0, Closing::NotBegun("too many open files"));
    assert_eq!(
        play.inconclusive(),
        "the stimulus could not be applied: too many open files"
    );
}

#[test]
fn findings_and_comments_name_packets_of_the_capture() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
        { "open": { "stream": "a" } },
        { "read": { "stream": "a", "hex": "01", "within": "1s" } },
        { "read": { "stream": "a", "hex": "01", "within": "1s" } },
    ]));
    play.script.recorded(Some(3));
    play.connected(10, 0);
    assert_eq!(
        play.script.take_comment(),
        Some((
            3,
            "step 1 expect_connected: the handshake is done".to_owned()
        ))
    );
    // What the scripted peer does stands at the packet that comes next.
    assert_eq!(play.script.take_comment(), None);
    play.script.recorded(Some(5));
    play.bytes(20, 0, &[1]);
    let comments: Vec<_> = std::iter::from_fn(|| play.script.take_comment()).collect();
    assert_eq!(
        comments,
        [
            (4, "step 2 open: opened `a` (stream 0)".to_owned()),
            (5, "step 3 read: got the bytes 01 on `a`".to_owned()),
        ]
    );
    play.script.recorded(Some(8));
    play.bytes(30, 0, &[2]);
    assert_eq!(play.fails().packet, Some(8));
    assert_eq!(play.judged(), Vec::<String>::new());
}

#[test]
fn a_scenario_that_names_what_there_is_not_is_an_error() {
    let play = server(json!([{ "write": { "stream": "a", "hex": "01" } }]));
    assert_eq!(
        play.script.execution.outcome.as_ref(),
        Some(&ScriptOutcome::Error {
            why: "no stream is called `a` yet".to_owned(),
            step: "0".to_owned()
        })
    );
}

#[test]
fn requirements_whose_steps_were_all_completed_are_judged() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s", "requirement": "PR-E-01" } },
        { "expect_close": { "code": [5], "within": "1s", "requirement": "PR-C-03" } },
    ]));
    play.connected(0, 0).code(10, 1, "");
    assert_eq!(play.judged(), ["PR-E-01"]);
}

#[test]
fn the_comment_of_a_write_stands_where_its_first_piece_leaves() {
    let mut play = server(json!([
        { "connect": {} },
        { "open": { "stream": "a" } },
        { "write": { "stream": "a", "hex": "01 02", "pieces": [1] } },
        { "expect_alive": { "for": "1s" } },
    ]));
    play.script.recorded(Some(3));
    play.connected(10, 0);
    play.script.recorded(Some(8));
    play.until(100);
    let comments: Vec<_> = std::iter::from_fn(|| play.script.take_comment()).collect();
    assert_eq!(
        comments,
        [
            (4, "step 1 open: opened `a` (stream 0)".to_owned()),
            (4, "step 2 write: wrote 01 02 on `a`".to_owned()),
        ]
    );
}
