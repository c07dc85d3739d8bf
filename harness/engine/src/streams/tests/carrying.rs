use shakedown_capture::quic::EventKind;
use shakedown_protocol::streams::{Approach, Fault};

use super::*;
use crate::streams::{MOST_CONNECTIONS, Spins};

#[test]
fn bytes_of_each_stream_come_in_order_and_once_however_they_are_cut() {
    let message: Vec<u8> = (0..=255).collect();
    let mut overtaken = false;
    for seed in 0..20 {
        let mut network = puppets(rough(seed));
        network.ask(0, |client, _| {
            client.open(0, &message);
            client.open(4, &message);
            client.write(0, &message);
            client.wants.push_back(Output::Fin(FIRST, StreamId(4)));
        });
        network.run_for(seconds(3)).unwrap();
        let server = network.server();
        assert_eq!(server.got(0), [message.clone(), message.clone()].concat());
        assert_eq!(server.got(4), message);
        assert_eq!(server.heard("4 Fin"), 1);
        let longest = server.bytes.iter().map(|(_, bytes)| bytes.len()).max();
        assert!(longest.unwrap() <= 5);
        let end_of_first = server.bytes.iter().rposition(|(id, _)| id.0 == 0).unwrap();
        overtaken |= server.bytes[..end_of_first].iter().any(|(id, _)| id.0 == 4);
        assert_eq!(network.client(0).unwrap().heard("0 Written"), 2);
    }
    assert!(overtaken, "streams overtake each other");
}

#[test]
fn a_stream_is_heard_of_by_its_first_bytes_and_with_those_below_it() {
    let mut network = puppets(rough(1));
    network.ask(0, |client, _| {
        for id in [0, 4, 8] {
            client.wants.push_back(Output::Open(FIRST, StreamId(id)));
        }
    });
    network.run_for(seconds(3)).unwrap();
    assert_eq!(network.server().heard("0 Opened"), 0);
    network.ask(0, |client, _| client.write(8, &[3]));
    network.run_for(seconds(3)).unwrap();
    let opened: Vec<_> = network.server().heard.iter().skip(2).collect();
    assert_eq!(opened, ["0 Opened", "4 Opened", "8 Opened"]);
}

#[test]
fn a_fourth_stream_waits_until_one_of_the_three_is_over_for_both_sides() {
    let mut network = puppets(rough(1));
    network.ask(0, |client, _| {
        for id in [0, 4, 8, 12] {
            client.open(id, &[1]);
        }
        client.open(2, &[1]); // A unidirectional one.
    });
    network.run_for(seconds(30)).unwrap();
    assert_eq!(network.server().heard("8 Opened"), 1);
    assert_eq!(network.server().heard("12 Opened"), 0);
    assert_eq!(network.server().heard("2 Opened"), 0);
    assert_eq!(network.client(0).unwrap().heard("12 Written"), 0);
    let fin = Output::Fin(FIRST, StreamId(4));
    network.ask(0, |client, _| client.wants.push_back(fin.clone()));
    network.run_for(seconds(3)).unwrap();
    assert_eq!(network.server().heard("12 Opened"), 0, "one side ended it");
    network.server.machine.wants.push_back(fin);
    network.stop(Place::Server); // So that the puppet is asked.
    network.run_for(seconds(3)).unwrap();
    assert_eq!(network.server().heard("12 Opened"), 1);
    assert_eq!(network.client(0).unwrap().heard("12 Written"), 1);
    assert_eq!(network.server().heard("2 Opened"), 0);
}

#[test]
fn who_does_not_read_holds_the_other_back() {
    let window = 100;
    let mut network = puppets(Conditions { window, ..rough(1) });
    network.server.machine.reads_nothing = true;
    network.ask(0, |client, _| {
        client.open(0, &[7; 100]);
        client.write(0, &[8; 150]);
    });
    network.run_for(seconds(60)).unwrap();
    let client = network.client(0).unwrap();
    assert_eq!(client.heard("0 Written"), 1, "the first fits the window");
    assert_eq!(network.server().bytes, []);
    let kept = &network.connections[&0].at_server.streams[&StreamId(0)];
    let kept: usize = kept.pieces.values().map(Vec::len).sum();
    assert_eq!(kept as u64, window);
    network.server.machine.reads_nothing = false;
    network.stop(Place::Server); // So that the puppet is asked.
    network.run_for(seconds(3)).unwrap();
    assert_eq!(network.client(0).unwrap().heard("0 Written"), 2);
    assert_eq!(network.server().got(0).len(), 250);
}

#[test]
fn a_close_is_heard_with_its_code_and_ends_everything() {
    let mut network = puppets(rough(1));
    network.ask(0, |client, _| {
        client.wants.push_back(Output::Close {
            connection: FIRST,
            code: 7,
            reason: "done".to_owned(),
        });
        client.open(0, &[1]);
    });
    network.run_for(seconds(60)).unwrap();
    let server = network.server();
    assert_eq!(server.heard, ["incoming", "connected", "closed 7"]);
    assert_eq!(network.client(0).unwrap().heard, ["connected"]);
    assert_eq!(network.connections(), 0);
    assert_eq!(network.next(), None, "nothing is left to happen");
}

#[test]
fn a_close_within_the_handshake_hides_its_code() {
    let mut network = StreamNetwork::new(Puppet::default(), Conditions::of(&TRANSPORT, 1), ());
    network.join(Puppet::default());
    network.ask(0, |client, _| {
        client.wants.push_back(Output::Connect(FIRST))
    });
    network.step().unwrap();
    assert_eq!(network.server().heard, ["incoming"]);
    network.server.machine.wants.push_back(Output::Close {
        connection: FIRST,
        code: 7,
        reason: String::new(),
    });
    network.stop(Place::Server);
    network.run_for(seconds(1)).unwrap();
    let heard = &network.client(0).unwrap().heard;
    assert_eq!(heard, &["connected", "transport 12"]);
}

#[test]
fn a_stream_that_is_broken_off_or_not_wanted_is_heard_of_with_its_code() {
    let mut network = puppets(rough(1));
    network.ask(0, |client, _| {
        client.open(0, &[1; 50]);
        client.open(4, &[2]);
        let reset = Output::Reset(FIRST, StreamId(0), 71);
        let stop = Output::StopSending(FIRST, StreamId(4), 72);
        client.wants.extend([reset, stop]);
    });
    network.run_for(seconds(3)).unwrap();
    let server = network.server();
    assert_eq!(server.heard("0 Reset(71)"), 1);
    assert_eq!(server.heard("4 Stopped(72)"), 1);
    assert!(server.got(0).len() <= 50);
    let after = server
        .heard
        .iter()
        .rposition(|heard| heard == "0 Reset(71)")
        .unwrap();
    assert!(!server.heard[after..].iter().any(|heard| heard == "0 Fin"));
    network.server.machine.write(4, &[3]);
    network.server.machine.write(0, &[4]);
    network.stop(Place::Server);
    network.run_for(seconds(3)).unwrap();
    let client = network.client(0).unwrap();
    assert!(client.got(4).is_empty(), "it wants no more");
    assert_eq!(client.got(0), [4], "the other direction goes on");
}

#[rstest::rstest]
#[case(true, 1)]
#[case(false, 0)]
fn a_datagram_comes_where_it_is_taken(#[case] datagrams: bool, #[case] heard: usize) {
    let mut network = puppets(Conditions {
        datagrams,
        ..rough(1)
    });
    let datagram = Output::Datagram(FIRST, vec![1]);
    network.ask(0, |client, _| client.wants.push_back(datagram));
    network.run_for(seconds(1)).unwrap();
    assert_eq!(network.server().heard("a datagram"), heard);
}

#[test]
fn who_falls_silent_is_cut_off() {
    let mut network = puppets(rough(1));
    network.ask(0, |client, _| {
        client
            .wants
            .push_back(Output::Misbehave(FIRST, Fault::Silent(true)))
    });
    network.run_for(seconds(7)).unwrap();
    assert_eq!(network.server().heard("TimedOut"), 1);
}

/// A client that connects in its own way, a second later.
fn approached(approach: Approach) -> StreamNetwork<Puppet, Puppet> {
    let mut network = StreamNetwork::new(Puppet::default(), rough(1), ());
    network.join(Puppet::default());
    let connect = Output::ConnectBy(FIRST, approach);
    network.ask(0, |client, _| client.wants.push_back(connect));
    network.run_for(seconds(1)).unwrap();
    network
}

#[rstest::rstest]
#[case(Some(vec![]), "transport 376")]
#[case(Some(vec!["h3"]), "transport 376")]
#[case(Some(vec!["h3", "proton"]), "connected")]
#[case(None, "connected")]
fn a_handshake_without_the_protocol_fails_for_both(
    #[case] alpn: Option<Vec<&str>>,
    #[case] heard: &str,
) {
    let alpn = alpn.map(|names| names.into_iter().map(str::to_owned).collect());
    let network = approached(Approach {
        alpn,
        ..Approach::default()
    });
    assert_eq!(network.client(0).unwrap().heard, [heard]);
    assert_eq!(network.server().heard, ["incoming", heard]);
}

#[test]
fn a_client_may_have_a_window_of_its_own() {
    let window = Some(10);
    let mut network = approached(Approach {
        window,
        ..Approach::default()
    });
    network.ask(0, |client, _| {
        client.open(0, &[1; 100]);
        client.reads_nothing = true;
    });
    network.run_for(seconds(1)).unwrap();
    assert_eq!(network.server().got(0).len(), 100);
    network.server.machine.write(0, &[2; 11]);
    network.stop(Place::Server);
    network.run_for(seconds(1)).unwrap();
    let kept = &network.connections[&0].at_client.streams[&StreamId(0)];
    assert_eq!(kept.pieces.values().map(Vec::len).sum::<usize>(), 10);
}

#[test]
fn an_idle_connection_lives_and_who_is_cut_off_loses_it() {
    let mut network = puppets(rough(1));
    network.run_for(seconds(3_600)).unwrap();
    assert_eq!(network.server().heard("TimedOut"), 0);
    network.cut_off(Place::Client(0), true);
    network.run_for(seconds(4)).unwrap();
    assert_eq!(network.server().heard("TimedOut"), 0);
    network.run_for(seconds(3)).unwrap();
    assert_eq!(network.server().heard("TimedOut"), 1);
    assert_eq!(network.client(0).unwrap().heard("TimedOut"), 1);
    assert_eq!(network.connections(), 0);
}

#[test]
fn what_must_arrive_arrives_when_the_cable_is_back() {
    for seed in 0..20 {
        let mut network = puppets(rough(seed));
        let message: Vec<u8> = (0..100).collect();
        network.ask(0, |client, _| client.open(0, &message[..50]));
        network.run_for(Duration::from_millis(40)).unwrap();
        network.cut_off(Place::Server, true);
        let before = network.server().got(0).len();
        network.ask(0, |client, _| client.write(0, &message[50..]));
        network.run_for(seconds(3)).unwrap();
        assert_eq!(network.server().got(0).len(), before);
        network.cut_off(Place::Server, false);
        network.run_for(seconds(3)).unwrap();
        assert_eq!(network.server().got(0), message);
    }
}

#[test]
fn a_close_that_is_lost_is_said_again_when_the_other_side_speaks() {
    let mut network = puppets(rough(1));
    network.cut_off(Place::Client(0), true);
    network.ask(0, |client, _| {
        client.wants.push_back(Output::Close {
            connection: FIRST,
            code: 4,
            reason: String::new(),
        });
    });
    network.run_for(seconds(2)).unwrap();
    assert_eq!(network.server().heard("closed 4"), 0);
    network.cut_off(Place::Client(0), false);
    network.run_for(seconds(2)).unwrap();
    assert_eq!(network.server().heard("closed 4"), 1);
}

#[test]
fn who_lost_a_connection_says_so_by_a_stateless_reset() {
    let mut network = puppets(rough(1));
    network.connections.get_mut(&0).unwrap().at_server.phase = super::super::end::Phase::Over;
    network.run_for(seconds(2)).unwrap();
    assert_eq!(network.client(0).unwrap().heard("Reset"), 1);
}

#[test]
fn a_server_that_is_not_there_is_not_waited_for_longer_than_the_idle_timeout() {
    let mut network = StreamNetwork::new(Puppet::default(), rough(1), ());
    network.join(Puppet::default());
    network.cut_off(Place::Server, true);
    network.ask(0, |client, _| {
        client.wants.push_back(Output::Connect(FIRST))
    });
    network.run_for(seconds(6)).unwrap();
    assert_eq!(network.client(0).unwrap().heard, ["TimedOut"]);
    assert_eq!(network.connections(), 0);
}

#[test]
fn there_are_no_more_connections_than_may_be() {
    let mut network = StreamNetwork::new(Puppet::default(), rough(1), ());
    network.join(Puppet::default());
    network.ask(0, |client, _| {
        let numbers = (0..=MOST_CONNECTIONS as u64).map(ConnectionNumber);
        client.wants.extend(numbers.map(Output::Connect));
    });
    network.run_for(seconds(1)).unwrap();
    let client = network.client(0).unwrap();
    assert_eq!(client.heard("connected"), MOST_CONNECTIONS);
    assert_eq!(
        client.heard[0],
        r#"Other("there are too many connections")"#
    );
    assert_eq!(network.server().heard("incoming"), MOST_CONNECTIONS);
}

/// A machine that wants a tick now, whenever it is.
#[derive(Debug)]
struct Spinning;

impl StreamMachine for Spinning {
    fn handle(&mut self, _: Duration, _: Input<'_>) {}

    fn poll(&mut self) -> Option<Output> {
        None
    }

    fn deadline(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        true
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

#[test]
fn a_machine_that_stands_in_a_loop_is_told_of() {
    let mut network: StreamNetwork<Puppet, _> =
        StreamNetwork::new(Spinning, Conditions::of(&TRANSPORT, 1), ());
    assert_eq!(network.run_for(seconds(1)), Err(Spins(Duration::ZERO)));
}

/// What passes the server's edge.
#[derive(Debug, Default)]
struct Edge(Vec<String>);

impl Watch for Edge {
    fn passes(&mut self, _: Duration, edge: Place, _: u64, seen: &EventKind<'_>) {
        if edge == Place::Server && !matches!(seen, EventKind::Packet(_)) {
            self.0.push(format!("{seen:?}"));
        }
    }
}

#[test]
fn an_edge_shows_what_a_capture_there_would() {
    let conditions = Conditions::of(&TRANSPORT, 1);
    let mut network = StreamNetwork::new(Puppet::default(), conditions, Edge::default());
    network.join(Puppet::default());
    network.ask(0, |client, _| {
        client.wants.push_back(Output::Connect(FIRST))
    });
    network.run_for(seconds(1)).unwrap();
    network.ask(0, |client, _| {
        client.open(0, &[9]);
        client.wants.push_back(Output::Fin(FIRST, StreamId(0)));
    });
    network.run_for(Duration::from_millis(500)).unwrap();
    network.server.machine.write(0, &[5]);
    network.server.machine.wants.push_back(Output::Close {
        connection: FIRST,
        code: 3,
        reason: String::new(),
    });
    network.stop(Place::Server);
    network.run_for(Duration::from_millis(10)).unwrap();
    assert_eq!(
        network.watch().0,
        [
            "ConnectionOpened { client: 192.0.2.2:50000, server: 192.0.2.1:4433, version: 1, original_destination_id: [] }",
            "ServerHandshake { alpn: Some([112, 114, 111, 116, 111, 110]), parameters: None }",
            "StreamOpened { stream: 0, by: Client, unidirectional: false }",
            "StreamBytes { stream: 0, by: Client, offset: 0, bytes: [9] }",
            "StreamFin { stream: 0, by: Client, final_size: 1 }",
            "StreamBytes { stream: 0, by: Server, offset: 0, bytes: [5] }",
            "ConnectionClosed { by: Server, code: Application { code: 3 }, reason: [] }",
        ]
    );
}
