//! What a step acts on over streams, its action, and the result.

use std::fmt::Debug;
use std::time::Duration;

use shakedown_protocol::streams::{ConnectionNumber, Fault, Output, StreamId};

use crate::scenario::words;
use crate::script::context::Context;
use crate::step::names::Subject;

use super::connections::Connections;
use super::ended::ConnectionEnd;

/// A step that acts.
pub(crate) trait StreamAction {
    /// What it acts on.
    fn subject(&self) -> Subject<'_>;

    /// Does it.
    ///
    /// # Errors
    /// It names what there is not, or its bytes cannot be made.
    fn act(&self, start: &Start<'_>, connections: &mut Connections)
    -> Result<ActionResult, String>;

    /// Whether it waits for the connection's handshake.
    fn needs_handshake(&self) -> bool {
        true
    }

    /// Whether it sends on its stream, of which the other side may want no more.
    fn sends(&self) -> bool {
        false
    }

    /// What becomes of it once its connection has ended.
    fn when_closed(&self, _: Target, ended: &ConnectionEnd, _: &mut Connections) -> WhenClosed {
        WhenClosed::of(ended)
    }
}

/// What a step acts on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    Nothing,
    Connection(ConnectionNumber),
    Stream(ConnectionNumber, StreamId),
}

/// Where a step begins.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) target: Target,
    /// The connection as the step means it.
    pub(crate) called: String,
    pub(crate) at: Duration,
    pub(crate) context: &'a Context,
}

/// What a step did.
pub(crate) enum ActionResult {
    /// All of it; what, in words.
    Done(String),
    Goes(Box<dyn OngoingAction>),
    /// Nothing: why the stimulus cannot be applied.
    Unfit(String),
}

/// What becomes of a step whose connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenClosed {
    Acts,
    /// It is passed over, and nothing is missed.
    Skipped,
    /// It is passed over, and its stimulus is missed.
    Missed,
    /// The scenario is wrong: an earlier step has closed the connection.
    Invalid,
}

/// A step that acts for a while.
pub(crate) trait OngoingAction: Debug + Send {
    /// When it goes on at the latest.
    fn due(&self) -> Duration;

    /// Goes on. `mark` is when it did something last.
    fn go_on(
        &mut self,
        now: Duration,
        mark: &mut Duration,
        connections: &mut Connections,
    ) -> Progress;
}

/// How far a step is that acts for a while.
pub(crate) enum Progress {
    On,
    /// It is done; what, in words.
    Done(String),
    /// The connection ended meanwhile.
    Ended,
    /// The stimulus cannot be applied.
    Unfit(String),
    /// The scenario is wrong.
    Broken(String),
}

impl Start<'_> {
    /// What a request on a connection says of whom it is for.
    pub(crate) fn authority(&self, connections: &Connections, on: ConnectionNumber) -> String {
        let connection = connections.by_number.get(&on);
        let to = connection.and_then(|connection| connection.to);
        to.or(self.context.environment.iut)
            .map_or_else(|| "localhost".to_owned(), |address| address.to_string())
    }

    /// Asks the transport for faults of the connection; `told` is their description.
    pub(crate) fn misbehave(
        &self,
        connections: &mut Connections,
        faults: &[Fault],
        told: String,
    ) -> Result<ActionResult, String> {
        let connection = self.target.connection()?;
        for fault in faults {
            connections.ask(Output::Misbehave(connection, fault.clone()));
        }
        Ok(ActionResult::Done(told))
    }
}

impl Target {
    /// What a step means, and how the connection is called.
    ///
    /// # Errors
    /// It does not exist.
    pub(super) fn of(on: Subject<'_>, connections: &Connections) -> Result<(Self, String), String> {
        Ok(match on {
            Subject::Nothing => (Self::Nothing, String::new()),
            Subject::Connection(name, _) => {
                let target = Self::Connection(connections.named(name)?);
                (target, words::the_connection(name))
            }
            Subject::Stream(name, _) | Subject::Session(name, _) | Subject::Request(name, _) => {
                let (number, stream) = connections.stream_named(name)?;
                (Self::Stream(number, stream), connections.called(number))
            }
        })
    }

    /// # Errors
    /// There is none.
    pub(crate) fn connection(self) -> Result<ConnectionNumber, String> {
        match self {
            Self::Connection(number) | Self::Stream(number, _) => Ok(number),
            Self::Nothing => Err("it names no connection".to_owned()),
        }
    }

    /// # Errors
    /// There is none.
    pub(crate) fn stream(self) -> Result<(ConnectionNumber, StreamId), String> {
        match self {
            Self::Stream(number, id) => Ok((number, id)),
            Self::Nothing | Self::Connection(_) => Err("it names no stream".to_owned()),
        }
    }
}

impl WhenClosed {
    /// That of a step whose stimulus counts.
    pub(crate) fn of(ended: &ConnectionEnd) -> Self {
        match ended {
            ConnectionEnd::ByScript => Self::Invalid,
            ConnectionEnd::Application { .. }
            | ConnectionEnd::Transport { .. }
            | ConnectionEnd::TimedOut
            | ConnectionEnd::Refused
            | ConnectionEnd::Reset
            | ConnectionEnd::Other(_) => Self::Missed,
        }
    }
}
