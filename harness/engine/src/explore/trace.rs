use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shakedown_protocol::exploration::Breach;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{PROTOCOLS, Protocol, StreamParameters, protocol};

use crate::document::{self, Defaults, Document, Pointer, Problem, Problems, did_you_mean};

/// The version of the form of traces that this program writes and reads.
pub const TRACE_VERSION: u32 = 1;

/// One run of an initiator and a responder with a network between them, in the order in which it
/// happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Where editors find the schema of this file.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of this form: 1.
    pub version: u32,
    /// The protocol's id.
    pub protocol: String,
    /// The initiator's settings.
    pub initiator: Side,
    /// The responder's settings.
    pub responder: Side,
    /// The stream of both.
    #[schemars(schema_with = "crate::schema::stream")]
    pub stream: StreamParameters,
    /// Random seed.
    pub seed: u64,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<Violation>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// The settings of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The mode of its handshake.
    pub mode: String,
    /// Options that are switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Requirements whose behaviour is switched off: it is a faulty twin of the reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_first(address: &u8) -> bool {
    *address == 0
}

/// A property that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// The requirement's id.
    pub requirement: String,
    /// The side that violated it; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub party: Option<Role>,
    /// When it showed, in nanoseconds since the begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// What should hold, and what was seen instead, in a sentence.
    pub property: String,
}

impl From<Breach> for Violation {
    fn from(breach: Breach) -> Self {
        Self {
            requirement: breach.requirement.to_owned(),
            party: breach.party,
            at: breach.at.and_then(|at| u64::try_from(at.as_nanos()).ok()),
            property: breach.property,
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, in nanoseconds since the begin. It never falls.
    pub at: u64,
    /// What.
    pub what: EventKind,
}

/// What can happen. Datagrams are numbered from 1 as they are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EventKind {
    /// A side sends a datagram.
    Sent {
        /// Its number.
        datagram: u64,
        /// Who sends it.
        #[schemars(with = "String")]
        from: Role,
        /// Which of the initiator's addresses it comes from or goes to: 0 for the first, 1 for the
        /// one after a move.
        #[serde(default, skip_serializing_if = "is_first")]
        address: u8,
        /// The frame in words: its name, and the number of media.
        frame: String,
        /// Its bytes in hexadecimal.
        payload: String,
    },
    /// A datagram reaches the other side.
    Delivered {
        /// Its number.
        datagram: u64,
        /// Who sent it.
        #[schemars(with = "String")]
        from: Role,
        /// The frame in words, as it arrives.
        frame: String,
        /// Its bytes in hexadecimal, as they arrive.
        payload: String,
    },
    /// The network loses a datagram.
    Lost {
        /// Its number.
        datagram: u64,
    },
    /// The network makes two of a datagram.
    Duplicated {
        /// Its number.
        datagram: u64,
    },
    /// A later datagram of the same direction arrives before this one.
    Overtaken {
        /// Its number.
        datagram: u64,
    },
    /// A timer of a side is due.
    Timer {
        /// Whose.
        #[schemars(with = "String")]
        side: Role,
    },
    /// A side's session goes from one state to another, in the specification's words.
    State {
        /// Whose.
        #[schemars(with = "String")]
        side: Role,
        /// The state before.
        from: String,
        /// The state after.
        to: String,
    },
    /// A side's session is over.
    Ended {
        /// Whose.
        #[schemars(with = "String")]
        side: Role,
        /// Why it failed; not given if its stream ran to the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
    /// From now on the other side sees this one at another address.
    Moved {
        /// Whose address changes.
        #[schemars(with = "String")]
        side: Role,
    },
    /// From now on the network does nothing but carry.
    Healed {},
}

impl Trace {
    /// A trace of nothing yet.
    #[must_use]
    pub fn new(
        protocol: &str,
        initiator: Side,
        responder: Side,
        stream: StreamParameters,
        seed: u64,
    ) -> Self {
        Self {
            schema: None,
            version: TRACE_VERSION,
            protocol: protocol.to_owned(),
            initiator,
            responder,
            stream,
            seed,
            violation: None,
            events: Vec::new(),
        }
    }

    /// Reads and checks a trace file.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let text = document::read(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Checks the text of a trace file; the path is shown in errors.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let document = Document::json(file, text)?;
        let side = json!({ "mode": "" });
        let decoded = document::decode::<Self>(
            &document,
            &Defaults {
                root: &[
                    ("version", json!(TRACE_VERSION)),
                    ("protocol", json!("")),
                    ("initiator", side.clone()),
                    ("responder", side),
                    (
                        "stream",
                        json!({ "bits_per_second": 0, "frames_per_second": 0, "seconds": 0 }),
                    ),
                    ("seed", json!(0)),
                    ("events", json!([])),
                ],
                inside: &[],
            },
        );
        let mut problems = decoded.problems;
        match decoded.value {
            Some(trace) if problems.is_empty() => {
                problems = trace.problems(&document);
                if problems.is_empty() {
                    return Ok(trace);
                }
            }
            Some(_) | None => {}
        }
        Err(document.problems(problems))
    }

    /// The trace as a file holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        match serde_json::to_value(self) {
            Ok(value) => format!("{value:#}\n"),
            Err(error) => format!("{error}\n"),
        }
    }

    /// The settings of this side.
    #[must_use]
    pub const fn side(&self, role: Role) -> &Side {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }

    /// Notes what the network did, as it follows from what was sent and delivered: a datagram that
    /// never came was lost, one that came twice was duplicated, one that came after a later one of
    /// its direction was overtaken.
    pub fn settle(&mut self) {
        let mut arrivals: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut newest = [0; 2];
        let mut overtaken = Vec::new();
        for (place, event) in self.events.iter().enumerate() {
            if let EventKind::Delivered { datagram, from, .. } = &event.what {
                let places = arrivals.entry(*datagram).or_default();
                places.push(place);
                let newest = &mut newest[*from as usize];
                if places.len() == 1 && *datagram < *newest {
                    overtaken.push(*datagram);
                }
                *newest = (*newest).max(*datagram);
            }
        }
        let events = std::mem::take(&mut self.events);
        for event in events {
            let at = event.at;
            let sent = match &event.what {
                EventKind::Sent { datagram, .. } => Some(*datagram),
                EventKind::Lost { .. }
                | EventKind::Duplicated { .. }
                | EventKind::Overtaken { .. } => continue,
                EventKind::Delivered { .. }
                | EventKind::Timer { .. }
                | EventKind::State { .. }
                | EventKind::Ended { .. }
                | EventKind::Moved { .. }
                | EventKind::Healed {} => None,
            };
            self.events.push(event);
            let Some(datagram) = sent else { continue };
            let times = arrivals.get(&datagram).map_or(0, Vec::len);
            let mut note = |what| self.events.push(Event { at, what });
            match times {
                0 => note(EventKind::Lost { datagram }),
                1 => {}
                _ => note(EventKind::Duplicated { datagram }),
            }
            if overtaken.contains(&datagram) {
                note(EventKind::Overtaken { datagram });
            }
        }
    }

    /// What is wrong with a trace that has the right form.
    fn problems(&self, document: &Document) -> Vec<Problem> {
        let root = Pointer::root();
        let mut problems = Vec::new();
        let mut add = |place: Pointer, message: String, help: Option<String>| {
            let problem = Problem::new(document.root.place(&place), message);
            problems.push(problem.help(help));
        };
        if self.version != TRACE_VERSION {
            let message = format!("traces of version {} are not known", self.version);
            let help = format!("this program reads version {TRACE_VERSION}");
            add(root.key("version"), message, Some(help));
        }
        let Some(protocol) = protocol(&self.protocol) else {
            let message = format!("no protocol is called `{}`", self.protocol);
            let help = did_you_mean(&self.protocol, PROTOCOLS.iter().map(|known| known.id));
            add(root.key("protocol"), message, help);
            return problems;
        };
        for (key, side) in [
            ("initiator", &self.initiator),
            ("responder", &self.responder),
        ] {
            if !protocol.has_mode(&side.mode) {
                let message = format!("{} has no mode `{}`", protocol.id, side.mode);
                let help = document::mode_meant(&side.mode, protocol.modes);
                add(root.key(key).key("mode"), message, help);
            }
        }
        let violated = self.violation.as_ref().map(|it| &it.requirement);
        if let Some(id) = violated.filter(|id| protocol.requirement(id).is_none()) {
            let message = format!("{} has no requirement `{id}`", protocol.id);
            add(root.key("violation").key("requirement"), message, None);
        }
        let mut before = 0;
        for (index, event) in self.events.iter().enumerate() {
            let pointer = root.key("events").index(index);
            if event.at < before {
                let message = "this happens before what stands before it".to_owned();
                add(pointer.key("at"), message, None);
            }
            before = event.at;
            if let EventKind::Sent { payload, .. } | EventKind::Delivered { payload, .. } =
                &event.what
                && let Err(why) = shakedown_protocol::hex::parse(payload)
            {
                let verb = match event.what {
                    EventKind::Sent { .. } => "sent",
                    _ => "delivered",
                };
                let place = pointer.key("what").key(verb).key("payload");
                add(place, format!("the payload {why}"), None);
            }
        }
        problems
    }
}

/// A datagram's frame in words: its name, and the number of media. `malformed` if it breaks the rules
/// of its form, `unknown` if it has none.
#[must_use]
pub fn frame_text(protocol: &Protocol, payload: &[u8]) -> String {
    match protocol.vocabulary.decode(payload) {
        Ok(Some(described)) => {
            let number = protocol.media.map(|media| media.number);
            let number = number.and_then(|number| described.fields.get(number));
            match number.and_then(serde_json::Value::as_u64) {
                Some(number) if number > 0 => format!("{} {number}", described.frame),
                Some(_) | None => described.frame.to_owned(),
            }
        }
        Ok(None) => "unknown".to_owned(),
        Err(_) => "malformed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
