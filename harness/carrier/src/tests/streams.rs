//! What passes on streams, and what holds it back.

use shakedown_protocol::Transport;
use shakedown_protocol::proton::TRANSPORT;
use shakedown_protocol::streams::{ConnectOptions, Output, StreamId};

use super::pair::{LATENCY, settings, tester};
use super::test_peer::{FIRST, Puppets, STREAM, write};
use crate::Security;

#[test]
fn bytes_arrive_in_order_whatever_is_lost() {
    let settings = settings(Security::Seeded(3));
    let mut pair = Puppets::with(&settings, &settings);
    pair.one_lost_in = Some(7);
    pair.client([Output::Connect(FIRST)]);
    let much = 300_000;
    pair.client([
        Output::Open(FIRST, STREAM),
        write(STREAM, much),
        Output::Fin(FIRST, STREAM),
    ]);
    pair.server([write(STREAM, much), Output::Fin(FIRST, STREAM)]);
    pair.run_for(std::time::Duration::from_secs(120));
    let Output::Write(.., all) = write(STREAM, much) else {
        panic!("a write is one");
    };
    for puppet in pair.puppets() {
        assert!(puppet.got == all, "{} of {much}", puppet.got.len());
        assert!(puppet.has_heard("stream 0 fin") && puppet.has_heard("stream 0 written"));
    }
}

#[test]
fn a_stream_is_broken_off_at_once_and_the_other_half_is_stopped() {
    let mut pair = Puppets::connected(TRANSPORT);
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 1)]);
    pair.ask_server(|puppet| puppet.is_deaf = true);
    // More than the other side's window has room for: it waits.
    pair.client([write(STREAM, 4 << 20)]);
    assert!(!pair.puppets()[1].heard[2..].contains(&"stream 0 written".to_owned()));
    pair.client([
        Output::Reset(FIRST, STREAM, 7),
        Output::StopSending(FIRST, STREAM, 8),
    ]);
    assert!(pair.puppets()[0].has_heard("stream 0 stopped 8"));
    pair.ask_server(|puppet| puppet.is_deaf = false);
    assert!(pair.puppets()[0].has_heard("stream 0 reset 7"));
}

#[test]
fn who_is_stopped_breaks_off() {
    let settings = settings(Security::Plain(2));
    let mut pair = Puppets::with(&settings, &settings);
    pair.client([Output::Connect(FIRST)]);
    pair.client([
        Output::Open(FIRST, STREAM),
        write(STREAM, 1),
        Output::Fin(FIRST, STREAM),
        Output::StopSending(FIRST, STREAM, 8),
    ]);
    assert!(pair.puppets()[0].has_heard("stream 0 stopped 8"));
    // The stream is over then (RFC 9000, section 3.5), and there is room for another.
    for n in 1..=3 {
        let id = StreamId::of_client(n);
        pair.client([Output::Open(FIRST, id), write(id, 1)]);
    }
    assert!(pair.puppets()[0].has_heard("stream 12: 1 bytes"));
}

#[test]
fn a_stream_is_opened_when_there_is_room() {
    let settings = settings(Security::Plain(2));
    let mut pair = Puppets::with(&settings, &settings);
    pair.client([Output::Connect(FIRST)]);
    for n in 0..4 {
        let id = StreamId::of_client(n);
        pair.client([
            Output::Open(FIRST, id),
            write(id, 1),
            Output::Fin(FIRST, id),
        ]);
    }
    let last = StreamId::of_client(3);
    assert!(!pair.puppets()[0].has_heard("stream 12 opened"));
    assert!(!pair.puppets()[1].has_heard("stream 12 written"));
    // What is asked of it meanwhile is done when it is open.
    pair.client([Output::StopSending(FIRST, last, 6)]);
    pair.server([Output::Fin(FIRST, StreamId::of_client(1))]);
    let [server, client] = pair.puppets();
    assert!(server.has_heard("stream 12 fin") && server.has_heard("stream 12 stopped 6"));
    assert!(client.has_heard("stream 12 written"));
}

#[test]
fn a_server_opens_streams_of_both_kinds() {
    let transport = Transport {
        unidirectional: 1,
        ..TRANSPORT
    };
    let mut pair = Puppets::connected(transport);
    for (id, length) in [(1, 5), (3, 6)] {
        let stream = StreamId(id);
        pair.server([Output::Open(FIRST, stream), write(stream, length)]);
    }
    // What is for the other direction means nothing.
    pair.client([write(StreamId(3), 1), Output::Reset(FIRST, StreamId(3), 1)]);
    pair.server([Output::StopSending(FIRST, StreamId(3), 1)]);
    let heard = [
        "0 connected",
        "stream 1 opened",
        "stream 1: 5 bytes",
        "stream 3 opened",
        "stream 3: 6 bytes",
    ];
    assert_eq!(pair.puppets()[1].heard, heard);
}

#[test]
fn datagrams_pass_between_testers_and_are_not_admitted_by_others() {
    let send = || [Output::Datagram(FIRST, vec![9])];
    let mut pair = Puppets::connected(TRANSPORT);
    pair.client(send());
    assert!(pair.puppets()[0].has_heard("datagram [9]"));
    let plain = Security::Plain(1);
    let mut pair = Puppets::with(&settings(plain), &tester(plain));
    pair.client([Output::Connect(FIRST)]);
    pair.client(send());
    assert_eq!(pair.puppets()[0].heard, ["0 connected"]);
    assert_eq!(pair.puppets()[1].heard, ["0 connected"]);
}

#[test]
fn a_window_holds_the_other_side_back_until_it_is_read() {
    let mut pair = Puppets::of_testers(TRANSPORT);
    let how = ConnectOptions {
        window: Some(4),
        ..ConnectOptions::default()
    };
    pair.ask(0, |puppet| puppet.is_deaf = true);
    pair.client([Output::ConnectBy(FIRST, how)]);
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 1)]);
    pair.server([write(STREAM, 6)]);
    assert!(!pair.puppets()[0].has_heard("stream 0 written"));
    pair.ask(0, |puppet| puppet.is_deaf = false);
    pair.client([]);
    let [server, client] = pair.puppets();
    assert!(client.has_heard("stream 0: 4 bytes") && client.got.len() == 6);
    assert!(server.has_heard("stream 0 written"));
}

#[test]
fn what_was_said_is_known_to_be_read_a_round_trip_after_it_is_asked() {
    let mut pair = Puppets::connected(TRANSPORT);
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 1)]);
    assert!(!pair.clients[0].is_read());
    let now = pair.now();
    pair.clients[0].ask_for_acknowledgement(now);
    pair.ask(0, |_| ());
    assert!(!pair.clients[0].is_read());
    pair.run_for(LATENCY * 2);
    assert!(pair.clients[0].is_read());
    pair.client([write(STREAM, 1)]);
    assert!(!pair.clients[0].is_read());
}
