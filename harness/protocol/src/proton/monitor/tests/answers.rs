//! Answers that are late or do not come, windows that are full, and silence.

use shakedown_wire::quic::{EventKind, Flow};

use super::rig::Rig;
use super::shown;
use crate::MonitorSettings;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

fn mode(mode: &str) -> MonitorSettings {
    MonitorSettings {
        mode: Some(mode.to_owned()),
        ..MonitorSettings::default()
    }
}

#[test]
fn an_event_that_is_never_acked_is_the_servers_breach() {
    let waits = |seconds| Rig::set_up().message(0, Client, 1).alive(seconds, &[1]);
    let told = waits(304).end();
    told.is_healthy();
    let told = waits(301).closed(Client, 4).end();
    told.broke(&[("PR-E-01", Server)]);
    waits(310)
        .end()
        .broke(&[("PR-E-01", Server), ("PR-T-01", Client)]);
    // A client may end and ask for nothing more.
    waits(1).closed(Client, 0).end().is_healthy();
}

#[test]
fn what_the_server_never_had_it_need_not_answer() {
    let rig = Rig::set_up().deaf().message(0, Client, 1);
    rig.alive(301, &[1]).closed(Client, 4).end().is_healthy();
}

#[test]
fn a_server_that_may_send_nothing_need_not_answer() {
    let blocked = blocked_on(0, 100);
    let rig = Rig::set_up().does(Server, blocked).message(0, Client, 1);
    rig.alive(300, &[1]).closed(Client, 4).end().is_healthy();
}

#[test]
fn a_server_that_gone_silent_did_not_give_its_last_answer() {
    let rig = Rig::set_up()
        .message(0, Client, 1)
        .alive(2, &[1])
        .silent(300);
    rig.closed(Client, 4).end().is_healthy();
}

#[test]
fn an_item_that_is_asked_for_comes_in_pull() {
    let waits = |settings: &MonitorSettings| {
        let rig = Rig::with(settings).connected(1, 5_000).named();
        let rig = rig.message(8, Client, 9).message(8, Server, 123);
        rig.message(8, Client, 9).alive(400, &[1]).end()
    };
    waits(&mode("pull")).broke(&[("PR-A-01", Server), ("PR-T-01", Client)]);
    let told = waits(&MonitorSettings::default());
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-A-01"]));
}

#[test]
fn nothing_pushed_in_five_minutes_is_in_doubt() {
    let lives = |settings: &MonitorSettings, seconds| {
        let rig = Rig::with(settings).connected(1, 5_000).named();
        rig.alive(seconds, &[1]).closed(Client, 0).end()
    };
    lives(&mode("push"), 304).is_healthy();
    let told = lives(&mode("push"), 310);
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-A-01"]));
    lives(&mode("pull"), 310).is_healthy();
    lives(&MonitorSettings::default(), 310).is_healthy();
}

#[test]
fn events_go_on_while_a_commit_is_worked_on() {
    let rig = || Rig::set_up().message(4, Client, 42).alive(2, &[1]);
    let healthy = rig()
        .message(0, Client, 1)
        .alive(1, &[1])
        .message(0, Server, 1);
    let told = healthy.alive(237, &[1]).message(4, Server, 84).end();
    told.is_healthy();
    assert!(told.sessions[0].judged.contains("PR-T-02"));
    let held = rig().message(0, Client, 1).alive(200, &[1]);
    let told = held.message(4, Server, 84).message(0, Server, 1).end();
    told.broke(&[("PR-T-02", Server)]);
    let held = rig().message(0, Client, 1).alive(200, &[1]);
    let told = held
        .message(0, Server, 1)
        .silent(1)
        .message(4, Server, 84)
        .end();
    told.broke(&[("PR-T-02", Server)]);
    let short = rig()
        .message(0, Client, 1)
        .message(0, Server, 1)
        .alive(9, &[1]);
    let told = short.message(4, Server, 84).end();
    assert!(!told.sessions[0].judged.contains("PR-T-02"));
    // An event that is slow by itself may be.
    let slow = rig()
        .message(0, Client, 1)
        .alive(100, &[1])
        .message(0, Server, 1);
    slow.alive(100, &[1])
        .message(4, Server, 84)
        .end()
        .is_healthy();
    let later = rig().alive(195, &[1]).message(0, Client, 1).alive(5, &[1]);
    later
        .message(4, Server, 84)
        .message(0, Server, 1)
        .end()
        .is_healthy();
}

#[test]
fn an_idle_connection_is_kept_alive() {
    let idle = |seconds| Rig::set_up().alive(seconds, &[1]).closed(Client, 0).end();
    let judged = |seconds| idle(seconds).sessions[0].judged.contains("PR-C-04");
    assert!(judged(9) && !judged(5));
}

fn blocked(limit: u64) -> EventKind<'static> {
    blocked_on(8, limit)
}

fn blocked_on(stream: u64, limit: u64) -> EventKind<'static> {
    shown::flow(Server, Flow::StreamDataBlocked { stream, limit })
}

fn raised(stream: Option<u64>, maximum: u64) -> EventKind<'static> {
    let flow = match stream {
        Some(stream) => Flow::MaxStreamData { stream, maximum },
        None => Flow::MaxData(maximum),
    };
    shown::flow(Client, flow)
}

#[test]
fn a_client_that_does_not_read_is_closed_with_4() {
    let full = |seconds| {
        Rig::set_up()
            .does(Server, blocked(100))
            .alive(seconds, &[1])
    };
    let told = full(301).closed(Server, 4).end();
    told.is_healthy();
    assert!(told.sessions[0].judged.contains("PR-T-04"));
    full(301)
        .closed(Server, 5)
        .end()
        .broke(&[("PR-T-04", Server)]);
    full(400).end().broke(&[("PR-T-04", Server)]);
    full(200).closed(Client, 0).end().is_healthy();
}

#[test]
fn a_u32_that_is_not_complete_is_awaited_for_5_minutes() {
    let part = |seconds| {
        Rig::set_up()
            .bytes(4, Client, &[42, 0])
            .alive(seconds, &[1])
    };
    let told = part(301).closed(Server, 4).end();
    told.is_healthy();
    assert!(told.sessions[0].judged.contains("PR-T-05"));
    part(301)
        .closed(Server, 5)
        .end()
        .broke(&[("PR-T-05", Server)]);
    part(400).end().broke(&[("PR-T-05", Server)]);
    let whole = part(290).bytes(4, Client, &[0, 0]).message(4, Server, 84);
    whole.alive(200, &[1]).end().is_healthy();
    // On the Action stream of push no byte may come at all.
    let action = Rig::set_up().bytes(8, Client, &[1, 0]).alive(400, &[1]);
    let told = action.end();
    assert!(!told.findings.iter().any(|(id, _)| *id == "PR-T-05"));
}

#[test]
fn a_client_that_reads_again_is_served() {
    let full = || Rig::set_up().does(Server, blocked(100));
    let reads = full().alive(200, &[1]).does(Client, raised(Some(8), 200));
    reads.alive(300, &[1]).end().is_healthy();
    let late = full().alive(302, &[1]).does(Client, raised(Some(8), 200));
    late.alive(300, &[1]).end().is_healthy();
    let other = full()
        .does(Client, raised(Some(0), 200))
        .does(Client, raised(None, 200));
    other.alive(400, &[1]).end().broke(&[("PR-T-04", Server)]);
    // What was said before the client read again came late.
    let stale = Rig::set_up().does(Client, raised(Some(8), 200));
    let stale = stale.does(Server, blocked(100)).alive(400, &[1]);
    stale.end().is_healthy();
}
