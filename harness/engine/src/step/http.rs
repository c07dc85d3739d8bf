//! Requests and answers of HTTP/3, as steps write and match them.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use shakedown_protocol::web::{Field, Setting, Settings};

use super::prelude::*;
use crate::document::did_you_mean;
use crate::scenario::matcher;
use crate::script::streams::web::HttpUse;

/// How HTTP/3 is spoken: `true`, `false` where the steps say every byte of every stream, or the settings
/// that are sent, by names or numbers, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Http3 {
    Is(bool),
    With(IndexMap<String, u64>),
}

impl Default for Http3 {
    fn default() -> Self {
        Self::Is(true)
    }
}

impl Http3 {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::Is(true)
    }

    /// # Errors
    /// No setting has such a name.
    pub(super) fn speaks(&self) -> Result<HttpUse, String> {
        Ok(match self {
            Self::Is(true) => HttpUse::Http,
            Self::Is(false) => HttpUse::Nothing,
            Self::With(settings) => {
                let numbers = settings.iter().map(|(name, value)| {
                    let id = setting(name).ok_or_else(|| format!("no setting is `{name}`"))?;
                    Ok((id, *value))
                });
                HttpUse::With(Settings::of(numbers.collect::<Result<_, String>>()?))
            }
        })
    }

    pub(super) fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let Self::With(settings) = self else {
            return;
        };
        for name in settings.keys().filter(|name| setting(name).is_none()) {
            let known = Setting::ALL.map(Setting::name);
            let help = did_you_mean(name, known)
                .or_else(|| Some("write its name, or its number such as \"0x33\"".to_owned()));
            let place = inside.key("http3").key(name);
            check.at_key(&place, format!("no setting is called `{name}`"), help);
        }
    }
}

/// The id of a setting by its name or its number.
fn setting(name: &str) -> Option<u64> {
    let known = Setting::ALL.map(|setting| (setting.name(), setting.number()));
    number(name, known)
}

/// What is written as one of these names, or as a number.
pub(super) fn number<const N: usize>(name: &str, known: [(&str, u64); N]) -> Option<u64> {
    let named = known.into_iter().find(|(known, _)| *known == name);
    named
        .map(|(_, number)| number)
        .or_else(|| match name.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => name.parse().ok(),
        })
}

/// Header fields as they are written: names and values, in their order.
pub(super) type Fields = Vec<(String, Value)>;

/// A text with the values of its names.
///
/// # Errors
/// A name without a value, or what is no text.
pub(super) fn text(value: &Value, context: &Context) -> Result<String, String> {
    match context.bindings.resolve(value)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("{other} is no text")),
    }
}

/// Header fields with the values of their names.
///
/// # Errors
/// As of [`text`].
pub(super) fn fields(fields: &Fields, context: &Context) -> Result<Vec<Field>, String> {
    let one = |(name, value): &(String, Value)| Ok((name.clone(), text(value, context)?));
    fields.iter().map(one).collect()
}

/// A body: a text as it is, anything else as JSON.
///
/// # Errors
/// A name without a value.
pub(super) fn body(body: Option<&Value>, context: &Context) -> Result<Vec<u8>, String> {
    let body = body.map(|body| context.bindings.resolve(body));
    Ok(match body.transpose()? {
        None => Vec::new(),
        Some(Value::String(text)) => text.into_bytes(),
        Some(json) => json.to_string().into_bytes(),
    })
}

/// What came, for matchers and for names: `first` members, the header fields by name, and the body, as JSON
/// where it is such.
pub(super) fn message(first: Map<String, Value>, fields: &[Field], body: &[u8]) -> Value {
    let mut by_name = Map::new();
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
        by_name.insert(name.clone(), json!(value));
    }
    let body =
        serde_json::from_slice(body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body)));
    let mut message = first;
    message.insert("fields".to_owned(), Value::Object(by_name));
    message.insert("body".to_owned(), body);
    Value::Object(message)
}

/// What a message must be: matchers of its members, and names for what stands in it.
#[derive(Debug)]
pub(super) struct Wanted {
    members: Vec<(&'static str, Value)>,
    bind: IndexMap<String, String>,
}

impl Wanted {
    /// Members that are given, with the values of their names.
    ///
    /// # Errors
    /// A name without a value.
    pub(super) fn new(
        members: Vec<(&'static str, Option<Value>)>,
        bind: &IndexMap<String, String>,
        context: &Context,
    ) -> Result<Self, String> {
        let given = members
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let resolved = given.map(|(name, value)| Ok((name, context.bindings.resolve(&value)?)));
        Ok(Self {
            members: resolved.collect::<Result<_, String>>()?,
            bind: bind.clone(),
        })
    }

    pub(super) fn in_words(&self) -> String {
        let one = |(name, value): &(&str, Value)| {
            format!("{name} {}", matcher::phrase(value, &describe::value))
        };
        let all: Vec<_> = self.members.iter().map(one).collect();
        match all.is_empty() {
            true => String::new(),
            false => format!(" with {}", all.join(", ")),
        }
    }

    /// A message that does not match, with what its bytes do not show.
    pub(super) fn remarked(&self, message: &Value) -> String {
        let members = self.members.iter();
        let wanted = members.map(|(name, wanted)| ((*name).to_owned(), wanted.clone()));
        remarked(&wanted.collect(), message)
    }

    /// The values to be remembered, if the message is as it must be.
    ///
    /// # Errors
    /// What it is instead.
    pub(super) fn meets(&self, message: &Value) -> Result<Vec<(String, Value)>, String> {
        for (name, wanted) in &self.members {
            let got = message.get(name);
            if !matcher::matches(wanted, got, &|_| None) {
                let got = got.unwrap_or(&Value::Null);
                return Err(format!("{name} {}", describe::value(got)));
            }
        }
        bound(&self.bind, message)
    }
}

/// Whether a frame's fields are as they must be.
pub(super) fn meets(wanted: &Map<String, Value>, fields: &Value) -> bool {
    let mut wanted = wanted.iter();
    wanted.all(|(name, wanted)| matcher::matches(wanted, fields.get(name), &|_| None))
}

/// A message that does not match, with what its bytes do not show.
pub(super) fn remarked(wanted: &Map<String, Value>, message: &Value) -> String {
    let remark = matcher::remark(&Value::Object(wanted.clone()), message);
    let remark = remark.map_or_else(String::new, |remark| format!(" ({remark})"));
    format!("{}{remark}", describe::value(message))
}

/// The values that get names.
///
/// # Errors
/// One is not there.
pub(super) fn bound(
    bind: &IndexMap<String, String>,
    message: &Value,
) -> Result<Vec<(String, Value)>, String> {
    let bound = bind
        .iter()
        .map(|(name, pointer)| match message.pointer(pointer) {
            Some(value) => Ok((name.clone(), value.clone())),
            None => Err(format!("nothing at {pointer}")),
        });
    bound.collect()
}

/// Checks what parts of a message must be, by the keys under which that stands.
pub(super) fn check_wanted<const N: usize>(
    check: &mut Checker<'_>,
    wanted: [(&str, Option<&Value>); N],
    fields: Option<&Map<String, Value>>,
    inside: &Pointer,
) {
    for (key, wanted) in wanted {
        if let Some(wanted) = wanted {
            check.scalar_wanted(wanted, &inside.key(key));
        }
    }
    for (name, wanted) in fields.into_iter().flatten() {
        check.scalar_wanted(wanted, &inside.key("fields").key(name));
    }
}

/// Checks the places that get names: pointers into a message.
pub(super) fn check_bind(
    check: &mut Checker<'_>,
    bind: &IndexMap<String, String>,
    inside: &Pointer,
) {
    for (name, pointer) in bind {
        let place = inside.key("bind").key(name);
        check.binding_name(name, &place);
        if !pointer.starts_with('/') {
            let message = format!("`{pointer}` is no place in what comes");
            let help = "write a JSON pointer, such as \"/body/join_token\"".to_owned();
            check.at(&place, message, Some(help));
        }
    }
}

/// The names that a step gives.
pub(super) fn binds<'a>(bind: &'a IndexMap<String, String>, inside: &Pointer) -> Vec<Bind<'a>> {
    let binds = bind.keys().map(|name| Bind {
        name,
        place: inside.key("bind").key(name),
        field: None,
    });
    binds.collect()
}
