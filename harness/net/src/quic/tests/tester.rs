//! What only a test peer asks of QUIC.

use std::collections::VecDeque;
use std::sync::Arc;

use rstest::rstest;
use shakedown_protocol::Transport;
use shakedown_protocol::streams::{
    Approach, Closing, ConnectionNumber, OnStream, Output, StreamId, StreamMachine,
};

use super::super::Endpoints;
use super::super::underlay::Real;
use super::*;

const FIRST: ConnectionNumber = ConnectionNumber(0);
const SECOND: ConnectionNumber = ConnectionNumber(1);

/// Admits everybody, does what it is told and notes what happens.
#[derive(Debug, Default)]
struct Puppet {
    outputs: VecDeque<Output>,
    seen: Vec<String>,
    from: Vec<SocketAddr>,
    is_deaf: bool,
}

impl StreamMachine for Puppet {
    fn handle(&mut self, _: Duration, input: Input<'_>) {
        let seen = match input {
            Input::Incoming { connection, from } => {
                self.from.push(from);
                self.outputs.push_back(Output::Admit(connection));
                return;
            }
            Input::Connected { connection } => format!("{} connected", connection.0),
            Input::Stream { stream, what, .. } => match what {
                OnStream::Opened => format!("stream {} opened", stream.0),
                OnStream::Bytes(bytes) => format!("stream {}: {bytes:?}", stream.0),
                OnStream::Fin => format!("stream {} fin", stream.0),
                OnStream::Reset(code) => format!("stream {} reset {code}", stream.0),
                OnStream::Stopped(code) => format!("stream {} stopped {code}", stream.0),
                OnStream::Written => format!("stream {} written", stream.0),
            },
            Input::Datagram { bytes, .. } => format!("datagram {bytes:?}"),
            Input::Closed { connection, why } => match why {
                Closing::Application { code, .. } => format!("{} closed {code}", connection.0),
                Closing::Transport { code, .. } => format!("{} failed 0x{code:X}", connection.0),
                other => format!("{} ended {other:?}", connection.0),
            },
            Input::Tick | Input::Stop => return,
        };
        self.seen.push(seen);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        !self.is_deaf
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// Two puppets, each with a host for testers.
struct Stage {
    server: Puppet,
    client: Puppet,
    at_server: Host,
    at_client: Host,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}
use Side::{Client as AtClient, Server as AtServer};

impl Stage {
    fn new(transport: Transport) -> Self {
        let endpoints = Endpoints::new(Arc::new(Real), transport).of_tester();
        let at_server = Host::server(&endpoints, loopback()).unwrap();
        let [address] = at_server.addresses().into_iter().collect::<Vec<_>>()[..] else {
            panic!("a server has one address");
        };
        Self {
            server: Puppet::default(),
            client: Puppet::default(),
            at_server,
            at_client: Host::client(endpoints, address),
        }
    }

    /// With one connection.
    async fn connected(transport: Transport) -> Self {
        let mut stage = Self::new(transport);
        stage.tell(AtClient, [Output::Connect(FIRST)]);
        stage.until(AtClient, "0 connected").await;
        stage.until(AtServer, "0 connected").await;
        stage
    }

    fn tell(&mut self, side: Side, outputs: impl IntoIterator<Item = Output>) {
        let (puppet, host) = match side {
            AtServer => (&mut self.server, &mut self.at_server),
            AtClient => (&mut self.client, &mut self.at_client),
        };
        puppet.outputs.extend(outputs);
        host.obey(puppet);
    }

    /// Plays until one side has seen this.
    async fn until(&mut self, side: Side, what: &str) {
        let seen = timeout(BOUND, async {
            loop {
                let puppet = match side {
                    AtServer => &self.server,
                    AtClient => &self.client,
                };
                if puppet.seen.iter().any(|seen| seen == what) {
                    return;
                }
                tokio::select! {
                    () = self.at_server.next(&mut self.server) => {}
                    () = self.at_client.next(&mut self.client) => {}
                }
            }
        });
        let seen = seen.await;
        let all = (&self.client.seen, &self.server.seen);
        seen.unwrap_or_else(|_| panic!("{what} was not seen by {side:?}: {all:?}"));
    }
}

/// Writes a byte on each of three streams, and closes when they are there.
async fn say_and_go(address: SocketAddr) {
    let config = client_config(&PROTON, &Secrets::default()).unwrap();
    let endpoint = Endpoint::client(loopback()).unwrap();
    let connecting = endpoint.connect_with(config, address, "localhost").unwrap();
    let connection = connecting.await.unwrap();
    for _ in 0..3 {
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&[7]).await.unwrap();
        send.finish().unwrap();
        assert_eq!(send.stopped().await.unwrap(), None);
    }
    connection.close(4_u8.into(), b"");
    endpoint.wait_idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_the_end_is_heard_before_it() {
    for _ in 0..20 {
        let mut stage = Stage::new(PROTON);
        let [address] = stage.at_server.addresses().into_iter().collect::<Vec<_>>()[..] else {
            panic!("a server has one address");
        };
        let guest = tokio::spawn(say_and_go(address));
        stage.until(AtServer, "0 connected").await;
        // The server does not look before the other side is gone.
        timeout(BOUND, guest).await.unwrap().unwrap();
        stage.until(AtServer, "0 closed 4").await;
        let seen = &stage.server.seen;
        let end = seen.iter().position(|seen| seen == "0 closed 4");
        for stream in [0, 4, 8] {
            let byte = format!("stream {stream}: [7]");
            let heard = seen.iter().position(|seen| *seen == byte);
            assert!(heard.is_some() && heard < end, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_before_its_handshake_was_heard_of_gets_the_code() {
    let mut stage = Stage::new(PROTON);
    stage.tell(AtClient, [Output::Connect(FIRST)]);
    // Only the server looks: what its client has of the handshake waits to be heard of.
    let served = timeout(BOUND, async {
        while !stage.server.seen.iter().any(|seen| seen == "0 connected") {
            stage.at_server.next(&mut stage.server).await;
        }
    });
    served.await.unwrap();
    let closing = Output::Close {
        connection: FIRST,
        code: 6,
        reason: String::new(),
    };
    stage.tell(AtClient, [closing]);
    stage.until(AtServer, "0 closed 6").await;
}

const STREAM: StreamId = StreamId::of_client(0);

fn write(stream: StreamId, bytes: &[u8]) -> Output {
    Output::Write(FIRST, stream, bytes.to_vec())
}

#[rstest]
#[case::another(vec!["h3".to_owned()])]
#[case::none(vec![])]
#[tokio::test]
async fn other_names_in_the_handshake_fail_it(#[case] alpn: Vec<String>) {
    let mut stage = Stage::new(PROTON);
    let how = Approach {
        alpn: Some(alpn),
        ..Approach::default()
    };
    stage.tell(AtClient, [Output::ConnectBy(FIRST, how)]);
    stage.until(AtClient, "0 failed 0x178").await;
}

#[tokio::test]
async fn each_connection_has_its_own_port_unless_it_is_asked_for_another_s() {
    let mut stage = Stage::connected(PROTON).await;
    let beside = |from| Approach {
        from,
        ..Approach::default()
    };
    stage.tell(AtClient, [Output::ConnectBy(SECOND, beside(None))]);
    stage.until(AtServer, "1 connected").await;
    let third = ConnectionNumber(2);
    stage.tell(AtClient, [Output::ConnectBy(third, beside(Some(FIRST)))]);
    stage.until(AtServer, "2 connected").await;
    let [first, second, third] = stage.server.from[..] else {
        panic!("{:?}", stage.server.from);
    };
    assert_ne!(first, second);
    assert_eq!(first, third);
    assert_eq!(stage.at_client.addresses(), [first, second].into());
}

#[tokio::test]
async fn a_stream_is_broken_off_at_once_and_the_other_half_is_stopped() {
    let mut stage = Stage::connected(PROTON).await;
    stage.tell(AtClient, [Output::Open(FIRST, STREAM), write(STREAM, &[1])]);
    stage.until(AtServer, "stream 0: [1]").await;
    stage.server.is_deaf = true;
    stage.tell(AtServer, []);
    // More than the other side's window has room for: it waits.
    let much = vec![0; 4 << 20];
    let broken_off = [write(STREAM, &much), Output::Reset(FIRST, STREAM, 7)];
    stage.tell(AtClient, broken_off);
    stage.tell(AtClient, [Output::StopSending(FIRST, STREAM, 8)]);
    stage.until(AtServer, "stream 0 stopped 8").await;
    stage.server.is_deaf = false;
    stage.tell(AtServer, []);
    stage.until(AtServer, "stream 0 reset 7").await;
}

#[tokio::test]
async fn a_server_opens_streams_of_both_kinds() {
    let transport = Transport {
        unidirectional: 1,
        ..PROTON
    };
    let mut stage = Stage::connected(transport).await;
    for (id, byte) in [(1, 5), (3, 6)] {
        let stream = StreamId(id);
        stage.tell(
            AtServer,
            [Output::Open(FIRST, stream), write(stream, &[byte])],
        );
    }
    stage.until(AtClient, "stream 3: [6]").await;
    stage.until(AtClient, "stream 1: [5]").await;
}

#[tokio::test]
async fn datagrams_pass_between_testers_and_are_not_admitted_by_others() {
    let mut stage = Stage::connected(PROTON).await;
    stage.tell(AtClient, [Output::Datagram(FIRST, vec![9])]);
    stage.until(AtServer, "datagram [9]").await;

    let mut table = Table::new(ServerSettings::default());
    let endpoints = Endpoints::new(Arc::new(Real), PROTON).of_tester();
    let mut host = Host::client(endpoints, table.address);
    let mut puppet = Puppet::default();
    puppet.outputs.extend([Output::Connect(FIRST)]);
    host.obey(&mut puppet);
    let uni = StreamId(2);
    let sent = [
        Output::Datagram(FIRST, vec![9]),
        Output::Open(FIRST, uni),
        write(uni, &[9]),
        Output::Open(FIRST, STREAM),
        write(STREAM, &[0]),
    ];
    let mut is_sent = false;
    let ended = timeout(BOUND, async {
        while puppet.seen.len() < 3 {
            if puppet.seen.len() == 1 && !is_sent {
                is_sent = true;
                puppet.outputs.extend(sent.clone());
                host.obey(&mut puppet);
            }
            tokio::select! {
                () = table.host.next(&mut table.server) => {}
                () = host.next(&mut puppet) => {}
            }
        }
    });
    ended.await.unwrap();
    // The reference heard nothing but the discriminator that is none.
    assert_eq!(
        puppet.seen,
        ["0 connected", "stream 0 written", "0 closed 1"]
    );
}

#[tokio::test]
async fn who_is_silenced_is_not_heard_and_then_goes_on() {
    let mut stage = Stage::connected(PROTON).await;
    stage.tell(AtClient, [Output::Connect(SECOND)]);
    stage.until(AtServer, "1 connected").await;
    stage.tell(AtClient, [Output::Silence(FIRST, true)]);
    stage.tell(AtClient, [Output::Open(FIRST, STREAM), write(STREAM, &[1])]);
    let of_second = [
        Output::Open(SECOND, STREAM),
        Output::Write(SECOND, STREAM, vec![2]),
    ];
    stage.tell(AtClient, of_second);
    stage.until(AtServer, "stream 0: [2]").await;
    let first = "stream 0: [1]".to_owned();
    assert!(!stage.server.seen.contains(&first));
    stage.tell(AtClient, [Output::Silence(FIRST, false)]);
    stage.until(AtServer, &first).await;
}

#[tokio::test]
async fn a_window_holds_the_other_side_back_until_it_is_read() {
    let mut stage = Stage::new(PROTON);
    let how = Approach {
        window: Some(4),
        ..Approach::default()
    };
    stage.client.is_deaf = true;
    stage.tell(AtClient, [Output::ConnectBy(FIRST, how)]);
    stage.until(AtServer, "0 connected").await;
    stage.until(AtClient, "0 connected").await;
    stage.tell(AtClient, [Output::Open(FIRST, STREAM), write(STREAM, &[1])]);
    stage.until(AtServer, "stream 0: [1]").await;
    let written = "stream 0 written".to_owned();
    stage.tell(AtServer, [write(STREAM, &[7; 6])]);
    // What is sent later on another stream is there first.
    let other = StreamId::of_client(1);
    stage.tell(AtClient, [Output::Open(FIRST, other), write(other, &[2])]);
    stage.until(AtServer, "stream 4: [2]").await;
    assert!(!stage.server.seen.contains(&written));
    stage.client.is_deaf = false;
    stage.tell(AtClient, []);
    stage.until(AtClient, "stream 0: [7, 7, 7, 7]").await;
    stage.until(AtServer, &written).await;
}
