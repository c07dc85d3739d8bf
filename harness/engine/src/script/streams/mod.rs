//! The scripted peer over QUIC: a scenario over streams run step by step, as a sans-I/O machine.
//!
//! It is a [`StreamMachine`]: the driver (real sockets, virtual time, or a network of streams without
//! QUIC) owns it as it owns any, calls [`StreamScript::begin`] when the implementation under test is
//! started or reachable, and goes on until there is an outcome. The scripted peer is the
//! client if the implementation is the server, and the other way round.
//!
//! # How steps are played
//!
//! Steps run one after the other. What comes meanwhile is kept, each stream's bytes by
//! themselves, and waits for the steps that take it.
//!
//! **Windows.** A step's window counts from the moment at which the step before was completed: the
//! moment at which what matched came (if that was before the step began, the beginning), the last
//! piece left, the silence or the wait ended. `within` and `after` give way to the tolerance of the
//! implementation's description and to 50 ms, `for` is exact, as over datagrams. Something exactly at
//! the end of `within` is in time, something exactly at the end of `for` is not part of the silence.
//!
//! **Names.** A name of a connection or a stream means the last that got it. A stream belongs to the
//! connection on which it was opened or found, whatever that is called by now.
//!
//! **Acting.** `connect` only begins. What acts on a connection whose handshake is not done waits
//! for it. `write` is done when the transport has taken its bytes, or 200 ms after the last piece
//! if the windows are full; the next window counts from the last piece either way. Acting on a
//! connection that has ended is *passed over*, and so is what is written on a stream of which the
//! implementation wants no more: how it ended is for an `expect_close` to judge, before or later.
//! If none does, the step that was passed over fails at the end of the scenario, by the scenario's
//! first requirement: a stimulus that was not applied shows nothing. A client that closes with code
//! 0 when it is done may do so before the scripted peer's own `close`.
//!
//! **Waiting.** `accept` takes the connection that has waited longest; its `after` is held against the
//! moment at which the implementation asked, its `within` against the end of the handshake. One whose
//! handshake fails makes room for the next until the time is over. `expect_stream` takes the first
//! stream without a name that begins as it says. `read` takes bytes as they come, and fails at the
//! first that is not as it says; at the end of its stream or its connection if more is wanted. What no
//! step took is not judged.
//!
//! **Silence.** `expect_quiet` is broken by bytes that no step has taken, a stream that has no name,
//! a datagram, whether they came before or later, and by an end of a stream or of the connection that
//! comes meanwhile. `expect_alive` is broken by the end of the connection alone.
//!
//! **Ends.** `expect_close` holds how the connection ended against `code` and `or`. *Refused* is what
//! never came to be: a refusal (CONNECTION_REFUSED), or any close by the transport before the
//! handshake was done here. A handshake that is not answered is *lost by silence*, no refusal. An
//! application's code is hidden by QUIC while the closing side's handshake is not done (RFC 9000,
//! section 10.2.3): a close with APPLICATION_ERROR (0xc) up to one second after the handshake was done
//! here is taken for any code, and for a refusal.
//!
//! **Choice.** Each first step of the branches of an `either` looks at what came. The one that is
//! complete first is played on, of several at once the first in order; one that cannot be met any more
//! is out. What the others have looked at stays for the steps that follow. If all are out the step
//! fails.
//!
//! **Values.** As over datagrams. A value that does not fit into 32 bits when it is to be written
//! makes the scenario inconclusive: the stimulus could not be applied.
//!
//! **Bounds.** Of a stream 256 KiB wait unread; then it is not read any more, and QUIC's windows hold
//! the implementation back, unless a step has looked at all of it and wants more. 64 connections wait
//! to be taken; further ones are refused. 16 MiB may wait to be sent on a stream.
//!
//! **The end.** When the outcome is there, the scripted peer closes what is still open with code 0,
//! and refuses what comes.
//!
//! **Fairness.** As over datagrams: if the driver was late by more than the slack of a window that was
//! open, and the step would fail by time, the outcome is inconclusive. So it is if a connection ended
//! unexpectedly after the driver was late, unless the application chose a code that means no timeout: the
//! implementation may have waited for the scripted peer.

mod act;
pub(crate) mod acts;
pub(crate) mod connections;
pub(crate) mod ended;
mod over_web;
mod play;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod view;
pub(crate) mod wait;
pub(crate) mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Input, Output, StreamId, StreamMachine,
};

use crate::network::Impairment;

use super::context::Context;
use super::execution::Execution;
use super::program::{Instruction, Program};
use super::waiting::Waiting;
use super::{Environment, Failure};
use acts::OngoingAction;
use connections::{Connection, Connections};
use wait::PendingWait;

/// A scenario over streams being played; see the [module](self) for the rules.
#[derive(Debug)]
pub(super) struct StreamScript {
    pub(super) execution: Execution,
    pub(super) context: Context,
    connections: Connections,
    activity: Activity,
    /// Steps that were passed over because their connection had ended, the first of each.
    passed_over: BTreeMap<ConnectionNumber, Box<Failure>>,
    /// Connections whose end a step has judged.
    judged: BTreeSet<ConnectionNumber>,
    /// How late the driver ever was.
    latest: Duration,
    /// How late the next input is, by the driver.
    late: Option<Duration>,
}

#[derive(Debug)]
enum Activity {
    /// The next step starts.
    Nothing,
    /// A step that acts on a connection whose handshake is not done.
    Holding {
        op: Arc<Instruction>,
        until: Duration,
    },
    /// A step that acts for a while. Its comment stands at this packet.
    Acting {
        op: Arc<Instruction>,
        ongoing: Box<dyn OngoingAction>,
        packet: Option<u64>,
    },
    Waiting {
        waiting: Waiting<PendingWait>,
        /// Whether one of them is out because the connection ended as one does if the scripted peer is late.
        by_end: bool,
    },
}

impl StreamScript {
    /// A script at its start; `impair` is a network that the scenario does not account for,
    /// `tells` whether its steps are reported.
    pub(super) fn new(
        program: &Program,
        environment: Environment,
        impair: Option<&Impairment>,
        tells: bool,
    ) -> Self {
        let is_client = program.scenario.iut.role == Role::Responder;
        let protocol = environment.protocol;
        let (execution, context) = Execution::of(program, environment, impair, tells);
        Self {
            execution,
            context,
            connections: Connections::new(is_client, protocol),
            activity: Activity::Nothing,
            passed_over: BTreeMap::new(),
            judged: BTreeSet::new(),
            latest: Duration::ZERO,
            late: None,
        }
    }

    /// The implementation is started or reachable: the first step begins at `now`.
    pub(super) fn begin(&mut self, now: Duration) {
        let now = self.execution.time(now);
        if !self.execution.has_begun {
            self.execution.begin(now);
        }
        self.advance(now);
    }

    /// The implementation's process ended by itself, with this exit status; `None` if a signal ended
    /// it.
    pub(super) fn exited(&mut self, now: Duration, code: Option<i32>) {
        let now = self.execution.time(now);
        self.execution.exits(now, code);
        self.advance(now);
    }

    /// What [`Execution::take_restart`] asked for is done.
    pub(super) fn restarted(&mut self, now: Duration) {
        let now = self.execution.time(now);
        self.execution.restarted(now);
        self.advance(now);
    }

    /// Something that the script asked for could not be done: the stimulus was not applied.
    pub(super) fn refused(&mut self, now: Duration, why: &str) {
        let now = self.execution.time(now);
        if self.execution.outcome.is_none() {
            self.execution.unfit(why);
        }
        self.advance(now);
    }

    /// Nothing more comes for what was sent so far.
    pub(super) fn settle(&mut self, now: Duration) {
        if let Some(due) = StreamMachine::deadline(self) {
            self.execution.settle(now, due);
            self.advance(self.execution.time(now));
        }
    }

    /// Something was late by this much just now: the driver woke up late, or did not get to run.
    /// Passed before the input that was late.
    pub(super) fn late(&mut self, by: Duration) {
        self.latest = self.latest.max(by);
        self.late = Some(self.late.map_or(by, |late| late.max(by)));
    }

    /// This is the newest packet of the capture, if any was recorded. Passed before each input, so that
    /// findings can name the packet.
    pub(super) fn recorded(&mut self, packet: Option<u64>) {
        self.connections.packets = packet.or(self.connections.packets);
    }

    /// The next comment for a packet that was recorded: the packet's number, from 1, and the comment.
    pub(super) fn take_comment(&mut self) -> Option<(u64, String)> {
        let recorded = self.connections.packets?;
        let comments = &mut self.execution.to_comment;
        let ready = comments
            .iter()
            .position(|(packet, _)| *packet <= recorded)?;
        comments.remove(ready)
    }

    /// The state of each connection and each of its streams, without contents.
    pub(super) fn shape(&self) -> String {
        let connections = self.connections.by_number.values();
        let shapes: Vec<_> = connections.map(Connection::shape).collect();
        shapes.join(" ")
    }

    /// When the implementation's first bytes came on a stream, by the driver's clock.
    pub(super) const fn first_bytes(&self) -> Option<Duration> {
        self.connections.first_bytes
    }
}

impl StreamMachine for StreamScript {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        let is_over = self.execution.outcome.is_some();
        let (driver, now) = (now, self.execution.time(now));
        match input {
            Input::Incoming { connection, .. } if is_over => {
                self.connections
                    .outputs
                    .push_back(Output::Refuse(connection));
            }
            Input::Incoming { connection, .. } => self.connections.asked(connection, now),
            Input::Connected { connection } => self.connections.connected(connection, now),
            Input::Stream {
                connection,
                stream,
                what,
            } => self.connections.on_stream(connection, stream, what, now),
            Input::Datagram { connection, bytes } => {
                self.connections.datagram(connection, bytes, now);
            }
            Input::Closed {
                connection,
                why: Closing::NotBegun(why),
            } => {
                // The other side had no part in it, so nothing of it is the other side's.
                self.connections
                    .closed(connection, Closing::NotBegun(why), now);
                self.refused(driver, why);
                return;
            }
            Input::Closed { connection, why } => self.connections.closed(connection, why, now),
            Input::Delivered { .. } | Input::Tick => {}
            Input::Stop if is_over => {}
            Input::Stop => self.execution.inconclusive("it was stopped".to_owned()),
        }
        self.advance(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.connections.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        self.execution.deadline(|| match &self.activity {
            Activity::Nothing => None,
            Activity::Holding { until, .. } => Some(*until),
            Activity::Acting { ongoing, .. } => Some(ongoing.due()),
            Activity::Waiting { waiting, .. } => waiting.due(|wait| wait.window.upper),
        })
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.connections.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.execution.outcome.is_some()
    }

    fn counters(&self) -> Value {
        json!({ "steps": self.execution.events.len() })
    }
}
