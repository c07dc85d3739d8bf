//! A machine that does what its test says, and keeps what it hears in words.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::Transport;
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Input, Output, StreamId, StreamMachine, StreamUpdate,
};

use super::pair::{Pair, server_address, tester};
use crate::{Carrier, Security, Settings};

pub(super) const FIRST: ConnectionNumber = ConnectionNumber(0);
pub(super) const SECOND: ConnectionNumber = ConnectionNumber(1);
pub(super) const STREAM: StreamId = StreamId::of_client(0);

/// As a server it takes every connection, unless it is told otherwise.
#[derive(Debug, Default)]
pub(super) struct TestPeer {
    pub(super) is_over: bool,
    pub(super) wants: VecDeque<Output>,
    pub(super) heard: Vec<String>,
    pub(super) from: Vec<SocketAddr>,
    pub(super) got: Vec<u8>,
    pub(super) is_deaf: bool,
    pub(super) refuses: bool,
    pub(super) hesitates: bool,
}

impl TestPeer {
    pub(super) fn has_heard(&self, what: &str) -> bool {
        self.heard.iter().any(|one| one == what)
    }
}

impl StreamMachine for TestPeer {
    fn handle(&mut self, _: Duration, input: Input<'_>) {
        let heard = match input {
            Input::Incoming { connection, from } => {
                self.from.push(from);
                match (self.refuses, self.hesitates) {
                    (true, _) => self.wants.push_back(Output::Refuse(connection)),
                    (false, true) => {}
                    (false, false) => self.wants.push_back(Output::Admit(connection)),
                }
                return;
            }
            Input::Connected { connection } => format!("{} connected", connection.0),
            Input::Stream { stream, what, .. } => match what {
                StreamUpdate::Opened => format!("stream {} opened", stream.0),
                StreamUpdate::Bytes(bytes) => {
                    self.got.extend_from_slice(bytes);
                    format!("stream {}: {} bytes", stream.0, bytes.len())
                }
                StreamUpdate::Fin => format!("stream {} fin", stream.0),
                StreamUpdate::Reset(code) => format!("stream {} reset {code}", stream.0),
                StreamUpdate::Stopped(code) => format!("stream {} stopped {code}", stream.0),
                StreamUpdate::Written => format!("stream {} written", stream.0),
            },
            Input::Datagram { bytes, .. } => format!("datagram {bytes:?}"),
            Input::Closed { connection, why } => match why {
                Closing::Application { code, reason } => {
                    let reason = String::from_utf8_lossy(reason);
                    format!("{} closed {code} {reason}", connection.0)
                }
                Closing::Transport { code, .. } => format!("{} failed 0x{code:X}", connection.0),
                other => format!("{} ended {other:?}", connection.0),
            },
            Input::Delivered { .. } | Input::Tick | Input::Stop => return,
        };
        self.heard.push(heard);
    }

    fn poll(&mut self) -> Option<Output> {
        self.wants.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        !self.is_deaf
    }

    fn is_finished(&self) -> bool {
        self.is_over
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

pub(super) fn close(connection: ConnectionNumber, code: u64, reason: &str) -> Output {
    Output::Close {
        connection,
        code,
        reason: reason.to_owned(),
    }
}

pub(super) fn write(stream: StreamId, length: usize) -> Output {
    let bytes = (0..length).map(|index| (index % 251) as u8).collect();
    Output::Write(FIRST, stream, bytes)
}

/// A server and a client, each a puppet on a carrier of a tester.
pub(super) type Puppets = Pair<TestPeer, TestPeer>;

impl Puppets {
    pub(super) fn with(server: &Settings, client: &Settings) -> Self {
        let server = Carrier::server(TestPeer::default(), server).unwrap();
        let mut pair = Pair::new(server);
        let client = Carrier::client(TestPeer::default(), server_address(), client);
        pair.join(client.unwrap());
        pair
    }

    pub(super) fn of_testers(transport: Transport) -> Self {
        let settings = Settings {
            transport,
            ..tester(Security::Plain(5))
        };
        Self::with(&settings, &settings)
    }

    pub(super) fn connected(transport: Transport) -> Self {
        let mut pair = Self::of_testers(transport);
        pair.client([Output::Connect(FIRST)]);
        assert!(pair.puppets().iter().all(|it| it.has_heard("0 connected")));
        pair
    }

    pub(super) fn puppets(&self) -> [&TestPeer; 2] {
        [self.server.machine(), self.clients[0].machine()]
    }

    /// Lets the client do something, and a second pass.
    pub(super) fn client(&mut self, wants: impl IntoIterator<Item = Output>) {
        self.ask(0, |puppet| puppet.wants.extend(wants));
        self.run_for(Duration::from_secs(1));
    }

    /// Lets the server do something, and a second pass.
    pub(super) fn server(&mut self, wants: impl IntoIterator<Item = Output>) {
        self.ask_server(|puppet| puppet.wants.extend(wants));
        self.run_for(Duration::from_secs(1));
    }
}
