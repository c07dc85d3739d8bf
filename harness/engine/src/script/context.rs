use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use shakedown_protocol::GivenValue;
use shakedown_protocol::media::{Media, Piece};
use shakedown_protocol::vocabulary::Vocabulary;

use crate::scenario::Scenario;

use super::bindings::Bindings;
use super::inbox::Arrival;
use super::media::MediaSeen;
use super::path::Path;
use super::{Environment, FieldPlace, SocketId, describe};

/// What steps are judged by: the scenario's names and what earlier steps saw.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) path: Path,
    pub(crate) bindings: Bindings,
    /// The datagram that each of the scenario's own steps got, sent or lost last.
    pub(crate) datagrams: BTreeMap<usize, Vec<u8>>,
    pub(crate) media: BTreeMap<SocketId, MediaSeen>,
    /// When the last datagram left.
    pub(crate) sent: Option<Duration>,
    /// When the step before was due to be complete: that it was late, by us or by the implementation, makes
    /// nothing that comes after it early.
    pub(crate) due: Duration,
    ignore: Vec<String>,
    /// The requirement by which a step is judged that names none.
    pub(crate) requirement: String,
    sockets: Vec<String>,
    /// The values of the description that the scenario uses.
    pub(crate) values: Vec<&'static GivenValue>,
}

/// An arrival with its name and fields.
pub(crate) struct Decoded {
    /// `None` if it has no form or breaks its rules.
    pub(crate) frame: Option<&'static str>,
    pub(crate) fields: Map<String, Value>,
}

impl Context {
    pub(crate) fn new(scenario: &Scenario, environment: Environment) -> Result<Self, String> {
        let main = std::iter::once("main".to_owned());
        let impair = scenario.impair.as_ref();
        Ok(Self {
            bindings: Bindings::new(scenario, &environment)?,
            path: impair.map_or_else(Path::default, |impair| Path::through(impair, &environment)),
            values: scenario.values_used(environment.protocol).collect(),
            environment,
            datagrams: BTreeMap::new(),
            media: BTreeMap::new(),
            sent: None,
            due: Duration::ZERO,
            ignore: scenario.ignore.clone(),
            requirement: scenario.requirements.first().cloned().unwrap_or_default(),
            sockets: main.chain(scenario.sockets.keys().cloned()).collect(),
        })
    }

    /// A context without names, for a scenario that cannot be played.
    pub(crate) fn empty(environment: Environment) -> Self {
        Self {
            bindings: Bindings::default(),
            environment,
            path: Path::default(),
            datagrams: BTreeMap::new(),
            media: BTreeMap::new(),
            sent: None,
            due: Duration::ZERO,
            ignore: Vec::new(),
            requirement: String::new(),
            sockets: Vec::new(),
            values: Vec::new(),
        }
    }

    /// A step begins now, by the driver's clock.
    pub(crate) fn begin_step(&mut self, now: Duration) {
        let at = self.environment.epoch.saturating_add(now);
        self.bindings.set_time(at);
    }

    pub(crate) fn vocabulary(&self) -> &'static dyn Vocabulary {
        self.environment.protocol.vocabulary
    }

    /// How the protocol carries media.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn media(&self) -> Result<&'static Media, String> {
        let protocol = self.environment.protocol;
        let media = protocol.media.as_ref();
        media.ok_or_else(|| format!("{} carries no media", protocol.id))
    }

    /// What an arrival is of a frame of media; `None` if it is none.
    pub(crate) fn piece(&self, arrival: &Arrival, decoded: &Decoded) -> Option<Piece> {
        let media = self.environment.protocol.media.as_ref()?;
        let frame_bytes = self.environment.stream.frame_bytes();
        (media.piece)(
            decoded.frame?,
            &decoded.fields,
            &arrival.payload,
            frame_bytes,
        )
    }

    /// A datagram in a line.
    pub(crate) fn describe(&self, datagram: &[u8]) -> String {
        describe(self.vocabulary(), datagram)
    }

    pub(crate) fn decode(&self, datagram: &[u8]) -> Decoded {
        match self.vocabulary().decode(datagram) {
            Ok(Some(described)) => Decoded {
                frame: Some(described.frame),
                fields: described.fields,
            },
            Ok(None) | Err(_) => Decoded {
                frame: None,
                fields: Map::new(),
            },
        }
    }

    /// The socket of this name, `main` if none is given.
    ///
    /// # Errors
    /// The scenario has no such socket.
    pub(crate) fn socket(&self, name: Option<&str>) -> Result<SocketId, String> {
        let name = name.unwrap_or("main");
        let index = self.sockets.iter().position(|known| known == name);
        let index = index.ok_or_else(|| format!("the scenario has no socket {name:?}"))?;
        Ok(SocketId(index))
    }

    /// All sockets that have a name.
    pub(crate) fn sockets(&self) -> Vec<SocketId> {
        (0..self.sockets.len()).map(SocketId).collect()
    }

    /// Where an arrival came to, for sentences: nothing for `main`.
    pub(crate) fn place(&self, socket: SocketId) -> String {
        match self.sockets.get(socket.0) {
            Some(name) if socket != SocketId::MAIN => format!(" at {name:?}"),
            Some(_) | None => String::new(),
        }
    }

    /// The frame's name if the step or the scenario lets it pass.
    pub(crate) fn ignores(&self, decoded: &Decoded, step: &[String]) -> Option<&'static str> {
        let frame = decoded.frame?;
        self.lets_pass(frame, step).then_some(frame)
    }

    /// Whether the step or the scenario lets a frame of this name pass.
    pub(crate) fn lets_pass(&self, frame: &str, step: &[String]) -> bool {
        step.iter().chain(&self.ignore).any(|name| name == frame)
    }

    /// Whether the scenario lets any frame pass.
    pub(crate) const fn lets_any_pass(&self) -> bool {
        !self.ignore.is_empty()
    }

    pub(crate) fn locate(&self, frame: &str, name: &str, datagram: &[u8]) -> Option<FieldPlace> {
        let (offset, length) = self.vocabulary().locate(frame, name, datagram)?;
        let name = name.to_owned();
        Some(FieldPlace {
            name,
            offset,
            length,
        })
    }
}
