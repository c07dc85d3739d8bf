use rstest::rstest;
use serde_json::json;
use shakedown_wire::quic::{EventKind, Unreadable, UnreadableReason};

use super::rig::{Rig, emit, headers, join, supervised};
use crate::MonitorSettings;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

fn leave() -> Vec<u8> {
    emit("UnsubscribeStream", &json!({ "stream_id": "a" }))
}

#[rstest]
#[case(usize::MAX)]
#[case(1)]
fn a_session_that_begins_with_a_join_keeps_the_rules(#[case] piece: usize) {
    let rig = Rig::session().cut(piece).opens_in(4, Client, &join());
    let answer = emit("JoinResponse", &json!({ "participant_id": "p" }));
    let told = rig.bytes(4, Server, &answer).closes(Client, 0).end();
    told.keeps(&[("DT-S-01", Client), ("DT-S-03", Client)]);
    assert_eq!(told.mode(), Some("mc"));
    assert_eq!(told.sessions[0].frames, 2);
}

#[test]
fn another_first_message_is_told() {
    let told = Rig::session().opens_in(4, Client, &leave()).end();
    told.broke(&[("DT-S-03", Client)]);
    assert_eq!(told.items, ["JoinRequest first UnsubscribeStream"]);
    let late = [leave(), join()].concat();
    let told = Rig::session().opens_in(4, Client, &late).end();
    told.broke(&[("DT-S-03", Client)]);
}

#[test]
fn what_is_no_message_is_not_the_first_one_where_signaling_is_known() {
    let refusal = emit("ErrorMessage", &json!({ "code": "INVALID_REQUEST" }));
    let garbage = || Rig::session().opens_in(4, Client, &[0, 0, 0, 0]);
    let told = garbage().bytes(4, Server, &refusal).end();
    told.broke(&[("DT-S-03", Client)]);
    // Of another application that speaks WebTransport nothing is known.
    let told = garbage().end();
    assert_eq!((told.findings.len(), told.sessions.len()), (0, 0));
    let settings = MonitorSettings {
        mode: Some("mc".to_owned()),
        ..MonitorSettings::default()
    };
    let rig = Rig::with_session(&settings);
    let told = rig.opens_in(4, Client, &[0, 0, 0, 0]).end();
    told.broke(&[("DT-S-03", Client)]);
}

/// A request for a session as aioquic makes it for the second time.
#[test]
fn a_session_is_known_that_is_asked_for_by_a_dynamic_table() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let settings = bytes("0004100150000710080121013301ab60374201");
    let instructions =
        bytes("023fe11f67b95d8749c87a3f89f058d360ea4567b13fc08aa0e41d139d09b8d34cb3c1032f7774");
    let rig = Rig::new().connected(1 << 20, 10 << 20);
    let rig = rig
        .opens(7, Server, &settings)
        .opens(10, Client, &instructions);
    let rig = rig.opens(0, Client, &bytes("01070482cf10d71112"));
    let refused = rig.answers(0, "404").later(5);
    let told = refused.opens_in(4, Client, &join()).end();
    told.broke(&[("DT-S-01", Client)]);
}

#[test]
fn the_first_message_is_not_known_where_bytes_are_missing() {
    let rig = Rig::session().opens_in(4, Client, &[]).lacks(4, Client);
    rig.opens_in(8, Client, &leave()).end().broke(&[]);
}

#[test]
fn a_stream_of_a_session_that_was_not_asked_for_is_told() {
    let rig = Rig::new().connected(1, 1).opens_in(4, Client, &join());
    rig.end().broke(&[("DT-S-01", Client)]);
    let get = headers(&[(":method", "GET"), (":path", "/x")]);
    let rig = Rig::new().connected(1, 1).opens(0, Client, &get);
    let rig = rig.answers(0, "200").opens_in(4, Client, &join());
    rig.end().broke(&[("DT-S-01", Client)]);
    let rig = Rig::session().opens_of(3, 4, Client, &join());
    rig.end().broke(&[("DT-S-01", Client)]);
}

#[test]
fn a_stream_may_come_in_a_flight_with_its_session_and_not_before() {
    let rig = Rig::new()
        .connected(1, 1)
        .asks(0)
        .opens_in(4, Client, &join());
    rig.answers(0, "200").end().keeps(&[("DT-S-01", Client)]);
    let early = || Rig::new().connected(1, 1).opens_in(4, Client, &join());
    let told = early().asks(0).answers(0, "200").end();
    told.broke(&[("DT-S-01", Client)]);
    // The capture has the packets in another order.
    let told = early().renumbered(Client, 2, 0).asks(0);
    told.answers(0, "200").end().keeps(&[("DT-S-01", Client)]);
    early().with_gaps().asks(0).end().doubts(&["DT-S-01"]);
}

#[test]
fn a_server_opens_streams_of_a_session_that_it_took() {
    let joined = || {
        Rig::new()
            .connected(1, 1)
            .asks(0)
            .opens_in(4, Client, &join())
    };
    let left = emit("ParticipantLeft", &json!({}));
    let told = joined().answers(0, "200").opens_in(1, Server, &left).end();
    told.keeps(&[("DT-S-01", Server)]);
    let told = joined().opens_in(1, Server, &left).answers(0, "200").end();
    told.broke(&[("DT-S-01", Server)]);
    let told = joined().opens_in(1, Server, &left).end();
    told.broke(&[("DT-S-01", Server)]);
}

#[test]
fn after_a_refusal_no_stream_of_the_session_comes() {
    let refused = || Rig::new().connected(1, 1).asks(0).answers(0, "404");
    refused().opens_in(4, Client, &join()).end().keeps(&[]);
    let told = refused().later(5).opens_in(4, Client, &join()).end();
    told.broke(&[("DT-S-01", Client)]);
    let told = refused().opens_in(4, Client, &join());
    let told = told.opens_in(1, Server, &leave()).end();
    told.broke(&[("DT-S-01", Server)]);
}

#[test]
fn a_request_that_cannot_be_read_may_be_one_for_a_session() {
    let dynamic = [1, 2, 1, 0];
    let rig = Rig::new().connected(1, 1).opens(0, Client, &dynamic);
    rig.opens_in(4, Client, &join()).end().broke(&[]);
}

#[test]
fn a_handshake_without_a_protocol_is_told_where_a_session_follows() {
    let rig = Rig::new().agreed(None, 1, 1).asks(0).answers(0, "200");
    let told = rig.opens_in(4, Client, &join()).end();
    told.broke(&[("DT-S-01", Server)]);
}

#[test]
fn a_client_shows_every_15_s_that_it_is_there() {
    let joined = || Rig::session().opens_in(4, Client, &join());
    let mut rig = joined();
    for _ in 0..4 {
        rig = rig.later(15);
        rig.packet(Client);
    }
    rig.end().keeps(&[("DT-S-13", Client)]);
    let mut rig = joined().later(21);
    rig.packet(Client);
    rig.end().broke(&[("DT-S-13", Client)]);
    // What is said after the end of the session is no sign of anything.
    let mut rig = joined().closes(Server, 0).later(40);
    rig.packet(Client);
    rig.end().broke(&[]);
    let told = joined().later(21).fin(0, Client).end();
    told.broke(&[("DT-S-13", Client)]);
    let told = joined().later(21).closes(Client, 0).end();
    told.broke(&[("DT-S-13", Client)]);
    let mut rig = joined().with_gaps().later(21);
    rig.packet(Client);
    rig.end().doubts(&["DT-S-13"]);
}

#[test]
fn a_client_that_falls_silent_is_told_where_the_capture_is_supervised() {
    let joined =
        |settings: &MonitorSettings| Rig::with_session(settings).opens_in(4, Client, &join());
    joined(&MonitorSettings::default())
        .later(30)
        .end()
        .broke(&[]);
    let told = joined(&supervised()).later(30).end();
    told.broke(&[("DT-S-13", Client)]);
    let told = joined(&supervised()).later(30).ends(Server, 0x100).end();
    told.broke(&[("DT-S-13", Client)]);
    joined(&supervised()).later(14).end().broke(&[]);
    let told = joined(&supervised()).later(2).ends(Client, 0x100).later(60);
    told.end().broke(&[]);
    let stopped = MonitorSettings {
        stopped: vec![std::time::Duration::from_secs(105)],
        ..supervised()
    };
    joined(&stopped).later(60).end().broke(&[]);
}

#[test]
fn a_request_for_a_meeting_is_of_the_global_controller() {
    let asks = |path| {
        let get = headers(&[(":method", "GET"), (":path", path)]);
        let rig = Rig::new().connected(1, 1).opens(0, Client, &get);
        rig.fin(0, Client).answers(0, "200").fin(0, Server).end()
    };
    assert_eq!(asks("/api/v1/meetings/m").mode(), Some("gc"));
    assert_eq!(asks("/index.html").mode(), None);
}

#[test]
fn without_secrets_nothing_is_judged_and_that_is_said() {
    let rig = Rig::new().agreed(Some(b"h3"), 1, 1);
    let told = rig.end();
    assert_eq!(told.mode(), None);
    let unreadable = |by: crate::requirement::Role| {
        EventKind::Unreadable(Unreadable {
            why: UnreadableReason::NoSecrets,
            by: Some(by.into()),
            may_be_stateless_reset: false,
        })
    };
    let rig = Rig::new().unread().does_alone(unreadable(Server));
    let told = rig.end();
    told.doubts(&["DT-S-01"]);
    assert_eq!(told.mode(), Some("unknown"));
}

#[test]
fn an_answer_may_come_in_the_capture_before_what_it_answers() {
    let rig = Rig::new().connected(1, 1).opens(0, Client, &[]);
    let rig = rig.answers(0, "200").asks(0).opens_in(4, Client, &[]);
    let refusal = emit("ErrorMessage", &json!({ "code": "NOT_FOUND" }));
    let rig = rig.opens(8, Client, &[]).bytes(8, Server, &refusal);
    let told = rig.opens_in(8, Client, &join()).end();
    told.keeps(&[("DT-S-01", Client), ("DT-S-03", Client)]);
    assert_eq!(told.sessions[0].frames, 2);
}

#[test]
fn other_protocols_are_left_alone() {
    let rig = Rig::new().agreed(Some(b"proton"), 1, 1);
    let told = rig.opens_in(4, Client, &leave()).end();
    assert_eq!((told.findings.len(), told.sessions.len()), (0, 0));
}
