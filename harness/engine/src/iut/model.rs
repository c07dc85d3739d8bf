use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{StreamParameters, Tolerance};

use crate::scenario::{Environment, Needs, Span};

/// One implementation in one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Iut {
    /// Its name in reports.
    pub name: String,
    /// The protocol's id.
    pub protocol: String,
    /// Its role.
    #[schemars(with = "String")]
    pub role: Role,
    /// The modes that it claims.
    pub modes: Vec<String>,
    /// How it is started; left out if it runs already.
    #[serde(default)]
    pub start: Option<Start>,
    /// Where it is reached.
    #[serde(default)]
    pub reach: Option<Reach>,
    /// What it streams, or is asked to stream; left out where the protocol has no media.
    #[serde(default = "no_stream")]
    #[schemars(schema_with = "crate::schema::stream")]
    pub stream: StreamParameters,
    /// Largest datagram that it is set up to send, in bytes (MS-W-18); 65,507 if left out.
    #[serde(default)]
    pub max_datagram: Option<usize>,
    /// What it is set up with that scenarios must know: `shakedown list protocols` names what there is.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub values: IndexMap<String, serde_json::Value>,
    /// How punctual it is.
    #[serde(default)]
    pub timing: Timing,
    /// What its exit status means.
    #[serde(default)]
    pub exit: Exit,
    /// By how many bytes the memory of its process may grow while a client does not read (PR-T-04).
    #[serde(default = "default_memory_at_most")]
    pub memory_at_most: u64,
    /// How what it counts is read; left out if nothing of it shows.
    #[serde(default)]
    pub observe: Option<Observe>,
    /// Requirements that it is known to break.
    #[serde(default)]
    pub waive: Vec<Waiver>,
    /// The folder of its description, absolute; empty where there is none: the current directory is meant.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Iut {
    /// What it streams in a scenario that needs `needs`: the scenario's own stream, if it has one.
    #[must_use]
    pub fn stream_for(&self, needs: &Needs) -> StreamParameters {
        needs.stream_for(self.stream)
    }

    /// The same implementation, asked for the stream of a scenario that needs `needs`.
    #[must_use]
    pub fn asked(&self, needs: &Needs) -> Self {
        Self {
            stream: self.stream_for(needs),
            ..self.clone()
        }
    }

    /// Whether it streams this, or can be configured to; `plain` if it is started with no option given.
    #[must_use]
    pub fn can_stream(&self, plain: bool, stream: &StreamParameters) -> bool {
        let words = self.start.as_ref().and_then(|start| {
            let command = match plain {
                true => start.plain.as_ref()?,
                false => &start.command,
            };
            Some(start.words_of(command).collect::<Vec<_>>())
        });
        let words = words.unwrap_or_default();
        let is_told = |name: &str| words.iter().any(|word| word.contains(name));
        let own = &self.stream;
        (own.bits_per_second == stream.bits_per_second || is_told("{bits_per_second}"))
            && (own.frames_per_second == stream.frames_per_second || is_told("{frames_per_second}"))
            && (own.seconds == stream.seconds || is_told("{seconds}"))
    }

    /// Where its commands run: an absolute path, or an empty one for the current directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        let own = self
            .start
            .as_ref()
            .and_then(|start| start.directory.as_ref());
        own.map_or_else(|| self.folder.clone(), |own| self.folder.join(own))
    }

    /// The lengths of time that scenarios may refer to.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment::new(&self.stream, &self.timing)
    }
}

/// What an implementation streams whose protocol has no media.
const fn no_stream() -> StreamParameters {
    StreamParameters {
        bits_per_second: 0,
        frames_per_second: 0,
        seconds: 0,
    }
}

/// How an implementation is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Program and arguments. Placeholders: `{address}`, `{port}`, `{peer}`, `{mode}`, `{seed}`,
    /// `{bits_per_second}`, `{frames_per_second}`, `{seconds}`, `{shakedown}` (this program),
    /// `{counters}` (a file to leave its counters in), `{certificate}` (SHA-256 of the scripted
    /// peer's certificate, in hexadecimal), `{certificate_file}` (a PEM file of that certificate and its key).
    pub command: Vec<String>,
    /// Program and arguments with no handshake option given: the mode must then be the default
    /// (MS-L-07). Left out if it cannot be started so.
    #[serde(default)]
    pub plain: Option<Vec<String>>,
    /// Where its commands run, that of `[observe]` too, and where relative paths of programs begin:
    /// relative to the folder of the description, which it is if left out.
    #[serde(default)]
    pub directory: Option<String>,
    /// Variables that its commands find besides those of this program. Placeholders as in `command`.
    #[serde(default)]
    pub environment: IndexMap<String, String>,
    /// When it is ready (responders).
    #[serde(default)]
    pub ready: Ready,
    /// How long it may take to become ready, and to answer or say its first word then.
    #[serde(default = "default_ready_within")]
    pub ready_within: Span,
    /// How long one process lives.
    #[serde(default)]
    pub per: Per,
    /// What it can switch on, and the arguments that do; an option that is absent is not supported.
    #[serde(default)]
    pub options: IndexMap<String, Vec<String>>,
    /// How long it may take to end after SIGTERM before it is killed.
    #[serde(default = "default_grace")]
    pub grace: Span,
}

fn default_ready_within() -> Span {
    Span::fixed(Duration::from_secs(10))
}

fn default_grace() -> Span {
    Span::fixed(Duration::from_secs(2))
}

/// When a started implementation is ready. Exactly one of the three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Ready {
    /// A line of its output contains this text.
    Line(String),
    /// This long after its start.
    After(Span),
    /// A UDP port is bound at its address.
    Port(bool),
}

impl Default for Ready {
    fn default() -> Self {
        Self::Port(true)
    }
}

/// How long one process of an implementation lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A new process for each scenario.
    #[default]
    Scenario,
    /// One process for all scenarios of a mode and set of options.
    Run,
}

/// Where an implementation is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// `address:port`; `{port}` stands for a free one that is chosen.
    pub address: String,
}

/// How punctual an implementation is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Share of every interval by which it may be late, besides 50 ms.
    pub tolerance: f64,
    /// What that comes to at the most for one interval.
    pub tolerance_at_most: Span,
    /// How long it waits for media before it gives up (initiators; MS-L-05), or before it gives
    /// an upload up (servers; MS-X-05).
    pub buffer_period: Span,
    /// How soon a server acks an event; the specification of `proton` gives 5 minutes.
    pub ack: Span,
    /// How soon a server answers a request on the commit stream; the same.
    pub answer: Span,
    /// How soon an item comes on the action stream, in `pull` after it was asked for; the same.
    pub item: Span,
    /// How soon a client sends what its options name: an event, a request; the same.
    pub request: Span,
    /// How soon a client connects, or an initiator says its first word, once it is started.
    pub connect: Span,
    /// For how long a server accepts no connection once it is started, with no option given.
    pub startup_delay: Span,
}

/// What the specification of `proton` gives each operation whose time it leaves open.
const OPERATION: Duration = Duration::from_mins(5);

impl Timing {
    /// By how much its times may be off.
    #[must_use]
    pub fn tolerance(&self) -> Tolerance {
        let at_most = self.tolerance_at_most.as_fixed();
        Tolerance {
            share: self.tolerance,
            at_most: at_most.unwrap_or(Tolerance::AT_MOST),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tolerance: Tolerance::default().share,
            tolerance_at_most: Span::fixed(Tolerance::AT_MOST),
            buffer_period: Span::fixed(Duration::from_secs(5)),
            ack: Span::fixed(OPERATION),
            answer: Span::fixed(OPERATION),
            item: Span::fixed(OPERATION),
            request: Span::fixed(OPERATION),
            connect: Span::fixed(Duration::from_secs(30)),
            startup_delay: Span::fixed(Duration::ZERO),
        }
    }
}

/// What an implementation's exit status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Whether 0 is success and anything else failure; if not, only that it ends is judged.
    pub status_tells: bool,
}

impl Default for Exit {
    fn default() -> Self {
        Self { status_tells: true }
    }
}

/// How the counters of an implementation are read: by a command or from a file, one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// Program and arguments that print the counters on standard output and end with 0.
    /// Placeholders as in `[start] command`.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// The file in which each process leaves its counters when it ends. Its name is `{counters}`, beside the
    /// scenario's capture, or has `{port}` or `{peer}`.
    #[serde(default)]
    pub file: Option<String>,
    /// How long the command may take, asked again and again until the counters are what is wanted.
    #[serde(default = "default_observe_within")]
    pub within: Span,
    /// Where a counter stands in the JSON: its name in the specification, and a JSON pointer
    /// (RFC 6901) to a whole number, or to an object of whole numbers, whose sum it is.
    pub counters: IndexMap<String, String>,
}

const fn default_memory_at_most() -> u64 {
    64 << 20
}

fn default_observe_within() -> Span {
    Span::fixed(Duration::from_secs(2))
}

/// A requirement that the implementation is known to break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The requirement's id.
    pub requirement: String,
    /// The scenario in which it is waived; left out, in all.
    #[serde(default)]
    pub scenario: Option<String>,
    /// Why it is waived.
    pub because: String,
    /// The last day on which the waiver counts: `2027-03-01`.
    pub until: String,
    /// Who says so.
    #[serde(skip)]
    pub origin: Origin,
}

/// Who says that a requirement is waived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// The description of the implementation.
    #[default]
    Description,
    /// The file of the project that the implementation is of.
    Project,
    /// An earlier run found it broken.
    EarlierRun,
}
