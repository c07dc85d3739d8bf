//! The steps of scenarios whose protocol is carried by streams over QUIC.
//!
//! A connection has a name, `main` unless a step gives it another; a stream has the name under which
//! it was opened or found, and names are of the whole scenario.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Span, Step};

/// The connection that steps mean which name none.
pub const MAIN: &str = "main";

fn main_connection() -> String {
    MAIN.to_owned()
}

fn is_main(name: &String) -> bool {
    name == MAIN
}

/// Every step that there is only over streams, as a pattern of a `match`.
macro_rules! over_streams {
    () => {
        $crate::scenario::Step::Connect(_)
            | $crate::scenario::Step::ExpectConnected(_)
            | $crate::scenario::Step::Accept(_)
            | $crate::scenario::Step::Open(_)
            | $crate::scenario::Step::Write(_)
            | $crate::scenario::Step::Fin(_)
            | $crate::scenario::Step::Reset(_)
            | $crate::scenario::Step::StopSending(_)
            | $crate::scenario::Step::SendDatagram(_)
            | $crate::scenario::Step::ExpectStream(_)
            | $crate::scenario::Step::Read(_)
            | $crate::scenario::Step::ExpectQuiet(_)
            | $crate::scenario::Step::ExpectAlive(_)
            | $crate::scenario::Step::ExpectClose(_)
            | $crate::scenario::Step::StopReading(_)
            | $crate::scenario::Step::ResumeReading(_)
            | $crate::scenario::Step::Blackhole(_)
            | $crate::scenario::Step::Resume(_)
            | $crate::scenario::Step::Close(_)
    };
}
pub(crate) use over_streams;

/// A connection to begin; whether it comes to be is for `expect_connected` or `expect_close` to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// Its name. One that an earlier connection had goes over to this one.
    #[serde(
        rename = "as",
        default = "main_connection",
        skip_serializing_if = "is_main"
    )]
    pub name: String,
    /// The protocols that are offered in the TLS handshake (ALPN), none if the list is empty; the
    /// scenario's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Vec<String>>,
    /// The connection whose port it leaves from; a port of its own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Bytes that the implementation may send on a stream before the scripted peer reads them (its
    /// flow-control window); what QUIC's library takes for usual if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
}

/// The end of a handshake that `connect` began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectConnected {
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// A connection of the implementation under test to wait for, and to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The name that it gets.
    #[serde(
        rename = "as",
        default = "main_connection",
        skip_serializing_if = "is_main"
    )]
    pub name: String,
    /// Refuses it in its handshake instead of taking it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refuse: bool,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// A stream to open. QUIC tells the other side of it with the first bytes or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The name that it gets.
    pub stream: String,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// Whether only the scripted peer sends on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unidirectional: bool,
}

/// Bytes to send on a stream: `hex` or `u32`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The stream.
    pub stream: String,
    /// The bytes in hexadecimal; spaces are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Numbers of four bytes each, little-endian: values, `"$name"` or `{"sum": [..]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub u32: Option<Vec<Value>>,
    /// Lengths in bytes of the pieces in which they leave, with `apart` between them; what the
    /// lengths leave over is the last piece. All at once if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<usize>,
    /// Time from one piece to the next; 50 ms if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Span>,
    /// How often they are sent in a row; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Whether the stream ends after them (FIN), in the same frame where QUIC can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fin: bool,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfStream {
    /// Its name.
    pub stream: String,
}

/// A stream, and the code of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithCode {
    /// Its name.
    pub stream: String,
    /// The code.
    pub code: u64,
}

/// A datagram (RFC 9221) to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendDatagram {
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The bytes in hexadecimal; spaces are allowed.
    pub hex: String,
}

/// A stream of the implementation under test to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectStream {
    /// The name that it gets.
    pub stream: String,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// Its first bytes in hexadecimal, which are taken; streams that begin otherwise wait for other
    /// steps. The oldest stream without a name if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<String>,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// Bytes of a stream to wait for: `hex` or `u32`. What comes after them waits for other steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The stream.
    pub stream: String,
    /// The bytes in hexadecimal; spaces are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Numbers of four bytes each, little-endian: values, `"$name"`, `{"sum": [..]}`, or matchers as
    /// `expect` has them; `{"present": true}` takes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub u32: Option<Vec<Value>>,
    /// Names under which numbers are remembered, by their place from 0: `{"id": 0}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub bind: IndexMap<String, usize>,
    /// How often all of it must come in a row; 1 if not given. Names keep the last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The last byte not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// The last byte not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// Silence of a stream or a connection to wait for: no stream, no byte, no end, no close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectQuiet {
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
    /// Only this stream has to be silent, and its connection to live; the connection with all its
    /// streams if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// A connection that must not end. What its streams carry meanwhile is kept for other steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectAlive {
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// The end of a connection to wait for: by one of `code` or in one of the ways of `or`. Whether its
/// handshake was done before does not matter, nor what its streams carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectClose {
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// Codes with which the implementation's application may close it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<u64>,
    /// Other ways in which it may end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Ending>,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// How a connection may end besides an application's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It never came to be: it was refused, or its handshake failed.
    Refused,
    /// The implementation's transport closed it, after the handshake.
    Transport,
    /// Nothing was heard for the idle timeout.
    IdleTimeout,
    /// The implementation has lost its state (a stateless reset).
    StatelessReset,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfConnection {
    /// Its name.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
}

/// A connection to close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Its name.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The application's code.
    pub code: u64,
    /// The reason that is given; none if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether there is this step only over streams.
#[must_use]
pub const fn is_over_streams(step: &Step) -> bool {
    matches!(step, over_streams!())
}

/// Whether a step over streams judges the implementation: it waits, and may be what a branch begins
/// with.
#[must_use]
pub(crate) const fn judges(step: &Step) -> bool {
    matches!(
        step,
        Step::ExpectConnected(_)
            | Step::Accept(_)
            | Step::ExpectStream(_)
            | Step::Read(_)
            | Step::ExpectQuiet(_)
            | Step::ExpectAlive(_)
            | Step::ExpectClose(_)
    )
}

/// The requirement by which a step over streams is judged, if it names one.
pub(crate) fn requirement(step: &Step) -> Option<&str> {
    match step {
        Step::ExpectConnected(one) => one.requirement.as_deref(),
        Step::Accept(one) => one.requirement.as_deref(),
        Step::ExpectStream(one) => one.requirement.as_deref(),
        Step::Read(one) => one.requirement.as_deref(),
        Step::ExpectQuiet(one) => one.requirement.as_deref(),
        Step::ExpectAlive(one) => one.requirement.as_deref(),
        Step::ExpectClose(one) => one.requirement.as_deref(),
        _ => None,
    }
}

/// How long a step over streams may last at most, without tolerance; 0 for one that does not wait for
/// the implementation. A `write` takes its [`pauses`].
#[must_use]
pub fn longest(step: &Step) -> Span {
    match step {
        Step::ExpectConnected(one) => one.within,
        Step::Accept(one) => one.within,
        Step::ExpectStream(one) => one.within,
        Step::Read(one) => one.within,
        Step::ExpectQuiet(one) => one.span,
        Step::ExpectAlive(one) => one.span,
        Step::ExpectClose(one) => one.within,
        _ => Span::fixed(Duration::ZERO),
    }
}

/// The pauses between the pieces of a `write`: how many there are at least and at most, and how long
/// each is. What the lengths of the pieces leave over may be a piece or nothing.
#[must_use]
pub fn pauses(write: &Write) -> (u32, u32, Span) {
    let pieces = u32::try_from(write.pieces.len()).unwrap_or(u32::MAX);
    let times = write.times.unwrap_or(1);
    let (least, most) = match pieces {
        0 => (0, 0),
        _ => (
            pieces.saturating_mul(times).saturating_sub(1),
            pieces.saturating_add(1).saturating_mul(times),
        ),
    };
    (least, most, write.apart.unwrap_or(Span::fixed(APART)))
}

/// How long a step over streams lasts at least if it succeeds, without tolerance.
#[must_use]
pub fn shortest(step: &Step) -> Span {
    let after = match step {
        Step::ExpectConnected(one) => one.after,
        Step::Accept(one) => one.after,
        Step::ExpectStream(one) => one.after,
        Step::Read(one) => one.after,
        Step::ExpectClose(one) => one.after,
        Step::ExpectQuiet(one) => Some(one.span),
        Step::ExpectAlive(one) => Some(one.span),
        _ => None,
    };
    after.unwrap_or(Span::fixed(Duration::ZERO))
}

/// Time from one piece of a `write` to the next where the step gives none.
pub const APART: Duration = Duration::from_millis(50);
