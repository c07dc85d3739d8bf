//! What a side cannot know, and what the capture lacks.

use super::rig::Rig;
use super::shown;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

#[test]
fn nothing_is_owed_for_what_did_not_come() {
    let rig = Rig::new().connected(1, 5_000).deaf();
    let told = rig.bytes(0, Client, &[9]).alive(4, &[1]).end();
    told.broke(&[("PR-S-01", Client)]);
    let rig = Rig::set_up()
        .deaf()
        .message(0, Client, 5)
        .message(0, Client, 5);
    rig.alive(20, &[1]).end().broke(&[("PR-E-04", Client)]);
}

#[test]
fn what_came_late_is_owed_for_from_then_on() {
    let ended = || Rig::set_up().deaf().fin(0, Client).alive(4, &[1]).hearing();
    ended().alive(2, &[1]).closed(Server, 0).end().is_healthy();
    ended().alive(14, &[1]).end().broke(&[("PR-S-08", Server)]);
}

#[test]
fn what_a_lost_packet_carried_comes_with_a_later_one() {
    let lost = || {
        Rig::new()
            .connected(1, 5_000)
            .losing()
            .bytes(0, Client, &[9])
    };
    // Until it is sent again the server has none of it.
    let told = lost().alive(20, &[1]).end();
    told.broke(&[("PR-S-01", Client)]);
    let again = || lost().alive(5, &[1]).again(0, Client, 1);
    let told = again().alive(1, &[1]).closed(Server, 1).end();
    told.broke(&[("PR-S-01", Client)]);
    let told = again().alive(3, &[1]).end();
    told.broke(&[("PR-S-01", Client), ("PR-S-03", Server)]);
}

#[test]
fn which_of_two_streams_of_a_kind_in_one_packet_is_the_first_is_open() {
    let streams = |second: &[u8]| {
        let mut rig = Rig::new().connected(1, 5_000);
        for (stream, bytes) in [(0, &[3][..]), (4, second)] {
            rig.shows(shown::opened(stream, Client));
            rig.shows(shown::bytes(stream, Client, bytes));
        }
        rig.packet(Client);
        rig
    };
    let told = streams(&[3, 1]).closed(Server, 5).end();
    told.broke(&[("PR-S-01", Client)]);
    // The second one says nothing that could be a reason.
    let told = streams(&[3]).closed(Server, 5).end();
    told.broke(&[("PR-S-01", Client), ("PR-S-04", Server)]);
    let told = streams(&[3, 1]).closed(Server, 1).end();
    told.broke(&[("PR-S-01", Client)]);
    assert!(told.sessions[0].judged.contains("PR-S-04"));
    let told = Rig::new().connected(1, 5_000).bytes(0, Client, &[3]);
    let told = told.bytes(4, Client, &[3]).bytes(4, Client, &[1, 2]);
    let told = told.closed(Server, 5).end();
    told.broke(&[("PR-S-01", Client), ("PR-S-04", Server)]);
}

#[test]
fn what_came_before_is_not_what_came() {
    let rig = Rig::new().connected(1, 5_000).behind();
    let told = rig.bytes(0, Client, &[9]).after(6, Server).end();
    told.broke(&[("PR-S-01", Client)]);
}

#[test]
fn one_number_may_be_left_out_and_not_two() {
    let lacks = |numbers| {
        let rig = Rig::set_up().fin(0, Client).skip(Client, numbers);
        rig.alive(6, &[1]).end()
    };
    lacks(1).broke(&[("PR-S-08", Server)]);
    let told = lacks(2);
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-S-08"]));
}

#[test]
fn the_numbers_of_a_side_may_begin_anywhere() {
    let rig = Rig::new().skip(Server, 2).skip(Client, 7);
    let rig = rig.connected(1, 5_000).bytes(0, Client, &[9]);
    let told = rig.alive(6, &[1]).end();
    told.broke(&[("PR-S-01", Client), ("PR-S-03", Server)]);
}

#[test]
fn a_close_for_another_reason_before_it_came_is_in_doubt() {
    let wrong = || {
        Rig::set_up()
            .deaf()
            .message(0, Client, 5)
            .message(0, Client, 5)
    };
    let told = wrong().closed(Server, 0).end();
    told.broke(&[("PR-E-04", Client)]);
    assert_eq!(told.doubts, ["PR-E-02"]);
    // Nothing else can be the reason for this one.
    let told = wrong().closed(Server, 3).end();
    told.broke(&[("PR-E-04", Client), ("PR-E-02", Server)]);
}

#[test]
fn what_goes_on_where_packets_are_missing_is_in_doubt() {
    let rig = Rig::set_up().fin(0, Client).with_gaps();
    let told = rig.alive(6, &[1]).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-S-08"]));
    let rig = Rig::set_up().message(4, Client, 42).with_gaps();
    let told = rig.alive(400, &[1]).end();
    assert_eq!(told.findings, []);
    assert_eq!(told.doubts, ["PR-K-01", "PR-T-01"]);
}

#[test]
fn an_ack_that_is_seen_before_the_name_of_its_stream_is_for_its_id() {
    let mut rig = Rig::new().connected(1, 5_000);
    rig.shows(shown::opened(0, Client));
    let rig = rig.message(0, Server, 1).bytes(4, Client, &[2]);
    let rig = rig
        .bytes(8, Client, &[3])
        .does(Client, shown::bytes(0, Client, &[1, 1, 0, 0, 0]));
    let rig = rig.message(0, Client, 2).message(0, Server, 2);
    let told = rig.closed(Client, 0).end();
    told.is_healthy();
    assert_eq!(told.sessions[0].frames, 4);
}

#[test]
fn both_may_close_at_once() {
    let rig = Rig::set_up().message(0, Client, 5).message(0, Client, 5);
    let told = rig.closed(Client, 0).closed(Server, 5).end();
    told.broke(&[("PR-E-04", Client)]);
    assert!(told.sessions[0].judged.contains("PR-E-02"));
    let rig = Rig::set_up().closed(Client, 0).closed(Server, 0);
    rig.end().is_healthy();
}

#[test]
fn a_server_closes_once() {
    let failures = || {
        let rig = Rig::set_up().bytes(4, Client, &[1, 0]).fin(4, Client);
        rig.bytes(0, Client, &[1, 0]).fin(0, Client)
    };
    let told = failures().closed(Server, 5).closed(Server, 5).end();
    told.is_healthy();
    assert!(told.sessions[0].judged.contains("PR-R-03"));
    let told = failures().closed(Server, 5).closed(Server, 1).end();
    told.broke(&[("PR-R-03", Server)]);
    // Before the handshake is over a close has two forms.
    let hidden = shown::closed_by_quic(Server, 0x0c);
    let told = failures().does(Server, hidden).closed(Server, 5).end();
    told.is_healthy();
}

#[test]
fn on_a_long_way_a_close_may_come_later() {
    // Two and a half seconds there and back.
    let far = || {
        let rig = Rig::set_up().deaf().alive(2, &[1]).hearing();
        rig.alive(1, &[1]).fin(0, Client)
    };
    far().alive(4, &[1]).end().is_healthy();
    far().alive(14, &[1]).end().broke(&[("PR-S-08", Server)]);
}
