use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shakedown_protocol::StreamParameters;
use shakedown_protocol::requirement::Role;

use super::Span;
use super::streams::{
    Accept, Close, Connect, ExpectAlive, ExpectClose, ExpectConnected, ExpectQuiet, ExpectStream,
    OfConnection, OfStream, Open, Read, SendDatagram, WithCode, Write,
};
use crate::network::Impairment;

/// One scenario: one behaviour of the implementation under test, named as a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Where editors find the schema of this file.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// `<protocol>/<mode>/<role>/<name>`, the same as the file's place.
    pub id: String,
    /// The behaviour as a fact, in a sentence.
    pub title: String,
    /// Why it matters, or what is not obvious about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The requirements that it is about. The first is the one that a step is judged by unless the
    /// step names another.
    pub requirements: Vec<String>,
    /// What it needs of the implementation under test.
    pub iut: Needs,
    /// Values that steps refer to as `$name`.
    #[serde(rename = "let", default, skip_serializing_if = "IndexMap::is_empty")]
    pub bindings: IndexMap<String, Binding>,
    /// Further sockets of the scripted peer besides `main`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub sockets: IndexMap<String, SocketNeed>,
    /// Frames that every waiting step lets pass, by name. They are counted in the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether nothing else may run at the same time (it needs the whole machine).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// What the network between the two does. What steps send goes through it, and so does what they
    /// wait for; without it everything arrives once and in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impair: Option<Impairment>,
    /// The conversation.
    pub steps: Vec<Step>,
}

/// What a scenario needs of the implementation under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// The role that it plays.
    #[schemars(with = "String")]
    pub role: Role,
    /// The mode that it is started in.
    pub mode: String,
    /// Options that are switched on; all others are off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Whether it is started by its `plain` command, with no handshake option given (MS-L-07).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
    /// What it is asked to stream, where the stream of its description would not show the
    /// behaviour. One that cannot be asked for a stream is not judged by the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::stream")]
    pub stream: Option<StreamParameters>,
}

/// A value that steps refer to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// A fresh UUID (version 4) from the run's seed.
    Uuid {},
    /// This value.
    Value(Value),
}

/// A further socket of the scripted peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SocketNeed {
    /// The same address, another port.
    OtherPort {},
    /// Another address of this machine. Where there is none the scenario is inconclusive.
    OtherAddress {},
}

/// One step: an object with one key, its verb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sends a frame.
    Send(Send),
    /// Sends bytes as they are.
    SendRaw(SendRaw),
    /// Sends a frame after its bytes were patched.
    Mutate(Mutate),
    /// A frame that the scripted peer would have sent and that the network loses: nothing leaves.
    Lose(Send),
    /// Sends media at the stream's pace.
    Media(Media),
    /// Waits for one frame.
    Expect(Expect),
    /// Waits for several frames, in any order.
    ExpectAny(ExpectAny),
    /// Takes the first of several acceptable continuations whose first step matches.
    Either(Vec<Branch>),
    /// Waits and wants silence, or the absence of some frames.
    ExpectNothing(ExpectNothing),
    /// Waits for media of the implementation under test.
    ExpectMedia(ExpectMedia),
    /// Waits for the end of the implementation's process.
    ExpectExit(ExpectExit),
    /// Lets time go by. What arrives meanwhile is kept for the next step.
    Wait(Wait),
    /// Plays steps several times.
    Repeat(Repeat),
    /// Stops the implementation under test and starts it again.
    RestartIut(RestartIut),
    /// Begins a connection to the implementation under test.
    Connect(Connect),
    /// Waits until a connection that `connect` began is there.
    ExpectConnected(ExpectConnected),
    /// Waits for a connection of the implementation under test, and takes or refuses it.
    Accept(Accept),
    /// Opens a stream.
    Open(Open),
    /// Sends bytes on a stream.
    Write(Write),
    /// Sends no more on a stream.
    Fin(OfStream),
    /// Breaks off what is sent on a stream (RESET_STREAM).
    Reset(WithCode),
    /// Asks for no more bytes of a stream (STOP_SENDING).
    StopSending(WithCode),
    /// Sends a datagram (RFC 9221).
    SendDatagram(SendDatagram),
    /// Waits for a stream of the implementation under test.
    ExpectStream(ExpectStream),
    /// Waits for bytes of a stream.
    Read(Read),
    /// Waits and wants silence of a stream or a connection.
    ExpectQuiet(ExpectQuiet),
    /// Waits and wants a connection to live.
    ExpectAlive(ExpectAlive),
    /// Waits for the end of a connection.
    ExpectClose(ExpectClose),
    /// Takes no more bytes of a stream from the transport, so that its window fills.
    StopReading(OfStream),
    /// Takes bytes of a stream again.
    ResumeReading(OfStream),
    /// Drops all packets to and from the endpoint of a connection, as if its process stood still.
    Blackhole(OfConnection),
    /// Ends that.
    Resume(OfConnection),
    /// Closes a connection.
    Close(Close),
}

/// A frame to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The frame's name.
    pub frame: String,
    /// Its fields; one that is not given has the value that the specification demands.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// The socket it leaves from: `main`, one of `sockets`, or `fresh` for a new port each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How often it is sent in a row; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// Bytes to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRaw {
    /// The datagram in hexadecimal; spaces are allowed. Empty for a datagram of 0 bytes.
    pub hex: String,
    /// Zero bytes are appended up to this length, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<usize>,
    /// The socket it leaves from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How often it is sent in a row; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// A frame to send after its bytes were patched, in the order of `patches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mutate {
    /// The frame's name.
    pub frame: String,
    /// Its fields.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// What is changed.
    pub patches: Vec<Patch>,
    /// The socket it leaves from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// One change to a datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Patch {
    /// Overwrites a field's bytes.
    Field {
        /// The field's name.
        name: String,
        /// The bytes in hexadecimal, as many as the field has.
        hex: String,
    },
    /// Overwrites bytes from an offset on.
    At {
        /// Offset in bytes.
        offset: usize,
        /// The bytes in hexadecimal.
        hex: String,
    },
    /// Cuts the datagram to a length in bytes.
    Truncate(usize),
    /// Appends bytes in hexadecimal.
    Append(String),
}

/// Media to send at the stream's pace: data datagrams with the counter pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// How many frames; up to the stream's last if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Number of the first; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// How a frame is carried; in one datagram if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry: Option<Carry>,
    /// What is sent, where it is not the stream that the implementation is asked to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::stream")]
    pub stream: Option<StreamParameters>,
    /// The socket it leaves from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// How a frame of media is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carry {
    /// Several data datagrams with one number, without positions.
    Split,
    /// Fragments with positions.
    Fragments,
}

/// A frame to wait for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The frame's name.
    pub frame: String,
    /// What its fields must be. A value, `"$name"`, or a matcher: `{"not": v}`, `{"any_of": [..]}`,
    /// `{"at_least": n}`, `{"at_most": n}`, `{"empty": bool}`, `{"present": bool}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// Not before this long after the step before; the tolerance is taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before; the tolerance is added.
    pub within: Span,
    /// Names under which fields are remembered: `{"id": "connection_id"}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub bind: IndexMap<String, String>,
    /// The datagram must be byte for byte the one that the step of this index (from 0) got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<usize>,
    /// The socket it must arrive at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Frames that this step lets pass besides the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// Frames to wait for in any order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectAny {
    /// The frames; each must come once.
    pub of: Vec<Expect>,
}

/// One acceptable continuation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// What it means, as a fact.
    pub title: String,
    /// Its steps; the first is `expect`, `expect_nothing`, `expect_media` or `expect_exit`, over
    /// streams one that waits.
    pub steps: Vec<Step>,
}

/// Silence to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectNothing {
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
    /// Only these frames are forbidden; every frame if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
    /// The socket at which nothing may arrive; all sockets if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Frames that this step lets pass besides the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// Media to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectMedia {
    /// How many frames, each number counted once; up to the stream's last if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// The number that the first must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Every number must be above those that earlier steps saw: the stream goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// How long to wait at most; the time that the frames take, and 2 s, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The socket it must arrive at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Frames that this step lets pass besides the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// The end of the implementation's process to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectExit {
    /// How it must end; any end will do if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExitKind>,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// Frames that may arrive meanwhile besides the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// How a process may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitKind {
    /// Exit status 0.
    Success,
    /// Another exit status; a signal is neither.
    Failure,
}

/// Time to let go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
}

/// Steps to play several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub times: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartIut {}
