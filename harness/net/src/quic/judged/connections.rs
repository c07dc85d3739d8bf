//! More than one connection, and what is wrong between them.

use std::time::Duration;

use shakedown_protocol::Transport;
use shakedown_protocol::requirement::Role::{Initiator as Client, Responder as Server};

use super::super::transport::PROTON;
use super::table::{ACTION, COMMIT, EVENT, RESET, Table, in_virtual_time, pass, word};
use super::told::Where::{At, Later};

#[test]
fn two_connections_that_are_both_served() {
    in_virtual_time(async {
        let table = Table::new();
        let mut first = table.set_up().await;
        let mut second = table.set_up().await;
        pass(5_000).await;
        for pair in [&mut first, &mut second] {
            pair.ask(EVENT, &word(1)).await;
            pair.answer(EVENT, &word(1)).await;
        }
        first.end().await;
        second.end().await;
        let told = table.judged(None);
        let named = told.last(Client, 0, &[EVENT]);
        // A second for 0xFF, one for the close.
        let limit = Duration::from_millis(3_400);
        told.broke(&[
            ("PR-C-01", Server, Later(named, limit)),
            ("PR-R-02", Server, Later(named, limit)),
        ]);
    });
}

#[test]
fn the_first_connection_closed_for_the_second() {
    in_virtual_time(async {
        let table = Table::new();
        let first = table.set_up().await;
        pass(1_500).await;
        let second = table.set_up().await;
        first.server.close(6);
        pass(50).await;
        second.end().await;
        let told = table.judged(None);
        told.broke(&[("PR-C-01", Server, At(told.close(1, Server)))]);
    });
}

#[test]
fn a_second_connection_closed_with_another_code() {
    in_virtual_time(async {
        let table = Table::new();
        let first = table.set_up().await;
        pass(1_500).await;
        let second = table.connect().await;
        pass(1_000).await;
        second.server.close(3);
        pass(2_000).await;
        first.end().await;
        let told = table.judged(None);
        told.broke(&[("PR-R-02", Server, At(told.close(2, Server)))]);
    });
}

#[test]
fn a_reset_that_the_server_takes_for_a_second_connection() {
    in_virtual_time(async {
        let four = Transport {
            bidirectional: 4,
            ..PROTON
        };
        let table = Table::with("", four);
        let first = table.set_up().await;
        pass(1_500).await;
        let mut second = table.connect().await;
        second.name(&[RESET, EVENT, COMMIT, ACTION]).await;
        pass(5_000).await;
        first.end().await;
        second.end().await;
        let told = table.judged(None);
        let reset = told.packet(Client, 0, &[RESET]);
        // The old one has a second for it besides.
        let limit = Duration::from_millis(3_500);
        told.broke(&[("PR-R-01", Server, Later(reset, limit))]);
    });
}

#[test]
fn a_reset_that_closes_the_old_connection_with_another_code() {
    in_virtual_time(async {
        let four = Transport {
            bidirectional: 4,
            ..PROTON
        };
        let table = Table::with("", four);
        let first = table.set_up().await;
        pass(1_500).await;
        let mut second = table.connect().await;
        second.name(&[RESET]).await;
        pass(50).await;
        first.server.close(5);
        second.name(&[EVENT, COMMIT, ACTION]).await;
        second.end().await;
        let told = table.judged(None);
        told.broke(&[("PR-R-01", Server, At(told.close(1, Server)))]);
    });
}

#[test]
fn a_server_that_still_refuses_when_the_first_is_gone() {
    in_virtual_time(async {
        let table = Table::new();
        let first = table.set_up().await;
        pass(1_500).await;
        table.refused().await;
        pass(1_500).await;
        let mut first = first;
        first.ask(EVENT, &word(5)).await;
        first.ask(EVENT, &word(4)).await;
        first.server.close(5);
        pass(100).await;
        table.refused().await;
        let told = table.judged(None);
        let wrong = told.packet(Client, 0, &word(4));
        told.broke(&[
            ("PR-E-04", Client, At(wrong)),
            ("PR-C-02", Server, At(told.close(3, Server))),
        ]);
    });
}

#[test]
fn a_client_that_comes_again_too_soon_after_it_lost_the_connection() {
    in_virtual_time(async {
        let table = Table::at_server("", PROTON);
        let guest = table.guest();
        let mut first = table.connect_from(&guest).await;
        first.name(&[EVENT, COMMIT, ACTION]).await;
        pass(1_500).await;
        table.freeze.set(true);
        pass(8_500).await;
        table.freeze.set(false);
        let mut second = table.connect_from(&guest).await;
        second.name(&[EVENT, COMMIT, ACTION]).await;
        second.end().await;
        let told = table.judged(None);
        told.broke(&[("PR-C-06", Client, At(told.opening(2)))]);
    });
}

#[test]
fn a_client_that_vanished_and_is_kept() {
    in_virtual_time(async {
        let patient = Transport {
            idle_timeout: Duration::from_secs(60),
            ..PROTON
        };
        let table = Table::at_server("", patient);
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        pass(500).await;
        table.freeze.set(true);
        pass(20_000).await;
        let told = table.judged(None);
        let last = told.newest(Client);
        told.broke(&[("PR-C-05", Server, Later(last, Duration::from_millis(8_500)))]);
    });
}

#[test]
fn ids_that_begin_again_on_the_next_connection_of_a_process() {
    in_virtual_time(async {
        let table = Table::new();
        let guest = table.guest();
        for _ in 0..2 {
            let mut pair = table.connect_from(&guest).await;
            pair.name(&[EVENT, COMMIT, ACTION]).await;
            pair.ask(EVENT, &word(3)).await;
            pair.answer(EVENT, &word(3)).await;
            pair.end().await;
        }
        // Another process may have got the port.
        let told = table.judged(None);
        told.broke(&[]);
        assert_eq!(told.doubts, ["PR-E-04"]);
    });
}
