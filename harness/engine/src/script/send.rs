//! What the scripted peer sends over datagrams.

use std::fmt::Debug;
use std::time::Duration;

use serde_json::{Map, Value};

use super::SocketId;
use super::context::Context;

/// A step that sends.
pub(crate) trait Sends {
    /// What it sends, begun at `start`.
    ///
    /// # Errors
    /// It names what the scenario does not have, or its bytes cannot be made.
    fn stimulus(&self, start: Duration, context: &Context) -> Result<Stimulus, String>;
}

/// What a step sends.
#[derive(Debug)]
pub(crate) enum Stimulus {
    /// Datagrams that leave from there.
    Leaves(From, Box<dyn Source>),
    /// A datagram that the network loses.
    Lost(Vec<u8>),
}

/// Where datagrams leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Named(SocketId),
    /// A new port for each.
    Fresh,
}

/// Datagrams to send, one after the other.
pub(crate) trait Source: Debug + Send {
    /// The next one.
    ///
    /// # Errors
    /// The protocol has no such frames.
    fn next(&mut self, now: Duration, context: &Context) -> Result<Next, String>;

    /// What was sent, as a line: the number of datagrams, and the first of them.
    fn summary(&self, sent: u64, first: &str) -> String;
}

/// What is sent next.
pub(crate) enum Next {
    Send(Vec<u8>),
    Wait(Duration),
    Over,
}

/// The same datagram, this many more times.
#[derive(Debug)]
pub(crate) struct Repetition {
    datagram: Vec<u8>,
    left: u32,
}

impl Repetition {
    /// A datagram once, or so often.
    pub(crate) fn times(datagram: Vec<u8>, times: Option<u32>) -> Box<dyn Source> {
        let left = times.unwrap_or(1);
        Box::new(Self { datagram, left })
    }
}

impl Source for Repetition {
    fn next(&mut self, _: Duration, _: &Context) -> Result<Next, String> {
        Ok(match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Next::Send(self.datagram.clone())
            }
            None => Next::Over,
        })
    }

    fn summary(&self, sent: u64, first: &str) -> String {
        match sent {
            1 => format!("sent {first}"),
            times => format!("sent {times} times {first}"),
        }
    }
}

impl From {
    /// The socket of this name, `main` if none is given.
    ///
    /// # Errors
    /// The scenario has no such socket.
    pub(crate) fn named(name: Option<&str>, context: &Context) -> Result<Self, String> {
        match name {
            Some("fresh") => Ok(Self::Fresh),
            name => context.socket(name).map(Self::Named),
        }
    }
}

/// Encodes a frame.
///
/// # Errors
/// A name without a value, or fields that the frame cannot have.
pub(crate) fn typed(
    frame: &str,
    fields: &Map<String, Value>,
    context: &Context,
) -> Result<Vec<u8>, String> {
    let fields = context.bindings.resolve_fields(fields)?;
    let encoded = context.vocabulary().encode(frame, &fields);
    encoded.map_err(|error| error.to_string())
}

/// Bytes that a step has in hexadecimal.
///
/// # Errors
/// They are none.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    shakedown_protocol::hex::parse(text).map_err(|problem| format!("the text {problem}"))
}
