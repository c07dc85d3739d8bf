use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{GivenValue, Protocol, StreamParameters};

use super::Span;
use crate::network::Impairment;
use crate::step::Step;

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
    /// Whether expectations of its steps do not count: unexpected frames are skipped, as are steps
    /// that cannot be applied. Only survival and the monitor judge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tolerant: bool,
    /// What the network between the two does. What steps send goes through it, and so does what they
    /// wait for; without it everything arrives once and in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impair: Option<Impairment>,
    /// What the implementation must have counted in the end. Where its counters are not read, the
    /// requirements are not observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<Counted>,
    /// The conversation.
    pub steps: Vec<Step>,
}

/// What an implementation must have counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// The counter's name in the specification.
    pub counter: String,
    /// What it must be in the end: a number, or one of the matchers of fields.
    pub is: Value,
    /// The requirement that it shows.
    pub requirement: String,
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
    /// What the stream of its description must be like to show the behaviour. Where it is not, `stream` is
    /// asked for; if that is not given, 50 frames of 1,000 bytes a second for 2 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_has: Option<StreamBounds>,
    /// For how long it must wait for media before it gives up, at least, or the behaviour does not show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_period: Option<Span>,
}

impl Scenario {
    /// The values of the implementation's description that steps and `let` refer to.
    pub fn values_used(
        &self,
        protocol: &'static Protocol,
    ) -> impl Iterator<Item = &'static GivenValue> {
        let given = protocol.values;
        let text = match given.is_empty() {
            true => String::new(),
            false => serde_json::to_string(self).unwrap_or_default(),
        };
        let is_used = move |given: &&GivenValue| text.contains(&format!("\"${}\"", given.name));
        given.iter().filter(is_used)
    }
}

impl Needs {
    /// What an implementation streams that is described with the stream `own`.
    #[must_use]
    pub fn stream_for(&self, own: StreamParameters) -> StreamParameters {
        match (self.stream, &self.stream_has) {
            (None, None) => own,
            (Some(asked), None) => asked,
            (_, Some(bounds)) if bounds.missed_by(&own).is_none() => own,
            (asked, Some(_)) => asked.unwrap_or(StreamBounds::ORDINARY),
        }
    }
}

/// What a stream must be like. What is not given does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StreamBounds {
    /// Minimum number of frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Minimum frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_per_second: Option<u32>,
    /// Maximum bytes per frame, headers included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_bytes: Option<u64>,
}

impl StreamBounds {
    /// The default requested stream: it fits all scenarios.
    pub(crate) const ORDINARY: StreamParameters = StreamParameters {
        bits_per_second: 400_000,
        frames_per_second: 50,
        seconds: 2,
    };

    /// In what a stream is not so, in words; `None` if it is.
    #[must_use]
    pub fn missed_by(&self, stream: &StreamParameters) -> Option<String> {
        let (frames, rate) = (stream.frames(), stream.frames_per_second);
        let bytes = stream.frame_bytes();
        let missed = [
            self.frames
                .filter(|least| frames < *least)
                .map(|least| format!("{frames} frames, fewer than {least}")),
            self.frames_per_second
                .filter(|least| rate < *least)
                .map(|least| format!("{rate} frames a second, fewer than {least}")),
            self.frame_bytes
                .filter(|most| bytes > *most)
                .map(|most| format!("frames of {bytes} bytes, above {most}")),
        ];
        missed.into_iter().flatten().next()
    }
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
