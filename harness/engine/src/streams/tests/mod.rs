mod carrying;
mod reference;

use std::collections::VecDeque;
use std::time::Duration;

use shakedown_protocol::proton::TRANSPORT;
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Input, OnStream, Output, StreamId, StreamMachine,
};

use super::{Conditions, Place, StreamNetwork, Watch};
use crate::network::Delay;

const FIRST: ConnectionNumber = ConnectionNumber(0);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Pieces of one byte or some, and delays of up to a tenth of a second in each direction.
fn rough(seed: u64) -> Conditions {
    let delay = Delay {
        least: Duration::from_millis(1),
        most: Duration::from_millis(100),
    };
    Conditions {
        to_server: delay,
        to_client: delay,
        longest_piece: 5,
        ..Conditions::of(&TRANSPORT, seed)
    }
}

/// A machine that does what its test says, and keeps what it hears. As a server it takes every
/// connection.
#[derive(Debug, Default)]
struct Puppet {
    wants: VecDeque<Output>,
    heard: Vec<String>,
    bytes: Vec<(StreamId, Vec<u8>)>,
    reads_nothing: bool,
}

impl Puppet {
    fn write(&mut self, stream: u64, bytes: &[u8]) {
        let stream = StreamId(stream);
        let write = Output::Write(FIRST, stream, bytes.to_vec());
        self.wants.push_back(write);
    }

    fn open(&mut self, stream: u64, bytes: &[u8]) {
        self.wants.push_back(Output::Open(FIRST, StreamId(stream)));
        self.write(stream, bytes);
    }

    /// All bytes of a stream that it got.
    fn got(&self, stream: u64) -> Vec<u8> {
        let of = self.bytes.iter().filter(|(id, _)| id.0 == stream);
        of.flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    fn heard(&self, what: &str) -> usize {
        self.heard.iter().filter(|one| one.as_str() == what).count()
    }
}

impl StreamMachine for Puppet {
    fn handle(&mut self, _: Duration, input: Input<'_>) {
        let what = match input {
            Input::Incoming { connection, .. } => {
                self.wants.push_back(Output::Admit(connection));
                "incoming".to_owned()
            }
            Input::Connected { .. } => "connected".to_owned(),
            Input::Stream { stream, what, .. } => {
                if let OnStream::Bytes(bytes) = what {
                    self.bytes.push((stream, bytes.to_vec()));
                    return;
                }
                format!("{} {what:?}", stream.0)
            }
            Input::Datagram { .. } => "a datagram".to_owned(),
            Input::Closed { why, .. } => match why {
                Closing::Application { code, .. } => format!("closed {code}"),
                Closing::Transport { code, .. } => format!("transport {code}"),
                other => format!("{other:?}"),
            },
            Input::Tick | Input::Stop => return,
        };
        self.heard.push(what);
    }

    fn poll(&mut self) -> Option<Output> {
        self.wants.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        !self.reads_nothing
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// Two puppets; the client's connection is there.
fn puppets(conditions: Conditions) -> StreamNetwork<Puppet, Puppet> {
    let mut network = StreamNetwork::new(Puppet::default(), conditions, ());
    network.join(Puppet::default());
    network.ask(0, |client, _| {
        client.wants.push_back(Output::Connect(FIRST))
    });
    network.run_for(seconds(1)).unwrap();
    assert_eq!(network.client(0).unwrap().heard("connected"), 1);
    assert_eq!(network.server().heard("connected"), 1);
    network
}

/// Everything that happens, in words.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log(Vec<String>);

impl Watch for Log {
    fn input(&mut self, now: Duration, place: Place, input: &Input<'_>) {
        self.0.push(format!("{now:?} {place:?} < {input:?}"));
    }

    fn output(&mut self, now: Duration, place: Place, output: &Output) {
        self.0.push(format!("{now:?} {place:?} > {output:?}"));
    }
}
