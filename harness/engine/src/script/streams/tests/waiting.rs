use super::*;

/// Steps after a client's connection, which is there at 0.
fn accepted(steps: Value) -> Play {
    let mut all = vec![json!({ "accept": { "within": "1s" } })];
    all.extend(steps.as_array().unwrap().iter().cloned());
    let mut play = client(Value::from(all));
    play.asked(0, 0).connected(0, 0);
    play
}

#[test]
fn a_handshake_that_fails_or_does_not_come_fails_its_step() {
    let steps = json!([{ "connect": {} }, { "expect_connected": { "within": "1s" } }]);
    let mut play = server(steps.clone());
    let reason = b"no application protocol";
    play.closed(
        10,
        0,
        Closing::Transport {
            code: 0x178,
            reason,
        },
    );
    assert_eq!(
        play.text(),
        "the handshake of the connection done within 1.3 s (tolerance added) | closed with TLS \
         alert 120 (QUIC 0x178) (\"no application protocol\"), before its handshake was done \
         after 10 ms"
    );
    let mut play = server(steps);
    play.until(1_300);
    assert_eq!(
        play.text(),
        "the handshake of the connection done within 1.3 s (tolerance added) | nothing"
    );
}

#[test]
fn a_client_that_asks_too_early_or_not_at_all_fails() {
    let steps = json!([{ "accept": { "after": "10s", "within": "12s" } }]);
    let mut play = client(steps.clone());
    // 10 s, less a quarter and 50 ms.
    play.asked(7_449, 0);
    assert_eq!(
        play.text(),
        "a connection of the implementation not before 7.45 s (tolerance taken off) after the \
         step before | that after 7.449 s"
    );
    let mut play = client(steps.clone());
    play.asked(7_450, 0).connected(7_500, 0);
    play.passes();
    let mut play = client(steps);
    play.until(15_050);
    assert_eq!(
        play.text(),
        "a connection of the implementation within 15.05 s (tolerance added) | nothing"
    );
}

#[test]
fn a_client_may_ask_before_the_step_begins() {
    let mut play = client(json!([
        { "wait": { "for": "1s" } },
        { "accept": { "within": "1s" } },
    ]));
    play.asked(500, 0);
    assert_eq!(play.outputs, []);
    play.until(1_000);
    assert_eq!(
        play.outputs,
        [(
            1_000,
            Output::AdmitBy(ConnectionNumber(0), Faults::default())
        )]
    );
    play.connected(1_010, 0);
    play.passes();
}

#[test]
fn a_connection_whose_handshake_fails_makes_room_for_the_next() {
    let steps = json!([{ "accept": { "within": "1s" } }, { "expect_alive": { "for": "1s" } }]);
    let mut play = client(steps.clone());
    play.asked(0, 0).closed(100, 0, Closing::TimedOut);
    play.asked(200, 1).connected(210, 1).until(1_210);
    play.passes();
    let mut play = client(steps);
    play.asked(0, 0)
        .closed(100, 0, Closing::TimedOut)
        .until(1_300);
    assert_eq!(
        play.text(),
        "a connection of the implementation within 1.3 s (tolerance added) | a connection that \
         was lost by silence (idle timeout), before its handshake was done"
    );
}

#[test]
fn a_refused_connection_does_not_come_to_be() {
    let mut play = client(json!([
        { "accept": { "refuse": true, "within": "1s" } },
        { "accept": { "within": "1s" } },
    ]));
    play.asked(0, 0).asked(100, 1).connected(110, 1);
    let answers = [
        (0, Output::Refuse(ConnectionNumber(0))),
        (100, Output::AdmitBy(ConnectionNumber(1), Faults::default())),
    ];
    assert_eq!(play.outputs[..2], answers);
    play.passes();
}

#[test]
fn a_stream_is_found_by_how_it_begins() {
    let mut play = accepted(json!([
        { "expect_stream": { "stream": "b", "starts_with": "02 03", "within": "1s" } },
        { "expect_stream": { "stream": "a", "within": "1s" } },
        { "read": { "stream": "a", "hex": "01", "within": "1s" } },
        { "read": { "stream": "b", "hex": "04", "within": "1s" } },
        { "write": { "stream": "b", "hex": "05" } },
        { "expect_alive": { "for": "1s" } },
    ]));
    play.on(10, 0, 0, StreamUpdate::Opened)
        .bytes(10, 0, &[1])
        .on(20, 0, 4, StreamUpdate::Opened)
        .bytes(20, 4, &[2]);
    assert_eq!(play.script.execution.events.len(), 1);
    play.bytes(30, 4, &[3, 4]);
    assert_eq!(play.written(4), [(30, vec![5])]);
}

#[test]
fn a_stream_that_does_not_come_fails_with_those_that_did() {
    let mut play = accepted(json!([
        { "expect_stream": { "stream": "a", "starts_with": "01", "within": "1s" } },
    ]));
    play.on(10, 0, 0, StreamUpdate::Opened)
        .on(20, 0, 4, StreamUpdate::Opened)
        .bytes(20, 4, &[2])
        .until(1_300);
    assert_eq!(
        play.text(),
        "a stream that begins with 01 on the connection within 1.3 s (tolerance added) | \
         a stream without bytes, a stream that begins with 02"
    );
}

#[test]
fn a_stream_that_cannot_come_any_more_fails_at_once() {
    let mut play = accepted(json!([
        { "expect_stream": { "stream": "a", "within": "1s" } },
    ]));
    play.code(100, 3, "");
    assert_eq!(
        play.text(),
        "a stream on the connection within 1.3 s (tolerance added) | nothing, and the connection \
         was closed with code 3 after 100 ms"
    );
}

/// Steps on a stream of a client that is there at 0.
fn on_stream(steps: Value) -> Play {
    let mut all = vec![json!({ "expect_stream": { "stream": "a", "within": "1s" } })];
    all.extend(steps.as_array().unwrap().iter().cloned());
    let mut play = accepted(Value::from(all));
    play.on(0, 0, 0, StreamUpdate::Opened);
    play
}

#[test]
fn bytes_that_differ_fail_with_both_and_their_place() {
    let mut play = on_stream(json!([
        { "read": { "stream": "a", "hex": "01", "within": "1s" } },
        { "read": { "stream": "a", "hex": "02 03 04", "within": "1s" } },
    ]));
    play.bytes(100, 0, &[1, 2]).bytes(200, 0, &[5, 6]);
    assert_eq!(
        play.text(),
        "03 04 at offset 2 of `a` within 1.3 s (tolerance added) | 05 06 at offset 2 of `a` after \
         100 ms"
    );
}

#[test]
fn numbers_that_differ_fail_with_both_and_their_place() {
    let mut play = on_stream(json!([
        { "read": { "stream": "a", "u32": [7, { "at_least": 10 }], "within": "1s" } },
    ]));
    play.bytes(100, 0, &[7, 0, 0, 0, 9, 0, 0, 0]);
    assert_eq!(
        play.text(),
        "at least 10 at offset 4 of `a` within 1.3 s (tolerance added) | 9 (09 00 00 00) at \
         offset 4 of `a` after 100 ms"
    );
}

#[test]
fn numbers_are_compared_by_matchers_and_remembered() {
    let mut play = on_stream(json!([
        { "read": { "stream": "a", "u32": [{ "any_of": [1, 2] }, { "present": true }],
            "times": 2, "bind": { "x": 1 }, "within": "1s" } },
        { "read": { "stream": "a", "u32": [{ "sum": ["$x", 1] }], "within": "1s" } },
    ]));
    play.bytes(0, 0, &[1, 0, 0, 0, 5, 0, 0, 0])
        .bytes(10, 0, &[2, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0]);
    play.passes();
    assert_eq!(json!(play.script.context.bindings.all()), json!({ "x": 6 }));
}

#[test]
fn what_comes_only_in_part_fails_with_the_part() {
    let steps = json!([{ "read": { "stream": "a", "u32": [7, 8], "within": "1s" } }]);
    let mut play = on_stream(steps.clone());
    play.bytes(100, 0, &[7, 0, 0, 0, 8, 0]).until(1_300);
    let expected = "7 (07 00 00 00), 8 (08 00 00 00) on `a` within 1.3 s (tolerance added)";
    let part = "only 6 of 8 bytes from offset 0 on, the last of them 08 00";
    assert_eq!(play.text(), format!("{expected} | {part}"));
    let mut play = on_stream(steps.clone());
    play.bytes(100, 0, &[7, 0, 0, 0, 8, 0])
        .on(200, 0, 0, StreamUpdate::Fin);
    let got = format!("{part}, and `a` ended (FIN) after 200 ms");
    assert_eq!(play.text(), format!("{expected} | {got}"));
    let mut play = on_stream(steps);
    play.on(200, 0, 0, StreamUpdate::Reset(3));
    let got = "nothing, and `a` broken off (RESET_STREAM) with code 3 after 200 ms";
    assert_eq!(play.text(), format!("{expected} | {got}"));
}

#[test]
fn a_read_takes_what_came_before_the_end() {
    let mut play = on_stream(json!([
        { "wait": { "for": "1s" } },
        { "read": { "stream": "a", "u32": [7], "within": "1s" } },
    ]));
    play.bytes(100, 0, &[7, 0, 0, 0])
        .code(200, 0, "")
        .until(1_000);
    play.passes();
}

#[test]
fn a_read_that_needs_more_than_came_before_the_end_fails_with_the_end() {
    let mut play = on_stream(json!([
        { "wait": { "for": "1s" } },
        { "read": { "stream": "a", "u32": [7], "within": "1s" } },
    ]));
    play.code(200, 0, "").until(1_000);
    assert_eq!(
        play.text(),
        "7 (07 00 00 00) on `a` within 1.3 s (tolerance added) | nothing, and the connection was \
         closed with code 0 800 ms before this step began"
    );
}

#[test]
fn bytes_that_come_too_late_or_too_early_fail() {
    let steps = json!([{ "read": { "stream": "a", "u32": [7], "after": "1s", "within": "2s" } }]);
    let mut play = on_stream(steps.clone());
    play.bytes(699, 0, &[7, 0, 0, 0]);
    assert_eq!(
        play.text(),
        "7 (07 00 00 00) on `a` not before 700 ms (tolerance taken off) after the step before | \
         that after 699 ms"
    );
    let mut play = on_stream(steps.clone());
    play.bytes(700, 0, &[7, 0, 0, 0]);
    play.passes();
    // The driver wakes up late and has both.
    let mut play = on_stream(steps);
    let input = Input::Stream {
        connection: ConnectionNumber(0),
        stream: StreamId(0),
        what: StreamUpdate::Bytes(&[7, 0, 0, 0]),
    };
    play.now = Duration::from_secs(3);
    play.script.handle(play.now, input);
    assert_eq!(
        play.text(),
        "7 (07 00 00 00) on `a` within 2.55 s (tolerance added) | that only after 3 s"
    );
}

#[test]
fn a_stream_that_nobody_reads_is_held_back_until_a_step_wants_it() {
    let mut play = on_stream(json!([
        { "wait": { "for": "1s" } },
        { "read": { "stream": "a", "hex": "00", "times": 400_000, "within": "1s" } },
    ]));
    let chunk = vec![0; 100_000];
    let reads = |play: &Play| play.script.reads(ConnectionNumber(0), StreamId(0));
    play.bytes(0, 0, &chunk).bytes(0, 0, &chunk);
    assert!(reads(&play));
    play.bytes(0, 0, &chunk);
    assert!(!reads(&play));
    play.until(1_000);
    assert!(reads(&play));
    play.bytes(1_001, 0, &chunk);
    play.passes();
}

#[test]
fn silence_lasts_exactly_as_long_as_it_is_wanted() {
    for (step, what) in [
        (json!({ "for": "1s" }), "the connection"),
        (json!({ "for": "1s", "stream": "a" }), "`a`"),
    ] {
        let steps = json!([{ "expect_quiet": step }]);
        let mut play = on_stream(steps.clone());
        play.bytes(999, 0, &[1]);
        let got = "DISCRIMINATOR {\"kind\":\"Event\"} at offset 0 after 999 ms";
        assert_eq!(play.text(), format!("nothing on {what} for 1 s | {got}"));
        let mut play = on_stream(steps);
        play.bytes(1_000, 0, &[1]);
        play.passes();
    }
}

#[test]
fn what_breaks_the_silence_of_a_connection() {
    let steps = json!([{ "expect_quiet": { "for": "1s" } }]);
    let got = |play: &Play| play.fails().got.clone();
    let mut play = on_stream(steps.clone());
    play.on(10, 0, 4, StreamUpdate::Opened);
    assert_eq!(got(&play), "a stream after 10 ms");
    let mut play = on_stream(steps.clone());
    play.on(10, 0, 0, StreamUpdate::Fin);
    assert_eq!(got(&play), "a stream ended (FIN) after 10 ms");
    let mut play = on_stream(steps.clone());
    play.on(10, 0, 0, StreamUpdate::Stopped(2));
    let stopped = "a stream of which no more is wanted (STOP_SENDING, code 2) after 10 ms";
    assert_eq!(got(&play), stopped);
    let mut play = on_stream(steps.clone());
    let connection = ConnectionNumber(0);
    let bytes = &[1, 2];
    play.gets(10, Input::Datagram { connection, bytes });
    assert_eq!(got(&play), "a datagram of 2 bytes after 10 ms");
    let mut play = on_stream(steps);
    play.code(10, 0, "");
    assert_eq!(got(&play), "closed with code 0 after 10 ms");
}

#[test]
fn the_silence_of_a_stream_is_not_broken_by_others() {
    let mut play = on_stream(json!([{ "expect_quiet": { "for": "1s", "stream": "a" } }]));
    play.on(10, 0, 4, StreamUpdate::Opened)
        .bytes(10, 4, &[1])
        .until(1_000);
    play.passes();
}

#[test]
fn bytes_that_no_step_took_break_a_later_silence() {
    let mut play = on_stream(json!([
        { "wait": { "for": "1s" } },
        { "expect_quiet": { "for": "1s", "stream": "a" } },
    ]));
    play.bytes(10, 0, &[1]).until(1_000);
    let got = "DISCRIMINATOR {\"kind\":\"Event\"} at offset 0, before this step began";
    assert_eq!(play.fails().got, got);
}

#[test]
fn an_end_of_a_stream_that_came_before_breaks_no_silence() {
    let mut play = on_stream(json!([
        { "wait": { "for": "1s" } },
        { "expect_quiet": { "for": "1s" } },
    ]));
    play.on(10, 0, 0, StreamUpdate::Fin).until(2_000);
    play.passes();
}

#[test]
fn a_connection_that_must_live_may_say_anything() {
    let steps = json!([{ "expect_alive": { "for": "1s" } }]);
    let mut play = on_stream(steps.clone());
    play.bytes(10, 0, &[1]).until(1_000);
    play.passes();
    let mut play = on_stream(steps);
    play.closed(999, 0, Closing::TimedOut);
    assert_eq!(
        play.text(),
        "the connection to live for 1 s | lost by silence (idle timeout) after 999 ms"
    );
}

#[test]
fn what_comes_exactly_at_the_end_of_the_window_is_in_time() {
    let mut play = accepted(json!([{ "expect_close": { "code": [0], "within": "1s" } }]));
    play.code(1_300, 0, "");
    play.passes();
}
