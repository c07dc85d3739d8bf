use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use shakedown_protocol::vocabulary::Vocabulary;

use crate::scenario::{Expect, Scenario};

use super::bindings::Bindings;
use super::inbox::Arrival;
use super::media::MediaSeen;
use super::program::Op;
use super::window::{Path, Window};
use super::{Environment, Failure, FieldPlace, SocketId, describe, matcher};

/// What steps are judged by: the scenario's names and what earlier steps saw.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) environment: Environment,
    pub(super) path: Path,
    pub(super) bindings: Bindings,
    /// The datagram that each of the scenario's own steps got, sent or lost last.
    pub(super) datagrams: BTreeMap<usize, Vec<u8>>,
    pub(super) media: BTreeMap<SocketId, MediaSeen>,
    ignore: Vec<String>,
    requirement: String,
    sockets: Vec<String>,
}

/// An arrival with its name and fields.
pub(super) struct Decoded {
    /// `None` if it has no form or breaks its rules.
    pub(super) frame: Option<&'static str>,
    pub(super) fields: Map<String, Value>,
}

/// What a datagram is to one expectation.
pub(super) enum Check {
    /// All of it: these values are to be remembered.
    Match(Vec<(String, Value)>),
    /// Another frame.
    OtherFrame,
    /// The frame, and something about it is wrong.
    Wrong(Wrong),
    /// The scenario is wrong.
    Broken(String),
}

/// What is wrong about a frame.
pub(super) struct Wrong {
    pub(super) expected: String,
    pub(super) got: String,
    pub(super) field: Option<FieldPlace>,
    /// The slack of the window, if it is only too early.
    pub(super) slack: Option<Duration>,
}

impl Context {
    pub(super) fn new(scenario: &Scenario, environment: Environment) -> Result<Self, String> {
        let main = std::iter::once("main".to_owned());
        let impair = scenario.impair.as_ref();
        Ok(Self {
            bindings: Bindings::new(scenario, environment.seed)?,
            path: impair.map_or_else(Path::default, |impair| Path::through(impair, &environment)),
            environment,
            datagrams: BTreeMap::new(),
            media: BTreeMap::new(),
            ignore: scenario.ignore.clone(),
            requirement: scenario.requirements.first().cloned().unwrap_or_default(),
            sockets: main.chain(scenario.sockets.keys().cloned()).collect(),
        })
    }

    /// A context without names, for a scenario that cannot be played.
    pub(super) fn empty(environment: Environment) -> Self {
        Self {
            bindings: Bindings::default(),
            environment,
            path: Path::default(),
            datagrams: BTreeMap::new(),
            media: BTreeMap::new(),
            ignore: Vec::new(),
            requirement: String::new(),
            sockets: Vec::new(),
        }
    }

    pub(super) fn vocabulary(&self) -> &'static dyn Vocabulary {
        self.environment.protocol.vocabulary
    }

    /// A datagram in a line.
    pub(super) fn describe(&self, datagram: &[u8]) -> String {
        describe(self.vocabulary(), datagram)
    }

    pub(super) fn decode(&self, datagram: &[u8]) -> Decoded {
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
    pub(super) fn socket(&self, name: Option<&str>) -> Result<SocketId, String> {
        let name = name.unwrap_or("main");
        let index = self.sockets.iter().position(|known| known == name);
        let index = index.ok_or_else(|| format!("the scenario has no socket {name:?}"))?;
        Ok(SocketId(index))
    }

    /// All sockets that have a name.
    pub(super) fn sockets(&self) -> Vec<SocketId> {
        (0..self.sockets.len()).map(SocketId).collect()
    }

    /// Where an arrival came to, for sentences: nothing for `main`.
    pub(super) fn place(&self, socket: SocketId) -> String {
        match self.sockets.get(socket.0) {
            Some(name) if socket != SocketId::MAIN => format!(" at {name:?}"),
            Some(_) | None => String::new(),
        }
    }

    /// The frame's name if the step or the scenario lets it pass.
    pub(super) fn ignores(&self, decoded: &Decoded, step: &[String]) -> Option<&'static str> {
        let frame = decoded.frame?;
        let mut names = step.iter().chain(&self.ignore);
        names.any(|name| name == frame).then_some(frame)
    }

    /// A failure of a step without a packet.
    pub(super) fn failure(
        &self,
        op: &Op,
        requirement: Option<&str>,
        time: Duration,
        expected: String,
        got: String,
    ) -> Box<Failure> {
        let requirement = requirement.unwrap_or(&self.requirement);
        let failure = Failure::new(requirement, &op.path, time, &expected, &got);
        Box::new(failure)
    }

    /// A failure of a step by a packet.
    pub(super) fn failure_by(
        &self,
        op: &Op,
        requirement: Option<&str>,
        arrival: &Arrival,
        expected: String,
        got: String,
    ) -> Box<Failure> {
        let failure = self.failure(op, requirement, arrival.at, expected, got);
        Box::new(Failure {
            packet: arrival.packet,
            payload: Some(arrival.payload.clone()),
            ..*failure
        })
    }

    /// What an arrival is to an expectation.
    pub(super) fn check(
        &self,
        expect: &Expect,
        window: &Window,
        arrival: &Arrival,
        decoded: &Decoded,
    ) -> Check {
        if decoded.frame != Some(expect.frame.as_str()) {
            return Check::OtherFrame;
        }
        match self.fault(expect, window, arrival, decoded) {
            Err(why) => Check::Broken(why),
            Ok(Some(wrong)) => Check::Wrong(wrong),
            Ok(None) => {
                let bound = expect.bind.iter().filter_map(|(name, field)| {
                    Some((name.clone(), decoded.fields.get(field)?.clone()))
                });
                Check::Match(bound.collect())
            }
        }
    }

    /// What is wrong about a frame of the right name, the first thing first.
    fn fault(
        &self,
        expect: &Expect,
        window: &Window,
        arrival: &Arrival,
        decoded: &Decoded,
    ) -> Result<Option<Wrong>, String> {
        for (name, wanted) in &expect.fields {
            let wanted = self.bindings.resolve(wanted)?;
            let got = decoded.fields.get(name);
            let vocabulary = self.vocabulary();
            let canonical =
                |value: &Value| matcher::canonical(vocabulary, &expect.frame, name, value);
            if !matcher::matches(&wanted, got, &canonical) {
                return Ok(Some(self.wrong_field(expect, name, &wanted, got, arrival)));
            }
        }
        for field in expect.bind.values() {
            if !decoded.fields.contains_key(field) {
                let present = Value::from_iter([("present", true)]);
                return Ok(Some(
                    self.wrong_field(expect, field, &present, None, arrival),
                ));
            }
        }
        if let Some(step) = expect.same_as {
            let first = self.datagrams.get(&step);
            let first =
                first.ok_or_else(|| format!("step {step} has no datagram to compare with"))?;
            if *first != arrival.payload {
                return Ok(Some(other_bytes(expect, step, first, &arrival.payload)));
            }
        }
        // Without `after`, a frame that came before the step began is as good as any.
        if window.lower > window.start && arrival.at < window.lower {
            return Ok(Some(self.too_early(expect, window, arrival)));
        }
        Ok(None)
    }

    fn wrong_field(
        &self,
        expect: &Expect,
        name: &str,
        wanted: &Value,
        got: Option<&Value>,
        arrival: &Arrival,
    ) -> Wrong {
        let place = self
            .vocabulary()
            .locate(&expect.frame, name, &arrival.payload);
        let got = got.map_or_else(|| "none".to_owned(), describe::value);
        Wrong {
            expected: format!("{} with {name} {}", expect.frame, matcher::phrase(wanted)),
            got: format!("{} with {name} {got}", expect.frame),
            field: place.map(|(offset, length)| FieldPlace {
                name: name.to_owned(),
                offset,
                length,
            }),
            slack: None,
        }
    }

    fn too_early(&self, expect: &Expect, window: &Window, arrival: &Arrival) -> Wrong {
        let elapsed = arrival.at.saturating_sub(window.start);
        Wrong {
            expected: format!(
                "{} not before {} (tolerance taken off) after the step before",
                expect.frame,
                describe::human_time(window.lower.saturating_sub(window.start)),
            ),
            got: format!("{} after {}", expect.frame, describe::human_time(elapsed)),
            field: None,
            slack: Some(window.early_slack(&self.environment)),
        }
    }
}

fn other_bytes(expect: &Expect, step: usize, first: &[u8], got: &[u8]) -> Wrong {
    let frame = &expect.frame;
    let offset = first.iter().zip(got).position(|(first, got)| first != got);
    let offset = offset.unwrap_or(first.len().min(got.len()));
    let byte = |bytes: &[u8]| match bytes.get(offset) {
        Some(byte) => format!("{byte:#04x} at offset {offset}"),
        None => format!("{} bytes", bytes.len()),
    };
    Wrong {
        expected: format!(
            "{frame} with the same bytes as in step {step}: {}",
            byte(first)
        ),
        got: format!("{frame} with {}", byte(got)),
        field: (offset < got.len()).then(|| FieldPlace {
            name: "first difference".to_owned(),
            offset,
            length: 1,
        }),
        slack: None,
    }
}
