use std::collections::VecDeque;
use std::time::Duration;

use crate::exploration::{Explored, ExploredMachine, Participant};
use crate::proton::{Kind, RESET, TRANSPORT};
use crate::streams::{
    ConnectOptions, ConnectionNumber, Fault, Input, Output, StreamId, StreamMachine, StreamUpdate,
};

/// Most received words that wait to be echoed.
const MAX_RECEIVED: usize = 1_000;

/// A client or a server that performs scheduled actions, conforming or not.
#[derive(Debug, Default)]
pub(crate) struct TestPeer {
    window: Option<u32>,
    schedule: PeerSchedule,
    outputs: VecDeque<Output>,
    /// The newest connection, on which actions are performed.
    connection: Option<ConnectionNumber>,
    connections: u64,
    /// Whether its handshake is not complete: actions wait for it.
    is_connecting: bool,
    action_stream: Option<StreamId>,
    refuses: bool,
    reads_nothing: bool,
    is_silent: bool,
    /// Words received on streams, to be echoed.
    received: VecDeque<(StreamId, Vec<u8>)>,
}

/// The actions of a test peer with their times.
pub(crate) type PeerSchedule = VecDeque<(Duration, PeerAction)>;

/// An action of a test peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeerAction {
    Connect,
    /// Writes 0xFF on the first stream, with FIN.
    SendReset,
    Open(StreamId),
    Write(StreamId, Vec<u8>),
    Fin(StreamId),
    Reset(StreamId, u64),
    StopSending(StreamId, u64),
    Datagram(Vec<u8>),
    Close(u64),
    /// Writes on the Action stream.
    WriteAction(Vec<u8>),
    /// Finishes the Action stream.
    FinAction,
    /// Echoes the oldest received word; this is added to its first byte.
    Echo(u8),
    /// Refuses incoming connections from now on, or admits them again.
    ToggleRefuse,
    /// Stops reading, or resumes.
    ToggleReading,
    /// Drops all packets from now on, or resumes.
    ToggleSilent,
}

impl TestPeer {
    pub(crate) fn new(window: Option<u32>, schedule: PeerSchedule) -> Self {
        Self {
            window,
            schedule,
            ..Self::default()
        }
    }

    pub(crate) fn participant(self) -> Participant {
        Participant {
            machine: ExploredMachine::Streams(Box::new(self), TRANSPORT),
            judged_by: None,
        }
    }

    fn perform(&mut self, step: PeerAction) {
        match step {
            PeerAction::Connect => self.connect(),
            PeerAction::SendReset => {
                let first = StreamId::of_client(0);
                self.output(|connection| Output::Open(connection, first));
                self.output(|connection| Output::Write(connection, first, vec![RESET]));
                self.output(|connection| Output::Fin(connection, first));
            }
            PeerAction::Open(id) => self.output(|connection| Output::Open(connection, id)),
            PeerAction::Write(id, bytes) => {
                self.output(|connection| Output::Write(connection, id, bytes))
            }
            PeerAction::Fin(id) => self.output(|connection| Output::Fin(connection, id)),
            PeerAction::Reset(id, code) => {
                self.output(|connection| Output::Reset(connection, id, code))
            }
            PeerAction::StopSending(id, code) => {
                self.output(|connection| Output::StopSending(connection, id, code));
            }
            PeerAction::Datagram(bytes) => {
                self.output(|connection| Output::Datagram(connection, bytes))
            }
            PeerAction::Close(code) => self.output(|connection| Output::Close {
                connection,
                code,
                reason: String::new(),
            }),
            PeerAction::Echo(more) => {
                if let Some((id, mut bytes)) = self.received.pop_front() {
                    if let Some(first) = bytes.first_mut() {
                        *first = first.wrapping_add(more);
                    }
                    self.output(|connection| Output::Write(connection, id, bytes));
                }
            }
            PeerAction::WriteAction(bytes) => {
                if let Some(id) = self.action_stream {
                    self.output(|connection| Output::Write(connection, id, bytes));
                }
            }
            PeerAction::FinAction => {
                if let Some(id) = self.action_stream {
                    self.output(|connection| Output::Fin(connection, id));
                }
            }
            PeerAction::ToggleRefuse => self.refuses = !self.refuses,
            PeerAction::ToggleReading => self.reads_nothing = !self.reads_nothing,
            PeerAction::ToggleSilent => {
                self.is_silent = !self.is_silent;
                let is_silent = self.is_silent;
                self.output(|connection| Output::Misbehave(connection, Fault::Silent(is_silent)));
            }
        }
    }

    fn connect(&mut self) {
        let connection = ConnectionNumber(self.connections);
        self.connections += 1;
        self.connection = Some(connection);
        self.is_connecting = true;
        let options = ConnectOptions {
            window: self.window,
            ..ConnectOptions::default()
        };
        self.outputs
            .push_back(Output::ConnectBy(connection, options));
    }

    fn output(&mut self, output: impl FnOnce(ConnectionNumber) -> Output) {
        let connection = self.connection;
        self.outputs.extend(connection.map(output));
    }
}

impl StreamMachine for TestPeer {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Incoming { connection, .. } => {
                self.outputs.push_back(match self.refuses {
                    true => Output::Refuse(connection),
                    false => Output::Admit(connection),
                });
                self.connection = Some(connection);
                self.is_connecting = !self.refuses;
                self.action_stream = None;
            }
            Input::Connected { connection } | Input::Closed { connection, .. }
                if self.connection == Some(connection) =>
            {
                self.is_connecting = false;
            }
            Input::Stream {
                stream,
                what: StreamUpdate::Bytes(bytes),
                ..
            } => {
                if bytes == [Kind::Action.number()] {
                    self.action_stream = Some(stream);
                }
                // Without the discriminators.
                if bytes.len() > 1 && self.received.len() < MAX_RECEIVED {
                    self.received.push_back((stream, bytes.to_vec()));
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
            && let Some((_, step)) = self.schedule.pop_front_if(|(at, _)| *at <= now)
        {
            self.perform(step);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let next = self.schedule.front().filter(|_| !self.is_connecting);
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
