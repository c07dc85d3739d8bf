use super::super::What;
use super::rig::Rig;
use crate::MonitorSettings;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

#[test]
fn a_second_connection_is_refused_and_the_first_goes_on() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let rig = rig.alive(1, &[1, 2]).closed(Server, 6).on(1);
    let told = rig.alive(9, &[1]).closed(Client, 0).end();
    told.is_healthy();
    assert!(told.sessions[1].judged.contains(&"PR-R-02"));
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
    assert!(told.sessions[0].judged.contains(&"PR-R-01"));
    let told = goes_on(reset().on(1).closed(Server, 5));
    told.broke(&[("PR-R-01", Server)]);
    let both = reset().alive(6, &[1, 2]).end();
    assert!(both.findings.contains(&("PR-R-01", Server)), "{both:?}");
}

#[test]
fn a_server_without_reset_refuses_it() {
    let rig = Rig::set_up().alive(3, &[1]).connected(2, 5_001);
    let rig = rig.bytes(0, Client, &[0xFF]).closed(Server, 6);
    rig.alive(9, &[1]).end().is_healthy();
}

#[test]
fn after_a_lost_connection_a_client_waits_or_resets() {
    let lost = |seconds| Rig::set_up().silent(seconds).connected(2, 5_001);
    lost(6).named().end().broke(&[("PR-C-06", Client)]);
    let told = lost(15).named().end();
    told.is_healthy();
    assert!(told.sessions[1].judged.contains(&"PR-C-06"));
    lost(6).bytes(0, Client, &[0xFF]).end().is_healthy();
    let closed = Rig::set_up().closed(Client, 0).silent(6);
    closed.connected(2, 5_001).named().end().is_healthy();
}

#[test]
fn ids_go_on_in_the_next_connection_of_a_process() {
    let next = |settings: &MonitorSettings, id| {
        let rig = Rig::with(settings).connected(1, 5_000).named();
        let rig = rig.word(0, Client, 4).word(0, Server, 4).closed(Client, 0);
        let rig = rig.connected(2, 5_000).named().word(0, Client, id);
        rig.word(0, Server, id).closed(Client, 0).end()
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
    rig.what(What::Agreed(None));
    rig.end().broke(&[("PR-C-07", Server)]);
    let mut unknown = Rig::new().opened(2, 5_001);
    unknown.what(What::Agreed(None));
    unknown.end().is_healthy();
}
