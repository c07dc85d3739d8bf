use super::*;

/// A choice by what a server that is connected at 0 says on a stream.
fn either(branches: Value, then: Value) -> Play {
    let mut play = server(json!([
        { "connect": {} },
        { "open": { "stream": "a" } },
        { "either": branches },
        then,
    ]));
    play.connected(0, 0);
    play
}

fn branches() -> Value {
    json!([
        { "title": "it answers", "steps": [
            { "read": { "stream": "a", "u32": [7], "within": "1s" } },
        ] },
        { "title": "it closes", "steps": [
            { "expect_close": { "code": [5], "within": "1s" } },
        ] },
        { "title": "it is silent", "steps": [
            { "expect_quiet": { "for": "2s" } },
        ] },
    ])
}

fn close() -> Value {
    json!({ "close": { "code": 0 } })
}

#[test]
fn the_branch_that_comes_true_is_played_on() {
    let mut play = either(branches(), close());
    play.bytes(10, 0, &[7, 0, 0, 0]);
    play.passes();
    // What acts on a connection whose end was judged is passed over.
    let mut play = either(branches(), close());
    play.code(10, 5, "");
    play.passes();
    let text = &play.script.execution.events[2].text;
    assert_eq!(text, "it closes: closed with code 5");
    let mut play = either(branches(), close());
    play.until(2_000);
    play.passes();
}

#[test]
fn a_choice_of_which_nothing_comes_true_fails_with_all() {
    let mut play = either(branches(), close());
    play.code(10, 3, "");
    assert_eq!(
        play.text(),
        "one of these: it answers: 7 (07 00 00 00) on `a` within 1.3 s (tolerance added); it \
         closes: the connection closed with code 5 within 1.3 s (tolerance added); it is silent: \
         nothing on the connection for 2 s | it answers: nothing, and the connection was closed \
         with code 3 after 10 ms; it closes: closed with code 3 after 10 ms; it is silent: closed \
         with code 3 after 10 ms"
    );
    assert_eq!(play.fails().step, "2");
}

#[test]
fn what_a_branch_looked_at_and_did_not_take_stays_for_others() {
    let mut play = either(
        json!([
            { "title": "one", "steps": [
                { "read": { "stream": "a", "hex": "01 02 03", "within": "1s" } },
            ] },
            { "title": "other", "steps": [
                { "read": { "stream": "a", "hex": "01 02 04", "within": "1s" } },
            ] },
        ]),
        json!({ "read": { "stream": "a", "hex": "05", "within": "1s" } }),
    );
    play.bytes(10, 0, &[1])
        .bytes(20, 0, &[2])
        .bytes(30, 0, &[4, 5]);
    play.passes();
}

#[test]
fn of_several_branches_that_are_true_at_once_the_first_is_taken() {
    let mut play = either(
        json!([
            { "title": "one", "steps": [{ "read": { "stream": "a", "hex": "01", "within": "1s" } }] },
            { "title": "two", "steps": [{ "read": { "stream": "a", "hex": "01", "within": "1s" } }] },
        ]),
        close(),
    );
    play.bytes(10, 0, &[1]);
    assert_eq!(play.script.execution.events[2].step, "2.0.0");
}

#[test]
fn a_silence_that_ended_before_something_came_is_chosen_however_late_that_is_seen() {
    let mut play = either(branches(), json!({ "connect": {} }));
    play.now = Duration::from_secs(3);
    let connection = ConnectionNumber(0);
    let why = Closing::TimedOut;
    play.script
        .handle(play.now, Input::Closed { connection, why });
    let text = &play.script.execution.events[2].text;
    assert_eq!(text, "it is silent: nothing for 2 s");
}

#[test]
fn the_branch_that_was_true_first_is_taken_however_late_that_is_seen() {
    let mut play = either(
        json!([
            { "title": "longer", "steps": [{ "expect_quiet": { "for": "2s" } }] },
            { "title": "shorter", "steps": [{ "expect_quiet": { "for": "1s" } }] },
        ]),
        close(),
    );
    play.now = Duration::from_secs(3);
    play.script.handle(play.now, Input::Tick);
    assert_eq!(play.script.execution.events[2].step, "2.1.0");
}

#[test]
fn a_branch_that_reads_more_than_is_kept_gets_it() {
    let mut play = either(
        json!([
            { "title": "much", "steps": [
                { "read": { "stream": "a", "hex": "00", "times": 400_000, "within": "1s" } },
            ] },
            { "title": "end", "steps": [{ "expect_close": { "code": [0], "within": "1s" } }] },
        ]),
        close(),
    );
    let chunk = vec![0; 100_000];
    for _ in 0..4 {
        assert!(play.script.reads(ConnectionNumber(0), StreamId(0)));
        play.bytes(0, 0, &chunk);
    }
    play.passes();
}
