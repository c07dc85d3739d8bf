use std::collections::VecDeque;
use std::time::Duration;

use crate::exploration::{Explored, ExploredMachine, Participant};
use crate::proton::{Kind, RESET, TRANSPORT};
use crate::streams::{
    ConnectOptions, ConnectionNumber, Fault, Input, OnStream, Output, StreamId, StreamMachine,
};

/// Answers that may wait to be given.
const MOST_HEARD: usize = 1_000;

/// A client or a server that does what its plan says, at its times, right or wrong.
#[derive(Debug, Default)]
pub(crate) struct TestPeer {
    window: Option<u32>,
    plan: Deeds,
    wants: VecDeque<Output>,
    /// The connection that is meant.
    connection: Option<ConnectionNumber>,
    connections: u64,
    /// Whether its handshake is not complete: nothing can be done on it before.
    is_connecting: bool,
    action: Option<StreamId>,
    refuses: bool,
    reads_nothing: bool,
    is_silent: bool,
    /// Words that it got on streams, to be answered.
    heard: VecDeque<(StreamId, Vec<u8>)>,
}

/// What a test peer does, and when.
pub(crate) type Deeds = VecDeque<(Duration, Deed)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Connect,
    /// Says 0xFF on the first stream, and ends it.
    Resets,
    Open(StreamId),
    Write(StreamId, Vec<u8>),
    Fin(StreamId),
    Reset(StreamId, u64),
    Stop(StreamId, u64),
    Datagram(Vec<u8>),
    Close(u64),
    /// Writes on the stream that the client said is Action.
    Acts(Vec<u8>),
    /// Ends that stream.
    EndsActing,
    /// Answers the oldest that it heard with the same bytes, to the first of which this is added.
    Answers(u8),
    /// Refuses those that come from now on, or no more.
    Refuses,
    /// Reads nothing from now on, or again.
    ReadsNothing,
    /// Neither sends nor gets anything from now on, or again.
    FallsSilent,
}

impl TestPeer {
    pub(crate) fn new(window: Option<u32>, plan: Deeds) -> Self {
        Self {
            window,
            plan,
            ..Self::default()
        }
    }

    pub(crate) fn participant(self) -> Participant {
        Participant {
            machine: ExploredMachine::Streams(Box::new(self), TRANSPORT),
            judged_by: None,
        }
    }

    fn does(&mut self, deed: Deed) {
        match deed {
            Deed::Connect => self.connects(),
            Deed::Resets => {
                let first = StreamId::of_client(0);
                self.wants(|connection| Output::Open(connection, first));
                self.wants(|connection| Output::Write(connection, first, vec![RESET]));
                self.wants(|connection| Output::Fin(connection, first));
            }
            Deed::Open(id) => self.wants(|connection| Output::Open(connection, id)),
            Deed::Write(id, bytes) => self.wants(|connection| Output::Write(connection, id, bytes)),
            Deed::Fin(id) => self.wants(|connection| Output::Fin(connection, id)),
            Deed::Reset(id, code) => self.wants(|connection| Output::Reset(connection, id, code)),
            Deed::Stop(id, code) => {
                self.wants(|connection| Output::StopSending(connection, id, code));
            }
            Deed::Datagram(bytes) => self.wants(|connection| Output::Datagram(connection, bytes)),
            Deed::Close(code) => self.wants(|connection| Output::Close {
                connection,
                code,
                reason: String::new(),
            }),
            Deed::Answers(more) => {
                if let Some((id, mut bytes)) = self.heard.pop_front() {
                    if let Some(first) = bytes.first_mut() {
                        *first = first.wrapping_add(more);
                    }
                    self.wants(|connection| Output::Write(connection, id, bytes));
                }
            }
            Deed::Acts(bytes) => {
                if let Some(id) = self.action {
                    self.wants(|connection| Output::Write(connection, id, bytes));
                }
            }
            Deed::EndsActing => {
                if let Some(id) = self.action {
                    self.wants(|connection| Output::Fin(connection, id));
                }
            }
            Deed::Refuses => self.refuses = !self.refuses,
            Deed::ReadsNothing => self.reads_nothing = !self.reads_nothing,
            Deed::FallsSilent => {
                self.is_silent = !self.is_silent;
                let is_silent = self.is_silent;
                self.wants(|connection| Output::Misbehave(connection, Fault::Silent(is_silent)));
            }
        }
    }

    fn connects(&mut self) {
        let connection = ConnectionNumber(self.connections);
        self.connections += 1;
        self.connection = Some(connection);
        self.is_connecting = true;
        let options = ConnectOptions {
            window: self.window,
            ..ConnectOptions::default()
        };
        self.wants.push_back(Output::ConnectBy(connection, options));
    }

    fn wants(&mut self, output: impl FnOnce(ConnectionNumber) -> Output) {
        let connection = self.connection;
        self.wants.extend(connection.map(output));
    }
}

impl StreamMachine for TestPeer {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Incoming { connection, .. } => {
                self.wants.push_back(match self.refuses {
                    true => Output::Refuse(connection),
                    false => Output::Admit(connection),
                });
                self.connection = Some(connection);
                self.is_connecting = !self.refuses;
                self.action = None;
            }
            Input::Connected { connection } | Input::Closed { connection, .. }
                if self.connection == Some(connection) =>
            {
                self.is_connecting = false;
            }
            Input::Stream {
                stream,
                what: OnStream::Bytes(bytes),
                ..
            } => {
                if bytes == [Kind::Action.number()] {
                    self.action = Some(stream);
                }
                // Without the discriminators.
                if bytes.len() > 1 && self.heard.len() < MOST_HEARD {
                    self.heard.push_back((stream, bytes.to_vec()));
                }
            }
            Input::Connected { .. }
            | Input::Stream { .. }
            | Input::Datagram { .. }
            | Input::Closed { .. }
            | Input::Tick
            | Input::Delivered { .. }
            | Input::Stop => {}
        }
        while !self.is_connecting
            && let Some((_, deed)) = self.plan.pop_front_if(|(at, _)| *at <= now)
        {
            self.does(deed);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.wants.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let next = self.plan.front().filter(|_| !self.is_connecting);
        next.map(|(at, _)| *at)
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

impl Explored for TestPeer {}
