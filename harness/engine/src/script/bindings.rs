use std::time::Duration;

use indexmap::IndexMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use shakedown_protocol::GivenValue;

use super::Environment;
use crate::scenario::{Binding, NOW, Scenario, computed};

/// The values that `$name` stands for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bindings {
    /// What the implementation's description gives, and the time of day.
    given: IndexMap<String, Value>,
    own: IndexMap<String, Value>,
}

impl Bindings {
    /// The time of day, what the implementation's description gives, and the values of a scenario's
    /// `let`. Ids come from the seed and the scenario's own id, so that two scenarios of one run do
    /// not share them.
    ///
    /// # Errors
    /// A name that is used before it has a value.
    pub(crate) fn new(scenario: &Scenario, environment: &Environment) -> Result<Self, String> {
        let seed = environment.seed ^ fingerprint(&scenario.id);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut bindings = Self::default();
        bindings.set_time(environment.epoch);
        for given in environment.protocol.values {
            let own = serde_json::from_str(given.reference).unwrap_or_default();
            let value = environment.values.get(given.name).cloned();
            let mut value = value.unwrap_or(own);
            if let (Value::String(text), Some(iut)) = (&mut value, environment.iut) {
                *text = text.replace(GivenValue::ADDRESS, &iut.to_string());
            }
            bindings.given.insert(given.name.to_owned(), value);
        }
        for (name, binding) in &scenario.bindings {
            let value = match binding {
                Binding::Uuid {} => {
                    let mut bytes = [0; 16];
                    random.fill_bytes(&mut bytes);
                    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
                    Value::String(id.to_string())
                }
                Binding::Value(value) => bindings.resolve(value)?,
            };
            bindings.set(name, value);
        }
        Ok(bindings)
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.own.insert(name.to_owned(), value);
    }

    /// A step begins at this time since 1970: `$now`.
    pub(crate) fn set_time(&mut self, at: Duration) {
        self.given.insert(NOW.to_owned(), at.as_secs().into());
    }

    pub(crate) fn all(&self) -> &IndexMap<String, Value> {
        &self.own
    }

    /// A value with every `"$name"` in it replaced, and computed where it says so.
    ///
    /// # Errors
    /// A name that has no value, or what cannot be computed.
    pub(crate) fn resolve(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) => self.resolve_text(text),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.resolve(item));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(fields) => {
                let resolved = Value::Object(self.resolve_fields(fields)?);
                computed(&resolved).unwrap_or(Ok(resolved))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
        }
    }

    /// Fields with every `"$name"` in them replaced, and computed where they say so.
    ///
    /// # Errors
    /// A name that has no value, or what cannot be computed.
    pub(crate) fn resolve_fields(
        &self,
        fields: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        fields
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.resolve(value)?)))
            .collect()
    }

    fn resolve_text(&self, text: &str) -> Result<Value, String> {
        match text.strip_prefix('$') {
            None => Ok(Value::String(text.to_owned())),
            Some(literal) if literal.starts_with('$') => Ok(Value::String(literal.to_owned())),
            Some(name) => match self.own.get(name).or_else(|| self.given.get(name)) {
                Some(value) => Ok(value.clone()),
                None => Err(format!("${name} has no value yet")),
            },
        }
    }
}

/// FNV-1a: the same text gives the same number on every machine and in every release.
#[must_use]
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
