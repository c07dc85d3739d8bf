//! JSON Schemas of what people write and machines read, for editors and consumers of events.
//!
//! They help while typing; whether a file is right is decided by loading it, which says more.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use shakedown_protocol::{PROTOCOLS, Protocol};

use crate::event::Event;
use crate::explore::Trace;
use crate::iut::Iut;
use crate::scenario::Scenario;

/// The schema of scenario files.
#[must_use]
pub fn scenario() -> Value {
    let mut schema = generate::<Scenario>("Shakedown scenario");
    let names = Names::of_all_protocols();
    names.fill_in(&mut schema);
    names.fields_by_frame(&mut schema);
    schema
}

/// The schema of descriptions of implementations, for editors that apply JSON Schema to TOML.
#[must_use]
pub fn iut() -> Value {
    let mut schema = generate::<Iut>("Description of an implementation under test");
    Names::of_all_protocols().fill_in(&mut schema);
    schema
}

/// The schema of one event of `--format json`.
#[must_use]
pub fn events() -> Value {
    generate::<Event>("Shakedown event")
}

/// The schema of anything else that knows its own.
#[must_use]
pub fn of<T: JsonSchema>(title: &str) -> Value {
    generate::<T>(title)
}

/// The schema of traces.
#[must_use]
pub fn trace() -> Value {
    let mut schema = generate::<Trace>("Shakedown trace");
    Names::of_all_protocols().fill_in(&mut schema);
    schema
}

/// A schema as files hold it.
#[must_use]
pub fn to_text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// The schema of what is streamed, whose type knows no schemas.
pub(crate) fn stream(_: &mut SchemaGenerator) -> schemars::Schema {
    let number =
        |description: &str| json!({ "type": "integer", "minimum": 1, "description": description });
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": false,
        "required": ["bits_per_second", "frames_per_second", "seconds"],
        "properties": {
            "bits_per_second": number("Bits a second; a frame has bits_per_second / 8 / frames_per_second bytes, headers included."),
            "frames_per_second": number("Frames a second."),
            "seconds": number("Length of the stream in seconds."),
        }
    })
}

fn generate<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), json!(title));
    }
    schema
}

/// The words that files may use, of all protocols.
struct Names {
    by_key: BTreeMap<&'static str, Vec<String>>,
    fields: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Names {
    fn of_all_protocols() -> Self {
        let mut names = Self {
            by_key: BTreeMap::new(),
            fields: BTreeMap::new(),
        };
        for protocol in PROTOCOLS {
            let vocabulary = protocol.vocabulary;
            names.add("protocol", [protocol.id.to_owned()]);
            names.add("mode", protocol.modes.iter().map(ToString::to_string));
            if protocol.has_any_mode {
                names.add("mode", [Protocol::ANY_MODE.to_owned()]);
            }
            names.add("role", protocol.sides.iter().map(ToString::to_string));
            let options = protocol.options().map(|option| option.name.to_owned());
            names.add("option", options);
            let requirements = (protocol.requirements)().iter();
            names.add("requirement", requirements.map(|one| one.id.clone()));
            for frame in vocabulary.frames() {
                names.add("frame", [(*frame).to_owned()]);
                let fields = vocabulary.fields(frame).unwrap_or_default();
                names.fields.entry(frame).or_default().extend(fields);
            }
        }
        names
    }

    fn add(&mut self, kind: &'static str, words: impl IntoIterator<Item = String>) {
        let known = self.by_key.entry(kind).or_default();
        for word in words {
            if !known.contains(&word) {
                known.push(word);
            }
        }
    }

    /// What kind of word a property of this name holds, and whether it is a list of them or an
    /// object with such keys.
    fn kind_of(property: &str) -> Option<(&'static str, Shape)> {
        Some(match property {
            "protocol" => ("protocol", Shape::Word),
            "mode" => ("mode", Shape::Word),
            "role" => ("role", Shape::Word),
            "frame" => ("frame", Shape::Word),
            "requirement" => ("requirement", Shape::Word),
            "requirements" => ("requirement", Shape::List),
            "modes" => ("mode", Shape::List),
            "ignore" | "of" => ("frame", Shape::List),
            "options" => ("option", Shape::ListOrKeys),
            _ => return None,
        })
    }

    /// Puts the known words wherever a property holds them.
    fn fill_in(&self, schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get_mut("properties") {
                    for (name, property) in properties.iter_mut() {
                        if let (Some((kind, shape)), Value::Object(property)) =
                            (Self::kind_of(name), property)
                        {
                            self.restrict(property, kind, shape);
                        }
                    }
                }
                members.values_mut().for_each(|value| self.fill_in(value));
            }
            Value::Array(elements) => elements.iter_mut().for_each(|value| self.fill_in(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn restrict(&self, property: &mut Map<String, Value>, kind: &str, shape: Shape) {
        let words = json!({ "enum": self.by_key.get(kind) });
        let is_list = property.contains_key("items");
        let has_words = property
            .get("items")
            .is_some_and(|items| items.get("type") == Some(&json!("string")));
        match shape {
            Shape::Word => {
                property.retain(|key, _| key == "description");
                property.insert("enum".to_owned(), words["enum"].clone());
            }
            // `expect_any` has a list of another kind under the same name.
            Shape::List | Shape::ListOrKeys if is_list && has_words => {
                property.insert("items".to_owned(), words);
                property.insert("uniqueItems".to_owned(), json!(true));
            }
            Shape::ListOrKeys if !is_list => {
                property.insert("propertyNames".to_owned(), words);
            }
            Shape::List | Shape::ListOrKeys => {}
        }
    }

    /// Says for everything that has a frame and fields which fields the frame has.
    fn fields_by_frame(&self, schema: &mut Value) {
        let Some(Value::Object(definitions)) = schema.get_mut("$defs") else {
            return;
        };
        for definition in definitions.values_mut() {
            let has = |property: &str| definition["properties"].get(property).is_some();
            let (has_frame, has_fields, binds) = (has("frame"), has("fields"), has("bind"));
            if !(has_frame && has_fields) {
                continue;
            }
            let rules = self.fields.iter().map(|(frame, fields)| {
                let mut then = json!({ "fields": { "propertyNames": { "enum": fields } } });
                if binds {
                    then["bind"] = json!({ "additionalProperties": { "enum": fields } });
                }
                json!({
                    "if": { "properties": { "frame": { "const": frame } }, "required": ["frame"] },
                    "then": { "properties": then }
                })
            });
            definition["allOf"] = Value::Array(rules.collect());
        }
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Word,
    List,
    ListOrKeys,
}
