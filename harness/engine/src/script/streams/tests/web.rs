//! Two scripted peers that talk over HTTP/3.

use std::sync::LazyLock;

use rstest::rstest;
use shakedown_protocol::{Transport, darktower, proton};

use super::*;

/// The messages of darktower with what proton has else.
static PROTOCOL: LazyLock<Protocol> = LazyLock::new(|| Protocol {
    transport: Some(Transport {
        alpn: "h3",
        web: true,
        datagrams: true,
        ..proton::TRANSPORT
    }),
    vocabulary: &darktower::VOCABULARY,
    stream_decoders: Some(darktower::STREAM_DECODERS),
    values: darktower::PROTOCOL.values,
    ..proton::PROTOCOL
});

/// A scripted client and a scripted server, one connection between them.
struct Pair {
    client: Play,
    server: Play,
}

impl Pair {
    /// Plays both until nothing happens within 10 s.
    fn play(client: Value, server: Value) -> Self {
        let mut pair = Self {
            client: Play::of(&PROTOCOL, "server", client),
            server: Play::of(&PROTOCOL, "client", server),
        };
        pair.server.asked(1, 0);
        pair.server.connected(2, 0);
        pair.client.connected(2, 0);
        let (mut said, mut heard) = (0, 0);
        for millis in 3..10_000 {
            said = carry(&pair.client, &mut pair.server, said, millis);
            heard = carry(&pair.server, &mut pair.client, heard, millis);
            pair.client.until(millis);
            pair.server.until(millis);
        }
        pair
    }

    #[track_caller]
    fn passes(&self) {
        self.client.passes();
        self.server.passes();
    }
}

/// What one wanted of the transport since then happens to the other.
fn carry(from: &Play, to: &mut Play, since: usize, millis: u64) -> usize {
    for (_, output) in &from.outputs[since..] {
        let (stream, what) = match output {
            Output::Open(_, stream) => (stream, StreamUpdate::Opened),
            Output::Write(_, stream, bytes) => (stream, StreamUpdate::Bytes(bytes)),
            Output::Fin(_, stream) => (stream, StreamUpdate::Fin),
            Output::Reset(_, stream, code) => (stream, StreamUpdate::Reset(*code)),
            Output::StopSending(_, stream, code) => (stream, StreamUpdate::Stopped(*code)),
            Output::Datagram(connection, bytes) => {
                let connection = *connection;
                to.gets(millis, Input::Datagram { connection, bytes });
                continue;
            }
            Output::Close { code, reason, .. } => {
                to.code(millis, *code, reason);
                continue;
            }
            _ => continue,
        };
        to.on(millis, 0, stream.0, what);
    }
    from.outputs.len()
}

/// Steps behind a connection.
fn connected(first: Value, steps: Value) -> Value {
    let (Value::Array(mut all), Value::Array(steps)) = (first, steps) else {
        panic!("steps are lists");
    };
    all.extend(steps);
    Value::Array(all)
}

fn client(steps: Value) -> Value {
    let first = json!([{ "connect": {} }, { "expect_connected": { "within": "1s" } }]);
    connected(first, steps)
}

fn server(steps: Value) -> Value {
    connected(json!([{ "accept": { "within": "1s" } }]), steps)
}

/// Those that have a session, on both sides.
fn with_session(asks: Value, answers: Value) -> Pair {
    let first = json!([
        { "open_session": { "session": "s" } },
        { "expect_session": { "session": "s", "within": "1s" } },
    ]);
    let takes = json!([{ "accept_session": { "session": "s", "path": "/wt", "within": "1s" } }]);
    Pair::play(
        client(connected(first, asks)),
        server(connected(takes, answers)),
    )
}

#[test]
fn a_request_is_answered_with_what_it_said() {
    let pair = Pair::play(
        client(json!([
            { "request": { "request": "r", "path": { "join": ["/a/", 7] }, "fields": [["x-b", "c"]] } },
            { "expect_response": {
                "request": "r", "status": 200, "within": "1s",
                "fields": { "content-type": "application/json" },
                "body": { "in": { "at_least": 2 } }, "bind": { "out": "/body/out/0" }
            } },
            { "request": { "request": "q", "path": "$out" } },
            { "expect_response": { "request": "q", "status": { "any_of": [403, 404] }, "within": "1s" } },
        ])),
        server(json!([
            { "expect_request": {
                "request": "r", "method": "GET", "path": "/a/7", "fields": { "x-b": "c" }, "within": "1s"
            } },
            { "respond": {
                "request": "r", "status": 200, "fields": [["content-type", "application/json"]],
                "body": { "in": 3, "out": ["/b"] }
            } },
            { "expect_request": { "request": "q", "path": "/b", "within": "1s" } },
            { "respond": { "request": "q", "status": 404 } },
        ])),
    );
    pair.passes();
}

#[test]
fn an_answer_with_another_status_fails_with_what_came() {
    let pair = Pair::play(
        client(json!([
            { "request": { "request": "r", "path": "/" } },
            { "expect_response": { "request": "r", "status": 200, "within": "1s" } },
        ])),
        server(json!([
            { "expect_request": { "request": "r", "within": "1s" } },
            { "respond": { "request": "r", "status": 404, "body": "none" } },
        ])),
    );
    let text = pair.client.text();
    assert!(
        text.starts_with("an answer to `r` with status 200 within"),
        "{text}"
    );
    assert!(
        text.contains(r#""status":404"#) && text.contains(r#""body":"none""#),
        "{text}"
    );
}

#[test]
fn messages_of_a_session_are_matched_in_depth_and_remembered() {
    let pair = with_session(
        json!([
            { "open": { "stream": "a", "session": "s" } },
            { "write": { "stream": "a", "pieces": [1, 3, 2], "frame": "JoinRequest", "fields": {
                "meeting_id": "m", "capabilities": { "max_video_streams": 2, "video_codecs": ["h264"] }
            } } },
            { "expect_message": { "stream": "a", "frame": "JoinResponse", "within": "1s", "fields": {
                "media_server": { "connection_token": { "empty": false } },
                "existing_participants": [{ "name": { "not": "" } }]
            }, "bind": { "me": "/participant_id" } } },
            { "write": { "stream": "a", "frame": "SubscribeStream", "fields": { "stream_id": "$me" } } },
        ]),
        json!([
            { "expect_stream": { "stream": "b", "within": "1s" } },
            { "expect_message": { "stream": "b", "frame": "JoinRequest", "within": "1s", "fields": {
                "meeting_id": "m", "capabilities": { "max_video_streams": { "at_least": 2 } }
            } } },
            { "write": { "stream": "b", "frame": "ParticipantLeft", "fields": { "participant_id": "x" } } },
            { "write": { "stream": "b", "frame": "JoinResponse", "fields": {
                "participant_id": "p", "media_server": { "connection_token": "t" },
                "existing_participants": [{ "name": "n" }]
            } } },
            { "expect_message": { "stream": "b", "frame": "SubscribeStream", "within": "1s",
                "fields": { "stream_id": "p" } } },
        ]),
    );
    let text = pair.client.text();
    assert!(
        text.contains("JoinResponse") && text.contains("ParticipantLeft"),
        "{text}"
    );
}

#[test]
fn where_a_token_is_refused_the_secret_is_doubted() {
    for (code, is_doubted) in [("UNAUTHORIZED", true), ("NOT_FOUND", false)] {
        let pair = with_session(
            json!([
                { "open": { "stream": "a", "session": "s" } },
                { "write": { "stream": "a", "frame": "JoinRequest", "fields": { "join_token": "$secret" } } },
                { "expect_message": { "stream": "a", "frame": "JoinResponse", "within": "1s" } },
            ]),
            json!([
                { "expect_stream": { "stream": "b", "within": "1s" } },
                { "write": { "stream": "b", "frame": "ErrorMessage", "fields": { "code": code } } },
            ]),
        );
        let text = pair.client.text();
        let doubt = "(is this right in [values] of the description: `secret`, the secret by which";
        assert_eq!(text.contains(doubt), is_doubted, "{text}");
    }
}

#[rstest]
#[case::the_one_that_was_asked_for("$media_path", 404, Some("media_path"))]
#[case::one_that_is_written_out("/media", 404, None)]
#[case::another_reason("$media_path", 500, None)]
fn where_a_session_is_refused_its_path_is_doubted(
    #[case] path: &str,
    #[case] status: u16,
    #[case] doubted: Option<&str>,
) {
    let pair = Pair::play(
        client(json!([
            { "open_session": { "session": "s", "path": path } },
            { "expect_session": { "session": "s", "within": "1s" } },
        ])),
        server(json!([
            { "accept_session": { "session": "s", "refuse": status, "within": "1s" } },
        ])),
    );
    let text = pair.client.text();
    for name in ["signaling_path", "media_path"] {
        assert_eq!(text.contains(name), doubted == Some(name), "{text}");
    }
    assert!(text.contains(&format!("status {status}")), "{text}");
}

#[test]
fn a_message_that_is_let_pass_hinders_none() {
    let pair = with_session(
        json!([
            { "open": { "stream": "a", "session": "s" } },
            { "write": { "stream": "a", "frame": "JoinRequest" } },
            { "expect_message": { "stream": "a", "frame": "JoinResponse", "ignore": ["ParticipantLeft"],
                "within": "1s", "bind": { "me": "/participant_id" } } },
            { "write": { "stream": "a", "frame": "SubscribeStream", "fields": { "stream_id": "$me" } } },
        ]),
        json!([
            { "expect_stream": { "stream": "b", "within": "1s" } },
            { "expect_message": { "stream": "b", "frame": "JoinRequest", "within": "1s" } },
            { "write": { "stream": "b", "frame": "ParticipantLeft" } },
            { "write": { "stream": "b", "frame": "JoinResponse", "fields": { "participant_id": "p" } } },
            { "expect_message": { "stream": "b", "frame": "SubscribeStream", "within": "1s",
                "fields": { "stream_id": "p" } } },
        ]),
    );
    pair.passes();
}

#[rstest]
#[case(json!({ "code": 2 }), true)]
#[case(json!({ "code": 3 }), false)]
#[case(json!({}), false)]
fn a_stream_that_is_broken_off_tells_its_code_of_the_session(
    #[case] wanted: Value,
    #[case] passes: bool,
) {
    let mut end = json!({ "stream": "a", "within": "1s" });
    end.as_object_mut()
        .unwrap()
        .extend(wanted.as_object().unwrap().clone());
    let pair = with_session(
        json!([
            { "open": { "stream": "a", "session": "s" } },
            { "write": { "stream": "a", "hex": "00" } },
            { "expect_stream_end": end },
        ]),
        json!([
            { "expect_stream": { "stream": "b", "within": "1s" } },
            { "reset": { "stream": "b", "code": 2 } },
            { "expect_alive": { "for": "3s" } },
        ]),
    );
    match passes {
        true => pair.client.passes(),
        false => assert!(
            pair.client.text().contains("code 2"),
            "{}",
            pair.client.text()
        ),
    }
}

#[test]
fn datagrams_and_the_end_of_a_session_are_told() {
    let id = "00000000-0000-4000-8000-000000000001";
    let pair = with_session(
        json!([
            { "send_datagram": { "session": "s", "frame": "MediaAuth",
                "fields": { "connection_token": "t" } } },
            { "expect_datagram": { "session": "s", "frame": "FRAME", "within": "1s",
                "fields": { "sequence_number": 4 } } },
            { "expect_session_end": { "session": "s", "code": 9, "within": "1s" } },
        ]),
        json!([
            { "expect_datagram": { "session": "s", "frame": "MediaAuth", "within": "1s",
                "fields": { "connection_token": "t" } } },
            { "send_datagram": { "session": "s", "frame": "FRAME", "fields": {
                "stream_id": id, "sequence_number": 4, "payload": { "hex": "0102" }
            } } },
            { "close_session": { "session": "s", "code": 9, "reason": "enough" } },
        ]),
    );
    pair.passes();
}

#[test]
fn unknown_capsules_are_passed_over_and_one_in_two_pieces_closes_the_session() {
    let pair = with_session(
        json!([{ "expect_session_end": { "session": "s", "code": 7, "within": "1s" } }]),
        json!([
            { "send_capsule": { "session": "s", "type": "DRAIN_WEBTRANSPORT_SESSION" } },
            { "send_capsule": { "session": "s", "type": "0x17", "hex": "01" } },
            { "send_capsule": {
                "session": "s", "type": "CLOSE_WEBTRANSPORT_SESSION", "hex": "0000", "length": 4
            } },
            { "send_capsule": { "session": "s", "hex": "0007" } },
            { "wait": { "for": "500ms" } },
        ]),
    );
    pair.passes();
}

#[test]
fn a_session_that_is_refused_tells_its_status() {
    let pair = Pair::play(
        client(json!([
            { "open_session": { "session": "s", "path": "/other" } },
            { "expect_session": { "session": "s", "refused": 404, "within": "1s" } },
        ])),
        server(json!([
            { "accept_session": { "session": "s", "refuse": 404, "within": "1s" } },
            { "expect_alive": { "for": "1s" } },
        ])),
    );
    pair.client.passes();
}

#[test]
fn a_peer_that_breaks_http_3_is_told_and_its_connection_closed() {
    let pair = Pair::play(
        connected(
            json!([{ "connect": { "http3": false } }, { "expect_connected": { "within": "1s" } }]),
            json!([
                { "open": { "stream": "control", "unidirectional": true } },
                { "write": { "stream": "control", "hex": "00 0700" } },
                { "expect_close": { "code": [0x10a], "within": "1s" } },
            ]),
        ),
        server(json!([{ "accept_session": { "session": "s", "within": "1s" } }])),
    );
    pair.client.passes();
    let text = pair.server.text();
    assert!(text.contains("H3_MISSING_SETTINGS"), "{text}");
}

#[test]
fn settings_of_a_scenario_are_those_that_are_sent() {
    let pair = Pair::play(
        client(json!([
            { "open_session": { "session": "s" } },
            { "expect_session": { "session": "s", "within": "1s" } },
        ])),
        connected(
            json!([{ "accept": { "http3": { "enable_webtransport": 0, "0x21": 7 }, "within": "1s" } }]),
            json!([{ "expect_alive": { "for": "1s" } }]),
        ),
    );
    assert!(
        pair.client
            .text()
            .contains("settings that offer no sessions"),
        "{}",
        pair.client.text()
    );
}
