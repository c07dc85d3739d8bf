use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::PROTOCOLS;
use crate::exploration::{Draw, Exploration, Participants, RunSettings};
use crate::machine::{Failure, Fork, Machine};
use crate::media::Media;
use crate::monitor::{Finding, Monitor, StreamMonitor, Vantage};
use crate::pair::Pairs;
use crate::requirement::{Requirement, Role};
use crate::sealed::SEALED;
use crate::setting::ProtocolOption;
use crate::specification::Specification;
use crate::stream_decoder::StreamDecoders;
use crate::streams::StreamMachine;
use crate::tolerance::Tolerance;
use crate::twin::{Twin, requirement_of};
use crate::vocabulary::Vocabulary;
use crate::web::https;
use crate::wireshark::Wireshark;

/// What the rest of the program needs to know of a protocol.
#[derive(Clone, Copy)]
pub struct Protocol {
    /// Its id: `mediastream`.
    pub id: &'static str,
    /// What it is, in a sentence.
    pub summary: &'static str,
    /// The modes of its handshake. Where an endpoint can offer several at once they are written in this
    /// order with commas: `3way,start3`.
    pub modes: &'static [&'static str],
    /// The default mode, or modes, of an endpoint.
    pub default_mode: &'static str,
    /// What its specification calls a mode.
    pub mode_name: &'static str,
    /// What a mode decides, and which there are, as the help of its flag says it.
    pub mode_help: &'static str,
    /// The UDP port of its servers, where no other is given.
    pub port: u16,
    /// What its specification calls the side that speaks first, and the other one.
    pub sides: [&'static str; 2],
    /// Options of implementations, and settings of the reference.
    pub settings: &'static [ProtocolOption],
    /// What an implementation counts that shows requirements from inside: the specification's name, and
    /// where the reference has it, as a JSON pointer: the side that speaks first, and the other.
    pub counters: &'static [(&'static str, [&'static str; 2])],
    /// What a scenario may need to know of an implementation, and its description says: secrets, say.
    pub values: &'static [GivenValue],
    /// Its frames by name.
    pub vocabulary: &'static dyn Vocabulary,
    /// Whether a side ever sends a frame in a mode, with whatever is switched on. A scenario that waits for
    /// another one could not pass.
    pub sends: fn(role: Role, mode: &str, frame: &str) -> bool,
    pub wireshark: Wireshark,
    /// Its requirements, in the specification's order.
    pub requirements: fn() -> &'static [Requirement],
    /// The page on which they stand, if it is built in.
    pub specification: Option<Specification>,
    /// Id of the requirement that an endpoint outlives whatever it is sent.
    pub survival: &'static str,
    /// Ids of the requirements by which a capture shows that something left too early or too late:
    /// a machine that was too busy may have done it.
    pub timed: &'static [&'static str],
    /// Ids of the requirements whose breach a capture shows whatever else it lacks: by one datagram,
    /// or by something that no missing packet could allow.
    pub proven_by_what_is_there: &'static [&'static str],
    /// Whether its frames are the same in every mode, so that a scenario may be for any.
    pub has_any_mode: bool,
    /// Whether a responder that has several modes at once does in each what it does in it alone:
    /// services on one port.
    pub modes_add_up: bool,
    /// Whether a server of it serves one peer at a time and turns others away.
    pub serves_one: bool,
    /// Whether its peers meet at a server: scenarios against one that lives on are played one after
    /// the other, or each would see what the others do.
    pub peers_meet: bool,
    /// How it carries media, if it does.
    pub media: Option<Media>,
    /// What it asks of QUIC, if streams carry its frames; datagrams of UDP carry the others.
    pub transport: Option<Transport>,
    /// The frames on its streams, if streams carry them.
    pub stream_decoders: Option<StreamDecoders>,
    /// The frame by which an initiator of a mode begins: name and fields. The program asks with it
    /// whether an implementation answers at all; where there is none, a QUIC handshake asks. `id` is
    /// a fresh UUID; `None` if there is no such mode.
    pub hello: Option<fn(mode: &str, id: &str) -> Option<Hello>>,
    /// What happens between two implementations, if the specification says something of pairs.
    pub pairs: Option<Pairs>,
    pub monitor: fn(&MonitorSettings) -> ProtocolMonitor,
    /// A new reference machine.
    ///
    /// # Errors
    /// A human-readable error if the settings do not go together.
    pub reference: fn(&ReferenceSettings) -> Result<Reference, String>,
    /// What a reference initiator reports on success, from its settings and counters.
    pub completed: fn(&ReferenceSettings, &serde_json::Value) -> String,
    /// A page, HTML, that is a client of it in a browser, if there is one. It takes its settings from the JSON
    /// object in its element `given`, and from its address.
    pub page: Option<&'static str>,
    /// Describes what a reference that serves measures to the recorder of metrics, if it measures anything.
    pub measures: Option<fn()>,
    /// What a person may try when a reference that asks has failed.
    pub advice: fn(&ReferenceSettings, &Failure) -> Option<&'static str>,
    /// The twins of the reference (the setting `without`).
    pub twins: &'static [Twin],
    /// A reference machine whose future can branch, for exploration of all runs.
    ///
    /// # Errors
    /// A human-readable error if the settings do not go together, or if the machine that they
    /// describe cannot be forked.
    pub forked: Option<Forked>,
    /// What there is to explore of it, if both its sides are explored at once.
    pub exploration: Option<&'static Exploration>,
    /// The machines of its random runs, if there are any.
    pub random_runs: Option<RandomRuns>,
}

/// Something that an implementation is set up with and a scenario must know: `$secret`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenValue {
    pub name: &'static str,
    /// What it is, in a few words.
    pub summary: &'static str,
    pub form: ValueForm,
    /// The reference's, as JSON. `{address}` in it is where the implementation is reached.
    pub reference: &'static str,
    /// What comes instead of what was wanted where the implementation has another value: each as its
    /// description in a failure has it.
    pub refused_by: &'static [&'static str],
}

impl GivenValue {
    /// Stands in a text for the address at which the implementation is reached.
    pub const ADDRESS: &'static str = "{address}";

    /// Whether it is that address where a description does not give it.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.form == ValueForm::Address
    }
}

/// What a value of a description must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    Text,
    Uuid,
    /// Begins with `/`.
    Path,
    /// A URL of `https`.
    Url,
    /// An IP address and a port.
    Address,
}

impl ValueForm {
    /// What a text is that does not have this form.
    #[must_use]
    pub fn problem(self, text: &str) -> Option<&'static str> {
        // Any address will do here.
        let text = text.replace(GivenValue::ADDRESS, "127.0.0.1:1");
        let (is_so, problem) = match self {
            Self::Text => (!text.is_empty(), "no text, or an empty one"),
            Self::Uuid => (
                Uuid::try_parse(&text).is_ok(),
                "no UUID, as 6d656574-0000-4000-8000-000000000001 is",
            ),
            Self::Path => (text.starts_with('/'), "no path: one begins with `/`"),
            Self::Url => (https(&text).is_ok(), "no URL of https"),
            Self::Address => (
                text.parse::<SocketAddr>().is_ok(),
                "no IP address with a port, as 192.0.2.7:4433 is",
            ),
        };
        (!is_so).then_some(problem)
    }
}

/// Makes a reference machine whose future can branch.
pub type Forked = fn(&ReferenceSettings) -> Result<Box<dyn Fork>, String>;

/// Makes the machines of one random run: everything follows from the seed and from what is drawn.
///
/// # Errors
/// A human-readable error: the machines cannot be what the settings say.
pub type RandomRuns =
    fn(settings: &RunSettings, seed: u64, draw: Draw<'_>) -> Result<Participants, String>;

/// A monitor, by its input.
pub enum ProtocolMonitor {
    /// The datagrams of a capture.
    Packets(Box<dyn Monitor>),
    /// What the QUIC of a capture shows, decrypted.
    Streams(Box<dyn StreamMonitor>),
}

/// A reference machine, by what it speaks.
pub enum Reference {
    Datagrams(Box<dyn Machine>),
    /// Streams of QUIC connections, and what it asks of them.
    Streams(Box<dyn StreamMachine>, Transport),
}

/// What a protocol asks of QUIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transport {
    /// The protocol's name in the TLS handshake.
    pub alpn: &'static str,
    /// How often an idle connection is kept alive, if it is.
    pub keep_alive: Option<Duration>,
    /// After this long without a packet the other side is gone; it is announced.
    pub idle_timeout: Duration,
    /// A timeout that only received datagrams restart, besides the idle timeout.
    pub receive_timeout: Option<ReceiveTimeout>,
    /// Bidirectional streams that the other side may have open at a time.
    pub bidirectional: u32,
    /// Unidirectional streams that the other side may have open at a time.
    pub unidirectional: u32,
    /// Further names under which a server takes it.
    pub aliases: &'static [&'static str],
    /// Whether the other side may send datagrams.
    pub datagrams: bool,
    /// Bytes that the other side may send on a stream, and on all of a connection, before they are read
    /// (receive windows); the transport's own measures if `None`.
    pub windows: Option<[u32; 2]>,
    /// Whether HTTP/3 stands between, and sessions of WebTransport carry the protocol's streams.
    pub web: bool,
}

/// A timeout that only received datagrams restart. The idle timeout is restarted by sent packets as well, and
/// the shorter one of both sides applies (RFC 9000, section 10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveTimeout {
    /// After this long without a datagram the connection is closed.
    pub time: Duration,
    /// The same until its handshake is done.
    pub handshake: Duration,
    /// The application's code with which it is closed.
    pub code: u64,
}

/// A frame by its name, and its fields.
pub type Hello = (&'static str, serde_json::Map<String, serde_json::Value>);

impl Protocol {
    /// The roles of its two sides; the one that speaks first comes first.
    pub const ROLES: [Role; 2] = [Role::Initiator, Role::Responder];

    /// What its specification calls this side.
    #[must_use]
    pub const fn side(&self, role: Role) -> &'static str {
        let [first, other] = self.sides;
        match role {
            Role::Initiator => first,
            Role::Responder => other,
        }
    }

    /// Whether this breach holds, where a capture `is_whole` or else lacks packets.
    #[must_use]
    pub fn is_proven(&self, finding: &Finding, is_whole: bool) -> bool {
        let needs_no_other = self.proven_by_what_is_there.contains(&finding.requirement);
        is_whole || (finding.packet.is_some() && needs_no_other)
    }

    /// The names of its datagrams for a network that carries them: those of its frames, or numbers
    /// alone where they are encrypted.
    #[must_use]
    pub const fn on_the_wire(&self) -> &'static dyn Vocabulary {
        match self.transport {
            None => self.vocabulary,
            Some(_) => &SEALED,
        }
    }

    #[must_use]
    pub fn requirement(&self, id: &str) -> Option<&'static Requirement> {
        (self.requirements)()
            .iter()
            .find(|requirement| requirement.id == id)
    }

    /// What an implementation may be able to switch on.
    pub fn options(&self) -> impl Iterator<Item = &'static ProtocolOption> + Clone + use<> {
        self.settings
            .iter()
            .filter(|option| option.summary.is_some())
    }

    /// An option as written, and its number if it takes one.
    ///
    /// # Errors
    /// A human-readable error: no option has this name, or the number is missing or too much.
    pub fn option<'a>(
        &self,
        written: &'a str,
    ) -> Result<(&'static ProtocolOption, Option<&'a str>), String> {
        let (name, number) = match written.split_once('=') {
            Some((name, number)) => (name, Some(number)),
            None => (written, None),
        };
        let known = self.options().find(|option| option.name == name);
        let option = known.ok_or_else(|| format!("{} has no option `{name}`", self.id))?;
        let is_number = |digits: &str| digits.parse::<u32>().is_ok_and(|number| number > 0);
        match number {
            None if option.takes_number() => Err(format!(
                "`{name}` needs a number: write for example `{name}=2`"
            )),
            Some(_) if !option.takes_number() => Err(format!("`{name}` takes no number")),
            Some(digits) if !is_number(digits) => Err(format!(
                "`{digits}` is no number of {name}; write for example `{name}=2`"
            )),
            number => Ok((option, number)),
        }
    }

    /// The faulty twin of the reference with this name; `None` if no requirement has the id that the
    /// name begins with.
    ///
    /// # Errors
    /// The requirement has no such twin; says which there are.
    pub fn twin(&self, name: &str) -> Result<Option<&'static Twin>, String> {
        match self.requirement(requirement_of(name)) {
            None => Ok(None),
            Some(_) => Twin::place(self.twins, name).map(|place| self.twins.get(place)),
        }
    }

    /// What a scenario writes that suits every mode, where a protocol has one that needs no other
    /// words for another mode.
    pub const ANY_MODE: &str = "any";

    /// A reference machine whose future can branch.
    ///
    /// # Errors
    /// A human-readable error, as of [`Self::forked`], or if there is none.
    pub fn fork(&self, settings: &ReferenceSettings) -> Result<Box<dyn Fork>, String> {
        let forked = self.forked;
        let forked = forked.ok_or_else(|| format!("{} has no machine that can be forked", self.id));
        forked?(settings)
    }

    /// The mode in which a scenario for this one runs: the first for [`Self::ANY_MODE`].
    #[must_use]
    pub fn mode_of<'m>(&self, mode: &'m str) -> &'m str {
        match self.modes.first() {
            Some(first) if mode == Self::ANY_MODE => first,
            Some(_) | None => mode,
        }
    }

    /// Whether this is a mode, or several of them in their order with commas between.
    #[must_use]
    pub fn has_mode(&self, mode: &str) -> bool {
        let places = mode
            .split(',')
            .map(|one| self.modes.iter().position(|known| *known == one));
        let places: Option<Vec<_>> = places.collect();
        places.is_some_and(|places| places.is_sorted_by(|a, b| a < b))
    }
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protocol")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[must_use]
pub fn protocol(id: &str) -> Option<&'static Protocol> {
    PROTOCOLS.into_iter().find(|protocol| protocol.id == id)
}

/// What is streamed. A frame has `bits_per_second / 8 / frames_per_second` bytes, headers of its
/// datagrams included; a stream has `frames_per_second * seconds` frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamParameters {
    /// Bits a second.
    pub bits_per_second: u64,
    /// Frames a second.
    pub frames_per_second: u32,
    /// Length of the stream in seconds.
    pub seconds: u32,
}

impl StreamParameters {
    /// Bytes of a frame, headers included.
    #[must_use]
    pub const fn frame_bytes(&self) -> u64 {
        match self.frames_per_second {
            0 => 0,
            rate => self.bits_per_second / 8 / rate as u64,
        }
    }

    /// Frames of the whole stream.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames_per_second as u64 * self.seconds as u64
    }

    /// Time from one frame to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.frames_per_second.max(1)
    }
}

/// What a monitor may assume. Of a foreign capture, taken anywhere, nothing but the default tolerance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MonitorSettings {
    /// Where the capture was taken.
    pub vantage: Vantage,
    /// By how much times may be off, besides 50 ms.
    pub tolerance: Tolerance,
    /// What the stream was meant to be, if that is known.
    pub stream: Option<StreamParameters>,
    /// Largest datagram that the implementation may send, in bytes, if that is known.
    pub max_datagram: Option<usize>,
    /// Options that are known to be on (`Some`), or that must be inferred (`None`).
    pub options: Option<Vec<String>>,
    /// The configured mode of the implementation, if known.
    pub mode: Option<String>,
    /// Whether the capture is known to begin before the implementation does and to end while it
    /// still lives, with its default timers, as in a run: then what is missing was not sent.
    pub supervised: bool,
    /// How long the initiator waits for media before it gives up, if known.
    pub buffer_period: Option<Duration>,
    /// Until when it is known that nothing else came, if that is after the last packet: in the time of
    /// the capture.
    pub watched_until: Option<Duration>,
    /// When the implementation was stopped to be started again, in the time of the capture: what it owed
    /// then is judged, and what is another process's is not its.
    pub stopped: Vec<Duration>,
}

/// Settings of a reference machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceSettings {
    /// The role that it plays.
    pub role: Role,
    pub mode: String,
    /// Options that are on, by the names of [`Protocol::options`].
    pub options: Vec<String>,
    /// What is streamed, or expected.
    pub stream: StreamParameters,
    /// The responder's address; an initiator needs it.
    pub peer: Option<SocketAddr>,
    pub seed: u64,
    /// The time since 1970 at which the machine's time is 0.
    pub epoch: Duration,
    /// Further settings by name, as flags of `serve` and `connect` give them.
    pub extra: Vec<(String, String)>,
}

impl ReferenceSettings {
    /// The value of a further setting, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.extra.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::proton;

    #[test]
    fn an_id_names_one_requirement_of_all_protocols() {
        let mut ids = BTreeSet::new();
        for protocol in PROTOCOLS {
            for requirement in (protocol.requirements)() {
                assert!(
                    ids.insert(&requirement.id),
                    "{} stands twice",
                    requirement.id
                );
                assert_eq!(protocol.requirement(&requirement.id), Some(requirement));
            }
        }
    }

    #[test]
    fn the_rules_of_proton_bind_the_sides_that_they_name() {
        let rules = (proton::PROTOCOL.requirements)();
        assert_eq!(rules.len(), 33);
        for rule in rules {
            let sides = rule.roles.iter().map(|role| proton::PROTOCOL.side(*role));
            let sides: Vec<_> = sides.collect();
            match rule.binds.as_str() {
                "both" => assert_eq!(sides, ["client", "server"], "{}", rule.id),
                one => assert_eq!(sides, [one], "{}", rule.id),
            }
        }
    }
}
