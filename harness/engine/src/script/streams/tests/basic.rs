use super::*;

#[test]
fn a_conversation_with_a_server_passes() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
        { "open": { "stream": "events" } },
        { "write": { "stream": "events", "hex": "01" } },
        { "write": { "stream": "events", "u32": [7, 8] } },
        { "read": { "stream": "events", "u32": [7, 8], "within": "1s" } },
        { "close": { "code": 0 } },
    ]));
    play.connected(10, 0);
    assert_eq!(
        play.written(0),
        [(10, vec![1]), (10, vec![7, 0, 0, 0, 8, 0, 0, 0])]
    );
    play.bytes(20, 0, &[7, 0, 0]).bytes(30, 0, &[0, 8, 0, 0, 0]);
    play.passes();
}

#[test]
fn a_conversation_with_a_client_passes() {
    let mut play = client(json!([
        { "accept": { "within": "1s" } },
        { "expect_stream": { "stream": "events", "starts_with": "01", "within": "1s" } },
        { "read": { "stream": "events", "u32": [{ "present": true }], "bind": { "id": 0 }, "within": "1s" } },
        { "write": { "stream": "events", "u32": ["$id"] } },
        { "expect_close": { "code": [0], "within": "1s" } },
    ]));
    play.asked(10, 0);
    assert_eq!(
        play.outputs,
        [(10, Output::AdmitBy(ConnectionNumber(0), Faults::default()))]
    );
    play.connected(20, 0)
        .on(30, 0, 0, StreamUpdate::Opened)
        .bytes(40, 0, &[1, 9, 0, 0, 0]);
    assert_eq!(play.written(0), [(40, vec![9, 0, 0, 0])]);
    play.code(50, 0, "");
    play.passes();
}

#[test]
fn a_close_with_another_code_fails_with_both() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
        { "expect_close": { "code": [5], "within": "1s", "requirement": "PR-E-01" } },
    ]));
    play.connected(10, 0).code(1_010, 3, "set-up timeout");
    assert_eq!(
        play.text(),
        "the connection closed with code 5 within 1.3 s (tolerance added) | \
         closed with code 3 (\"set-up timeout\") after 1 s"
    );
    assert_eq!(play.fails().requirement, "PR-E-01");
}

#[test]
fn a_read_of_which_nothing_comes_fails_at_the_end_of_its_window() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
        { "open": { "stream": "events" } },
        { "read": { "stream": "events", "u32": [7], "within": "1s" } },
    ]));
    play.connected(0, 0).until(1_299);
    play.goes_on();
    play.until(1_300);
    assert_eq!(
        play.text(),
        "7 (07 00 00 00) on `events` within 1.3 s (tolerance added) | nothing"
    );
}

#[test]
fn the_end_of_the_process_is_seen_whenever_it_comes() {
    let mut play = client(json!([
        { "accept": { "within": "1s" } },
        { "expect_exit": { "status": "success", "within": "1s" } },
    ]));
    play.asked(0, 0).connected(10, 0).exits(500, Some(0));
    play.passes();
}

#[test]
fn a_stop_leaves_nothing_judged() {
    let mut play = server(json!([
        { "connect": {} },
        { "expect_connected": { "within": "1s" } },
    ]));
    play.gets(10, Input::Stop);
    assert_eq!(play.inconclusive(), "it was stopped");
}
