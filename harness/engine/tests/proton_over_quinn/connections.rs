//! More than one connection, and what is wrong between them.

use std::time::Duration;

use shakedown_protocol::Transport;
use shakedown_protocol::requirement::Role::{Initiator as Client, Responder as Server};

use super::judged::Place::{At, Later};
use super::network::in_virtual_time;
use super::setup::{ACTION, COMMIT, EVENT, RESET, Setup, wait, word};
use shakedown_protocol::proton::TRANSPORT;

#[test]
fn two_connections_that_are_both_served() {
    in_virtual_time(async {
        let setup = Setup::new();
        let mut first = setup.session().await;
        let mut second = setup.session().await;
        wait(5_000).await;
        for pair in [&mut first, &mut second] {
            pair.request(EVENT, &word(1)).await;
            pair.answer(EVENT, &word(1)).await;
        }
        first.end().await;
        second.end().await;
        let judged = setup.judge(None);
        let named = judged.last(Client, 0, &[EVENT]);
        // A second for 0xFF, one for the close.
        let limit = Duration::from_millis(3_400);
        judged.broke(&[
            ("PR-C-01", Server, Later(named, limit)),
            ("PR-R-02", Server, Later(named, limit)),
        ]);
    });
}

#[test]
fn the_first_connection_closed_for_the_second() {
    in_virtual_time(async {
        let setup = Setup::new();
        let first = setup.session().await;
        wait(1_500).await;
        let second = setup.session().await;
        first.server.close(6);
        wait(50).await;
        second.end().await;
        let judged = setup.judge(None);
        judged.broke(&[("PR-C-01", Server, At(judged.close(1, Server)))]);
    });
}

#[test]
fn a_second_connection_closed_with_another_code() {
    in_virtual_time(async {
        let setup = Setup::new();
        let first = setup.session().await;
        wait(1_500).await;
        let second = setup.connect().await;
        wait(1_000).await;
        second.server.close(3);
        wait(2_000).await;
        first.end().await;
        let judged = setup.judge(None);
        judged.broke(&[("PR-R-02", Server, At(judged.close(2, Server)))]);
    });
}

#[test]
fn a_reset_that_the_server_takes_for_a_second_connection() {
    in_virtual_time(async {
        let four = Transport {
            bidirectional: 4,
            ..TRANSPORT
        };
        let setup = Setup::with("", four);
        let first = setup.session().await;
        wait(1_500).await;
        let mut second = setup.connect().await;
        second.open(&[RESET, EVENT, COMMIT, ACTION]).await;
        wait(5_000).await;
        first.end().await;
        second.end().await;
        let judged = setup.judge(None);
        let reset = judged.packet(Client, 0, &[RESET]);
        // The old one has a second for it besides.
        let limit = Duration::from_millis(3_500);
        judged.broke(&[("PR-R-01", Server, Later(reset, limit))]);
    });
}

#[test]
fn a_reset_that_closes_the_old_connection_with_another_code() {
    in_virtual_time(async {
        let four = Transport {
            bidirectional: 4,
            ..TRANSPORT
        };
        let setup = Setup::with("", four);
        let first = setup.session().await;
        wait(1_500).await;
        let mut second = setup.connect().await;
        second.open(&[RESET]).await;
        wait(50).await;
        first.server.close(5);
        second.open(&[EVENT, COMMIT, ACTION]).await;
        second.end().await;
        let judged = setup.judge(None);
        judged.broke(&[("PR-R-01", Server, At(judged.close(1, Server)))]);
    });
}

#[test]
fn a_server_that_still_refuses_when_the_first_is_gone() {
    in_virtual_time(async {
        let setup = Setup::new();
        let first = setup.session().await;
        wait(1_500).await;
        setup.refuse().await;
        wait(1_500).await;
        let mut first = first;
        first.request(EVENT, &word(5)).await;
        first.request(EVENT, &word(4)).await;
        first.server.close(5);
        wait(100).await;
        setup.refuse().await;
        let judged = setup.judge(None);
        let wrong = judged.packet(Client, 0, &word(4));
        judged.broke(&[
            ("PR-E-04", Client, At(wrong)),
            ("PR-C-02", Server, At(judged.close(3, Server))),
        ]);
    });
}

#[test]
fn a_client_that_comes_again_too_soon_after_it_lost_the_connection() {
    in_virtual_time(async {
        let setup = Setup::recorded_at_server(TRANSPORT);
        let client = setup.client();
        let mut first = setup.connect_from(&client).await;
        first.open(&[EVENT, COMMIT, ACTION]).await;
        wait(1_500).await;
        setup.network.cut_off_clients(true);
        wait(8_500).await;
        setup.network.cut_off_clients(false);
        let mut second = setup.connect_from(&client).await;
        second.open(&[EVENT, COMMIT, ACTION]).await;
        second.end().await;
        let judged = setup.judge(None);
        judged.broke(&[("PR-C-06", Client, At(judged.opening(2)))]);
    });
}

#[test]
fn a_client_that_vanished_and_is_kept() {
    in_virtual_time(async {
        let patient = Transport {
            idle_timeout: Duration::from_secs(60),
            ..TRANSPORT
        };
        let setup = Setup::recorded_at_server(patient);
        let mut pair = setup.session().await;
        pair.request(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        wait(500).await;
        setup.network.cut_off_clients(true);
        wait(20_000).await;
        let judged = setup.judge(None);
        let last = judged.newest(Client);
        judged.broke(&[("PR-C-05", Server, Later(last, Duration::from_millis(8_500)))]);
    });
}

#[test]
fn ids_that_begin_again_on_the_next_connection_of_a_process() {
    in_virtual_time(async {
        let setup = Setup::new();
        let client = setup.client();
        for _ in 0..2 {
            let mut pair = setup.connect_from(&client).await;
            pair.open(&[EVENT, COMMIT, ACTION]).await;
            pair.request(EVENT, &word(3)).await;
            pair.answer(EVENT, &word(3)).await;
            pair.end().await;
        }
        // Another process may have got the port.
        let judged = setup.judge(None);
        judged.broke(&[]);
        assert_eq!(judged.doubts, ["PR-E-04"]);
    });
}
