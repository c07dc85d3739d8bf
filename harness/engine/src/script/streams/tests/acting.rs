use std::collections::BTreeMap;

use shakedown_protocol::streams::{ConnectOptions, Fault};

use super::*;

/// Steps after a connection to a server, which is there at 0.
fn connected(steps: Value) -> Play {
    let mut all = vec![
        json!({ "connect": {} }),
        json!({ "expect_connected": { "within": "1s" } }),
        json!({ "open": { "stream": "a" } }),
    ];
    all.extend(steps.as_array().unwrap().iter().cloned());
    let mut play = server(Value::from(all));
    play.connected(0, 0);
    play
}

fn last(play: &Play) -> &Output {
    let (_, output) = play.outputs.last().unwrap();
    output
}

const MAIN: ConnectionNumber = ConnectionNumber(0);
const QUIET: &str = r#"{ "expect_alive": { "for": "1s" } }"#;

fn quiet() -> Value {
    serde_json::from_str(QUIET).unwrap()
}

#[test]
fn connections_leave_as_they_are_asked_to() {
    let play = server(json!([
        { "connect": {} },
        { "connect": { "as": "b", "alpn": ["h3"], "from": "main", "window": 64, "keep_alive": "2s",
            "announces": { "max_idle_timeout": 9 }, "believes": { "initial_max_streams_uni": 7 } } },
        { "expect_connected": { "within": "1s" } },
    ]));
    let options = ConnectOptions {
        to: None,
        alpn: Some(vec!["h3".to_owned()]),
        from: Some(MAIN),
        window: Some(64),
        keep_alive: Some(Duration::from_secs(2)),
        faults: Faults {
            announced: BTreeMap::from([(0x01, 9)]),
            believed: BTreeMap::from([(0x09, 7)]),
        },
    };
    assert_eq!(
        play.outputs,
        [
            (0, Output::ConnectBy(MAIN, ConnectOptions::default())),
            (0, Output::ConnectBy(ConnectionNumber(1), options)),
        ]
    );
}

#[test]
fn streams_have_ids_by_who_opens_them_and_how() {
    let opened = |play: &Play| {
        let ids = play.outputs.iter().filter_map(|(_, output)| match output {
            Output::Open(_, id) => Some(id.0),
            _ => None,
        });
        ids.collect::<Vec<_>>()
    };
    let play = connected(json!([
        { "open": { "stream": "b" } },
        { "open": { "stream": "c", "unidirectional": true } },
        quiet(),
    ]));
    assert_eq!(opened(&play), [0, 4, 2]);
    let mut play = client(json!([
        { "accept": { "within": "1s" } },
        { "open": { "stream": "a" } },
        { "open": { "stream": "b", "unidirectional": true } },
        { "open": { "stream": "c" } },
        quiet(),
    ]));
    play.asked(0, 0).connected(0, 0);
    assert_eq!(opened(&play), [1, 3, 5]);
}

#[test]
fn what_acts_waits_for_the_handshake() {
    let mut play = server(json!([
        { "connect": {} },
        { "open": { "stream": "a" } },
        { "write": { "stream": "a", "hex": "01" } },
        quiet(),
    ]));
    play.until(500);
    assert_eq!(play.outputs.len(), 1);
    play.connected(500, 0);
    assert_eq!(play.written(0), [(500, vec![1])]);
}

#[test]
fn a_handshake_that_never_ends_fails_what_waits_for_it() {
    let mut play = server(json!([
        { "connect": {} },
        { "open": { "stream": "a" } },
        quiet(),
    ]));
    play.until(30_000);
    assert_eq!(
        play.text(),
        "the handshake done for `open` | no end of it in 30 s"
    );
}

#[test]
fn a_write_leaves_in_pieces_with_time_between_them() {
    let mut play = connected(json!([
        { "write": { "stream": "a", "hex": "01 02 03 04", "pieces": [1, 2], "apart": "100ms", "times": 2, "fin": true } },
        { "expect_alive": { "for": "1s" } },
    ]));
    play.until(1_499);
    let pieces = [
        (0, vec![1]),
        (100, vec![2, 3]),
        (200, vec![4]),
        (300, vec![1]),
        (400, vec![2, 3]),
        (500, vec![4]),
    ];
    assert_eq!(play.written(0), pieces);
    assert!(
        play.outputs
            .contains(&(500, Output::Fin(MAIN, StreamId(0))))
    );
    play.goes_on();
    play.until(1_500);
    play.passes();
}

#[test]
fn what_is_written_several_times_leaves_at_once() {
    let play = connected(json!([
        { "write": { "stream": "a", "u32": [1], "times": 3 } },
        quiet(),
    ]));
    let bytes = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    assert_eq!(play.written(0), [(0, bytes.to_vec())]);
}

#[test]
fn a_write_that_the_transport_does_not_take_holds_nothing_up_for_long() {
    let mut play = server(json!([
        { "connect": {} },
        { "open": { "stream": "a" } },
        { "write": { "stream": "a", "hex": "01" } },
        { "expect_close": { "code": [4], "within": "1s" } },
    ]));
    play.takes = false;
    play.connected(0, 0).until(199);
    assert_eq!(play.script.execution.events.len(), 2);
    play.until(200);
    assert_eq!(play.script.execution.events.len(), 3);
    // The window counts from the write, not from when it was given up to wait for it.
    play.until(1_300);
    assert_eq!(play.fails().time, Duration::from_millis(1_300));
}

#[test]
fn a_value_that_does_not_fit_is_no_stimulus() {
    let mut play = connected(json!([
        { "read": { "stream": "a", "u32": [{ "present": true }], "bind": { "id": 0 }, "within": "1s" } },
        { "write": { "stream": "a", "u32": [{ "sum": ["$id", 1] }] } },
        quiet(),
    ]));
    play.bytes(10, 0, &[255; 4]);
    assert_eq!(
        play.inconclusive(),
        "the stimulus could not be applied: 4294967296 does not fit into 32 bits"
    );
}

#[test]
fn streams_and_connections_are_ended_and_broken_as_asked() {
    let id = StreamId(0);
    for (step, output) in [
        (json!({ "fin": { "stream": "a" } }), Output::Fin(MAIN, id)),
        (
            json!({ "reset": { "stream": "a", "code": 9 } }),
            Output::Reset(MAIN, id, 9),
        ),
        (
            json!({ "stop_sending": { "stream": "a", "code": 9 } }),
            Output::StopSending(MAIN, id, 9),
        ),
        (
            json!({ "send_datagram": { "hex": "01 02" } }),
            Output::Datagram(MAIN, vec![1, 2]),
        ),
        (
            json!({ "blackhole": {} }),
            Output::Misbehave(MAIN, Fault::Silent(true)),
        ),
        (
            json!({ "deafen": {} }),
            Output::Misbehave(MAIN, Fault::Deaf(true)),
        ),
        (
            json!({ "migrate": {} }),
            Output::Misbehave(MAIN, Fault::Move),
        ),
        (
            json!({ "replace_frames": { "hex": "1e" } }),
            Output::Misbehave(MAIN, Fault::Replace(vec![0x1e])),
        ),
        (
            json!({ "resume": {} }),
            Output::Misbehave(MAIN, Fault::Silent(false)),
        ),
    ] {
        let play = connected(json!([step, quiet()]));
        assert_eq!(last(&play), &output);
        play.goes_on();
    }
    let play = connected(json!([{ "close": { "code": 3, "reason": "enough" } }]));
    let close = Output::Close {
        connection: MAIN,
        code: 3,
        reason: "enough".to_owned(),
    };
    assert_eq!(last(&play), &close);
    play.passes();
}

#[test]
fn a_stream_is_not_read_while_a_step_wants_that() {
    let mut play = connected(json!([
        { "stop_reading": { "stream": "a" } },
        { "expect_alive": { "for": "1s" } },
        { "resume_reading": { "stream": "a" } },
        quiet(),
    ]));
    assert!(!play.script.reads(MAIN, StreamId(0)));
    assert!(play.script.reads(MAIN, StreamId(4)));
    play.until(1_000);
    assert!(play.script.reads(MAIN, StreamId(0)));
}

#[test]
fn a_name_goes_over_to_the_last_that_gets_it() {
    let mut play = server(json!([
        { "repeat": { "times": 2, "steps": [
            { "connect": {} },
            { "expect_connected": { "within": "1s" } },
            { "open": { "stream": "a" } },
            { "write": { "stream": "a", "hex": "01" } },
        ] } },
        { "expect_close": { "code": [6], "within": "1s" } },
    ]));
    play.connected(0, 0).connected(0, 1);
    let writes = play.outputs.iter().filter_map(|(_, output)| match output {
        Output::Write(connection, id, _) => Some((connection.0, id.0)),
        _ => None,
    });
    assert_eq!(writes.collect::<Vec<_>>(), [(0, 0), (1, 0)]);
    let reason = b"";
    play.closed(10, 0, Closing::Application { code: 1, reason });
    play.goes_on();
    play.closed(10, 1, Closing::Application { code: 6, reason });
    play.passes();
}

#[test]
fn a_step_is_passed_over_where_a_later_one_judges_the_end() {
    let mut play = connected(json!([
        { "wait": { "for": "1s" } },
        { "write": { "stream": "a", "hex": "01" } },
        { "fin": { "stream": "a" } },
        { "open": { "stream": "b" } },
        { "write": { "stream": "b", "hex": "01" } },
        { "expect_close": { "code": [5], "within": "1s" } },
    ]));
    play.code(500, 5, "").until(1_000);
    play.passes();
    let text = &play.script.execution.events[4].text;
    assert_eq!(text, "passed over: the connection: closed with code 5");
}

#[test]
fn a_step_that_was_passed_over_and_never_judged_fails_the_scenario() {
    let mut play = connected(json!([
        { "connect": { "as": "b" } },
        { "wait": { "for": "1s" } },
        { "write": { "stream": "a", "hex": "01" } },
        { "expect_alive": { "for": "1s", "connection": "b" } },
    ]));
    play.code(500, 5, "why").until(2_000);
    assert_eq!(
        play.text(),
        "the connection open for `write` | closed with code 5 (\"why\") 500 ms before"
    );
    assert_eq!(play.fails().step, "5");
    assert_eq!(play.fails().requirement, "PR-C-03");
}

#[test]
fn what_is_written_where_no_more_is_wanted_is_passed_over() {
    let mut play = connected(json!([
        { "wait": { "for": "1s" } },
        { "write": { "stream": "a", "hex": "01" } },
    ]));
    play.on(500, 0, 0, StreamUpdate::Stopped(7)).until(1_000);
    assert_eq!(
        play.text(),
        "the connection open for `write` | no more was wanted of `a` (STOP_SENDING, code 7) \
         500 ms before"
    );
}

#[test]
fn a_client_may_close_with_code_0_before_the_scripted_peer_does() {
    let steps = json!([
        { "accept": { "within": "1s" } },
        { "wait": { "for": "1s" } },
        { "close": { "code": 0 } },
    ]);
    let mut play = client(steps.clone());
    play.asked(0, 0)
        .connected(0, 0)
        .code(500, 0, "")
        .until(1_000);
    play.passes();
    let mut play = client(steps);
    play.asked(0, 0)
        .connected(0, 0)
        .code(500, 5, "")
        .until(1_000);
    assert_eq!(
        play.text(),
        "the connection open for `close` | closed with code 5 500 ms before"
    );
}

#[test]
fn a_write_in_pieces_that_is_cut_short_is_passed_over() {
    let mut play = connected(json!([
        { "write": { "stream": "a", "hex": "01 02", "pieces": [1], "apart": "1s" } },
        { "expect_close": { "code": [5], "within": "1s" } },
    ]));
    play.code(500, 5, "");
    assert_eq!(play.written(0), [(0, vec![1])]);
    play.passes();
}

#[test]
fn everything_is_hung_up_at_the_end() {
    let mut play = client(json!([
        { "accept": { "within": "1s" } },
        { "expect_alive": { "for": "1s" } },
    ]));
    play.asked(0, 0).connected(0, 0).asked(500, 1).until(1_000);
    play.passes();
    let close = Output::Close {
        connection: MAIN,
        code: 0,
        reason: String::new(),
    };
    let refuse = Output::Refuse(ConnectionNumber(1));
    assert_eq!(play.outputs[1..], [(1_000, refuse), (1_000, close)]);
    play.asked(1_100, 2);
    assert_eq!(last(&play), &Output::Refuse(ConnectionNumber(2)));
}

#[test]
fn a_restart_is_asked_for_once_and_waited_for() {
    let mut play = connected(json!([
        { "restart_iut": { "kill": true } },
        { "expect_close": { "or": ["stateless_reset"], "within": "1s" } },
    ]));
    assert_eq!(play.script.execution.take_restart(), Some(true));
    assert_eq!(play.script.execution.take_restart(), None);
    play.until(5_000);
    play.goes_on();
    play.script.restarted(play.now);
    play.closed(6_000, 0, Closing::Reset);
    play.passes();
}

#[test]
fn a_restart_that_does_not_come_is_the_harness_s_fault() {
    let mut play = connected(json!([{ "restart_iut": {} }, quiet()]));
    play.until(30 * 60_000);
    let outcome = play.script.execution.outcome.as_ref();
    assert!(
        matches!(outcome, Some(ScriptOutcome::Error { .. })),
        "{outcome:?}"
    );
}
