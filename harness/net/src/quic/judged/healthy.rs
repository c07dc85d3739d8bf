//! What may happen to sessions that keep every rule.

use shakedown_protocol::Transport;
use shakedown_protocol::requirement::Role::{Initiator as Client, Responder as Server};

use super::super::transport::PROTON;
use super::table::{ACTION, COMMIT, EVENT, Pair, RESET, Table, in_virtual_time, pass, word};

/// Some events at once, a commit, an item, and idleness.
pub(super) async fn talk(pair: &mut Pair) {
    let ids: Vec<u8> = (1..=20).flat_map(word).collect();
    pair.ask(EVENT, &ids).await;
    pair.ask(COMMIT, &word(42)).await;
    pair.answer(EVENT, &ids).await;
    pair.answer(ACTION, &word(123)).await;
    pair.answer(COMMIT, &word(84)).await;
    pass(9_000).await;
}

#[test]
fn requests_that_are_pipelined() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        talk(&mut pair).await;
        pair.end().await;
        let told = table.judged(None);
        told.is_healthy(1);
        assert!(told.judged(0, "PR-C-04") && told.judged(0, "PR-E-01"));
    });
}

#[test]
fn packets_that_are_lost_repeated_and_overtaken() {
    for impair in [
        "loss=0.1",
        "reorder=0.3",
        "duplicate=0.3",
        "delay=20ms..90ms",
    ] {
        in_virtual_time(async {
            let table = Table::with(impair, PROTON);
            let mut pair = table.set_up().await;
            talk(&mut pair).await;
            pair.end().await;
            let told = table.judged(None);
            told.is_healthy(1);
        });
    }
}

#[test]
fn keys_that_are_updated() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(1)).await;
        pair.client.connection.force_key_update();
        pair.answer(EVENT, &word(1)).await;
        pair.ask(EVENT, &word(2)).await;
        pair.answer(EVENT, &word(2)).await;
        pair.end().await;
        let told = table.judged(None);
        told.is_healthy(1);
        assert!(told.seen.iter().any(|it| it == "key update"));
    });
}

#[test]
fn numbers_that_are_cut() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        for byte in [1, 0, 0, 0] {
            pair.ask(EVENT, &[byte]).await;
        }
        for piece in [&[1, 0][..], &[0], &[0]] {
            pair.answer(EVENT, piece).await;
        }
        pair.end().await;
        table.judged(None).is_healthy(1);
    });
}

#[test]
fn items_that_are_asked_for() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        for item in 123..126 {
            pair.ask(ACTION, &word(0)).await;
            pair.answer(ACTION, &word(item)).await;
        }
        pair.end().await;
        let capture = table.judged(Some("pull"));
        capture.is_healthy(1);
        assert_eq!(capture.sessions[0].mode, "pull");
    });
}

#[test]
fn streams_in_any_order() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.connect().await;
        pair.name(&[ACTION, EVENT, COMMIT]).await;
        pair.ask(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        pair.end().await;
        let told = table.judged(None);
        told.is_healthy(1);
        assert!(told.judged(0, "PR-S-02"));
    });
}

/// A session, and one that resets it.
pub(super) async fn reset() -> Table {
    let four = Transport {
        bidirectional: 4,
        ..PROTON
    };
    let table = Table::with("", four);
    let first = table.set_up().await;
    pass(1_500).await;
    let mut second = table.connect().await;
    second.name(&[RESET]).await;
    first.server.close(7);
    second.name(&[EVENT, COMMIT, ACTION]).await;
    second.ask(EVENT, &word(1)).await;
    second.answer(EVENT, &word(1)).await;
    pass(5_000).await;
    second.end().await;
    table
}

#[test]
fn an_older_connection_that_is_reset() {
    in_virtual_time(async {
        let told = reset().await.judged(None);
        told.is_healthy(2);
        assert!(told.judged(0, "PR-R-01"));
    });
}

/// A session, two that are refused, and the next one.
pub(super) async fn refused() -> Table {
    let table = Table::new();
    let first = table.set_up().await;
    pass(1_500).await;
    table.refused().await;
    let second = table.connect().await;
    pass(1_000).await;
    second.server.close(6);
    pass(3_000).await;
    first.end().await;
    let mut next = table.set_up().await;
    next.ask(EVENT, &word(1)).await;
    next.answer(EVENT, &word(1)).await;
    next.end().await;
    table
}

#[test]
fn a_second_connection_that_is_refused() {
    in_virtual_time(async {
        let told = refused().await.judged(None);
        told.is_healthy(4);
        assert!(told.judged(1, "PR-C-01") && told.judged(2, "PR-R-02"));
        assert!(told.judged(3, "PR-C-02"), "{told:#?}");
    });
}

#[test]
fn both_close_at_once() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(1)).await;
        pair.server.say(EVENT, &word(1)).await;
        pair.client.close(0);
        pair.server.close(0);
        pass(50).await;
        table.judged(None).is_healthy(1);
    });
}

#[test]
fn a_client_that_moves_to_another_address() {
    in_virtual_time(async {
        let table = Table::at_server("", PROTON);
        let guest = table.guest();
        let mut pair = table.connect_from(&guest).await;
        pair.name(&[EVENT, COMMIT, ACTION]).await;
        pair.ask(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        guest.rebind_abstract(table.other_socket()).unwrap();
        pair.ask(EVENT, &word(2)).await;
        pair.answer(EVENT, &word(2)).await;
        pass(30_000).await;
        pair.end().await;
        let told = table.judged(None);
        told.is_healthy(1);
        assert!(told.seen.iter().any(|it| it == "address"), "{told:#?}");
    });
}

#[test]
fn a_process_that_stands_still_for_a_while() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(5)).await;
        pair.answer(EVENT, &word(5)).await;
        table.freeze.set(true);
        pass(4_000).await;
        table.freeze.set(false);
        pair.ask(EVENT, &word(6)).await;
        pair.answer(EVENT, &word(6)).await;
        pair.end().await;
        table.judged(None).is_healthy(1);
    });
}

#[test]
fn what_is_wrong_and_does_not_come_for_a_while() {
    in_virtual_time(async {
        // Recorded at the client, and lost behind it.
        let table = Table::with("from=initiator,outage=2s..6s", PROTON);
        let mut pair = table.set_up().await;
        pass(2_000).await;
        pair.client.say(EVENT, &[1, 0]).await;
        pair.client.fin(EVENT).await;
        assert_eq!(pair.server.hear(EVENT, 2).await, [1, 0]);
        pair.server.close(5);
        pass(50).await;
        let told = table.judged(None);
        told.is_healthy(1);
        let cut = told.packet(Client, 0, &[1, 0]);
        let closed = told.time(told.close(1, Server));
        assert!((closed - told.time(cut)).as_secs() >= 3);
    });
}
