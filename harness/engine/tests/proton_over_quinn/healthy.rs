//! What may happen to sessions that keep every rule.

use shakedown_protocol::Transport;
use shakedown_protocol::requirement::Role::{Initiator as Client, Responder as Server};

use super::network::in_virtual_time;
use super::setup::{ACTION, COMMIT, EVENT, Pair, RESET, Setup, session, wait, word};
use shakedown_protocol::proton::TRANSPORT;

/// Some events at once, a commit, an item, and idleness.
pub(crate) async fn exchange(pair: &mut Pair) {
    let ids: Vec<u8> = (1..=20).flat_map(word).collect();
    pair.request(EVENT, &ids).await;
    pair.request(COMMIT, &word(42)).await;
    pair.answer(EVENT, &ids).await;
    pair.answer(ACTION, &word(123)).await;
    pair.answer(COMMIT, &word(84)).await;
    wait(9_000).await;
}

#[test]
fn requests_that_are_pipelined() {
    let judged = session(async |pair| {
        exchange(pair).await;
        pair.end().await;
    });
    judged.is_healthy(1);
    assert!(judged.exercised(0, "PR-C-04") && judged.exercised(0, "PR-E-01"));
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
            let setup = Setup::with(impair, TRANSPORT);
            let mut pair = setup.session().await;
            exchange(&mut pair).await;
            pair.end().await;
            let judged = setup.judge(None);
            judged.is_healthy(1);
        });
    }
}

#[test]
fn keys_that_are_updated() {
    let judged = session(async |pair| {
        pair.request(EVENT, &word(1)).await;
        pair.client.connection.force_key_update();
        pair.answer(EVENT, &word(1)).await;
        pair.request(EVENT, &word(2)).await;
        pair.answer(EVENT, &word(2)).await;
        pair.end().await;
    });
    judged.is_healthy(1);
    assert!(judged.seen.iter().any(|it| it == "key update"));
}

#[test]
fn numbers_that_are_cut() {
    session(async |pair| {
        for byte in [1, 0, 0, 0] {
            pair.request(EVENT, &[byte]).await;
        }
        for piece in [&[1, 0][..], &[0], &[0]] {
            pair.answer(EVENT, piece).await;
        }
        pair.end().await;
    })
    .is_healthy(1);
}

#[test]
fn items_that_are_asked_for() {
    in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.session().await;
        for item in 123..126 {
            pair.request(ACTION, &word(0)).await;
            pair.answer(ACTION, &word(item)).await;
        }
        pair.end().await;
        let capture = setup.judge(Some("pull"));
        capture.is_healthy(1);
        assert_eq!(capture.sessions[0].mode, "pull");
    });
}

#[test]
fn streams_in_any_order() {
    in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.connect().await;
        pair.open(&[ACTION, EVENT, COMMIT]).await;
        pair.request(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        pair.end().await;
        let judged = setup.judge(None);
        judged.is_healthy(1);
        assert!(judged.exercised(0, "PR-S-02"));
    });
}

/// A session, and one that resets it.
pub(crate) async fn reset() -> Setup {
    let four = Transport {
        bidirectional: 4,
        ..TRANSPORT
    };
    let setup = Setup::with("", four);
    let first = setup.session().await;
    wait(1_500).await;
    let mut second = setup.connect().await;
    second.open(&[RESET]).await;
    first.server.close(7);
    second.open(&[EVENT, COMMIT, ACTION]).await;
    second.request(EVENT, &word(1)).await;
    second.answer(EVENT, &word(1)).await;
    wait(5_000).await;
    second.end().await;
    setup
}

#[test]
fn an_older_connection_that_is_reset() {
    in_virtual_time(async {
        let judged = reset().await.judge(None);
        judged.is_healthy(2);
        assert!(judged.exercised(0, "PR-R-01"));
    });
}

/// A session, two that are refused, and the next one.
pub(crate) async fn refused() -> Setup {
    let setup = Setup::new();
    let first = setup.session().await;
    wait(1_500).await;
    setup.refuse().await;
    let second = setup.connect().await;
    wait(1_000).await;
    second.server.close(6);
    wait(3_000).await;
    first.end().await;
    let mut next = setup.session().await;
    next.request(EVENT, &word(1)).await;
    next.answer(EVENT, &word(1)).await;
    next.end().await;
    setup
}

#[test]
fn a_second_connection_that_is_refused() {
    in_virtual_time(async {
        let judged = refused().await.judge(None);
        judged.is_healthy(4);
        assert!(judged.exercised(1, "PR-C-01") && judged.exercised(2, "PR-R-02"));
        assert!(judged.exercised(3, "PR-C-02"), "{judged:#?}");
    });
}

#[test]
fn both_close_at_once() {
    session(async |pair| {
        pair.request(EVENT, &word(1)).await;
        pair.server.write(EVENT, &word(1)).await;
        pair.client.close(0);
        pair.server.close(0);
        wait(50).await;
    })
    .is_healthy(1);
}

#[test]
fn a_client_that_moves_to_another_address() {
    in_virtual_time(async {
        let setup = Setup::recorded_at_server(TRANSPORT);
        let client = setup.client();
        let mut pair = setup.connect_from(&client).await;
        pair.open(&[EVENT, COMMIT, ACTION]).await;
        pair.request(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        client
            .rebind_abstract(setup.network.client_socket())
            .unwrap();
        pair.request(EVENT, &word(2)).await;
        pair.answer(EVENT, &word(2)).await;
        wait(30_000).await;
        pair.end().await;
        let judged = setup.judge(None);
        judged.is_healthy(1);
        assert!(judged.seen.iter().any(|it| it == "address"), "{judged:#?}");
    });
}

#[test]
fn a_process_that_stands_still_for_a_while() {
    in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.session().await;
        pair.request(EVENT, &word(5)).await;
        pair.answer(EVENT, &word(5)).await;
        setup.network.cut_off_clients(true);
        wait(4_000).await;
        setup.network.cut_off_clients(false);
        pair.request(EVENT, &word(6)).await;
        pair.answer(EVENT, &word(6)).await;
        pair.end().await;
        setup.judge(None).is_healthy(1);
    });
}

#[test]
fn what_is_wrong_and_does_not_come_for_a_while() {
    in_virtual_time(async {
        // Recorded at the client, and lost behind it.
        let setup = Setup::with("from=initiator,outage=2s..6s", TRANSPORT);
        let mut pair = setup.session().await;
        wait(2_000).await;
        pair.client.write(EVENT, &[1, 0]).await;
        pair.client.fin(EVENT).await;
        assert_eq!(pair.server.read(EVENT, 2).await, [1, 0]);
        pair.server.close(5);
        wait(50).await;
        let judged = setup.judge(None);
        judged.is_healthy(1);
        let cut = judged.packet(Client, 0, &[1, 0]);
        let closed = judged.time(judged.close(1, Server));
        assert!((closed - judged.time(cut)).as_secs() >= 3);
    });
}
