//! How connections begin and end.

use std::time::Duration;

use shakedown_protocol::machine::Machine;
use shakedown_protocol::proton::TRANSPORT;
use shakedown_protocol::streams::{ConnectOptions, ConnectionNumber, Fault, Output};
use shakedown_protocol::{ReceiveTimeout, Transport};

use super::pair::{client_address, settings, tester};
use super::test_peer::{FIRST, Puppets, SECOND, STREAM, TestPeer, close, write};
use crate::{Carrier, Security, Socket};

const SECURITIES: [Security; 3] = [Security::Tls, Security::Seeded(1), Security::Plain(1)];

#[test]
fn either_side_closes_with_a_code_and_a_reason() {
    for security in SECURITIES {
        let settings = tester(security);
        let mut pair = Puppets::with(&settings, &settings);
        pair.client([Output::Connect(FIRST)]);
        pair.client([Output::Connect(SECOND)]);
        pair.client([close(FIRST, 7, "enough")]);
        pair.server([close(SECOND, 1 << 61, "")]);
        let [server, client] = pair.puppets();
        assert_eq!(
            server.heard,
            ["0 connected", "1 connected", "0 closed 7 enough"]
        );
        let code = 1_u64 << 61;
        let last = format!("1 closed {code} ");
        assert_eq!(client.heard, ["0 connected", "1 connected", &last]);
        assert!(pair.server.is_idle() && pair.clients[0].is_idle());
    }
}

#[test]
fn a_machine_that_is_over_is_finished_before_all_have_heard_of_it() {
    let mut pair = Puppets::connected(TRANSPORT);
    pair.ask_server(|puppet| {
        puppet.wants.push_back(close(FIRST, 0, ""));
        puppet.is_over = true;
    });
    assert!(Machine::is_finished(&pair.server) && !pair.server.is_idle());
}

#[test]
fn what_was_written_before_a_close_is_heard_before_it() {
    let mut pair = Puppets::connected(TRANSPORT);
    pair.client([
        Output::Open(FIRST, STREAM),
        write(STREAM, 3),
        Output::Fin(FIRST, STREAM),
        close(FIRST, 4, ""),
    ]);
    let [server, client] = pair.puppets();
    let heard = [
        "0 connected",
        "stream 0 opened",
        "stream 0: 3 bytes",
        "stream 0 fin",
        "0 closed 4 ",
    ];
    assert_eq!(server.heard, heard);
    assert_eq!(client.heard, ["0 connected"]);
}

#[test]
fn a_close_is_said_where_more_was_written_than_may_be_sent_at_a_time() {
    let wide = Transport {
        windows: Some([1 << 20, 1 << 20]),
        ..TRANSPORT
    };
    let mut pair = Puppets::connected(wide);
    pair.server([Output::Misbehave(FIRST, Fault::Deaf(true))]);
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 500_000)]);
    pair.server([Output::Misbehave(FIRST, Fault::Deaf(false))]);
    pair.client([close(FIRST, 4, "enough")]);
    assert!(pair.puppets()[0].has_heard("0 closed 4 enough"));
}

#[test]
fn who_is_refused_hears_so_and_nobody_else_does() {
    for security in SECURITIES {
        let settings = tester(security);
        let mut pair = Puppets::with(&settings, &settings);
        pair.ask_server(|puppet| puppet.refuses = true);
        pair.client([Output::Connect(FIRST)]);
        let [server, client] = pair.puppets();
        assert_eq!(client.heard, ["0 ended Refused"]);
        assert!(server.heard.is_empty() && pair.server.is_idle());
    }
}

#[test]
fn whoever_asks_waits_for_the_word_of_the_machine() {
    let mut pair = Puppets::of_testers(TRANSPORT);
    pair.ask_server(|puppet| puppet.hesitates = true);
    pair.client([Output::Connect(FIRST)]);
    assert!(pair.puppets()[1].heard.is_empty());
    pair.server([Output::Admit(FIRST)]);
    pair.client([]);
    assert_eq!(pair.puppets()[1].heard, ["0 connected"]);
    pair.client([Output::Connect(SECOND)]);
    pair.server([close(SECOND, 5, "before it began")]);
    assert_eq!(pair.puppets()[1].heard[1], "1 ended Refused");
}

#[test]
fn other_names_in_the_handshake_fail_it() {
    for security in SECURITIES {
        for names in [vec!["h3".to_owned()], vec![]] {
            let settings = tester(security);
            let mut pair = Puppets::with(&settings, &settings);
            let how = ConnectOptions {
                alpn: Some(names),
                ..ConnectOptions::default()
            };
            pair.client([Output::ConnectBy(FIRST, how)]);
            let [server, client] = pair.puppets();
            assert_eq!(client.heard, ["0 failed 0x178"]);
            assert_eq!(server.heard, ["0 failed 0x178"]);
        }
    }
}

#[test]
fn a_close_within_the_handshake_hides_its_code() {
    let mut pair = Puppets::of_testers(TRANSPORT);
    pair.ask_server(|puppet| puppet.hesitates = true);
    pair.client([Output::Connect(FIRST)]);
    pair.server([Output::Admit(FIRST), close(FIRST, 9, "")]);
    let [server, client] = pair.puppets();
    assert_eq!(client.heard, ["0 failed 0xC"]);
    assert!(server.heard.is_empty());

    let mut pair = Puppets::of_testers(TRANSPORT);
    pair.client([Output::Connect(FIRST), close(FIRST, 9, "")]);
    let [server, client] = pair.puppets();
    assert_eq!(server.heard, ["0 failed 0xC"]);
    assert!(client.heard.is_empty());
}

#[test]
fn a_server_connects_to_nobody() {
    let mut pair = Puppets::of_testers(TRANSPORT);
    pair.server([Output::Connect(FIRST)]);
    let heard = "0 ended NotBegun(\"no peer to connect to\")";
    assert_eq!(pair.puppets()[0].heard, [heard]);
}

#[test]
fn a_client_connects_to_whom_it_is_told() {
    let to = |address| ConnectOptions {
        to: Some(address),
        ..ConnectOptions::default()
    };
    let mut pair = Puppets::of_testers(TRANSPORT);
    let elsewhere = client_address(0, Socket::MAIN);
    pair.client([Output::ConnectBy(FIRST, to(elsewhere))]);
    assert!(!pair.sent.is_empty() && pair.sent.iter().all(|packet| packet.to == elsewhere));

    let other_family = "[::1]:443".parse().unwrap();
    pair.client([Output::ConnectBy(SECOND, to(other_family))]);
    let why = "[::1]:443 is not reached by the socket that reaches 10.0.0.1:443";
    let heard = format!("1 ended NotBegun({why:?})");
    assert_eq!(pair.puppets()[1].heard, [heard]);
}

#[test]
fn idle_connections_end_unless_they_are_kept_alive() {
    let transport = Transport {
        idle_timeout: Duration::from_secs(300),
        keep_alive: Some(Duration::from_secs(100)),
        ..TRANSPORT
    };
    // A tester does not keep them by itself.
    let mut pair = Puppets::connected(transport);
    pair.run_for(Duration::from_secs(298));
    assert_eq!(pair.puppets()[1].heard, ["0 connected"]);
    pair.run_for(Duration::from_secs(3));
    let both = pair.puppets();
    assert!(both.iter().all(|it| it.has_heard("0 ended TimedOut")));

    let of_others = crate::Settings {
        transport,
        ..settings(Security::Plain(1))
    };
    let mut pair = Puppets::with(&of_others, &of_others);
    pair.client([Output::Connect(FIRST)]);
    pair.run_for(Duration::from_secs(3600));
    assert_eq!(pair.puppets()[1].heard, ["0 connected"]);
    // Both ask, a hundred seconds after they sent something.
    assert!(pair.sent.len() < 200, "{}", pair.sent.len());
}

#[test]
fn who_is_silent_for_too_long_is_given_up_whatever_is_sent_to_it() {
    let patient = Transport {
        idle_timeout: Duration::from_secs(300),
        ..TRANSPORT
    };
    let impatient = Transport {
        receive_timeout: Some(ReceiveTimeout {
            time: Duration::from_secs(20),
            handshake: Duration::from_secs(20),
            code: 9,
        }),
        ..patient
    };
    let settings = |transport| crate::Settings {
        transport,
        ..tester(Security::Plain(1))
    };
    let connected = || {
        let mut pair = Puppets::with(&settings(patient), &settings(impatient));
        pair.client([Output::Connect(FIRST)]);
        pair
    };
    let mut pair = connected();
    pair.server([Output::Misbehave(FIRST, Fault::Deaf(true))]);
    pair.client([Output::Open(FIRST, STREAM)]);
    for _ in 0..3 {
        pair.client([write(STREAM, 1)]);
        assert!(!pair.puppets()[1].has_heard("0 ended TimedOut"));
        pair.run_for(Duration::from_secs(7));
    }
    assert!(pair.puppets()[1].has_heard("0 ended TimedOut"));

    let mut pair = connected();
    pair.run_for(Duration::from_secs(21));
    assert!(pair.puppets()[0].has_heard("0 closed 9 nothing was heard"));

    let kept_alive = Transport {
        keep_alive: Some(Duration::from_secs(9)),
        ..impatient
    };
    let kept_alive = crate::Settings {
        is_tester: false,
        ..settings(kept_alive)
    };
    let mut pair = Puppets::with(&settings(patient), &kept_alive);
    pair.client([Output::Connect(FIRST)]);
    pair.run_for(Duration::from_secs(3600));
    assert_eq!(pair.puppets()[1].heard, ["0 connected"]);
}

#[test]
fn each_connection_of_a_tester_has_a_socket_of_its_own_unless_it_is_asked_for_another_s() {
    let mut pair = Puppets::connected(TRANSPORT);
    let beside = |from| ConnectOptions {
        from,
        ..ConnectOptions::default()
    };
    pair.client([Output::ConnectBy(SECOND, beside(None))]);
    let third = ConnectionNumber(2);
    pair.client([Output::ConnectBy(third, beside(Some(SECOND)))]);
    let from = [0, 1, 1].map(|socket| client_address(0, Socket(socket)));
    assert_eq!(pair.puppets()[0].from, from);
    assert_eq!(pair.opened, [Socket(1)]);
}

#[test]
fn other_clients_have_one_socket() {
    let settings = settings(Security::Plain(1));
    let mut pair = Puppets::with(&settings, &settings);
    pair.client([Output::Connect(FIRST), Output::Connect(SECOND)]);
    let from = client_address(0, Socket::MAIN);
    assert_eq!(pair.puppets()[0].from, [from, from]);
    assert_eq!(pair.opened, []);
}

#[test]
fn who_is_silenced_is_not_heard_and_then_goes_on() {
    let mut pair = Puppets::connected(TRANSPORT);
    pair.client([Output::Connect(SECOND)]);
    pair.client([
        Output::Misbehave(FIRST, Fault::Silent(true)),
        Output::Open(FIRST, STREAM),
        write(STREAM, 1),
        Output::Open(SECOND, STREAM),
        Output::Write(SECOND, STREAM, vec![0; 2]),
    ]);
    let heard = |pair: &Puppets, what: &str| pair.puppets()[0].has_heard(what);
    assert!(heard(&pair, "stream 0: 2 bytes") && !heard(&pair, "stream 0: 1 bytes"));
    // What comes meanwhile is lost; a datagram is so for good.
    let datagram = |connection, byte| Output::Datagram(connection, vec![byte]);
    pair.server([datagram(FIRST, 1), datagram(SECOND, 2)]);
    pair.client([Output::Misbehave(FIRST, Fault::Silent(false))]);
    assert!(heard(&pair, "stream 0: 1 bytes"));
    let client = pair.puppets()[1];
    assert!(client.has_heard("datagram [2]") && !client.has_heard("datagram [1]"));
    pair.server([Output::Misbehave(FIRST, Fault::Silent(true))]);
    pair.run_for(Duration::from_secs(10));
    assert!(
        pair.puppets()
            .iter()
            .all(|it| it.has_heard("0 ended TimedOut"))
    );
}

#[test]
fn who_lost_its_state_says_so_to_whoever_goes_on() {
    let mut pair = Puppets::connected(TRANSPORT);
    let settings = tester(Security::Plain(5));
    pair.server = Carrier::server(TestPeer::default(), &settings).unwrap();
    pair.client([Output::Open(FIRST, STREAM), write(STREAM, 100)]);
    assert!(pair.puppets()[1].has_heard("0 ended Reset"));
    // Only of what could be its own.
    let count = pair.sent.len();
    let from = client_address(0, Socket(9));
    let garbage = [[0x40; 100], [0xff; 100], [0; 100]];
    for payload in garbage {
        pair.server
            .receive(pair.now(), Socket::MAIN, from, &payload);
    }
    pair.server([]);
    assert_eq!(pair.sent.len(), count);
}

#[test]
fn a_server_of_other_versions_ends_it() {
    let mut pair = Puppets::of_testers(TRANSPORT);
    pair.ask_server(|puppet| puppet.hesitates = true);
    pair.client([Output::Connect(FIRST)]);
    let first = pair.sent[0].payload.clone();
    let (to, rest) = first[6..].split_at(usize::from(first[5]));
    let from = &rest[1..=usize::from(rest[0])];
    let mut answer = vec![0x80, 0, 0, 0, 0];
    for id in [from, to] {
        answer.push(id.len() as u8);
        answer.extend_from_slice(id);
    }
    answer.extend_from_slice(&[0x0a; 4]);
    let (now, server) = (pair.now(), super::pair::server_address());
    pair.clients[0].receive(now, Socket::MAIN, server, &answer);
    let heard = "0 ended Other(\"peer doesn't implement any supported version\")";
    assert_eq!(pair.puppets()[1].heard, [heard]);
}
