use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use shakedown_protocol::Protocol;

use crate::document::Problems;
use crate::scenario::{Loaded, Scenario, to_text};
use crate::script::fingerprint;
use crate::shrink::tree::{STEPS, each_object, tidy};

/// File name of a conversation that was not written yet.
const FILE: &str = "fuzzed.json";

/// How long a connection stays open after the last step, so that its bytes are read.
const LINGER: &str = "200ms";

/// Spans that a description may leave at minutes, and what a finding waits instead.
const LONG: [&str; 3] = ["$answer", "$item", "$request"];
const ANSWER: &str = "2s";

/// Members of a scenario about its verdict or the network.
const JUDGEMENT_MEMBERS: [&str; 6] = [
    "$schema",
    "comment",
    "exclusive",
    "impair",
    "inside",
    "tolerant",
];

/// Members of a step about its verdict.
const EXPECTATION_MEMBERS: [&str; 2] = ["requirement", "same_as"];

/// A tolerant scenario, the input of fuzzing: the implementation only has to survive it.
#[derive(Debug, Clone)]
pub struct Conversation {
    pub(super) value: Value,
    pub loaded: Loaded,
}

impl Conversation {
    /// The steps of a scenario without their expectations.
    ///
    /// # Errors
    /// The result is not a valid scenario.
    pub fn from_scenario(loaded: &Loaded, protocol: &Protocol) -> Result<Self, Problems> {
        let mut value = loaded.value();
        let scenario = &loaded.scenario;
        let id = scenario.id.as_str();
        let folder = id.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(members) = value.as_object_mut() {
            for member in JUDGEMENT_MEMBERS {
                members.shift_remove(member);
            }
            let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
            set(
                "id",
                format!("{folder}/{}", FILE.trim_end_matches(".json")).into(),
            );
            set(
                "title",
                format!("It survives every input (from {id})").into(),
            );
            let place = members.len().saturating_sub(1);
            members.shift_insert(place, "tolerant".to_owned(), true.into());
        }
        each_object(value.pointer_mut(STEPS), &mut |members: &mut Map<
            String,
            Value,
        >| {
            for member in EXPECTATION_MEMBERS {
                members.shift_remove(member);
            }
        });
        tidy(&mut value);
        // Survival is not required of every role in every mode, and a scenario names a requirement.
        value["requirements"] = json!([protocol.survival]);
        Self::of(value.clone()).or_else(|_| {
            value["requirements"] = json!(scenario.requirements.first().as_slice());
            Self::of(value)
        })
    }

    /// Parses the [text](Self::text) of a conversation.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        Self::read(FILE, text)
    }

    /// Parses a conversation; `file` is for messages.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn read(file: &str, text: &str) -> Result<Self, Problems> {
        let loaded = Loaded::parse(file, text)?;
        let value = loaded.value();
        Ok(Self { value, loaded })
    }

    pub(super) fn of(mut value: Value) -> Result<Self, Problems> {
        let id = value.get("id").and_then(Value::as_str);
        let name = id.and_then(|id| id.split('/').next());
        let is_over_streams = name
            .and_then(shakedown_protocol::protocol)
            .is_some_and(|protocol| protocol.transport.is_some());
        if is_over_streams && let Some(steps) = value.get_mut("steps").and_then(Value::as_array_mut)
        {
            // Closing a connection discards data that was not read yet (RFC 9000, section 10.2).
            let is_wait = |step: &Value| step.get("wait").is_some();
            // No step may follow the exit of a client.
            let ends = |step: &Value| has_verb(step, "expect_exit");
            if !steps.last().is_some_and(is_wait) && !steps.iter().any(ends) {
                steps.push(json!({ "wait": { "for": LINGER } }));
            }
        }
        let loaded = Loaded::parse(FILE, &to_text(&value))?;
        Ok(Self { value, loaded })
    }

    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.loaded.scenario
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.loaded.text
    }

    /// File name in a corpus folder, by content.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:016x}.json", fingerprint(self.text()))
    }

    /// The first two bytes of the last frame that it sends, in hex; empty if they are not known.
    #[must_use]
    pub fn last_frame(&self, protocol: &Protocol) -> String {
        let steps = self.value.get("steps").and_then(Value::as_array);
        let own = |step: &Value| Some(step.as_object()?.iter().next()?.1.clone());
        let mut sent = steps.into_iter().flatten().rev().filter_map(own);
        let bytes = sent.find_map(|own| {
            if own.get("within").is_some() {
                return None;
            }
            match own.get("frame").and_then(Value::as_str) {
                Some(frame) => protocol.vocabulary.encode(frame, &Map::new()).ok(),
                None => shakedown_protocol::hex::parse(own.get("hex")?.as_str()?).ok(),
            }
        });
        hex::encode(bytes.unwrap_or_default().get(..2).unwrap_or_default())
    }

    /// Appends datagrams as steps. Its `let` gets the values that names had when the datagrams were made from them.
    ///
    /// # Errors
    /// The result is not a valid scenario: it is too long.
    pub fn followed_by(
        &self,
        bindings: &IndexMap<String, Value>,
        datagrams: &[Vec<u8>],
    ) -> Result<Self, Problems> {
        let mut value = self.value.clone();
        if let Some(named) = value.get_mut("let").and_then(Value::as_object_mut) {
            for (name, binding) in named {
                if let Some(known) = bindings.get(name) {
                    *binding = json!({ "value": known });
                }
            }
        }
        let more = datagrams.iter();
        let more = more.map(|bytes| json!({ "send_raw": { "hex": hex::encode(bytes) } }));
        if let Some(steps) = value.get_mut("steps").and_then(Value::as_array_mut) {
            steps.extend(more);
        }
        Self::of(value)
    }

    /// The same with another file name and title, for a [run](crate::script): it does not wait long for answers, which
    /// may never come.
    ///
    /// # Errors
    /// The name is not valid for a scenario.
    pub fn renamed(&self, name: &str, title: &str) -> Result<Loaded, Problems> {
        let mut value = self.value.clone();
        let id = self.scenario().id.as_str();
        let folder = id.rsplit_once('/').map_or("", |(folder, _)| folder);
        value["id"] = format!("{folder}/{name}").into();
        value["title"] = title.into();
        each_object(value.pointer_mut(STEPS), &mut |members| {
            let within = members.get("within").and_then(Value::as_str);
            let is_long = |within: &str| LONG.iter().any(|span| within.contains(span));
            if within.is_some_and(is_long) {
                members.shift_remove("after");
                members.insert("within".to_owned(), ANSWER.into());
            }
        });
        Loaded::parse(&format!("{name}.json"), &to_text(&value))
    }
}

/// Whether a step, or one inside of it, has this verb.
fn has_verb(step: &Value, verb: &str) -> bool {
    match step {
        Value::Object(members) => {
            members.contains_key(verb) || members.values().any(|it| has_verb(it, verb))
        }
        Value::Array(items) => items.iter().any(|it| has_verb(it, verb)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
