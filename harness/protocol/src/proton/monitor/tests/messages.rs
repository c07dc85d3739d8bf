use super::rig::Rig;
use super::shown;
use crate::MonitorSettings;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

#[test]
fn a_session_of_all_streams_has_no_finding() {
    let told = Rig::set_up()
        .message(0, Client, 1)
        .message(0, Client, 7)
        .message(0, Server, 1)
        .message(4, Client, 42)
        .message(8, Server, 123)
        .message(0, Server, 7)
        .alive(20, &[1])
        .message(4, Server, 84)
        .message(8, Server, 124)
        .closed(Client, 0)
        .end();
    told.is_healthy();
    let session = &told.sessions[0];
    assert_eq!((session.mode, session.frames), ("push", 8));
    for judged in ["PR-A-01", "PR-E-01", "PR-E-04", "PR-K-01", "PR-S-01"] {
        assert!(session.judged.contains(judged), "{judged}: {session:?}");
    }
}

#[test]
fn what_a_commit_is_answered_is_the_applications() {
    let rig = Rig::set_up().message(4, Client, 42).message(4, Server, 1);
    rig.closed(Client, 0).end().is_healthy();
}

#[test]
fn a_u32_in_pieces_is_one() {
    let rig = Rig::set_up().bytes(0, Client, &[1, 0]);
    let rig = rig.bytes(0, Client, &[0, 0]).bytes(0, Server, &[1, 0, 0]);
    let told = rig.bytes(0, Server, &[0]).closed(Client, 0).end();
    told.is_healthy();
    assert_eq!(told.sessions[0].frames, 2);
}

#[test]
fn an_ack_of_another_id_is_the_servers_breach_and_the_client_closes() {
    let wrong = || Rig::set_up().message(0, Client, 5).message(0, Server, 6);
    let told = wrong().closed(Client, 5).end();
    told.broke(&[("PR-E-01", Server)]);
    assert!(told.sessions[0].judged.contains("PR-E-03"));
    let goes_on = wrong().alive(6, &[1]).end();
    goes_on.broke(&[("PR-E-01", Server), ("PR-E-03", Client)]);
    let wrong_code = wrong().closed(Client, 4).end();
    wrong_code.broke(&[("PR-E-01", Server), ("PR-E-03", Client)]);
}

#[test]
fn an_ack_that_is_seen_before_its_id_is_for_it() {
    let rig = Rig::set_up().message(0, Server, 3).message(0, Client, 3);
    rig.alive(6, &[1]).closed(Client, 0).end().is_healthy();
}

#[test]
fn an_ack_of_nothing_is_a_breach() {
    let told = Rig::set_up().message(0, Server, 3).closed(Client, 5).end();
    told.broke(&[("PR-E-01", Server)]);
}

#[test]
fn an_ack_of_what_is_not_in_the_capture_is_none() {
    let mut rig = Rig::set_up().message(0, Server, 3).closed(Client, 0);
    rig.shows(shown::lost(0, Client));
    let told = rig.end();
    assert!(told.findings.is_empty(), "{told:?}");
}

#[test]
fn an_id_that_does_not_rise_is_the_clients_breach_and_the_server_closes() {
    let wrong = || {
        let rig = Rig::set_up().message(0, Client, 5).message(0, Server, 5);
        rig.message(0, Client, 5)
    };
    let told = wrong().closed(Server, 5).end();
    told.broke(&[("PR-E-04", Client)]);
    assert!(told.sessions[0].judged.contains("PR-E-02"));
    let acked = wrong().message(0, Server, 5).closed(Server, 5).end();
    acked.broke(&[("PR-E-04", Client), ("PR-E-02", Server)]);
    let goes_on = wrong().alive(6, &[1]).end();
    goes_on.broke(&[("PR-E-04", Client), ("PR-E-02", Server)]);
}

#[test]
fn no_id_follows_the_largest() {
    let rig = Rig::set_up()
        .message(0, Client, u32::MAX)
        .message(0, Client, 1);
    rig.closed(Server, 5).end().broke(&[("PR-E-05", Client)]);
}

#[test]
fn an_answer_that_nobody_asked_for_is_a_breach() {
    let rig = Rig::set_up().message(4, Client, 42).message(4, Server, 84);
    let told = rig.message(4, Server, 84).closed(Client, 0).end();
    told.broke(&[("PR-K-01", Server)]);
}

#[test]
fn a_commit_may_take_four_minutes_and_not_more_than_five() {
    let rig = Rig::set_up().message(4, Client, 42).alive(240, &[1]);
    rig.message(4, Server, 84)
        .closed(Client, 0)
        .end()
        .is_healthy();
    let timely = Rig::set_up().message(4, Client, 42).alive(300, &[1]);
    let told = timely.alive(1, &[1]).closed(Client, 4).end();
    told.broke(&[("PR-K-01", Server)]);
    assert!(told.sessions[0].judged.contains("PR-T-01"));
    let waits = Rig::set_up().message(4, Client, 42).alive(400, &[1]);
    waits
        .end()
        .broke(&[("PR-K-01", Server), ("PR-T-01", Client)]);
}

#[test]
fn in_push_the_server_closes_when_the_client_speaks() {
    let wrong = || {
        let rig = Rig::set_up().message(8, Server, 1).message(8, Server, 2);
        rig.message(8, Client, 9)
    };
    wrong().closed(Server, 5).end().is_healthy();
    wrong().alive(6, &[1]).end().broke(&[("PR-A-02", Server)]);
}

#[test]
fn the_profile_shows_in_the_second_item_or_is_told() {
    let asks = |settings: &MonitorSettings| {
        let rig = Rig::with(settings).connected(1, 5_000).named();
        let rig = rig.message(8, Server, 1).message(8, Client, 9);
        rig.alive(6, &[1]).end()
    };
    asks(&MonitorSettings::default()).is_healthy();
    let push = MonitorSettings {
        mode: Some("push".to_owned()),
        ..MonitorSettings::default()
    };
    asks(&push).broke(&[("PR-A-02", Server)]);
}

#[test]
fn in_pull_each_item_is_asked_for() {
    let settings = MonitorSettings {
        mode: Some("pull".to_owned()),
        ..MonitorSettings::default()
    };
    let pull = || {
        let rig = Rig::with(&settings).connected(1, 5_000).named();
        rig.message(8, Client, 9).message(8, Server, 123)
    };
    let told = pull().closed(Client, 0).end();
    told.is_healthy();
    assert_eq!(told.sessions[0].mode, "pull");
    let more = pull().message(8, Server, 124).closed(Client, 0).end();
    more.broke(&[("PR-A-01", Server)]);
    let pushed = Rig::with(&settings).connected(1, 5_000).named();
    let pushed = pushed.message(8, Server, 123).closed(Client, 0).end();
    pushed.broke(&[("PR-A-01", Server)]);
}
