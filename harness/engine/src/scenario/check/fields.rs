use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use shakedown_protocol::Protocol;
use shakedown_protocol::vocabulary::WordError;

use super::{Checker, each_step};
use crate::document::{Pointer, did_you_mean};
use crate::scenario::matcher::Matcher;
use crate::scenario::signed::Wanted;
use crate::scenario::{
    Binding, FILLED, JOIN, JWT, LONGER, NOW, OTHER_CASE, SHORTER, SUM, Scenario, computed,
};

/// The matchers of a frame that has no parts of parts.
const MATCHERS: [&str; 6] = ["not", "any_of", "at_least", "at_most", "empty", "present"];

/// The matchers of a text or a number that is no field of a frame.
const SCALARS: [&str; 8] = [
    "not",
    "any_of",
    "at_least",
    "at_most",
    "empty",
    "present",
    "starts_with",
    "is_jwt",
];

/// What a value may be that is written as an object with one key.
const VALUES: [&str; 9] = [
    "hex", "pattern", SUM, JOIN, JWT, SHORTER, OTHER_CASE, LONGER, FILLED,
];

impl Checker<'_> {
    /// Checks that frames of these names exist.
    pub(crate) fn frame_names(&mut self, names: &[String], place: &Pointer) {
        for (index, name) in names.iter().enumerate() {
            self.frame_name(name, &place.index(index));
        }
    }

    /// Checks that a frame of this name exists, and gives the names of its fields.
    pub(crate) fn frame_name(
        &mut self,
        name: &str,
        place: &Pointer,
    ) -> Option<&'static [&'static str]> {
        match self.protocol?.vocabulary.fields(name) {
            Ok(fields) => Some(fields),
            Err(error) => {
                self.word(&error, place);
                None
            }
        }
    }

    /// Checks the fields of a frame that is sent; returns its bytes if it is valid and they are
    /// known in advance.
    pub(crate) fn sent(
        &mut self,
        frame: &str,
        fields: &Map<String, Value>,
        inside: &Pointer,
    ) -> Option<Vec<u8>> {
        let known = self.frame_name(frame, &inside.key("frame"))?;
        let protocol = self.protocol?;
        let before = self.problems.len();
        let mut whole = Map::new();
        let mut is_certain = true;
        for (name, value) in fields {
            let place = inside.key("fields").key(name);
            if !self.field_name(frame, name, known, &place) {
                continue;
            }
            match self.filled(value) {
                Some(value) => {
                    if !self.is_uncomputed(&value, &place) {
                        self.value(frame, name, &value, &place);
                    }
                    whole.insert(name.clone(), value);
                }
                None => is_certain = false,
            }
        }
        if self.problems.len() > before {
            return None;
        }
        match protocol.vocabulary.encode(frame, &whole) {
            Ok(bytes) => is_certain.then_some(bytes),
            Err(error) => {
                let name = match &error {
                    WordError::BadValue { field, .. } => field.split('.').next(),
                    WordError::UnknownFrame { .. } | WordError::UnknownField { .. } => None,
                };
                let fields = inside.key("fields");
                let place = name.map_or(fields.clone(), |name| fields.key(name));
                self.word(&error, &place);
                None
            }
        }
    }

    /// Checks what the fields of an expected frame must be.
    pub(crate) fn wanted(&mut self, frame: &str, fields: &Map<String, Value>, inside: &Pointer) {
        let Some(known) = self.frame_name(frame, &inside.key("frame")) else {
            return;
        };
        for (name, value) in fields {
            let place = inside.key("fields").key(name);
            if self.field_name(frame, name, known, &place) {
                self.matcher(
                    value,
                    &place,
                    (&MATCHERS, &VALUES),
                    &mut |check, value, place| {
                        check.plain(frame, name, value, place);
                    },
                );
            }
        }
    }

    /// Checks what the fields of an expected frame must be that has parts of parts: each part may be a value,
    /// a matcher, or a list or an object of such.
    pub(crate) fn message_wanted(
        &mut self,
        frame: &str,
        fields: &Map<String, Value>,
        inside: &Pointer,
    ) {
        let Some(known) = self.frame_name(frame, &inside.key("frame")) else {
            return;
        };
        for (name, value) in fields {
            let place = inside.key("fields").key(name);
            if !self.field_name(frame, name, known, &place) {
                continue;
            }
            match value {
                Value::Array(_) | Value::Object(_) => self.parts_wanted(value, &place),
                value => self.plain(frame, name, value, &place),
            }
        }
    }

    /// Checks what a text or a number must be that is no field of a frame.
    pub(crate) fn scalar_wanted(&mut self, wanted: &Value, place: &Pointer) {
        self.matcher(
            wanted,
            place,
            (&SCALARS, &VALUES),
            &mut |check, value, place| {
                if let Some(value) = check.filled(value) {
                    check.is_uncomputed(&value, place);
                }
            },
        );
    }

    /// Checks the matchers in what is wanted of something that has parts of parts.
    pub(crate) fn parts_wanted(&mut self, wanted: &Value, place: &Pointer) {
        if let Some((key, matcher)) = Matcher::read(wanted) {
            let problem = match matcher {
                Ok(Matcher::IsJwt(token)) => Wanted::read(token).err(),
                Ok(_) => None,
                Err(takes) => Some(format!("`{key}` takes {takes}")),
            };
            if let Some(problem) = problem {
                return self.at(&place.key(key), problem, None);
            }
        }
        match wanted {
            Value::Object(members) => {
                for (name, value) in members {
                    self.parts_wanted(value, &place.key(name));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.parts_wanted(item, &place.index(index));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Checks that a frame has a field of this name, which stands there as a key.
    pub(crate) fn field_name(
        &mut self,
        frame: &str,
        name: &str,
        known: &[&'static str],
        place: &Pointer,
    ) -> bool {
        let exists = known.contains(&name);
        if !exists {
            let message = format!("{frame} has no field `{name}`");
            let help = did_you_mean(name, known.iter().copied());
            self.at_key(place, message, help);
        }
        exists
    }

    /// Checks a value, or a matcher and the values in it, each of them by `plain`; `known` are the keys of
    /// matchers, and of values, that there may be.
    pub(super) fn matcher(
        &mut self,
        wanted: &Value,
        place: &Pointer,
        known: (&[&'static str], &[&'static str]),
        plain: &mut dyn FnMut(&mut Self, &Value, &Pointer),
    ) {
        let (matchers, values) = known;
        let single = wanted.as_object().filter(|object| object.len() == 1);
        let Some(key) = single.and_then(|object| object.keys().next()) else {
            return plain(self, wanted, place);
        };
        if values.contains(&key.as_str()) {
            return plain(self, wanted, place);
        }
        let inside = place.key(key);
        match Matcher::read(wanted) {
            Some((key, _)) if !matchers.contains(&key) => {
                let message = format!("`{key}` cannot be asked of this value");
                let help = format!("what can be asked: `{}`", matchers.join("`, `"));
                self.at_key(&inside, message, Some(help));
            }
            Some((_, Ok(Matcher::Not(value)))) => self.matcher(value, &inside, known, plain),
            Some((_, Ok(Matcher::AnyOf(values)))) => {
                for (index, value) in values.iter().enumerate() {
                    self.matcher(value, &inside.index(index), known, plain);
                }
            }
            Some((_, Ok(Matcher::AtLeast(bound) | Matcher::AtMost(bound)))) => {
                plain(self, bound, &inside);
            }
            Some((_, Ok(Matcher::IsJwt(token)))) => {
                if let Err(problem) = Wanted::read(token) {
                    self.at(&inside, problem, None);
                }
            }
            Some((_, Ok(_))) => {}
            Some((_, Err(takes))) => self.at(&inside, format!("`{key}` takes {takes}"), None),
            None => {
                let message = format!("no matcher is called `{key}`");
                let known = matchers.iter().chain(values).copied();
                self.at_key(&inside, message, did_you_mean(key, known));
            }
        }
    }

    /// Checks a value that a field is compared with.
    fn plain(&mut self, frame: &str, field: &str, value: &Value, place: &Pointer) {
        if let Some(value) = self.filled(value)
            && !self.is_uncomputed(&value, place)
        {
            self.value(frame, field, &value, place);
        }
    }

    /// Says what is wrong about a value that [`fill`] could not compute, if it is one.
    pub(crate) fn is_uncomputed(&mut self, value: &Value, place: &Pointer) -> bool {
        match computed(value) {
            Some(Err(message)) => {
                self.at(place, message, None);
                true
            }
            Some(Ok(_)) | None => false,
        }
    }

    /// Checks that a field can hold a value.
    fn value(&mut self, frame: &str, field: &str, value: &Value, place: &Pointer) {
        let Some(protocol) = self.protocol else {
            return;
        };
        let alone = Map::from_iter([(field.to_owned(), value.clone())]);
        let known = protocol.vocabulary.fields(frame).unwrap_or_default();
        match protocol.vocabulary.encode(frame, &alone) {
            // A frame may need another field too, which a matcher need not name.
            Err(WordError::BadValue { field: other, .. })
                if other != field && known.contains(&other.as_str()) => {}
            Err(error) => self.word(&error, place),
            Ok(_) => {}
        }
    }

    /// A value with every `$name` replaced by what it could be and what is to be computed; `None`
    /// if unknown.
    pub(crate) fn filled(&self, value: &Value) -> Option<Value> {
        fill(value, &self.samples)
    }

    fn word(&mut self, error: &WordError, place: &Pointer) {
        let help = match error {
            WordError::UnknownFrame { name, known, .. }
            | WordError::UnknownField { name, known, .. } => {
                did_you_mean(name, known.iter().copied())
            }
            WordError::BadValue { .. } => None,
        };
        self.at(place, error.to_string(), help);
    }
}

/// A value that each `$name` of a scenario could have.
pub(super) fn samples(scenario: &Scenario, protocol: &Protocol) -> IndexMap<String, Option<Value>> {
    let mut samples = IndexMap::from([(NOW.to_owned(), Some(json!(1_800_000_000)))]);
    for given in protocol.values {
        let value = serde_json::from_str(given.reference).ok();
        samples.insert(given.name.to_owned(), value);
    }
    for (name, binding) in &scenario.bindings {
        let sample = match binding {
            Binding::Uuid {} => Some(json!("00000000-0000-4000-8000-000000000000")),
            Binding::Value(value) => fill(value, &samples),
        };
        samples.insert(name.clone(), sample);
    }
    each_step(&scenario.steps, &Pointer::root(), &mut |step, inside| {
        for bind in step.form().binds(inside) {
            let Some((frame, field)) = bind.field else {
                continue;
            };
            let sample = default_of(protocol, frame, field);
            // A name that is bound twice could be either.
            let sample = sample.filter(|_| !samples.contains_key(bind.name));
            samples.insert(bind.name.to_owned(), sample);
        }
    });
    samples
}

fn default_of(protocol: &Protocol, frame: &str, field: &str) -> Option<Value> {
    let datagram = protocol.vocabulary.encode(frame, &Map::new()).ok()?;
    let described = protocol.vocabulary.decode(&datagram).ok()??;
    described.fields.get(field).cloned()
}

fn fill(value: &Value, samples: &IndexMap<String, Option<Value>>) -> Option<Value> {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            None => Some(value.clone()),
            Some(literal) if literal.starts_with('$') => Some(json!(literal)),
            Some(name) => samples.get(name).cloned().flatten(),
        },
        Value::Array(values) => {
            let values = values.iter().map(|value| fill(value, samples));
            values.collect::<Option<_>>().map(Value::Array)
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| Some((key.clone(), fill(value, samples)?)));
            let filled = members.collect::<Option<_>>().map(Value::Object)?;
            let computed = computed(&filled).and_then(Result::ok);
            Some(computed.unwrap_or(filled))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    }
}
