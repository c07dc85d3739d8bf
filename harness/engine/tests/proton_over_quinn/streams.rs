//! One connection, and what is wrong on its streams.

use std::time::Duration;

use shakedown_protocol::Transport;
use shakedown_protocol::requirement::Role::{Initiator as Client, Responder as Server};

use super::judged::Place::{At, GoesOnAfter, Later};
use super::network::in_virtual_time;
use super::setup::{ACTION, COMMIT, EVENT, Setup, connection, session, wait, word};
use shakedown_protocol::proton::TRANSPORT;

const MINUTE: Duration = Duration::from_secs(60);

/// Five minutes, the 5 s that a tolerance comes to at the most, and a second for the network.
const FIVE_MINUTES: Duration = Duration::from_secs(306);

#[test]
fn an_ack_of_another_id() {
    let judged = session(async |pair| {
        pair.request(EVENT, &word(5)).await;
        pair.answer(EVENT, &word(6)).await;
        pair.client.close(5);
        wait(50).await;
    });
    judged.broke(&[("PR-E-01", Server, At(judged.packet(Server, 0, &word(6))))]);
    assert!(judged.exercised(0, "PR-E-03"));
}

#[test]
fn an_ack_of_another_id_that_the_client_takes() {
    let judged = session(async |pair| {
        pair.request(EVENT, &word(5)).await;
        pair.answer(EVENT, &word(6)).await;
        wait(5_000).await;
        pair.end().await;
    });
    let wrong = judged.packet(Server, 0, &word(6));
    judged.broke(&[
        ("PR-E-01", Server, At(wrong)),
        ("PR-E-03", Client, GoesOnAfter(wrong)),
    ]);
}

#[test]
fn acks_in_another_order() {
    let judged = session(async |pair| {
        pair.request(EVENT, &[word(1), word(2)].concat()).await;
        pair.server.write(EVENT, &word(2)).await;
        pair.server.write(EVENT, &word(1)).await;
        pair.client.close(5);
        wait(50).await;
    });
    judged.broke(&[("PR-E-01", Server, At(judged.packet(Server, 0, &word(2))))]);
}

#[test]
fn an_ack_that_is_left_out() {
    let judged = session(async |pair| {
        for id in 1..=3 {
            pair.request(EVENT, &word(id)).await;
        }
        pair.answer(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(3)).await;
        pair.client.close(5);
        wait(50).await;
    });
    judged.broke(&[("PR-E-01", Server, At(judged.packet(Server, 0, &word(3))))]);
}

#[test]
fn an_id_that_comes_again_and_is_acked() {
    let judged = session(async |pair| {
        for _ in 0..2 {
            pair.request(EVENT, &word(7)).await;
            pair.answer(EVENT, &word(7)).await;
        }
        pair.end().await;
    });
    judged.broke(&[
        ("PR-E-04", Client, At(judged.last(Client, 0, &word(7)))),
        ("PR-E-02", Server, At(judged.last(Server, 0, &word(7)))),
    ]);
}

#[test]
fn an_id_that_comes_again_and_is_closed_with_another_code() {
    let judged = session(async |pair| {
        pair.request(EVENT, &word(7)).await;
        pair.answer(EVENT, &word(7)).await;
        pair.request(EVENT, &word(7)).await;
        pair.server.close(1);
        wait(50).await;
    });
    judged.broke(&[
        ("PR-E-04", Client, At(judged.last(Client, 0, &word(7)))),
        ("PR-E-02", Server, At(judged.close(1, Server))),
    ]);
}

#[test]
fn an_event_without_an_ack() {
    let judged = session(async |pair| {
        pair.request(EVENT, &word(1)).await;
        wait(300_000).await;
        pair.client.close(4);
        wait(50).await;
    });
    judged.broke(&[("PR-E-01", Server, At(judged.close(1, Client)))]);
    assert!(judged.exercised(0, "PR-C-04"));
}

#[test]
fn a_commit_without_an_answer_that_both_sides_wait_for() {
    let judged = session(async |pair| {
        pair.request(COMMIT, &word(42)).await;
        wait(400_000).await;
        pair.end().await;
    });
    let asked = judged.packet(Client, 4, &word(42));
    let client = FIVE_MINUTES + Duration::from_secs(1);
    judged.broke(&[
        ("PR-K-01", Server, Later(asked, FIVE_MINUTES)),
        ("PR-T-01", Client, Later(asked, client)),
    ]);
}

#[test]
fn a_commit_with_two_answers() {
    let judged = session(async |pair| {
        pair.request(COMMIT, &word(42)).await;
        pair.answer(COMMIT, &word(84)).await;
        pair.answer(COMMIT, &word(85)).await;
        pair.end().await;
    });
    judged.broke(&[("PR-K-01", Server, At(judged.packet(Server, 4, &word(85))))]);
}

#[test]
fn events_that_wait_for_a_commit() {
    let judged = session(async |pair| {
        pair.request(COMMIT, &word(42)).await;
        pair.request(EVENT, &word(1)).await;
        wait(240_000).await;
        pair.answer(COMMIT, &word(84)).await;
        pair.answer(EVENT, &word(1)).await;
        pair.end().await;
    });
    judged.broke(&[("PR-T-02", Server, At(judged.packet(Server, 0, &word(1))))]);
}

#[test]
fn a_second_stream_of_a_kind_that_is_served() {
    let judged = connection(async |pair| {
        pair.open(&[EVENT, COMMIT, EVENT]).await;
        wait(4_000).await;
        pair.end().await;
    });
    let second = judged.packet(Client, 8, &[EVENT]);
    judged.broke(&[
        ("PR-S-01", Client, At(second)),
        ("PR-S-04", Server, GoesOnAfter(second)),
    ]);
}

#[test]
fn a_fourth_stream_that_is_served() {
    in_virtual_time(async {
        let four = Transport {
            bidirectional: 4,
            ..TRANSPORT
        };
        let setup = Setup::with("", four);
        let mut pair = setup.session().await;
        pair.open(&[COMMIT]).await;
        wait(4_000).await;
        pair.end().await;
        let judged = setup.judge(None);
        let fourth = judged.packet(Client, 12, &[COMMIT]);
        judged.broke(&[
            ("PR-S-01", Client, At(fourth)),
            ("PR-S-04", Server, GoesOnAfter(fourth)),
        ]);
    });
}

#[test]
fn a_name_of_no_stream_that_is_taken() {
    let judged = connection(async |pair| {
        pair.open(&[EVENT, 9, COMMIT]).await;
        wait(4_000).await;
        pair.end().await;
    });
    let wrong = judged.packet(Client, 4, &[9]);
    judged.broke(&[
        ("PR-S-01", Client, At(wrong)),
        ("PR-S-03", Server, GoesOnAfter(wrong)),
    ]);
}

#[test]
fn a_name_of_no_stream_that_is_closed_with_another_code() {
    let judged = connection(async |pair| {
        pair.open(&[9]).await;
        wait(50).await;
        pair.server.close(5);
        wait(50).await;
    });
    judged.broke(&[
        ("PR-S-01", Client, At(judged.packet(Client, 0, &[9]))),
        ("PR-S-03", Server, At(judged.close(1, Server))),
    ]);
}

#[test]
fn two_streams_that_are_enough_for_the_server() {
    let judged = connection(async |pair| {
        pair.open(&[EVENT, COMMIT]).await;
        wait(12_000).await;
        pair.end().await;
    });
    let limit = Duration::from_millis(8_500);
    let named = judged.packet(Client, 0, &[EVENT]);
    judged.broke(&[("PR-S-06", Server, Later(named, limit))]);
}

#[test]
fn streams_that_the_server_wants_in_its_order() {
    let judged = connection(async |pair| {
        pair.open(&[COMMIT, EVENT, ACTION]).await;
        pair.server.close(1);
        wait(50).await;
    });
    judged.broke(&[("PR-S-02", Server, At(judged.close(1, Server)))]);
}

#[test]
fn a_unidirectional_stream_that_is_taken() {
    in_virtual_time(async {
        let one = Transport {
            unidirectional: 1,
            ..TRANSPORT
        };
        let setup = Setup::with("", one);
        let pair = setup.session().await;
        let mut stream = pair.client.connection.open_uni().await.unwrap();
        stream.write_all(&[1]).await.unwrap();
        wait(4_000).await;
        pair.end().await;
        let judged = setup.judge(None);
        let opened = judged.packet(Client, 2, &[1]);
        judged.broke(&[
            ("PR-S-07", Client, At(opened)),
            ("PR-S-07", Server, GoesOnAfter(opened)),
        ]);
    });
}

#[test]
fn a_stream_that_ends_while_the_server_goes_on() {
    let judged = session(async |pair| {
        pair.request(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        pair.client.write(EVENT, &[2, 0]).await;
        pair.client.fin(EVENT).await;
        wait(4_000).await;
        pair.end().await;
    });
    let ended = judged.packet(Client, 0, &[2, 0]);
    judged.broke(&[("PR-S-08", Server, GoesOnAfter(ended))]);
}

#[test]
fn an_item_cut_short_that_the_client_takes() {
    let judged = session(async |pair| {
        pair.answer(ACTION, &word(123)).await;
        pair.server.write(ACTION, &[124, 0]).await;
        pair.server.fin(ACTION).await;
        wait(4_000).await;
        pair.end().await;
    });
    let cut = judged.packet(Server, 8, &[124, 0]);
    judged.broke(&[("PR-A-03", Client, GoesOnAfter(cut))]);
}

#[test]
fn a_client_that_speaks_on_the_action_stream_of_push() {
    let judged = session(async |pair| {
        pair.answer(ACTION, &word(123)).await;
        pair.answer(ACTION, &word(124)).await;
        pair.request(ACTION, &[9]).await;
        wait(4_000).await;
        pair.end().await;
    });
    let spoke = judged.packet(Client, 8, &[9]);
    judged.broke(&[("PR-A-02", Server, GoesOnAfter(spoke))]);
}

#[test]
fn two_items_for_one_request() {
    in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.session().await;
        pair.request(ACTION, &word(0)).await;
        pair.answer(ACTION, &word(123)).await;
        pair.answer(ACTION, &word(124)).await;
        pair.end().await;
        let judged = setup.judge(Some("pull"));
        judged.broke(&[("PR-A-01", Server, At(judged.packet(Server, 8, &word(124))))]);
    });
}

#[test]
fn a_code_that_there_is_not() {
    in_virtual_time(async {
        let setup = Setup::new();
        let pair = setup.session().await;
        pair.server.close(42);
        wait(50).await;
        let judged = setup.judge(None);
        judged.broke(&[("PR-C-03", Server, At(judged.close(1, Server)))]);
    });
}

#[test]
fn a_client_that_does_not_read_and_is_kept() {
    let judged = session(async |pair| {
        let window = vec![0; 2 << 20];
        pair.server.fill(ACTION, &window).await;
        wait(400_000).await;
        pair.end().await;
    });
    let named = judged.packet(Client, 8, &[ACTION]);
    let limit = FIVE_MINUTES + Duration::from_secs(1);
    judged.broke(&[("PR-T-04", Server, Later(named, limit))]);
}

#[test]
fn a_client_that_does_not_read_and_is_closed_with_4() {
    let judged = session(async |pair| {
        pair.server.fill(ACTION, &vec![0; 2 << 20]).await;
        wait(5 * u64::try_from(MINUTE.as_millis()).unwrap()).await;
        pair.server.close(4);
        wait(50).await;
    });
    judged.is_healthy(1);
    assert!(judged.exercised(0, "PR-T-04"));
}
