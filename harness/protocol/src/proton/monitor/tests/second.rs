use std::time::Duration;

use shakedown_wire::quic::EventKind;

use super::rig::Rig;
use super::shown;
use crate::MonitorSettings;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

#[test]
fn a_second_connection_is_refused_and_the_first_goes_on() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let rig = rig.alive(1, &[1, 2]).closed(Server, 6).on(1);
    let told = rig.alive(9, &[1]).closed(Client, 0).end();
    told.is_healthy();
    assert!(told.sessions[1].judged.contains("PR-R-02"));
}

#[test]
fn what_a_server_had_before_it_was_stopped_is_no_first_connection() {
    let turned_away = |stopped| {
        let rig = Rig::with(&MonitorSettings {
            stopped,
            ..MonitorSettings::default()
        });
        let rig = rig.connected(1, 5_000).named().alive(3, &[1]).later(600);
        rig.connected(2, 5_001).closed(Server, 2).end()
    };
    turned_away(vec![Duration::from_millis(103_500)]).is_healthy();
    turned_away(Vec::new()).broke(&[("PR-R-02", Server)]);
}

#[test]
fn two_connections_that_are_served_are_a_breach() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001).named();
    let told = rig.alive(6, &[1, 2]).end();
    told.broke(&[("PR-C-01", Server), ("PR-R-02", Server)]);
}

#[test]
fn the_first_connection_is_not_the_one_that_is_refused() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let told = rig.on(1).closed(Server, 6).end();
    told.broke(&[("PR-C-01", Server)]);
}

#[test]
fn a_reset_closes_the_first_connection_with_7() {
    let reset = || {
        let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
        rig.bytes(0, Client, &[0xFF])
    };
    let goes_on = |rig: Rig| {
        let rig = rig.on(2).bytes(4, Client, &[1]).bytes(8, Client, &[2]);
        rig.bytes(12, Client, &[3]).alive(9, &[2]).end()
    };
    let told = goes_on(reset().on(1).closed(Server, 7));
    told.is_healthy();
    assert!(told.sessions[0].judged.contains("PR-R-01"));
    let told = goes_on(reset().on(1).closed(Server, 5));
    told.broke(&[("PR-R-01", Server)]);
    let both = reset().alive(6, &[1, 2]).end();
    assert!(both.findings.contains(&("PR-R-01", Server)), "{both:?}");
}

#[test]
fn a_reset_is_of_the_connection_that_is_served() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let rig = rig.connected(3, 5_002).bytes(0, Client, &[0xFF]);
    // The second one is refused, which is not what the third wants.
    let told = rig.alive(1, &[2]).on(2).closed(Server, 6).on(1);
    let told = told.closed(Server, 5).end();
    told.broke(&[("PR-R-01", Server)]);
}

#[test]
fn a_server_without_reset_refuses_it() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let rig = rig.bytes(0, Client, &[0xFF]).closed(Server, 6);
    rig.alive(9, &[1]).end().is_healthy();
}

#[test]
fn after_a_lost_connection_a_client_waits_or_resets() {
    let alone = |seconds| Rig::set_up().after(4, Server).silent(seconds);
    let lost = |seconds| alone(seconds).connected(2, 5_000);
    lost(6).named().end().broke(&[("PR-C-06", Client)]);
    let told = lost(10).named().end();
    told.is_healthy();
    assert!(told.sessions[1].judged.contains("PR-C-06"));
    lost(6).bytes(0, Client, &[0xFF]).end().is_healthy();
    // Another process may have lost nothing, unless there is no other.
    let told = alone(6).connected(2, 5_001).named().end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-06"]));
    // A close may be what the capture lacks.
    let silent = Rig::set_up().silent(6).connected(2, 5_000).named();
    silent.end().is_healthy();
    let closed = Rig::set_up().closed(Client, 0).silent(6);
    closed.connected(2, 5_001).named().end().is_healthy();
}

#[test]
fn a_client_has_lost_the_connection_that_it_had_last() {
    let lost = |rig: Rig| rig.named().after(4, Server).silent(11);
    let again = lost(Rig::new().connected(1, 5_000)).connected(2, 5_000);
    let third = again.named().after(4, Server).silent(3);
    let told = third.connected(3, 5_000).named().end();
    told.broke(&[("PR-C-06", Client)]);
    // The second one was closed, whatever became of the first.
    let rig = Rig::set_up().after(4, Server).silent(3);
    let rig = rig.connected(2, 5_000).bytes(0, Client, &[0xFF]);
    let rig = rig.alive(1, &[2]).closed(Client, 0).silent(1);
    rig.connected(3, 5_000).named().end().is_healthy();
}

#[test]
fn ids_go_on_in_the_next_connection_of_a_process() {
    let next = |settings: &MonitorSettings, id| {
        let rig = Rig::with(settings).connected(1, 5_000).named();
        let rig = rig
            .message(0, Client, 4)
            .message(0, Server, 4)
            .closed(Client, 0);
        let rig = rig.connected(2, 5_000).named().message(0, Client, id);
        rig.message(0, Server, id).closed(Client, 0).end()
    };
    let supervised = MonitorSettings {
        supervised: true,
        ..MonitorSettings::default()
    };
    next(&supervised, 5).is_healthy();
    next(&supervised, 4).broke(&[("PR-E-04", Client)]);
    let told = next(&MonitorSettings::default(), 4);
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-E-04"]));
}

#[test]
fn a_handshake_without_a_protocol_fails() {
    let mut rig = Rig::set_up().opened(2, 5_001);
    rig.shows(shown::agreed(None));
    rig.end().broke(&[("PR-C-07", Server)]);
    let mut unknown = Rig::new().opened(2, 5_001);
    unknown.shows(shown::agreed(None));
    unknown.end().is_healthy();
    // In a run the server is one of proton, whoever comes first.
    let mut run = Rig::with(&MonitorSettings {
        supervised: true,
        ..MonitorSettings::default()
    });
    run = run.opened(1, 5_000);
    run.shows(shown::agreed(None));
    run.end().broke(&[("PR-C-07", Server)]);
}

#[test]
fn of_two_handshakes_at_once_either_may_be_the_first() {
    let mut rig = Rig::new().opened(1, 5_000);
    rig.shows(shown::agreed(Some(b"proton")));
    rig.packet(Server);
    let told = rig.connected(2, 5_001).on(1).closed(Server, 6).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-01"]));
}

#[test]
fn a_second_connection_that_says_nothing_is_closed_with_6() {
    let second = || Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let told = second().alive(1, &[1, 2]).closed(Server, 3).end();
    told.broke(&[("PR-R-02", Server)]);
    // The first one may be gone for the server.
    let rig = Rig::set_up().alive(3, &[1]).silent(4).connected(2, 5_001);
    let told = rig.alive(6, &[2]).closed(Server, 3).end();
    assert_eq!(told.findings, []);
}

/// The first connection, and a second one that was refused.
fn refused() -> Rig {
    let rig = Rig::set_up().alive(3, &[1]).opened(2, 5_001);
    rig.does(Server, shown::closed_by_quic(Server, 2))
        .on(1)
        .alive(1, &[1])
}

#[test]
fn after_a_refused_second_connection_the_next_one_is_served() {
    let next = refused().closed(Client, 0).connected(3, 5_002).named();
    let told = next.message(0, Client, 1).message(0, Server, 1).end();
    told.is_healthy();
    assert!(told.sessions[2].judged.contains("PR-C-02"), "{told:?}");
    // A close of the client may not have come, one of the server says that it knows.
    let next = refused().closed(Client, 0).opened(3, 5_002);
    let told = next.does(Server, shown::closed_by_quic(Server, 2)).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-02"]));
    let over = || refused().closed(Client, 0).closed(Server, 0);
    let told = over()
        .later(200)
        .opened(3, 5_002)
        .does(Server, shown::closed_by_quic(Server, 2))
        .end();
    told.broke(&[("PR-C-02", Server)]);
    // In the same moment the next one may be looked at first.
    let told = over()
        .opened(3, 5_002)
        .does(Server, shown::closed_by_quic(Server, 2))
        .end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-02"]));
    // It may have been started again.
    let over = refused().closed(Client, 0).closed(Server, 0).silent(3);
    let told = over
        .opened(3, 5_002)
        .does(Server, shown::closed_by_quic(Server, 2))
        .end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-02"]));
    let stopped = refused().closed(Server, 0).opened(3, 5_002);
    let told = stopped.does(Server, shown::closed_by_quic(Server, 2)).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-02"]));
}

/// A server that was started a moment ago turns away who does not reset (PR-C-08), after one that did as before it.
#[test]
fn within_the_startup_delay_the_place_of_one_that_reset_is_not_free() {
    let told = |seconds| {
        let rig = Rig::new().connected(1, 5_000).bytes(0, Client, &[0xFF]);
        let rig = rig.bytes(4, Client, &[1]).bytes(8, Client, &[2]);
        let rig = rig.bytes(12, Client, &[3]).alive(1, &[1]).opened(2, 5_001);
        let rig = rig.does(Server, shown::closed_by_quic(Server, 2)).on(1);
        let over = rig.alive(seconds, &[1]).closed(Client, 0).closed(Server, 0);
        let next = over.later(200).opened(3, 5_002);
        next.does(Server, shown::closed_by_quic(Server, 2)).end()
    };
    assert_eq!(
        (told(2).findings.len(), told(2).doubts),
        (0, vec!["PR-C-02"])
    );
    told(20).broke(&[("PR-C-02", Server)]);
}

/// A client that does not hear its refusal sends its first packet again, and may be let in by then: whoever comes
/// after it is refused rightly.
#[test]
fn a_refused_connection_that_is_let_in_after_all_is_there() {
    let over = refused().closed(Client, 0).closed(Server, 0);
    let again = over.on(2).does(Server, shown::agreed(Some(b"proton")));
    let again = again.does(Server, EventKind::HandshakeDone).named();
    let third = again.opened(3, 5_002);
    let told = third
        .does(Server, shown::closed_by_quic(Server, 2))
        .on(2)
        .message(0, Client, 1)
        .message(0, Server, 1)
        .end();
    told.is_healthy();
    assert_eq!(told.sessions.len(), 4);
    assert!(told.sessions[2].judged.contains("PR-C-02"), "{told:?}");
}

#[test]
fn a_delayed_first_packet_may_be_a_connection_for_the_server() {
    let wrong = |rig: Rig| {
        let rig = rig.connected(2, 5_001).bytes(0, Client, &[9]);
        rig.closed(Server, 6).end()
    };
    let closed = || Rig::set_up().silent(20).alive(1, &[1]).closed(Client, 0);
    wrong(closed().first_again()).broke(&[("PR-S-01", Client)]);
    let told = wrong(closed().first_again().silent(6));
    told.broke(&[("PR-S-01", Client), ("PR-S-03", Server)]);
    wrong(closed()).broke(&[("PR-S-01", Client), ("PR-S-03", Server)]);
}

#[test]
fn a_packet_after_the_idle_timeout_keeps_no_connection() {
    let supervised = MonitorSettings {
        supervised: true,
        ..MonitorSettings::default()
    };
    let vanished = || {
        let mut rig = Rig::with(&supervised).connected(1, 5_000);
        rig.handshake(Client, None);
        rig.named().after(4, Server).silent(2)
    };
    let reset = |rig: Rig| {
        let rig = rig.connected(2, 5_001).bytes(0, Client, &[0xFF]);
        rig.alive(6, &[2]).end()
    };
    let late = |mut rig: Rig| {
        rig.packet_alone(Client);
        rig
    };
    reset(vanished().first_again()).is_healthy();
    reset(late(vanished())).is_healthy();
    // Where the server goes on it came in time.
    let server = late(vanished().deaf()).after(4, Server);
    server.end().is_healthy();
    let server = vanished().deaf().after(4, Server);
    server.end().broke(&[("PR-C-05", Server)]);
}

/// It was not the first for the server, which may have been started a moment ago (PR-C-08).
#[test]
fn a_connection_that_was_turned_away_itself_frees_no_place() {
    let over = refused().closed(Server, 6).closed(Client, 0);
    let told = over
        .opened(3, 5_002)
        .does(Server, shown::closed_by_quic(Server, 2))
        .end();
    let broken = told.findings.iter().map(|(id, _)| *id);
    assert!(!broken.clone().any(|id| id == "PR-C-02"), "{told:?}");
    assert!(!told.doubts.contains(&"PR-C-02"), "{told:?}");
}

#[test]
fn a_refusal_is_right_while_another_connection_may_live() {
    let silent = refused().connected(3, 5_009).on(1).alive(6, &[1]);
    let over = silent.closed(Client, 0).closed(Server, 0);
    let told = over
        .opened(4, 5_002)
        .does(Server, shown::closed_by_quic(Server, 2))
        .end();
    told.is_healthy();
}

#[test]
fn a_new_client_is_served_when_the_old_one_vanished() {
    let next = Rig::set_up().silent(15).connected(2, 5_001).named();
    let told = next.message(0, Client, 1).message(0, Server, 1).end();
    told.is_healthy();
    assert!(told.sessions[1].judged.contains("PR-C-05"), "{told:?}");
}

#[test]
fn a_late_answer_harms_nothing() {
    let next = |seconds| {
        let rig = Rig::set_up().message(4, Client, 42).closed(Client, 0);
        let rig = rig.connected(2, 5_001).named().alive(seconds, &[2]);
        let told = rig.message(0, Client, 1).message(0, Server, 1).end();
        told.is_healthy();
        told.sessions[0].judged.contains("PR-T-03")
    };
    assert!(next(250) && !next(200));
}

#[test]
fn a_reset_that_did_not_come_closes_nothing() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001).deaf();
    let rig = rig.bytes(0, Client, &[0xFF]).alive(4, &[1, 2]);
    assert_eq!(rig.end().findings, []);
}

#[test]
fn a_second_connection_that_was_served_may_be_closed_with_6_later() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let rig = rig.bytes(0, Client, &[1]).alive(4, &[1, 2]);
    let told = rig.bytes(4, Client, &[9]).closed(Server, 6).end();
    told.broke(&[
        ("PR-C-01", Server),
        ("PR-R-02", Server),
        ("PR-S-01", Client),
    ]);
}
