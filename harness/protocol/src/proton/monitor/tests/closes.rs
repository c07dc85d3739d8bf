use std::time::Duration;

use shakedown_wire::quic::{self, EventKind, Flow, UnreadableReason};

use super::rig::Rig;
use super::shown;
use crate::MonitorSettings;
use crate::monitor::Vantage;
use crate::requirement::Role::{Initiator as Client, Responder as Server};

#[test]
fn the_streams_may_come_in_any_order() {
    let rig = Rig::new().connected(1, 5_000).bytes(0, Client, &[3]);
    let rig = rig.bytes(4, Client, &[1]).bytes(8, Client, &[2]);
    let rig = rig.alive(10, &[1]).message(0, Server, 5);
    let told = rig.closed(Client, 0).end();
    told.is_healthy();
    assert!(told.sessions[0].judged.contains("PR-S-02"));
    let rig = Rig::new().connected(1, 5_000).bytes(4, Client, &[1]);
    let rig = rig.bytes(0, Client, &[2]).bytes(8, Client, &[3]);
    rig.closed(Server, 1).end().broke(&[("PR-S-02", Server)]);
}

#[test]
fn a_server_may_have_given_up_when_the_last_stream_came() {
    let rig = Rig::new().connected(1, 5_000).bytes(0, Client, &[1]);
    let rig = rig.bytes(4, Client, &[2]).alive(5, &[1]);
    let told = rig.bytes(8, Client, &[3]).closed(Server, 3).end();
    told.is_healthy();
    let told = Rig::set_up().closed(Server, 3).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-03"]));
}

#[test]
fn a_byte_that_names_no_stream_is_closed_with_1() {
    let wrong = || Rig::new().connected(1, 5_000).bytes(0, Client, &[9]);
    wrong()
        .closed(Server, 1)
        .end()
        .broke(&[("PR-S-01", Client)]);
    let other = wrong().closed(Server, 5).end();
    other.broke(&[("PR-S-01", Client), ("PR-S-03", Server)]);
}

#[test]
fn a_second_stream_of_a_kind_and_a_fourth_are_closed_with_1() {
    let twice = || {
        Rig::new()
            .connected(1, 5_000)
            .bytes(0, Client, &[1])
            .bytes(4, Client, &[1])
    };
    twice()
        .closed(Server, 1)
        .end()
        .broke(&[("PR-S-01", Client)]);
    let other = twice().closed(Server, 3).end();
    other.broke(&[("PR-S-01", Client), ("PR-S-04", Server)]);
    let fourth = || Rig::set_up().bytes(12, Client, &[2]);
    fourth()
        .closed(Server, 1)
        .end()
        .broke(&[("PR-S-01", Client)]);
    let goes_on = fourth().alive(6, &[1]).end();
    goes_on.broke(&[("PR-S-01", Client), ("PR-S-04", Server)]);
}

#[test]
fn quic_may_refuse_a_fourth_stream() {
    let mut rig = Rig::set_up().bytes(12, Client, &[2]);
    rig.shows(shown::closed_by_quic(Server, 4));
    rig.end().broke(&[("PR-S-01", Client)]);
}

#[test]
fn a_stream_without_a_name_is_closed_with_3() {
    let nameless = || {
        let mut rig = Rig::new().connected(1, 5_000).bytes(0, Client, &[1]);
        rig = rig.bytes(4, Client, &[2]);
        rig.does(Client, shown::opened(8, Client))
    };
    nameless()
        .alive(2, &[1])
        .closed(Server, 3)
        .end()
        .is_healthy();
    let goes_on = nameless().alive(5, &[1]).end();
    goes_on.broke(&[("PR-S-05", Server)]);
    let other = nameless().alive(2, &[1]).closed(Server, 1).end();
    other.broke(&[("PR-S-05", Server)]);
}

#[test]
fn fewer_than_three_streams_are_closed_with_3() {
    let two = || {
        let rig = Rig::new().connected(1, 5_000).bytes(0, Client, &[1]);
        rig.bytes(4, Client, &[2])
    };
    two().alive(5, &[1]).closed(Server, 3).end().is_healthy();
    two().alive(12, &[1]).end().broke(&[("PR-S-06", Server)]);
}

#[test]
fn a_close_with_3_that_is_due_is_for_no_violation_of_the_same_moment() {
    let late = |seconds| {
        let rig = Rig::new().connected(1, 5_000).bytes(4, Client, &[2]);
        let rig = rig.alive(seconds, &[1]);
        let rig = rig.does(Client, shown::datagram(Client));
        rig.closed(Server, 3).end()
    };
    late(1).broke(&[("PR-S-07", Client)]);
    late(0).broke(&[("PR-S-07", Client), ("PR-S-07", Server)]);
}

#[test]
fn unidirectional_streams_and_datagrams_are_no_part_of_it() {
    let datagram = || Rig::set_up().does(Client, shown::datagram(Client));
    datagram()
        .closed(Server, 5)
        .end()
        .broke(&[("PR-S-07", Client)]);
    let goes_on = datagram().alive(6, &[1]).end();
    goes_on.broke(&[("PR-S-07", Client), ("PR-S-07", Server)]);
    let opened = shown::opened(3, Server);
    let stream = Rig::set_up().does(Server, opened);
    stream.closed(Client, 5).end().broke(&[("PR-S-07", Server)]);
}

#[test]
fn a_datagram_that_was_lost_excuses_itself_alone() {
    let lost = || Rig::set_up().losing().does(Client, shown::datagram(Client));
    let goes_on = lost().alive(6, &[1]).end();
    goes_on.broke(&[("PR-S-07", Client)]);
    let ids = lost().message(0, Client, 5).message(0, Client, 5);
    let broken = [
        ("PR-S-07", Client),
        ("PR-E-04", Client),
        ("PR-E-02", Server),
    ];
    ids.alive(6, &[1]).end().broke(&broken);
}

#[test]
fn a_fin_of_the_client_ends_with_0_and_one_in_a_u32_with_5() {
    Rig::set_up()
        .fin(0, Client)
        .closed(Server, 0)
        .end()
        .is_healthy();
    let other = Rig::set_up().fin(0, Client).closed(Server, 5).end();
    other.broke(&[("PR-S-08", Server)]);
    let cut = || Rig::set_up().bytes(0, Client, &[1, 0]).fin(0, Client);
    cut().closed(Server, 5).end().is_healthy();
    cut().closed(Server, 0).end().broke(&[("PR-S-08", Server)]);
    cut().alive(6, &[1]).end().broke(&[("PR-S-08", Server)]);
}

#[test]
fn an_item_cut_short_is_closed_with_5_by_the_client() {
    let cut = || Rig::set_up().bytes(8, Server, &[1, 0]).fin(8, Server);
    cut().closed(Client, 5).end().is_healthy();
    cut().closed(Client, 4).end().broke(&[("PR-A-03", Client)]);
    // It may have ended before it saw that.
    let told = cut().closed(Client, 0).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-A-03"]));
}

#[test]
fn a_stream_that_is_broken_off_ends_the_connection() {
    for broken in [shown::reset(4, Client), shown::stopped(4, Client)] {
        let broken = || Rig::set_up().does(Client, broken);
        broken().closed(Server, 5).end().is_healthy();
        broken().alive(6, &[1]).end().broke(&[("PR-S-08", Server)]);
    }
}

#[test]
fn nothing_is_owed_after_a_close_of_the_other_side_or_in_silence() {
    let wrong = || Rig::new().connected(1, 5_000).bytes(0, Client, &[9]);
    wrong()
        .closed(Client, 0)
        .alive(6, &[1])
        .end()
        .broke(&[("PR-S-01", Client)]);
    wrong().silent(60).end().broke(&[("PR-S-01", Client)]);
}

#[test]
fn silence_where_a_close_had_to_come_breaks_it_in_a_supervised_capture() {
    let supervised = |settings: MonitorSettings| {
        let rig = Rig::with(&MonitorSettings {
            vantage: Vantage::Sender,
            supervised: true,
            ..settings
        });
        rig.connected(1, 5_000).named().bytes(12, Client, &[2])
    };
    let usual = || supervised(MonitorSettings::default());
    usual().silent(1).end().broke(&[("PR-S-01", Client)]);
    let broken = [("PR-S-01", Client), ("PR-S-04", Server)];
    usual().silent(2).end().broke(&broken);
    // The other side ends it at last.
    let rig = usual().after(3, Client).closed(Client, 0);
    rig.end().broke(&broken);
    // Its process was gone before, by itself or to be started again.
    let gone = Duration::from_millis(100_900);
    let ended = MonitorSettings {
        watched_until: Some(gone),
        ..MonitorSettings::default()
    };
    let stopped = MonitorSettings {
        stopped: vec![gone],
        ..MonitorSettings::default()
    };
    for settings in [ended, stopped] {
        let rig = supervised(settings).after(3, Client).closed(Client, 0);
        rig.end().broke(&[("PR-S-01", Client)]);
    }
}

#[test]
fn what_cannot_be_read_may_be_the_close() {
    let mut rig = Rig::set_up().fin(0, Client);
    rig.shows(shown::unreadable(Server, UnreadableReason::NotQuic));
    let told = rig.alive(6, &[1]).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-S-08"]));
}

#[test]
fn a_code_is_one_of_the_eight_and_has_a_reason() {
    let told = Rig::set_up().closed(Server, 42).end();
    told.broke(&[("PR-C-03", Server)]);
    let told = Rig::set_up().closed(Server, 5).end();
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-C-03"]));
}

#[test]
fn a_client_that_vanishes_is_given_up() {
    let rig = Rig::set_up().silent(6);
    rig.bytes(8, Server, &[1]).end().is_healthy();
    let rig = Rig::set_up().silent(20);
    rig.bytes(8, Server, &[1])
        .end()
        .broke(&[("PR-C-05", Server)]);
}

#[test]
fn without_secrets_nothing_is_judged_and_that_is_said() {
    let mut rig = Rig::new().opened(1, 5_000);
    rig.shows(shown::unreadable(Server, UnreadableReason::NoSecrets));
    let told = rig.end();
    assert_eq!(told.findings, []);
    assert_eq!(told.doubts, ["PR-C-06", "PR-E-04", "PR-S-01"]);
    assert_eq!((told.sessions.len(), told.without_secrets), (1, 1));
}

#[test]
fn a_byte_for_a_reset_in_a_wrong_place_is_closed_with_1_or_5() {
    let wrong = |code| {
        let rig = Rig::new().connected(1, 5_000).bytes(0, Client, &[1]);
        let rig = rig.bytes(4, Client, &[0xFF]);
        rig.closed(Server, code).end()
    };
    wrong(1).broke(&[("PR-S-01", Client)]);
    wrong(5).broke(&[("PR-S-01", Client)]);
    wrong(3).broke(&[("PR-S-01", Client), ("PR-S-03", Server)]);
}

#[test]
fn a_stream_that_is_named_just_late_may_go_on() {
    let named = |milliseconds| {
        let rig = Rig::new().connected(1, 5_000);
        let rig = rig.bytes(0, Client, &[1]).bytes(4, Client, &[2]);
        let (stream, by) = (8, Client);
        let opened = shown::opened(stream, by);
        let rig = rig.does(Client, opened).later(1_010).alive(0, &[1]);
        let rig = rig.does(Client, shown::flow(by, Flow::MaxData(9)));
        let bytes = &[3];
        let rig = rig.later(milliseconds);
        rig.does(Client, shown::bytes(stream, by, bytes))
            .alive(9, &[1])
            .end()
    };
    named(200).is_healthy();
    named(2_000).broke(&[("PR-S-05", Server)]);
}

#[test]
fn streams_that_are_there_just_late_may_go_on() {
    let named = |milliseconds| {
        let rig = Rig::new().connected(1, 5_000);
        let rig = rig.bytes(0, Client, &[1]).bytes(4, Client, &[2]);
        let rig = rig.alive(5, &[1]).later(100).alive(1, &[1]);
        let rig = rig.later(milliseconds).bytes(8, Client, &[3]);
        rig.alive(9, &[1]).end()
    };
    named(100).is_healthy();
    named(3_000).broke(&[("PR-S-06", Server)]);
}

#[test]
fn a_close_of_quic_is_not_the_one_that_is_owed() {
    let closed = |seconds, close| {
        let rig = Rig::set_up().alive(seconds, &[1]);
        let rig = rig.bytes(0, Client, &[1, 0]).fin(0, Client);
        rig.does(Server, close).end()
    };
    let wrong = [("PR-S-08", Server)];
    closed(9, shown::closed_by_quic(Server, 1)).broke(&wrong);
    let told = closed(9, shown::closed_by_quic(Server, 0));
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-S-08"]));
    let told = closed(
        9,
        EventKind::StatelessReset {
            by: quic::Role::Server,
        },
    );
    assert_eq!((told.findings.len(), told.doubts), (0, vec!["PR-S-08"]));
    // Before the handshake is over it hides the application's code.
    closed(0, shown::closed_by_quic(Server, 0x0c)).is_healthy();
    closed(9, shown::closed_by_quic(Server, 0x0c)).broke(&wrong);
}

#[test]
fn items_that_are_pushed_are_not_kept() {
    let mut rig = Rig::set_up();
    for item in 0..100 {
        rig = rig.message(8, Server, item);
    }
    assert_eq!(rig.items_kept(), 0);
    rig.end().is_healthy();
}

#[test]
fn with_the_secrets_of_one_side_nothing_is_judged() {
    let mut rig = Rig::new().opened(1, 5_000);
    rig.shows(shown::agreed(Some(b"proton")));
    for stream in [0, 4, 8, 12] {
        rig.shows(shown::opened(stream, Client));
        rig.packet_alone(Server);
    }
    rig.shows(shown::unreadable(Client, UnreadableReason::NoSecrets));
    let told = rig.after(10, Server).end();
    assert_eq!(told.findings, []);
    assert!(told.doubts.contains(&"PR-S-01"), "{told:?}");
    assert!(told.sessions[0].judged.is_empty(), "{told:?}");
    assert_eq!(told.without_secrets, 1);
}

#[test]
fn other_protocols_are_left_alone() {
    let mut rig = Rig::new().opened(1, 5_000);
    rig.shows(shown::offered(b"\x02h3"));
    rig.shows(shown::agreed(Some(b"h3")));
    let told = rig.bytes(0, Client, &[9]).end();
    told.is_healthy();
    assert_eq!(told.sessions.len(), 0);
}

#[test]
fn a_stream_whose_opening_the_server_may_have_dropped_is_not_named_late() {
    let early = |taken: bool| {
        let mut rig = Rig::new().connected(1, 5_000).deaf();
        if !taken {
            rig = rig.losing();
        }
        rig.shows(shown::opened(0, Client));
        rig.packet_alone(Client);
        rig.shows(EventKind::HandshakeDone);
        rig.packet_alone(Server);
        rig.packet_alone(Client);
        // The acknowledgements from here on say which packets came.
        rig.hearing().alive(12, &[1]).end().findings
    };
    assert!(early(true).contains(&("PR-S-05", Server)));
    assert!(!early(false).contains(&("PR-S-05", Server)));
}

#[test]
fn after_a_slow_handshake_a_client_may_be_waited_for_longer() {
    let told = |slow: bool| {
        let mut rig = Rig::new().opened(1, 5_000);
        rig.shows(shown::agreed(Some(b"proton")));
        rig.handshake(Server, None);
        let mut rig = rig.later(if slow { 3_000 } else { 30 });
        rig.handshake(Client, Some(0));
        rig.packet(Client);
        rig.packet(Server);
        rig.named().silent(20).bytes(8, Server, &[1]).end().findings
    };
    assert_eq!(told(false), [("PR-C-05", Server)]);
    assert_eq!(told(true), []);
}
