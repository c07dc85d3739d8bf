//! One connection, and what is wrong on its streams.

use std::time::Duration;

use shakedown_protocol::Transport;
use shakedown_protocol::requirement::Role::{Initiator as Client, Responder as Server};

use super::super::transport::PROTON;
use super::table::{ACTION, COMMIT, EVENT, Table, in_virtual_time, pass, word};
use super::told::Where::{At, GoesOnAfter, Later};

const MINUTE: Duration = Duration::from_secs(60);

/// Five minutes, the 5 s that a tolerance comes to at the most, and a second for the network.
const FIVE_MINUTES: Duration = Duration::from_secs(306);

#[test]
fn an_ack_of_another_id() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(5)).await;
        pair.answer(EVENT, &word(6)).await;
        pair.client.close(5);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[("PR-E-01", Server, At(told.packet(Server, 0, &word(6))))]);
        assert!(told.judged(0, "PR-E-03"));
    });
}

#[test]
fn an_ack_of_another_id_that_the_client_takes() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(5)).await;
        pair.answer(EVENT, &word(6)).await;
        pass(5_000).await;
        pair.end().await;
        let told = table.judged(None);
        let wrong = told.packet(Server, 0, &word(6));
        told.broke(&[
            ("PR-E-01", Server, At(wrong)),
            ("PR-E-03", Client, GoesOnAfter(wrong)),
        ]);
    });
}

#[test]
fn acks_in_another_order() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &[word(1), word(2)].concat()).await;
        pair.server.say(EVENT, &word(2)).await;
        pair.server.say(EVENT, &word(1)).await;
        pair.client.close(5);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[("PR-E-01", Server, At(told.packet(Server, 0, &word(2))))]);
    });
}

#[test]
fn an_ack_that_is_left_out() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        for id in 1..=3 {
            pair.ask(EVENT, &word(id)).await;
        }
        pair.answer(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(3)).await;
        pair.client.close(5);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[("PR-E-01", Server, At(told.packet(Server, 0, &word(3))))]);
    });
}

#[test]
fn an_id_that_comes_again_and_is_acked() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        for _ in 0..2 {
            pair.ask(EVENT, &word(7)).await;
            pair.answer(EVENT, &word(7)).await;
        }
        pair.end().await;
        let told = table.judged(None);
        told.broke(&[
            ("PR-E-04", Client, At(told.last(Client, 0, &word(7)))),
            ("PR-E-02", Server, At(told.last(Server, 0, &word(7)))),
        ]);
    });
}

#[test]
fn an_id_that_comes_again_and_is_closed_with_another_code() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(7)).await;
        pair.answer(EVENT, &word(7)).await;
        pair.ask(EVENT, &word(7)).await;
        pair.server.close(1);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[
            ("PR-E-04", Client, At(told.last(Client, 0, &word(7)))),
            ("PR-E-02", Server, At(told.close(1, Server))),
        ]);
    });
}

#[test]
fn an_event_without_an_ack() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(1)).await;
        pass(300_000).await;
        pair.client.close(4);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[("PR-E-01", Server, At(told.close(1, Client)))]);
        assert!(told.judged(0, "PR-C-04"));
    });
}

#[test]
fn a_commit_without_an_answer_that_both_sides_wait_for() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(COMMIT, &word(42)).await;
        pass(400_000).await;
        pair.end().await;
        let told = table.judged(None);
        let asked = told.packet(Client, 4, &word(42));
        let client = FIVE_MINUTES + Duration::from_secs(1);
        told.broke(&[
            ("PR-K-01", Server, Later(asked, FIVE_MINUTES)),
            ("PR-T-01", Client, Later(asked, client)),
        ]);
    });
}

#[test]
fn a_commit_with_two_answers() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(COMMIT, &word(42)).await;
        pair.answer(COMMIT, &word(84)).await;
        pair.answer(COMMIT, &word(85)).await;
        pair.end().await;
        let told = table.judged(None);
        told.broke(&[("PR-K-01", Server, At(told.packet(Server, 4, &word(85))))]);
    });
}

#[test]
fn events_that_wait_for_a_commit() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(COMMIT, &word(42)).await;
        pair.ask(EVENT, &word(1)).await;
        pass(240_000).await;
        pair.answer(COMMIT, &word(84)).await;
        pair.answer(EVENT, &word(1)).await;
        pair.end().await;
        let told = table.judged(None);
        told.broke(&[("PR-T-02", Server, At(told.packet(Server, 0, &word(1))))]);
    });
}

#[test]
fn a_second_stream_of_a_kind_that_is_served() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.connect().await;
        pair.name(&[EVENT, COMMIT, EVENT]).await;
        pass(4_000).await;
        pair.end().await;
        let told = table.judged(None);
        let second = told.packet(Client, 8, &[EVENT]);
        told.broke(&[
            ("PR-S-01", Client, At(second)),
            ("PR-S-04", Server, GoesOnAfter(second)),
        ]);
    });
}

#[test]
fn a_fourth_stream_that_is_served() {
    in_virtual_time(async {
        let four = Transport {
            bidirectional: 4,
            ..PROTON
        };
        let table = Table::with("", four);
        let mut pair = table.set_up().await;
        pair.name(&[COMMIT]).await;
        pass(4_000).await;
        pair.end().await;
        let told = table.judged(None);
        let fourth = told.packet(Client, 12, &[COMMIT]);
        told.broke(&[
            ("PR-S-01", Client, At(fourth)),
            ("PR-S-04", Server, GoesOnAfter(fourth)),
        ]);
    });
}

#[test]
fn a_name_of_no_stream_that_is_taken() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.connect().await;
        pair.name(&[EVENT, 9, COMMIT]).await;
        pass(4_000).await;
        pair.end().await;
        let told = table.judged(None);
        let wrong = told.packet(Client, 4, &[9]);
        told.broke(&[
            ("PR-S-01", Client, At(wrong)),
            ("PR-S-03", Server, GoesOnAfter(wrong)),
        ]);
    });
}

#[test]
fn a_name_of_no_stream_that_is_closed_with_another_code() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.connect().await;
        pair.name(&[9]).await;
        pass(50).await;
        pair.server.close(5);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[
            ("PR-S-01", Client, At(told.packet(Client, 0, &[9]))),
            ("PR-S-03", Server, At(told.close(1, Server))),
        ]);
    });
}

#[test]
fn two_streams_that_are_enough_for_the_server() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.connect().await;
        pair.name(&[EVENT, COMMIT]).await;
        pass(12_000).await;
        pair.end().await;
        let told = table.judged(None);
        let limit = Duration::from_millis(8_500);
        let named = told.packet(Client, 0, &[EVENT]);
        told.broke(&[("PR-S-06", Server, Later(named, limit))]);
    });
}

#[test]
fn streams_that_the_server_wants_in_its_order() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.connect().await;
        pair.name(&[COMMIT, EVENT, ACTION]).await;
        pair.server.close(1);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[("PR-S-02", Server, At(told.close(1, Server)))]);
    });
}

#[test]
fn a_unidirectional_stream_that_is_taken() {
    in_virtual_time(async {
        let one = Transport {
            unidirectional: 1,
            ..PROTON
        };
        let table = Table::with("", one);
        let pair = table.set_up().await;
        let mut stream = pair.client.connection.open_uni().await.unwrap();
        stream.write_all(&[1]).await.unwrap();
        pass(4_000).await;
        pair.end().await;
        let told = table.judged(None);
        let opened = told.packet(Client, 2, &[1]);
        told.broke(&[
            ("PR-S-07", Client, At(opened)),
            ("PR-S-07", Server, GoesOnAfter(opened)),
        ]);
    });
}

#[test]
fn a_stream_that_ends_while_the_server_goes_on() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(EVENT, &word(1)).await;
        pair.answer(EVENT, &word(1)).await;
        pair.client.say(EVENT, &[2, 0]).await;
        pair.client.fin(EVENT).await;
        pass(4_000).await;
        pair.end().await;
        let told = table.judged(None);
        let ended = told.packet(Client, 0, &[2, 0]);
        told.broke(&[("PR-S-08", Server, GoesOnAfter(ended))]);
    });
}

#[test]
fn an_item_cut_short_that_the_client_takes() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.answer(ACTION, &word(123)).await;
        pair.server.say(ACTION, &[124, 0]).await;
        pair.server.fin(ACTION).await;
        pass(4_000).await;
        pair.end().await;
        let told = table.judged(None);
        let cut = told.packet(Server, 8, &[124, 0]);
        told.broke(&[("PR-A-03", Client, GoesOnAfter(cut))]);
    });
}

#[test]
fn a_client_that_speaks_on_the_action_stream_of_push() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.answer(ACTION, &word(123)).await;
        pair.answer(ACTION, &word(124)).await;
        pair.ask(ACTION, &[9]).await;
        pass(4_000).await;
        pair.end().await;
        let told = table.judged(None);
        let spoke = told.packet(Client, 8, &[9]);
        told.broke(&[("PR-A-02", Server, GoesOnAfter(spoke))]);
    });
}

#[test]
fn two_items_for_one_request() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.ask(ACTION, &word(0)).await;
        pair.answer(ACTION, &word(123)).await;
        pair.answer(ACTION, &word(124)).await;
        pair.end().await;
        let told = table.judged(Some("pull"));
        told.broke(&[("PR-A-01", Server, At(told.packet(Server, 8, &word(124))))]);
    });
}

#[test]
fn a_code_that_there_is_not() {
    in_virtual_time(async {
        let table = Table::new();
        let pair = table.set_up().await;
        pair.server.close(42);
        pass(50).await;
        let told = table.judged(None);
        told.broke(&[("PR-C-03", Server, At(told.close(1, Server)))]);
    });
}

#[test]
fn a_client_that_does_not_read_and_is_kept() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        let window = vec![0; 2 << 20];
        pair.server.fill(ACTION, &window).await;
        pass(400_000).await;
        pair.end().await;
        let told = table.judged(None);
        let named = told.packet(Client, 8, &[ACTION]);
        let limit = FIVE_MINUTES + Duration::from_secs(1);
        told.broke(&[("PR-T-04", Server, Later(named, limit))]);
    });
}

#[test]
fn a_client_that_does_not_read_and_is_closed_with_4() {
    in_virtual_time(async {
        let table = Table::new();
        let mut pair = table.set_up().await;
        pair.server.fill(ACTION, &vec![0; 2 << 20]).await;
        pass(5 * u64::try_from(MINUTE.as_millis()).unwrap()).await;
        pair.server.close(4);
        pass(50).await;
        let told = table.judged(None);
        told.is_healthy(1);
        assert!(told.judged(0, "PR-T-04"));
    });
}
