//! The messages, as `signaling.proto` has them.

use std::sync::LazyLock;

use prost_reflect::prost::Message as _;
use prost_reflect::prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _, SerializeOptions,
};
use serde_json::{Map, Value, json};
use shakedown_wire::{DecodeError, Rule, planted};

use crate::vocabulary::{Described, WordError, bad, read_hex};

/// The key of bytes that stand behind the known fields of a message.
const UNKNOWN: &str = "unknown_fields";

/// What stands behind a length on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// ClientMessage: one of what a client says to a Meeting Controller.
    Client,
    /// ServerMessage: one of what a Meeting Controller says to a client.
    Server,
    /// MediaAuth: what a client says to a Media Handler first.
    MediaAuth,
    /// MediaAuthResult: the answer to it.
    MediaAuthResult,
}

/// A message with a name of its own in scenarios.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: &'static str,
    /// The names of its fields.
    pub(super) fields: &'static [&'static str],
    descriptor: MessageDescriptor,
    /// Its field in ClientMessage or ServerMessage, if it stands in one.
    number: Option<u32>,
}

/// All that are said by themselves: what can stand in an envelope, in the order of their numbers.
pub(super) static NAMED: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let of = |envelope: Envelope| {
        let envelope = envelope.descriptor();
        let inner = |field: FieldDescriptor| {
            let inner = field.kind().as_message().cloned()?;
            Some((inner, Some(field.number())))
        };
        envelope.fields().filter_map(inner).collect::<Vec<_>>()
    };
    let alone = [Envelope::MediaAuth, Envelope::MediaAuthResult];
    let alone = alone.map(|envelope| (envelope.descriptor(), None));
    let mut all: Vec<Named> = Vec::new();
    let said = [of(Envelope::Client), of(Envelope::Server)].concat();
    for (descriptor, number) in said.into_iter().chain(alone) {
        // Both sides say StreamQualityUpdate, under the same number.
        if all.iter().any(|known| known.name == descriptor.name()) {
            continue;
        }
        let fields = descriptor.fields().map(|field| leak(field.name()));
        all.push(Named {
            name: leak(descriptor.name()),
            fields: fields.chain([UNKNOWN]).collect::<Vec<_>>().leak(),
            descriptor,
            number,
        });
    }
    all
});

/// Names are made once and last as long as the program.
fn leak(name: &str) -> &'static str {
    name.to_owned().leak()
}

#[expect(
    clippy::panic,
    reason = "the descriptors are built in: if they are wrong, the program is"
)]
fn descriptor(name: &str) -> MessageDescriptor {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let built_in: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/signaling.bin"));
        DescriptorPool::decode(built_in).unwrap_or_else(|error| panic!("signaling.proto: {error}"))
    });
    let name = format!("dark_tower.signaling.{name}");
    POOL.get_message_by_name(&name)
        .unwrap_or_else(|| panic!("signaling.proto has no {name}"))
}

impl Envelope {
    fn descriptor(self) -> MessageDescriptor {
        descriptor(match self {
            Self::Client => "ClientMessage",
            Self::Server => "ServerMessage",
            Self::MediaAuth => "MediaAuth",
            Self::MediaAuthResult => "MediaAuthResult",
        })
    }

    const ALL: [Self; 4] = [
        Self::Client,
        Self::Server,
        Self::MediaAuth,
        Self::MediaAuthResult,
    ];

    /// What the protobuf library makes of these bytes, written again by it alone. Unknown fields of messages within
    /// the message are left out, as nothing tells them.
    #[cfg(feature = "fuzz")]
    pub(super) fn library(self, body: &[u8]) -> Option<Vec<u8>> {
        let message = DynamicMessage::decode(self.descriptor(), body).ok()?;
        let mut message = self.inner(message)?;
        for (_, value) in message.fields_mut() {
            forget_unknown(value);
        }
        Some(message.encode_to_vec())
    }

    /// What is said in the envelope, or the message itself where there is none; `None` if the oneof is empty.
    fn inner(self, message: DynamicMessage) -> Option<DynamicMessage> {
        if matches!(self, Self::MediaAuth | Self::MediaAuthResult) {
            return Some(message);
        }
        let said = self
            .descriptor()
            .fields()
            .find(|field| message.has_field(field))?;
        message.get_field(&said).as_message().cloned()
    }

    /// Whether a message of this name stands in it, or is it.
    pub(super) fn says(self, name: &str) -> bool {
        let own = self.descriptor();
        let mut fields = own.fields();
        let is_inside = |field: FieldDescriptor| {
            field
                .kind()
                .as_message()
                .is_some_and(|inner| inner.name() == name)
        };
        match self {
            Self::Client | Self::Server => fields.any(is_inside),
            Self::MediaAuth | Self::MediaAuthResult => own.name() == name,
        }
    }

    /// The message in these bytes, which stand at `offset`.
    ///
    /// # Errors
    /// They are none, or it says nothing: its oneof is empty (DT-S-11).
    pub fn decode(self, body: &[u8], offset: usize) -> Result<Described, DecodeError> {
        let invalid = |rule, reason| DecodeError::invalid("message", offset, rule, reason);
        let message = DynamicMessage::decode(self.descriptor(), body)
            .map_err(|_| invalid(Rule::Value, "is no such protobuf message"))?;
        self.inner(message)
            .map(|inner| describe(&inner))
            .ok_or_else(|| invalid(Rule::Missing, "says nothing: its oneof is empty"))
    }
}

fn describe(message: &DynamicMessage) -> Described {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let fields = message.serialize_with_options(serde_json::value::Serializer, &options);
    let mut fields = match fields {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    let mut unknown = Vec::new();
    for field in message.unknown_fields() {
        planted::panics("field-unknown", || field.number() > 1_000);
        field.encode(&mut unknown);
    }
    if !unknown.is_empty() {
        fields.insert(UNKNOWN.to_owned(), json!({ "hex": hex::encode(unknown) }));
    }
    let descriptor = message.descriptor();
    let named = NAMED.iter().find(|named| named.descriptor == descriptor);
    Described {
        frame: named.map_or("message", |named| named.name),
        fields,
    }
}

#[cfg(feature = "fuzz")]
fn forget_unknown(value: &mut prost_reflect::Value) {
    for item in value.as_list_mut().into_iter().flatten() {
        forget_unknown(item);
    }
    if let Some(message) = value.as_message_mut() {
        message.take_unknown_fields().for_each(drop);
        for (_, inner) in message.fields_mut() {
            forget_unknown(inner);
        }
    }
}

/// The messages for the script of Wireshark: the fields of each by their numbers, and what stands behind a length.
pub(super) fn tables() -> Value {
    let client = Envelope::Client.descriptor();
    let messages = client.parent_pool().all_messages().map(|message| {
        let fields = message
            .fields()
            .map(|field| (field.number().to_string(), row(&field)));
        (
            message.name().to_owned(),
            fields.collect::<Map<_, _>>().into(),
        )
    });
    let name = |envelope: Envelope| envelope.descriptor().name().to_owned();
    let has_oneof = |envelope: &Envelope| envelope.descriptor().oneofs().len() > 0;
    let oneofs = Envelope::ALL.into_iter().filter(has_oneof);
    let oneofs = oneofs.map(|envelope| (name(envelope), true.into()));
    json!({
        "messages": messages.collect::<Map<String, Value>>(),
        "envelopes": {
            "signaling": { "client": name(Envelope::Client), "server": name(Envelope::Server) },
            "media": { "client": name(Envelope::MediaAuth), "server": name(Envelope::MediaAuthResult) },
            "oneof": oneofs.collect::<Map<String, Value>>(),
        },
    })
}

fn row(field: &FieldDescriptor) -> Value {
    let name = field.name();
    match field.kind() {
        Kind::Message(inner) => json!({ "name": name, "kind": "message", "message": inner.name() }),
        Kind::Enum(values) => {
            let values = values.values();
            let names = values.map(|it| (it.number().to_string(), it.name().into()));
            json!({ "name": name, "kind": "named", "names": names.collect::<Map<String, Value>>() })
        }
        Kind::String => json!({ "name": name, "kind": "utf8" }),
        Kind::Bool => json!({ "name": name, "kind": "bool" }),
        Kind::Float => json!({ "name": name, "kind": "float" }),
        Kind::Bytes => json!({ "name": name, "kind": "bytes" }),
        _ => json!({ "name": name, "kind": "u64" }),
    }
}

impl Named {
    /// Its bytes on a stream: behind its length, in its envelope if it has one.
    ///
    /// # Errors
    /// A field cannot hold its value.
    pub(super) fn encode(&self, fields: &Map<String, Value>) -> Result<Vec<u8>, WordError> {
        let mut known = fields.clone();
        let unknown = match known.remove(UNKNOWN) {
            None => Vec::new(),
            Some(Value::Object(object)) if object.len() == 1 && object.contains_key("hex") => {
                read_hex(UNKNOWN, &object["hex"])?
            }
            Some(other) => {
                let problem = format!("must be {{\"hex\": bytes}}, not {other}");
                return Err(bad(UNKNOWN, problem));
            }
        };
        let options = DeserializeOptions::new();
        let message = DynamicMessage::deserialize_with_options(
            self.descriptor.clone(),
            Value::Object(known),
            &options,
        );
        let message = message.map_err(|error| bad(self.name, error.to_string()))?;
        let mut inner = message.encode_to_vec();
        inner.extend(unknown);
        let mut body = Vec::new();
        if let Some(number) = self.number {
            encode_key(number, WireType::LengthDelimited, &mut body);
            encode_varint(inner.len() as u64, &mut body);
        }
        body.extend(inner);
        let length = u32::try_from(body.len()).map_err(|_| bad(self.name, "is too long".into()))?;
        Ok([length.to_be_bytes().as_slice(), &body].concat())
    }
}
